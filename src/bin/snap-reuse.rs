//! `snap-reuse`: the work is in [`snapshooter::tools::reuse`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::reuse::work));
