//! `snap-diff`: the work is in [`snapshooter::tools::diff`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::diff::work)
}
