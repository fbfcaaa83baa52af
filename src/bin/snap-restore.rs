//! `snap-restore`: the work is in [`snapshooter::tools::restore`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::restore::work));
