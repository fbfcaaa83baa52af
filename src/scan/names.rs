//! Reads the names to list from a file: `--files-from`.

use crate::error::{Error, Result};
use crate::name::Name;
use std::io::{BufRead, Read};

/// The maximum length of a name, in bytes. No path on Linux is longer than 4 KiB; longer input is not a list of names.
const NAME_LIMIT: u64 = 1 << 20;

/// The names of a list, one per line or terminated by NUL.
pub(super) struct Names<R> {
    input: R,
    from: String,
    end: u8,
    line: u64,
    /// Whether names are keys, as in a bucket. Keys can have empty parts.
    are_keys: bool,
}

impl<R: BufRead> Names<R> {
    pub(super) fn new(input: R, from: String, null: bool, are_keys: bool) -> Names<R> {
        Names { input, from, end: if null { 0 } else { b'\n' }, line: 0, are_keys }
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
            // find, fd and tar print names below a folder like that. In a bucket it could be the name of another object.
            if !self.are_keys && name.starts_with(b"./") {
                name.drain(..2);
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
