//! `snap-heapify`: see `snapshooter::tools::heapify`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::heapify::main()
}
