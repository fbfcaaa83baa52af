//! `snap-diff`: the work is in [`snapshooter::tools::diff`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::diff::main(std::env::args_os())
}
