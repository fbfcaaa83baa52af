//! `snap-gc`: see `snapshooter::tools::gc`.

fn main() -> std::process::ExitCode {
    snapshooter::tools::gc::main()
}
