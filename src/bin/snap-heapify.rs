//! `snap-heapify`: the work is in [`snapshooter::tools::heapify`].

snapshooter::executable!(snapshooter::tools::run(std::env::args_os(), snapshooter::tools::heapify::work));
