//! `sftp://` and `ssh://`: folders of another machine, through the program `ssh`, which brings keys, agents and `~/.ssh/config`.

mod connect;
mod file;

use self::connect::{Login, Session};
use super::Options;
use super::resume::resumed;
use super::retry::Policy;
use super::runtime::block_on;
use super::store::{Body, Listing, Object, Put, Store, check_key};
use super::tree::{self, Child};
use super::web::Place;
use crate::error::{Error, Result, printable};
use crate::time::Time;
use futures_util::StreamExt;
use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::metadata::MetaData;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The options that it has.
const KNOWN: [&str; 7] = ["host", "host_key_policy", "key_filename", "known_hosts", "password", "port", "username"];

/// One answer takes no longer.
const STALL: Duration = Duration::from_secs(60);

/// A folder of another machine.
struct Sftp {
    url: String,
    /// Its path: empty for `/`, or with a first `/` and none at its end.
    root: String,
    login: Login,
    /// All threads share one connection.
    session: Mutex<Option<Arc<Session>>>,
    policy: Policy,
}

/// Opens `scheme://[user@]HOST[:PORT]/path`; the path is literal and absolute. Options: `host`, `port`, `username`, which win over
/// the URL, `key_filename`, and what to do about the keys of hosts, `known_hosts` or `host_key_policy`: `strict` (the host has to
/// be known; the default), `add` (a new one becomes known), `accept` (any), or a path of a file of known hosts.
///
/// # Errors
/// If the URL has no host, or a password, which `ssh` takes from nobody but a person; if the options are not for it.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    options.check(&KNOWN, scheme)?;
    let place = Place::parse(scheme, rest)?;
    if place.password.is_some() || options.value("password").is_some() {
        let help = "use a key (option key_filename) or an agent (ssh-add)";
        return Err(Error::advise(format!("{scheme}://: passwords can't be used"), help));
    }
    let login = Login::new(&place, options)?;
    let user = login.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = login.port.map(|port| format!(":{port}")).unwrap_or_default();
    let url = format!("{scheme}://{user}{}{port}{}", login.host, place.path);
    let root = tree::root(&place.path, &url)?;
    Ok(Arc::new(Sftp { url, root, login, session: Mutex::default(), policy: Policy::default() }))
}

impl Sftp {
    fn path(&self, key: &str) -> String {
        match key {
            "" if self.root.is_empty() => "/".to_string(),
            "" => self.root.clone(),
            key => format!("{}/{key}", self.root),
        }
    }

    /// The connection; a new one where there is none.
    fn session(&self) -> io::Result<Arc<Session>> {
        // Held while connecting: others would only connect as well.
        let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &*held {
            return Ok(session.clone());
        }
        let mut tries = self.policy.begin();
        let session = loop {
            match block_on(Session::connect(&self.login))? {
                Ok(session) => break session,
                Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound) => return Err(e),
                Err(e) => std::thread::sleep(tries.again(None).ok_or(e)?),
            }
        };
        Ok(held.insert(Arc::new(session)).clone())
    }

    /// Gives a connection up that has failed.
    fn give_up(&self, failed: &Arc<Session>) {
        let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|session| Arc::ptr_eq(session, failed)) {
            *held = None;
        }
    }

    /// Does something over the connection, and again over a new one where that has broken.
    fn run<T>(
        &self,
        work: impl AsyncFn(&Session) -> Result<T, openssh_sftp_client::Error>,
    ) -> io::Result<Result<T, SftpErrorKind>> {
        let mut tries = self.policy.begin();
        loop {
            let session = self.session()?;
            crate::storage::count_request();
            let reason = match block_on(async { tokio::time::timeout(STALL, work(&session)).await })? {
                Ok(Ok(done)) => return Ok(Ok(done)),
                Ok(Err(openssh_sftp_client::Error::SftpError(kind, _))) => return Ok(Err(kind)),
                Ok(Err(e)) => reason(&e),
                Err(_) => "no answer".to_string(),
            };
            self.give_up(&session);
            match tries.again(None) {
                Some(wait) => std::thread::sleep(wait),
                None => return Err(self.failed(io::ErrorKind::Other, &reason)),
            }
        }
    }

    fn failed(&self, kind: io::ErrorKind, reason: &str) -> io::Error {
        io::Error::new(kind, format!("{}: {}", printable(self.url.as_bytes()), printable(reason.as_bytes())))
    }

    fn refused(&self, kind: SftpErrorKind) -> io::Error {
        match kind {
            SftpErrorKind::NoSuchFile => self.failed(io::ErrorKind::NotFound, "not found"),
            SftpErrorKind::PermDenied => self.failed(io::ErrorKind::PermissionDenied, "permission denied"),
            SftpErrorKind::OpUnsupported => self.failed(io::ErrorKind::Unsupported, "the server can't do that"),
            // It tells no more of a full disk, a name that is too long, and so on.
            _ => self.failed(io::ErrorKind::Other, "the server has failed to do that"),
        }
    }

    /// What is there under a path, links followed; None if there is nothing.
    fn metadata(&self, path: &str) -> io::Result<Option<MetaData>> {
        match self.run(async |session| session.sftp.fs().metadata(path).await)? {
            Ok(found) => Ok(Some(found)),
            Err(SftpErrorKind::NoSuchFile) => Ok(None),
            Err(kind) => Err(self.refused(kind)),
        }
    }

    /// The children of a folder, as [`tree::list`] wants them. A link to a file counts as that file; one to a folder, or to nothing,
    /// is none of them: it could lead back.
    fn children(&self, folder: &str) -> io::Result<Option<Vec<Child>>> {
        let path = self.path(folder);
        let read = self.run(async |session| {
            let mut entries = std::pin::pin!(session.sftp.fs().open_dir(&path).await?.read_dir());
            let mut all = Vec::new();
            while let Some(entry) = entries.next().await {
                let entry = entry?;
                all.push((entry.filename().as_os_str().as_bytes().to_vec(), entry.metadata()));
            }
            Ok(all)
        });
        // The library breaks the connection off at such a name.
        let read = read.map_err(|e| match e.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => e,
            kind => io::Error::new(kind, format!("{e}; perhaps a name in {} is not UTF-8", printable(path.as_bytes()))),
        })?;
        let all = match read {
            Ok(all) => all,
            Err(SftpErrorKind::NoSuchFile) => return Ok(None),
            // A file is no folder; servers say of it only that they failed.
            Err(kind) => match self.metadata(&path)? {
                Some(found) if !is(&found, |kind| kind.is_dir()) => return Ok(Some(Vec::new())),
                _ => return Err(self.refused(kind)),
            },
        };
        let mut out = Vec::new();
        for (name, mut meta) in all {
            if matches!(&name[..], b"." | b"..") {
                continue;
            }
            if name.is_empty() || name.contains(&b'/') {
                return Err(self.failed(io::ErrorKind::InvalidData, "the listing has a name from elsewhere"));
            }
            // Some servers tell no types in listings.
            if is(&meta, |kind| kind.is_symlink()) || meta.file_type().is_none() {
                let Ok(text) = std::str::from_utf8(&name) else { continue };
                match self.metadata(&format!("{}/{text}", path.trim_end_matches('/')))? {
                    Some(found) if is(&found, |kind| kind.is_file()) => meta = found,
                    _ => continue,
                }
            }
            if is(&meta, |kind| kind.is_dir()) {
                out.push(Child { name, object: None });
            } else if is(&meta, |kind| kind.is_file()) {
                out.push(Child { name, object: Some(object(Vec::new(), &meta)) });
            }
        }
        Ok(Some(out))
    }
}

