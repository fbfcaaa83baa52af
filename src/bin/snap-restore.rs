//! `snap-restore`: the work is in [`snapshooter::tools::restore`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::restore::work)
}
