//! The errors that stop a tool. A failure of a single record is not an [`Error`] but a record of type `error` (see
//! [`crate::record::Record::failure`]), so that an unreadable source file and an unwritable store are never confused.

use crate::display::printable;
use std::fmt;
use std::io;

/// The result of an operation whose failure stops the tool.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a tool has to stop. The exit status is 2, except for [`Error::ReaderGone`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A line of the input is not a valid record.
    Input {
        /// The source of the line: `standard input`, a path or a URL.
        from: String,
        /// The number of the line, counted from 1.
        line: u64,
        /// The name of the record in raw bytes, if it could be read.
        name: Option<Vec<u8>>,
        /// The reason why the line is not valid.
        reason: String,
    },
    /// An operation of the system failed.
    Io {
        /// The operation and its object: `open heap/ab`.
        what: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The tool refuses the work.
    Refused {
        /// The rule that forbids it, for callers that give advice.
        refusal: Refusal,
        /// The reason, in one line.
        reason: String,
        /// The advice, in one line, if it does not depend on the caller's command line.
        help: Option<String>,
    },
    /// The reader of the output has closed it. The tool ends silently, as if it had written everything.
    ReaderGone,
}

/// The rule behind an [`Error::Refused`]. The library does not know the options of the tools; each tool adds those that help.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No rule of this list: a missing root, contradictory options, damaged data.
    #[default]
    Other,
    /// Records failed before, so the snapshot would not be complete.
    RecordsFailed,
    /// A stream without an end record may be truncated, so it is not published.
    NoEndRecord,
    /// Records were left out of the stream, so it is not published as complete.
    LeftOut,
    /// A snapshot without records is not published after one with some.
    NoRecords,
    /// The streams to join are not parts of one listing.
    DifferentListings,
    /// No rule selects the snapshots to keep.
    NoRules,
    /// The rules keep no snapshot of a group.
    KeepsNone,
    /// Snapshots of another snap root use the heap.
    OtherSnapRoot {
        /// The file in the heap that names the other root.
        file: String,
    },
    /// Other processes may be using the heap.
    HeapInUse,
    /// A snapshot is selected by its time, but there is no snap root.
    NoSnapRoot,
    /// The storage of a file root has no listing, so the names have to be given.
    NoListing,
    /// A record names a file in the heap itself.
    HeapInFileRoot,
    /// This storage does not support ignore files.
    IgnoreFiles,
    /// This storage does not support extended attributes.
    Xattrs,
    /// This storage does not support the distinction of file systems.
    FileSystems,
    /// A snapshot is to have the time of another one.
    SnapshotThere,
    /// Deleting: the records are those of `snap-put`, which list no folder.
    DeletesPut,
    /// Deleting: the stream has no end record and may be truncated.
    DeletesUnterminated,
    /// Deleting: a later version wrote the end record or the label.
    DeletesLaterVersion,
    /// Deleting: records failed before.
    DeletesFailed,
    /// Deleting: records were left out by a filter.
    DeletesFiltered,
    /// Deleting: not all listed records arrived.
    DeletesShort,
    /// Deleting: the records are not the listed ones.
    DeletesChanged,
    /// Deleting: too many files would be deleted.
    DeletesTooMany {
        /// The number of files and links that would be deleted.
        deleted: u64,
    },
    /// What is to be read is encrypted, and there is no identity.
    NoIdentity,
    /// What is to be read is encrypted to other keys.
    WrongIdentity,
    /// What is to be written is encrypted, and there are no recipients.
    NoRecipients,
    /// Recipients are given for a root that has something in plain.
    NotEncrypted,
    /// The key of an encrypted heap is not known here.
    NoHeapKey,
}

impl Error {
    /// Returns a refusal without advice.
    pub fn refused(reason: impl Into<String>) -> Error {
        Error::Refused { refusal: Refusal::Other, reason: reason.into(), help: None }
    }

    /// Returns a refusal with advice.
    pub fn advise(reason: impl Into<String>, help: impl Into<String>) -> Error {
        Error::Refused { refusal: Refusal::Other, reason: reason.into(), help: Some(help.into()) }
    }

