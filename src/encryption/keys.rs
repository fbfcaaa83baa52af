//! The keys that a process was given: recipients to encrypt to, and identities to decrypt with.

use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// The longest file of keys, in bytes.
const LONGEST: u64 = 256 << 10;

/// A file with keys, and what messages call it: the option that named it.
#[derive(Clone, Debug)]
pub(super) struct KeyFile {
    pub path: PathBuf,
    pub called: String,
}

impl KeyFile {
    pub fn new(path: &Path, called: &str) -> KeyFile {
        KeyFile { path: path.to_path_buf(), called: called.to_string() }
    }

    pub fn shown(&self) -> String {
        format!("{}: {}", self.called, printable(self.path.as_os_str().as_bytes()))
    }

    /// Reads the file, which can be a pipe. What was read is overwritten in memory when it is dropped.
    pub fn contents(&self) -> Result<Zeroizing<Vec<u8>>> {
        let file = std::fs::File::open(&self.path).or_failed(|| self.shown())?;
        // A vector that grows would leave parts of the keys behind.
        let mut text = Zeroizing::new(Vec::with_capacity(LONGEST as usize));
        file.take(LONGEST).read_to_end(&mut text).or_failed(|| self.shown())?;
        Ok(text)
    }

    pub fn wrong(&self, reason: &str, help: &str) -> Error {
        Error::advise(format!("{}: {reason}", self.shown()), help)
    }
}

/// Recipients to encrypt to.
pub(crate) struct Recipients {
    /// Their texts, in the order of the file.
    pub texts: Vec<String>,
    pub(super) keys: Vec<Box<dyn age::Recipient + Send + Sync>>,
}

/// The keys for encrypted heaps: recipients to encrypt to, and identities to decrypt with. [`Keys::give`] gives them to the process.
#[derive(Default)]
pub struct Keys {
    pub(crate) recipients: Option<Recipients>,
    pub(super) identities: Vec<Box<dyn age::Identity + Send + Sync>>,
    /// The file with the naming key that the user named.
    pub(super) heap_key: Option<KeyFile>,
    /// The folder for what this machine keeps of encrypted heaps; None for none.
    pub(super) state: Option<PathBuf>,
}

/// Hides the keys.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

static GIVEN: OnceLock<Arc<Keys>> = OnceLock::new();

/// Returns the keys of this process: none, if none were given.
pub fn given() -> Arc<Keys> {
    GIVEN.get_or_init(|| Arc::new(Keys::none())).clone()
}

/// Returns the folder for the state of this program: `snapshooter` in `XDG_STATE_HOME`, or else in `~/.local/state`.
fn state() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME").filter(|path| path.is_absolute());
    state.or_else(|| Some(variable("HOME")?.join(".local/state"))).map(|state| state.join("snapshooter"))
}

impl Keys {
    /// Returns no keys, but those that this machine keeps of encrypted heaps.
    pub fn none() -> Keys {
        Keys { state: state(), ..Keys::default() }
    }

    /// Adds the recipients in a file, one in each line. `called` is what messages call the file, such as an option.
    ///
    /// # Errors
    /// If the file can't be read, or has something else.
    pub fn with_recipients(self, path: &Path, called: &str) -> Result<Keys> {
        Ok(Keys { recipients: Some(Recipients::read(&KeyFile::new(path, called))?), ..self })
    }

    /// Adds the identities in a file, as age-keygen or ssh-keygen write them.
    ///
    /// # Errors
    /// If the file can't be read, or has something else.
    pub fn with_identities(mut self, path: &Path, called: &str) -> Result<Keys> {
        self.identities.extend(identities_in(&KeyFile::new(path, called))?);
        Ok(self)
    }

    /// Sets the file with the naming key of the heap. It is read, or written, when a heap is opened.
    #[must_use]
    pub fn with_heap_key(self, path: &Path, called: &str) -> Keys {
        Keys { heap_key: Some(KeyFile::new(path, called)), ..self }
    }

