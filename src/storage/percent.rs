//! Percent-encoding of names in URLs. (Fuzz targets take this file alone.)

/// Percent-encodes a path, so that a URL means exactly these bytes. `/` is kept.
pub fn encode(path: &str) -> String {
    encoded(path, |byte| byte == b'/')
}

/// Percent-encodes one part of a path or query: everything but letters, digits and `-._~`.
pub fn encode_all(part: &str) -> String {
    encoded(part, |_| false)
}

fn encoded(text: &str, stays: fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte if stays(byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Decodes a percent-encoded text. A `%` without two hex digits is kept.
pub fn decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|d| first == b'%' && d.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
        out.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_from_urls_as_they_were() {
        for name in ["a b", "%20", "a%2Fb", "ä/😀", "q?x#y", "+&=;:@!$'()*,[]", " lead", "trail ", "tab\there", "\u{1}", "100%"]
        {
            let encoded = encode(name);
            assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)), "{encoded}");
            assert_eq!(decode(&encoded), name.as_bytes());
        }
        assert_eq!((encode("a b/%"), encode_all("a b/%")), ("a%20b/%25".to_string(), "a%20b%2F%25".to_string()));
        assert_eq!((decode("100%"), decode("%zz%4"), decode("%C3%A4+")), (b"100%".to_vec(), b"%zz%4".to_vec(), "ä+".into()));
    }
}
