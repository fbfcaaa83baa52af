//! The body of a put. It is counted and digested while it is read, and compared with the size and md5 that the caller gave.

use super::store::{Body, Put};
use crate::digest::Md5;
use sha2::Digest;
use std::io::{self, Read, Write};

/// A body that is read in pieces.
pub struct Intake<'a> {
    from: From<'a>,
    md5: md5::Md5,
    count: u64,
}

enum From<'a> {
    Bytes(std::vec::IntoIter<u8>),
    Stream(&'a mut (dyn Read + Send)),
}

impl<'a> Intake<'a> {
    /// Starts to read a body.
    pub fn new(body: Body<'a>) -> Intake<'a> {
        let from = match body {
            Body::Bytes(bytes) => From::Bytes(bytes.into_iter()),
            Body::Stream(reader) => From::Stream(reader),
        };
        Intake { from, md5: md5::Md5::default(), count: 0 }
    }

    /// Returns the next bytes: exactly `most`, fewer only at the end, then none.
    ///
    /// # Errors
    /// Errors of the reader.
    pub fn next(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let piece = match &mut self.from {
            // Nearly always this is the whole body, and no copy is made.
            From::Bytes(bytes) if bytes.len() <= most => std::mem::take(bytes).collect(),
            From::Bytes(bytes) => bytes.by_ref().take(most).collect(),
            From::Stream(reader) => {
                let mut piece = Vec::new();
                reader.take(most as u64).read_to_end(&mut piece)?;
                piece
            }
        };
        self.md5.update(&piece);
        self.count += piece.len() as u64;
        Ok(piece)
    }

    /// Checks that no more was read so far than the size that the caller gave.
    ///
    /// # Errors
    /// `InvalidData` if more was read.
    pub fn check_so_far(&self, how: &Put) -> io::Result<()> {
        match how.size {
            Some(size) if self.count > size => Err(altered("the content to store is longer than its given size")),
            _ => Ok(()),
        }
    }

    /// Returns the md5 and the size of the bytes read, after a comparison with the values that the caller gave.
    ///
    /// # Errors
    /// `InvalidData` if they differ.
    pub fn check(&self, how: &Put) -> io::Result<(Md5, u64)> {
        let md5 = Md5(self.md5.clone().finalize().into());
        if how.size.is_some_and(|size| size != self.count) || how.md5.is_some_and(|given| given != md5) {
            return Err(altered("the content to store differs from its given size or md5"));
        }
        Ok((md5, self.count))
    }
}

/// Writes a body to a file, and compares it with the size and md5 that the caller gave.
///
/// # Errors
/// Errors of the reader and of the file; `InvalidData` if the body has another size or md5.
pub fn copy(body: Body<'_>, how: &Put, out: &mut impl Write) -> io::Result<()> {
    match body {
        Body::Bytes(bytes) if how.md5.is_none() && how.size.is_none_or(|size| size == bytes.len() as u64) => {
            out.write_all(&bytes)
        }
        body => {
            let mut intake = Intake::new(body);
            loop {
                let piece = intake.next(256 << 10)?;
                if piece.is_empty() {
                    return intake.check(how).map(drop);
                }
                out.write_all(&piece)?;
            }
        }
    }
}

/// Returns the error for a content that is not the expected one.
pub fn altered(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::md5_of;

    #[test]
    fn pieces_are_full_and_the_whole_is_compared() {
        let told = |md5: Option<&[u8]>, size| Put { md5: md5.map(md5_of), size, ..Put::default() };
        let mut stream: Box<dyn Read + Send> = Box::new((&b"0123"[..]).chain(&b"456789"[..]));
        for body in [Body::Bytes(b"0123456789".to_vec()), Body::Stream(&mut *stream)] {
            let mut intake = Intake::new(body);
            let pieces: Vec<_> = std::iter::repeat_with(|| intake.next(4).unwrap()).take_while(|p| !p.is_empty()).collect();
            assert_eq!(pieces, [&b"0123"[..], b"4567", b"89"]);
            assert_eq!(intake.check(&told(Some(b"0123456789"), Some(10))).unwrap(), (md5_of(b"0123456789"), 10));
            assert!(intake.check(&told(None, None)).is_ok());
            for wrong in [told(Some(b"0123456788"), None), told(None, Some(9)), told(None, Some(11))] {
                assert_eq!(intake.check(&wrong).unwrap_err().kind(), io::ErrorKind::InvalidData);
            }
        }
    }
}
