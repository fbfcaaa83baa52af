//! `rclone://`: every storage that the program rclone knows, through its remote control and its listings.
//!
//! Contents and single objects go through one rclone that runs as long as the root is open, so that there is one login. Listings
//! are the output of another one, because the remote control would hold a whole listing in memory.

mod api;
mod busy;
mod child;
mod list;
mod put;
mod read;
mod remote;
mod words;

use self::api::Control;
use self::busy::Busy;
use self::child::Settings;
use self::remote::Remote;
use self::words::Refused;
use super::attributes::settings;
use super::retry::Policy;
use super::store::{Body, Get, Got, Listing, Object, Put, Store};
use super::{LoginRefused, Options, tree, web};
use crate::digest::Md5;
use crate::error::{Result, named};
use crate::files;
use crate::parallel::{self, lock};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;

/// The names of the options.
const KNOWN: [&str; 2] = ["config", "program"];

/// The times, in seconds, of objects of which rclone knows no time: the beginning of 1970 and of 2000.
const NO_TIMES: [i64; 2] = [0, 946_684_800];

/// The number of calls at once.
const JOBS: usize = 16;

/// A folder of a remote.
struct Rclone {
    url: String,
    remote: Remote,
    settings: Settings,
    policy: Policy,
    /// All threads share one rclone.
    control: Mutex<Held>,
    /// A folder for contents on their way to rclone.
    spool: OnceLock<TempDir>,
    busy: Busy,
}

/// The running rclone.
#[derive(Default)]
enum Held {
    #[default]
    None,
    Open(Arc<Control>),
    /// The reason why it can't start, and whether the login was refused.
    Refused(ErrorKind, String, bool),
}

/// An entry of a listing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    path: String,
    size: i64,
    #[serde(default)]
    mod_time: String,
    #[serde(default)]
    mime_type: String,
    #[serde(default)]
    is_dir: bool,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

/// Opens `rclone://REMOTE/path`; the path is literal. Options: `config` (the file with the remotes), `program` (the name or path of
/// rclone).
///
/// # Errors
/// If the URL names no remote, or contains settings; if an option is unknown or malformed.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    options.check(&KNOWN, scheme)?;
    let remote = Remote::parse(scheme, rest)?;
    let program = options.text("program")?.unwrap_or_else(|| "rclone".to_string());
    if program.starts_with('-') {
        return Err(options.wrong("program", "the name or the path of a program"));
    }
    let settings = Settings { program, config: options.text("config")? };
    let url = remote.url();
    Ok(Arc::new(Rclone {
        url,
        remote,
        settings,
        policy: Policy::default(),
        control: Mutex::default(),
        spool: OnceLock::new(),
        busy: Busy::default(),
    }))
}

impl Rclone {
    /// Returns the running rclone; starts one if there is none.
    fn control(&self) -> io::Result<Arc<Control>> {
        // Locked while it starts, so that other threads wait for it.
        let mut held = lock(&self.control);
        match &*held {
            Held::Open(control) => return Ok(control.clone()),
            Held::Refused(_, reason, true) => return Err(LoginRefused(reason.clone()).into()),
            Held::Refused(kind, reason, false) => return Err(io::Error::new(*kind, reason.clone())),
            Held::None => {}
        }
        match Control::start(&self.settings, &self.remote.fs(""), self.spool()?) {
            Ok(control) => {
                let control = Arc::new(control);
                *held = Held::Open(control.clone());
                Ok(control)
            }
            Err(e) => {
                *held = Held::Refused(e.kind(), e.to_string(), LoginRefused::is(&e));
                Err(e)
            }
        }
    }

    /// Returns the folder for contents on their way to rclone.
    fn spool(&self) -> io::Result<&Path> {
        if self.spool.get().is_none() {
            let folder = tempfile::Builder::new().prefix("snapshooter-rclone-").tempdir();
            drop(self.spool.set(folder.map_err(|e| named(&files::temporaries(), &e))?));
        }
        self.spool.get().map(TempDir::path).ok_or_else(|| io::Error::other("no folder"))
    }

    /// Makes a request. If rclone has ended, another one is started.
    fn ask(&self, command: &str, parameters: &Value) -> io::Result<Result<Value, Refused>> {
        let mut tries = self.policy.begin();
        loop {
            let control = self.control()?;
            match control.ask(command, parameters.clone()) {
                Err(e) if e.kind() == ErrorKind::ConnectionReset => {
                    self.give_up(&control);
                    std::thread::sleep(tries.again(None).ok_or(e)?);
                }
                done => return done,
            }
        }
    }

    fn give_up(&self, failed: &Arc<Control>) {
        let mut held = lock(&self.control);
        if matches!(&*held, Held::Open(control) if Arc::ptr_eq(control, failed)) {
            *held = Held::None;
        }
    }

    fn failed(&self, kind: ErrorKind, reason: &str) -> io::Error {
        tree::failed(&self.url, kind, reason)
    }

    /// Returns the parameters of a request about an object.
    fn about(&self, key: &str) -> Value {
        json!({ "fs": self.remote.fs(""), "remote": key })
    }

