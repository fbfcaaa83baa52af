//! What a process can do with an encrypted heap: name its objects, encrypt if it has recipients, decrypt if it has identities.

use super::keys::{Keys, Recipients};
use super::marker::{self, Marker};
use super::naming::{Coding, NamingKey, Use};
pub use super::note::HEADER;
use super::note::{self, Note};
use crate::digest::Md5;
use crate::display::printable;
use crate::error::{Error, OrFailed, Refusal, Result};
use crate::storage::Store;
use age::stream::{StreamReader, StreamWriter};
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// The keys of an encrypted heap and its snapshots.
#[derive(Debug)]
pub struct Cipher {
    marker: Marker,
    naming: NamingKey,
    keys: Arc<Keys>,
    /// Whether one of the identities is that of a recipient, once it is known.
    fits: OnceLock<bool>,
}

impl Cipher {
    /// Returns the keys of a root; None if it is not encrypted.
    ///
    /// # Errors
    /// If its naming key is not to be had: then neither can it be read. If `encryption.json` can't be read, or its writer did not have
    /// that naming key.
    pub fn open(store: &dyn Store, keys: &Arc<Keys>) -> Result<Option<Cipher>> {
        let Some(marker) = Marker::read(store)? else { return keys.check_pin(store, None).map(|()| None) };
        keys.check_pin(store, Some(&marker.heap))?;
        let shown = || printable(store.url().as_bytes());
        let naming = match keys.kept_key(&marker.heap)? {
            Some(naming) => naming,
            None if !keys.can_read() && keys.recipients.is_some() => {
                return Err(Error::rule(Refusal::NoHeapKey, format!("the naming key of {} is not on this machine", shown())));
            }
            None if !keys.can_read() => return Err(no_identity(shown())),
            None => marker.naming(keys.identities()).ok_or_else(|| wrong_identity(shown()))?,
        };
        if !marker.is_of(&naming) {
            return Err(Error::advise(
                format!("{}: encryption.json is damaged, or somebody without the key of this heap has replaced it", shown()),
                "the heap root and each of its snap roots have the same file: copy it from another one",
            ));
        }
        Ok(Some(Cipher::new(marker, naming, keys.clone())))
    }

    fn new(marker: Marker, naming: NamingKey, keys: Arc<Keys>) -> Cipher {
        Cipher { marker, naming, keys, fits: OnceLock::new() }
    }

    /// Does what [`Cipher::open`] does, for a root that is written: recipients have to be given for an encrypted one, and may not be
    /// given for any other one. If `is_new` and there are recipients, the root becomes an encrypted one; nothing is written if
    /// `is_dry`.
    ///
    /// # Errors
    /// Those of [`Cipher::open`], and if the root or its key file can't be written.
    pub fn for_writing(
        store: &dyn Store,
        keys: &Arc<Keys>,
        is_new: impl FnOnce() -> Result<bool>,
        is_dry: bool,
    ) -> Result<Option<Cipher>> {
        let shown = || printable(store.url().as_bytes());
        let cipher = match (Cipher::open(store, keys)?, &keys.recipients) {
            (None, None) => return Ok(None),
            (Some(_), None) => {
                return Err(Error::rule(
                    Refusal::NoRecipients,
                    format!("{} is encrypted, and no recipients were given", shown()),
                ));
            }
            (None, Some(recipients)) => match is_new()? {
                true => Cipher::make(store, keys, recipients, is_dry)?,
                false => {
                    return Err(Error::rule(
                        Refusal::NotEncrypted,
                        format!("{} was not encrypted from its making on, so nothing in it can be", shown()),
                    ));
                }
            },
            (Some(cipher), Some(recipients)) => cipher.with(store, recipients, is_dry)?,
        };
        Ok(Some(cipher))
    }

    /// Makes a root an encrypted one.
    fn make(store: &dyn Store, keys: &Arc<Keys>, recipients: &Recipients, is_dry: bool) -> Result<Cipher> {
        let random = || "make a key".to_string();
        let naming = NamingKey::random().or_failed(random)?;
        let mut id = Md5([0; 16]);
        getrandom::fill(&mut id.0).map_err(io::Error::other).or_failed(random)?;
        let marker = Marker::new(id.to_string(), &naming, recipients)?;
        if !is_dry {
            // A heap whose key is lost to its writers would be of no use.
            keys.keep_key(&marker.heap, &naming)?;
            if !marker.write(store, false)? {
                // Another writer was first.
                return Cipher::open(store, keys)?.ok_or_else(|| {
                    Error::refused(format!("{}: encryption.json comes and goes", printable(store.url().as_bytes())))
                });
            }
            keys.pin(store, &marker.heap)?;
        }
        Ok(Cipher::new(marker, naming, keys.clone()))
    }

    /// Lets all recipients read the naming key, and keeps it for this machine.
    fn with(self, store: &dyn Store, recipients: &Recipients, is_dry: bool) -> Result<Cipher> {
        let Cipher { marker, naming, keys, .. } = self;
        if !is_dry {
            keys.keep_key(&marker.heap, &naming)?;
            keys.pin(store, &marker.heap)?;
        }
        let new: Vec<&String> = recipients.texts.iter().filter(|text| !marker.recipients.contains(text)).collect();
        if is_dry || new.is_empty() {
            return Ok(Cipher::new(marker, naming, keys));
        }
        // Who reads older objects needs the naming key still. What was there is from a writer of this heap.
        let all = Recipients::of(marker.recipients.iter().chain(new).map(String::as_str));
        let all = all.ok_or_else(|| Error::refused("encryption.json names a recipient of an unknown kind"))?;
        let marker = Marker::new(marker.heap, &naming, &all)?;
        marker.write(store, true)?;
        Ok(Cipher::new(marker, naming, keys))
    }

