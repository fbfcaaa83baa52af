//! `snap-read`: the work is in [`snapshooter::tools::read`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::read::main(std::env::args_os())
}
