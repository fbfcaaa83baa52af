//! Settings: the options of fsspec's `s3fs`, the environment, and the profiles of `~/.aws/config`.

use super::credentials::Sources;
use super::is_amazon;
use super::profile::profile_value;
use super::region::{Region, Regional};
use crate::error::{Error, Result};
use crate::storage::web::auth::{Auth, context, patience};
use crate::storage::web::{host_of, with_scheme};
use crate::storage::{Options, text_variable, variable};
use http::{HeaderMap, HeaderValue};
use reqsign_aws_v4::StaticCredentialProvider;
use reqsign_core::Signer;
use reqwest::{Client, Url};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// The options of this storage.
const KNOWN: [&str; 15] = [
    "anon",
    "client_kwargs",
    "config_kwargs",
    "endpoint_url",
    "key",
    "listing_order",
    "password",
    "profile",
    "region",
    "region_name",
    "requester_pays",
    "secret",
    "token",
    "use_ssl",
    "username",
];

/// The address of a bucket, and the credentials for it.
pub struct Config {
    /// The address of the bucket, without a `/` at its end.
    pub base: String,
    /// Whether the bucket is part of the host name.
    pub is_virtual: bool,
    /// Whether listings are in the order of names.
    pub is_ordered: bool,
    /// The server, for messages.
    pub host: String,
    /// Sent with each request.
    pub headers: HeaderMap,
    /// The credentials.
    pub auth: Auth,
}

/// Reads the options, the environment and the profiles.
///
/// # Errors
/// If options are unknown or not of their type, or no region is known.
pub fn config(bucket: &str, options: &Options, client: &Client) -> Result<Config> {
    options.check(&KNOWN, "s3")?;
    let places = Places::new(options)?;
    let endpoint = places.endpoint()?;
    let Some(region) = places.region(endpoint.is_some())? else {
        let help = "set AWS_REGION, the region of the profile in ~/.aws/config, or the option region";
        return Err(Error::advise(format!("s3://{bucket}: no region is known"), help));
    };
    let usual = || {
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://s3.{region}.amazonaws.com{china}")
    };
    let endpoint = endpoint.filter(|endpoint| endpoint != "https://s3.amazonaws.com").unwrap_or_else(usual);
    let (base, host, is_virtual) = address(bucket, &endpoint, options)?;
    // Amazon's buckets of one zone have such names.
    let is_directory = bucket.ends_with("--x-s3");
    if is_directory && is_amazon(&host) {
        let reason = format!("s3://{bucket}: a directory bucket (S3 Express) needs a session of its own, which is not supported");
        return Err(Error::advise(reason, "use a bucket for general purposes"));
    }
    let is_ordered = options.flag("listing_order")?.unwrap_or(!is_directory);
    let mut headers = HeaderMap::new();
    if options.flag("requester_pays")? == Some(true) {
        headers.insert("x-amz-request-payer", HeaderValue::from_static("requester"));
    }
    let auth = places.auth(&region, client)?;
    Ok(Config { base, is_virtual, is_ordered, host, headers, auth })
}

/// Returns the address of the bucket, the server for messages, and whether the bucket is in its name.
fn address(bucket: &str, endpoint: &str, options: &Options) -> Result<(String, String, bool)> {
    let wrong = || options.wrong("endpoint_url", "a URL of http or https");
    let host = host_of(endpoint).ok_or_else(wrong)?;
    let endpoint = Url::parse(endpoint).map_err(|_| wrong())?.to_string();
    // Some users give the address of the bucket as the address of the service. A service can have the name of the bucket, too.
    let of_bucket = format!("//{bucket}.");
    let rest = endpoint.split_once(&of_bucket).map(|(_, rest)| rest.split(['/', ':']).next().unwrap_or_default());
    let is_of_bucket = rest.is_some_and(|rest| rest.matches('.').count() >= 2 && !is_address(&host));
    let endpoint = if is_of_bucket { endpoint.replace(&of_bucket, "//") } else { endpoint };
    let endpoint = endpoint.trim_end_matches('/');
    let is_virtual = is_virtual(bucket, &host, options)?;
    let base = match is_virtual {
        true => endpoint.replacen("//", &format!("//{bucket}."), 1),
        false => format!("{endpoint}/{bucket}"),
    };
    Ok((base, host, is_virtual))
}

