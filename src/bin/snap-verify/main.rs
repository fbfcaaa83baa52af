//! `snap-verify`: see `snapshooter::tools::verify`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::verify::main()
}
