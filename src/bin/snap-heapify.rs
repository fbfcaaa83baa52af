//! `snap-heapify`: the work is in [`snapshooter::tools::heapify`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::heapify::main(std::env::args_os())
}