    /// Writes `encryption.json` to a snap root of this heap.
    ///
    /// # Errors
    /// If it can't be written, or the snap root is that of another encrypted heap.
    pub fn mark(&self, store: &dyn Store) -> Result<()> {
        match Marker::read(store)? {
            Some(there) if there == self.marker => {}
            Some(there) if there.heap != self.marker.heap => {
                return Err(Error::refused(format!(
                    "{} has the snapshots of another encrypted heap",
                    printable(store.url().as_bytes())
                )));
            }
            there => {
                marker::stop_others(store)?;
                self.marker.write(store, there.is_some())?;
            }
        }
        // Not before: a root that could not be marked is no encrypted one.
        self.keys.pin(store, &self.marker.heap)
    }

    /// Returns the id of the heap.
    pub fn heap(&self) -> &str {
        &self.marker.heap
    }

    /// Returns the id of a content.
    pub fn id(&self, md5: &Md5) -> Md5 {
        self.naming.id(md5)
    }

    /// Whether there is an identity to decrypt with.
    pub fn can_read(&self) -> bool {
        self.keys.can_read()
    }

    /// Returns an error unless there is an identity to decrypt with.
    ///
    /// # Errors
    /// If there is none, or it is not that of a recipient.
    pub fn check_can_read(&self, what: impl std::fmt::Display) -> Result<()> {
        match (self.can_read(), self.fits.get_or_init(|| self.marker.naming(self.keys.identities()).is_some())) {
            (false, _) => Err(no_identity(what)),
            (true, false) => Err(wrong_identity(what)),
            (true, true) => Ok(()),
        }
    }

    /// Whether the other root is one of the same heap.
    pub fn is_of_same_heap(&self, other: &Cipher) -> bool {
        self.marker.heap == other.marker.heap
    }

    /// Returns the folder of the snapshot in plain that this machine keeps.
    pub fn kept(&self, snap_root: &str, file_root: &str) -> Option<PathBuf> {
        self.keys.kept(&self.marker.heap, snap_root, file_root)
    }

    /// Begins the code of a snapshot.
    pub fn snapshot_code(&self) -> Coding {
        self.naming.begin(Use::Snapshot)
    }

    /// Encrypts to the recipients what is written to the returned writer. [`StreamWriter::finish`] ends it.
    ///
    /// # Errors
    /// If `to` can't be written.
    pub fn seal<W: Write>(&self, to: W) -> io::Result<StreamWriter<W>> {
        self.sealing(None, to)
    }

    fn sealing<W: Write>(&self, note: Option<&Note>, to: W) -> io::Result<StreamWriter<W>> {
        let keys = self.keys.recipients.iter().flat_map(|recipients| &recipients.keys);
        // The note comes first, so that it is in the bytes that are read of a header, however many recipients there are.
        let note = note.map(|note| note as &dyn age::Recipient);
        let recipients = note.into_iter().chain(keys.map(|key| &**key as &dyn age::Recipient));
        age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?.wrap_output(to)
    }

    /// Encrypts the `len` bytes of an object with this id.
    ///
    /// # Errors
    /// If they can't be read, or `to` can't be written.
    pub fn seal_object<W: Write>(&self, id: &Md5, len: u64, mut from: impl Read, to: W) -> io::Result<W> {
        let note = Note::new(&self.naming, id, len);
        let mut writer = self.sealing(Some(&note), to)?;
        io::copy(&mut from, &mut writer)?;
        writer.finish()
    }

    /// Returns the size in bytes of an object of this content of which `len` bytes are encrypted, to some bytes: there is something
    /// random in each header.
    ///
    /// # Errors
    /// If a key can't be used.
    pub fn sealed_size(&self, md5: &Md5, len: u64) -> io::Result<u64> {
        let empty = self.seal_object(&self.id(md5), 0, io::empty(), Vec::new())?;
        Ok(note::size_of(empty.len() as u64 - note::size_of(0, 0), len))
    }

    /// Returns the size in bytes that an object of this id has to have, by the note in its first bytes. None if there is no such
    /// note, or nobody of this heap made it.
    pub fn noted_size(&self, id: &Md5, head: &[u8]) -> Option<u64> {
        note::noted_size(&self.naming, id, head)
    }

    /// Decrypts what a reader returns. What is wrong with it is an error `InvalidData`, or `UnexpectedEof`.
    ///
    /// # Errors
    /// If it is no age file, or encrypted to other keys, or can't be read.
    pub fn unseal<R: Read>(&self, from: R) -> io::Result<StreamReader<BufReader<R>>> {
        let bad = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason);
        let explain = |e: age::DecryptError| match e {
            age::DecryptError::Io(e) => e,
            age::DecryptError::NoMatchingKeys => bad("it is encrypted to other keys than the given ones"),
            _ => bad("its encryption is damaged"),
        };
        let decryptor = age::Decryptor::new_buffered(BufReader::with_capacity(64 << 10, from)).map_err(explain)?;
        // Only a passphrase would take long, and nothing of ours is encrypted with one.
        decryptor.decrypt(self.keys.identities()).map_err(explain)
    }
}

fn no_identity(what: impl std::fmt::Display) -> Error {
    Error::rule(Refusal::NoIdentity, format!("{what} is encrypted, and no identity was given"))
}

fn wrong_identity(what: impl std::fmt::Display) -> Error {
    Error::rule(Refusal::WrongIdentity, format!("{what} is encrypted to other keys than the given ones"))
}
