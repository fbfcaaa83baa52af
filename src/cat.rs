//! The contents of file records, one after the other.

use crate::content::{Content, Contents, Lack};
use crate::display::counted;
use crate::error::{Result, reason};
use crate::monitor::Monitor;
use crate::record::Kind;
use crate::stream::{Records, write_error};
use std::io::{self, Write};

/// Writes the content of every file record, in the order of the stream. Returns the number of failures. A missing or damaged
/// content is a failure of its record: nothing of a small content is then written, and only the part before the damage of a large
/// one.
///
/// # Errors
/// Errors of the input and of writing.
pub fn cat(input: Records, contents: &dyn Contents, out: &mut dyn Write, monitor: &dyn Monitor) -> Result<u64> {
    let (mut skipped, mut failed) = (0u64, 0);
    for record in input {
        let record = record?;
        match record.kind() {
            Kind::File => {}
            Kind::Error | Kind::End => continue,
            _ => {
                skipped += 1;
                continue;
            }
        }
        match contents.content(&record).and_then(|content| copy(content, out)) {
            Ok(()) => {}
            Err(Lack::Record(reason)) => {
                failed += 1;
                monitor.failure(record.name(), &reason);
            }
            Err(Lack::All(e)) => return Err(e),
        }
    }
    if skipped > 0 {
        monitor.note(&format!("{} without content left out: links, folders and others", counted(skipped, "record")));
    }
    Ok(failed)
}

/// Copies a content. A read error is a failure of the record; a write error stops the tool.
fn copy(content: Content, out: &mut dyn Write) -> Result<(), Lack> {
    let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(|e| Lack::All(write_error(e)));
    let mut content = match content {
        Content::Whole(bytes) => return write(&bytes),
        Content::Stream(content) => content,
    };
    let mut buffer = vec![0; 1 << 17];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => write(&buffer[..n])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Lack::Record(reason(&e))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Recorder;
    use crate::record::Record;

    #[test]
    fn files_in_the_order_of_the_stream_and_the_bad_ones_told() {
        let lines =
            [r#"{"name":"b"}"#, r#"{"name":"a"}"#, r#"{"name":"l","type":"link","destination":"b"}"#, r#"{"name":"bad"}"#];
        let input: Vec<_> = lines.iter().map(|l| Ok(Record::parse(l.as_bytes()).unwrap())).collect();
        let contents = |r: &Record| match r.name().as_bytes() {
            b"bad" => Err("not there".to_string().into()),
            b"b" => Ok(Content::Stream(Box::new(io::Cursor::new(b"large")))),
            name => Ok(Content::Whole(name.to_vec())),
        };
        let (mut out, monitor) = (Vec::new(), Recorder::default());
        cat(Box::new(input.into_iter()), &contents, &mut out, &monitor).unwrap();
        assert_eq!(out, b"largea");
        assert_eq!(monitor.messages()[0], "bad: not there");
        assert!(monitor.messages()[1].starts_with("1 record without content"), "{:?}", monitor.messages());
    }
}
