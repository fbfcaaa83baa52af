//! An open heap over any storage: looking for objects, and reading and checking them.

use super::lease::Lease;
use super::listing;
use super::object::{self, Ends, Health};
use super::path::{Names, WHOLE_LIMIT};
use super::proof::Expected;
use super::sizes::Sizes;
use super::store_lease::StoreLease;
use super::used::Used;
use crate::content::{Content, Contents, Lack, NO_MD5};
use crate::digest::{Md5, Sha256};
use crate::encryption::{self, Keys};
use crate::error::{Error, OrFailed, Reason, Result, reason};
use crate::parallel::{self, Room, lock};
use crate::record::{Fields, Record};
use crate::storage::{Cold, Location, LoginRefused, Store};
use std::collections::HashMap;
use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// An open heap.
pub struct Heap {
    root: Location,
    pub(super) store: Arc<dyn Store>,
    pub(super) level: i32,
    pub(super) names: Names,
    /// The agreement with `snap-gc`, for a folder of this machine.
    pub(super) lease: Option<Lease>,
    /// The agreement with `snap-gc`, for another storage that was opened for storing.
    pub(super) store_lease: Option<Arc<StoreLease>>,
    /// The objects of another storage, listed once.
    listed: Mutex<Option<Sizes>>,
    /// The listing that began when the heap was opened for storing.
    listing: Mutex<Option<JoinHandle<Result<Sizes>>>>,
    /// Stored size and sha256 of the objects that this process stored: until they have their names, or until the end if the
    /// heap is listed only once.
    pub(super) new: Mutex<HashMap<Md5, (u64, Sha256)>>,
    /// Nothing is written: contents count as stored.
    is_dry: bool,
    /// For the contents in memory.
    pub(super) room: Room,
}

/// The number of bytes of contents that are held in memory at once, however many workers there are.
const ROOM: usize = 24 << 20;

impl Heap {
    /// Opens a heap for reading.
    ///
    /// # Errors
    /// If it does not exist, is not a folder, or the storage refuses to list it: then there is one error, not one for each object. If
    /// it is encrypted, and none of the identities that this process was given fits.
    pub fn open(root: &Location) -> Result<Heap> {
        Heap::open_with(root, &encryption::given())
    }

    /// Does what [`Heap::open`] does, with these keys.
    ///
    /// # Errors
    /// Those of [`Heap::open`].
    pub fn open_with(root: &Location, keys: &Arc<Keys>) -> Result<Heap> {
        let names = Names::of(root, keys)?;
        if let Some(cipher) = &names.cipher {
            cipher.check_can_read(root)?;
        }
        let heap = Heap::new(root, 0, names)?;
        if heap.lease.is_none() {
            match listing::objects(&heap.store, &heap.names, b"00/", |_| false).next() {
                // A web server can't list, and can have objects all the same.
                Some(Err(e)) if e.kind() != ErrorKind::Unsupported => Err(e).or_failed(|| format!("heap root {root}"))?,
                _ => {}
            }
        }
        Ok(heap)
    }

    /// Opens a heap for storing, with a level of compression from 0 to 12. Creates the folder if it does not exist. If this process
    /// was given recipients, a new heap is encrypted, and another one has to be.
    ///
    /// # Errors
    /// If that fails.
    pub fn create(root: &Location, level: i32) -> Result<Heap> {
        Heap::create_with(root, level, &encryption::given())
    }

    /// Does what [`Heap::create`] does, with these keys.
    ///
    /// # Errors
    /// Those of [`Heap::create`].
    pub fn create_with(root: &Location, level: i32, keys: &Arc<Keys>) -> Result<Heap> {
        root.make().or_failed(|| format!("make the heap root {root}"))?;
        let names = Names::for_writing(root, keys, false)?;
        let mut heap = Heap::new(root, level, names)?;
        heap.lease.iter().try_for_each(Lease::load_condemned)?;
        if heap.lease.is_none() {
            let lease = Arc::new(StoreLease::new(heap.store.clone(), heap.names.clone()));
            heap.store_lease = Some(lease.clone());
            // It takes as long as reading the base does. If there is no thread, the objects are listed when the first is needed.
            *lock(&heap.listing) = parallel::spawn(move || list(&lease.store, &lease.names, Some(&lease))).ok();
        }
        Ok(heap)
    }

