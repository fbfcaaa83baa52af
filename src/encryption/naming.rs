//! The secret of a heap: it names objects, and shows that a file is from a writer of this heap.

use crate::digest::Md5;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// The number of bytes of a key and of an authentication code.
pub const LEN: usize = 32;

/// An authentication code: HMAC-SHA-256.
pub type Code = [u8; LEN];

/// A use of the naming key. Each has a key of its own, which is the HMAC of its label. A label is longer than an md5, so that no name
/// is the start of a derived key.
#[derive(Clone, Copy)]
pub enum Use {
    /// The note in the header of an object.
    Note,
    /// The code at the end of a snapshot.
    Snapshot,
    /// The code in `encryption.json`.
    Marker,
}

impl Use {
    fn label(self) -> &'static [u8] {
        match self {
            Use::Note => b"snapshooter object header v1",
            Use::Snapshot => b"snapshooter snapshot v1",
            Use::Marker => b"snapshooter encryption.json v1",
        }
    }
}

/// The naming key of a heap: 32 random bytes, which are overwritten when it is dropped.
pub struct NamingKey(SecretBox<[u8; LEN]>);

/// Hides the key.
impl fmt::Debug for NamingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NamingKey")
    }
}

impl NamingKey {
    /// Returns a new key.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn random() -> std::io::Result<NamingKey> {
        let mut key = SecretBox::new(Box::new([0; LEN]));
        getrandom::fill(secrecy::ExposeSecretMut::expose_secret_mut(&mut key)).map_err(std::io::Error::other)?;
        Ok(NamingKey(key))
    }

    /// Returns the key that a text has, as [`NamingKey::text`] writes it; None if the text is none.
    pub fn parse(text: &[u8]) -> Option<NamingKey> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim_ascii()).ok()?);
        let bytes: &[u8; LEN] = bytes.as_slice().try_into().ok()?;
        Some(NamingKey(SecretBox::new(Box::new(*bytes))))
    }

    /// Returns the key as text: standard base64.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.expose_secret()))
    }

    /// Returns the id of a content: the first 16 bytes of the HMAC of its md5.
    pub fn id(&self, md5: &Md5) -> Md5 {
        let mut id = Md5([0; 16]);
        id.0.copy_from_slice(&code(self.0.expose_secret(), &[&md5.0])[..16]);
        id
    }

    /// Returns the code of these parts, one behind the other, for one use of the key.
    pub fn code(&self, what: Use, parts: &[&[u8]]) -> Code {
        let mut hmac = self.begin(what);
        parts.iter().for_each(|part| hmac.update(part));
        hmac.finish()
    }

    /// Begins a code whose parts are added one after the other.
    pub fn begin(&self, what: Use) -> Coding {
        let derived = Zeroizing::new(code(self.0.expose_secret(), &[what.label()]));
        Coding(started(&derived))
    }
}

/// A code that is being computed.
pub struct Coding(Hmac<Sha256>);

impl Coding {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the code.
    pub fn finish(self) -> Code {
        self.0.finalize().into_bytes().into()
    }

    /// Whether the code is this one. The comparison takes the same time for all codes.
    pub fn is(self, code: &[u8]) -> bool {
        self.0.verify_slice(code).is_ok()
    }
}

fn started(key: &[u8; LEN]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn code(key: &[u8; LEN], parts: &[&[u8]]) -> Code {
    let mut hmac = started(key);
    parts.iter().for_each(|part| hmac.update(part));
    hmac.finalize().into_bytes().into()
}
