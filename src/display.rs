//! Names and counts as the user sees them.

/// Escapes a name for a terminal: control characters and bytes that are not UTF-8 become `\u{1b}` or `\xff`, a backslash is
/// doubled, and the rest is unchanged. The result is always one line.
pub fn printable(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if is_hostile(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Quotes a word for a shell.
pub fn shell_word(bytes: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(b);
    match std::str::from_utf8(bytes) {
        Ok(word) if !bytes.is_empty() && bytes.iter().all(plain) => word.to_string(),
        Ok(word) if !word.chars().any(is_hostile) => format!("'{}'", word.replace('\'', "'\\''")),
        _ => {
            let escaped: String = bytes.iter().flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
            format!("$'{escaped}'")
        }
    }
}

/// Returns a count for messages: `1 record`, `2 records`.
pub fn counted(n: u64, what: &str) -> String {
    noun(&n.to_string(), n, what)
}

/// Returns a count with separators: `1 record`, `1,234 records`.
pub fn many(n: u64, what: &str) -> String {
    noun(&grouped(n), n, what)
}

fn noun(number: &str, n: u64, what: &str) -> String {
    format!("{number} {what}{}", if n == 1 { "" } else { "s" })
}

/// Returns a number with separators: `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + 6);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Checks for control characters, line and paragraph separators, and marks that change the direction of text.
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_harmless_line_and_long_numbers_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(printable(b"a\nb\x1b[31m\xff\\ \xe2\x80\xae"), "a\\nb\\u{1b}[31m\\xff\\\\ \\u{202e}");
    }
}
