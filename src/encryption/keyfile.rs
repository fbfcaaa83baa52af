//! What a machine keeps of an encrypted heap, so that it can go on without an identity: the naming key, and the latest snapshot.

use super::keys::{KeyFile, Keys};
use super::naming::NamingKey;
use crate::display::printable;
use crate::error::{Error, OrFailed, Refusal, Result};
use crate::files::NewFile;
use crate::storage::Store;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The start of a key file.
const FIRST: &str = "snapshooter-heap-key-1";
/// Only the owner reads it.
const MODE: u32 = 0o600;

impl Keys {
    /// Returns the key file of a heap.
    fn key_file(&self, id: &str) -> Option<KeyFile> {
        let kept = || Some(KeyFile::new(&self.state.as_ref()?.join(format!("{id}.key")), "the key file of the heap"));
        self.heap_key.clone().or_else(kept)
    }

    /// Reads the naming key of a heap from its key file. None if there is none.
    ///
    /// # Errors
    /// If it can't be read, or is that of another heap.
    pub(super) fn kept_key(&self, id: &str) -> Result<Option<NamingKey>> {
        let Some(file) = self.key_file(id) else { return Ok(None) };
        // One that the user named has to be there.
        if self.heap_key.is_none() && matches!(std::fs::exists(&file.path), Ok(false)) {
            return Ok(None);
        }
        let text = file.contents()?;
        let help = "each encrypted heap has its own; the machine that made the heap wrote it";
        let mut words = text.trim_ascii().split(u8::is_ascii_whitespace);
        let (first, of, key) = (words.next(), words.next(), words.next());
        if first != Some(FIRST.as_bytes()) {
            return Err(file.wrong("it is no key file of a heap", help));
        }
        if of != Some(id.as_bytes()) {
            return Err(file.wrong("it is the key file of another heap", help));
        }
        let key = key.and_then(NamingKey::parse).ok_or_else(|| file.wrong("it is damaged", help))?;
        Ok(Some(key))
    }

    /// Keeps the naming key of a heap in its key file, unless it is there.
    ///
    /// # Errors
    /// If it can't be written, or the file is that of another heap.
    pub(super) fn keep_key(&self, id: &str, key: &NamingKey) -> Result<()> {
        let none = || Error::rule(Refusal::NoHeapKey, "there is no place for the key file of the heap");
        let file = self.key_file(id).ok_or_else(none)?;
        if !matches!(std::fs::exists(&file.path), Ok(false)) {
            return self.kept_key(id).map(drop);
        }
        let text = Zeroizing::new(format!("{FIRST} {id} {}\n", &*key.text()));
        keep(&file.path, &mut text.as_bytes()).or_failed(|| format!("write {}", file.shown()))
    }

    /// Returns the file that says which encrypted heap a root belongs to, as this machine knows it.
    fn pin_of(&self, store: &dyn Store) -> Option<PathBuf> {
        // A path is known by its canonical form.
        let url =
            std::fs::canonicalize(store.url()).map_or(store.url().as_bytes().to_vec(), |path| path.into_os_string().into_vec());
        Some(self.state.as_ref()?.join("roots").join(crate::digest::md5_of(&url).to_string()))
    }

    /// Takes note that a root belongs to this heap: from now on, it may not be another one, or none.
    ///
    /// # Errors
    /// If the note can't be written.
    pub(super) fn pin(&self, store: &dyn Store, id: &str) -> Result<()> {
        let Some(pin) = self.pin_of(store).filter(|pin| !pin.exists()) else { return Ok(()) };
        keep(&pin, &mut format!("{id}\n").as_bytes()).or_failed(|| format!("write {}", printable(pin.as_os_str().as_bytes())))
    }

    /// Refuses a root that this machine knows as that of another encrypted heap than `id`: somebody may have replaced it.
    ///
    /// # Errors
    /// If it is one.
    pub(super) fn check_pin(&self, store: &dyn Store, id: Option<&str>) -> Result<()> {
        let Some(pin) = self.pin_of(store) else { return Ok(()) };
        // Who can't read the note knows nothing.
        let Ok(known) = std::fs::read_to_string(&pin) else { return Ok(()) };
        let (shown, pin) = (printable(store.url().as_bytes()), printable(pin.as_os_str().as_bytes()));
        let reason = match id {
            Some(id) if id == known.trim_end() => return Ok(()),
            Some(_) => format!("{shown} is another encrypted heap than the one that this machine knows, or has its snapshots"),
            None => format!("{shown} was encrypted when this machine wrote to it, and has no encryption.json now"),
        };
        Err(Error::advise(reason, format!("is its disk mounted? If you have replaced it yourself, delete {pin}")))
    }

    /// Returns the folder of the snapshot in plain that this machine keeps: the latest that it published in this snap root, of this
    /// file root.
    pub fn kept(&self, id: &str, snap_root: &str, file_root: &str) -> Option<PathBuf> {
        let of = crate::digest::md5_of([snap_root, file_root].join("\0").as_bytes());
        Some(self.state.as_ref()?.join(id).join(of.to_string()))
    }
}

fn folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), |folder| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder))
}

/// Writes a file that only its owner can read, and its folder.
///
/// # Errors
/// The error of the system.
pub fn keep(path: &Path, content: &mut dyn io::Read) -> io::Result<()> {
    folder_of(path)?;
    let mut file = NewFile::with_mode(path, MODE)?;
    io::copy(content, &mut file)?;
    file.finish()
}
