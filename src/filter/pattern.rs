//! The lines of an ignore file, with the meaning that they have in git.

use super::wildmatch::wildmatch;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A line with a pattern. Comments and empty lines have none.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    line: Box<[u8]>,
    /// It starts with `!` and includes again what an earlier line left out.
    negated: bool,
    /// It ends with a `/`.
    folders_only: bool,
    /// It has no other `/`, so it is compared with the last part of names only.
    last_part: bool,
    /// How many bytes at the start of its text are literal.
    literal: usize,
    /// Its text is one `*`, followed by literal bytes only.
    any_start: bool,
}

/// The bytes with a special meaning for wildmatch.
const SPECIAL: &[u8] = b"*?[\\";

impl Pattern {
    /// Returns the pattern of a line without its line end; None for a comment or an empty line.
    pub(super) fn parse(line: &[u8]) -> Option<Pattern> {
        // git treats a line as a C string, which ends at the first NUL.
        let line = line.split(|b| *b == 0).next()?;
        if line.first() == Some(&b'#') {
            return None;
        }
        let line = without_spaces(line);
        let mut pattern = Pattern {
            line: line.into(),
            negated: line.first() == Some(&b'!'),
            folders_only: false,
            last_part: false,
            literal: 0,
            any_start: false,
        };
        pattern.folders_only = pattern.text().last() == Some(&b'/');
        pattern.last_part = !pattern.text().contains(&b'/') && !line[usize::from(pattern.negated)..].starts_with(b"/");
        let text = pattern.text();
        if text.is_empty() {
            return None;
        }
        let literal = text.iter().take_while(|b| !SPECIAL.contains(b)).count();
        let any_start = text[0] == b'*' && !text[1..].iter().any(|b| SPECIAL.contains(b));
        (pattern.literal, pattern.any_start) = (literal, any_start);
        Some(pattern)
    }

    /// Returns the line without the `!`, without the `/` at the start that binds it to its folder, and without the `/` at the
    /// end.
    fn text(&self) -> &[u8] {
        let line = &self.line[usize::from(self.negated)..];
        let line = if self.folders_only { &line[..line.len() - 1] } else { line };
        line.strip_prefix(b"/").unwrap_or(line)
    }

    /// Checks whether it takes back what an earlier line says.
    pub(super) fn is_negated(&self) -> bool {
        self.negated
    }

    /// Returns the literal start of all names that it matches, and whether it has nothing else. None if they can start with
    /// anything.
    pub(super) fn stem(&self) -> Option<(&[u8], bool)> {
        let text = self.text();
        (!self.last_part).then_some((&text[..self.literal], self.literal == text.len()))
    }

    /// Checks whether it matches a path relative to the folder of the line.
    fn matches(&self, path: &[u8], folder: bool) -> bool {
        if self.folders_only && !folder {
            return false;
        }
        let text = self.text();
        if self.last_part {
            let last = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
            return match () {
                () if self.literal == text.len() => last == text,
                () if self.any_start => last.ends_with(&text[1..]),
                () => wildmatch(text, last, false),
            };
        }
        // git compares the literal part first, and wildmatch sees only the rest. So `a**/b` matches `a/x/b`.
        let (literal, rest) = text.split_at(self.literal);
        match path.strip_prefix(literal) {
            None => false,
            Some(path) if rest.is_empty() => path.is_empty(),
            Some(path) => wildmatch(rest, path, true),
        }
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", crate::display::printable(&self.line))
    }
}

/// Returns a line without the spaces at its end, except those after a backslash. Tabs at the end stay.
fn without_spaces(line: &[u8]) -> &[u8] {
    let (mut at, mut end) = (0, 0);
    while let Some(byte) = line.get(at) {
        at = line.len().min(at + if *byte == b'\\' { 2 } else { 1 });
        if *byte != b' ' {
            end = at;
        }
    }
    &line[..end]
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(std::str::from_utf8(&self.line).map_err(serde::ser::Error::custom)?)
    }
}

/// The lines of one folder. The last one that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Lines(Vec<Pattern>);

impl Lines {
    /// Adds the lines of an ignore file.
    pub(crate) fn read(&mut self, text: &[u8]) {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let lines = text.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        self.0.extend(lines.filter_map(Pattern::parse));
        self.0.shrink_to_fit();
    }

    /// Adds one line. Returns false for a comment or an empty line.
    pub(super) fn push(&mut self, line: &[u8]) -> bool {
        let pattern = Pattern::parse(line);
        let says = pattern.is_some();
        self.0.extend(pattern);
        says
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds other lines. None if they would take back lines from before.
    pub(super) fn append(&mut self, other: &Lines) -> Option<()> {
        if !self.is_empty() && other.0.iter().any(Pattern::is_negated) {
            return None;
        }
        self.0.extend_from_slice(&other.0);
        Some(())
    }

    /// Returns the patterns.
    pub(super) fn patterns(&self) -> &[Pattern] {
        &self.0
    }

    /// Returns whether a path, relative to the folder of the lines, is left out; None if no line matches.
    pub(super) fn verdict(&self, path: &[u8], folder: bool) -> Option<bool> {
        self.0.iter().rev().find(|pattern| pattern.matches(path, folder)).map(|pattern| !pattern.negated)
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Lines, D::Error> {
        let lines = Vec::<String>::deserialize(from)?;
        Ok(Lines(lines.iter().filter_map(|line| Pattern::parse(line.as_bytes())).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn matches(line: &[u8], path: &[u8]) -> bool {
        let mut lines = Lines::default();
        lines.read(line);
        lines.verdict(path, path.ends_with(b"/")).unwrap_or(false)
    }

    #[test]
    fn only_spaces_at_the_end_go_and_not_those_behind_a_backslash() {
        let cases: [(&[u8], &[u8]); 9] = [
            (b"a", b"a"),
            (b"a  ", b"a"),
            (b"a\\ ", b"a\\ "),
            (b"a\\  ", b"a\\ "),
            (b"a\\\\ ", b"a\\\\"),
            (b"a \\", b"a \\"),
            (b"a\t", b"a\t"),
            (b"a\t ", b"a\t"),
            (b"   ", b""),
        ];
        for (line, left) in cases {
            assert_eq!(without_spaces(line), left, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_mark_at_the_start_and_the_ends_of_lines_are_no_part_of_a_pattern() {
        assert!(matches(b"\xef\xbb\xbfa\nb", b"a"));
        assert!(!matches(b"x\n\xef\xbb\xbfa", b"a"));
        assert!(matches(b"a\r\nb", b"a") && matches(b"a\r", b"a") && matches(b"a\r\r\n", b"a\r"));
        assert!(matches(b"a\0b\n", b"a"));
        assert!(!matches(b"#a\n", b"#a") && matches(b"\\#a\n", b"#a") && matches(b" #a\n", b" #a"));
    }

    #[test]
    fn what_says_nothing_matches_nothing() {
        for line in [&b""[..], b"!", b"/", b"//", b"!/", b"#", b"  ", b"\r"] {
            let mut lines = Lines::default();
            lines.read(line);
            assert!(lines.is_empty(), "{}", line.escape_ascii());
        }
    }
}