    /// Gives these keys to the process, for all heaps and snapshots. Only the first call counts, and only before the first heap is
    /// opened. There are no core dumps then.
    pub fn give(self) {
        if !self.identities.is_empty() || self.recipients.is_some() {
            crate::system::refuse_core_dumps();
        }
        let _ = GIVEN.set(Arc::new(self));
    }

    /// Whether there is an identity.
    pub fn can_read(&self) -> bool {
        !self.identities.is_empty()
    }

    /// Returns the identities as the age library takes them.
    pub(super) fn identities(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.identities.iter().map(|identity| &**identity as &dyn age::Identity)
    }
}

impl Recipients {
    fn read(file: &KeyFile) -> Result<Recipients> {
        let text = file.contents()?;
        let lines = std::str::from_utf8(&text).unwrap_or_default().lines().map(str::trim).enumerate();
        let mut recipients = Recipients { texts: Vec::new(), keys: Vec::new() };
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            // The line is not shown: it can be a secret that got here by mistake.
            let key = recipient(line).ok_or_else(|| {
                let help =
                    "a recipient is the public key of age-keygen (age1...), or of ssh-keygen (ssh-ed25519 ..., ssh-rsa ...)";
                file.wrong(&format!("line {} is no recipient", number + 1), help)
            })?;
            recipients.keys.push(key);
            recipients.texts.push(line.to_string());
        }
        match recipients.keys.is_empty() {
            true => Err(file.wrong("it has no recipient", "write one in each line")),
            false => Ok(recipients),
        }
    }

    /// Returns recipients with these texts; None if one is none.
    pub(super) fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Option<Recipients> {
        let texts: Vec<String> = texts.map(str::to_string).collect();
        let keys = texts.iter().map(|text| recipient(text)).collect::<Option<_>>()?;
        Some(Recipients { texts, keys })
    }
}

/// Returns the recipient that a line is.
fn recipient(line: &str) -> Option<Box<dyn age::Recipient + Send + Sync>> {
    match line.parse::<age::x25519::Recipient>() {
        Ok(key) => Some(Box::new(key)),
        Err(_) => line.parse::<age::ssh::Recipient>().ok().map(|key| Box::new(key) as _),
    }
}

/// Reads the identities in a file: those of age-keygen, or the private key of ssh-keygen.
fn identities_in(file: &KeyFile) -> Result<Vec<Box<dyn age::Identity + Send + Sync>>> {
    let text = file.contents()?;
    let wrong = |reason: &str, help: &str| file.wrong(reason, help);
    const FORMS: &str = "an identity is what age-keygen writes (AGE-SECRET-KEY-1...), or an SSH private key";
    const PASSPHRASE: &str = "decrypt it for the tool alone, as in <(age -d FILE), or use a copy without a passphrase";
    if text.starts_with(b"age-encryption.org/") || text.starts_with(b"-----BEGIN AGE ENCRYPTED FILE") {
        return Err(wrong("it is protected by a passphrase", PASSPHRASE));
    }
    if text.starts_with(b"-----BEGIN ") {
        return match age::ssh::Identity::from_buffer(&text[..], None) {
            Ok(identity @ age::ssh::Identity::Unencrypted(_)) => Ok(vec![Box::new(identity)]),
            Ok(age::ssh::Identity::Encrypted(_)) => Err(wrong("it is protected by a passphrase", PASSPHRASE)),
            Ok(age::ssh::Identity::Unsupported(_)) => Err(wrong("keys of this kind can't decrypt", "use an ed25519 or RSA key")),
            Err(_) => Err(wrong("it has no identity", FORMS)),
        };
    }
    let identities = age::IdentityFile::from_buffer(&text[..]).ok().and_then(|file| file.into_identities().ok());
    identities.filter(|all| !all.is_empty()).ok_or_else(|| wrong("it has no identity", FORMS))
}
