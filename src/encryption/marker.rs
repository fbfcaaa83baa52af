//! `encryption.json`: makes a heap an encrypted one, and its snap roots too.

use super::keys::Recipients;
use super::naming::{NamingKey, Use};
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::storage::{Body, Put, Store};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read, Write};

/// The name of the object, below the heap root or the snap root.
pub const FILE: &str = "encryption.json";
/// The version of the format that this program writes, and the only one that it reads.
const VERSION: u32 = 1;
/// The longest object that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// An object in an encrypted snap root that looks like a snapshot to the Python tool, so that it stops instead of storing in plain. (It
/// takes any `*/*/*.jsonl.gz` for a snapshot, and reads the last one whose name is not behind the present time.)
pub const STOP: &str = "encrypted/encrypted/0000-00-00_these-snapshots-are-encrypted.jsonl.gz";

/// Writes [`STOP`] to a snap root.
///
/// # Errors
/// If it can't be written.
pub fn stop_others(store: &dyn Store) -> Result<()> {
    let text =
        b"These snapshots are encrypted (*.jsonl.gz.age). This file is no snapshot, but makes tools stop that can't decrypt.\n";
    let put =
        store.put(STOP.as_bytes(), Body::Bytes(text.to_vec()), &Put { if_absent: true, stays_readable: true, ..Put::default() });
    put.or_failed(|| format!("write {}", printable(&store.name_of(STOP.as_bytes())))).map(drop)
}

/// The content of `encryption.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The id of the heap: 32 random hex digits.
    pub heap: String,
    /// The naming key, encrypted to the recipients: an age file, in base64.
    key: String,
    /// The recipients that can read the naming key.
    pub recipients: Vec<String>,
    /// The authentication code of all this: HMAC-SHA-256 in base64.
    code: String,
    /// The version of the format.
    version: u32,
}

impl Marker {
    /// Returns the marker of a heap with this id.
    ///
    /// # Errors
    /// If the naming key can't be encrypted.
    pub fn new(heap: String, naming: &NamingKey, recipients: &Recipients) -> Result<Marker> {
        let keys = recipients.keys.iter().map(|key| &**key as &dyn age::Recipient);
        let mut sealed = Vec::new();
        let sealing = age::Encryptor::with_recipients(keys).map_err(std::io::Error::other).and_then(|encryptor| {
            let mut writer = encryptor.wrap_output(&mut sealed)?;
            writer.write_all(naming.text().as_bytes())?;
            writer.finish().map(drop)
        });
        sealing.or_failed(|| "encrypt the naming key".to_string())?;
        let key = STANDARD.encode(sealed);
        let marker = Marker { heap, key, recipients: recipients.texts.clone(), code: String::new(), version: VERSION };
        Ok(Marker { code: STANDARD.encode(naming.code(Use::Marker, &[&marker.text()])), ..marker })
    }

    /// Returns what the code is about.
    fn text(&self) -> Vec<u8> {
        let lines = [self.version.to_string(), self.heap.clone(), self.key.clone()].into_iter().chain(self.recipients.clone());
        lines.flat_map(|line| (line + "\n").into_bytes()).collect()
    }

    /// Whether the writer of this had the naming key.
    pub fn is_of(&self, naming: &NamingKey) -> bool {
        let mut coding = naming.begin(Use::Marker);
        coding.update(&self.text());
        STANDARD.decode(&self.code).is_ok_and(|code| coding.is(&code))
    }

    /// Returns the naming key. None if it is encrypted to other keys than these.
    pub fn naming<'a>(&self, identities: impl Iterator<Item = &'a dyn age::Identity>) -> Option<NamingKey> {
        let sealed = STANDARD.decode(&self.key).ok()?;
        let mut reader = age::Decryptor::new_buffered(&sealed[..]).ok()?.decrypt(identities).ok()?;
        let mut text = zeroize::Zeroizing::new(Vec::with_capacity(256));
        reader.by_ref().take(256).read_to_end(&mut text).ok()?;
        NamingKey::parse(&text)
    }

    /// Reads the marker of a root; None if there is none.
    ///
    /// # Errors
    /// If it can't be read, is damaged, or was written by a later version.
    pub fn read(store: &dyn Store) -> Result<Option<Marker>> {
        let shown = printable(&store.name_of(FILE.as_bytes()));
        let content = match store.open(FILE.as_bytes(), 0, None, None) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            opened => opened.and_then(|reader| {
                let mut content = Vec::new();
                reader.take(LONGEST).read_to_end(&mut content).map(|_| content)
            }),
        };
        let content = content.or_failed(|| shown.clone())?;
        let version = serde_json::from_slice::<Version>(&content).map(|version| version.version);
        match (version, serde_json::from_slice::<Marker>(&content)) {
            (Ok(VERSION), Ok(marker)) if is_id(&marker.heap) => Ok(Some(marker)),
            (Ok(version), _) if version > VERSION => {
                Err(Error::refused(format!("{shown}: it was written by a later version, in format {version}")))
            }
            _ => Err(Error::advise(
                format!("{shown} is damaged"),
                "the heap root and each of its snap roots have the same file: copy it from another one",
            )),
        }
    }

    /// Writes the marker to a root, in the place of another one with `replace`. Returns false if there is another one.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, store: &dyn Store, replace: bool) -> Result<bool> {
        let what = || format!("write {}", printable(&store.name_of(FILE.as_bytes())));
        let mut text = serde_json::to_vec(self).map_err(std::io::Error::from).or_failed(what)?;
        text.push(b'\n');
        let how = Put { if_absent: !replace, stays_readable: true, size: Some(text.len() as u64), ..Put::default() };
        store.put(FILE.as_bytes(), Body::Bytes(text), &how).or_failed(what)
    }
}

/// The version alone, which every version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Whether a text is the id of a heap. It becomes a file name.
fn is_id(text: &str) -> bool {
    crate::digest::Md5::parse(text).is_some()
}
