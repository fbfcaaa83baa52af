//! `snap-scan`: see `snapshooter::tools::scan`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::scan::main()
}
