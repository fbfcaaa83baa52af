//! `snapshooter-all`: the work is in [`snapshooter::tools::all`].

fn main() -> std::process::ExitCode {
    snapshooter::tools::all::main()
}
