//! `snap-from-tar`: the work is in [`snapshooter::tools::from_tar`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::from_tar::work));
