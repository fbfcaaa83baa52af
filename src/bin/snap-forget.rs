//! `snap-forget`: the work is in [`snapshooter::tools::forget`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::forget::work));