    /// Opens a heap for a dry run: it is read, and what is stored in it only counts as stored. A heap that does not exist is
    /// empty.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn dry(root: &Location, level: i32) -> Result<Heap> {
        let is_there = root.is_there().or_failed(|| format!("heap root {root}"))?;
        let root = if is_there { root.clone() } else { Location::nowhere() };
        let names = Names::for_writing(&root, &encryption::given(), true)?;
        Ok(Heap { is_dry: true, ..Heap::new(&root, level, names)? })
    }

    /// Whether nothing is written.
    pub fn is_dry(&self) -> bool {
        self.is_dry
    }

    fn new(root: &Location, level: i32, names: Names) -> Result<Heap> {
        let store = root.staging_store().or_failed(|| format!("heap root {root}"))?;
        let lease = root.folder().map(|folder| Lease::open(folder, names.clone())).transpose()?;
        Ok(Heap {
            root: root.clone(),
            store,
            level,
            names,
            lease,
            store_lease: None,
            listed: Mutex::default(),
            listing: Mutex::default(),
            new: Mutex::default(),
            is_dry: false,
            room: Room::new(ROOM),
        })
    }

    /// Returns the location of the heap.
    pub fn root(&self) -> &Location {
        &self.root
    }

    /// Returns the path of the object of a content below the heap root.
    pub fn object_path(&self, md5: &Md5) -> String {
        self.names.path(&self.names.id(md5))
    }

    pub(super) fn shown_object(&self, md5: &Md5) -> String {
        format!("{}/{}", self.root, self.object_path(md5))
    }

    /// Returns the key of the object of a content in the storage.
    pub(super) fn key(&self, md5: &Md5) -> Vec<u8> {
        self.object_path(md5).into_bytes()
    }

    /// Returns the object of a content for messages.
    pub(super) fn object_of(&self, md5: &Md5) -> String {
        format!("heap object {}", self.object_path(md5))
    }

    fn missing(&self, md5: &Md5) -> Lack {
        format!("{} is missing", self.object_of(md5)).into()
    }

    /// Why an object can't be read. If the login is refused, no other object can be read either.
    pub(super) fn lack(&self, md5: &Md5, e: io::Error) -> Lack {
        match LoginRefused::is(&e) {
            true => Lack::All(Error::io(self.object_of(md5), e)),
            false => format!("{}: {}", self.object_of(md5), reason(&e)).into(),
        }
    }

    /// Returns stored size and sha256 of an object that this process stored.
    pub(super) fn new_object(&self, md5: &Md5) -> Option<(u64, Sha256)> {
        lock(&self.new).get(md5).copied()
    }

    /// Returns the size in bytes of an object, None if there is none. Objects that are not committed yet count.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn stored_size(&self, md5: &Md5) -> Result<Option<u64>> {
        if let Some((stored_size, _)) = self.new_object(md5) {
            return Ok(Some(stored_size));
        }
        if let Some(lease) = &self.lease {
            return Ok(lease.stat(&self.names.id(md5))?.map(|stat| stat.st_size as u64));
        }
        let mut listed = lock(&self.listed);
        if listed.is_none() {
            let begun = lock(&self.listing).take().and_then(|listing| listing.join().ok());
            *listed = Some(begun.unwrap_or_else(|| list(&self.store, &self.names, self.store_lease.as_deref()))?);
        }
        listed.as_ref().map_or(Ok(None), |listed| listed.size(&self.names.id(md5)))
    }

    /// Opens an object, also one that an interrupted `snap-gc` has put aside, to read it decrypted. None if there is none.
    pub(super) fn fetch(&self, md5: &Md5) -> io::Result<Option<Box<dyn Read + Send>>> {
        let found = match self.store.open(&self.key(md5), 0, None, None) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let aside = self.lease.as_ref().and_then(|lease| lease.open_aside(&self.names.id(md5)));
                aside.map(|file| Box::new(file) as Box<dyn Read + Send>)
            }
            opened => Some(opened?),
        };
        match (found, &self.names.cipher) {
            (Some(found), Some(cipher)) => Ok(Some(Box::new(cipher.unseal(found)?))),
            (found, _) => Ok(found),
        }
    }

    /// Waits until there is room for a content and its object. Of a large one, only parts are held.
    pub(super) fn room_for(&self, size: Option<u64>) -> impl Drop + '_ {
        self.room.take(2 * size.unwrap_or(WHOLE_LIMIT).min(WHOLE_LIMIT) as usize)
    }

    /// Opens the object of a record.
    pub(super) fn opened(&self, record: &Record) -> Result<(Box<dyn Read + Send>, Expected), Lack> {
        let &Fields { md5, sha256, size, .. } = record.fields();
        let md5 = md5.ok_or_else(|| NO_MD5.to_string())?;
        let reader = self.fetch(&md5).map_err(|e| self.lack(&md5, e))?.ok_or_else(|| self.missing(&md5))?;
        Ok((reader, Expected { md5, sha256, size, both: false }))
    }

    /// Reads a part of an object: at most `len` bytes from byte `from`, which is not behind its end. If there is no object, or it
    /// can't be read now, the inner error says so.
    pub(super) fn part(&self, md5: &Md5, from: u64, len: u64) -> Result<Result<Vec<u8>, Health>> {
        let mut bytes = Vec::with_capacity(len as usize);
        match self.store.open(&self.key(md5), from, Some(len), None) {
            // Deleted since it was listed.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Err(Health::Missing)),
            Err(e) if Cold::is(&e) => return self.cold(md5).map(Err),
            opened => opened.and_then(|mut reader| reader.read_to_end(&mut bytes)).or_failed(|| self.shown_object(md5))?,
        };
        Ok(Ok(bytes))
    }

    /// Returns the state of an object in an archive.
    pub(super) fn cold(&self, md5: &Md5) -> Result<Health> {
        Ok(Health::Cold { stored_size: self.stored_size(md5)?.unwrap_or_default() })
    }

    /// Reads both ends of an object whose content has `size` bytes. In other storages the start of a small one is not read: it
    /// is never in pieces, so its end is enough, and each part costs a request.
    fn ends(&self, md5: &Md5, size: Option<u64>) -> Result<Result<Ends, Health>> {
        let Some(stored_size) = self.stored_size(md5)? else { return Ok(Err(Health::Missing)) };
        let tail = match self.part(md5, stored_size.saturating_sub(4), 4)? {
            Ok(tail) => tail,
            Err(health) => return Ok(Err(health)),
        };
        let head = match size.is_some_and(|size| size <= WHOLE_LIMIT) && self.lease.is_none() {
            true => None,
            // Not more than there is: some services take that for a broken connection.
            false => match self.part(md5, 0, object::HEAD.min(stored_size))? {
                Ok(head) => Some(head),
                Err(health) => return Ok(Err(health)),
            },
        };
        Ok(Ok(Ends { stored_size, head, tail: tail.try_into().ok() }))
    }

    /// Checks the object of this md5 without reading all of it: its end has to name the size of the content.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn check_ends(&self, md5: &Md5, size: Option<u64>) -> Result<Health> {
        if let Some(cipher) = &self.names.cipher {
            return self.check_note(cipher, md5);
        }
        Ok(self.ends(md5, size)?.map_or_else(|health| health, |ends| ends.check(size)))
    }

    /// Like [`Heap::check_ends`], and always reports the sha256 that the object names, if that can be read.
    pub(super) fn check_both_ends(&self, md5: &Md5, size: Option<u64>) -> Result<Health> {
        if let Some(cipher) = &self.names.cipher {
            return self.check_note_and_name(cipher, md5);
        }
        Ok(self.ends(md5, None)?.map_or_else(|health| health, |ends| ends.check(size)))
    }

    /// Checks the object of a record by reading all of it once: its content as [`Contents::content`] does, and its header, where
    /// damage does not show in the content. With `both`, the md5 is computed even if the record has a sha256.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, record: &Record, both: bool) -> Result<(), Lack> {
        let _room = self.room_for(record.fields().size);
        let (mut reader, expected) = self.opened(record)?;
        let expected = Expected { both, ..expected };
        let failed = |e: io::Error| self.lack(&expected.md5, e);
        let mut head = Vec::new();
        reader.by_ref().take(object::HEAD).read_to_end(&mut head).map_err(failed)?;
        let all = Box::new(io::Cursor::new(head.clone()).chain(reader));
        let reason = match object::content(all, expected, record.fields().stored_size) {
            Ok(Content::Whole(_)) => object::header_fault(&head, expected.sha256).map(Reason::from),
            Ok(Content::Stream(mut content)) => {
                while let n @ 1.. = content.fill_buf().map_err(failed)?.len() {
                    content.consume(n);
                }
                object::header_fault(&head, expected.sha256).map(Reason::from)
            }
            Err(reason) => Some(reason),
        };
        reason.map_or(Ok(()), |reason| Err(format!("{}: {reason}", self.object_of(&expected.md5)).into()))
    }

    /// Checks the object of this md5 by inflating all of it.
    ///
    /// # Errors
    /// If the heap can't be read, or is encrypted and there is no identity.
    pub fn verify(&self, md5: &Md5, size: Option<u64>) -> Result<Health> {
        if let Some(cipher) = &self.names.cipher {
            cipher.check_can_read(&self.root)?;
        }
        let expected = Expected { md5: *md5, sha256: None, size, both: true };
        let check = |reader: Option<_>| reader.map_or(Ok(Health::Missing), |reader| object::verify(reader, expected));
        match self.fetch(md5).and_then(check) {
            Err(e) if Cold::is(&e) => self.cold(md5),
            // What was counted is what came out of the encryption.
            Ok(Health::Good { sha256, .. }) if self.names.cipher.is_some() => {
                Ok(Health::Good { stored_size: self.stored_size(md5)?.unwrap_or_default(), sha256 })
            }
            Err(e) if self.names.cipher.is_some() && !super::proof::cant_read(&e) => Ok(Health::Bad),
            health => health.or_failed(|| self.shown_object(md5)),
        }
    }

    /// Makes sure that `snap-gc` does not delete the object of this md5, which the caller is about to rely on. Returns false if
    /// the object does not exist (any more) and has to be stored.
    ///
    /// # Errors
    /// If the heap can't be read or written.
    pub fn renew(&self, md5: &Md5) -> Result<bool> {
        match (&self.lease, &self.store_lease) {
            (Some(lease), _) => lease.renew(&self.names.id(md5)),
            (None, Some(lease)) => self.renew_stored(lease, md5),
            (None, None) => Ok(true),
        }
    }

    /// Looks once more at everything that a run relied on, at its end, and renews what was condemned meanwhile.
    ///
    /// # Errors
    /// If an object was deleted meanwhile, or the heap can't be read or written.
    pub fn confirm_used(&self, used: Used) -> Result<()> {
        match (&self.lease, &self.store_lease) {
            (Some(lease), _) => lease.confirm_used(used),
            (None, Some(lease)) => self.confirm_stored(lease, used),
            (None, None) => Ok(()),
        }
    }
}

