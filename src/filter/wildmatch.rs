//! git's algorithm to match a pattern with a path.
//!
//! It does not use recursion, so a line of an ignore file takes at most (length of the pattern) x (length of the path) steps.

/// Checks whether a text matches a pattern. With `path`, a `/` in the text is matched by a `/` in the pattern or by `**` between
/// slashes only.
pub(super) fn wildmatch(pattern: &[u8], text: &[u8], path: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // For the last `*` and the last `**`: the position after it in the pattern, and the position in the text to try next. Earlier
    // ones need no other try: whatever an earlier one could match, the last one can match too.
    let mut star: Option<(usize, usize)> = None;
    let mut deep: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            let end = p + pattern[p..].iter().take_while(|b| **b == b'*').count();
            let rest = &pattern[end..];
            let between = (p == 0 || pattern[p - 1] == b'/') && (rest.is_empty() || rest[0] == b'/' || rest.starts_with(b"\\/"));
            let any = !path || (end - p > 1 && between);
            if rest.is_empty() && (any || !text[t..].contains(&b'/')) {
                return true;
            }
            if !any {
                (p, star) = (end, Some((end, t + 1)));
            } else if path && rest[0] == b'/' {
                // `**/` is first tried with no folder at all.
                (p, star, deep) = (end + 1, None, Some((end, t)));
            } else {
                (p, star, deep) = (end, None, Some((end, t + 1)));
            }
            continue;
        }
        if p == pattern.len() && t == text.len() {
            return true;
        }
        if let Some(taken) = text.get(t).and_then(|byte| one(&pattern[p..], *byte, path)) {
            (p, t) = (p + taken, t + 1);
        } else if let Some((after, at)) = star.filter(|(_, at)| *at <= text.len() && text[*at - 1] != b'/') {
            (p, t, star) = (after, at, Some((after, at + 1)));
        } else if let Some((after, at)) = deep.filter(|(_, at)| *at <= text.len()) {
            (p, t, star, deep) = (after, at, None, Some((after, at + 1)));
        } else {
            return false;
        }
    }
}

/// Returns how many bytes of the pattern match this byte; None if they do not match. The pattern does not start with `*`.
fn one(pattern: &[u8], byte: u8, path: bool) -> Option<usize> {
    let (matches, taken) = match *pattern.first()? {
        b'\\' => (*pattern.get(1)? == byte, 2),
        b'?' => (!path || byte != b'/', 1),
        b'[' => {
            let (matches, taken) = set(&pattern[1..], byte)?;
            (matches && (!path || byte != b'/'), taken + 1)
        }
        literal => (literal == byte, 1),
    };
    matches.then_some(taken)
}

/// Returns whether a byte is in a set, and the length of the set. Its `[` was read already. None if the set has no end or
/// contains an unknown class.
fn set(set: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(set.first()?, b'!' | b'^');
    let mut at = usize::from(negated);
    // The byte that a range can start with.
    let mut before = None;
    let mut found = false;
    loop {
        let next = set.get(at + 1).copied();
        match *set.get(at)? {
            b'\\' => {
                at += 1;
                found |= next? == byte;
                before = next;
            }
            b'-' if before.is_some() && next.is_some_and(|next| next != b']') => {
                at += 1;
                if next == Some(b'\\') {
                    at += 1;
                }
                found |= before? <= byte && byte <= *set.get(at)?;
                before = None;
            }
            b'[' if next == Some(b':') => {
                let name = &set[at + 2..];
                let name = &name[..name.iter().position(|b| *b == b']')?];
                match name.strip_suffix(b":") {
                    Some(class) => {
                        found |= in_class(class, byte)?;
                        at += 2 + name.len();
                        before = None;
                    }
                    None => {
                        found |= byte == b'[';
                        before = Some(b'[');
                    }
                }
            }
            literal => {
                found |= literal == byte;
                before = Some(literal);
            }
        }
        at += 1;
        // At the start of a set, `]` is a literal byte.
        if set.get(at) == Some(&b']') {
            return Some((found != negated, at + 1));
        }
    }
}

fn in_class(name: &[u8], byte: u8) -> Option<bool> {
    // git's white space has no vertical tab and no form feed.
    let space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => space,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_matches() {
        let cases: [(&str, &str, bool); 38] = [
            ("a/*", "a/b", true),
            ("a/*", "a/b/c", false),
            ("**/b", "b", true),
            ("**/b", "x/y/b", true),
            ("**/b", "xb", false),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b/*c", "a/b/x/b/dc", true),
            ("a/***/b", "a/x/y/b", true),
            ("x**/b", "xy/z/b", false),
            ("a/**\\/b", "a/b", false),
            ("a/**\\/b", "a/x/b", true),
            ("**/*a*/b", "x/ya/za/b", true),
            ("*a*b/c", "xaxb/c", true),
            ("*/b*c", "a/bbbc", true),
            ("*a/b*c", "aa/bxc", true),
            ("*", "a/b", false),
            ("?", "/", false),
            ("[^b]", "/", false),
            ("[]a]", "]", true),
            ("[!]a]", "]", false),
            ("[\\]]", "]", true),
            ("[a\\-z]", "b", false),
            ("[a-]", "-", true),
            ("[a-c-e]", "d", false),
            ("[[:alpha:]x]", "q", true),
            ("[[:alpha:/]", "[", true),
            ("[[:nope:]a]", "a", false),
            ("[[:]", ":", true),
            ("[a", "a", false),
            ("[a", "[a", false),
            ("a\\", "a", false),
            ("a\\", "a\\", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("{a,b}", "{a,b}", true),
        ];
        for (pattern, text, matches) in cases {
            assert_eq!(wildmatch(pattern.as_bytes(), text.as_bytes(), true), matches, "{pattern} {text}");
        }
        assert!(wildmatch(b"a**c", b"a/b/c", false) && wildmatch(b"*a*b", b"xaab", false) && !wildmatch(b"*a*b", b"xaa", false));
    }

    #[test]
    fn no_pattern_takes_for_ever() {
        let (stars, deep) = ("*a".repeat(5000), "**/a/".repeat(500));
        assert!(wildmatch(stars.as_bytes(), "a".repeat(5000).as_bytes(), true));
        assert!(!wildmatch((stars + "b").as_bytes(), "a".repeat(8000).as_bytes(), true));
        assert!(!wildmatch((deep + "b").as_bytes(), "a/".repeat(2000).as_bytes(), true));
    }
}
