//! `snap-verify`: the work is in [`snapshooter::tools::verify`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::verify::main(std::env::args_os())
}
