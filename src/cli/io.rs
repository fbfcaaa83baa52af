//! Input and output of records: standard input and output, or files.

use super::closed::{stdin, stdout};
use super::{Console, progress};
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::files::NewFile;
use crate::monitor::Monitor;
use crate::record::{Kind, Record};
use crate::scan::Own;
use crate::stream::{self, Reader, Records};
use crate::system;
use rustix::fs::FileType;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Returns the records of a file, or of standard input if the file is `-` or None.
///
/// # Errors
/// If the file can't be opened, or standard input is a terminal.
pub fn records_in(file: Option<&Path>) -> Result<Records> {
    match file {
        Some(path) if path.as_os_str() != "-" => stream::open(path),
        _ => {
            let stdin = stdin()?;
            if stdin.is_terminal() {
                return Err(Error::advise(
                    "standard input is a terminal, not records",
                    "pipe records in, as in: snap-scan FOLDER | snap-heapify | snap-write",
                ));
            }
            Ok(Box::new(Reader::new("standard input", BufReader::with_capacity(1 << 16, stdin))))
        }
    }
}

/// Returns standard input, for a tool that stores it.
///
/// # Errors
/// If it is a terminal, or was closed when the process started.
pub fn content_in() -> Result<io::Stdin> {
    let stdin = stdin()?;
    match stdin.is_terminal() {
        true => Err(Error::advise(
            "standard input is a terminal, not a content",
            "pipe the content in, as in: pg_dump shop | snap-put shop.sql, or name the command: snap-put shop.sql -- pg_dump shop",
        )),
        false => Ok(stdin),
    }
}

/// Opens a file of `what`, or standard input for `-`. Returns its name in messages, too.
///
/// # Errors
/// If it can't be opened, or standard input is a terminal.
pub fn file_in(path: &Path, what: &str) -> Result<(String, File)> {
    if path.as_os_str() != "-" {
        let shown = printable(path.as_os_str().as_bytes());
        let file = File::open(path).or_failed(|| shown.clone())?;
        return Ok((shown, file));
    }
    let stdin = stdin()?;
    if stdin.is_terminal() {
        let reason = format!("standard input is a terminal, not {what}");
        return Err(Error::advise(reason, format!("pipe {what} in, or name a file")));
    }
    let shown = "standard input".to_string();
    let file = stdin.as_fd().try_clone_to_owned().or_failed(|| shown.clone())?;
    Ok((shown, File::from(file)))
}

/// Refuses more than one `-` among several files, which the message calls `what`.
///
/// # Errors
/// If there are more.
pub fn check_one_stdin(files: &[PathBuf], what: &str) -> Result<()> {
    match files.iter().filter(|path| path.as_os_str() == "-").count() {
        0 | 1 => Ok(()),
        _ => Err(Error::refused(format!("only one of the {what} can be standard input"))),
    }
}

/// Removes the end record if `no_end` is set.
pub fn without_end(records: Records, no_end: bool) -> Records {
    match no_end {
        true => Box::new(records.filter(|r| !matches!(r, Ok(r) if r.kind() == Kind::End))),
        false => records,
    }
}

/// Says so if there are no records, and sets the exit status to 1: what selects them may be misspelt.
pub fn unless_none(records: Records, console: Arc<Console>) -> Records {
    let (mut records, mut is_none) = (records, true);
    Box::new(std::iter::from_fn(move || {
        let record = records.next();
        is_none &= record.as_ref().is_none_or(|record| record.as_ref().is_ok_and(|record| record.kind() == Kind::End));
        if record.is_none() && std::mem::take(&mut is_none) {
            console.set_negative();
            console.note("no record matches");
        }
        record
    }))
}

/// The output of records: standard output, or a file that appears under its name only when it is complete.
pub struct Output {
    to: To,
    /// A person sees the output.
    is_seen: bool,
}

enum To {
    Stdout(Box<BufWriter<io::StdoutLock<'static>>>),
    File(Box<BufWriter<NewFile>>, PathBuf),
}

impl Output {
    /// Returns the output for `-o FILE`: the file, or standard output for `-` and for None.
    ///
    /// # Errors
    /// If the temporary file beside FILE can't be created.
    pub fn new(file: Option<&Path>) -> Result<Output> {
        let to = match file {
            Some(path) if path.as_os_str() != "-" => {
                let file = NewFile::create(path).or_failed(|| writing(path))?;
                To::File(Box::new(BufWriter::with_capacity(1 << 16, file)), path.to_path_buf())
            }
            _ => To::Stdout(Box::new(BufWriter::with_capacity(1 << 16, stdout()?))),
        };
        let is_seen = matches!(to, To::Stdout(_)) && io::stdout().is_terminal();
        Ok(Output { to, is_seen })
    }

    /// Whether a person sees the output.
    pub fn is_terminal(&self) -> bool {
        self.is_seen
    }

    /// Returns the files that are being written, so that a scan can leave them out.
    pub fn own(&self) -> Own {
        let (stat, paths) = match &self.to {
            To::Stdout(out) => (rustix::fs::fstat(out.get_ref()), vec![PathBuf::from("/dev/stdout")]),
            To::File(out, _) => (rustix::fs::fstat(out.get_ref().file()), out.get_ref().paths()),
        };
        match stat {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Own { paths, ids: vec![(system::device(&stat), stat.st_ino)] }
            }
            // A pipe or a device is not a file of a backup.
            _ => Own::default(),
        }
    }

    /// Writes a record.
    pub fn write(&mut self, record: &Record) -> Result<()> {
        progress::record(record);
        if !self.is_seen {
            return stream::write(self.writer(), record);
        }
        // At once, and as a whole line: the progress may be drawn on the same terminal.
        progress::aside(|| stream::write(self.writer(), record).and_then(|()| stream::flush(self.writer())))
    }

    /// Writes output other than records.
    pub fn print(&mut self, text: &[u8]) -> Result<()> {
        self.writer().write_all(text).map_err(stream::write_error)
    }

    /// Returns the writer itself, for output other than records.
    pub fn writer(&mut self) -> &mut dyn Write {
        match &mut self.to {
            To::Stdout(out) => out,
            To::File(out, _) => out,
        }
    }

    /// Writes all records and finishes the output.
    ///
    /// # Errors
    /// The first error of the records or of writing. Then no file appears.
    pub fn write_all(mut self, records: impl Iterator<Item = Result<Record>>) -> Result<()> {
        for record in records {
            self.write(&record?)?;
        }
        self.finish()
    }

    /// Flushes the buffer. A file is synced and gets its name.
    pub fn finish(mut self) -> Result<()> {
        stream::flush(self.writer())?;
        if let To::File(out, path) = self.to {
            let what = || writing(&path);
            out.into_inner().map_err(|e| e.into_error()).and_then(NewFile::finish).or_failed(what)?;
        }
        Ok(())
    }
}

fn writing(path: &Path) -> String {
    format!("write {}", printable(path.as_os_str().as_encoded_bytes()))
}
