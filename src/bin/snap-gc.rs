//! `snap-gc`: the work is in [`snapshooter::tools::gc`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::gc::work));
