//! The lists of a heap in a folder of this machine.

use super::super::small;
use super::{Entry, FOLDER, List, Lists, Opened, State, lines};
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::files::NewFile;
use crate::time::Time;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The lists of a heap in a folder of this machine.
pub struct FolderLists<'a> {
    heap: &'a Path,
    folder: PathBuf,
}

impl<'a> FolderLists<'a> {
    /// Returns the lists of this heap.
    pub fn new(heap: &'a Path) -> FolderLists<'a> {
        FolderLists { heap, folder: heap.join(FOLDER) }
    }

    fn written(&self) -> String {
        format!("write {}", self.shown())
    }
}

impl Lists for FolderLists<'_> {
    fn shown(&self) -> String {
        printable(self.folder.as_os_str().as_encoded_bytes())
    }

    fn look(&self) -> io::Result<Option<State>> {
        let changed = match fs::metadata(&self.folder) {
            Ok(meta) => (meta.mtime(), meta.mtime_nsec()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut lists = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str().filter(|name| List::is_name(name)) {
                lists.push(List { name: name.to_string(), named: None });
            }
        }
        lists.sort();
        Ok(Some(State { changed: Some(changed), lists }))
    }

    /// A list gets its name at its ctime.
    fn open(&self, list: &List) -> io::Result<Option<Opened>> {
        let file = match File::open(self.folder.join(&list.name)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let meta = file.metadata()?;
        let named = Time { sec: meta.ctime(), nsec: meta.ctime_nsec() as u32 };
        Ok(Some((Box::new(file), Some(named))))
    }

    fn write(&self, entries: &mut [Entry], _: bool) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let what = || self.written();
        let now = small::clock(self.heap)?;
        let name = List::name(now, &std::process::id().to_string());
        let mut out = BufWriter::new(small::create(self.heap, FOLDER, &name)?);
        lines(entries, now).try_for_each(|line| out.write_all(line.as_bytes())).or_failed(what)?;
        out.into_inner().map_err(|e| e.into_error()).and_then(NewFile::finish).or_failed(what)
    }

    fn remove(&self, lists: &[List]) -> Result<()> {
        for list in lists {
            match fs::remove_file(self.folder.join(&list.name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e).or_failed(|| self.written()),
                _ => {}
            }
        }
        Ok(())
    }
}
