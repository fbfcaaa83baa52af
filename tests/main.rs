//! The tools as a user meets them: the built binaries, in folders of their own, with nothing of the caller's environment.

mod bad_input;
mod crash;
mod diff;
mod docs;
mod faults;
mod interop;
mod keep;
mod seed;
mod stream;
mod util;
