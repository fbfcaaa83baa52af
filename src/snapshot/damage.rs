//! The errors about damaged snapshots.

use crate::error::Error;

/// Returns the error for a damaged snapshot.
pub(super) fn damaged(path: &str, reason: &str) -> Error {
    Error::refused(format!("snapshot {path} is damaged: {reason}"))
}

/// Returns the error for a failure to read a snapshot: the snapshot is damaged, unless the system reported the failure.
pub(super) fn explain(path: &str, e: std::io::Error) -> Error {
    match e.kind() {
        _ if e.raw_os_error().is_some() => Error::io(path, e),
        std::io::ErrorKind::UnexpectedEof => damaged(path, "it is cut off"),
        _ => damaged(path, &crate::error::reason(&e)),
    }
}

/// Does what [`explain`] does, for an error of the reader of records.
pub(super) fn explained(path: &str, e: Error) -> Error {
    match e {
        Error::Io { source, .. } => explain(path, source),
        e => e,
    }
}
