//! The records of a pax header: `LENGTH KEY=VALUE`, each followed by a line feed. A value may have any bytes.

use crate::time::Time;

/// The key of an extended attribute, followed by its name.
const XATTR: &str = "SCHILY.xattr.";

/// The records of one pax header, in their order.
#[derive(Default)]
pub struct Pax {
    data: Vec<u8>,
}

impl Pax {
    /// Checks the records.
    ///
    /// # Errors
    /// If they are not pax records.
    pub fn new(data: Vec<u8>) -> Result<Pax, String> {
        let mut rest = &data[..];
        while !rest.is_empty() {
            rest = split(rest).ok_or("a pax header is damaged")?.1;
        }
        Ok(Pax { data })
    }

    /// Returns the records: keys and values.
    pub fn records(&self) -> impl Iterator<Item = Pair<'_>> {
        let mut rest = &self.data[..];
        std::iter::from_fn(move || {
            let (record, behind) = split(rest)?;
            rest = behind;
            Some(record)
        })
    }

    /// Returns the value of a key. The last one counts. An empty one is none.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        let value = self.records().filter(|(k, _)| *k == key.as_bytes()).last()?.1;
        (!value.is_empty()).then_some(value)
    }

    /// Returns the value of a key that is a whole number.
    ///
    /// # Errors
    /// If it is something else.
    pub fn number(&self, key: &str) -> Result<Option<u64>, String> {
        self.get(key).map(|value| number(value).ok_or_else(|| format!("the pax header has no number for {key}"))).transpose()
    }

    /// Returns the modification time.
    ///
    /// # Errors
    /// If it is no time.
    pub fn time(&self) -> Result<Option<Time>, String> {
        let time = |value| time(value).ok_or_else(|| "the pax header has no number for mtime".to_string());
        self.get("mtime").map(time).transpose()
    }

    /// Returns the extended attributes: names and values. An empty value is a value.
    pub fn xattrs(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let attribute = |(key, value): Pair| Some((decoded(key.strip_prefix(XATTR.as_bytes())?), value.to_vec()));
        self.records().filter_map(attribute)
    }

    /// Whether there is a key with this start.
    pub fn has(&self, start: &str) -> bool {
        self.records().any(|(key, _)| key.starts_with(start.as_bytes()))
    }

    /// Adds a record.
    pub fn push(&mut self, key: &str, value: &[u8]) {
        self.push_bytes(key.as_bytes(), value);
    }

    /// Adds a record of an extended attribute.
    pub fn push_xattr(&mut self, name: &[u8], value: &[u8]) {
        self.push_bytes(&[XATTR.as_bytes(), &encoded(name)].concat(), value);
    }

    /// Adds a record whose key is not text.
    pub fn push_bytes(&mut self, key: &[u8], value: &[u8]) {
        // The blank, the equals sign and the line feed.
        let rest = key.len() + value.len() + 3;
        // The length counts its own digits. One more digit can make it longer once.
        let digits = |n: usize| n.to_string().len();
        let length = rest + digits(rest + digits(rest));
        self.data.extend_from_slice(format!("{length} ").as_bytes());
        for part in [key, b"=", value, b"\n"] {
            self.data.extend_from_slice(part);
        }
    }

    /// Returns the text of all records.
    pub fn text(&self) -> &[u8] {
        &self.data
    }
}

/// A key and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// Splits the first record off the rest. None if there is none.
fn split(data: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let blank = memchr::memchr(b' ', data)?;
    let length = usize::try_from(number(&data[..blank])?).ok()?;
    let record = data.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = memchr::memchr(b'=', record)?;
    Some(((&record[..equals], &record[equals + 1..]), &data[length..]))
}

/// Reads a whole number in decimal digits.
pub fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    str::from_utf8(text).ok()?.parse().ok().filter(|_| digits)
}

