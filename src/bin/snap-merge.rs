//! `snap-merge`: the work is in [`snapshooter::tools::merge`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::merge::work)
}