impl Contents for Heap {
    /// Small contents are returned whole and verified, large ones as a stream that is verified at its end: by the sha256 of the
    /// record, or else by the md5 and the object's own sha256. Inflating stops at the record's size.
    fn content(&self, record: &Record) -> Result<Content, Lack> {
        let _room = self.room_for(record.fields().size);
        let (reader, expected) = self.opened(record)?;
        let content = object::content(reader, expected, record.fields().stored_size);
        content.map_err(|reason| format!("{}: {reason}", self.object_of(&expected.md5)).into())
    }

    /// Asks for each object by itself: not every server lists.
    fn look(&self, record: &Record) -> Result<(), Lack> {
        let md5 = record.fields().md5.ok_or_else(|| NO_MD5.to_string())?;
        let is_aside = || self.lease.as_ref().is_some_and(|lease| lease.open_aside(&self.names.id(&md5)).is_some());
        match self.store.stat(&self.key(&md5)).map_err(|e| self.lack(&md5, e))?.is_some() || is_aside() {
            true => Ok(()),
            false => Err(self.missing(&md5)),
        }
    }
}

/// Lists a heap in another storage. What is condemned is read before: what is deleted later is in the lists, or makes them others.
fn list(store: &Arc<dyn Store>, names: &Names, lease: Option<&StoreLease>) -> Result<Sizes> {
    lease.map_or(Ok(()), |lease| lease.condemned().map(drop))?;
    listing::list(store, names).or_failed(|| format!("list the heap root {}", store.url()))
}