/// Reads a time: seconds since 1970 with a fraction and a sign. Digits behind the ninth one are dropped.
fn time(text: &[u8]) -> Option<Time> {
    let (is_negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let point = memchr::memchr(b'.', text).unwrap_or(text.len());
    let fraction = text.get(point + 1..).unwrap_or_default();
    if point == 0 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let sec = i64::try_from(number(&text[..point])?).ok()?;
    let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
    let nsec = digits.fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
    match (is_negative, nsec) {
        (false, _) => Some(Time { sec, nsec }),
        (true, 0) => Some(Time { sec: -sec, nsec }),
        (true, _) => Some(Time { sec: -sec - 1, nsec: 1_000_000_000 - nsec }),
    }
}

/// Returns the text of a time.
pub fn time_text(time: Time) -> String {
    match time {
        Time { sec, nsec: 0 } => sec.to_string(),
        Time { sec: 0.., nsec } => format!("{}.{nsec:09}", time.sec),
        Time { sec, nsec } => format!("-{}.{:09}", (sec + 1).unsigned_abs(), 1_000_000_000 - nsec),
    }
}

/// The bytes that GNU tar encodes in the name of an attribute: the equals sign would end the key.
const ENCODED: [(u8, &[u8]); 2] = [(b'%', b"%25"), (b'=', b"%3D")];

fn encoded(name: &[u8]) -> Vec<u8> {
    let code = |b: &u8| ENCODED.iter().find(|(plain, _)| plain == b).map_or_else(|| vec![*b], |(_, code)| code.to_vec());
    name.iter().flat_map(code).collect()
}

fn decoded(mut name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    while let Some((first, rest)) = name.split_first() {
        let code = ENCODED.iter().find(|(_, code)| name.starts_with(code));
        let (byte, behind) = code.map_or((*first, rest), |(byte, code)| (*byte, &name[code.len()..]));
        plain.push(byte);
        name = behind;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_length_of_a_record_counts_itself() {
        for size in [0, 1, 5, 6, 90, 91, 92, 93, 94, 95, 990, 991, 992, 9_990, 9_991] {
            let mut pax = Pax::default();
            pax.push("k", &vec![b'v'; size]);
            let (length, _) = str::from_utf8(&pax.data).unwrap().split_once(' ').unwrap();
            assert_eq!(length.parse(), Ok(pax.data.len()), "{size}");
            assert!(Pax::new(pax.data).is_ok(), "{size}");
        }
    }

    #[test]
    fn damaged_records_are_refused() {
        for bad in ["x", "5 a=b", "6 a=b", "99 a=b\n", "6 a-b\n", "+6 a=b\n", "6 a=b\n7 c", "0 ", "3 \n", "6 a=b\n\0\0"] {
            assert!(Pax::new(bad.into()).is_err(), "{bad:?}");
        }
        assert_eq!(Pax::new(b"6 a=b\n6 a=c\n5 d=\n".to_vec()).unwrap().get("a"), Some(&b"c"[..]));
        assert_eq!(Pax::new(b"6 a=b\n5 a=\n".to_vec()).unwrap().get("a"), None);
    }

    #[test]
    fn times_are_signed_and_exact() {
        for (text, sec, nsec) in [
            ("1700000000", 1_700_000_000, 0),
            ("1700000000.5", 1_700_000_000, 500_000_000),
            ("1.0000000019", 1, 1),
            ("-1", -1, 0),
            ("-0.5", -1, 500_000_000),
            ("-1.000000001", -2, 999_999_999),
            ("7.", 7, 0),
        ] {
            assert_eq!(time(text.as_bytes()), Some(Time { sec, nsec }), "{text}");
        }
        for bad in ["", "-", ".5", "1.5x", "1e9", "+1", "99999999999999999999", "--1"] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            records in prop::collection::vec(("[a-z.]{1,9}", prop::collection::vec(any::<u8>(), 0..120)), 0..9),
            xattr in prop::collection::vec(prop::sample::select(b"u.%=25\xff\n".to_vec()), 1..9),
            sec in any::<i64>(),
            nsec in 0u32..1_000_000_000,
        ) {
            let mut pax = Pax::default();
            records.iter().for_each(|(key, value)| pax.push(key, value));
            pax.push_xattr(&xattr, b"a\nb");
            let pax = Pax::new(pax.data).unwrap();
            let read: Vec<_> = pax.records().take(records.len()).map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            let written: Vec<_> = records.into_iter().map(|(key, value)| (key.into_bytes(), value)).collect();
            prop_assert_eq!(read, written);
            prop_assert_eq!(pax.xattrs().collect::<Vec<_>>(), vec![(xattr, b"a\nb".to_vec())]);
            if sec > i64::MIN + 1 {
                let at = Time { sec, nsec };
                prop_assert_eq!(time(time_text(at).as_bytes()), Some(at));
            }
        }
    }
}
