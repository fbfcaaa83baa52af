//! `snap-cat`: the work is in [`snapshooter::tools::cat`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::cat::work)
}
