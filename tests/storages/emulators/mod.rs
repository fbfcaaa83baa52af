//! Emulators of storages, started by the tests: one of each for all tests of this process, on a free port of 127.0.0.1, gone
//! when the process is. `tests/setup.sh` installs them into `.emulators`.
//!
//! A test that needs one begins with `let Some(azurite) = emulators::azurite() else { return };`. That is None only with
//! SNAPSHOOTER_LOCAL_ONLY; otherwise an emulator that is missing is a failure.

pub mod azurite;
mod fake_gcs;
pub mod fake_s3;
pub mod folder;
mod gcs;
pub mod httpd;
mod own;
pub mod process;
mod remotes;
mod s3;
mod sftp;
pub mod sidedoor;
mod webdav;

pub use azurite::azurite;
pub use fake_gcs::fake_gcs;
pub use folder::http_server;
pub use gcs::gcs;
pub use remotes::{rclone_crypt, rclone_local, rclone_s3, rclone_webdav};
pub use s3::moto;
pub use sftp::{openssh, rclone_sftp, sshd};
pub use webdav::{rclone, wsgidav, wsgidav_with_digest};

use snapshooter::internals::storage::{Location, Options, Store};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What all emulators can do for a test.
pub trait Emulator: Send + Sync {
    /// Its name, for messages and tables of known faults.
    fn name(&self) -> &'static str;

    /// The port that it answers on.
    fn port(&self) -> u16;

    /// An empty root that no other test has: a container, bucket or folder.
    fn fresh(&self) -> Root {
        let root = self.missing();
        self.make(&root);
        root
    }

    /// A root that is not there.
    fn missing(&self) -> Root;

    /// Makes the container, bucket or folder of a root.
    fn make(&self, root: &Root);

    /// The storage of a root, for the checks.
    fn open(&self, root: &Root) -> Arc<dyn Store> {
        root.open()
    }

    /// The same root with credentials that are wrong; None where the emulator takes any. The word `wrongsecret` must not be
    /// seen in any message.
    fn denied(&self, root: &Root) -> Option<Root>;

    /// Puts objects there behind the back of our own code.
    fn plant(&self, root: &Root, objects: &[Planted]);

    /// All that is there, found without our own code: names below the root, and their content.
    fn there(&self, root: &Root) -> BTreeMap<Vec<u8>, Vec<u8>>;
}

/// An object to be planted.
#[derive(Clone, Debug, Default)]
pub struct Planted {
    /// Its name below the root.
    pub key: String,
    /// Its content.
    pub content: Vec<u8>,
    /// Its content type.
    pub content_type: Option<String>,
    /// The md5 that is claimed for it, in base64, where it is not to be the right one.
    pub md5: Option<String>,
    /// Metadata of the user.
    pub metadata: BTreeMap<String, String>,
}

impl Planted {
    /// An object with nothing special.
    pub fn new(key: &str, content: impl AsRef<[u8]>) -> Planted {
        Planted { key: key.to_string(), content: content.as_ref().to_vec(), ..Planted::default() }
    }
}

/// A root in an emulator, as a user would give it.
#[derive(Clone, Debug)]
pub struct Root {
    /// `az://container/prefix` and the like.
    pub url: String,
    /// JSON for `--*-storage-options`.
    pub options: String,
    /// The container, bucket or folder.
    pub container: String,
    /// What the root's keys lie below in it: empty, or with a `/` at its end.
    pub prefix: String,
}

impl Root {
    /// Opens it as the tools do.
    ///
    /// # Errors
    /// What is refused, in one line.
    pub fn try_open(&self) -> snapshooter::internals::error::Result<Arc<dyn Store>> {
        let options = Options::parse(OsStr::new(&self.options), "--root-storage-options")?;
        Ok(Location::parse(OsStr::new(&self.url), "root", &options)?.store())
    }

    /// Opens it as the tools do.
    #[track_caller]
    pub fn open(&self) -> Arc<dyn Store> {
        self.try_open().unwrap_or_else(|e| panic!("open {}: {e} {:?}", self.url, e.help()))
    }

    /// A folder below it.
    pub fn below(&self, folder: &str) -> Root {
        let mut below = self.clone();
        below.url = format!("{}/{folder}", self.url);
        below.prefix = format!("{}{folder}/", self.prefix);
        below
    }

    /// The same root, reached through another port: that of a proxy before the emulator.
    pub fn through(&self, emulator: &dyn Emulator, port: u16) -> Root {
        let (from, to) = (format!(":{}", emulator.port()), format!(":{port}"));
        assert!(self.url.contains(&from) || self.options.contains(&from), "{self:?} does not tell the port");
        let mut other = self.clone();
        other.url = self.url.replace(&from, &to);
        other.options = self.options.replace(&from, &to);
        other
    }
}

/// All of them that objects can be put to.
pub fn all() -> Vec<&'static dyn Emulator> {
    let mut all: Vec<&'static dyn Emulator> = vec![fake_gcs()];
    all.extend(azurite().map(|e| e as &dyn Emulator));
    all.extend(moto().map(|e| e as &dyn Emulator));
    all.extend(gcs().map(|e| e as &dyn Emulator));
    all.extend(wsgidav().map(|e| e as &dyn Emulator));
    all.extend(rclone().map(|e| e as &dyn Emulator));
    all.extend(sshd().map(|e| e as &dyn Emulator));
    all
}

/// Whether the tests that need emulators shall not run. They say it with `what`.
pub fn local_only(what: &str) -> bool {
    let local = std::env::var_os("SNAPSHOOTER_LOCAL_ONLY").is_some_and(|v| !v.is_empty());
    if local {
        // Past the harness, which shows the output of failed tests alone.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "not run, because of SNAPSHOOTER_LOCAL_ONLY: {what}");
    }
    local
}

/// A file that `tests/setup.sh` installs into `.emulators`.
pub fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".emulators").join(path);
    assert!(path.exists(), "{} is missing: run `tests/setup.sh`, or set SNAPSHOOTER_LOCAL_ONLY=1", path.display());
    path
}

/// A command that `tests/setup.sh` installs with a Debian package.
pub fn command(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|f| f.join(name)).find(|p| p.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: run `tests/setup.sh`, or set SNAPSHOOTER_LOCAL_ONLY=1"))
}

/// A name that nothing else in this process has.
pub fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("test-{:04}", COUNT.fetch_add(1, Ordering::Relaxed))
}
