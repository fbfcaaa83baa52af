//! Google Cloud Storage: what fsspec's `gcsfs` calls its options, and the application default credentials.

use super::s3::host_of;
use super::transport::Transport;
use crate::display::printable;
use crate::error::{Error, Result};
use crate::storage::{Options, text_variable};
use base64::Engine;
use opendal::Operator;
use opendal::services::Gcs;
use reqwest::header::HeaderValue;
use serde_json::Value;

/// The options that it has.
const KNOWN: [&str; 4] = ["endpoint_url", "project", "requester_pays", "token"];

/// A bucket, and the way to it.
///
/// Credentials are those of the option `token` (a path, an object, or `anon`), else the application default ones:
/// GOOGLE_APPLICATION_CREDENTIALS, those of `gcloud`, those of the machine. An emulator (STORAGE_EMULATOR_HOST) needs none.
///
/// # Errors
/// If options are unknown or not of their type.
pub fn operator(
    scheme: &str,
    bucket: &str,
    options: &Options,
    transport: impl Fn(String) -> Transport,
) -> Result<(Operator, Transport)> {
    options.check(&KNOWN, scheme)?;
    // An option beats the environment: what it names may want credentials.
    let told = options.text("endpoint_url")?;
    let emulator = text_variable("STORAGE_EMULATOR_HOST").filter(|host| host != "default" && told.is_none());
    let is_emulator = emulator.is_some();
    let endpoint = match told.or(emulator) {
        Some(host) if !host.contains("://") => Some(format!("http://{host}")),
        endpoint => endpoint,
    };
    let mut builder = Gcs::default().bucket(bucket);
    let host = match endpoint {
        Some(endpoint) => {
            let endpoint = endpoint.trim_end_matches('/');
            builder = builder.endpoint(endpoint);
            host_of(endpoint).ok_or_else(|| options.wrong("endpoint_url", "a URL of http or https"))?
        }
        None => "storage.googleapis.com".to_string(),
    };
    builder = match options.value("token") {
        None if is_emulator => builder.skip_signature(),
        None => builder,
        Some(Value::String(token)) => match token.as_str() {
            "anon" => builder.skip_signature(),
            "google_default" | "cloud" => builder,
            "browser" | "cache" => {
                let help = "log in with `gcloud auth application-default login`, and leave the option out";
                return Err(Error::advise(format!("{scheme}://: a token of {token} can't be used here"), help));
            }
            path => builder.credential_path(path),
        },
        Some(token @ Value::Object(_)) => {
            builder.credential(&base64::engine::general_purpose::STANDARD.encode(token.to_string()))
        }
        Some(_) => return Err(options.wrong("token", "a path, an object, or \"anon\"")),
    };
    let payer = match options.value("requester_pays") {
        None | Some(Value::Bool(false)) => None,
        Some(Value::Bool(true)) => match options.text("project")? {
            Some(project) => Some(project),
            None => return Err(options.wrong("requester_pays", "the project that pays, here or as project")),
        },
        Some(Value::String(project)) => Some(project.clone()),
        Some(_) => return Err(options.wrong("requester_pays", "true, false or a project")),
    };
    let mut transport = transport(host);
    if let Some(project) = payer {
        let value = HeaderValue::from_str(&project).map_err(|_| options.wrong("requester_pays", "the name of a project"))?;
        transport.headers.insert("x-goog-user-project", value);
    }
    let reason = |e: opendal::Error| Error::refused(format!("{scheme}://{bucket}: {}", printable(e.message().as_bytes())));
    Ok((Operator::new(builder).map_err(reason)?, transport))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_gcsfs() {
        let made = |text: &str| {
            let options = Options::parse(text.as_ref(), "--options").unwrap();
            let transport = |host: String| Transport {
                client: crate::storage::web::client().unwrap(),
                host,
                headers: Default::default(),
                kind: super::super::Kind::Gcs,
                bucket: "b".to_string(),
                policy: Default::default(),
            };
            operator("gs", "b", &options, transport).map(|(_, t)| (t.host, t.headers)).map_err(|e| e.to_string())
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
