//! What a machine keeps of an encrypted heap, so that it can go on without an identity: the naming key, and the latest snapshot.

use super::keys::{KeyFile, Keys};
use super::naming::NamingKey;
use crate::error::{Error, OrFailed, Refusal, Result};
use crate::files::NewFile;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The start of a key file.
const FIRST: &str = "snapshooter-heap-key-1";
/// Only the owner reads it.
const MODE: u32 = 0o600;

/// Returns the folder for the state of this program: `snapshooter` in `XDG_STATE_HOME`, or else in `~/.local/state`.
pub fn state() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME").filter(|path| path.is_absolute());
    state.or_else(|| Some(variable("HOME")?.join(".local/state"))).map(|state| state.join("snapshooter"))
}

impl Keys {
    /// Returns the key file of a heap.
    fn key_file(&self, id: &str) -> Option<KeyFile> {
        let kept = || Some(KeyFile { path: self.state.as_ref()?.join(format!("{id}.key")), option: "the key file of the heap" });
        self.heap_key.clone().or_else(kept)
    }

    /// Reads the naming key of a heap from its key file. None if there is none.
    ///
    /// # Errors
    /// If it can't be read, or is that of another heap.
    pub(super) fn kept_key(&self, id: &str) -> Result<Option<NamingKey>> {
        let Some(file) = self.key_file(id) else { return Ok(None) };
        if let Ok(false) = std::fs::exists(&file.path) {
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

    /// Keeps the naming key of a heap in its key file.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn keep_key(&self, id: &str, key: &NamingKey) -> Result<()> {
        let none = || Error::rule(Refusal::NoHeapKey, "there is no place for the key file of the heap");
        let file = self.key_file(id).ok_or_else(none)?;
        // A file that was named for all heaps can have the key of another one.
        if !matches!(std::fs::exists(&file.path), Ok(false)) {
            return Err(file.wrong("it is there already, and is not that of this heap", "name another file for a new heap"));
        }
        let text = Zeroizing::new(format!("{FIRST} {id} {}\n", &*key.text()));
        keep(&file.path, &mut text.as_bytes()).or_failed(|| format!("write {}", file.shown()))
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
