//! Streams of records: reading lines, writing lines, and the end record that says that a stream is whole.

use crate::error::{Error, OrFailed, Result};
use crate::record::{Fields, Kind, Record};
use crate::text;
use std::io::{self, BufRead, Write};

/// A stream of records, with its end record (if it has one) as the last item.
pub type Records = Box<dyn Iterator<Item = Result<Record>> + Send>;

/// The longest line that is read, in bytes. A record with a 4 KiB name, 64 KiB of attributes and all else has a tenth of it.
pub const LINE_LIMIT: usize = 4 << 20;

/// Reads records from JSON Lines: one object a line, blank lines and CRLF accepted, nothing after an end record.
pub struct Reader<R> {
    from: String,
    input: R,
    line: u64,
    ended: bool,
    failed: bool,
}

impl<R: BufRead> Reader<R> {
    /// A reader of `input`, which messages call `from`.
    pub fn new(from: impl Into<String>, input: R) -> Reader<R> {
        Reader { from: from.into(), input, line: 0, ended: false, failed: false }
    }

    /// What the lines are read from.
    pub fn get_ref(&self) -> &R {
        &self.input
    }

    fn error(&self, name: Option<Vec<u8>>, reason: impl Into<String>) -> Error {
        Error::Input { from: self.from.clone(), line: self.line, name, reason: reason.into() }
    }

    /// The next line without its end; None at the end of the input.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.line += 1;
        loop {
            let available = match self.input.fill_buf() {
                Ok(b) => b,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::io(format!("read {}", self.from), e)),
            };
            if available.is_empty() {
                return Ok((!line.is_empty()).then_some(line));
            }
            let (taken, done) = match available.iter().position(|b| *b == b'\n') {
                Some(at) => (at + 1, true),
                None => (available.len(), false),
            };
            line.reserve_exact(if line.is_empty() { taken } else { 0 });
            line.extend_from_slice(&available[..taken]);
            self.input.consume(taken);
            if line.len() > LINE_LIMIT {
                return Err(self.error(None, format!("the line is longer than {LINE_LIMIT} bytes")));
            }
            if done {
                line.truncate(line.len() - 1);
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
        }
    }

    fn next_record(&mut self) -> Result<Option<Record>> {
        while let Some(line) = self.next_line()? {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let record = Record::parse_owned(line).map_err(|(name, reason)| self.error(name, reason))?;
            if self.ended {
                return Err(self.error(Some(record.name().as_bytes().to_vec()), "a record after the end record"));
            }
            self.ended = record.kind() == Kind::End;
            return Ok(Some(record));
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.failed {
            return None;
        }
        let next = self.next_record();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// What the end record of a stream says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    /// How many records its writer put out, errors and itself not counted.
    pub records: u64,
    /// How many failed on the way.
    pub errors: u64,
    /// Excludes or a list of names left something out.
    pub filtered: bool,
    /// The stream is rows of `snap-diff`, not files.
    pub diff: bool,
    /// The types of records that were asked for, if not all: `file`, `link`, `directory`.
    pub types: Option<Vec<String>>,
    /// The file root that was scanned, for display: without secrets.
    pub root: Option<String>,
}

impl End {
    /// Reads an end record. What is absent is zero, false or none.
    pub fn of(record: &Record) -> End {
        let json = |key: &str| record.raw(key);
        let number = |key: &str| json(key).and_then(|v| v.parse::<f64>().ok()).map_or(0, |n| n as u64);
        let truth = |key: &str| json(key).is_some_and(|v| v == "true");
        End {
            records: number("records"),
            errors: number("errors"),
            filtered: truth("filtered"),
            diff: truth("diff"),
            types: json("types").and_then(|v| serde_json::from_str(&v).ok()),
            root: record.string("root"),
        }
    }

    /// The end record that says this.
    pub fn record(&self) -> Record {
        let mut out = String::from("{");
        if self.diff {
            out.push_str("\"diff\":true,");
        }
        out.push_str(&format!("\"errors\":{},", self.errors));
        if self.filtered {
            out.push_str("\"filtered\":true,");
        }
        out.push_str(&format!("\"name\":\"\",\"records\":{}", self.records));
        if let Some(root) = &self.root {
            out.push_str(",\"root\":");
            text::push_string(&mut out, root.as_bytes());
        }
        out.push_str(",\"type\":\"end\"");
        if let Some(types) = &self.types {
            let list: Vec<String> = types.iter().map(|t| text::json_string(t.as_bytes())).collect();
            out.push_str(&format!(",\"types\":[{}]", list.join(",")));
        }
        out.push('}');
        Record::from_parts(crate::name::Name::new(&b""[..]), Kind::End, Fields::default(), out.into_bytes())
    }
}

/// Counts what a stage puts out, for its end record.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Records put out, errors not counted.
    pub records: u64,
    /// Error records that came in and went on.
    pub passed: u64,
    /// Failures of the stage itself.
    pub own: u64,
}

impl Tally {
    /// Counts a record that goes on as it came in, be it an error or not.
    pub fn pass(&mut self, record: &Record) {
        match record.kind() {
            Kind::Error => self.passed += 1,
            _ => self.records += 1,
        }
    }

    /// The end record of the stage's output, given that of its input: its counts, everything else as it came.
    pub fn close(&self, end: &Record) -> Record {
        let errors = self.passed.max(End::of(end).errors).saturating_add(self.own);
        end.with(&[("errors", Some(errors.to_string())), ("records", Some(self.records.to_string()))])
    }
}

/// Writes a record and the line's end.
///
/// # Errors
/// [`Error::ReaderGone`] where nobody reads any more, else what the system said.
pub fn write(out: &mut dyn Write, record: &Record) -> Result<()> {
    out.write_all(record.text()).and_then(|()| out.write_all(b"\n")).map_err(write_error)
}

/// Writes out what is buffered. Same errors as [`write()`].
pub fn flush(out: &mut dyn Write) -> Result<()> {
    out.flush().map_err(write_error)
}

/// An error of writing the output: a reader that went away is none of ours.
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
    let shown = crate::error::printable(path.as_os_str().as_encoded_bytes());
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
    fn what_goes_on_is_counted_and_a_reader_that_is_gone_is_no_error_of_ours() {
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
        let (mut tally, mut out) = (Tally { own: 2, ..Tally::default() }, Vec::new());
        for record in read(&lines.join("\n")) {
            let record = record.unwrap();
            tally.pass(&record);
            write(&mut out, &record).unwrap();
            assert!(matches!(write(&mut Fails(io::ErrorKind::BrokenPipe), &record), Err(Error::ReaderGone)));
            assert!(matches!(flush(&mut Fails(io::ErrorKind::StorageFull)), Err(Error::Io { .. })));
        }
        assert_eq!(out, (lines.join("\n") + "\n").as_bytes());
        let end = End::of(&tally.close(&Record::parse(b"{\"name\":\"\",\"type\":\"end\"}").unwrap()));
        assert_eq!((end.records, end.errors), (2, 3));
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

    #[test]
    fn end_records_add_up() {
        let end = End { records: 5, errors: 1, filtered: true, root: Some("/r".into()), ..End::default() };
        assert_eq!(End::of(&end.record()), end);
        let tally = Tally { records: 4, passed: 0, own: 1 };
        let out = End::of(&tally.close(&end.record()));
        assert_eq!((out.records, out.errors, out.filtered), (4, 2, true));
    }
}
