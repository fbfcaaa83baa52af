//! An open heap, of a folder or in another storage: looking for objects and reading them.

use super::local::LocalHeap;
use super::object::{self, Ends, Expected, Fetched, Health};
use super::path::object_path;
use super::remote::{self, RemoteHeap};
use super::used::Used;
use crate::content::{Content, Contents, Lack, NO_MD5};
use crate::digest::Md5;
use crate::error::{Error, OrFailed, Result};
use crate::record::Record;
use crate::storage::{Location, LoginRefused};
use std::io::{self};

/// An open heap.
pub struct Heap {
    pub(super) root: Location,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Local(LocalHeap),
    Remote(RemoteHeap),
}

/// Does the same with either kind.
macro_rules! either {
    ($heap:expr, $inner:ident => $work:expr) => {
        match &$heap.kind {
            Kind::Local($inner) => $work,
            Kind::Remote($inner) => $work,
        }
    };
}

impl Heap {
    /// Opens a heap that is there, for reading.
    ///
    /// # Errors
    /// If it is not there or no folder, or the storage refuses to list a part of it: that is told once, not for each object.
    pub fn open(root: &Location) -> Result<Heap> {
        let kind = match root {
            Location::Folder(folder) => Kind::Local(LocalHeap::open(folder)?),
            Location::Remote(store) => {
                match remote::objects(store, b"00/", |_| false).next() {
                    // A web server can't list, and may have objects all the same.
                    Some(Err(e)) if e.kind() != io::ErrorKind::Unsupported => Err(e).or_failed(|| format!("heap root {root}"))?,
                    _ => {}
                }
                Kind::Remote(RemoteHeap::new(store.clone(), 0))
            }
        };
        Ok(Heap { root: root.clone(), kind })
    }

    /// Opens a heap for storing, with that level of compression (0 to 12); makes the folder if there is none.
    ///
    /// # Errors
    /// If that fails.
    pub fn create(root: &Location, level: i32) -> Result<Heap> {
        let kind = match root {
            Location::Folder(folder) => Kind::Local(LocalHeap::create(folder, level)?),
            Location::Remote(store) => Kind::Remote(RemoteHeap::new(store.clone(), level)),
        };
        Ok(Heap { root: root.clone(), kind })
    }

    /// Where it lies.
    pub fn root(&self) -> &Location {
        &self.root
    }

    /// The path of an object below the heap root.
    pub fn object_path(md5: &Md5) -> String {
        object_path(md5)
    }

    pub(super) fn shown_object(&self, md5: &Md5) -> String {
        format!("{}/{}", self.root, Heap::object_path(md5))
    }

