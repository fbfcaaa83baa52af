//! `snap-restore`: the work is in [`snapshooter::tools::restore`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::restore::main(std::env::args_os())
}
