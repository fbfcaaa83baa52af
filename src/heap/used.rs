//! The contents that a run relies on.

use crate::digest::Md5;
use crate::error::{OrFailed, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

/// The md5 of all contents that a run relies on, in bounded memory.
#[derive(Default)]
pub struct Used {
    recent: Vec<Md5>,
    spilled: Option<File>,
}

/// The number that is kept in memory; the rest is in a temporary file.
const RECENT: usize = 64 << 10;

impl Used {
    /// Adds an md5.
    ///
    /// # Errors
    /// If `TMPDIR` can't be written.
    pub fn push(&mut self, md5: Md5) -> Result<()> {
        self.recent.push(md5);
        if self.recent.len() < RECENT {
            return Ok(());
        }
        let what = || "write a temporary file".to_string();
        if self.spilled.is_none() {
            self.spilled = Some(crate::files::temporary()?);
        }
        if let Some(file) = &mut self.spilled {
            let bytes: Vec<u8> = self.recent.iter().flat_map(|md5| md5.0).collect();
            file.write_all(&bytes).or_failed(what)?;
        }
        self.recent.clear();
        Ok(())
    }

    pub(super) fn each(mut self, mut work: impl FnMut(Md5) -> Result<()>) -> Result<()> {
        if let Some(mut file) = self.spilled.take() {
            let what = || "read a temporary file".to_string();
            file.seek(SeekFrom::Start(0)).or_failed(what)?;
            let mut bytes = Vec::with_capacity(RECENT * 16);
            loop {
                bytes.clear();
                Read::by_ref(&mut file).take(RECENT as u64 * 16).read_to_end(&mut bytes).or_failed(what)?;
                if bytes.is_empty() {
                    break;
                }
                for md5 in bytes.chunks_exact(16) {
                    work(Md5(md5.try_into().unwrap_or_default()))?;
                }
            }
        }
        self.recent.into_iter().try_for_each(work)
    }
}