    /// The size in bytes of the stored object, None where there is none. Knows what is staged.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn stored_size(&self, md5: &Md5) -> Result<Option<u64>> {
        either!(self, heap => heap.stored_size(md5))
    }

    fn fetch(&self, md5: &Md5) -> io::Result<Option<Fetched>> {
        either!(self, heap => heap.fetch(md5))
    }

    /// The ends of an object with a content of that size, as far as they are needed to judge it.
    fn ends(&self, md5: &Md5, size: Option<u64>) -> Result<Option<Ends>> {
        let ends = match &self.kind {
            Kind::Local(heap) => heap.ends(md5),
            Kind::Remote(heap) => heap.ends(md5, size),
        };
        ends.or_failed(|| self.shown_object(md5))
    }

    /// Whether the object of this md5 is what it should be, judged without reading all of it: the end of the file has to
    /// speak of the content's size.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn glance(&self, md5: &Md5, size: Option<u64>) -> Result<Health> {
        Ok(self.ends(md5, size)?.map_or(Health::Missing, |ends| ends.glance(size)))
    }

    /// The same, and the sha256 that the object names is told in any case.
    pub(super) fn glance_whole(&self, md5: &Md5, size: Option<u64>) -> Result<Health> {
        Ok(match self.ends(md5, None)? {
            Some(ends) => ends.glance(size),
            None => Health::Missing,
        })
    }

    pub(super) fn level(&self) -> i32 {
        match &self.kind {
            Kind::Local(heap) => heap.level(),
            Kind::Remote(heap) => heap.level,
        }
    }

    /// What is wrong with the header of a record's object, which its content does not show: a reason in words.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn header_fault(&self, record: &Record) -> Result<Option<String>> {
        let Some(md5) = record.fields().md5 else { return Ok(None) };
        let head = self.ends(&md5, None)?.and_then(|ends| ends.head);
        let fault = head.and_then(|head| object::header_fault(&head, record.fields().sha256));
        Ok(fault.map(|fault| format!("heap object {}: {fault}", Heap::object_path(&md5))))
    }

    /// Whether the object of this md5 is what it should be: inflates all of it.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn inspect(&self, md5: &Md5, size: Option<u64>) -> Result<Health> {
        let expected = Expected { md5: *md5, sha256: None, size };
        let look = |fetched: Option<Fetched>| fetched.map_or(Ok(Health::Missing), |f| object::inspect(f, expected));
        self.fetch(md5).and_then(look).or_failed(|| self.shown_object(md5))
    }

    /// Puts what was stored in its place, and returns when all of it is there to last.
    ///
    /// # Errors
    /// If the heap can't be written.
    pub fn commit(&self) -> Result<()> {
        match &self.kind {
            Kind::Local(heap) => heap.commit(),
            Kind::Remote(_) => Ok(()),
        }
    }

    /// Makes everything last that anybody wrote to the heap.
    ///
    /// # Errors
    /// If the system says that something could not be written.
    pub fn sync(&self) -> Result<()> {
        match &self.kind {
            Kind::Local(heap) => heap.sync(),
            Kind::Remote(_) => Ok(()),
        }
    }

    /// Whether the object of this md5 is there and is condemned.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn is_condemned(&self, md5: &Md5) -> Result<bool> {
        match &self.kind {
            Kind::Local(heap) => heap.is_condemned(md5),
            Kind::Remote(_) => Ok(false),
        }
    }

    /// Sees to it that `snap-gc` does not delete the object of this md5, which somebody is about to rely on. False if it is
    /// not there (any more), and has to be stored.
    ///
    /// # Errors
    /// If the heap can't be read or written.
    pub fn renew(&self, md5: &Md5) -> Result<bool> {
        match &self.kind {
            Kind::Local(heap) => heap.renew(md5),
            Kind::Remote(_) => Ok(true),
        }
    }

    /// Looks at all that a run relied on once more, at its end: what was condemned meanwhile is renewed.
    ///
    /// # Errors
    /// If an object was deleted meanwhile, or the heap can't be read or written.
    pub fn confirm_used(&self, used: Used) -> Result<()> {
        match &self.kind {
            Kind::Local(heap) => heap.confirm_used(used),
            Kind::Remote(_) => Ok(()),
        }
    }
}

impl Contents for Heap {
    /// Small ones whole and verified, large ones as a stream that is verified at its end. Both digests are checked, the sha256 that
    /// of the record or else the object's own; inflating stops at the record's size.
    fn content(&self, record: &Record) -> Result<Content, Lack> {
        let md5 = record.fields().md5.ok_or_else(|| NO_MD5.to_string())?;
        let fetched = self.fetch(&md5).map_err(|e| lack(&md5, e))?.ok_or_else(|| missing(&md5))?;
        let expected = Expected { md5, sha256: record.fields().sha256, size: record.fields().size };
        object::content(fetched, expected).map_err(|reason| format!("{}: {reason}", object_of(&md5)).into())
    }

    fn look(&self, record: &Record) -> Result<(), Lack> {
        let md5 = record.fields().md5.ok_or_else(|| NO_MD5.to_string())?;
        let there = match &self.kind {
            Kind::Local(heap) => heap.fetch(&md5).map(|fetched| fetched.is_some()),
            Kind::Remote(heap) => heap.has(&md5),
        };
        if there.map_err(|e| lack(&md5, e))? { Ok(()) } else { Err(missing(&md5)) }
    }
}

fn object_of(md5: &Md5) -> String {
    format!("heap object {}", Heap::object_path(md5))
}

fn missing(md5: &Md5) -> Lack {
    format!("{} is missing", object_of(md5)).into()
}

/// Why an object can't be read. Where the login is refused, no other can.
fn lack(md5: &Md5, e: io::Error) -> Lack {
    match LoginRefused::is(&e) {
        true => Lack::All(Error::io(object_of(md5), e)),
        false => format!("{}: {}", object_of(md5), crate::error::reason(&e)).into(),
    }
}
