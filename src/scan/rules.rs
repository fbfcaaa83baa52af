//! What a scan left out by rule, for those who come after it.

use super::pattern::Lines;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rules by which a scan left things out: its exclude and include lines, and those of the ignore files that it met.
///
/// As JSON: `{"exclude":["*.o"],"ignore":[{"in":["","src"],"lines":["*.tmp"]}],"include":["/docs/"]}`, where `in` has the
/// folders in which these lines lay (the root is empty); what is empty is left off. Lines that say nothing, comments for
/// one, are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Json", into = "Json")]
pub struct Rules {
    pub(super) exclude: Lines,
    pub(super) include: Lines,
    /// By folder.
    ignore: BTreeMap<String, Arc<Lines>>,
}

/// [`Rules`] as they are written. A key that is not known may be a rule that is not known, so it is an error.
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

/// Equal ignore files.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignore {
    #[serde(rename = "in")]
    folders: Vec<String>,
    lines: Lines,
}

impl Rules {
    /// The most bytes of JSON that rules may take; of more it is not known by rule what was left out.
    pub const LIMIT: usize = 32 << 10;

    /// Whether these rules leave out a thing of this whole name, all folders above it considered.
    pub fn leaves_out(&self, name: &[u8], folder: bool) -> bool {
        let included = |(path, folder)| self.includes(path, folder);
        self.excludes_whole(name, folder) || !(self.includes_all() || paths(name, folder).any(included))
    }

    /// Whether an exclude or a line of an ignore file leaves out a thing of this whole name, or a folder above it.
    pub(super) fn excludes_whole(&self, name: &[u8], folder: bool) -> bool {
        paths(name, folder).any(|(path, folder)| {
            let above = |end: usize| {
                let lines = self.ignore.get(std::str::from_utf8(&path[..end]).ok()?)?;
                Some((if end == 0 { 0 } else { end + 1 }, &**lines))
            };
            let ends = path.iter().enumerate().rev().filter(|(_, b)| **b == b'/').map(|(at, _)| at).chain([0]);
            self.excludes(ends.filter_map(above), path, folder)
        })
    }

    /// Whether an exclude, or a line of the ignore files of the folders above, leaves this path out. `ignore` has their
    /// lines, innermost first, with the length of the folder's name and its `/`.
    pub(super) fn excludes<'a>(&self, ignore: impl Iterator<Item = (usize, &'a Lines)>, path: &[u8], folder: bool) -> bool {
        let by_file = || ignore.map(|(above, lines)| lines.verdict(&path[above..], folder)).find(Option::is_some).flatten();
        self.exclude.verdict(path, folder) == Some(true) || by_file() == Some(true)
    }

    /// Whether an include names this path.
    pub(super) fn includes(&self, path: &[u8], folder: bool) -> bool {
        self.include.verdict(path, folder) == Some(true)
    }

    /// Whether all is to be listed as far as includes go.
    pub(super) fn includes_all(&self) -> bool {
        self.include.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.exclude.is_empty() && self.include.is_empty() && self.ignore.is_empty()
    }
}

/// The folders above a thing, outermost first, and the thing; and whether each is a folder.
fn paths(name: &[u8], folder: bool) -> impl Iterator<Item = (&[u8], bool)> {
    // Object stores have keys that begin with it; a pattern is relative to the root.
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

/// The rules of a scan that is going on.
pub(super) struct Met {
    /// None once they can't be told.
    rules: Option<Rules>,
    size: usize,
}

impl Default for Met {
    fn default() -> Met {
        Met::new(Rules::default())
    }
}

impl Met {
    /// Begins with the rules that hold everywhere.
    pub(super) fn new(rules: Rules) -> Met {
        let size = size(&rules);
        Met { rules: size.map(|_| rules), size: size.unwrap_or(0) }.bounded()
    }

    /// What can't be told by rules: a list of names.
    pub(super) fn unknown() -> Met {
        Met { rules: None, size: 0 }
    }

    /// Adds the lines of the ignore files of a folder.
    pub(super) fn add(&mut self, folder: &[u8], lines: &Arc<Lines>) {
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

    /// Whether rules, or a list of names, may have left things out that can't be told.
    pub(super) fn is_unknown(&self) -> bool {
        self.rules.is_none()
    }

    /// The rules; None if there are none, or they can't be told.
    pub(super) fn rules(&self) -> Option<Rules> {
        self.rules.clone().filter(|rules| !rules.is_empty() && size(rules).is_some_and(|size| size <= Rules::LIMIT))
    }
}

/// The bytes of JSON; None where a line is not UTF-8.
fn size(value: &(impl Serialize + ?Sized)) -> Option<usize> {
    serde_json::to_string(value).ok().map(|text| text.len())
}
