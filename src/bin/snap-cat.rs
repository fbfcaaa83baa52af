//! `snap-cat`: the work is in [`snapshooter::tools::cat`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::cat::work));
