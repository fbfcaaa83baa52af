//! `snap-read`: see `snapshooter::tools::read`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::read::main()
}
