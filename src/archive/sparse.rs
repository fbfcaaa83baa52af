//! The maps of sparse files: which parts of a file are in the archive. What is between them is zeros.

use super::{BLOCK, pax, pax::Pax};
use crate::content::{Content, Lack};
use crate::error::reason;
use std::io::{self, BufRead};

/// A part of a file with data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it starts in the file.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
}

impl Extent {
    /// Returns the end of the part in the file.
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// The parts of a sparse file, in order, and its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// The parts with data.
    pub extents: Vec<Extent>,
    /// The bytes of the file, with its holes.
    pub size: u64,
}

/// The most parts of one file that are read. More would take too much memory.
pub const MOST_READ: usize = 1 << 19;
/// The most parts of one file that are written. Holes that are too many are written as zeros.
const MOST_WRITTEN: usize = 1 << 13;
/// The smallest hole: a block of the usual file systems.
const HOLE: usize = 4096;

impl Map {
    /// Adds a part. Empty parts are dropped.
    ///
    /// # Errors
    /// If it is not behind the others, or there are too many.
    pub fn push(&mut self, extent: Extent) -> Result<(), String> {
        let last = self.extents.last().map_or(0, |last| last.end());
        if extent.offset < last || extent.offset.checked_add(extent.length).is_none() {
            return Err("the parts of a sparse file are not in order".to_string());
        }
        if self.extents.len() >= MOST_READ {
            return Err(format!("a sparse file has more than {MOST_READ} parts"));
        }
        self.extents.extend((extent.length > 0).then_some(extent));
        Ok(())
    }

    /// Returns the bytes of all parts.
    pub fn data(&self) -> u64 {
        self.extents.iter().map(|extent| extent.length).sum()
    }

    /// Checks whether the parts are in the file, and whether `stored` bytes are all of them.
    ///
    /// # Errors
    /// If not.
    pub fn check(self, stored: u64) -> Result<Map, String> {
        let end = self.extents.last().map_or(0, |last| last.end());
        match end <= self.size && self.data() == stored {
            true => Ok(self),
            false => Err("the parts of a sparse file do not fit its size".to_string()),
        }
    }

    /// Returns the map that a pax header has itself (GNU.sparse 0.0 and 0.1), if it has one.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn of_pax(pax: &Pax) -> Result<Option<Map>, String> {
        let bad = || "the map of a sparse file is damaged".to_string();
        let mut map = Map::default();
        let mut offset = None;
        if let Some(text) = pax.get("GNU.sparse.map") {
            let mut numbers = text.split(|b| *b == b',').map(pax::number);
            while let Some(offset) = numbers.next() {
                let length = numbers.next().flatten();
                map.push(Extent { offset: offset.ok_or_else(bad)?, length: length.ok_or_else(bad)? })?;
            }
        } else if pax.has("GNU.sparse.numblocks") {
            for (key, value) in pax.records() {
                match key {
                    b"GNU.sparse.offset" => offset = Some(pax::number(value).ok_or_else(bad)?),
                    b"GNU.sparse.numbytes" => {
                        let length = pax::number(value).ok_or_else(bad)?;
                        map.push(Extent { offset: offset.take().ok_or_else(bad)?, length })?;
                    }
                    _ => {}
                }
            }
        } else {
            return Ok(None);
        }
        map.size = real_size(pax)?;
        Ok(Some(map))
    }

    /// Returns the text of a map in front of the data. It ends with a block.
    pub fn text(&self) -> Vec<u8> {
        // An empty part at the end says how long a last hole is, for readers that look at the parts only.
        let last =
            self.extents.last().is_none_or(|last| last.end() < self.size).then_some(Extent { offset: self.size, length: 0 });
        let all = self.extents.iter().copied().chain(last);
        let numbers = all.clone().map(|extent| format!("{}\n{}\n", extent.offset, extent.length));
        let mut text = format!("{}\n{}", all.count(), numbers.collect::<String>()).into_bytes();
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        text
    }
}

/// Reads the map in front of the data of a sparse file (GNU.sparse 1.0): lines of numbers, in whole blocks. The first one is
/// the number of parts, each part has two.
#[derive(Default)]
pub struct MapLines {
    map: Map,
    line: Vec<u8>,
    /// The numbers that are still to come, after the first one.
    left: Option<u64>,
    offset: Option<u64>,
}

