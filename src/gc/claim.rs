//! What snapshots refer to, from one process to another. Each of several processes reads a part of the snapshots, and prints JSON
//! Lines: one for each snapshot, then one for each content (`{"md5":"…"}`, in order), and an end record. The process that deletes
//! objects reads these lines instead of the snapshots, if those are still the same versions.
//!
//! The end record has a SHA-256 of all lines before it, so lines that are cut off or altered are refused.

use crate::digest::{Md5, Sha256};
use crate::error::{Error, OrFailed, Result};
use crate::name::Name;
use crate::parallel::Weigh;
use crate::storage::{Location, Object};
use crate::stream::LINE_LIMIT;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256 as Hasher};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;

/// The version of the form.
const FORM: u32 = 1;

/// Where a storage has only times, a snapshot that was written less than this many seconds ago could be replaced without a change
/// of its size and time, as times can be whole seconds.
const YOUNG: f64 = 60.0;

/// A version of a snapshot, as a listing of its root describes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    root: Name,
    size: u64,
    snapshot: Name,
}

impl Version {
    /// Returns the version in a listing of this root at this time. None if what the storage says could also be true of another
    /// version.
    pub fn of(root: &Location, object: &Object, now: Time) -> Option<Version> {
        let identity = object.identity().map(str::to_string);
        let is_old = |modified: Time| now.seconds_since(modified) >= YOUNG;
        (identity.is_some() || object.modified.is_some_and(is_old)).then(|| Version {
            identity,
            modified: object.modified.map(Time::text),
            root: Name::new(root.absolute().as_os_str().as_bytes()),
            size: object.size,
            snapshot: Name::new(object.key.as_slice()),
        })
    }
}

impl Weigh for Version {
    fn weight(&self) -> usize {
        size_of::<Version>() + self.root.as_bytes().len() + self.snapshot.as_bytes().len()
    }
}

/// A line that is not one of a content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Snapshot(Version),
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    /// The id of an encrypted heap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heap: Option<String>,
    references: u64,
    sha256: String,
    snapshots: u64,
    v: u32,
}

/// Prints what these snapshots, of which no two are the same, refer to: ids in order, each once. `heap` is the id of an encrypted heap.
///
/// # Errors
/// Those of the output.
pub fn print(snapshots: &BTreeSet<Version>, ids: &[Md5], heap: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let mut hasher = Hasher::new();
    let mut line = |text: String| {
        hasher.update(text.as_bytes());
        out.write_all(text.as_bytes())
    };
    let json = |line: &Line| serde_json::to_string(line).map(|text| text + "\n").map_err(io::Error::from);
    for version in snapshots {
        line(json(&Line::Snapshot(version.clone()))?)?;
    }
    for md5 in ids {
        line(format!("{{\"md5\":\"{md5}\"}}\n"))?;
    }
    let end = End {
        heap: heap.map(str::to_string),
        references: ids.len() as u64,
        sha256: Sha256(hasher.finalize().into()).to_string(),
        snapshots: snapshots.len() as u64,
        v: FORM,
    };
    out.write_all(json(&Line::End(end))?.as_bytes())
}

/// What one process says about the snapshots that it has read.
#[derive(Debug, Default)]
pub struct Claim {
    /// The snapshots that were read.
    pub versions: BTreeSet<Version>,
    /// What they refer to: sorted, each id once.
    pub ids: Vec<Md5>,
}

/// An open file of what one process has printed, or of what several have, one after the other.
pub struct Claims<'a> {
    input: BufReader<&'a File>,
    shown: &'a str,
    heap: Option<&'a str>,
}

impl<'a> Claims<'a> {
    /// Reads from a file, which messages call `shown`. `heap` is the id of the heap, if it is encrypted.
    pub fn new((shown, file): &'a (String, File), heap: Option<&'a str>) -> Claims<'a> {
        Claims { input: BufReader::with_capacity(1 << 18, file), shown, heap }
    }

    /// Returns the error that the lines are not what the snapshots refer to.
    pub fn refused(&self, reason: &str) -> Error {
        let help = "nothing was deleted; print the references anew with snap-gc --shard";
        Error::advise(format!("references {}: {reason}", self.shown), help)
    }

    /// Reads the next one. None at the end of the file.
    fn read(&mut self) -> Result<Option<Claim>> {
        let (mut claim, mut hasher, mut line) = (Claim::default(), Hasher::new(), Vec::new());
        loop {
            line.clear();
            let read = (&mut self.input).take(LINE_LIMIT as u64).read_until(b'\n', &mut line);
            match read.or_failed(|| format!("references {}", self.shown))? {
                0 if claim.versions.is_empty() && claim.ids.is_empty() => return Ok(None),
                0 => return Err(self.refused("the end record is missing: the file is not complete")),
                _ => {}
            }
            if let Some(md5) = content(&line) {
                if claim.ids.last().is_some_and(|last| *last >= md5) {
                    return Err(self.refused("the contents are not in order"));
                }
                claim.ids.push(md5);
            } else {
                match serde_json::from_slice(&line) {
                    Ok(Line::Snapshot(version)) => {
                        claim.versions.insert(version);
                    }
                    Ok(Line::End(end)) => return self.checked(claim, &end, Sha256(hasher.finalize().into())).map(Some),
                    Err(_) => return Err(self.refused("a line is none that snap-gc --shard prints")),
                }
            }
            hasher.update(&line);
        }
    }

    /// Compares a claim with its end record.
    fn checked(&self, claim: Claim, end: &End, sha256: Sha256) -> Result<Claim> {
        let counts = (claim.ids.len() as u64, claim.versions.len() as u64);
        if end.v > FORM {
            return Err(self.refused("a later version of snap-gc printed it"));
        }
        if end.heap.as_deref() != self.heap {
            return Err(self.refused("they are those of another heap"));
        }
        match counts == (end.references, end.snapshots) && sha256.to_string() == end.sha256 {
            true => Ok(claim),
            false => Err(self.refused("the lines are not the ones that the end record counts")),
        }
    }
}

impl Iterator for Claims<'_> {
    type Item = Result<Claim>;

    fn next(&mut self) -> Option<Result<Claim>> {
        self.read().transpose()
    }
}

/// Returns the id in a line of a content.
fn content(line: &[u8]) -> Option<Md5> {
    let hex = line.strip_prefix(b"{\"md5\":\"")?.strip_suffix(b"\"}\n")?;
    Md5::parse(std::str::from_utf8(hex).ok()?)
}