/// Whether a host is an address of the internet protocol, before which no name can be.
fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.split(':').next().is_some_and(|host| host.parse::<std::net::Ipv4Addr>().is_ok())
}

fn is_virtual(bucket: &str, host: &str, options: &Options) -> Result<bool> {
    let config = inner(options, "config_kwargs", &["s3"])?;
    let wrong = |expected: &str| Err(options.wrong("config_kwargs", expected));
    match config.get("s3").and_then(|s3| s3.get("addressing_style")).and_then(Value::as_str) {
        None | Some("auto" | "path") => Ok(false),
        Some("virtual") if bucket.bytes().any(|b| b.is_ascii_uppercase() || b == b'_') => {
            wrong("an addressing_style of path, because no host has capital letters or _ in its name")
        }
        Some("virtual") if is_address(host) => wrong("an addressing_style of path, because the endpoint is no name of a host"),
        // No certificate of Amazon matches a host name with a dot in the bucket.
        Some("virtual") if bucket.contains('.') && is_amazon(host) => {
            wrong("an addressing_style of path, because the bucket has a dot in its name")
        }
        Some("virtual") => Ok(true),
        Some(_) => wrong("an addressing_style of path, auto or virtual"),
    }
}

/// The sources of settings. An option takes precedence over the environment, and so does a profile that an option names.
struct Places<'a> {
    options: &'a Options,
    client: Map<String, Value>,
    /// The profile that an option names.
    chosen: Option<String>,
    /// That one, or else the profile of the environment.
    profile: Option<String>,
    /// `~/.aws/config`.
    shared: String,
}

impl Places<'_> {
    fn new(options: &Options) -> Result<Places<'_>> {
        let client = inner(options, "client_kwargs", &["endpoint_url", "region_name"])?;
        let chosen = options.text("profile")?;
        let profile = chosen.clone().or_else(|| text_variable("AWS_PROFILE"));
        let shared = shared_config().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        Ok(Places { options, client, chosen, profile, shared })
    }

    /// Returns the first value found in: the options, `client_kwargs`, the chosen profile, the variables, the profile of the
    /// environment.
    fn setting(&self, options: &[&str], client: &str, profile: &str, variables: &[&str]) -> Result<Option<String>> {
        for option in options {
            if let Some(text) = self.options.text(option)? {
                return Ok(Some(text));
            }
        }
        let of_profile = |name: &str| profile_value(&self.shared, name, profile);
        Ok(text(self.options, "client_kwargs", &self.client, client)?
            .or_else(|| of_profile(self.chosen.as_deref()?))
            .or_else(|| variables.iter().find_map(|name| text_variable(name)))
            .or_else(|| of_profile(self.profile.as_deref().unwrap_or("default"))))
    }

    fn endpoint(&self) -> Result<Option<String>> {
        let variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
        let endpoint = self.setting(&["endpoint_url"], "endpoint_url", "endpoint_url", &variables)?;
        let scheme = if self.options.flag("use_ssl")? == Some(false) { "http" } else { "https" };
        Ok(endpoint.map(|endpoint| with_scheme(endpoint, scheme)))
    }

    /// Returns the region. Services of other vendors than Amazon have a region too, but often ignore it.
    fn region(&self, has_endpoint: bool) -> Result<Option<String>> {
        let region = self.setting(&["region", "region_name"], "region_name", "region", &["AWS_REGION", "AWS_DEFAULT_REGION"])?;
        Ok(region.or_else(|| has_endpoint.then(|| "us-east-1".to_string())))
    }

    /// Returns the credentials. If no option names any, the chain of AWS is used: environment, profile, single sign-on, web
    /// identity, `credential_process`, containers, instances.
    fn auth(&self, region: &str, client: &Client) -> Result<Auth> {
        let options = self.options;
        let key = options.text("key")?.or(options.text("username")?);
        let secret = options.text("secret")?.or(options.text("password")?);
        let context = context(client.clone(), patience());
        let moves = Arc::new(Region::new(region));
        let requests = Regional(moves.clone());
        match (options.flag("anon")?, key, secret) {
            (Some(true), ..) => Ok(Auth::anonymous()),
            (_, Some(key), Some(secret)) => {
                let mut keys = StaticCredentialProvider::new(&key, &secret);
                if let Some(token) = options.text("token")? {
                    keys = keys.with_session_token(&token);
                }
                Ok(Auth::new(Signer::new(context, keys, requests), None).with_regions(moves))
            }
            (_, None, None) => {
                let sources = Sources { shared: &self.shared, context: context.clone(), region };
                let (source, is_one) = sources.source(self.chosen.as_deref(), self.profile.as_deref())?;
                let missing = Some("no credentials were found").filter(|_| !is_one);
                Ok(Auth::new(Signer::new(context, source, requests), missing).with_regions(moves))
            }
            _ => Err(options.wrong("key", "both key and secret")),
        }
    }
}

