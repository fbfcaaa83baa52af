//! A reader that survives a broken connection: it requests the rest of the content over a new one.

use super::retry::{Policy, Tries};
use std::io::{self, ErrorKind, Read};

/// A reader that opens its content again at the byte where reading failed.
pub struct Resumed<F> {
    open: F,
    reader: Option<Box<dyn Read + Send>>,
    at: u64,
    end: Option<u64>,
    policy: Policy,
    /// The tries since [`ENOUGH`] bytes arrived, and the bytes that arrived since the last try.
    tries: Option<Tries>,
    since: u64,
}

/// After this many bytes over one connection, the tries are counted from zero again. With a smaller number, a reader whose
/// connections all break after a few bytes would continue for hours.
const ENOUGH: u64 = 256 << 10;

/// Reads a content through `reader`, which starts at byte `at` of the content. If the reader fails, or ends before byte `end`
/// (None if the end is not known), `open` is called with the offset reached. It returns a reader for the rest of the same
/// version of the content (it asks for the version by `If-Match`, for example).
///
/// An error of `open` is final, because `open` tries again by itself. An error of a reader is final if another try can't change
/// it: `NotFound`, `PermissionDenied`, `InvalidData`, `InvalidInput`, `Unsupported`. After any other error, the content is opened
/// again. While less than 256 KiB arrive in between, this is done as often as `policy` allows; then the error is returned.
pub fn resumed<F>(reader: Box<dyn Read + Send>, at: u64, end: Option<u64>, policy: Policy, open: F) -> Resumed<F>
where
    F: FnMut(u64) -> io::Result<Box<dyn Read + Send>>,
{
    Resumed { open, reader: Some(reader), at, end, policy, tries: None, since: 0 }
}

impl<F: FnMut(u64) -> io::Result<Box<dyn Read + Send>>> Read for Resumed<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.end.map_or(u64::MAX, |end| end.saturating_sub(self.at));
        let most = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        loop {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                None => self.reader.insert((self.open)(self.at)?),
            };
            let failure = match (reader.read(&mut into[..most]), self.end) {
                (Ok(0), Some(end)) => too_short(self.at, end),
                (Ok(n), _) => {
                    self.at += n as u64;
                    self.since += n as u64;
                    return Ok(n);
                }
                (Err(e), _) if is_final(e.kind()) => return Err(e),
                (Err(e), _) => e,
            };
            self.reader = None;
            if self.since >= ENOUGH {
                self.tries = None;
            }
            self.since = 0;
            let tries = self.tries.get_or_insert_with(|| self.policy.begin());
            std::thread::sleep(tries.again(None).ok_or(failure)?);
        }
    }
}

/// Whether another try can't change the error, or is up to the caller (`Interrupted`).
fn is_final(kind: ErrorKind) -> bool {
    use ErrorKind::{Interrupted, InvalidData, InvalidInput, NotFound, PermissionDenied, Unsupported};
    matches!(kind, NotFound | PermissionDenied | InvalidData | InvalidInput | Unsupported | Interrupted)
}

fn too_short(at: u64, end: u64) -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, format!("the content ends after {at} of {end} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A reader that returns these bytes, then fails or ends.
    struct Breaks(Vec<u8>, Option<ErrorKind>);

    impl Read for Breaks {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = into.len().min(self.0.len());
            into[..n].copy_from_slice(&self.0[..n]);
            self.0.drain(..n);
            match self.1 {
                Some(kind) if n == 0 => Err(kind.into()),
                _ => Ok(n),
            }
        }
    }

    fn policy() -> Policy {
        Policy { first: Duration::ZERO, ..Policy::default() }
    }

    /// Reads `content` over connections that last for `each` bytes and then end or fail, as `how` says. Also returns how often
    /// the content was opened again.
    fn read(content: &'static [u8], each: usize, how: Option<ErrorKind>) -> (io::Result<Vec<u8>>, u32) {
        let mut opened = 0;
        let piece = move |at: u64| {
            let at = at as usize;
            Box::new(Breaks(content[at..(at + each).min(content.len())].to_vec(), how)) as Box<dyn Read + Send>
        };
        let mut out = Vec::new();
        let mut reader = resumed(piece(0), 0, Some(content.len() as u64), policy(), |at| {
            opened += 1;
            Ok(piece(at))
        });
        let outcome = reader.read_to_end(&mut out).map(|_| out);
        (outcome, opened)
    }

    #[test]
    fn broken_and_short_connections_are_taken_up_again() {
        for how in [Some(ErrorKind::ConnectionReset), Some(ErrorKind::TimedOut), None] {
            let (content, opened) = read(b"0123456789", 3, how);
            assert_eq!((content.unwrap().as_slice(), opened), (&b"0123456789"[..], 3), "{how:?}");
        }
    }

    #[test]
    fn without_any_progress_it_ends() {
        let (content, opened) = read(b"0123456789", 0, None);
        assert_eq!((content.unwrap_err().kind(), opened), (ErrorKind::UnexpectedEof, 5));
        let (content, opened) = read(b"0123456789", 0, Some(ErrorKind::ConnectionReset));
        assert_eq!((content.unwrap_err().kind(), opened), (ErrorKind::ConnectionReset, 5));
    }

    #[test]
    fn a_few_bytes_of_each_connection_are_no_progress() {
        let (content, opened) = read(&[7; 100], 3, None);
        assert_eq!((content.unwrap_err().kind(), opened), (ErrorKind::UnexpectedEof, 5));
        static LARGE: [u8; 8 * ENOUGH as usize] = [7; 8 * ENOUGH as usize];
        let (content, opened) = read(&LARGE, ENOUGH as usize, Some(ErrorKind::ConnectionReset));
        assert_eq!((content.unwrap().len(), opened), (LARGE.len(), 7));
    }

    #[test]
    fn what_can_not_pass_is_given_out_at_once() {
        let (content, opened) = read(b"0123456789", 3, Some(ErrorKind::PermissionDenied));
        assert_eq!((content.unwrap_err().kind(), opened), (ErrorKind::PermissionDenied, 0));
        let mut reader = resumed(Box::new(io::empty()), 0, Some(1), policy(), |_| Err(ErrorKind::NotFound.into()));
        assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn more_than_the_content_is_never_given() {
        let mut out = Vec::new();
        let mut reader = resumed(Box::new(&b"56789"[..]), 5, Some(8), policy(), |_| Err(ErrorKind::NotFound.into()));
        reader.read_to_end(&mut out).unwrap();
        assert_eq!(out, b"567");
    }
}
