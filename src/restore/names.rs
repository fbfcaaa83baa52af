//! Checks names that are restored to a folder against those before them, and finds names of the same file.

use crate::digest::Md5;
use crate::error::Reason;
use crate::name::{Name, compare};
use crate::record::{Kind, Record};
use std::collections::HashMap;

/// The longest path on Linux, in bytes. A longer one could be made part by part, but the cost would grow with the square of its
/// length.
const NAME_LIMIT: usize = 4095;

/// Checks whether `name` and all later names, in order, are not below `above`.
pub fn is_past(above: &Name, name: &Name) -> bool {
    if above.is_above(name) {
        return false;
    }
    let mut below = above.as_bytes().to_vec();
    below.push(b'/');
    compare(name.as_bytes(), &below).is_gt()
}

/// Checks whether names can be restored, given the names before them.
#[derive(Default)]
pub struct Names {
    /// The files and links whose names later names can still be below.
    leaves: Vec<Name>,
}

impl Names {
    /// Checks and remembers the next record of a tree, in order of name, or with each folder followed by what is in it.
    ///
    /// # Errors
    /// The reason why it can't be restored.
    pub fn check(&mut self, record: &Record) -> Result<(), Reason> {
        let name = record.name();
        while self.leaves.pop_if(|leaf| is_past(leaf, name)).is_some() {}
        if name.as_bytes().split(|b| *b == b'/').any(<[u8]>::is_empty) {
            return Err("a name with an empty part or a / at its start or end can't be restored to a folder".into());
        }
        if name.as_bytes().len() > NAME_LIMIT {
            return Err(format!("a name of more than {NAME_LIMIT} bytes can't be restored to a folder").into());
        }
        if let Some(leaf) = self.leaves.iter().find(|leaf| leaf.is_above(name)) {
            return Err(format!("{} is no folder in the same records", leaf.printable()).into());
        }
        if record.kind() != Kind::Directory {
            self.leaves.push(name.clone());
        }
        Ok(())
    }
}

/// Files with several names, and the first name of each.
#[derive(Default)]
pub struct HardLinks {
    first: HashMap<(Option<u64>, u64), FirstName>,
}

struct FirstName {
    name: Name,
    content: (Option<Md5>, Option<u64>),
    /// The number of other names that have not come yet.
    left: u64,
}

impl HardLinks {
    /// Returns the name of an earlier record for the same file; None for its first name, or if it has only one.
    pub fn first_of(&mut self, record: &Record) -> Option<Name> {
        let fields = record.fields();
        let names = fields.nlink.filter(|n| *n > 1 && record.kind() == Kind::File)?;
        let key = (fields.dev, fields.ino?);
        let content = (Some(fields.md5?), fields.size);
        match self.first.get_mut(&key) {
            Some(first) if first.content == content => {
                first.left -= 1;
                let name = first.name.clone();
                if first.left == 0 {
                    self.first.remove(&key);
                }
                Some(name)
            }
            // The file changed between the two records.
            Some(_) => None,
            None => {
                self.first.insert(key, FirstName { name: record.name().clone(), content, left: names - 1 });
                None
            }
        }
    }
}
