//! Settings: the options of fsspec's `s3fs`, the environment, and the profiles of `~/.aws/config`.

use super::writing::Writing;
use crate::error::{Error, Result};
use crate::storage::web::auth::{Auth, context, patience};
use crate::storage::web::{host_of, is_loopback, with_scheme};
use crate::storage::{Options, text_variable, variable};
use reqsign_aws_v4::{DefaultCredentialProvider, RequestSigner, StaticCredentialProvider};
use reqsign_core::Signer;
use reqwest::{Client, Url};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// The options of this storage.
const KNOWN: [&str; 15] = [
    "anon",
    "client_kwargs",
    "config_kwargs",
    "endpoint_url",
    "key",
    "password",
    "profile",
    "region",
    "region_name",
    "requester_pays",
    "s3_additional_kwargs",
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
    /// The server, for messages.
    pub host: String,
    /// What the options add to requests.
    pub writing: Writing,
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
    let is_virtual = is_virtual(bucket, options)?;
    let usual = || {
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://s3.{region}.amazonaws.com{china}")
    };
    let endpoint = endpoint.filter(|endpoint| endpoint != "https://s3.amazonaws.com").unwrap_or_else(usual);
    let wrong = || options.wrong("endpoint_url", "a URL of http or https");
    let host = host_of(&endpoint).ok_or_else(wrong)?;
    let endpoint = Url::parse(&endpoint).map_err(|_| wrong())?.to_string();
    // Some users give the address of the bucket as the address of the service.
    let endpoint = endpoint.trim_end_matches('/').replace(&format!("//{bucket}."), "//");
    let base = match is_virtual {
        true => endpoint.replace("//", &format!("//{bucket}.")),
        false => format!("{endpoint}/{bucket}"),
    };
    let writing = Writing::new(options)?;
    if writing.has_key() && base.starts_with("http://") && !is_loopback(&base) {
        return Err(options.refused("s3_additional_kwargs: SSECustomerKey", "the key is sent over https only"));
    }
    let auth = places.auth(&region, client)?;
    Ok(Config { base, is_virtual, host, writing, auth })
}

fn is_virtual(bucket: &str, options: &Options) -> Result<bool> {
    let config = inner(options, "config_kwargs", &["s3"])?;
    match config.get("s3").and_then(|s3| s3.get("addressing_style")).and_then(Value::as_str) {
        None | Some("auto" | "path") => Ok(false),
        // No certificate matches a host name with a dot in the bucket.
        Some("virtual") if !bucket.contains('.') => Ok(true),
        Some(_) => {
            Err(options.wrong("config_kwargs", "an addressing_style of path, auto or virtual (for a bucket without dots)"))
        }
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
        let requests = RequestSigner::new("s3", region);
        let missing = Some("no credentials were found");
        let chain = DefaultCredentialProvider::builder();
        let chain = match (options.flag("anon")?, key, secret) {
            (Some(true), ..) => return Ok(Auth::anonymous()),
            (_, Some(key), Some(secret)) => {
                let mut keys = StaticCredentialProvider::new(&key, &secret);
                if let Some(token) = options.text("token")? {
                    keys = keys.with_session_token(&token);
                }
                return Ok(Auth::new(Signer::new(context, keys, requests), missing));
            }
            (_, None, None) => match (&self.chosen, &self.profile) {
                // Without these limits the keys of the environment or of the machine would be used instead of the chosen profile.
                (Some(chosen), _) => chain.with_profile(chosen).no_env().no_web_identity().no_ecs().no_imds(),
                (None, Some(profile)) => chain.with_profile(profile),
                (None, None) => chain,
            },
            _ => return Err(options.wrong("key", "both key and secret")),
        };
        Ok(Auth::new(Signer::new(context, chain.build(), requests), missing))
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

/// Returns the value of a key in a profile of `~/.aws/config`.
fn profile_value(config: &str, profile: &str, key: &str) -> Option<String> {
    let mut is_ours = false;
    for line in config.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.split_once(']')).map(|(section, _)| section.trim()) {
            is_ours = match section.split_once(char::is_whitespace) {
                Some(("profile", name)) => name.trim().trim_matches(['"', '\'']) == profile,
                _ => section == "default" && profile == "default",
            };
        } else if is_ours && !is_nested && !line.starts_with(['#', ';']) {
            let found = line.split_once('=').filter(|(k, _)| k.trim() == key).map(|(_, value)| value.trim());
            if let Some(value) = found.filter(|value| !value.is_empty()) {
                return Some(value.to_string());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_tell_their_region() {
        let config = "# x\n[default]\nregion = eu-central-1\ns3 =\n  region = nested\n\n[profile other]\noutput=json\nregion=us-west-2 \n\
                      [profile \"a b\"]\nregion = ap-1\n[sso-session other]\nregion = wrong\n";
        let region = |profile| profile_value(config, profile, "region");
        assert_eq!(region("default").as_deref(), Some("eu-central-1"));
        assert_eq!((region("other").as_deref(), region("a b").as_deref()), (Some("us-west-2"), Some("ap-1")));
        assert_eq!((region("none"), profile_value(config, "default", "endpoint_url")), (None, None));
    }

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
