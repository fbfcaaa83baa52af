//! Signs requests with the credentials that are found.

use super::failure::broken;
use super::{fetch, whole};
use crate::storage::answer::shortened;
use crate::storage::retry::Policy;
use crate::storage::text_variable;
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
use std::sync::Arc;
use std::time::Duration;

/// The time limit for getting credentials; `az` takes seconds.
const LIMIT: Duration = Duration::from_secs(60);
/// The maximum size in bytes of an answer with credentials.
const MOST: usize = 1 << 20;

/// Signs requests, or leaves them unsigned.
pub struct Auth {
    signer: Option<Box<dyn Signs>>,
    /// The message if a chain of sources has no credentials. A single source has its own message.
    missing: Option<&'static str>,
    /// Regions that requests can be signed for, if the service has any.
    regions: Option<Arc<dyn Regions>>,
}

/// Changes the region that requests are signed for.
pub trait Regions: Send + Sync {
    /// Signs requests for this region from now on. Returns false if they were signed for it, or for a third one.
    fn move_to(&self, region: &str) -> bool;
}

/// Shows nothing of the credentials.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

type Signing<'a> = Pin<Box<dyn Future<Output = reqsign_core::Result<()>> + Send + 'a>>;

/// A signer with credentials of any type.
trait Signs: Send + Sync {
    fn sign<'a>(&'a self, request: &'a mut http::request::Parts) -> Signing<'a>;
}

impl<K: SigningCredential> Signs for Signer<K> {
    fn sign<'a>(&'a self, request: &'a mut http::request::Parts) -> Signing<'a> {
        Box::pin(Signer::sign(self, request, None))
    }
}

impl Auth {
    /// Leaves requests unsigned.
    pub fn anonymous() -> Auth {
        Auth { signer: None, missing: None, regions: None }
    }

    /// Signs with the credentials of one source, or of a chain: `missing` is the message if the chain has none.
    pub fn new<K: SigningCredential>(signer: Signer<K>, missing: Option<&'static str>) -> Auth {
        Auth { signer: Some(Box::new(signer)), missing, regions: None }
    }

    /// Adds the regions that requests can be signed for.
    pub fn with_regions(self, regions: Arc<dyn Regions>) -> Auth {
        Auth { regions: Some(regions), ..self }
    }

    /// Signs requests for another region. Returns whether another try may then succeed.
    pub fn move_to(&self, region: &str) -> bool {
        self.regions.as_ref().is_some_and(|regions| regions.move_to(region))
    }

    /// Signs a request.
    ///
    /// # Errors
    /// `PermissionDenied` if there is no credential; the flag says whether another try may succeed.
    pub async fn sign(&self, request: &mut http::request::Parts) -> Result<(), (io::Error, bool)> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let denied = |text: String| io::Error::new(io::ErrorKind::PermissionDenied, text);
        match tokio::time::timeout(LIMIT, signer.sign(request)).await {
            Ok(Ok(())) => {
                // The client writes this header as the version of the protocol requires it.
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

/// Returns the message of a source, and the reason if a file or a connection failed. Other causes can show the content of a file.
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

/// Returns the context that sources of credentials can use: the environment, files, commands, and this client.
pub fn context(client: Client, policy: Policy) -> Context {
    Context::new()
        .with_env(Variables::default())
        .with_file_read(TokioFileRead)
        .with_command_execute(TokioCommandExecute)
        .with_http_send(Sender { client, policy })
}

/// The environment, with some variables set to other values or removed.
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
        // `std::env::vars` panics if a variable is not UTF-8.
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

/// Returns the policy of requests for credentials. Their server may not exist, which has to be noticed soon.
pub fn patience() -> Policy {
    Policy { tries: 2, in_all: Duration::from_secs(10), stall: Duration::from_secs(5), ..Policy::default() }
}

/// Sends requests for credentials.
#[derive(Debug)]
struct Sender {
    client: Client,
    policy: Policy,
}

impl HttpSend for Sender {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign_core::Result<http::Response<Bytes>> {
        let request = elsewhere(request);
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

/// Sends a request for credentials of Amazon to the server that the environment names for its service, as Amazon's own tools do.
/// The header with the host stays, because it is signed.
fn elsewhere(request: http::Request<Bytes>) -> http::Request<Bytes> {
    let host = request.uri().host().unwrap_or_default();
    let variable = match host.split_once(".amazonaws.com").map(|(name, _)| name) {
        Some(name) if name == "sts" || name.starts_with("sts.") => "AWS_ENDPOINT_URL_STS",
        Some(name) if name.starts_with("portal.sso.") => "AWS_ENDPOINT_URL_SSO",
        _ => return request,
    };
    let Some(server) = text_variable(variable).or_else(|| text_variable("AWS_ENDPOINT_URL")) else { return request };
    let path = request.uri().path_and_query().map(|path| path.as_str()).unwrap_or_default();
    let Ok(address) = format!("{}{path}", server.trim_end_matches('/')).parse::<http::Uri>() else { return request };
    let (mut parts, body) = request.into_parts();
    parts.uri = address;
    http::Request::from_parts(parts, body)
}