/// Returns an option that is an object itself and has no other keys than these.
fn inner(options: &Options, key: &str, known: &[&str]) -> Result<Map<String, Value>> {
    match options.value(key) {
        None => Ok(Map::new()),
        Some(Value::Object(map)) if map.keys().all(|k| known.contains(&k.as_str())) => Ok(map.clone()),
        Some(_) => Err(options.wrong(key, &format!("an object of {}", known.join(", ")))),
    }
}

fn text(options: &Options, outer: &str, map: &Map<String, Value>, key: &str) -> Result<Option<String>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(options.wrong(outer, &format!("a text for {key}"))),
    }
}

fn shared_config() -> Option<PathBuf> {
    variable("AWS_CONFIG_FILE")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".aws/config")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_s3fs() {
        let base = |text: &str| {
            let options = Options::parse(text.as_ref(), "--options").unwrap();
            config("b", &options, crate::storage::web::client().unwrap())
                .map(|config| config.base)
                .map_err(|e| format!("{e} {:?}", e.help()))
        };
        for (text, expected) in [
            (r#"{"region": "eu-1"}"#, "https://s3.eu-1.amazonaws.com/b"),
            (r#"{"region": "eu-1", "endpoint_url": "https://b.s3.amazonaws.com:443/"}"#, "https://s3.amazonaws.com/b"),
            (r#"{"region": "eu-1", "endpoint_url": "https://s3.amazonaws.com"}"#, "https://s3.eu-1.amazonaws.com/b"),
            (r#"{"region_name": "cn-1", "anon": true}"#, "https://s3.cn-1.amazonaws.com.cn/b"),
            (r#"{"client_kwargs": {"region_name": "r", "endpoint_url": "http://h:1"}}"#, "http://h:1/b"),
            (r#"{"endpoint_url": "h:1/x", "use_ssl": false, "key": "k", "secret": "s", "token": "t"}"#, "http://h:1/x/b"),
            (r#"{"region": "r", "config_kwargs": {"s3": {"addressing_style": "virtual"}}}"#, "https://b.s3.r.amazonaws.com"),
            // A service can have the name of the bucket.
            (r#"{"endpoint_url": "https://b.example.com"}"#, "https://b.example.com/b"),
            (r#"{"endpoint_url": "https://b.ams3.example.com/"}"#, "https://ams3.example.com/b"),
        ] {
            assert_eq!(base(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, reason) in [
            (r#"{"endpoint": "secret"}"#, "did you mean endpoint_url?"),
            (r#"{"region": "r", "key": "secret"}"#, "both key and secret"),
            (r#"{"endpoint_url": "ftp://secret"}"#, "a URL of http"),
            (r#"{"client_kwargs": {"verify": "secret"}}"#, "client_kwargs"),
            (r#"{"region": "r", "config_kwargs": {"s3": {"addressing_style": "secret"}}}"#, "addressing_style"),
            (r#"{"region": 1}"#, "region: expected a text"),
        ] {
            let e = base(text).unwrap_err();
            assert!(e.contains(reason) && !e.contains("secret\""), "{text}: {e}");
        }
    }
}
