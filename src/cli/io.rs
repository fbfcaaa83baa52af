//! Where records come from and go to: standard input and output, or files.

use crate::error::{Error, OrFailed, Result};
use crate::record::{Kind, Record};
use crate::stream::{self, Reader, Records};
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The records of a file, or of standard input for `-` and for no file.
///
/// # Errors
/// If the file can't be opened, or standard input is a terminal: nobody types records.
pub fn records_in(file: Option<&Path>) -> Result<Records> {
    match file {
        Some(path) if path.as_os_str() != "-" => stream::open(path),
        _ => {
            if io::stdin().is_terminal() {
                return Err(Error::advise(
                    "standard input is a terminal, not records",
                    "pipe records in, as in: snap-scan FOLDER | snap-heapify | snap-write",
                ));
            }
            Ok(Box::new(Reader::new("standard input", BufReader::with_capacity(1 << 16, io::stdin()))))
        }
    }
}

/// Leaves the end record off, if asked to.
pub fn without_end(records: Records, no_end: bool) -> Records {
    match no_end {
        true => Box::new(records.filter(|r| !matches!(r, Ok(r) if r.kind() == Kind::End))),
        false => records,
    }
}

/// Where records go: standard output, or a file that appears under its name only when all is written.
pub struct Output {
    to: To,
}

enum To {
    Stdout(Box<BufWriter<io::StdoutLock<'static>>>),
    File(Box<BufWriter<NamedTempFile>>, PathBuf),
}

impl Output {
    /// `-o FILE`, or standard output for `-` and for no file.
    ///
    /// # Errors
    /// If no file can be made beside FILE.
    pub fn new(file: Option<&Path>) -> Result<Output> {
        let to = match file {
            Some(path) if path.as_os_str() != "-" => {
                let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let temp = tempfile::Builder::new().prefix(".snap-").suffix(".tmp").tempfile_in(folder);
                let temp = temp.or_failed(|| format!("write {}", path.display()))?;
                crate::cleanup::register(temp.path());
                To::File(Box::new(BufWriter::with_capacity(1 << 16, temp)), path.to_path_buf())
            }
            _ => To::Stdout(Box::new(BufWriter::with_capacity(1 << 16, io::stdout().lock()))),
        };
        Ok(Output { to })
    }

    /// Writes a record.
    pub fn write(&mut self, record: &Record) -> Result<()> {
        stream::write(self.writer(), record)
    }

    /// What is below, for other things than records.
    pub fn writer(&mut self) -> &mut dyn Write {
        match &mut self.to {
            To::Stdout(out) => out,
            To::File(out, _) => out,
        }
    }

    /// Writes all records and finishes.
    ///
    /// # Errors
    /// The first error of the records or of writing; a file is then not made.
    pub fn write_all(mut self, records: impl Iterator<Item = Result<Record>>) -> Result<()> {
        for record in records {
            self.write(&record?)?;
        }
        self.finish()
    }

    /// Writes out what is buffered; a file is synced and gets its name.
    pub fn finish(mut self) -> Result<()> {
        stream::flush(self.writer())?;
        if let To::File(out, path) = self.to {
            let what = || format!("write {}", path.display());
            let temp = out.into_inner().map_err(|e| e.into_error()).or_failed(what)?;
            set_plain_mode(temp.as_file()).or_failed(what)?;
            temp.as_file().sync_all().or_failed(what)?;
            temp.persist(&path).map_err(|e| e.error).or_failed(what)?;
        }
        Ok(())
    }
}

/// Gives a temporary file the mode that any new file would have: 0666 less the umask.
fn set_plain_mode(file: &std::fs::File) -> io::Result<()> {
    let mode = rustix::fs::Mode::from_raw_mode(0o666 & !crate::stat::umask());
    rustix::fs::fchmod(file, mode).map_err(Into::into)
}
