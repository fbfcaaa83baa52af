//! Streams of records: reading lines and writing lines.

use crate::error::{Error, OrFailed, Result};
use crate::record::{Kind, Record};
use std::io::{self, BufRead, Write};

/// A stream of records, with its end record (if it has one) as the last item.
pub type Records = Box<dyn Iterator<Item = Result<Record>> + Send>;

/// The longest accepted line in bytes. A record with a name of 4 KiB and 64 KiB of attributes has less than a tenth of it.
pub const LINE_LIMIT: usize = 4 << 20;

/// Reads records from JSON Lines: one object per line. Accepts blank lines and CRLF, but nothing after an end record.
pub struct Reader<R> {
    parser: Parser,
    input: R,
    line: u64,
    /// The length of the last line: the next one is probably about as long.
    length: usize,
    ended: bool,
    failed: bool,
}

impl<R: BufRead> Reader<R> {
    /// Returns a reader of `input`. Messages name it `from`.
    pub fn new(from: impl Into<String>, input: R) -> Reader<R> {
        Reader { parser: Parser { from: from.into() }, input, line: 0, length: 0, ended: false, failed: false }
    }

    /// Returns the input.
    pub fn get_ref(&self) -> &R {
        &self.input
    }

    /// Returns the parser of the lines, for other threads.
    pub fn parser(&self) -> &Parser {
        &self.parser
    }

    /// Returns the number of the line that was read last.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next line if it is this text, which is not blank. Otherwise, or if that would take more than the bytes at hand,
    /// nothing is read. Returns whether the line was read.
    ///
    /// # Errors
    /// If the input can't be read.
    pub fn skip_line(&mut self, text: &[u8]) -> Result<bool> {
        loop {
            let buffer = match self.input.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer.or_failed(|| format!("read {}", self.parser.from))?,
            };
            let is_next = !self.ended && buffer.get(text.len()) == Some(&b'\n') && buffer.starts_with(text);
            if is_next {
                self.input.consume(text.len() + 1);
                self.line += 1;
            }
            return Ok(is_next);
        }
    }

    /// Returns the next line that is not blank, without its end; None at the end of the input.
    ///
    /// # Errors
    /// If the input can't be read, or the line is too long.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            match self.any_line()? {
                Some(line) if line.iter().all(u8::is_ascii_whitespace) => {}
                line => return Ok(line),
            }
        }
    }

    fn any_line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::with_capacity(self.length + 32);
        self.line += 1;
        loop {
            let buffer = match self.input.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer.or_failed(|| format!("read {}", self.parser.from))?,
            };
            let feed = memchr::memchr(b'\n', buffer);
            let len = feed.map_or(buffer.len(), |at| at + 1);
            line.extend_from_slice(&buffer[..len]);
            self.input.consume(len);
            if line.len() > LINE_LIMIT {
                return Err(self.parser.error(self.line, None, format!("the line is longer than {LINE_LIMIT} bytes")));
            }
            if feed.is_some() || len == 0 {
                break;
            }
        }
        if line.is_empty() {
            return Ok(None);
        }
        if line.pop_if(|b| *b == b'\n').is_some() {
            line.pop_if(|b| *b == b'\r');
        }
        self.length = line.len();
        Ok(Some(line))
    }

    /// Returns the record of the line that was read last.
    ///
    /// # Errors
    /// If it is none, or follows the end record.
    fn record(&mut self, line: Vec<u8>) -> Result<Record> {
        let record = self.parser.record(self.line, line)?;
        if self.ended {
            let name = record.name().as_bytes().to_vec();
            return Err(self.parser.error(self.line, Some(name), "a record after the end record"));
        }
        self.ended = record.kind() == Kind::End;
        Ok(record)
    }
}

/// Makes records of lines. Its messages name the stream and the line.
#[derive(Clone)]
pub struct Parser {
    from: String,
}

impl Parser {
    /// Returns the record of the line with this number.
    ///
    /// # Errors
    /// If it is none.
    pub fn record(&self, number: u64, line: Vec<u8>) -> Result<Record> {
        Record::parse_owned(line).map_err(|e| self.error(number, e.name, e.reason))
    }