/// What the library says, without what it says of its own types.
fn reason(e: &openssh_sftp_client::Error) -> String {
    match e {
        openssh_sftp_client::Error::IOError(e) => crate::error::reason(e),
        openssh_sftp_client::Error::SftpError(kind, _) => format!("{kind:?}"),
        openssh_sftp_client::Error::BackgroundTaskFailure(_) => "the connection broke".to_string(),
        e => e.to_string(),
    }
}

fn is(meta: &MetaData, what: impl Fn(openssh_sftp_client::metadata::FileType) -> bool) -> bool {
    meta.file_type().is_some_and(what)
}

fn object(key: Vec<u8>, meta: &MetaData) -> Object {
    let modified = meta.modified().map(|time| Time { sec: i64::from(time.into_raw()), nsec: 0 });
    Object { key, size: meta.len().unwrap_or(0), modified, ..Object::default() }
}

/// What it promises: an object is there whole or not at all: it is written under another name in the same folder
/// (`.snap-*.tmp`), flushed to the disk, its size compared, and then put in place. Put-if-absent is atomic where the
/// server makes hard links, as OpenSSH does on file systems that have them. What is altered on the way `ssh` itself finds out.
/// Neither etags nor md5s; times are whole seconds; attributes are not kept.
impl Store for Sftp {
    fn url(&self) -> &str {
        &self.url
    }

    fn list<'a>(&'a self, prefix: &[u8]) -> Listing<'a> {
        tree::list(prefix, move |folder| self.children(folder), &self.url)
    }

    fn lists_in_order(&self) -> bool {
        true
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        let found = self.metadata(&self.path(tree::check(key)?))?;
        Ok(found.filter(|found| is(found, |kind| kind.is_file())).map(|found| object(key.to_vec(), &found)))
    }

    fn open(&self, key: &[u8], from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
        let path = self.path(tree::check(key)?);
        if etag.is_some() {
            return Err(self.failed(io::ErrorKind::Unsupported, "it has no etags"));
        }
        file::open(self, path, from, len)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        file::put(self, &self.path(tree::check(key)?), body, how)
    }

    fn puts_if_absent(&self) -> bool {
        self.session().is_ok_and(|session| session.sftp.support_hardlink())
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        let one = |key: &Vec<u8>| {
            check_key(key)?;
            let Ok(key) = tree::check(key) else { return Ok(()) };
            let path = self.path(key);
            match self.run(async |session| session.sftp.fs().remove_file(&path).await)? {
                Ok(()) | Err(SftpErrorKind::NoSuchFile) => Ok(()),
                // A folder is no object, so there is none.
                Err(kind) => match self.metadata(&path)? {
                    Some(found) if !is(&found, |kind| kind.is_dir()) => Err(self.refused(kind)),
                    _ => Ok(()),
                },
            }
        };
        keys.iter().map(one).collect()
    }

    fn jobs(&self) -> usize {
        8
    }
}
