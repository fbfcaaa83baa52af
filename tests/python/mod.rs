//! The Python tool of the same name: its repositories, its command line, its defects.

// The same records and repositories, both ways.
mod interop;
// The command line, side by side.
mod seed;
// The Python package: the same scripts with it and with the Python tool.
mod wheel;
