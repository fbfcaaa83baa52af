//! Settings: account, endpoint and credential from the URL, the options (names of adlfs), and the environment.

use super::super::{Options, check_key};
use crate::display::printable;
use crate::error::{Error, Result};
use crate::storage::web::service::Bucket;
use crate::storage::web::{is_header, is_loopback, with_scheme};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::HashMap;
use std::fmt;
use std::io;

/// The options of this storage. Two of them are of the library behind adlfs: `encryption_scope` and `standard_blob_tier`.
const KNOWN: [&str; 17] = [
    "account_host",
    "account_key",
    "account_name",
    "anon",
    "client_id",
    "client_secret",
    "connection_string",
    "connection_timeout",
    "credential",
    "encryption_scope",
    "location_mode",
    "managed_identity_client_id",
    "max_concurrency",
    "read_timeout",
    "sas_token",
    "standard_blob_tier",
    "tenant_id",
];

/// The tiers that block blobs can have by themselves.
pub const TIERS: [&str; 4] = ["Hot", "Cool", "Cold", "Archive"];

/// The account of the emulator Azurite. Its key is public.
const EMULATOR: [&str; 3] = [
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "http://127.0.0.1:10000/devstoreaccount1",
];

/// The credential.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// An account key, base64.
    Key(String),
    /// A shared access signature, without `?`.
    Sas(String),
    /// An application of Entra ID.
    Application {
        /// The directory of the application.
        tenant: String,
        /// Its id.
        client: String,
        /// Its password.
        secret: String,
    },
    /// No credential: public containers.
    Nothing,
    /// The credentials of this machine: variables, workload identity, `az login`, managed identity. A given client id belongs to
    /// a managed identity, which is then tried first.
    Machine(Option<String>),
}

/// Shows only the kind.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Key(_) => "Key",
            Secret::Sas(_) => "Sas",
            Secret::Application { .. } => "Application",
            Secret::Nothing => "Nothing",
            Secret::Machine(_) => "Machine",
        })
    }
}

/// The settings of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The container, and the root in it.
    pub root: Bucket,
    /// The account; empty if only an endpoint is known and no account is needed.
    pub account: String,
    /// `https://ACCOUNT.blob.core.windows.net`, or another one; without a `/` at the end.
    pub endpoint: String,
    /// The credential.
    pub secret: Secret,
    /// The time limit to connect in seconds, if it is set.
    pub connect_timeout: Option<u64>,
    /// The seconds without a byte after which a connection counts as broken, if they are set.
    pub read_timeout: Option<u64>,
    /// The number of blocks of one upload that are sent at the same time, if it is set.
    pub concurrency: Option<usize>,
    /// The access tier of new blobs, if it is set.
    pub tier: Option<String>,
    /// The encryption scope of new blobs, if it is set.
    pub scope: Option<String>,
}

/// The parts of a URL.
struct Container {
    root: Bucket,
    /// Account and endpoint of a URL with a host.
    host: Option<(String, String)>,
}

fn place(scheme: &str, rest: &str) -> Result<Container> {
    let rest = rest.trim_end_matches('/');
    let url = format!("{scheme}://{rest}");
    let refuse = |reason: &str| {
        let expected = format!("as in {scheme}://CONTAINER/FOLDER or abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER");
        Err(Error::advise(format!("{}: {reason}", printable(url.as_bytes())), expected))
    };
    let (authority, folder) = rest.split_once('/').unwrap_or((rest, ""));
    let (container, host) = match authority.split_once('@') {
        Some((container, host)) => (container, Some(host)),
        None => (authority, None),
    };
    if container.is_empty() {
        return refuse("no container");
    }
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '$');
    if !container.chars().all(letters) {
        return refuse("a container's name has only letters, digits and -");
    }
    let of_host = |host: &str| {
        let (account, service) = host.split_once('.').filter(|(name, _)| !name.is_empty() && name.chars().all(letters))?;
        let suffix = service.strip_prefix("dfs.").or_else(|| service.strip_prefix("blob."))?;
        let is_clean = suffix.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
        is_clean.then(|| (account.to_string(), format!("https://{account}.blob.{suffix}")))
    };
    let host = match host.map(of_host) {
        Some(None) => return refuse("the host is not ACCOUNT.dfs.core.windows.net or the like"),
        host => host.flatten(),
    };
    if !folder.is_empty()
        && let Err(e) = check_name(folder.as_bytes())
    {
        return refuse(&e.to_string());
    }
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    Ok(Container { root: Bucket { url, name: container.to_string(), prefix }, host })
}

