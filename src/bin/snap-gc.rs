//! `snap-gc`: the work is in [`snapshooter::tools::gc`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::gc::main(std::env::args_os())
}