    /// Returns the object under a key.
    fn look(&self, key: &str) -> io::Result<Option<Object>> {
        let facts = self.control()?.facts.clone();
        let mut parameters = self.about(key);
        parameters["opt"] = json!({
            "filesOnly": true,
            "noMimeType": !facts.lists_types,
            "showHash": facts.has_md5 && facts.has_fast_digests,
            "hashTypes": ["md5"],
        });
        match self.ask("operations/stat", &parameters)? {
            Ok(mut answer) => match answer.get_mut("item").map(Value::take) {
                None => Err(self.failed(ErrorKind::InvalidData, "rclone answers without an item")),
                Some(Value::Null) => Ok(None),
                Some(item) => {
                    let item: Item = serde_json::from_value(item)
                        .map_err(|_| self.failed(ErrorKind::InvalidData, "rclone describes it in another form"))?;
                    if item.is_dir {
                        return Ok(None);
                    }
                    item.object(key.as_bytes().to_vec(), &facts)
                        .map(Some)
                        .map_err(|reason| self.failed(ErrorKind::Unsupported, reason))
                }
            },
            Err(refused) if refused.kind == ErrorKind::NotFound => Ok(None),
            Err(refused) => Err(refused.named(&self.url)),
        }
    }

    /// Deletes an object, and looks whether it is gone.
    fn remove(&self, key: &str) -> io::Result<()> {
        match self.ask("operations/deletefile", &self.about(key))? {
            Ok(_) => match self.look(key)? {
                None => Ok(()),
                Some(_) => Err(self.failed(ErrorKind::Other, "rclone claims to have deleted it, but it is still there")),
            },
            // A folder is not an object, so there is nothing to delete.
            Err(refused) if matches!(refused.kind, ErrorKind::NotFound | ErrorKind::IsADirectory) => Ok(()),
            Err(refused) => Err(refused.named(&self.url)),
        }
    }
}

impl Item {
    /// Returns the object, or why it can't be one.
    fn object(self, key: Vec<u8>, facts: &api::Facts) -> Result<Object, &'static str> {
        let Ok(size) = u64::try_from(self.size) else {
            return Err("it has no size before it is read, like a Google document: leave it out, or export it to a file");
        };
        let content_type = Some(self.mime_type).filter(|t| facts.lists_types && !t.is_empty());
        Ok(Object {
            key,
            size,
            modified: web::time(&self.mod_time).filter(|time| !NO_TIMES.contains(&time.sec)),
            etag: None,
            md5: self.hashes.get("md5").and_then(|md5| Md5::parse(md5)),
            more: content_type.map(|t| settings([("content_type", Some(t.as_str()))])).into_iter().collect(),
            ..Object::default()
        })
    }
}

/// Checks that rclone has exactly this name for an object: it replaces control characters by symbols.
fn check(key: &[u8]) -> io::Result<&str> {
    let key = tree::check(key)?;
    match key.contains(char::is_control) {
        true => Err(io::Error::new(ErrorKind::InvalidInput, "rclone takes no names with control characters")),
        false => Ok(key),
    }
}

/// An object exists whole or not at all: rclone uploads it from a file, and compares the digest if the remote has one that rclone
/// knows. If the remote shows an object that is not complete, and can move objects, it is uploaded under another name in the same
/// folder (`.snap-*.tmp`) and then moved. Its size, and its md5 if the remote has that, are compared under its name. Put-if-absent
/// looks first. There are no etags; attributes are not kept.
impl Store for Rclone {
    fn url(&self) -> &str {
        &self.url
    }

    fn list_in<'a>(&'a self, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
        list::list(self, prefix, enters)
    }

    fn makes_roots(&self) -> bool {
        true
    }

    fn lists_in_order(&self) -> bool {
        false
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        match check(key) {
            Err(e) if tree::check(key).is_err() => Err(e),
            // Nothing has such a name.
            Err(_) => Ok(None),
            Ok(key) => self.look(key),
        }
    }

    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        let key = check(key)?;
        get.check_current()?;
        if get.etag.is_some() {
            return Err(self.failed(ErrorKind::Unsupported, "it has no etags"));
        }
        let mut get = *get;
        if get.from > 0 || get.len.is_some() {
            // The answers for ranges behind the end are no valid ones.
            let Some(object) = self.look(key)? else { return Err(self.failed(ErrorKind::NotFound, "not found")) };
            let left = object.size.saturating_sub(get.from);
            get.len = Some(get.len.unwrap_or(left).min(left));
        }
        read::open(self.control()?, &self.remote.content(key), &get, &self.url)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        let key = check(key)?;
        let _busy = self.busy.enter(key);
        put::put(self, key, body, how)
    }

    fn puts_if_absent(&self) -> bool {
        false
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        let one = |key: &Vec<u8>| match check(key) {
            Ok(key) => self.remove(key),
            Err(e) if super::check_key(key).is_err() => Err(e),
            Err(_) => Ok(()),
        };
        let mut done: Vec<io::Result<()>> = keys.iter().map(|_| Ok(())).collect();
        parallel::at_once(JOBS.min(keys.len()), done.iter_mut().zip(keys), |(done, key)| *done = one(key));
        done
    }

    fn jobs(&self) -> usize {
        JOBS
    }
}
