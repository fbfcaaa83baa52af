//! The rules that a scan used, for the tools that read its records.

use super::pattern::Lines;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rules of a scan that leave entries out: its exclude and include lines, and the lines of the ignore files that it found.
///
/// As JSON: `{"exclude":["*.o"],"ignore":[{"in":["","src"],"lines":["*.tmp"]}],"include":["/docs/"]}`. `in` has the folders whose
/// ignore files have these lines (the root is empty). Empty lists are omitted. Comments and empty lines are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Json", into = "Json")]
pub struct Rules {
    pub(crate) exclude: Lines,
    pub(crate) include: Lines,
    /// The lines of ignore files, by folder.
    ignore: BTreeMap<String, Arc<Lines>>,
}

/// The JSON of [`Rules`]. An unknown key is an error, because it can be an unknown rule.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    #[serde(default, skip_serializing_if = "Lines::is_empty")]
    exclude: Lines,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ignore: Vec<Ignore>,
    #[serde(default, skip_serializing_if = "Lines::is_empty")]
    include: Lines,
}

/// Folders whose ignore files have the same lines.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignore {
    #[serde(rename = "in")]
    folders: Vec<String>,
    lines: Lines,
}

impl Rules {
    /// The maximum size of the rules as JSON, in bytes. If they are larger, the rules count as unknown.
    pub const LIMIT: usize = 32 << 10;

    /// Checks whether these rules leave out an entry with this whole name. Takes all folders above it into account.
    pub fn leaves_out(&self, name: &[u8], folder: bool) -> bool {
        let included = |(path, folder)| self.includes(path, folder);
        self.excludes_whole(name, folder) || !(self.includes_all() || paths(name, folder).any(included))
    }

    /// Checks whether an exclude or a line of an ignore file leaves out an entry with this whole name, or a folder above it.
    pub(crate) fn excludes_whole(&self, name: &[u8], folder: bool) -> bool {
        paths(name, folder).any(|(path, folder)| {
            let above = |end: usize| {
                let lines = self.ignore.get(std::str::from_utf8(&path[..end]).ok()?)?;
                Some((if end == 0 { 0 } else { end + 1 }, &**lines))
            };
            let ends = path.iter().enumerate().rev().filter(|(_, b)| **b == b'/').map(|(at, _)| at).chain([0]);
            self.excludes(ends.filter_map(above), path, folder)
        })
    }

    /// Checks whether an exclude, or a line of the ignore files of the folders above, leaves this path out. `ignore` has these
    /// lines, innermost folder first, with the length of the folder's name and its `/`.
    pub(crate) fn excludes<'a>(&self, ignore: impl Iterator<Item = (usize, &'a Lines)>, path: &[u8], folder: bool) -> bool {
        let by_file = || ignore.map(|(above, lines)| lines.verdict(&path[above..], folder)).find(Option::is_some).flatten();
        self.exclude.verdict(path, folder) == Some(true) || by_file() == Some(true)
    }

    /// Returns the rules of a scan together with those that choose from its records. None if no rules describe both.
    pub(crate) fn and(mut self, choosing: &Rules) -> Option<Rules> {
        if self.include.is_empty() {
            self.include.clone_from(&choosing.include);
        } else if !choosing.include.is_empty() {
            return None;
        }
        self.exclude.append(&choosing.exclude)?;
        size(&self).filter(|size| *size <= Rules::LIMIT).map(|_| self)
    }

    /// Checks whether an include names this path.
    pub(crate) fn includes(&self, path: &[u8], folder: bool) -> bool {
        self.include.verdict(path, folder) == Some(true)
    }

    /// Checks whether there are no includes, so that everything is included.
    pub(crate) fn includes_all(&self) -> bool {
        self.include.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.exclude.is_empty() && self.include.is_empty() && self.ignore.is_empty()
    }
}

/// Returns the folders above an entry, outermost first, then the entry itself; each with whether it is a folder.
fn paths(name: &[u8], folder: bool) -> impl Iterator<Item = (&[u8], bool)> {
    // Keys in object stores can start with slashes. A pattern is relative to the root.
    let slashes = name.iter().take_while(|b| **b == b'/').count();
    let name = &name[slashes..];
    let above = name.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| (&name[..at], true));
    above.chain([(name, folder)])
}

