//! `snap-restore`: see `snapshooter::tools::restore`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::restore::main()
}
