//! Gzip: libdeflate writes and reads our own members as a whole; flate2 reads all other gzip.

mod header;

pub use header::{BEHIND_LAST, BEHIND_LENGTHS, FIELDS_LIMIT, FieldId, Header, INDEX, LABEL, LAST, SHA256, TOTALS, read_header};

use libdeflater::{CompressionLvl, Compressor, Decompressor};
use std::cell::RefCell;
use std::io::{self, BufRead, Cursor, Read};

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
    let start = out.len();
    with_compressor(level, |c| {
        out.resize(start + c.deflate_compress_bound(content.len()) + TRAILER, 0);
        // The buffer has the size of the bound, so this can't fail.
        let n = c.deflate_compress(content, &mut out[start..]).expect("deflate within its own bound");
        out.truncate(start + n);
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
    with_compressor(1, |c| {
        let mut out = vec![0; c.deflate_compress_bound(SAMPLE)];
        c.deflate_compress(sample, &mut out).is_ok_and(|n| n > SAMPLE / 100 * 98)
    })
}

/// Calls `work` with a compressor. There is one for each thread and level, because its tables are large.
fn with_compressor<T>(level: i32, work: impl FnOnce(&mut Compressor) -> T) -> T {
    thread_local! {
        static KEPT: RefCell<Vec<(i32, Compressor)>> = const { RefCell::new(Vec::new()) };
    }
    KEPT.with_borrow_mut(|kept| {
        let at = kept.iter().position(|(l, _)| *l == level).unwrap_or_else(|| {
            kept.push((level, Compressor::new(CompressionLvl::new(level).unwrap_or_default())));
            kept.len() - 1
        });
        work(&mut kept[at].1)
    })
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

/// Reads a gzip file with any number of members. Garbage after the last member and a truncated file are errors.
pub struct GzipReader<R> {
    state: State<R>,
    content: Vec<u8>,
    at: usize,
    first: Header,
    last: Option<Header>,
    /// The offsets of the member whose content is being read, and of the next member.
    starts: (u64, u64),
}

/// Our own members are read as a whole. From the first member without our extra field on, flate2 reads the rest.
enum State<R> {
    Members(R),
    Stream(Box<flate2::bufread::MultiGzDecoder<io::Chain<Cursor<Vec<u8>>, R>>>),
    Done,
}

/// The largest member that is read as a whole, in bytes. Our own members are at most a sixteenth as long.
const MEMBER_LIMIT: u32 = 16 << 20;

impl<R: BufRead> GzipReader<R> {
    /// Starts to read, and reads the header of the first member.
    ///
    /// # Errors
    /// If the input is empty, not gzip or can't be read.
    pub fn new(mut input: R) -> io::Result<GzipReader<R>> {
        let Some(header) = read_header(&mut input)? else { return Err(invalid("it is empty, not gzip")) };
        let first = header.clone();
        let mut reader =
            GzipReader { state: State::Members(input), content: Vec::new(), at: 0, last: None, first, starts: (0, 0) };
        reader.enter(header)?;
        Ok(reader)
    }

    /// Returns the header of the first member.
    pub fn first(&self) -> &Header {
        &self.first
    }

    /// Returns the header of the last member, after everything was read; None if it is not one of ours.
    pub fn last(&self) -> Option<&Header> {
        self.last.as_ref()
    }

    /// Returns the offset of the member whose content [`BufRead::fill_buf`] returned; None if it is not one of ours.
    pub fn member_start(&self) -> Option<u64> {
        self.last.is_some().then_some(self.starts.0)
    }

    /// Reads the member that has this header.
    fn enter(&mut self, header: Header) -> io::Result<()> {
        self.content.clear();
        self.at = 0;
        self.last = None;
        let State::Members(mut input) = std::mem::replace(&mut self.state, State::Done) else { return Ok(()) };
        match header.lengths() {
            Some((member, content)) if member <= MEMBER_LIMIT && content <= MEMBER_LIMIT => {
                let mut whole = header.bytes.clone();
                let rest =
                    (member as usize).checked_sub(whole.len()).ok_or_else(|| invalid("a gzip member of a wrong length"))?;
                let got = input.by_ref().take(rest as u64).read_to_end(&mut whole)?;
                if got < rest {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is cut off"));
                }
                let content = content as usize;
                let inflated = inflate_whole(&whole, content).or_else(|| inflate_slowly(&whole, content));
                self.content = inflated.ok_or_else(|| invalid("a damaged gzip member"))?;
                self.last = Some(header);
                self.starts = (self.starts.1, self.starts.1 + u64::from(member));
                self.state = State::Members(input);
            }
            _ => {
                let whole = Cursor::new(header.bytes).chain(input);
                self.state = State::Stream(Box::new(flate2::bufread::MultiGzDecoder::new(whole)));
            }
        }
        Ok(())
    }
}

impl<R: BufRead> BufRead for GzipReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.content.len() {
            match &mut self.state {
                State::Members(input) => match read_header(input)? {
                    Some(header) => self.enter(header)?,
                    None => self.state = State::Done,
                },
                State::Stream(decoder) => {
                    self.content.resize(64 << 10, 0);
                    self.at = 0;
                    let n = decoder.read(&mut self.content)?;
                    self.content.truncate(n);
                    if n == 0 {
                        self.state = State::Done;
                    }
                }
                State::Done => break,
            }
        }
        Ok(&self.content[self.at..])
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(gzip: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        GzipReader::new(gzip).and_then(|mut r| r.read_to_end(&mut out)).map(|_| out)
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
