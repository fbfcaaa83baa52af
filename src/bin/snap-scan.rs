//! `snap-scan`: the work is in [`snapshooter::tools::scan`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::scan::work));