impl From<Rules> for Json {
    fn from(rules: Rules) -> Json {
        let mut ignore: Vec<Ignore> = Vec::new();
        for (folder, lines) in rules.ignore {
            match ignore.iter_mut().find(|other| other.lines == *lines) {
                Some(other) => other.folders.push(folder),
                None => ignore.push(Ignore { folders: vec![folder], lines: Arc::unwrap_or_clone(lines) }),
            }
        }
        Json { exclude: rules.exclude, ignore, include: rules.include }
    }
}

impl From<Json> for Rules {
    fn from(json: Json) -> Rules {
        let mut ignore = BTreeMap::new();
        for Ignore { folders, lines } in json.ignore {
            let lines = Arc::new(lines);
            ignore.extend(folders.into_iter().map(|folder| (folder, lines.clone())));
        }
        Rules { exclude: json.exclude, include: json.include, ignore }
    }
}

/// The rules of a running scan.
pub(crate) struct Met {
    /// None if the rules are not known any more.
    rules: Option<Rules>,
    size: usize,
}

impl Default for Met {
    fn default() -> Met {
        Met::new(Rules::default())
    }
}

impl Met {
    /// Starts with the rules that apply to all folders.
    pub(crate) fn new(rules: Rules) -> Met {
        let size = size(&rules);
        Met { rules: size.map(|_| rules), size: size.unwrap_or(0) }.bounded()
    }

    /// Returns a value for a scan whose entries were selected without rules, by a list of names.
    pub(crate) fn unknown() -> Met {
        Met { rules: None, size: 0 }
    }

    /// Adds the lines of the ignore files of a folder.
    pub(crate) fn add(&mut self, folder: &[u8], lines: &Arc<Lines>) {
        let Some(rules) = &mut self.rules else { return };
        let same = rules.ignore.values().find(|other| *other == lines);
        let more = same.map_or_else(|| size(&**lines), |_| Some(0));
        let (Ok(folder), Some(more)) = (std::str::from_utf8(folder), more) else {
            self.rules = None;
            return;
        };
        self.size += more + size(folder).unwrap_or(0);
        let lines = same.unwrap_or(lines).clone();
        rules.ignore.insert(folder.to_string(), lines);
        *self = std::mem::replace(self, Met::unknown()).bounded();
    }

    fn bounded(mut self) -> Met {
        if self.size > Rules::LIMIT {
            self.rules = None;
        }
        self
    }

    /// Checks whether the scan possibly left out entries for reasons that the rules do not describe.
    pub(crate) fn is_unknown(&self) -> bool {
        self.rules.is_none()
    }

    /// Returns the rules; None if there are none, or if they are unknown.
    pub(crate) fn rules(&self) -> Option<Rules> {
        self.rules.clone().filter(|rules| !rules.is_empty() && size(rules).is_some_and(|size| size <= Rules::LIMIT))
    }
}

