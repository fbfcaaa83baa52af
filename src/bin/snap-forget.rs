//! `snap-forget`: the work is in [`snapshooter::tools::forget`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::forget::work)
}
