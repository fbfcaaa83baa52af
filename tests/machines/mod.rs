//! Backups that several machines share: the scripts and the program in `examples`.

// Hosts for ssh, and tools that fail on some of them.
mod hosts;
// GNU parallel.
mod parallel;
// Apache Spark.
mod spark;

use std::path::{Path, PathBuf};

/// A file of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
