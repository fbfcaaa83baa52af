//! Names and numbers as the text of a page. A name is data everywhere: nothing in it ends a tag, a string or a script.

use crate::display::printable;
use crate::json::json_string;

/// The longest name that is shown, in bytes.
pub const LONGEST: usize = 1000;

/// Returns the start of a name for display, at most about `most` bytes of it.
pub fn cut(name: &[u8], most: usize) -> String {
    if name.len() <= most {
        return printable(name);
    }
    // Of a character that is cut in two, nothing is shown.
    let broken = name[..most].utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
    let whole = most - broken.min(3);
    printable(&name[..whole]) + "…"
}

/// Returns a root or a path for display.
pub fn shown(path: &str) -> String {
    printable(path.as_bytes())
}

/// Returns a text for HTML, also for the value of an attribute.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Returns a text as a string of JSON that can stand in a script: neither `</script>` nor `<!--` can be in it.
pub fn json_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in json_string(text.as_bytes()).chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_what_it_stands_in() {
        let name = "</script><!--\"'&\u{2028}\u{202e}\n".as_bytes();
        assert_eq!(html(&cut(name, 100)), "&lt;/script&gt;&lt;!--&quot;&#39;&amp;\\u{2028}\\u{202e}\\n");
        let json = json_text("</script><!--\"'&\u{2028}\u{2029}\u{1}");
        assert_eq!(json, r#""\u003c/script\u003e\u003c!--\"'\u0026\u2028\u2029\u0001""#);
        assert_eq!(cut(b"\xed\xb3\xbf\xff", 9), "\\xed\\xb3\\xbf\\xff");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!((cut(b"abc", 3), cut(b"abcd", 3)), ("abc".to_string(), "abc…".to_string()));
        assert_eq!(cut("aüüü".as_bytes(), 4), "aü…");
    }
}
