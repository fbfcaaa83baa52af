//! `snap-report`: the work is in [`snapshooter::tools::report`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::report::work));
