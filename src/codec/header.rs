//! The header of a gzip member, and our subfields of its extra field, which other readers skip.

use std::io::{self, BufRead, Read};
use std::ops::Range;

/// The name of a subfield of the extra field.
pub type FieldId = [u8; 2];

/// The lengths of the whole member and of its content, both little-endian u32: eight bytes.
pub const LENGTHS: FieldId = *b"SN";
/// The label of a snapshot, in its first member: ASCII JSON.
pub const LABEL: FieldId = *b"SL";
/// The totals of a snapshot, in its last member: ASCII JSON.
pub const TOTALS: FieldId = *b"ST";
/// The index of members, or a piece of it, in a member without content; see [`crate::snapshot::Index`].
pub const INDEX: FieldId = *b"SI";
/// The length of the whole last member of a snapshot, little-endian u32. It is the last subfield, so that it ends
/// [`BEHIND_LAST`] bytes before the end of the file.
pub const LAST: FieldId = *b"SZ";
/// The sha256 of a heap object's content, in its first member: 32 bytes.
pub const SHA256: FieldId = *b"SH";

/// The time and the authentication code of an encrypted snapshot, in the member behind its last one: 44 bytes.
pub const CODE: FieldId = *b"SA";

/// The largest length of all subfields of a member in bytes, including four bytes in front of each.
pub const FIELDS_LIMIT: usize = u16::MAX as usize;

/// The length of a gzip member's header without extra field, name and comment.
pub const PLAIN: usize = 10;

/// The offset of the second subfield's value in a member whose first subfield has the lengths.
pub const BEHIND_LENGTHS: u64 = (PLAIN + 2 + 4 + 8 + 4) as u64;

/// An empty content, as a stored block. The shorter form ends in a zero byte, so its end can't be distinguished from the trailer.
pub(super) const NOTHING: [u8; 5] = [1, 0, 0, 0xff, 0xff];

/// The number of bytes after the header of a member without content: the block and the trailer.
pub const BEHIND_LAST: usize = NOTHING.len() + super::TRAILER;

/// The header of a gzip member.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// The bytes of the header.
    pub bytes: Vec<u8>,
    /// The comment, without the NUL at its end. The first form of snapshots has the label and the totals there.
    comment: Option<Range<usize>>,
    /// The whole extra field.
    extra: Option<Range<usize>>,
    fields: Vec<(FieldId, Range<usize>)>,
}

impl Header {
    /// Returns the value of a subfield, the first if there are several. None if there is none, or the extra field is malformed.
    pub fn field(&self, id: FieldId) -> Option<&[u8]> {
        let (_, at) = self.fields.iter().find(|(known, _)| *known == id)?;
        Some(&self.bytes[at.clone()])
    }

    /// Returns the length of the extra field in bytes, if there is one.
    pub fn extra_len(&self) -> Option<usize> {
        self.extra.as_ref().map(Range::len)
    }

    /// Returns the comment.
    pub fn comment(&self) -> Option<&[u8]> {
        self.comment.clone().map(|at| &self.bytes[at])
    }

    /// Returns the lengths of the whole member and of its content in bytes; None if the header does not have them.
    pub fn lengths(&self) -> Option<(u32, u32)> {
        let [m0, m1, m2, m3, c0, c1, c2, c3] = *self.field(LENGTHS)? else { return None };
        Some((u32::from_le_bytes([m0, m1, m2, m3]), u32::from_le_bytes([c0, c1, c2, c3])))
    }
}

/// Returns the header of a member with these subfields. If `sized` has the length of the content, the first subfield has the
/// lengths; the length of the member is set later, with [`set_length`].
pub(super) fn start<'a>(fields: impl IntoIterator<Item = (FieldId, &'a [u8])>, sized: Option<u32>) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0, 0];
    let mut push = |id: FieldId, value: &[u8]| {
        out.extend_from_slice(&id);
        out.extend_from_slice(&(value.len() as u16).to_le_bytes());
        out.extend_from_slice(value);
    };
    if let Some(content) = sized {
        push(LENGTHS, &[[0; 4], content.to_le_bytes()].concat());
    }
    fields.into_iter().for_each(|(id, value)| push(id, value));
    let len = out.len() - PLAIN - 2;
    match len {
        0 => out.truncate(PLAIN),
        _ => {
            out[3] = 4;
            let len = u16::try_from(len).expect("subfields within their limit");
            out[PLAIN..PLAIN + 2].copy_from_slice(&len.to_le_bytes());
        }
    }
    out
}

/// Sets the length of a member that was started with `sized`.
pub(super) fn set_length(member: &mut [u8]) {
    let len = (member.len() as u32).to_le_bytes();
    member[PLAIN + 6..PLAIN + 10].copy_from_slice(&len);
}

/// Sets the time in the header of a gzip member. Readers ignore it. A header with a digest of itself is left as it is.
pub fn set_time(member: &mut [u8], time: u32) {
    if member.get(3).is_some_and(|flags| flags & 2 == 0) && member.len() >= PLAIN {
        member[4..8].copy_from_slice(&time.to_le_bytes());
    }
}

/// Returns the time in the header that starts with these bytes, in seconds since 1970; 0 stands for none.
pub fn time_of(head: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(head.get(4..8)?.try_into().ok()?))
}

/// Returns a time that an object can have: `now`, or later than that of the object that it replaces.
pub fn later(now: u32, replaced: Option<u32>) -> u32 {
    let time = now.max(replaced.and_then(|time| time.checked_add(1)).unwrap_or(0)).max(FIRST_TIME);
    if is_time(time) { time } else { time.wrapping_add(1) }
}

/// The start of the year 2020.
const FIRST_TIME: u32 = 1_577_836_800;