/// Returns the size as JSON, in bytes; None if a line is not UTF-8.
fn size(value: &(impl Serialize + ?Sized)) -> Option<usize> {
    serde_json::to_string(value).ok().map(|text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::end::End;
    use crate::filter::Filter;
    use crate::monitor::Recorder;
    use crate::scan::{Options, scan};
    use crate::storage::Location;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::fs;

    fn rules(json: &str) -> Rules {
        serde_json::from_str(json).expect(json)
    }

    #[test]
    fn the_json_is_short_and_stable() {
        let json = r#"{"exclude":["*.o","!/a"],"ignore":[{"in":["","src"],"lines":["*.tmp"]},{"in":["b"],"lines":["x\\ "]}],"include":["/docs/"]}"#;
        assert_eq!(serde_json::to_string(&rules(json)).unwrap(), json);
        assert_eq!(serde_json::to_string(&rules("{}")).unwrap(), "{}");
        assert!(serde_json::from_str::<Rules>(r#"{"exclude":["a"],"newer":["b"]}"#).is_err());
    }

    #[test]
    fn an_excluded_folder_takes_all_below_it_and_an_include_all_below_it_in() {
        let rules = rules(
            r#"{"exclude":["/out/","!out/kept","*.o"],"include":["/out","/src","deep.c"],"ignore":[{"in":["src/a"],"lines":["!*","*.tmp"]}]}"#,
        );
        let cases: [(&[u8], bool, bool); 11] = [
            (b"out", true, true),
            (b"out/kept", false, true),
            (b"out", false, false),
            (b"src", true, false),
            (b"src/x.tmp", false, false),
            (b"src/a/x.tmp", false, true),
            (b"src/a/x.o", false, true),
            (b"else", true, true),
            (b"else/deep.c", false, false),
            (b"else/deep.d", false, true),
            (b"/src//x", false, false),
        ];
        for (name, folder, out) in cases {
            assert_eq!(rules.leaves_out(name, folder), out, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn what_can_not_be_told_as_rules_is_not_told() {
        let lines = |text: &[u8]| {
            let mut lines = Lines::default();
            lines.read(text);
            Arc::new(lines)
        };
        let met = |adds: &[(&[u8], &[u8])]| {
            let mut met = Met::default();
            adds.iter().for_each(|(folder, text)| met.add(folder, &lines(text)));
            met.rules()
        };
        assert!(met(&[]).is_none());
        assert!(met(&[(b"a", b"x"), (b"b", b"x")]).is_some());
        assert!(met(&[(b"a", b"x\xff"), (b"b", b"x")]).is_none());
        assert!(met(&[(b"a\xff", b"x"), (b"b", b"x")]).is_none());
        assert!(met(&[(b"a", "x\n".repeat(Rules::LIMIT / 4 - 40).as_bytes())]).is_some());
        assert!(met(&[(b"a", "x\n".repeat(Rules::LIMIT / 4).as_bytes()), (b"b", b"y")]).is_none());
        let exclude = ["y".repeat(Rules::LIMIT).into()];
        assert!(Met::new(Filter::new(&exclude, &[] as &[&str], &[]).unwrap().rules).rules().is_none());
        assert!(Met::unknown().rules().is_none());
    }

    /// Lists a folder. Returns the names, the rules, and whether something was left out.
    fn walked(root: &std::path::Path, filter: Filter) -> (BTreeSet<Vec<u8>>, Option<Rules>, bool) {
        let options = Options { filter, ..Options::default() };
        let records = scan(&Location::Folder(root.to_path_buf()), options, Arc::new(Recorder::default())).unwrap();
        let mut records: Vec<_> = records.map(Result::unwrap).collect();
        let end = End::of(&records.pop().unwrap());
        let names = records.iter().map(|record| record.name().as_bytes().to_vec()).collect();
        (names, end.rules.map(|rules| serde_json::from_value(rules).unwrap()), end.filtered)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        /// For any tree and any lines, the rules leave out exactly the entries that are not listed.
        #[test]
        fn the_rules_leave_out_what_the_walk_leaves_out(
            files in proptest::collection::vec("(a|b|c|ab)(/(a|b|c|\\[a\\])){0,4}", 1..12),
            ignore in proptest::collection::vec(("((a|b|c)/){0,2}", 0..2usize, proptest::collection::vec("!?/?(a|b|c|\\*|\\?b|a/b|\\*\\*/b|\\[ab\\]|c/\\*\\*)/?", 1..4)), 0..4),
            exclude in proptest::collection::vec("!?/?(b|c|a/\\*|a/\\*\\*/c)/?", 0..3),
            include in proptest::collection::vec("!?/?(a|b|\\*b|a/b|\\*/c)/?", 0..3),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let names = [".one", ".two"];
            for (folder, name, lines) in &ignore {
                fs::create_dir_all(dir.path().join(folder)).unwrap();
                fs::write(dir.path().join(folder).join(names[*name]), lines.join("\n")).unwrap();
            }
            for file in &files {
                let path = dir.path().join(file);
                if fs::create_dir_all(path.parent().unwrap()).is_ok() {
                    let _ = fs::OpenOptions::new().create(true).append(true).open(path);
                }
            }
            let os = |lines: &[String]| lines.iter().map(Into::into).collect::<Vec<_>>();
            let mut filter = Filter::new(&os(&exclude), &[] as &[&str], &os(&include)).unwrap();
            filter.ignore_files = names.iter().map(Into::into).collect();
            let (listed, rules, filtered) = walked(dir.path(), filter);
            // The rules pass through JSON, as in a label.
            let rules: Rules = serde_json::from_str(&serde_json::to_string(&rules.unwrap_or_default()).unwrap()).unwrap();
            let mut all = 0;
            for entry in walkdir::WalkDir::new(dir.path()).min_depth(1) {
                let entry = entry.unwrap();
                let name = entry.path().strip_prefix(dir.path()).unwrap().as_os_str().as_encoded_bytes();
                all += 1;
                prop_assert_eq!(rules.leaves_out(name, entry.file_type().is_dir()), !listed.contains(name), "{:?} by {:?}", entry.path(), rules);
            }
            prop_assert_eq!(filtered, listed.len() < all);
        }
    }
}
