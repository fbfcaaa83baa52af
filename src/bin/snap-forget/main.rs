//! `snap-forget`: see `snapshooter::tools::forget`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::forget::main()
}
