//! `snapshooter`: the work is in [`snapshooter::tools::snapshooter`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::snapshooter::main(std::env::args_os())
}
