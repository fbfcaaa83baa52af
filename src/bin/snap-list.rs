//! `snap-list`: the work is in [`snapshooter::tools::list`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::list::main(std::env::args_os())
}
