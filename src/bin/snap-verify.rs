//! `snap-verify`: the work is in [`snapshooter::tools::verify`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::verify::work)
}
