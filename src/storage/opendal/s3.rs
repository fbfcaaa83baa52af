//! S3: what fsspec's `s3fs` calls its options, the environment, and the profiles of `~/.aws/config`.

use super::transport::Transport;
use crate::display::printable;
use crate::error::{Error, Result};
use crate::storage::web::Place;
use crate::storage::{Options, text_variable, variable};
use opendal::Operator;
use opendal::services::S3;
use reqsign_aws_v4::{Credential, DefaultCredentialProvider};
use reqsign_command_execute_tokio::TokioCommandExecute;
use reqsign_core::{Context, ProvideCredential, ProvideCredentialChain};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// The options that it has.
const KNOWN: [&str; 14] = [
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
    "secret",
    "token",
    "use_ssl",
    "username",
];

/// A bucket, and the way to it.
///
/// Credentials are those of the options, else of the chain of AWS: environment, profile, SSO, web identity,
/// `credential_process`, containers, instances.
///
/// # Errors
/// If options are unknown or not of their type, or no region is known.
pub fn operator(bucket: &str, options: &Options, transport: impl Fn(String) -> Transport) -> Result<(Operator, Transport)> {
    options.check(&KNOWN, "s3")?;
    let client = inner(options, "client_kwargs", &["endpoint_url", "region_name"])?;
    let config = inner(options, "config_kwargs", &["s3"])?;
    // An option beats the environment, and so does all that it names.
    let chosen = options.text("profile")?;
    let profile = chosen.clone().or_else(|| text_variable("AWS_PROFILE"));
    let shared = shared_config().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let of_profile = |key| profile_value(&shared, profile.as_deref().unwrap_or("default"), key);
    let of_chosen = |key| chosen.as_ref().and_then(|profile| profile_value(&shared, profile, key));

    let endpoint = match options.text("endpoint_url")? {
        Some(endpoint) => Some(endpoint),
        None => text(options, "client_kwargs", &client, "endpoint_url")?
            .or_else(|| of_chosen("endpoint_url"))
            .or_else(|| text_variable("AWS_ENDPOINT_URL_S3"))
            .or_else(|| text_variable("AWS_ENDPOINT_URL"))
            .or_else(|| of_profile("endpoint_url")),
    };
    let endpoint = endpoint.map(|endpoint| match endpoint.contains("://") {
        true => endpoint,
        false if options.flag("use_ssl").is_ok_and(|flag| flag == Some(false)) => format!("http://{endpoint}"),
        false => format!("https://{endpoint}"),
    });
    let region = match options.text("region")?.or(options.text("region_name")?) {
        Some(region) => Some(region),
        None => text(options, "client_kwargs", &client, "region_name")?
            .or_else(|| of_chosen("region"))
            .or_else(|| text_variable("AWS_REGION"))
            .or_else(|| text_variable("AWS_DEFAULT_REGION"))
            .or_else(|| of_profile("region"))
            .or_else(|| endpoint.as_ref().map(|_| "us-east-1".to_string())),
    };
    let Some(region) = region else {
        let help = "set AWS_REGION, the region of the profile in ~/.aws/config, or the option region";
        return Err(Error::advise(format!("s3://{bucket}: no region is known"), help));
    };

    let mut builder = S3::default().bucket(bucket).region(&region);
    let host = match &endpoint {
        Some(endpoint) => {
            builder = builder.endpoint(endpoint);
            host_of(endpoint).ok_or_else(|| options.wrong("endpoint_url", "a URL of http or https"))?
        }
        None if region.starts_with("cn-") => {
            builder = builder.endpoint(&format!("https://s3.{region}.amazonaws.com.cn"));
            format!("s3.{region}.amazonaws.com.cn")
        }
        None => format!("s3.{region}.amazonaws.com"),
    };
    let style = config.get("s3").and_then(|s3| s3.get("addressing_style")).and_then(Value::as_str);
    match style {
        None | Some("auto" | "path") => {}
        // No certificate fits a bucket with a dot.
        Some("virtual") if !bucket.contains('.') => builder = builder.enable_virtual_host_style(),
        Some(_) => {
            return Err(
                options.wrong("config_kwargs", "an addressing_style of path, auto or virtual (for a bucket without dots)")
            );
        }
    }
    if options.flag("requester_pays")? == Some(true) {
        builder = builder.enable_request_payer();
    }
    let key = options.text("key")?.or(options.text("username")?);
    let secret = options.text("secret")?.or(options.text("password")?);
    builder = match (options.flag("anon")?, key, secret) {
        (Some(true), ..) => builder.skip_signature(),
        (_, Some(key), Some(secret)) => {
            let token = options.text("token")?.unwrap_or_default();
            builder
                .access_key_id(&key)
                .secret_access_key(&secret)
                .session_token(&token)
                .disable_config_load()
                .disable_ec2_metadata()
        }
        (_, None, None) => {
            let chain = DefaultCredentialProvider::builder();
            let chain = match profile {
                // Else the keys of the environment, or the machine's, would stand in for it.
                Some(profile) if chosen.is_some() => chain.with_profile(profile).no_env().no_web_identity().no_ecs().no_imds(),
                Some(profile) => chain.with_profile(profile),
                None => chain,
            };
            builder.credential_provider_chain(ProvideCredentialChain::new().push(WithCommands(chain.build())))
        }
        _ => return Err(options.wrong("key", "both key and secret")),
    };
    let reason = |e: opendal::Error| Error::refused(format!("s3://{bucket}: {}", printable(e.message().as_bytes())));
    Ok((Operator::new(builder).map_err(reason)?, transport(host)))
}

