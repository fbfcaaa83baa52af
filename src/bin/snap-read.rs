//! `snap-read`: the work is in [`snapshooter::tools::read`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::read::work)
}
