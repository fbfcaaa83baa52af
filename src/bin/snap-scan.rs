//! `snap-scan`: the work is in [`snapshooter::tools::scan`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::scan::main(std::env::args_os())
}
