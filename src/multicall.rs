//! `snapshooter-all`: the work is in [`snapshooter::tools::all`].

snapshooter::executable!(snapshooter::tools::all::main());
