//! `snap-cat`: see `snapshooter::tools::cat`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::cat::main()
}
