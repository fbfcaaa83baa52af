//! `snap-to-tar`: the work is in [`snapshooter::tools::to_tar`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::to_tar::work));
