//! `snap-read`: the work is in [`snapshooter::tools::read`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::read::work));