    fn error(&self, line: u64, name: Option<Vec<u8>>, reason: impl Into<String>) -> Error {
        Error::Input { from: self.from.clone(), line, name, reason: reason.into() }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.failed {
            return None;
        }
        let next = self.next_line().and_then(|line| line.map(|line| self.record(line)).transpose());
        self.failed = next.is_err();
        next.transpose()
    }
}

/// Writes a record and a line feed.
///
/// # Errors
/// [`Error::ReaderGone`] if the reader closed the pipe, otherwise the error of the system.
pub fn write(out: &mut dyn Write, record: &Record) -> Result<()> {
    out.write_all(record.text()).and_then(|()| out.write_all(b"\n")).map_err(write_error)
}

/// Flushes the buffer. The errors are those of [`write()`].
pub fn flush(out: &mut dyn Write) -> Result<()> {
    out.flush().map_err(write_error)
}

/// Converts an error of writing the output. A closed pipe is [`Error::ReaderGone`].
pub fn write_error(e: io::Error) -> Error {
    match e.kind() {
        io::ErrorKind::BrokenPipe => Error::ReaderGone,
        _ => Error::io("write the output", e),
    }
}

/// Reads the records of a file of JSON Lines.
///
/// # Errors
/// If it can't be opened.
pub fn open(path: &std::path::Path) -> Result<Records> {
    let shown = crate::display::printable(path.as_os_str().as_encoded_bytes());
    let file = std::fs::File::open(path).or_failed(|| shown.clone())?;
    Ok(Box::new(Reader::new(shown, io::BufReader::with_capacity(1 << 16, file))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Record>> {
        Reader::new("input", text.as_bytes()).collect()
    }

    #[test]
    fn blank_lines_and_crlf_are_accepted_and_errors_name_line_and_record() {
        let good = read("{\"name\":\"a\"}\r\n\n  \n{\"name\":\"b\"}");
        assert_eq!(good.len(), 2);
        assert!(good.iter().all(Result::is_ok));
        let bad = read("{\"name\":\"a\"}\n\n{\"name\":\"b\",\"size\":-1}\n{\"name\":\"c\"}\n");
        assert_eq!(bad.len(), 2);
        let message = bad[1].as_ref().unwrap_err().to_string();
        assert_eq!(message, "input: line 3: b: size: expected a whole number, got -1");
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error_of_ours() {
        struct Fails(io::ErrorKind);
        impl Write for Fails {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(self.0.into())
            }
        }
        let lines = ["{\"name\":\"a\"}", "{\"name\":\"b\",\"type\":\"error\"}", "{\"name\":\"c\"}"];
        let mut out = Vec::new();
        for record in read(&lines.join("\n")) {
            let record = record.unwrap();
            write(&mut out, &record).unwrap();
            assert!(matches!(write(&mut Fails(io::ErrorKind::BrokenPipe), &record), Err(Error::ReaderGone)));
            assert!(matches!(flush(&mut Fails(io::ErrorKind::StorageFull)), Err(Error::Io { .. })));
        }
        assert_eq!(out, (lines.join("\n") + "\n").as_bytes());
    }

    #[test]
    fn an_interrupted_read_is_made_again_and_a_broken_one_is_an_error() {
        struct Source(Vec<io::Result<&'static [u8]>>);
        impl io::Read for Source {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let bytes = self.0.pop().unwrap_or(Ok(b""))?;
                buffer[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
        }
        let interrupted = || Err(io::ErrorKind::Interrupted.into());
        let broken = || Err(io::Error::from(io::ErrorKind::ConnectionReset));
        let parts = vec![broken(), Ok(&b"me\":\"a\"}\n"[..]), interrupted(), Ok(b"{\"na"), interrupted()];
        let read: Vec<_> = Reader::new("input", io::BufReader::new(Source(parts))).take(2).collect();
        assert_eq!(read[0].as_ref().unwrap().name().as_bytes(), b"a");
        assert!(read[1].as_ref().unwrap_err().to_string().starts_with("read input: "));
    }

    #[test]
    fn nothing_may_follow_the_end() {
        let items = read("{\"name\":\"\",\"type\":\"end\",\"records\":0}\n{\"name\":\"a\"}\n");
        assert!(items[1].as_ref().unwrap_err().to_string().contains("after the end record"));
    }
}
