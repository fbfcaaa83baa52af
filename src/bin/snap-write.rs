//! `snap-write`: the work is in [`snapshooter::tools::write`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::write::main(std::env::args_os())
}