/// The chain as it is, but with leave to run what `credential_process` of a profile says.
#[derive(Debug)]
struct WithCommands(DefaultCredentialProvider);

impl ProvideCredential for WithCommands {
    type Credential = Credential;

    async fn provide_credential(&self, context: &Context) -> reqsign_core::Result<Option<Credential>> {
        self.0.provide_credential(&context.clone().with_command_execute(TokioCommandExecute)).await
    }
}

/// An option that is an object itself, with nothing in it but these keys.
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

/// The host of an endpoint, for messages.
pub fn host_of(endpoint: &str) -> Option<String> {
    let (scheme, rest) = endpoint.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    Place::parse(scheme, rest).ok().map(|place| place.host)
}

fn shared_config() -> Option<PathBuf> {
    variable("AWS_CONFIG_FILE")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".aws/config")))
}

/// What a profile of `~/.aws/config` says of a key.
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
        let transport = |host: String| Transport {
            client: crate::storage::web::client().unwrap(),
            host,
            headers: Default::default(),
            kind: super::super::Kind::S3,
            bucket: "b".to_string(),
            policy: Default::default(),
        };
        let host = |text: &str| {
            let options = Options::parse(text.as_ref(), "--options").unwrap();
            operator("b", &options, transport).map(|(_, transport)| transport.host).map_err(|e| format!("{e} {:?}", e.help()))
        };
        for (text, expected) in [
            (r#"{"region": "eu-1"}"#, "s3.eu-1.amazonaws.com"),
            (r#"{"region_name": "cn-1", "anon": true}"#, "s3.cn-1.amazonaws.com.cn"),
            (r#"{"client_kwargs": {"region_name": "r", "endpoint_url": "http://h:1"}}"#, "h:1"),
            (r#"{"endpoint_url": "h:1/x", "use_ssl": false, "key": "k", "secret": "s", "token": "t"}"#, "h:1"),
            (r#"{"region": "r", "config_kwargs": {"s3": {"addressing_style": "virtual"}}}"#, "s3.r.amazonaws.com"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, reason) in [
            (r#"{"endpoint": "secret"}"#, "did you mean endpoint_url?"),
            (r#"{"region": "r", "key": "secret"}"#, "both key and secret"),
            (r#"{"endpoint_url": "ftp://secret"}"#, "a URL of http"),
            (r#"{"client_kwargs": {"verify": "secret"}}"#, "client_kwargs"),
            (r#"{"region": "r", "config_kwargs": {"s3": {"addressing_style": "secret"}}}"#, "addressing_style"),
            (r#"{"region": 1}"#, "region: expected a text"),
        ] {
            let e = host(text).unwrap_err();
            assert!(e.contains(reason) && !e.contains("secret\""), "{text}: {e}");
        }
    }
}
