//! Gzip: libdeflate writes and reads our own members as a whole; flate2 reads all other gzip.

mod header;
mod parts;
mod reader;

pub use header::{
    BEHIND_LAST, BEHIND_LENGTHS, CODE, FIELDS_LIMIT, FieldId, Header, INDEX, LABEL, LAST, PLAIN, SHA256, TOTALS, is_time, later,
    read_header, set_time, time_of,
};
pub use parts::{Inflated, Part, Parts, ahead};
pub use reader::GzipReader;

use crate::parallel::lock;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use std::cell::RefCell;
use std::io::{self, Read};
use std::sync::Mutex;

/// The length of a gzip member's trailer in bytes.
const TRAILER: usize = 8;

/// Compresses a content to one gzip member, with these subfields in its extra field.
///
/// The header has no time, no name and no comment, so that equal contents give equal members, and all readers accept them. With
/// `sized`, the first subfield has the lengths of the member and of its content, so that readers can read the member at once, or
/// skip it.
///
/// # Panics
/// If the subfields are longer than [`FIELDS_LIMIT`] bytes, which is an error of the caller.
pub fn member<'a>(content: &[u8], level: i32, fields: impl IntoIterator<Item = (FieldId, &'a [u8])>, sized: bool) -> Vec<u8> {
    let mut out = header::start(fields, sized.then_some(content.len() as u32));
    match content {
        [] => out.extend_from_slice(&header::NOTHING),
        _ => deflate(content, level, &mut out),
    }
    out.extend_from_slice(&libdeflater::crc32(content).to_le_bytes());
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    if sized {
        header::set_length(&mut out);
    }
    out.shrink_to_fit();
    out
}

fn deflate(content: &[u8], level: i32, out: &mut Vec<u8>) {
    if level == 0 || is_dense(content) {
        return store(content, out);
    }
    with_compressor(level, |c, room| {
        let bound = c.deflate_compress_bound(content.len());
        if room.len() < bound {
            room.resize(bound, 0);
        }
        // The buffer has the size of the bound, so this can't fail.
        let n = c.deflate_compress(content, room).expect("deflate within its own bound");
        out.reserve_exact(n + TRAILER);
        out.extend_from_slice(&room[..n]);
    });
}

