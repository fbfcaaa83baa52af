//! `snap-put`: the work is in [`snapshooter::tools::put`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::put::work));
