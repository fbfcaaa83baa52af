//! `snap-write`: see `snapshooter::tools::write`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::write::main()
}
