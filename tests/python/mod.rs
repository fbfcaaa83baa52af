//! The Python tool of the same name: its repositories, its command line, its defects.

// The same records and repositories, both ways.
mod interop;
// The command line, side by side.
mod seed;
