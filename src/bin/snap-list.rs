//! `snap-list`: the work is in [`snapshooter::tools::list`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::list::work));
