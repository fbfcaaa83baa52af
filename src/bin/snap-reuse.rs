//! `snap-reuse`: the work is in [`snapshooter::tools::reuse`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::reuse::work)
}
