//! Listing the names that somebody else chose: `--files-from`.

use super::{Shared, stat_at};
use crate::error::{Error, Result};
use crate::name::Name;
use crate::record::Record;
use rustix::fs::OFlags;
use std::io::{BufRead, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// No path of Linux is longer than 4 KiB; what comes without an end is not a list of names.
const NAME_LIMIT: u64 = 1 << 20;

/// Names of a list, one a line or ended by NUL.
pub(super) struct Names<R> {
    input: R,
    from: String,
    end: u8,
    line: u64,
    /// Empty parts are a part of the name, as in a bucket.
    are_keys: bool,
}

impl<R: BufRead> Names<R> {
    pub(super) fn new(input: R, from: String, null: bool) -> Names<R> {
        Names { input, from, end: if null { 0 } else { b'\n' }, line: 0, are_keys: false }
    }

    /// The same as keys of objects.
    pub(super) fn for_keys(self) -> Names<R> {
        Names { are_keys: true, ..self }
    }

    fn next_name(&mut self) -> Result<Option<Name>> {
        loop {
            let mut name = Vec::new();
            self.line += 1;
            let read = self.input.by_ref().take(NAME_LIMIT).read_until(self.end, &mut name);
            if read.map_err(|e| Error::io(format!("read {}", self.from), e))? == 0 {
                return Ok(None);
            }
            if name.last() == Some(&self.end) {
                name.pop();
            }
            if name.is_empty() {
                continue;
            }
            let error =
                |reason: String| Error::Input { from: self.from.clone(), line: self.line, name: Some(name.clone()), reason };
            if name.len() as u64 >= NAME_LIMIT {
                return Err(error(format!("a name of more than {NAME_LIMIT} bytes")));
            }
            let checked = Name::new(&name[..]);
            checked.check().map_err(|e| {
                error(format!("{e}; names are taken literally, from the root on, as find -printf '%P\\n' has them"))
            })?;
            if !self.are_keys && name.split(|b| *b == b'/').any(<[u8]>::is_empty) {
                return Err(error("the name has an empty part".to_string()));
            }
            return Ok(Some(checked));
        }
    }
}

impl<R: BufRead> Iterator for Names<R> {
    type Item = Result<Name>;

    fn next(&mut self) -> Option<Result<Name>> {
        self.next_name().transpose()
    }
}

/// The record of a name in a folder, if there is something to say.
pub(super) fn look(shared: &Shared, name: Name) -> Option<Record> {
    let bytes = name.as_bytes().to_vec();
    let (above, part) = match bytes.iter().rposition(|b| *b == b'/') {
        Some(at) => (Some(&bytes[..at]), &bytes[at + 1..]),
        None => (None, &bytes[..]),
    };
    if shared.keeps_out_from_above(&bytes) {
        return None;
    }
    let open = |above| shared.root.open_at(above, OFlags::PATH | OFlags::DIRECTORY);
    let folder: Option<OwnedFd> = match above.map(open).transpose() {
        Ok(folder) => folder,
        Err(e) => return Some(shared.failure(&name, "open its folder", &e)),
    };
    let folder: BorrowedFd<'_> = folder.as_ref().map_or(shared.root.fd(), |f| f.as_fd());
    match stat_at(folder, part) {
        Ok(stat) if shared.keeps_out(&bytes, &stat) => None,
        Ok(stat) => shared.record(folder, part, name, &stat),
        Err(e) => Some(shared.failure(&name, "look at it", &e)),
    }
}
