//! `snap-reuse`: see `snapshooter::tools::reuse`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::reuse::main()
}
