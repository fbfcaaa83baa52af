//! Encrypted heaps, read without our own code. With SNAP_TEST_ENCRYPTED=1, every heap that a test makes is one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use snapshooter::internals::digest::Md5;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// Whether the worlds of this process have keys.
pub fn is_on() -> bool {
    std::env::var_os("SNAP_TEST_ENCRYPTED").is_some_and(|v| v == "1")
}

/// The text of an identity and its recipient, of age-keygen: one for all worlds of this process.
pub fn keys() -> &'static (String, String) {
    static KEYS: OnceLock<(String, String)> = OnceLock::new();
    KEYS.get_or_init(|| {
        let made = Command::new("age-keygen").output().expect("age-keygen, which tests/setup.sh installs");
        let text = String::from_utf8(made.stdout).expect("text");
        let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a public key");
        let recipient = format!("{recipient}\n");
        (text, recipient)
    })
}

/// Decrypts with the identity of this process.
///
/// # Errors
/// If that is not to be done.
pub fn decrypt(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let secret = keys().0.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).expect("a secret key");
    let identity: age::x25519::Identity = secret.parse().expect("an identity");
    let decryptor = age::Decryptor::new_buffered(bytes).map_err(io::Error::other)?;
    let mut reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(io::Error::other)?;
    let mut plain = Vec::new();
    reader.read_to_end(&mut plain)?;
    Ok(plain)
}

/// The naming key of an encrypted heap: its 32 bytes.
#[derive(Debug)]
pub struct Naming(Vec<u8>);

impl Naming {
    /// That of the heap in a folder; None if it is not encrypted.
    pub fn of(heap: &Path) -> Option<Naming> {
        let marker = std::fs::read(heap.join("encryption.json")).ok()?;
        let marker: serde_json::Value = serde_json::from_slice(&marker).expect("encryption.json is JSON");
        let sealed = STANDARD.decode(marker["key"].as_str().expect("a key")).expect("base64");
        let text = decrypt(&sealed).expect("the naming key is encrypted to the identity of the tests");
        Some(Naming(STANDARD.decode(text.trim_ascii()).expect("base64")))
    }

    /// The id of a content: half of the HMAC of its md5.
    pub fn id(&self, md5: &str) -> String {
        let md5 = snapshooter::internals::digest::unhex::<16>(md5).expect("an md5");
        let mut hmac = Hmac::<sha2::Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        hmac.update(&md5);
        let code = hmac.finalize().into_bytes();
        Md5(code[..16].try_into().expect("16 bytes")).to_string()
    }
}
