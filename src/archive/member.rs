//! Reads the members of an archive, one after the other: v7, ustar, pax and GNU.

use super::entry::{Member, What, what};
use super::pax::Pax;
use super::sparse::{Extent, Map, MapLines};
use super::{BLOCK, padding};
use crate::display::printable;
use crate::error::{Error, OrFailed, Result, reason};
use crate::record::Xattrs;
use crate::time::Time;
use std::io::{self, BufReader, ErrorKind, Read};
use tar::{GnuExtSparseHeader, Header};

/// The longest name or target, in bytes: sixteen times that of Linux. A longer one would not fit in the line of a record.
const NAME_LIMIT: u64 = 64 << 10;
/// The longest pax header, in bytes. That of a sparse file has its map.
const PAX_LIMIT: u64 = 8 << 20;

/// The members of an archive.
pub struct Members<R> {
    input: BufReader<R>,
    /// The name of the input in messages.
    from: String,
    /// The number of bytes to the end of the content of the last member, and those behind it to the end of its last block.
    left: u64,
    padding: u64,
    /// What the global pax headers say about all members behind them.
    global: Pax,
    /// Whether something was read.
    is_begun: bool,
    /// The bytes behind the end mark that are not zero.
    behind: u64,
}

/// The headers in front of a member that belong to it.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    pax: Option<Pax>,
}

impl<R: Read> Members<R> {
    /// Returns the members of this input. Messages name it `from`.
    pub fn new(input: R, from: String) -> Members<R> {
        let input = BufReader::with_capacity(1 << 16, input);
        Members { input, from, left: 0, padding: 0, global: Pax::default(), is_begun: false, behind: 0 }
    }

    /// Returns the next member, None behind the last one. Skips what is left of the content of the one before.
    ///
    /// # Errors
    /// If the archive is damaged, cut off or can't be read.
    pub fn next(&mut self) -> Result<Option<Member>> {
        self.skip()?;
        let mut before = Before::default();
        loop {
            let Some(block) = self.block()? else { return Err(self.cut()) };
            if block == [0; BLOCK] {
                if before.name.is_some() || before.target.is_some() || before.pax.is_some() {
                    return Err(self.damaged("a header without its member"));
                }
                return self.end().map(|()| None);
            }
            let header = self.header(block)?;
            let size = self.number(&block[124..136], header.entry_size())?.unwrap_or(0);
            match block[156] {
                b'L' => before.name = Some(until_nul(self.data(size, NAME_LIMIT)?)),
                b'K' => before.target = Some(until_nul(self.data(size, NAME_LIMIT)?)),
                b'x' | b'X' => before.pax = Some(self.pax(size)?),
                b'g' => self.global(size)?,
                _ => return self.member(&header, size, before).map(Some),
            }
        }
    }

    /// Returns a reader of the content of the last member.
    pub fn content<'a>(&'a mut self, member: &'a Member) -> Content<'a, R> {
        Content { members: self, size: member.size, map: member.map.as_ref(), at: 0, part: 0 }
    }

    /// Returns the number of bytes behind the end of the archive that are not zero.
    pub fn behind(&self) -> u64 {
        self.behind
    }

    fn header(&mut self, block: [u8; BLOCK]) -> Result<Header> {
        let mut header = Header::new_old();
        *header.as_mut_bytes() = block;
        // Old programs added the bytes as signed numbers.
        let sum = |of: fn(u8) -> i64| -> i64 {
            let field = 148..156;
            block.iter().enumerate().map(|(at, b)| of(if field.contains(&at) { b' ' } else { *b })).sum()
        };
        let is_sum = header.cksum().is_ok_and(|stated| {
            let stated = i64::from(stated);
            stated == sum(i64::from) || stated == sum(|b| i64::from(b as i8))
        });
        if !is_sum {
            return Err(if self.is_begun { self.damaged("a header has a wrong checksum") } else { self.no_archive(&block) });
        }
        self.is_begun = true;
        // Some programs leave the version out, and use the prefix of names all the same.
        if block[257..263] == *b"ustar\0" {
            header.as_mut_bytes()[263..265].copy_from_slice(b"00");
        }
        Ok(header)
    }

    /// Returns the number in a field, None if it is blank.
    fn number(&self, field: &[u8], value: io::Result<u64>) -> Result<Option<u64>> {
        match field.iter().all(|b| matches!(b, 0 | b' ')) {
            true => Ok(None),
            false => value.map(Some).map_err(|e| self.damaged(&reason(&e))),
        }
    }

