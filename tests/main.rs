//! Tests of the binaries.

fn main() {}
