//! `snap-cat`: the work is in [`snapshooter::tools::cat`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::cat::main(std::env::args_os())
}
