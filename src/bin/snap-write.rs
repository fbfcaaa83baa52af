//! `snap-write`: the work is in [`snapshooter::tools::write`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::write::work)
}
