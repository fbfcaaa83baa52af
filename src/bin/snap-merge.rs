//! `snap-merge`: the work is in [`snapshooter::tools::merge`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::merge::main(std::env::args_os())
}
