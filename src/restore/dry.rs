//! What would be done: one row for each record that is not yet as it should be.

use super::delete::{Deleted, Deleter};
use super::file::{Target, differs, is, same_content};
use super::meta::Meta;
use super::plan::{Chosen, HardLinks, Names, chosen};
use super::{Context, Options};
use crate::error::{Result, reason};
use crate::json;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::rootdir::{Folder, split};
use crate::sort::Spool;
use crate::stream::Records;
use rustix::fs::{FileType, Stat};
use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;

/// Looks at what is there, record by record, and changes nothing.
pub struct Dry {
    context: Arc<Context>,
    spool: Spool,
    options: Options,
    records: Option<Records>,
    names: Names,
    links: HardLinks,
    /// Files with several names that would be made anew.
    anew: HashSet<Name>,
    folder: Option<(Vec<u8>, Option<Arc<Folder>>)>,
    rows: VecDeque<Result<Record>>,
    gone: u64,
}

impl Dry {
    pub fn new(context: Arc<Context>, spool: Spool, options: Options) -> Dry {
        let records = Some(spool.read());
        let (names, links, anew) = (Names::default(), HardLinks::default(), HashSet::new());
        Dry { context, spool, options, records, names, links, anew, folder: None, rows: VecDeque::new(), gone: 0 }
    }

    fn fail(&mut self, name: &Name, reason: &str) {
        self.context.monitor.failure(name, reason);
        self.rows.push_back(Ok(Record::failure(name, reason)));
    }

    fn look(&mut self, input: Record) {
        let record = match chosen(input, self.context.side) {
            Chosen::Record(record) if !record.is_entry() => return,
            Chosen::Record(record) => record,
            Chosen::Nothing(_) => {
                self.gone += 1;
                return;
            }
            Chosen::Bad(row, reason) => return self.fail(row.name(), &reason),
        };
        if let Err(reason) = self.names.check(&record) {
            return self.fail(record.name(), &reason);
        }
        let action = self.action(&record);
        match action {
            Ok(None) => {}
            Ok(Some((action, to))) => {
                self.rows.push_back(row(action, record.name(), record.kind().word().unwrap_or("file"), record.fields().size, to))
            }
            Err(reason) => self.fail(record.name(), &reason),
        }
    }

    fn action(&mut self, record: &Record) -> Result<Option<(&'static str, Option<Name>)>, String> {
        let folder = self.enter(split(record.name().as_bytes()).0);
        let leaf = split(record.name().as_bytes()).1;
        let said = |e: io::Error| reason(&e);
        let there = match &folder {
            Some(folder) => folder.lstat(leaf).map_err(said)?,
            None => None,
        };
        let first = self.links.first_of(record);
        let (Some(folder), Some(stat)) = (folder, there) else {
            return Ok(Some(match first {
                Some(first) => ("link", Some(first)),
                None => ("create", None),
            }));
        };
        let meta = Meta::of(record, &self.context);
        let is_folder = is(&stat, FileType::Directory);
        if is_folder && record.kind() != Kind::Directory {
            if self.context.keeps(&stat) {
                return Err("the heap or the snapshots are in its place".to_string());
            }
            let empty = self.context.root.folder(record.name().as_bytes()).and_then(|f| f.is_empty()).map_err(said)?;
            return if empty || self.options.delete { Ok(Some(("replace", first))) } else { Err(super::BLOCKED.to_string()) };
        }
        if let Some(first) = first {
            return self.link_action(first, &stat, &said);
        }
        let target = Target { record: record.clone(), folder: folder.clone() };
        let same = match record.kind() {
            Kind::Directory => is_folder,
            Kind::Link => {
                is(&stat, FileType::Symlink) && Some(folder.read_link(leaf).map_err(said)?) == record.fields().destination
            }
            _ => is(&stat, FileType::RegularFile) && same_content(&target, &stat, &self.context).map_err(said)?,
        };
        let differs = match record.kind() {
            Kind::Link => same && differs(&meta, &target, &stat),
            _ => meta.differs(record, &stat) || same && meta.xattrs_differ(&folder, leaf, &stat),
        };
        Ok(match (same, differs) {
            (true, false) => None,
            (true, true) if is_folder || stat.st_nlink <= 1 => Some(("change", None)),
            _ => {
                if record.fields().nlink.is_some_and(|n| n > 1) {
                    self.anew.insert(record.name().clone());
                }
                Some(("replace", None))
            }
        })
    }

    fn link_action(
        &mut self,
        first: Name,
        stat: &Stat,
        said: &dyn Fn(io::Error) -> String,
    ) -> Result<Option<(&'static str, Option<Name>)>, String> {
        let (parent, leaf) = split(first.as_bytes());
        let origin = match self.context.root.folder(parent) {
            Ok(folder) => folder.lstat(leaf).map_err(said)?,
            Err(_) => None,
        };
        let same = origin.is_some_and(|o| (o.st_dev, o.st_ino) == (stat.st_dev, stat.st_ino));
        Ok((!same || self.anew.contains(&first)).then_some(("link", Some(first))))
    }

    /// The folder, if it is there.
    fn enter(&mut self, name: &[u8]) -> Option<Arc<Folder>> {
        if let Some((_, folder)) = self.folder.as_ref().filter(|(current, _)| current == name) {
            return folder.clone();
        }
        let folder = self.context.root.folder(name).ok().map(Arc::new);
        self.folder = Some((name.to_vec(), folder.clone()));
        folder
    }

    fn deletions(&mut self) -> Result<()> {
        let is_rows = super::is_rows(&self.spool)?;
        if !self.options.delete {
            super::note_gone(&self.context, self.gone);
            return Ok(());
        }
        let mut heard = Vec::new();
        let mut report = |d: Deleted| heard.push(d);
        Deleter::new(&self.context, &self.spool, true, &mut report).run(&self.spool, is_rows)?;
        for deleted in heard {
            match deleted.result {
                Ok(()) => self.rows.push_back(row("delete", &deleted.name, file_word(deleted.kind), None, None)),
                Err(reason) => self.fail(&deleted.name, &reason),
            }
        }
        Ok(())
    }
}

impl Iterator for Dry {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if let Some(row) = self.rows.pop_front() {
                return Some(row);
            }
            match self.records.as_mut()?.next() {
                Some(Ok(record)) => self.look(record),
                Some(Err(e)) => self.rows.push_back(Err(e)),
                None => {
                    self.records = None;
                    if let Err(e) = self.deletions() {
                        self.rows.push_back(Err(e));
                    }
                    return self.rows.pop_front();
                }
            }
        }
    }
}

fn file_word(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "link",
        FileType::Directory => "directory",
        _ => "file",
    }
}

/// `{"action":…,"name":…,"size":…,"to":…,"type":…}`
pub(super) fn row(action: &str, name: &Name, kind: &str, size: Option<u64>, to: Option<Name>) -> Result<Record> {
    let mut out = format!("{{\"action\":\"{action}\",\"name\":");
    json::push_string(&mut out, name.as_bytes());
    json::push_bytes_key(&mut out, "name_bytes", name.as_bytes());
    if let Some(size) = size {
        out.push_str(&format!(",\"size\":{size}"));
    }
    if let Some(to) = to {
        out.push_str(",\"to\":");
        json::push_string(&mut out, to.as_bytes());
    }
    // A row of a link has no target in it, so it is no record: the kind keeps it from being taken for one.
    out.push_str(&format!(",\"type\":\"{kind}\"}}"));
    Ok(Record::from_parts(name.clone(), Kind::Other, crate::record::Fields::default(), out.into_bytes()))
}
