//! Names of any bytes through a library that gives the connection up at one that is not UTF-8: the answers of the server are
//! looked at as they arrive, and such names written in another way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, BufReader, ReadBuf};

/// An answer with names (SSH_FXP_NAME).
const NAME: u8 = 104;

/// No server sends longer packets; what is no SFTP looks as if it did.
const LONGEST: usize = 16 << 20;

/// The bytes of a name in a listing.
pub fn bytes_of(name: &[u8]) -> Vec<u8> {
    let hex = name.strip_prefix(b"\0").and_then(|hex| std::str::from_utf8(hex).ok());
    let byte = |at: usize| u8::from_str_radix(hex?.get(at..at + 2)?, 16).ok();
    let bytes = hex.and_then(|hex| (0..hex.len()).step_by(2).map(byte).collect());
    bytes.unwrap_or_else(|| name.to_vec())
}

/// How a name is written so that the library takes it: no file has a NUL in its name.
fn escaped(name: &[u8]) -> Vec<u8> {
    let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    [b"\0", hex.as_bytes()].concat()
}

/// What arrives of a server, with all names UTF-8.
pub struct Names<R> {
    inner: BufReader<R>,
    /// The beginning of a packet: until its type is known, or all of it where it has names.
    packet: Vec<u8>,
    /// Bytes of the packet that go on as they are.
    rest: usize,
    /// What is to be given next, from where on.
    ready: (Vec<u8>, usize),
}

impl<R: AsyncRead + Unpin> Names<R> {
    /// Over this connection.
    pub fn new(inner: R) -> Names<R> {
        Names { inner: BufReader::with_capacity(64 << 10, inner), packet: Vec::new(), rest: 0, ready: (Vec::new(), 0) }
    }

    /// Bytes of the packet, behind those that tell its length.
    fn len(&self) -> io::Result<Option<usize>> {
        let Some(head) = self.packet.first_chunk() else { return Ok(None) };
        match u32::from_be_bytes(*head) as usize {
            0 | LONGEST.. => Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no SFTP")),
            len => Ok(Some(len)),
        }
    }

    /// How many bytes more are needed to decide something about the packet.
    fn wanted(&self) -> io::Result<usize> {
        let wanted = match self.len()? {
            None => 4,
            Some(_) if self.packet.len() == 4 => 5,
            Some(len) => 4 + len,
        };
        Ok(wanted - self.packet.len())
    }

    /// Takes up so many of them at most.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.packet.extend_from_slice(bytes);
        let len = self.len()?;
        match (len, self.packet.get(4)) {
            (Some(len), Some(&NAME)) if self.packet.len() == 4 + len => {
                let packet = std::mem::take(&mut self.packet);
                self.ready = (rewritten(&packet).unwrap_or(packet), 0);
            }
            (Some(len), Some(&kind)) if kind != NAME => {
                self.rest = len - 1;
                self.ready = (std::mem::take(&mut self.packet), 0);
            }
            _ => {}
        }
        Ok(())
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Names<R> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let (ready, at) = &mut this.ready;
            if *at < ready.len() {
                let n = into.remaining().min(ready.len() - *at);
                into.put_slice(&ready[*at..*at + n]);
                *at += n;
                return Poll::Ready(Ok(()));
            }
            let wanted = if this.rest > 0 { 0 } else { this.wanted()? };
            let available = ready!(Pin::new(&mut this.inner).poll_fill_buf(context))?;
            if available.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if this.rest > 0 {
                let n = this.rest.min(available.len()).min(into.remaining());
                into.put_slice(&available[..n]);
                this.rest -= n;
                Pin::new(&mut this.inner).consume(n);
                return Poll::Ready(Ok(()));
            }
            let piece = available[..wanted.min(available.len())].to_vec();
            Pin::new(&mut this.inner).consume(piece.len());
            this.take(&piece)?;
        }
    }
}

/// A packet with names, where one of them has to be written in another way. None where none has to be, or where it is not of its
/// form, which the library then says.
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

/// Passes over the attributes of a file, as version 3 of the protocol has them.
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
    use tokio::io::AsyncReadExt;

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

    /// What comes through, in reads of at most so many bytes at either side.
    fn through(bytes: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let (mut from, to) = tokio::io::duplex(most);
        let bytes = bytes.to_vec();
        block_on(async move {
            tokio::spawn(async move { drop(tokio::io::AsyncWriteExt::write_all(&mut from, &bytes).await) });
            let (mut out, mut reader) = (Vec::new(), Names::new(to));
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
        // Left for the library to refuse.
        let odd = packet(NAME, b"\0\0\0\x07\xff\xff\xff\xff");
        assert_eq!(through(&odd, 4096).unwrap(), odd);
        assert_eq!(bytes_of(b"\0zz"), b"\0zz");
    }
}