/// The parts of a connection string that matter here.
#[derive(Default)]
struct Connection {
    account: Option<String>,
    endpoint: Option<String>,
    key: Option<String>,
    sas: Option<String>,
}

impl Connection {
    fn secret(&self) -> Option<Secret> {
        self.key.clone().map(Secret::Key).or_else(|| self.sas.clone().map(Secret::Sas))
    }

    fn is_emulator(&self) -> bool {
        self.endpoint.as_deref().is_some_and(is_loopback)
    }
}

/// Reads `Name=value;Name=value`. Returns None if the text is something else, or has neither an account nor an endpoint.
fn connection(text: &str) -> Option<Connection> {
    let mut parts = HashMap::new();
    for part in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, value) = part.split_once('=')?;
        parts.insert(name.trim().to_ascii_lowercase(), value.trim());
    }
    let get = |name: &str| parts.get(name).filter(|v| !v.is_empty()).map(|v| v.to_string());
    if get("usedevelopmentstorage").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        let [account, key, endpoint] = EMULATOR.map(|s| Some(s.to_string()));
        return Some(Connection { account, endpoint, key, sas: None });
    }
    let account = get("accountname");
    let made = || {
        let protocol = get("defaultendpointsprotocol").unwrap_or("https".to_string());
        let suffix = get("endpointsuffix").unwrap_or("core.windows.net".to_string());
        account.as_ref().map(|account| format!("{protocol}://{account}.blob.{suffix}"))
    };
    let endpoint = get("blobendpoint").or_else(made)?;
    let sas = get("sharedaccesssignature").map(|s| without_mark(&s));
    Some(Connection { endpoint: Some(endpoint), key: get("accountkey"), sas, account })
}

fn without_mark(sas: &str) -> String {
    sas.trim().trim_start_matches('?').to_string()
}

/// Returns the secret in a text that can be a key or a signature. A key is base64 without `&`; a signature has several
/// parameters.
fn key_or_sas(text: &str) -> Secret {
    if text.starts_with('?') || text.contains('&') { Secret::Sas(without_mark(text)) } else { Secret::Key(text.to_string()) }
}

/// Reads the URL, the options and the environment. The URL and the options take precedence over the environment; a credential of
/// another account in the environment is not used.
///
/// # Errors
/// If there is no container or no account, if options are unknown or contradict the URL, or if a key or connection string is
/// malformed.
pub fn config(scheme: &str, rest: &str, options: &Options, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config> {
    options.check(&KNOWN, scheme)?;
    let place = place(scheme, rest)?;
    if options.text("location_mode")?.is_some_and(|mode| mode != "primary") {
        return Err(options.wrong("location_mode", "\"primary\", the only one there is here"));
    }
    let sources = Sources::new(&place, options, environment)?;
    let (account, endpoint) = (sources.account(), sources.endpoint(&place)?);
    let secret = sources.secret()?;
    check(&place.root.url, &endpoint, account.as_deref(), &secret)?;
    let tier = options.text("standard_blob_tier")?;
    if tier.as_ref().is_some_and(|tier| !TIERS.contains(&tier.as_str())) {
        return Err(options.wrong("standard_blob_tier", &TIERS.join(", ")));
    }
    let scope = options.text("encryption_scope")?;
    if scope.as_ref().is_some_and(|scope| !is_header(scope)) {
        return Err(options.wrong("encryption_scope", "the name of a scope"));
    }
    Ok(Config {
        root: place.root,
        account: account.unwrap_or_default(),
        endpoint,
        secret,
        connect_timeout: options.number("connection_timeout")?,
        read_timeout: options.number("read_timeout")?,
        concurrency: options.number("max_concurrency")?.and_then(|n| usize::try_from(n).ok()),
        tier,
        scope,
    })
}

/// The sources of settings.
struct Sources<'a> {
    options: &'a Options,
    environment: &'a dyn Fn(&str) -> Option<String>,
    /// The account of the URL and the options, if they name one.
    given_account: Option<String>,
    /// The connection string of the options.
    given: Connection,
    /// The connection string of the environment, unless it is for another account.
    found: Connection,
}

