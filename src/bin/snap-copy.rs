//! `snap-copy`: the work is in [`snapshooter::tools::copy`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::copy::work));
