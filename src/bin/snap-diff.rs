//! `snap-diff`: the work is in [`snapshooter::tools::diff`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::diff::work));
