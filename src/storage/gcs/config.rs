//! Settings: the options of fsspec's `gcsfs`, and the application default credentials.

use super::federation::{Files, completed};
use crate::error::{Error, Result};
use crate::storage::web::auth::{Auth, Variables, context, patience};
use crate::storage::web::{host_of, with_scheme};
use crate::storage::{Options, text_variable};
use http::{HeaderMap, HeaderValue};
use reqsign_core::Signer;
use reqsign_google::{DefaultCredentialProvider, FileCredentialProvider, RequestSigner, StaticCredentialProvider};
use reqwest::Client;
use serde_json::Value;

/// The options of this storage.
const KNOWN: [&str; 4] = ["endpoint_url", "project", "requester_pays", "token"];
/// The permission that is requested: objects, but not the buckets themselves.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// The address of the service, and the credentials for it.
pub struct Config {
    /// The address of the service, without a `/` at its end.
    pub endpoint: String,
    /// The server, for messages.
    pub host: String,
    /// Sent with each request.
    pub headers: HeaderMap,
    /// The credentials.
    pub auth: Auth,
}

/// Reads the options and the environment. An emulator (`STORAGE_EMULATOR_HOST`) needs no credentials.
///
/// # Errors
/// If options are unknown or not of their type.
pub fn config(scheme: &str, options: &Options, client: &Client) -> Result<Config> {
    options.check(&KNOWN, scheme)?;
    // An option takes precedence over the environment, because the service that it names may need credentials.
    let given = options.text("endpoint_url")?;
    let emulator = text_variable("STORAGE_EMULATOR_HOST").filter(|host| host != "default" && given.is_none());
    let is_emulator = emulator.is_some();
    let endpoint = given.or(emulator).unwrap_or("https://storage.googleapis.com".to_string());
    let endpoint = with_scheme(endpoint, "http");
    let endpoint = endpoint.trim_end_matches('/').to_string();
    let host = host_of(&endpoint).ok_or_else(|| options.wrong("endpoint_url", "a URL of http or https"))?;
    let auth = auth(scheme, options, is_emulator, client)?;
    let mut headers = HeaderMap::new();
    if let Some(project) = payer(options)? {
        let value = HeaderValue::from_str(&project).map_err(|_| options.wrong("requester_pays", "the name of a project"))?;
        headers.insert("x-goog-user-project", value);
    }
    Ok(Config { endpoint, host, headers, auth })
}

/// Returns the credentials that the option `token` names. Without the option, these are the application default credentials:
/// those of `GOOGLE_APPLICATION_CREDENTIALS`, of `gcloud`, or of the machine.
fn auth(scheme: &str, options: &Options, is_emulator: bool, client: &Client) -> Result<Auth> {
    let context = context(client.clone(), patience()).with_file_read(Files);
    let requests = RequestSigner::new("storage").with_scope(SCOPE);
    let token = options.value("token");
    Ok(match (token, token.and_then(Value::as_str)) {
        (None, _) if is_emulator => Auth::anonymous(),
        (_, Some("anon")) => Auth::anonymous(),
        (None, _) | (_, Some("google_default" | "cloud")) => {
            let chain = DefaultCredentialProvider::builder().build();
            // The chain takes the scope from the environment only.
            let context = context.with_env(Variables(vec![("GOOGLE_SCOPE", Some(SCOPE.to_string()))]));
            Auth::new(Signer::new(context, chain, requests), Some("no credentials were found"))
        }
        (_, Some(token @ ("browser" | "cache"))) => {
            let help = "log in with `gcloud auth application-default login`, and leave the option out";
            return Err(Error::advise(format!("{scheme}://: a token of {token} can't be used here"), help));
        }
        (_, Some(path)) => Auth::new(Signer::new(context, FileCredentialProvider::new(path).with_scope(SCOPE), requests), None),
        (Some(content @ Value::Object(_)), _) => {
            let content = StaticCredentialProvider::new(completed(content.clone()).to_string()).with_scope(SCOPE);
            Auth::new(Signer::new(context, content, requests), None)
        }
        _ => return Err(options.wrong("token", "a path, an object, or \"anon\"")),
    })
}

/// Returns the project that pays, or None if the bucket's project pays.
fn payer(options: &Options) -> Result<Option<String>> {
    match options.value("requester_pays") {
        None | Some(Value::Bool(false)) => Ok(None),
        Some(Value::Bool(true)) => match options.text("project")? {
            Some(project) => Ok(Some(project)),
            None => Err(options.wrong("requester_pays", "the project that pays, here or as project")),
        },
        Some(Value::String(project)) => Ok(Some(project.clone())),
        Some(_) => Err(options.wrong("requester_pays", "true, false or a project")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_gcsfs() {
        let made = |text: &str| {
            let options = Options::parse(text.as_ref(), "--options").unwrap();
            config("gs", &options, crate::storage::web::client().unwrap())
                .map(|config| (config.host, config.headers))
                .map_err(|e| e.to_string())
        };
        assert_eq!(made(r#"{"token": "anon", "endpoint_url": "h:1/"}"#).unwrap().0, "h:1");
        assert_eq!(made(r#"{"endpoint_url": "https://h/"}"#).unwrap().0, "h");
        for text in [r#"{"requester_pays": true, "project": "p"}"#, r#"{"requester_pays": "p", "token": {"type": "x"}}"#] {
            assert_eq!(made(text).unwrap().1.get("x-goog-user-project").unwrap(), "p");
        }
        for bad in [r#"{"token": 1}"#, r#"{"token": "browser"}"#, r#"{"requester_pays": true}"#, r#"{"key": "secret"}"#] {
            assert!(made(bad).is_err_and(|e| !e.contains("secret")), "{bad}");
        }
    }
}
