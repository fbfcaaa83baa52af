//! `snap-list`: the work is in [`snapshooter::tools::list`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::list::work)
}