impl<'a> Sources<'a> {
    fn new(place: &Container, options: &'a Options, environment: &'a dyn Fn(&str) -> Option<String>) -> Result<Sources<'a>> {
        let given = match options.text("connection_string")? {
            Some(text) => connection(&text)
                .ok_or_else(|| options.wrong("connection_string", "Name=value;Name=value with an AccountName"))?,
            None => Connection::default(),
        };
        let given_account = given_account(place, &given, options)?;
        let mut sources = Sources { options, environment, given_account, given, found: Connection::default() };
        sources.found = sources.found()?;
        Ok(sources)
    }

    fn variable(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| (self.environment)(&format!("AZURE_STORAGE_{name}")))
    }

    fn found(&self) -> Result<Connection> {
        let Some(text) = self.variable(&["CONNECTION_STRING"]).filter(|_| self.given.endpoint.is_none()) else {
            return Ok(Connection::default());
        };
        let found = connection(&text);
        let found = found.ok_or_else(|| Error::refused("AZURE_STORAGE_CONNECTION_STRING: no Name=value;Name=value"))?;
        // An option takes precedence over the environment: a credential of the options is not for an emulator.
        let by_options = ["account_key", "credential", "sas_token", "client_secret"];
        let by_options = by_options.iter().any(|key| self.options.value(key).is_some());
        let is_other = self.given_account.is_some() && found.account.is_some() && found.account != self.given_account;
        // An emulator stands for any account.
        Ok(if is_other && (!found.is_emulator() || by_options) { Connection::default() } else { found })
    }

    fn account(&self) -> Option<String> {
        let stand_in = self.found.account.clone().filter(|_| self.found.is_emulator());
        stand_in.or(self.given_account.clone()).or_else(|| self.found.account.clone()).or_else(|| self.named())
    }

    /// Returns the account of the environment.
    fn named(&self) -> Option<String> {
        self.variable(&["ACCOUNT_NAME", "ACCOUNT"])
    }

    fn endpoint(&self, place: &Container) -> Result<String> {
        let host = self.options.text("account_host")?;
        let host = host.map(|host| with_scheme(host, "https"));
        let usual = || self.account().map(|account| format!("https://{account}.blob.core.windows.net"));
        let of_url = place.host.clone().map(|(_, endpoint)| endpoint);
        let given = self.given.endpoint.clone().or(host).or_else(|| self.found.endpoint.clone());
        let Some(endpoint) = given.or(of_url).or_else(usual) else {
            let help =
                "account_name or connection_string in the storage options, or AZURE_STORAGE_ACCOUNT_NAME in the environment";
            return Err(Error::advise(format!("{}: which account?", printable(place.root.url.as_bytes())), help));
        };
        Ok(endpoint.trim_end_matches('/').to_string())
    }

    fn secret(&self) -> Result<Secret> {
        let text = |key| self.options.text(key);
        let explicit = self
            .given
            .secret()
            .or(text("account_key")?.map(Secret::Key))
            .or(text("credential")?.map(|text| key_or_sas(&text)))
            .or(text("sas_token")?.map(|sas| Secret::Sas(without_mark(&sas))))
            .or(application(text("tenant_id")?, text("client_id")?, text("client_secret")?));
        let anon = self.options.flag("anon")?;
        match explicit {
            Some(secret) => return Ok(secret),
            None if anon == Some(true) => return Ok(Secret::Nothing),
            None => {}
        }
        let is_set = |v: String| !matches!(v.to_ascii_lowercase().as_str(), "false" | "0" | "f");
        Ok(match self.of_environment() {
            Some(secret) => secret,
            None if anon.is_none() && self.variable(&["ANON"]).is_some_and(is_set) => Secret::Nothing,
            None => Secret::Machine(text("managed_identity_client_id")?),
        })
    }

    fn of_environment(&self) -> Option<Secret> {
        // The key of one account must not be sent to another one.
        let named = self.named();
        let is_same = self.given_account.is_none() || named.is_none() || named == self.given_account;
        let key = || self.variable(&["ACCOUNT_KEY", "KEY"]).filter(|_| is_same).map(Secret::Key);
        let sas = || self.variable(&["SAS_TOKEN"]).filter(|_| is_same).map(|sas| Secret::Sas(without_mark(&sas)));
        let [tenant, client, secret] = ["TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"].map(|name| self.variable(&[name]));
        self.found.secret().or_else(key).or_else(sas).or_else(|| application(tenant, client, secret))
    }
}

