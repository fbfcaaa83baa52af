//! `snap-patch`: the work is in [`snapshooter::tools::patch`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::patch::work));
