//! The tools as a user meets them: the built binaries, in folders of their own, with nothing of the caller's environment.

mod bad_input;
mod bombs;
mod changing;
mod collide;
mod conformance;
mod crash;
mod diff;
mod docs;
mod emulators;
mod fanout;
mod faults;
mod faulty;
mod fuzz_corpus;
mod hostile;
mod install;
mod interop;
mod keep;
mod measure;
mod memory;
mod remote;
mod roundtrip;
mod seed;
mod statuses;
mod stream;
mod swapper;
mod util;
