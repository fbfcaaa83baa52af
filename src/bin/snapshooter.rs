//! `snapshooter`: the work is in [`snapshooter::python`].

snapshooter::executable!(snapshooter::python::main(std::env::args_os()));
