//! The remote control of rclone: requests in JSON to a process of its own, over the loopback interface.

use super::child::{Running, Settings};
use super::words::{Refused, shown};
use crate::display::printable;
use crate::storage::retry::Policy;
use crate::storage::runtime::block_on;
use crate::storage::traffic::{self, UnderWay};
use crate::storage::web;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, Url};
use serde_json::{Value, json};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// The longest time that rclone may take to start.
const STARTS: Duration = Duration::from_secs(60);

/// How long to wait for the last message of an rclone that does not answer any more.
const ENDS: Duration = Duration::from_secs(3);

/// The longest time that an answer may take. Within it, rclone tries again what fails and may pass, and gives up.
const LONGEST: Duration = Duration::from_secs(1800);

/// The largest answer in bytes.
const MOST: usize = 64 << 20;

/// The oldest version that has all requests which are made here.
const OLDEST: [u64; 2] = [1, 60];

/// Services that show a file only when it is complete, by the start of what rclone calls a folder there.
const WHOLE: [&str; 6] = ["google drive root", "dropbox root", "one drive root", "onedrive root", "box root", "pcloud root"];

/// What a remote can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// It has an md5 of each object.
    pub has_md5: bool,
    /// The digests cost it nothing: it need not read the object.
    pub has_fast_digests: bool,
    /// It has content types of its own, and lists them.
    pub lists_types: bool,
    /// An object may be seen before it is complete, and it can be moved: it is uploaded under another name first.
    pub needs_temporary: bool,
    /// This version of rclone itself uploads under other names, if it is not told otherwise.
    pub knows_inplace: bool,
}

impl Facts {
    fn of(answer: &Value) -> Facts {
        let features = &answer["Features"];
        let has = |name: &str| features[name].as_bool().unwrap_or(false);
        let hashes = answer["Hashes"].as_array().map(Vec::as_slice).unwrap_or_default();
        // Versions before 1.63 do not tell which remotes show what is not complete yet. Buckets never do.
        let partial = features["PartialUploads"].as_bool();
        let name = answer["String"].as_str().unwrap_or_default().to_ascii_lowercase();
        let is_whole = has("BucketBased") || WHOLE.iter().any(|service| name.starts_with(service));
        Facts {
            has_md5: hashes.iter().any(|hash| hash.as_str() == Some("md5")),
            has_fast_digests: !has("SlowHash"),
            lists_types: has("ReadMimeType") && !has("SlowModTime"),
            needs_temporary: partial.unwrap_or(!is_whole) && has("Move"),
            knows_inplace: partial.is_some(),
        }
    }
}

/// A running rclone that takes requests.
pub struct Control {
    /// What the remote can do.
    pub facts: Facts,
    address: String,
    login: HeaderValue,
    running: Running,
}

impl Control {
    /// Starts rclone, and asks it about a root. The login is random, and no other user can see it: it is passed in the environment.
    /// The folder `spool` is removed if this process is killed.
    ///
    /// # Errors
    /// If there is no rclone, it is too old, or it can't use the root.
    pub fn start(settings: &Settings, fs: &str, spool: &Path) -> io::Result<Control> {
        let password = secret()?;
        let arguments = ["rcd", "--rc-addr", "127.0.0.1:0", "--rc-serve"];
        let variables = [("RCLONE_RC_USER", "snapshooter"), ("RCLONE_RC_PASS", &password)];
        let running = Running::start(settings, Some(spool), &arguments, &variables)?;
        let address = running.wait(STARTS, |said| said.address.clone())?;
        let login = crate::json::to_base64(format!("snapshooter:{password}").as_bytes());
        let mut login = HeaderValue::from_str(&format!("Basic {login}")).map_err(io::Error::other)?;
        login.set_sensitive(true);
        let mut control = Control { facts: Facts::default(), address, login, running };
        let version = control.ask("core/version", json!({}))?.map_err(|refused| refused.named(&settings.program))?;
        check_version(&version, &settings.program)?;
        let facts = control.ask("operations/fsinfo", json!({ "fs": fs }))?.map_err(|refused| refused.named(fs))?;
        control.facts = Facts::of(&facts);
        Ok(control)
    }

    /// Makes a request.
    ///
    /// # Errors
    /// If no answer comes, or something else than one.
    pub fn ask(&self, command: &str, parameters: Value) -> io::Result<Result<Value, Refused>> {
        block_on(self.answer(command, parameters))?
    }