impl MapLines {
    /// Whether the last number was read.
    pub fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Reads a block.
    ///
    /// # Errors
    /// If it is no part of a map.
    pub fn read(&mut self, block: &[u8; BLOCK]) -> Result<(), String> {
        /// The most digits of a number.
        const DIGITS: usize = 20;
        for byte in block {
            let is_end = *byte == b'\n';
            if self.is_done() {
                break;
            }
            if !is_end && self.line.len() < DIGITS {
                self.line.push(*byte);
                continue;
            }
            let number = pax::number(&self.line).filter(|_| is_end).ok_or("the map of a sparse file is damaged")?;
            self.line.clear();
            self.left = Some(match self.left {
                None if number > MOST_READ as u64 => return Err(format!("a sparse file has more than {MOST_READ} parts")),
                None => 2 * number,
                Some(left) => {
                    match self.offset.take() {
                        None => self.offset = Some(number),
                        Some(offset) => self.map.push(Extent { offset, length: number })?,
                    }
                    left - 1
                }
            });
        }
        Ok(())
    }

    /// Returns the map of a file with this pax header.
    ///
    /// # Errors
    /// If the header does not have its size.
    pub fn map(self, pax: &Pax) -> Result<Map, String> {
        Ok(Map { size: real_size(pax)?, ..self.map })
    }
}

fn real_size(pax: &Pax) -> Result<u64, String> {
    let size = pax.number("GNU.sparse.realsize")?;
    size.map_or_else(|| pax.number("GNU.sparse.size"), |size| Ok(Some(size)))?
        .ok_or_else(|| "a sparse file has no size".to_string())
}

/// Finds the holes of a content while it is read.
pub struct Holes {
    map: Map,
    /// The smallest hole that is kept, in bytes.
    least: u64,
}

impl Default for Holes {
    fn default() -> Holes {
        Holes { map: Map::default(), least: HOLE as u64 }
    }
}

impl Holes {
    /// Looks at the next bytes.
    pub fn look(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // Whole blocks of the file, also if the bytes come in other pieces.
            let rest = HOLE - (self.map.size % HOLE as u64) as usize;
            let (block, behind) = bytes.split_at(rest.min(bytes.len()));
            let (offset, length) = (self.map.size, block.len() as u64);
            if block.iter().any(|b| *b != 0) {
                self.add(Extent { offset, length });
            }
            self.map.size += length;
            bytes = behind;
        }
    }

    fn add(&mut self, extent: Extent) {
        let least = self.least;
        match self.map.extents.last_mut() {
            Some(last) if extent.offset - last.end() < least => last.length = extent.end() - last.offset,
            _ => self.map.extents.push(extent),
        }
        while self.map.extents.len() > MOST_WRITTEN {
            self.least *= 2;
            let least = self.least;
            self.map.extents.dedup_by(|next, last| {
                let is_near = next.offset - last.end() < least;
                last.length = if is_near { next.end() - last.offset } else { last.length };
                is_near
            });
        }
    }

    /// Returns the map of what was read.
    pub fn map(self) -> Map {
        self.map
    }
}

