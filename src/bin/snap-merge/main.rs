//! `snap-merge`: see `snapshooter::tools::merge`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::merge::main()
}
