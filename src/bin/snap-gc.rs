//! `snap-gc`: the work is in [`snapshooter::tools::gc`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::run(std::env::args_os(), snapshooter::tools::gc::work)
}
