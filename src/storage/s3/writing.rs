//! What the option `s3_additional_kwargs` of s3fs adds to requests, under the names of boto3's parameters: encryption, storage
//! class, access, object lock, tags.

use crate::digest::md5_of;
use crate::display::printable;
use crate::error::{Error, Result};
use crate::json::{from_base64, to_base64};
use crate::storage::Options;
use crate::storage::attributes::{Attributes, Texts};
use crate::storage::store::Put;
use crate::storage::web::service::Call;
use crate::storage::web::{decode, is_header, md5_base64, time};
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use std::fmt;

/// The name of the option.
const OPTION: &str = "s3_additional_kwargs";

/// Parameters that become a header of the request that creates an object: PutObject or CreateMultipartUpload.
const HEADERS: [(&str, &str); 12] = [
    ("ACL", "x-amz-acl"),
    ("BucketKeyEnabled", "x-amz-server-side-encryption-bucket-key-enabled"),
    ("GrantFullControl", "x-amz-grant-full-control"),
    ("GrantRead", "x-amz-grant-read"),
    ("GrantReadACP", "x-amz-grant-read-acp"),
    ("GrantWriteACP", "x-amz-grant-write-acp"),
    ("ObjectLockLegalHoldStatus", "x-amz-object-lock-legal-hold"),
    ("ObjectLockMode", "x-amz-object-lock-mode"),
    ("ObjectLockRetainUntilDate", "x-amz-object-lock-retain-until-date"),
    ("SSEKMSEncryptionContext", "x-amz-server-side-encryption-context"),
    ("SSEKMSKeyId", "x-amz-server-side-encryption-aws-kms-key-id"),
    ("ServerSideEncryption", "x-amz-server-side-encryption"),
];

/// The other parameters.
const OTHERS: [&str; 6] =
    ["ExpectedBucketOwner", "RequestPayer", "SSECustomerAlgorithm", "SSECustomerKey", "StorageClass", "Tagging"];

/// Parameters of boto3 that are refused, with the reasons.
const REFUSED: [(&str, &[&str]); 3] = [
    (
        "each upload has its Content-MD5, which the service compares",
        &["ChecksumAlgorithm", "ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256"],
    ),
    (
        "objects get it from their records",
        &[
            "CacheControl",
            "ContentDisposition",
            "ContentEncoding",
            "ContentLanguage",
            "ContentType",
            "Expires",
            "Metadata",
            "WebsiteRedirectLocation",
        ],
    ),
    ("it is computed", &["ContentLength", "ContentMD5", "SSECustomerKeyMD5"]),
];

/// Classes whose objects can't be read at once.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// The additions to requests.
#[derive(Default)]
pub struct Writing {
    /// For all requests.
    pub always: HeaderMap,
    /// For the request that creates an object.
    creating: Vec<(&'static str, String)>,
    /// The key of the customer: for each request that sends or returns a content or its description.
    key: Vec<(&'static str, String)>,
    class: Option<String>,
    tags: Option<Texts>,
}

/// Hides the values: one is a key.
impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.creating.iter().chain(&self.key).map(|(name, _)| name)).finish()
    }
}