    /// Makes a request. See [`Control::ask`].
    pub async fn answer(&self, command: &str, parameters: Value) -> io::Result<Result<Value, Refused>> {
        let body = parameters.to_string();
        let mut request = self.request(Method::POST, command)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        traffic::turn(body.len()).await;
        *request.body_mut() = Some(body.into());
        let under_way = UnderWay::begin();
        let answered = async {
            let answer = client()?.execute(request).await.map_err(|e| self.broken(&e))?;
            let status = answer.status();
            let body = web::whole(answer, MOST, &Policy::default(), "rclone").await?;
            Ok::<_, io::Error>((status, body))
        };
        let answered = tokio::time::timeout(LONGEST, answered).await;
        drop(under_way);
        let (status, body) = answered.map_err(|_| io::Error::new(ErrorKind::TimedOut, "rclone: no answer"))??;
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|_| io::Error::new(ErrorKind::InvalidData, format!("rclone: status {status}, and no JSON")))?;
        match status.is_success() {
            true => Ok(Ok(answer)),
            false => Ok(Err(Refused::new(answer["error"].as_str().unwrap_or("no reason")))),
        }
    }

    /// Returns a request with the login, to this percent-encoded path.
    ///
    /// # Errors
    /// If it is no URL.
    pub fn request(&self, method: Method, path: &str) -> io::Result<Request> {
        let url = Url::parse(&format!("{}/{path}", self.address));
        let url = url.map_err(|_| io::Error::new(ErrorKind::InvalidInput, "not a URL"))?;
        let mut request = Request::new(method, url);
        request.headers_mut().insert(AUTHORIZATION, self.login.clone());
        Ok(request)
    }

    /// Returns the error for a request without an answer.
    pub fn broken(&self, e: &reqwest::Error) -> io::Error {
        // If it has ended, its last message says why.
        drop(self.running.wait(ENDS, |said| said.status));
        let last = self.running.said().last.clone();
        let reason = if last.is_empty() { e.to_string() } else { last };
        io::Error::new(ErrorKind::ConnectionReset, format!("rclone does not answer any more: {}", shown(&reason)))
    }
}

/// Returns the client for all requests to an rclone. It passes by the proxies, which are for the network.
///
/// # Errors
/// If it can't be built.
pub fn client() -> io::Result<&'static Client> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    let new = Client::builder().no_proxy().build().map_err(io::Error::other)?;
    Ok(CLIENT.get_or_init(|| new))
}

fn secret() -> io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn check_version(answer: &Value, program: &str) -> io::Result<()> {
    let numbers: Vec<u64> = answer["decomposed"].as_array().into_iter().flatten().map_while(Value::as_u64).collect();
    if numbers[..] >= OLDEST[..] {
        return Ok(());
    }
    let version = shown(answer["version"].as_str().unwrap_or("of an unknown version"));
    let reason = format!("{}: {version} is too old: 1.60 or newer is needed", printable(program.as_bytes()));
    Err(io::Error::other(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_refused() {
        let version = |text: &str, numbers: &[u64]| check_version(&json!({"version": text, "decomposed": numbers}), "rclone");
        assert!(version("v1.60.1-DEV", &[1, 60, 1]).is_ok() && version("v2.0.0", &[2, 0, 0]).is_ok());
        let e = version("v1.53.3", &[1, 53, 3]).unwrap_err().to_string();
        assert_eq!(e, "rclone: v1.53.3 is too old: 1.60 or newer is needed");
        assert!(check_version(&json!({}), "rclone").is_err());
    }

    #[test]
    fn facts_decide_how_objects_are_put() {
        let facts = |features: Value| Facts::of(&json!({"Features": features, "Hashes": ["sha1"], "Precision": 1}));
        assert!(facts(json!({"Move": true})).needs_temporary);
        assert!(!facts(json!({"Move": true, "BucketBased": true})).needs_temporary);
        assert!(!facts(json!({"Move": false})).needs_temporary);
        let drive = Facts::of(&json!({"Features": {"Move": true}, "String": "Google drive root 'a'"}));
        assert!(!drive.needs_temporary && !drive.knows_inplace);
        let new = facts(json!({"Move": true, "PartialUploads": false}));
        assert!(!new.needs_temporary && new.knows_inplace && !new.has_md5);
    }
}