/// Reads a content to its end, where it is verified, and returns its size and its holes.
///
/// # Errors
/// The reason why it is not what it should be.
pub fn survey(content: &mut Content) -> Result<Map, Lack> {
    let mut holes = Holes::default();
    match content {
        Content::Whole(bytes) => holes.look(bytes),
        Content::Stream(stream) => loop {
            match stream.fill_buf() {
                Ok([]) => break,
                Ok(bytes) => {
                    holes.look(bytes);
                    let length = bytes.len();
                    stream.consume(length);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Lack::Record(reason(&e))),
            }
        },
    }
    Ok(holes.map())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8], size: u64) -> Result<Map, String> {
        let mut pax = Pax::default();
        pax.push("GNU.sparse.realsize", size.to_string().as_bytes());
        let mut lines = MapLines::default();
        let blocks = text.chunks_exact(BLOCK).map(|block| block.try_into().unwrap());
        blocks.into_iter().try_for_each(|block| lines.read(block))?;
        if lines.is_done() { lines.map(&pax) } else { Err("it does not end".to_string()) }
    }

    #[test]
    fn holes_are_found_in_whole_blocks_of_the_file() {
        let mut content = vec![0; 5 * HOLE + 10];
        content[HOLE + 1] = 1;
        content[5 * HOLE + 9] = 1;
        for piece in [1, 7, HOLE, 3 * HOLE] {
            let mut holes = Holes::default();
            content.chunks(piece).for_each(|piece| holes.look(piece));
            let map = holes.map();
            assert_eq!(map.size, content.len() as u64);
            let data = |at: usize| map.extents.iter().any(|e| (e.offset..e.end()).contains(&(at as u64)));
            assert!(data(HOLE + 1) && data(5 * HOLE + 9) && !data(0) && !data(3 * HOLE), "{piece} {map:?}");
        }
    }

    #[test]
    fn many_small_holes_are_written_as_zeros_and_large_ones_stay() {
        let mut holes = Holes::default();
        let block: Vec<u8> = std::iter::once(1).chain(std::iter::repeat_n(0, 2 * HOLE - 1)).collect();
        for _ in 0..2 * MOST_WRITTEN {
            holes.look(&block);
        }
        (0..64).for_each(|_| holes.look(&[0; 64 * HOLE]));
        holes.look(&block);
        let map = holes.map();
        assert!(map.extents.len() <= MOST_WRITTEN && map.extents.len() > 1, "{}", map.extents.len());
        assert!(map.size - map.data() >= 63 * 64 * HOLE as u64);
        assert!(map.extents.windows(2).all(|two| two[0].end() < two[1].offset));
    }

    #[test]
    fn maps_that_make_no_sense_are_refused() {
        let text = |text: &str| {
            let mut text = text.as_bytes().to_vec();
            text.resize(BLOCK, 0);
            text
        };
        assert_eq!(read(&text("1\n4096\n10\n"), 9000).unwrap().extents, [Extent { offset: 4096, length: 10 }]);
        assert_eq!(read(&text("0\n"), 9000).unwrap(), Map { extents: Vec::new(), size: 9000 });
        for bad in [
            "",
            "x\n",
            "1\n1\n",
            "2\n5\n5\n9\n5\n",
            "9999999999\n",
            "1\n18446744073709551615\n1\n",
            "1\n000000000000000000001\n1\n",
        ] {
            assert!(read(&text(bad), 9000).is_err(), "{bad:?}");
        }
        let of = |records: &[(&str, &str)]| {
            let mut pax = Pax::default();
            records.iter().for_each(|(key, value)| pax.push(key, value.as_bytes()));
            Map::of_pax(&pax)
        };
        let size = ("GNU.sparse.size", "90");
        assert!(of(&[size, ("GNU.sparse.map", "1,2,3")]).is_err() && of(&[("GNU.sparse.map", "1,2")]).is_err());
        let blocks = ("GNU.sparse.numblocks", "1");
        assert!(of(&[size, blocks, ("GNU.sparse.numbytes", "1")]).is_err());
        assert!(of(&[size, blocks, ("GNU.sparse.offset", "1"), ("GNU.sparse.numbytes", "7")]).unwrap().unwrap().check(7).is_ok());
        assert!(of(&[size, ("GNU.sparse.map", "80,20")]).unwrap().unwrap().check(20).is_err(), "behind the end");
        assert!(of(&[size, ("GNU.sparse.map", "10,20")]).unwrap().unwrap().check(21).is_err(), "not all of the data");
    }

    proptest! {
        #[test]
        fn a_map_that_was_written_is_read(parts in prop::collection::vec((1u64..9999, 1u64..9999), 0..90), rest in 0u64..2) {
            let mut map = Map::default();
            for (hole, length) in parts {
                let offset = map.extents.last().map_or(0, |last| last.end()) + hole;
                map.push(Extent { offset, length }).unwrap();
            }
            map.size = map.extents.last().map_or(0, |last| last.end()) + rest;
            let text = map.text();
            prop_assert_eq!(read(&text, map.size), Ok(map));
        }
    }
}
