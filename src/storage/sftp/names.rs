//! File names that are not UTF-8. The library gives up the connection when the server sends one. So the server's answers are
//! inspected as they arrive, and such names are escaped before the library reads them.

use bytes::{BufMut, BytesMut};
use futures_util::stream::try_unfold;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio_util::io::StreamReader;

/// An answer with names (SSH_FXP_NAME).
const NAME: u8 = 104;

/// The length from which a packet is refused, in bytes. No server sends such packets, but text read as SFTP looks like one.
const LONGEST: usize = 16 << 20;

/// The number of bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// Returns the bytes of a name that the library has read from a listing.
pub fn bytes_of(name: &[u8]) -> Vec<u8> {
    let hex = name.strip_prefix(b"\0").and_then(|hex| std::str::from_utf8(hex).ok());
    let byte = |at: usize| u8::from_str_radix(hex?.get(at..at + 2)?, 16).ok();
    let bytes = hex.and_then(|hex| (0..hex.len()).step_by(2).map(byte).collect());
    bytes.unwrap_or_else(|| name.to_vec())
}

/// Returns a spelling of a name that the library accepts: a NUL, which no file has in its name, and hex digits.
fn escaped(name: &[u8]) -> Vec<u8> {
    let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    [b"\0", hex.as_bytes()].concat()
}

/// Returns a reader of the server's answers in which all names are UTF-8: others are written as [`escaped`] has them.
pub fn with_utf8_names(answers: impl AsyncRead + Send + Unpin + 'static) -> impl AsyncRead + Send + Unpin {
    let answers = BufReader::with_capacity(BUFFER, answers);
    StreamReader::new(Box::pin(try_unfold((answers, 0), |(mut answers, rest)| async move {
        let (piece, rest) = match rest {
            0 => match begin(&mut answers).await {
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                begun => begun?,
            },
            _ => {
                let mut piece = BytesMut::with_capacity(rest.min(BUFFER));
                let n = answers.read_buf(&mut (&mut piece).limit(rest)).await?;
                (piece, rest - n)
            }
        };
        Ok::<_, io::Error>((!piece.is_empty()).then_some((piece, (answers, rest))))
    })))
}

/// Reads a packet if it has names, else the start of it. Returns the bytes, and how many bytes of the packet are still to come.
async fn begin(answers: &mut (impl AsyncRead + Unpin)) -> io::Result<(BytesMut, usize)> {
    let mut packet = vec![0; 5];
    answers.read_exact(&mut packet[..4]).await?;
    let len = match u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]) as usize {
        0 | LONGEST.. => return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no SFTP")),
        len => len,
    };
    answers.read_exact(&mut packet[4..]).await?;
    if packet[4] != NAME {
        return Ok((packet[..].into(), len - 1));
    }
    packet.resize(4 + len, 0);
    answers.read_exact(&mut packet[5..]).await?;
    Ok((rewritten(&packet).unwrap_or(packet)[..].into(), 0))
}

/// Returns a packet with its names escaped where they need it. None if no name needs it, or if the packet is malformed, which the
/// library reports then.
fn rewritten(packet: &[u8]) -> Option<Vec<u8>> {
    let mut rest = packet.get(13..)?;
    let count = u32::from_be_bytes(*packet.get(9..13)?.first_chunk()?);
    let (mut out, mut is_other) = (packet[..13].to_vec(), false);
    for _ in 0..count {
        let name = text(&mut rest)?;
        let is_odd = name.contains(&0) || std::str::from_utf8(name).is_err();
        let name = if is_odd { escaped(name) } else { name.to_vec() };
        is_other |= is_odd;
        out.extend_from_slice(&u32::try_from(name.len()).ok()?.to_be_bytes());
        out.extend_from_slice(&name);
        let before = rest;
        text(&mut rest)?;
        attributes(&mut rest)?;
        out.extend_from_slice(&before[..before.len() - rest.len()]);
    }
    out.extend_from_slice(rest);
    let len = u32::try_from(out.len() - 4).ok()?;
    out[..4].copy_from_slice(&len.to_be_bytes());
    is_other.then_some(out)
}