impl Writing {
    /// Reads the options `s3_additional_kwargs` and `requester_pays`.
    ///
    /// # Errors
    /// If a parameter is unknown, refused, or has a value of another form.
    pub fn new(options: &Options) -> Result<Writing> {
        let mut writing = Writing::default();
        if options.flag("requester_pays")? == Some(true) {
            writing.always.insert("x-amz-request-payer", HeaderValue::from_static("requester"));
        }
        let none = Map::new();
        let given = match options.value(OPTION) {
            None => &none,
            Some(Value::Object(map)) => map,
            Some(_) => return Err(options.wrong(OPTION, "an object of parameters of boto3's put_object")),
        };
        for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            writing.add(name, value).map_err(|reason| refused(options, name, &reason))?;
        }
        writing.check().map_err(|(name, reason)| refused(options, name, reason))?;
        Ok(writing)
    }

    fn add(&mut self, name: &str, value: &Value) -> std::result::Result<(), String> {
        if let Some((name, header)) = HEADERS.iter().find(|(known, _)| *known == name) {
            self.creating.push((header, header_value(name, value)?));
            return Ok(());
        }
        let text = || text(value);
        match name {
            "ExpectedBucketOwner" => drop(self.always.insert("x-amz-expected-bucket-owner", of_header(&text()?)?)),
            "RequestPayer" => drop(self.always.insert("x-amz-request-payer", of_header(&text()?)?)),
            "SSECustomerAlgorithm" => self.key.push(("x-amz-server-side-encryption-customer-algorithm", text()?)),
            "SSECustomerKey" => {
                let key = key(&text()?)?;
                self.key.push(("x-amz-server-side-encryption-customer-key", to_base64(&key)));
                self.key.push(("x-amz-server-side-encryption-customer-key-md5", md5_base64(md5_of(&key))));
            }
            "StorageClass" => self.class = Some(text()?),
            "Tagging" => self.tags = Some(tags(&text()?)?),
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    /// Refuses combinations that leave open what is meant.
    fn check(&mut self) -> std::result::Result<(), (&'static str, &'static str)> {
        let has = |all: &[(&'static str, String)], header: &str| all.iter().any(|(name, _)| *name == header);
        let (has_key, has_algorithm) = (
            has(&self.key, "x-amz-server-side-encryption-customer-key"),
            has(&self.key, "x-amz-server-side-encryption-customer-algorithm"),
        );
        if has_key && has(&self.creating, "x-amz-server-side-encryption") {
            return Err(("SSECustomerKey", "either it or ServerSideEncryption, not both"));
        }
        match (has_key, has_algorithm) {
            (false, true) => Err(("SSECustomerAlgorithm", "it needs SSECustomerKey, too")),
            (true, false) => {
                self.key.push(("x-amz-server-side-encryption-customer-algorithm", "AES256".to_string()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether requests have the key of the customer.
    pub fn has_key(&self) -> bool {
        !self.key.is_empty()
    }

    /// Whether etags of new objects are not the md5 of their content, because of their encryption.
    pub fn hides_md5(&self) -> bool {
        let is_kms = |(name, value): &(&str, String)| *name == "x-amz-server-side-encryption" && value.starts_with("aws:");
        self.has_key() || self.creating.iter().any(is_kms)
    }

    /// Returns the attributes with those that the options set for all objects.
    pub fn over(&self, attributes: Attributes) -> Attributes {
        let class = self.class.clone().or(attributes.storage_class);
        let tags = self.tags.clone().unwrap_or(attributes.tags);
        Attributes { storage_class: class, tags, ..attributes }
    }

    /// Returns the attributes of an object to put. One that has to stay readable is not put in an archive.
    pub fn attributes(&self, how: &Put) -> Attributes {
        let over = self.over(how.attributes.clone());
        let is_archive = over.storage_class.as_ref().is_some_and(|class| ARCHIVES.contains(&class.as_str()));
        if how.stays_readable && is_archive { Attributes { storage_class: None, ..over } } else { over }
    }

    /// Adds the headers for the request that creates an object.
    pub fn created(&self, call: Call) -> Call {
        add(self.keyed(call), &self.creating)
    }

    /// Adds the key of the customer.
    pub fn keyed(&self, call: Call) -> Call {
        add(call, &self.key)
    }
}

fn add(call: Call, headers: &[(&'static str, String)]) -> Call {
    headers.iter().fold(call, |call, (name, value)| call.header(*name, value))
}

fn refused(options: &Options, name: &str, reason: &str) -> Error {
    options.refused(&format!("{OPTION}: {}", printable(name.as_bytes())), reason)
}

fn unknown(name: &str) -> String {
    if let Some((reason, _)) = REFUSED.iter().find(|(_, names)| names.contains(&name)) {
        return reason.to_string();
    }
    let known: Vec<_> = HEADERS.iter().map(|(name, _)| *name).chain(OTHERS).collect();
    format!("no such parameter; there are {}", known.join(", "))
}

fn text(value: &Value) -> std::result::Result<String, String> {
    let text = value.as_str().filter(|text| !text.is_empty() && is_header(text));
    text.map(str::to_string).ok_or_else(|| "expected a text".to_string())
}

fn of_header(text: &str) -> std::result::Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| "expected a text".to_string())
}

fn header_value(name: &str, value: &Value) -> std::result::Result<String, String> {
    match (name, value) {
        ("BucketKeyEnabled", Value::Bool(flag)) => Ok(flag.to_string()),
        ("BucketKeyEnabled", _) => Err("expected true or false".to_string()),
        // boto3 takes it in base64.
        ("SSEKMSEncryptionContext", Value::Object(_)) => Ok(to_base64(value.to_string().as_bytes())),
        ("ObjectLockRetainUntilDate", _) => match text(value) {
            Ok(text) if time(&text).is_some() => Ok(text),
            _ => Err("expected a time as in 2027-01-31T00:00:00Z".to_string()),
        },
        _ => text(value),
    }
}

/// Reads the file of a key: 32 bytes, as they are or in base64.
fn key(given: &str) -> std::result::Result<Vec<u8>, String> {
    let Some(path) = given.strip_prefix('@') else {
        return Err("a key is not given here; write it to a file that only you can read, and give @FILE".to_string());
    };
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {}", printable(path.as_bytes()), crate::error::reason(&e)))?;
    let decoded = || from_base64(std::str::from_utf8(&bytes).ok()?.trim()).filter(|key| key.len() == 32);
    match decoded() {
        Some(key) => Ok(key),
        None if bytes.len() == 32 => Ok(bytes),
        None => Err(format!("{}: a key has 32 bytes, as they are or in base64", printable(path.as_bytes()))),
    }
}

/// Reads `a=b&c=d`.
fn tags(text: &str) -> std::result::Result<Texts, String> {
    let one = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| String::from_utf8(decode(&text.replace('+', " "))).ok();
        plain(name).filter(|name| !name.is_empty()).zip(plain(value))
    };
    text.split('&').map(one).collect::<Option<Texts>>().ok_or_else(|| "expected tags as in a=b&c=d".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kwargs: &str) -> std::result::Result<Writing, String> {
        let options = format!("{{\"s3_additional_kwargs\": {kwargs}}}");
        Writing::new(&Options::parse(options.as_ref(), "--options").unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn keys_come_from_files_and_are_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let given = format!("{{\"SSECustomerKey\": \"@{}\"}}", path.display());
        let key = b"sesame sesame sesame sesame sesa";
        for content in [key.to_vec(), format!("{}\n", to_base64(key)).into_bytes()] {
            std::fs::write(&path, content).unwrap();
            let writing = of(&given).unwrap();
            let call = writing.keyed(Call::default());
            let sent = |name: &str| call.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
            assert_eq!(sent("x-amz-server-side-encryption-customer-key"), Some(to_base64(key)));
            assert_eq!(sent("x-amz-server-side-encryption-customer-key-md5"), Some(md5_base64(md5_of(key))));
            assert_eq!(sent("x-amz-server-side-encryption-customer-algorithm").as_deref(), Some("AES256"));
            assert!(writing.hides_md5() && !format!("{writing:?}").contains(&to_base64(key)));
        }
        std::fs::write(&path, "sesame").unwrap();
        for bad in [given.as_str(), "{\"SSECustomerKey\": \"sesame\"}", "{\"SSECustomerKey\": \"@/nowhere/sesame\"}"] {
            let e = of(bad).unwrap_err();
            assert!(e.starts_with("--options: s3_additional_kwargs: SSECustomerKey: "), "{e}");
            assert!(bad.contains('@') || e.ends_with("give @FILE") && !e.contains("sesame"), "{e}");
        }
    }

    #[test]
    fn what_boto3_has_is_sent_or_refused_with_a_reason() {
        for (bad, reason) in [
            (r#"{"ChecksumAlgorithm": "SHA256"}"#, "ChecksumAlgorithm: each upload has its Content-MD5"),
            (r#"{"Metadata": {}}"#, "Metadata: objects get it from their records"),
            (r#"{"SSECustomerKeyMD5": "x"}"#, "it is computed"),
            (r#"{"Nonsense": "x"}"#, "Nonsense: no such parameter; there are ACL, "),
            (r#"{"ACL": 1}"#, "ACL: expected a text"),
            (r#"{"ACL": "a\nb"}"#, "ACL: expected a text"),
            (r#"{"BucketKeyEnabled": "true"}"#, "BucketKeyEnabled: expected true or false"),
            (r#"{"ObjectLockRetainUntilDate": "tomorrow"}"#, "ObjectLockRetainUntilDate: expected a time"),
            (r#"{"Tagging": "=b"}"#, "Tagging: expected tags"),
            (r#"{"SSECustomerAlgorithm": "AES256"}"#, "SSECustomerAlgorithm: it needs SSECustomerKey"),
            ("[]", "s3_additional_kwargs: expected an object"),
        ] {
            let e = of(bad).unwrap_err();
            assert!(e.contains(reason), "{bad}: {e}");
        }
        let writing =
            of(r#"{"ACL": null, "BucketKeyEnabled": true, "SSEKMSEncryptionContext": {"a": "b"}, "Tagging": "a=b+c&d%20e="}"#)
                .unwrap();
        let sent = writing.created(Call::default()).headers;
        let header = |name: &str, value: &str| (name.to_string(), value.to_string());
        let expected = [
            header("x-amz-server-side-encryption-bucket-key-enabled", "true"),
            header("x-amz-server-side-encryption-context", &to_base64(b"{\"a\":\"b\"}")),
        ];
        assert_eq!(sent, expected);
        let tags = writing.over(Attributes::default()).tags;
        assert_eq!(tags, [("a".to_string(), "b c".to_string()), ("d e".to_string(), String::new())].into());
    }

    #[test]
    fn a_class_of_the_options_wins_but_what_has_to_stay_readable_is_not_archived() {
        let class = |given: &str, of_record: Option<&str>, stays_readable: bool| {
            let attributes = Attributes { storage_class: of_record.map(str::to_string), ..Attributes::default() };
            let how = Put { attributes, stays_readable, ..Put::default() };
            of(&format!("{{\"StorageClass\": {given}}}")).unwrap().attributes(&how).storage_class
        };
        assert_eq!(class("\"STANDARD_IA\"", Some("GLACIER"), false).as_deref(), Some("STANDARD_IA"));
        assert_eq!(class("null", Some("GLACIER"), false).as_deref(), Some("GLACIER"));
        assert_eq!(class("\"DEEP_ARCHIVE\"", None, false).as_deref(), Some("DEEP_ARCHIVE"));
        assert_eq!(class("\"DEEP_ARCHIVE\"", None, true), None);
        assert_eq!(class("\"STANDARD_IA\"", None, true).as_deref(), Some("STANDARD_IA"));
    }
}
