//! `snap-reuse`: the work is in [`snapshooter::tools::reuse`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::reuse::main(std::env::args_os())
}