fn skip<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(n)?;
    *rest = behind;
    Some(taken)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*skip(rest, 4)?.first_chunk()?))
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(rest)? as usize;
    skip(rest, len)
}

/// Skips the attributes of a file, as version 3 of the protocol writes them.
fn attributes(rest: &mut &[u8]) -> Option<()> {
    let flags = number(rest)?;
    for (flag, len) in [(1, 8), (2, 8), (4, 4), (8, 8)] {
        if flags & flag != 0 {
            skip(rest, len)?;
        }
    }
    if flags & 0x8000_0000 != 0 {
        for _ in 0..number(rest)? {
            text(rest)?;
            text(rest)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::runtime::block_on;

    fn string(text: &[u8]) -> Vec<u8> {
        [&(text.len() as u32).to_be_bytes()[..], text].concat()
    }

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        string(&[&[kind], body].concat())
    }

    fn names(all: &[&[u8]]) -> Vec<u8> {
        let mut body = [7u32.to_be_bytes(), (all.len() as u32).to_be_bytes()].concat();
        for (n, name) in all.iter().enumerate() {
            body.extend(string(name));
            body.extend(string(b"-rw \xff"));
            let flags = [0u32, 0x8000_000f][n % 2];
            body.extend(flags.to_be_bytes());
            if flags != 0 {
                body.extend([1; 28]);
                body.extend([&1u32.to_be_bytes()[..], &string(b"a"), &string(b"b")].concat());
            }
        }
        packet(NAME, &body)
    }

    /// Returns the bytes that come out of the reader, in reads of at most `most` bytes on both sides.
    fn through(bytes: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let (mut from, to) = tokio::io::duplex(most);
        let bytes = bytes.to_vec();
        block_on(async move {
            tokio::spawn(async move { drop(tokio::io::AsyncWriteExt::write_all(&mut from, &bytes).await) });
            let (mut out, mut reader) = (Vec::new(), with_utf8_names(to));
            let mut piece = vec![0; most];
            loop {
                match reader.read(&mut piece).await? {
                    0 => return Ok(out),
                    n => out.extend_from_slice(&piece[..n]),
                }
            }
        })
        .unwrap()
    }

    #[test]
    fn names_of_any_bytes_come_through_and_all_else_as_it_is() {
        let odd: &[&[u8]] = &[b"plain", b"caf\xe9", "café".as_bytes(), b"\xff", b"nul\0"];
        let (data, end) = (packet(103, &[0xe9; 70_000]), packet(101, b"\0\0\0\x07\0\0\0\x01"));
        for most in [1, 3, 5, 4096, 200_000] {
            let sent = [&data[..], &names(odd), &end, &names(&[b"a", b"b"])].concat();
            let written: Vec<Vec<u8>> = odd
                .iter()
                .map(|name| match std::str::from_utf8(name) {
                    Ok(text) if !text.contains('\0') => name.to_vec(),
                    _ => escaped(name),
                })
                .collect();
            assert!(written.iter().all(|name| std::str::from_utf8(name).is_ok()));
            assert!(written.iter().zip(odd).all(|(written, name)| bytes_of(written) == *name));
            let written: Vec<&[u8]> = written.iter().map(Vec::as_slice).collect();
            let expected = [&data[..], &names(&written), &end, &names(&[b"a", b"b"])].concat();
            assert!(through(&sent, most).unwrap() == expected, "{most}");
        }
    }

    #[test]
    fn what_breaks_off_ends_and_what_is_no_sftp_is_an_error() {
        let whole = names(&[b"\xff"]);
        let cut = through(&whole[..whole.len() - 1], 4096).unwrap();
        assert!(cut.len() < whole.len() - 1, "half a packet");
        for bad in [&b"Welcome to host\n"[..], b"\0\0\0\0"] {
            assert_eq!(through(bad, 4096).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        // This packet is left for the library to refuse.
        let odd = packet(NAME, b"\0\0\0\x07\xff\xff\xff\xff");
        assert_eq!(through(&odd, 4096).unwrap(), odd);
        assert_eq!(bytes_of(b"\0zz"), b"\0zz");
    }
}