/// Returns the account that the URL, the connection string and the options name. All have to name the same one.
fn given_account(place: &Container, given: &Connection, options: &Options) -> Result<Option<String>> {
    let of_url = place.host.clone().map(|(account, _)| account);
    let mut named = [of_url, given.account.clone(), options.text("account_name")?].into_iter().flatten();
    let account = named.next();
    if let Some(other) = named.find(|other| Some(other) != account.as_ref()) {
        let account = account.unwrap_or_default();
        let reason =
            format!("{}: two accounts: {} and {}", place.root.url, printable(account.as_bytes()), printable(other.as_bytes()));
        return Err(Error::advise(reason, "the account of the URL, account_name and connection_string have to be the same"));
    }
    Ok(account)
}

fn application(tenant: Option<String>, client: Option<String>, secret: Option<String>) -> Option<Secret> {
    Some(Secret::Application { tenant: tenant?, client: client?, secret: secret? })
}

/// Refuses settings with which each request would fail.
fn check(url: &str, endpoint: &str, account: Option<&str>, secret: &Secret) -> Result<()> {
    let refuse = |reason: &str| Err(Error::refused(format!("{}: {reason}", printable(url.as_bytes()))));
    let plain = |uri: &http::Uri| uri.query().is_none() && uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    let uri: http::Uri = match endpoint.parse() {
        Ok(uri) if plain(&uri) => uri,
        _ => return refuse("the endpoint is no URL"),
    };
    if !matches!(uri.scheme_str(), Some("https" | "http")) {
        return refuse("the endpoint is not https:// or http://");
    }
    let key = |key: &str| BASE64_STANDARD.decode(key).is_ok_and(|k| !k.is_empty());
    match secret {
        Secret::Key(text) if !key(text) => refuse("the account key is not base64"),
        Secret::Key(_) if account.is_none() => refuse("an account key needs an account_name too"),
        Secret::Sas(sas) if !sas.split('&').any(|p| p.starts_with("sig=")) => refuse("the SAS token has no sig="),
        Secret::Application { .. } | Secret::Machine(_) if uri.scheme_str() != Some("https") => {
            refuse("tokens of Entra ID are sent over https only; http needs a key, a SAS or anon")
        }
        _ => Ok(()),
    }
}

/// Checks that a blob can have this key. The service treats a backslash as a slash, so a key with one would become another key.
pub(super) fn check_name(key: &[u8]) -> io::Result<&str> {
    if key.contains(&b'\\') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the storage takes a backslash in a name for a slash"));
    }
    check_key(key)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
