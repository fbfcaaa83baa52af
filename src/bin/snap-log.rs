//! `snap-log`: the work is in [`snapshooter::tools::log`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::log::work));