    fn member(&mut self, header: &Header, size: u64, before: Before) -> Result<Member> {
        let pax = before.pax.unwrap_or_default();
        let odd = |e: String| self.damaged(&e);
        let block = header.as_bytes();
        let stored = pax.number("size").map_err(odd)?.unwrap_or(size);
        let own = |field, value| self.number(&block[field], value);
        let either = |key| Ok::<_, Error>(pax.number(key).map_err(odd)?.or(self.global.number(key).map_err(odd)?));
        let uid = either("uid")?.or(own(108..116, header.uid())?);
        let gid = either("gid")?.or(own(116..124, header.gid())?);
        let mode = own(100..108, header.mode().map(u64::from))?.map(|mode| mode as u32 & 0o7777);
        // Times before 1970 are negative numbers of 64 bits.
        let time = own(136..148, header.mtime())?.map(|sec| Time { sec: sec as i64, nsec: 0 });
        let time = pax.time().map_err(odd)?.or(self.global.time().map_err(odd)?).or(time);
        let name = pax.get("GNU.sparse.name").or(pax.get("path")).map(<[u8]>::to_vec);
        let name = name.or(before.name).unwrap_or_else(|| header.path_bytes().into_owned());
        let target = pax.get("linkpath").map(<[u8]>::to_vec).or(before.target);
        let target = target.or_else(|| header.link_name_bytes().map(|target| target.into_owned())).unwrap_or_default();
        if name.is_empty() {
            return Err(self.damaged("a member has no name"));
        }
        if name.len().max(target.len()) as u64 > NAME_LIMIT {
            return Err(self.damaged(&format!("a name has more than {NAME_LIMIT} bytes")));
        }
        let what = what(block[156], &name, target);
        let mut xattrs: Xattrs = self.global.xattrs().chain(pax.xattrs()).collect();
        xattrs.reverse();
        xattrs.sort_by(|a, b| a.0.cmp(&b.0));
        xattrs.dedup_by(|later, first| later.0 == first.0);
        let has_acl = pax.has("SCHILY.acl.");
        // The others have no content. Of a folder, the size is how much it may have; of a hard link, that of the file.
        let has_content = matches!(what, What::File | What::Other(_)) || block[156] == b'D';
        (self.left, self.padding) = if has_content { (stored, padding(stored)) } else { (0, 0) };
        if stored.checked_add(self.padding).is_none() {
            return Err(self.damaged("a member is too large"));
        }
        let map = if what == What::File { self.map(header, &pax)? } else { None };
        let size = map.as_ref().map_or(stored, |map| map.size);
        Ok(Member { name, what, size, mode, uid, gid, time, xattrs, has_acl, map })
    }

    /// Reads the map of a sparse file. None if it is another file.
    fn map(&mut self, header: &Header, pax: &Pax) -> Result<Option<Map>> {
        if header.entry_type().is_gnu_sparse() {
            let map = self.gnu_map(header)?;
            return map.check(self.left).map(Some).map_err(|e| self.damaged(&e));
        }
        if pax.get("GNU.sparse.major") == Some(b"1") {
            let mut lines = MapLines::default();
            while !lines.is_done() {
                let left = self.left.checked_sub(BLOCK as u64);
                self.left = left.ok_or_else(|| self.damaged("the map of a sparse file is longer than what is stored of it"))?;
                let block = self.block()?.ok_or_else(|| self.cut())?;
                lines.read(&block).map_err(|e| self.damaged(&e))?;
            }
            let map = lines.map(pax).map_err(|e| self.damaged(&e))?;
            return map.check(self.left).map(Some).map_err(|e| self.damaged(&e));
        }
        let map = Map::of_pax(pax).map_err(|e| self.damaged(&e))?;
        map.map(|map| map.check(self.left)).transpose().map_err(|e| self.damaged(&e))
    }

    /// Reads the map of a sparse file of GNU tar's own format, which goes on in blocks behind the header.
    fn gnu_map(&mut self, header: &Header) -> Result<Map> {
        let odd = |e: io::Error| self.damaged(&reason(&e));
        let gnu = header.as_gnu().ok_or_else(|| self.damaged("a sparse file has no header of GNU tar"))?;
        let mut map = Map { size: gnu.real_size().map_err(odd)?, ..Map::default() };
        let mut parts: Vec<_> =
            gnu.sparse.iter().filter(|part| !part.is_empty()).map(|part| (part.offset(), part.length())).collect();
        let mut is_extended = gnu.is_extended();
        loop {
            for (offset, length) in parts.drain(..) {
                let odd = |e: io::Error| self.damaged(&reason(&e));
                let extent = Extent { offset: offset.map_err(odd)?, length: length.map_err(odd)? };
                map.push(extent).map_err(|e| self.damaged(&e))?;
            }
            if !is_extended {
                return Ok(map);
            }
            let mut more = GnuExtSparseHeader::new();
            *more.as_mut_bytes() = self.block()?.ok_or_else(|| self.cut())?;
            parts.extend(more.sparse().iter().filter(|part| !part.is_empty()).map(|part| (part.offset(), part.length())));
            is_extended = more.is_extended();
        }
    }

    fn pax(&mut self, size: u64) -> Result<Pax> {
        let data = self.data(size, PAX_LIMIT)?;
        Pax::new(data).map_err(|e| self.damaged(&e))
    }

