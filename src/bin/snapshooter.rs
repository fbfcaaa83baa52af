//! `snapshooter`: the work is in [`snapshooter::python`].

fn main() -> std::process::ExitCode {
    snapshooter::python::main(std::env::args_os())
}
