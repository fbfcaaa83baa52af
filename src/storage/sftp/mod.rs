//! `sftp://` and `ssh://`: folders of another machine, over the program `ssh`, which supports keys, agents and `~/.ssh/config`.

mod connect;
mod entries;
mod file;
mod names;

use self::connect::{Login, Session, may_pass};
use super::place::Place;
use super::resume::resumed;
use super::retry::Policy;
use super::runtime::block_on;
use super::store::{Body, Get, Got, Listing, Object, Put, Store, check_key};
use super::traffic::{self, UnderWay};
use super::tree::{self, Child, Listed};
use super::{LoginRefused, Options};
use crate::error::{Error, Result};
use crate::parallel::lock;
use crate::time::Time;
use futures_util::StreamExt;
use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::metadata::MetaData;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The names of the options.
const KNOWN: [&str; 7] = ["host", "host_key_policy", "key_filename", "known_hosts", "password", "port", "username"];

/// The longest time that an answer may take.
const STALL: Duration = Duration::from_secs(60);

/// The approximate size of a request and its answer in bytes, without a content or a listing.
const REQUEST: usize = 256;

/// A folder of another machine.
struct Sftp {
    url: String,
    /// The path of the root: empty for `/`, or with a `/` at its start and none at its end.
    root: String,
    login: Login,
    /// All threads share one connection.
    session: Mutex<Held>,
    policy: Policy,
    /// The server reported that it made a hard link, but there was none.
    lies_about_links: AtomicBool,
}

/// The connection.
#[derive(Default)]
enum Held {
    #[default]
    None,
    Open(Arc<Session>),
    /// The reason why connecting failed for good, and whether the server refused the login.
    Refused(io::ErrorKind, String, bool),
}

/// Opens `scheme://[user@]HOST[:PORT]/path`; the path is literal and absolute. Options: `host`, `port`, `username`, which take
/// precedence over the URL; `key_filename`; and for host keys `known_hosts` or `host_key_policy`: `strict` (the host key has to
/// be known; the default), `add` (a new host key is added to the known ones), `accept` (any host key), or the path of a file of
/// known hosts.
///
/// # Errors
/// If the URL has no host, or a password, which `ssh` takes only from a terminal; if an option is unknown or malformed.
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
    Ok(Arc::new(Sftp::new(url, root, login)))
}

impl Sftp {
    fn new(url: String, root: String, login: Login) -> Sftp {
        Sftp { url, root, login, session: Mutex::default(), policy: Policy::default(), lies_about_links: AtomicBool::new(false) }
    }

    fn path(&self, key: &str) -> String {
        match key {
            "" if self.root.is_empty() => "/".to_string(),
            "" => self.root.clone(),
            key => format!("{}/{key}", self.root),
        }
    }

    /// Returns the connection, a new one if there is none.
    fn session(&self) -> io::Result<Arc<Session>> {
        // Locked while connecting, so that other threads wait for this connection.
        let mut held = lock(&self.session);
        match &*held {
            Held::Open(session) => return Ok(session.clone()),
            Held::Refused(_, reason, true) => return Err(LoginRefused(reason.clone()).into()),
            Held::Refused(kind, reason, false) => return Err(io::Error::new(*kind, reason.clone())),
            Held::None => {}
        }
        let mut tries = self.policy.begin();
        let session = loop {
            match block_on(Session::connect(&self.login))? {
                Ok(session) => break Arc::new(session),
                Err(e) if may_pass(&e) => std::thread::sleep(tries.again(None).ok_or(e)?),
                Err(e) => {
                    *held = Held::Refused(e.kind(), e.to_string(), LoginRefused::is(&e));
                    return Err(e);
                }
            }
        };
        *held = Held::Open(session.clone());
        Ok(session)
    }

    /// Gives up a connection that has failed.
    fn give_up(&self, failed: &Arc<Session>) {
        let mut held = lock(&self.session);
        if matches!(&*held, Held::Open(session) if Arc::ptr_eq(session, failed)) {
            *held = Held::None;
        }
    }

