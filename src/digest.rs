//! The digests of contents, and their hex digits.

use crate::parallel::{self, Job};
use sha2::Digest;
use std::fmt;
use std::io::{self, Read};

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Reads lower-case hex digits, two for each byte, and nothing else.
            pub fn parse(hex: &str) -> Option<$name> {
                unhex(hex).map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

digest!(
    /// The md5 of a content, which is its address in the heap.
    Md5,
    16
);
digest!(
    /// The sha256 of a content: the second digest beside its md5.
    Sha256,
    32
);

/// The number of bytes from which on hashing them in another thread is worth waking it.
pub const WORTH: usize = 64 << 10;

/// Computes both digests of a content, piece by piece.
#[derive(Clone, Default)]
pub struct Digests {
    md5: md5::Md5,
    sha256: sha2::Sha256,
    len: u64,
}

impl Digests {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha256.update(bytes);
        self.len += bytes.len() as u64;
    }

    /// Does what [`Digests::update`] does, in two threads if that is worth it.
    pub fn update_large(&mut self, bytes: &[u8]) {
        match bytes.len() >= WORTH {
            true => parallel::beside(self.update_in_two(bytes), || ()),
            false => self.update(bytes),
        }
    }

    /// Returns two jobs, for two threads, that do together what [`Digests::update`] does.
    pub fn update_in_two<'a>(&'a mut self, bytes: &'a [u8]) -> [Job<'a>; 2] {
        let Digests { md5, sha256, len } = self;
        *len += bytes.len() as u64;
        [Box::new(move || md5.update(bytes)), Box::new(move || sha256.update(bytes))]
    }

    /// Returns the digests of all bytes added, and their number.
    pub fn finish(self) -> (Md5, Sha256, u64) {
        (Md5(self.md5.finalize().into()), Sha256(self.sha256.finalize().into()), self.len)
    }

    /// Returns the digests of these bytes.
    pub fn of(bytes: &[u8]) -> (Md5, Sha256) {
        let mut digests = Digests::default();
        digests.update(bytes);
        let (md5, sha256, _) = digests.finish();
        (md5, sha256)
    }
}

/// Returns the md5 of these bytes.
pub fn md5_of(bytes: &[u8]) -> Md5 {
    Md5(md5::Md5::digest(bytes).into())
}

/// Returns the md5 of all bytes of a reader.
///
/// # Errors
/// If it can't be read.
pub fn md5_of_all(input: &mut dyn Read) -> io::Result<Md5> {
    let (mut digest, mut buffer) = (md5::Md5::new(), vec![0; 1 << 17]);
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(Md5(digest.finalize().into())),
            Ok(n) => digest.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Reads exactly `2 * N` lower-case hex digits.
pub fn unhex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    /// The values of the digits, and 0xff for all other bytes.
    const VALUES: [u8; 256] = {
        let (mut values, mut n) = ([0xff; 256], 0);
        while n < 16 {
            values[b"0123456789abcdef"[n] as usize] = n as u8;
            n += 1;
        }
        values
    };
    let hex = hex.as_bytes();
    if hex.len() != 2 * N {
        return None;
    }
    let (mut out, mut all) = ([0; N], 0);
    for (byte, pair) in out.iter_mut().zip(hex.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        *byte = high << 4 | low & 15;
        all |= high | low;
    }
    (all < 16).then_some(out)
}

/// Writes bytes as lower-case hex.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let mut out = [0u8; 64];
    for (pair, b) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = b"0123456789abcdef"[usize::from(b >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(b & 15)];
    }
    f.write_str(std::str::from_utf8(&out[..bytes.len() * 2]).map_err(|_| fmt::Error)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_lower_case_and_as_many_as_belong_there() {
        assert_eq!(unhex::<3>("09af10"), Some([0x09, 0xaf, 0x10]));
        assert!(["09aF10", "09af1", "09af1g", "09af100"].iter().all(|bad| unhex::<3>(bad).is_none()));
        assert_eq!(Sha256([0x0f; 32]).to_string(), "0f".repeat(32));
    }
}