/// Whether an object of ours can have this time. Most have none, and a bit that flips there makes none of these times.
pub fn is_time(time: u32) -> bool {
    time == 0 || time >= FIRST_TIME && !time.is_power_of_two()
}

/// Reads a member's header; None at the end of the input.
///
/// # Errors
/// `InvalidData` if it is not gzip, `UnexpectedEof` if it is truncated.
pub fn read_header(input: &mut impl BufRead) -> io::Result<Option<Header>> {
    const TEXT_LIMIT: usize = 1 << 20;
    loop {
        match input.fill_buf() {
            Ok([]) => return Ok(None),
            Ok(_) => break,
            // Nothing was read yet, so this is no damage.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let mut header = Header { bytes: vec![0; PLAIN], ..Header::default() };
    input.read_exact(&mut header.bytes)?;
    if header.bytes[..3] != [0x1f, 0x8b, 8] {
        return Err(super::invalid("not gzip, or garbage behind it"));
    }
    let flags = header.bytes[3];
    if flags & 4 != 0 {
        let len = take(input, &mut header.bytes, 2)?;
        let len = u16::from_le_bytes([header.bytes[len.start], header.bytes[len.start + 1]]);
        let extra = take(input, &mut header.bytes, len.into())?;
        header.fields = subfields(&header.bytes, extra.clone()).unwrap_or_default();
        header.extra = Some(extra);
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let at = header.bytes.len();
            input.by_ref().take(TEXT_LIMIT as u64).read_until(0, &mut header.bytes)?;
            if header.bytes.len() == at || header.bytes.last() != Some(&0) {
                return Err(super::invalid("a gzip header without an end"));
            }
            if flag == 16 {
                header.comment = Some(at..header.bytes.len() - 1);
            }
        }
    }
    if flags & 2 != 0 {
        take(input, &mut header.bytes, 2)?;
    }
    Ok(Some(header))
}

/// Reads the next `n` bytes of a header, and returns their range in the header.
fn take(input: &mut impl BufRead, header: &mut Vec<u8>, n: usize) -> io::Result<Range<usize>> {
    let at = header.len();
    header.resize(at + n, 0);
    input.read_exact(&mut header[at..])?;
    Ok(at..at + n)
}

/// Reads the subfields of an extra field; None if their lengths do not add up to its own.
fn subfields(bytes: &[u8], extra: Range<usize>) -> Option<Vec<(FieldId, Range<usize>)>> {
    let mut fields = Vec::new();
    let mut at = extra.start;
    while at < extra.end {
        let [a, b, low, high] = *bytes.get(at..at + 4).filter(|_| at + 4 <= extra.end)? else { return None };
        let value = at + 4..at + 4 + usize::from(u16::from_le_bytes([low, high]));
        at = value.end;
        if at > extra.end {
            return None;
        }
        fields.push(([a, b], value));
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_extra(extra: &[u8]) -> Header {
        let gzip = [&[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255][..], &(extra.len() as u16).to_le_bytes(), extra].concat();
        read_header(&mut &gzip[..]).unwrap().unwrap()
    }

    #[test]
    fn subfields_are_found_in_any_order_and_among_others() {
        let header = with_extra(b"XY\x01\0zSH\x03\0abcSN\x08\0\x01\0\0\0\x02\0\0\0AB\0\0");
        assert_eq!(header.field(SHA256), Some(&b"abc"[..]));
        assert_eq!(header.lengths(), Some((1, 2)));
        assert_eq!(header.field(*b"AB"), Some(&b""[..]));
        assert_eq!((header.field(LABEL), header.extra_len()), (None, Some(28)));
    }

    #[test]
    fn lengths_that_do_not_add_up_are_no_subfields() {
        let good = b"SL\x02\0{}SH\x01\0x";
        assert!(with_extra(good).field(LABEL).is_some());
        for bad in [&good[..good.len() - 1], &good[..7], &good[..3], b"SL\xff\xff{}", b"SL\x02\0{}S", b"SL\x03\0{}"] {
            let header = with_extra(bad);
            assert_eq!((header.field(LABEL), header.extra_len()), (None, Some(bad.len())), "{}", bad.escape_ascii());
        }
        // Lengths in another form are ignored.
        assert_eq!(with_extra(b"SN\x07\0\0\0\0\0\0\0\0").lengths(), None);
        // The largest number of subfields that fits.
        assert_eq!(with_extra(&b"ab\0\0".repeat(16_383)).fields.len(), 16_383);
    }

    #[test]
    fn a_time_is_later_than_the_one_before_and_no_flipped_bit() {
        assert!(is_time(0) && (0..32).all(|bit| !is_time(1 << bit)));
        let now = 1_800_000_000;
        for (replaced, expected) in [(None, now), (Some(0), now), (Some(now - 1), now), (Some(now), now + 1)] {
            assert_eq!(later(now, replaced), expected);
        }
        for (now, replaced) in [(0, None), (now, Some(u32::MAX)), (1 << 31, None), (5, Some((1 << 31) - 1))] {
            let time = later(now, replaced);
            assert!(is_time(time) && time != 0 && Some(time) != replaced, "{now} {replaced:?} {time}");
        }
        let mut member = super::super::member(b"x", 1, None, false);
        set_time(&mut member, now);
        assert_eq!((time_of(&member), super::super::inflate_whole(&member, 1).as_deref()), (Some(now), Some(&b"x"[..])));
    }

    #[test]
    fn a_header_that_is_cut_off_is_an_error() {
        let whole = start([(LABEL, &b"{}"[..])], Some(7));
        assert_eq!(read_header(&mut &whole[..]).unwrap().unwrap().bytes, whole);
        for cut in 1..whole.len() {
            assert!(read_header(&mut &whole[..cut]).is_err(), "{cut}");
        }
    }
}
