//! `snap-list`: see `snapshooter::tools::list`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::list::main()
}
