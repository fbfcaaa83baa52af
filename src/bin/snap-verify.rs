//! `snap-verify`: the work is in [`snapshooter::tools::verify`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::verify::work));