    /// Returns a refusal by a rule of [`Refusal`].
    pub fn rule(refusal: Refusal, reason: impl Into<String>) -> Error {
        Error::Refused { refusal, reason: reason.into(), help: None }
    }

    /// Returns an error of the system while doing `what`.
    pub fn io(what: impl Into<String>, source: io::Error) -> Error {
        Error::Io { what: what.into(), source }
    }

    /// Returns the advice, if there is one.
    pub fn help(&self) -> Option<&str> {
        match self {
            Error::Refused { help, .. } => help.as_deref(),
            _ => None,
        }
    }

    /// Returns the rule behind a refusal; [`Refusal::Other`] for every other error.
    pub fn refusal(&self) -> &Refusal {
        match self {
            Error::Refused { refusal, .. } => refusal,
            _ => &Refusal::Other,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Input { from, line, name: Some(name), reason } => {
                write!(f, "{from}: line {line}: {}: {reason}", printable(name))
            }
            Error::Input { from, line, name: None, reason } => write!(f, "{from}: line {line}: {reason}"),
            Error::Io { what, source } => write!(f, "{what}: {}", reason(source)),
            Error::Refused { reason, .. } => f.write_str(&without_number(reason)),
            Error::ReaderGone => f.write_str("the reader of the output went away"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The reason why a text does not have the expected form: not JSON, not a record, not the answer of a server, not a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The name of the record in raw bytes, if it could be read.
    pub name: Option<Vec<u8>>,
    /// The reason, in one line.
    pub reason: String,
}

impl Malformed {
    /// Returns a reason without the name of a record.
    pub fn new(reason: impl Into<String>) -> Malformed {
        Malformed { name: None, reason: reason.into() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Error {
        Error::refused(malformed.reason)
    }
}

/// The reason why a single record, file or object failed, in one line. The tool continues; an [`Error`] stops it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(pub String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Reason {}

impl From<io::Error> for Reason {
    fn from(e: io::Error) -> Reason {
        Reason(reason(&e))
    }
}

impl From<String> for Reason {
    fn from(reason: String) -> Reason {
        Reason(reason)
    }
}

impl From<&str> for Reason {
    fn from(reason: &str) -> Reason {
        Reason(reason.to_string())
    }
}

/// Returns the text of a system error, without the `(os error 2)` that Rust appends.
pub fn reason(error: &io::Error) -> String {
    without_number(&error.to_string())
}

/// Returns the same error, with the operation in front of the system's message.
pub fn named(what: &str, e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{what}: {}", reason(e)))
}

/// Removes the number that Rust appends to the text of a system error.
fn without_number(text: &str) -> String {
    let Some((before, behind)) = text.split_once(" (os error ") else { return text.to_string() };
    match behind.split_once(')') {
        Some((number, behind)) if number.bytes().all(|b| b.is_ascii_digit()) => format!("{before}{}", without_number(behind)),
        _ => text.to_string(),
    }
}

/// Names the operation that failed: `File::open(p).or_failed(|| format!("open {p}"))`.
pub trait OrFailed<T> {
    /// Converts a system error to an [`Error::Io`] with the operation that failed.
    fn or_failed(self, what: impl FnOnce() -> String) -> Result<T>;

    /// Converts a system error to the [`Reason`] of one record: `set_owner().or_reason("can't set the owner")`.
    fn or_reason(self, what: &str) -> Result<T, Reason>;
}

impl<T, E: Into<io::Error>> OrFailed<T> for std::result::Result<T, E> {
    fn or_failed(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::io(what(), e.into()))
    }

    fn or_reason(self, what: &str) -> Result<T, Reason> {
        self.map_err(|e| Reason(format!("{what}: {}", reason(&e.into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_speaks_without_numbers() {
        let e = Error::io("open x", io::Error::from_raw_os_error(2));
        assert_eq!(e.to_string(), "open x: No such file or directory");
        let e = Error::refused(format!("list x: {}: y", io::Error::from_raw_os_error(13)));
        assert_eq!(e.to_string(), "list x: Permission denied: y");
        assert_eq!(Error::refused("a (os error x) b").to_string(), "a (os error x) b");
    }
}
