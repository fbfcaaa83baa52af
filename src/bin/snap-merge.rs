//! `snap-merge`: the work is in [`snapshooter::tools::merge`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::merge::work));
