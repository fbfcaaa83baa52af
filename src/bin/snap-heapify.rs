//! `snap-heapify`: the work is in [`snapshooter::tools::heapify`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::heapify::work)
}
