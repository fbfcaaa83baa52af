//! Files of federated identities (`external_account`), as other tools write them.

use reqsign_core::{FileRead, Result};
use reqsign_file_read_tokio::TokioFileRead;
use serde_json::{Value, json};

/// Reads files of credentials.
#[derive(Debug)]
pub struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> Result<Vec<u8>> {
        TokioFileRead.file_read(path).await.map(|content| match serde_json::from_slice(&content) {
            Ok(account) if is_federated(&account) => completed(account).to_string().into_bytes(),
            _ => content,
        })
    }
}

fn is_federated(account: &Value) -> bool {
    account["type"] == "external_account"
}

/// Adds the format of the token, which gcloud leaves out if it is a plain text. The library requires it.
pub fn completed(mut account: Value) -> Value {
    let is_federated = is_federated(&account);
    if let Some(source) = account.get_mut("credential_source").filter(|_| is_federated).and_then(Value::as_object_mut)
        && (source.contains_key("file") || source.contains_key("url") && !source.contains_key("environment_id"))
    {
        source.entry("format").or_insert_with(|| json!({"type": "text"}));
    }
    account
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_format_of_a_token_is_added() {
        let account = |source: Value| json!({"type": "external_account", "credential_source": source});
        let text = json!({"type": "text"});
        for (source, expected) in [
            (json!({"file": "f"}), json!({"file": "f", "format": text})),
            (json!({"url": "u"}), json!({"url": "u", "format": text})),
            (json!({"file": "f", "format": {"type": "json"}}), json!({"file": "f", "format": {"type": "json"}})),
            (json!({"url": "u", "environment_id": "aws1"}), json!({"url": "u", "environment_id": "aws1"})),
            (json!({"executable": {}}), json!({"executable": {}})),
        ] {
            assert_eq!(completed(account(source)), account(expected));
        }
        let other = json!({"type": "service_account", "credential_source": {"file": "f"}});
        assert_eq!(completed(other.clone()), other);
    }
}