    /// Does some work over the connection. If the connection breaks, the work is done again over a new one.
    fn run<T>(
        &self,
        work: impl AsyncFn(&Session) -> Result<T, openssh_sftp_client::Error>,
    ) -> io::Result<Result<T, SftpErrorKind>> {
        let mut tries = self.policy.begin();
        loop {
            let session = self.session()?;
            let done = block_on(async {
                traffic::turn(REQUEST).await;
                let _under_way = UnderWay::begin();
                tokio::time::timeout(STALL, work(&session)).await
            })?;
            let reason = match done {
                Ok(Ok(done)) => return Ok(Ok(done)),
                Ok(Err(openssh_sftp_client::Error::SftpError(kind, _))) => return Ok(Err(kind)),
                Ok(Err(e)) => session.last_words().unwrap_or_else(|| reason(&e)),
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
        tree::failed(&self.url, kind, reason)
    }

    fn refused(&self, kind: SftpErrorKind) -> io::Error {
        let (kind, reason) = described(kind);
        self.failed(kind, reason)
    }

    /// Returns the metadata of a path, with links followed; None if there is nothing.
    fn metadata(&self, path: &str) -> io::Result<Option<MetaData>> {
        match self.run(async |session| session.sftp.fs().metadata(path).await)? {
            Ok(found) => Ok(Some(found)),
            Err(SftpErrorKind::NoSuchFile) => Ok(None),
            Err(kind) => Err(self.refused(kind)),
        }
    }

    /// Lists a folder, for [`tree::list`], with links followed or as they are.
    fn folder(&self, folder: &str, links: entries::Links) -> io::Result<Listed> {
        let path = self.path(folder);
        let read = self.run(async |session| {
            let mut entries = std::pin::pin!(session.sftp.fs().open_dir(&path).await?.read_dir());
            let mut all = Vec::new();
            while let Some(entry) = entries.next().await {
                let entry = entry?;
                all.push((names::bytes_of(entry.filename().as_os_str().as_bytes()), entry.metadata()));
            }
            Ok(all)
        })?;
        let all = match read {
            Ok(all) => all,
            // Servers give no separate status for a file, for a missing folder, and for other failures.
            Err(kind) => {
                return Ok(match self.run(async |session| session.sftp.fs().metadata(&path).await)? {
                    Ok(found) if !is(&found, |kind| kind.is_dir()) => Listed::File,
                    Err(SftpErrorKind::NoSuchFile) => Listed::Missing,
                    _ => {
                        let (kind, reason) = described(kind);
                        Listed::Refused(kind, reason.to_string())
                    }
                });
            }
        };
        // An entry has its name twice.
        traffic::moved(all.iter().map(|(name, _)| 2 * name.len() + 100).sum());
        let mut out = Vec::with_capacity(all.len());
        for (name, meta) in all.into_iter().filter(|(name, _)| !matches!(&name[..], b"." | b"..")) {
            out.extend(self.what(&path, &name, meta, links)?.map(|what| Child { name, what }));
        }
        Ok(Listed::Children(out))
    }

    /// Whether there is a file of this size.
    fn is_there(&self, path: &str, size: u64) -> io::Result<bool> {
        Ok(self.metadata(path)?.is_some_and(|found| found.len() == Some(size)))
    }

    /// Checks that a file that the server claims to have deleted is gone.
    fn is_gone(&self, path: &str) -> io::Result<()> {
        match self.run(async |session| session.sftp.fs().symlink_metadata(path).await)? {
            Err(SftpErrorKind::NoSuchFile) => Ok(()),
            Ok(_) => Err(self.failed(io::ErrorKind::Other, "the server claims to have deleted it, but it is still there")),
            Err(kind) => Err(self.refused(kind)),
        }
    }
}

/// Returns a status of the protocol in words. The protocol has no status for a full disk, a name that is too long, and so on.
fn described(kind: SftpErrorKind) -> (io::ErrorKind, &'static str) {
    match kind {
        SftpErrorKind::NoSuchFile => (io::ErrorKind::NotFound, "not found"),
        SftpErrorKind::PermDenied => (io::ErrorKind::PermissionDenied, "permission denied"),
        SftpErrorKind::OpUnsupported => (io::ErrorKind::Unsupported, "the server can't do that"),
        _ => (io::ErrorKind::Other, "the server has failed to do that"),
    }
}

/// Returns an error of the library in words, without the names of its types.
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

/// Returns an object; None if the server does not say its size.
fn object(key: Vec<u8>, meta: &MetaData) -> Option<Object> {
    let modified = meta.modified().map(|time| Time { sec: i64::from(time.into_raw()), nsec: 0 });
    Some(Object { key, size: meta.len()?, modified, ..Object::default() })
}

/// An object exists whole or not at all: it is written under another name in the same folder (`.snap-*.tmp`) and synced, its size
/// is compared, it is moved to its place, and its size is compared there again. Put-if-absent is atomic if the server makes hard
/// links, as OpenSSH does on file systems that have them; otherwise it only checks first whether the object exists. `ssh` notices
/// changes on the way. There are no etags and no md5s, times are whole seconds, and attributes are not kept.
impl Store for Sftp {
    fn url(&self) -> &str {
        &self.url
    }

    fn list_in<'a>(&'a self, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
        tree::list(prefix, enters, move |folder| self.folder(folder, entries::Links::Follow), &self.url)
    }

    fn makes_roots(&self) -> bool {
        true
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        let found = self.metadata(&self.path(tree::check(key)?))?;
        let Some(found) = found.filter(|found| is(found, |kind| kind.is_file())) else { return Ok(None) };
        let object = object(key.to_vec(), &found);
        object.map(Some).ok_or_else(|| self.failed(io::ErrorKind::Unsupported, "the server does not say the file's size"))
    }

    fn has_links(&self) -> bool {
        true
    }

    fn entries(&self) -> Listing<'_> {
        tree::list(b"", |_| true, move |folder| self.folder(folder, entries::Links::Keep), &self.url)
    }

    fn entry(&self, key: &[u8]) -> io::Result<Option<Object>> {
        self.look(key)
    }

    fn put_link(&self, key: &[u8], target: &[u8]) -> io::Result<()> {
        file::put_link(self, &self.path(tree::check(key)?), target)
    }

    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        let path = self.path(tree::check(key)?);
        get.check_current()?;
        if get.etag.is_some() {
            return Err(self.failed(io::ErrorKind::Unsupported, "it has no etags"));
        }
        file::open(self, path, get.from, get.len).map(Got::from)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        file::put(self, &self.path(tree::check(key)?), body, how)
    }

    fn puts_if_absent(&self) -> bool {
        !self.lies_about_links.load(Ordering::Relaxed) && self.session().is_ok_and(|session| session.sftp.support_hardlink())
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        let one = |key: &Vec<u8>| {
            check_key(key)?;
            let Ok(key) = tree::check(key) else { return Ok(()) };
            let path = self.path(key);
            match self.run(async |session| session.sftp.fs().remove_file(&path).await)? {
                Ok(()) => self.is_gone(&path),
                Err(SftpErrorKind::NoSuchFile) => Ok(()),
                // A folder is not an object, so there is nothing to delete.
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