/// Adds a content in stored blocks.
fn store(content: &[u8], out: &mut Vec<u8>) {
    let blocks = content.chunks(u16::MAX.into());
    let last = blocks.len() - 1;
    out.reserve_exact(content.len() + 5 * blocks.len() + TRAILER);
    for (i, block) in blocks.enumerate() {
        let len = block.len() as u16;
        out.push((i == last).into());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
}

/// Whether a sample of a content can't be compressed. Such a content is stored, because compression would only cost time.
fn is_dense(content: &[u8]) -> bool {
    const SAMPLE: usize = 16 << 10;
    if content.len() < 4 * SAMPLE {
        return false;
    }
    let at = content.len() / 2;
    let sample = &content[at..at + SAMPLE];
    with_compressor(1, |c, _| {
        let mut out = vec![0; c.deflate_compress_bound(SAMPLE)];
        c.deflate_compress(sample, &mut out).is_ok_and(|n| n > SAMPLE / 100 * 98)
    })
}

/// Calls `work` with a compressor and room for what it makes. Both are large, so they are used again; not one for each thread,
/// because most threads of a run with another storage wait for the network. New room would be filled with zeros for each content.
fn with_compressor<T>(level: i32, work: impl FnOnce(&mut Compressor, &mut Vec<u8>) -> T) -> T {
    static FREE: Mutex<Vec<(i32, Compressor, Vec<u8>)>> = Mutex::new(Vec::new());
    let found = {
        let mut free = lock(&FREE);
        free.iter().position(|(l, ..)| *l == level).map(|at| free.swap_remove(at))
    };
    let new = || (level, Compressor::new(CompressionLvl::new(level).unwrap_or_default()), Vec::new());
    let (level, mut compressor, mut room) = found.unwrap_or_else(new);
    let done = work(&mut compressor, &mut room);
    lock(&FREE).push((level, compressor, room));
    done
}

/// Inflates a file that is one gzip member whose content has `size` bytes. None if it is anything else; a [`GzipReader`] may be
/// able to read it.
pub fn inflate_whole(gzip: &[u8], size: usize) -> Option<Vec<u8>> {
    thread_local! {
        static KEPT: RefCell<Decompressor> = RefCell::new(Decompressor::new());
    }
    /// The flags for text, an extra field, a name and a comment. A header with other flags is left to flate2.
    const USUAL: u8 = 1 | 4 | 8 | 16;
    let header = read_header(&mut &*gzip).ok()??;
    let (lengths, header) = (header.lengths(), header.bytes);
    if lengths.is_some_and(|(member, content)| (member as usize, content as usize) != (gzip.len(), size)) {
        return None;
    }
    let end = gzip.len().checked_sub(TRAILER).filter(|end| *end >= header.len() && header[3] & !USUAL == 0)?;
    let mut content = vec![0; size];
    let trailer = &gzip[end..];
    // libdeflate compares the trailer after the deflated data with the content, but ignores the bytes that follow. So the eight
    // bytes of the trailer have to be at the end of the file, and nowhere before.
    let n = KEPT.with_borrow_mut(|d| d.gzip_decompress(gzip, &mut content)).ok()?;
    let is_trailer = trailer[..4] == libdeflater::crc32(&content).to_le_bytes() && trailer[4..] == (size as u32).to_le_bytes();
    let first = || memchr::memmem::find(&gzip[header.len()..], trailer);
    (n == size && is_trailer && first() == Some(end - header.len())).then_some(content)
}

/// Inflates a member that [`inflate_whole`] can't inflate because the bytes of its trailer occur twice by chance, as in an empty
/// one.
fn inflate_slowly(member: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut decoder = flate2::bufread::GzDecoder::new(member);
    let mut content = Vec::with_capacity(size);
    decoder.by_ref().take(size as u64 + 1).read_to_end(&mut content).ok()?;
    (content.len() == size && decoder.into_inner().is_empty()).then_some(content)
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the content, read by this thread and by others, which has to be the same.
    fn read(gzip: &[u8]) -> io::Result<Vec<u8>> {
        let all = |reader: io::Result<GzipReader<_>>| {
            let (mut reader, mut out) = (reader?, Vec::new());
            let done = reader.read_to_end(&mut out).map(|_| reader.last().is_some());
            Ok((out, done.map_err(|e| e.to_string())))
        };
        let own = all(GzipReader::new(io::Cursor::new(gzip.to_vec())));
        let others = all(GzipReader::ahead(io::Cursor::new(gzip.to_vec())));
        assert_eq!(own.as_ref().map_err(io::Error::to_string), others.as_ref().map_err(io::Error::to_string));
        own.and_then(|(out, done)| done.map(|_| out).map_err(io::Error::other))
    }

    #[test]
    fn members_come_back_and_carry_their_fields() {
        let mut file = member(b"hello ", 6, [(LABEL, &b"{\"a\":1}"[..])], true);
        file.extend(member(b"", 6, [(INDEX, &b"in the middle"[..])], true));
        file.extend(member(b"world", 6, None, true));
        file.extend(member(b"", 6, [(TOTALS, &b"end"[..]), (INDEX, b"i")], true));
        assert_eq!(read(&file).unwrap(), b"hello world");
        let mut reader = GzipReader::new(&file[..]).unwrap();
        assert_eq!(reader.first().field(LABEL), Some(&b"{\"a\":1}"[..]));
        io::copy(&mut reader, &mut io::sink()).unwrap();
        assert_eq!(reader.last().and_then(|h| h.field(TOTALS)), Some(&b"end"[..]));
        let mut flate = String::new();
        flate2::read::MultiGzDecoder::new(&file[..]).read_to_string(&mut flate).unwrap();
        assert_eq!(flate, "hello world");
    }

    #[test]
    fn the_last_header_is_that_of_the_last_member_or_none() {
        let ours = member(b"ours", 6, [(TOTALS, &b"t"[..])], true);
        let last = |gzip: &[u8]| {
            let mut reader = GzipReader::new(gzip).unwrap();
            io::copy(&mut reader, &mut io::sink()).unwrap();
            reader.last().is_some()
        };
        assert!(last(&ours) && last(&[member(b"", 6, None, true), ours.clone()].concat()));
        for other in [&b"other"[..], b""] {
            assert!(!last(&[ours.clone(), member(other, 6, None, false)].concat()), "{other:?}");
            assert!(!last(&[member(other, 6, None, false), ours.clone()].concat()), "{other:?}");
        }
        assert_eq!(read(&[ours.clone(), member(b"other", 6, None, false), ours].concat()).unwrap(), b"oursotherours");
    }

    #[test]
    fn cuts_flips_and_garbage_are_found() {
        let content: Vec<u8> = (0..20_000u32).flat_map(|i| (i % 251).to_le_bytes()).collect();
        for sized in [true, false] {
            let good = member(&content, 4, [(LABEL, &b"c"[..])], sized);
            assert_eq!(read(&good).unwrap(), content);
            assert_eq!(inflate_whole(&good, content.len()).unwrap(), content);
            for cut in [0, 5, 12, good.len() / 2, good.len() - 1] {
                assert!(read(&good[..cut]).is_err(), "cut at {cut}");
                assert!(inflate_whole(&good[..cut], content.len()).is_none());
            }
            let mut garbage = good.clone();
            garbage.extend_from_slice(b"garbage");
            assert!(read(&garbage).is_err());
            assert!(inflate_whole(&garbage, content.len()).is_none());
            // Neither the same member twice nor garbage with a copy of the trailer after it is one member.
            let trailer = good[good.len() - 8..].to_vec();
            for more in [good.clone(), [b"garbage".to_vec(), trailer].concat()] {
                assert!(inflate_whole(&[good.clone(), more].concat(), content.len()).is_none());
            }
            let mut flipped = good.clone();
            flipped[good.len() / 2] ^= 4;
            assert!(read(&flipped).is_err());
        }
    }

    #[test]
    fn a_member_of_another_length_than_it_says_is_refused() {
        for at in [16, 20] {
            let mut lying = member(b"content", 6, None, true);
            lying[at] ^= 1;
            assert!(read(&lying).is_err() && inflate_whole(&lying, 7).is_none());
        }
    }

    #[test]
    fn a_member_has_as_many_fields_as_there_is_room_for() {
        let most = vec![b'x'; FIELDS_LIMIT - 12 - 4];
        let gzip = member(b"content", 6, [(LABEL, &most[..])], true);
        assert_eq!(read(&gzip).unwrap(), b"content");
        assert_eq!(GzipReader::new(&gzip[..]).unwrap().first().field(LABEL), Some(&most[..]));
        assert_eq!(inflate_whole(&gzip, 7).unwrap(), b"content");
    }

    #[test]
    fn dense_content_is_stored() {
        let mut x = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 33) as u8
        })
        .take(1 << 18)
        .collect();
        assert!(is_dense(&noise) && !is_dense(&vec![7; 1 << 18]));
        assert_eq!(read(&member(&noise, 4, None, false)).unwrap(), noise);
    }
}
