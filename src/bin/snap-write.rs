//! `snap-write`: the work is in [`snapshooter::tools::write`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::write::work));
