//! `snap-diff`: see `snapshooter::tools::diff`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::diff::main()
}
