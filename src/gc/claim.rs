//! What snapshots refer to, from one process to another. Each of several processes reads a part of the snapshots, and prints JSON
//! Lines: one for each snapshot, then one for each content (`{"md5":"…"}`, in order), and an end record. The process that deletes
//! objects reads these lines instead of the snapshots, if those are still the same versions.
//!
//! The end record has a SHA-256 of all lines before it, so lines that are cut off or altered are refused.

use crate::digest::{Md5, Sha256};
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::name::Name;
use crate::parallel::Weigh;
use crate::storage::Object;
use crate::stream::LINE_LIMIT;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256 as Hasher};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The version of the form.
const FORM: u32 = 1;

const ANEW: &str = "nothing was deleted; print the references anew with snap-gc --shard";

/// A version of a snapshot, as a listing of its root describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    root: String,
    size: u64,
    snapshot: Name,
}

impl Version {
    /// Returns the version in a listing of this root. None if the storage says nothing that would tell it from another one.
    pub fn of(root: &str, object: &Object) -> Option<Version> {
        let identity = object.identity().map(str::to_string);
        let modified = object.modified.map(Time::text);
        (identity.is_some() || modified.is_some()).then(|| Version {
            identity,
            modified,
            root: root.to_string(),
            size: object.size,
            snapshot: Name::new(object.key.as_slice()),
        })
    }
}

impl Weigh for Version {
    fn weight(&self) -> usize {
        size_of::<Version>() + self.root.len() + self.snapshot.as_bytes().len()
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

/// Prints what these snapshots refer to: ids in order, each once. `heap` is the id of an encrypted heap.
///
/// # Errors
/// Those of the output.
pub fn print(snapshots: &[Version], ids: &[Md5], heap: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
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
    pub versions: HashSet<Version>,
    /// What they refer to: sorted, each id once.
    pub ids: Vec<Md5>,
}

/// A file of what one process has printed, or of what several have, one after the other.
pub struct Claims<'a> {
    input: BufReader<File>,
    shown: String,
    heap: Option<&'a str>,
}

impl<'a> Claims<'a> {
    /// Opens a file. `heap` is the id of the heap, if it is encrypted.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn open(path: &Path, heap: Option<&'a str>) -> Result<Claims<'a>> {
        let shown = match path.to_str() {
            Some("/dev/stdin") => "standard input".to_string(),
            _ => printable(path.as_os_str().as_bytes()),
        };
        let file = File::open(path).or_failed(|| format!("references {shown}"))?;
        Ok(Claims { input: BufReader::with_capacity(1 << 18, file), shown, heap })
    }

    fn refused(&self, reason: &str) -> Error {
        Error::advise(format!("references {}: {reason}", self.shown), ANEW)
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
