//! `snap-scan`: the work is in [`snapshooter::tools::scan`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::scan::work)
}
