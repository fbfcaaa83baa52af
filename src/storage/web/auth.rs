//! Signing of requests: who may ask a service, and how long it may take to find that out.

use super::failure::broken;
use super::{fetch, whole};
use crate::storage::answer::shortened;
use crate::storage::retry::Policy;
use bytes::Bytes;
use reqsign_command_execute_tokio::TokioCommandExecute;
use reqsign_core::{Context, Env, HttpSend, OsEnv, Signer, SigningCredential};
use reqsign_file_read_tokio::TokioFileRead;
use reqwest::Client;
use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

/// No credential may take longer to get: `az` takes seconds.
const LIMIT: Duration = Duration::from_secs(60);
/// Answers to questions for credentials are never longer, in bytes.
const MOST: usize = 1 << 20;

/// Signs requests, or does not.
pub struct Auth {
    signer: Option<Box<dyn Signs>>,
    /// What to say where all sources were asked in vain. A single source tells its reasons itself.
    missing: Option<&'static str>,
}

/// Nothing of it is shown.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

type Signing<'a> = Pin<Box<dyn Future<Output = reqsign_core::Result<()>> + Send + 'a>>;

/// A signer, whatever its credentials are.
trait Signs: Send + Sync {
    fn sign<'a>(&'a self, request: &'a mut http::request::Parts) -> Signing<'a>;
}

impl<K: SigningCredential> Signs for Signer<K> {
    fn sign<'a>(&'a self, request: &'a mut http::request::Parts) -> Signing<'a> {
        Box::pin(Signer::sign(self, request, None))
    }
}

impl Auth {
    /// Requests go as they are.
    pub fn anonymous() -> Auth {
        Auth { signer: None, missing: None }
    }

    /// With the credentials of one source, or of a chain of them: `missing` is what to say where that has none.
    pub fn new<K: SigningCredential>(signer: Signer<K>, missing: Option<&'static str>) -> Auth {
        Auth { signer: Some(Box::new(signer)), missing }
    }

    /// Signs a request.
    ///
    /// # Errors
    /// `PermissionDenied` if there is no credential; the flag tells whether another try may help.
    pub async fn sign(&self, request: &mut http::request::Parts) -> Result<(), (io::Error, bool)> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let denied = |text: String| io::Error::new(io::ErrorKind::PermissionDenied, text);
        match tokio::time::timeout(LIMIT, signer.sign(request)).await {
            Ok(Ok(())) => {
                // The client knows it, and writes it as the version of the protocol has it.
                request.headers.remove(http::header::HOST);
                Ok(())
            }
            Ok(Err(e)) => match self.missing {
                Some(missing) => Err((denied(missing.to_string()), false)),
                None => Err((denied(format!("no credentials: {}", reason(&e))), e.is_retryable())),
            },
            Err(_) => Err((denied(format!("no credentials within {} seconds", LIMIT.as_secs())), true)),
        }
    }
}

/// What a source says, and the file or the connection that it speaks of. Nothing else: other causes may show what is in a file.
fn reason(e: &reqsign_core::Error) -> String {
    let mut cause = e.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return format!("{}: {}", shortened(&e.to_string()), crate::error::reason(io));
        }
        cause = inner.source();
    }
    shortened(&e.to_string())
}

/// What sources of credentials may use: the environment, files, commands, and this client.
pub fn context(client: Client, policy: Policy) -> Context {
    Context::new()
        .with_env(Variables::default())
        .with_file_read(TokioFileRead)
        .with_command_execute(TokioCommandExecute)
        .with_http_send(Sender { client, policy })
}

/// The environment, with other values for some variables, or none.
#[derive(Debug, Default)]
pub struct Variables(pub Vec<(&'static str, Option<String>)>);

impl Env for Variables {
    fn var(&self, key: &str) -> Option<String> {
        match self.0.iter().find(|(name, _)| *name == key) {
            Some((_, value)) => value.clone(),
            None => OsEnv.var(key),
        }
    }

    fn vars(&self) -> HashMap<String, String> {
        // Not `std::env::vars`, which panics on what is not UTF-8.
        let all = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut all: HashMap<String, String> = all.collect();
        for (name, value) in &self.0 {
            match value {
                Some(value) => drop(all.insert(name.to_string(), value.clone())),
                None => drop(all.remove(*name)),
            }
        }
        all
    }

    fn home_dir(&self) -> Option<PathBuf> {
        OsEnv.home_dir()
    }
}

/// How to ask for credentials. Where there are none, what is asked lies in nowhere, and that has to show soon.
pub fn patience() -> Policy {
    Policy { tries: 2, in_all: Duration::from_secs(10), stall: Duration::from_secs(5), ..Policy::default() }
}

/// Asks services for credentials.
#[derive(Debug)]
struct Sender {
    client: Client,
    policy: Policy,
}

impl HttpSend for Sender {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign_core::Result<http::Response<Bytes>> {
        let host = request.uri().host().unwrap_or_default().to_string();
        let failed = |e: io::Error| reqsign_core::Error::unexpected(e.to_string()).set_retryable(true);
        let request = request.try_into().map_err(|e: reqwest::Error| failed(broken(&e, &host)))?;
        let answer = fetch(&self.client, request, &self.policy, &host).await.map_err(failed)?;
        let mut out = http::Response::new(Bytes::new());
        (*out.status_mut(), *out.headers_mut()) = (answer.status(), answer.headers().clone());
        *out.body_mut() = whole(answer, MOST, &self.policy, &host).await.map_err(failed)?.into();
        Ok(out)
    }
}