    /// Reads a global header. Later ones add to it.
    fn global(&mut self, size: u64) -> Result<()> {
        let pax = self.pax(size)?;
        if let Some(key) = ["size", "path", "linkpath", "GNU.sparse."].into_iter().find(|key| pax.has(key)) {
            return Err(self.damaged(&format!("a global header has {key}, which belongs to one member")));
        }
        let old = std::mem::take(&mut self.global);
        let all = old.records().chain(pax.records());
        // Comments are for people.
        let mut global = Pax::default();
        all.filter(|(key, _)| *key != b"comment").for_each(|(key, value)| global.push_bytes(key, value));
        if global.text().len() as u64 > PAX_LIMIT {
            return Err(self.damaged("its global headers are too long"));
        }
        self.global = global;
        Ok(())
    }

    /// Reads the data of a header, and what is behind it to the end of its block.
    fn data(&mut self, size: u64, limit: u64) -> Result<Vec<u8>> {
        if size > limit {
            return Err(self.damaged(&format!("a header has {size} bytes, more than {limit}")));
        }
        let mut data = vec![0; (size + padding(size)) as usize];
        self.input.read_exact(&mut data).map_err(|e| self.unread(e))?;
        data.truncate(size as usize);
        Ok(data)
    }

    /// Reads a block; None at the end of the input.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut read = 0;
        while read < BLOCK {
            match self.input.read(&mut block[read..]) {
                Ok(0) if read == 0 => return Ok(None),
                Ok(0) => return Err(if self.is_begun { self.cut() } else { self.no_archive(&block) }),
                Ok(n) => read += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.unread(e)),
            }
        }
        Ok(Some(block))
    }

    /// Reads the rest of the content of the last member.
    fn skip(&mut self) -> Result<()> {
        let rest = self.left.saturating_add(self.padding);
        (self.left, self.padding) = (0, 0);
        let skipped = io::copy(&mut Read::by_ref(&mut self.input).take(rest), &mut io::sink()).map_err(|e| self.unread(e))?;
        if skipped < rest { Err(self.cut()) } else { Ok(()) }
    }

    /// Reads what is behind the first block of the end mark, so that the program that writes the archive can end as usual. One
    /// such block is enough for the end, but nothing may follow it.
    fn end(&mut self) -> Result<()> {
        let second = self.block()?;
        if second.is_some_and(|block| block != [0; BLOCK]) {
            return Err(self.damaged("a block of zeros is where the header of a member should be"));
        }
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.input.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => self.behind += buffer[..n].iter().filter(|b| **b != 0).count() as u64,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.unread(e)),
            }
        }
    }

    fn damaged(&self, what: &str) -> Error {
        Error::refused(format!("{}: the archive is damaged: {}", self.from, printable(what.as_bytes())))
    }

    fn cut(&self) -> Error {
        Error::refused(format!("{}: {}", self.from, if self.is_begun { CUT } else { "no tar archive: there is nothing" }))
    }

    /// Returns the error of reading the input.
    pub fn unread(&self, e: io::Error) -> Error {
        match e.kind() {
            ErrorKind::UnexpectedEof => self.cut(),
            _ => Err::<(), _>(e).or_failed(|| format!("read {}", self.from)).err().unwrap_or_else(|| self.cut()),
        }
    }

    /// Returns the error for an input that does not start with a header. It may be compressed.
    fn no_archive(&self, start: &[u8]) -> Error {
        const PACKED: [(&[u8], &str); 4] =
            [(b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")];
        match PACKED.iter().find(|(magic, _)| start.starts_with(magic)) {
            Some((_, name)) => Error::advise(
                format!("{}: compressed with {name}", self.from),
                format!("unpack it first: {name} -dc FILE | snap-from-tar"),
            ),
            None => Error::refused(format!("{}: no tar archive", self.from)),
        }
    }
}

const CUT: &str = "the archive is cut off";

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(memchr::memchr(0, &bytes).unwrap_or(bytes.len()));
    bytes
}

/// The content of a member, with zeros for its holes.
pub struct Content<'a, R> {
    members: &'a mut Members<R>,
    size: u64,
    map: Option<&'a Map>,
    /// The bytes that were read.
    at: u64,
    /// The next part of the map.
    part: usize,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let whole = [Extent { offset: 0, length: self.size }];
        let extents = self.map.map_or(&whole[..], |map| &map.extents);
        while extents.get(self.part).is_some_and(|extent| extent.end() <= self.at) {
            self.part += 1;
        }
        let next = extents.get(self.part);
        let (is_hole, until) = match next {
            Some(extent) if extent.offset <= self.at => (false, extent.end()),
            Some(extent) => (true, extent.offset),
            None => (true, self.size),
        };
        let most = buffer.len().min(usize::try_from(until - self.at).unwrap_or(usize::MAX));
        let read = match is_hole {
            true => {
                buffer[..most].fill(0);
                most
            }
            false => self.members.input.read(&mut buffer[..most])?,
        };
        if read == 0 && most > 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, CUT));
        }
        self.at += read as u64;
        self.members.left -= if is_hole { 0 } else { read as u64 };
        Ok(read)
    }
}
