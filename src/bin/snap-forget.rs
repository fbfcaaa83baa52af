//! `snap-forget`: the work is in [`snapshooter::tools::forget`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::forget::main(std::env::args_os())
}
