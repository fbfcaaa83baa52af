//! Storage options about writing: each request that needs one has it and no other has, and services of other vendors take them.

use crate::storages::conformance::{bytes, get, list};
use crate::storages::emulators::azurite::{KEY, connection_string};
use crate::storages::emulators::httpd::Request;
use crate::storages::emulators::{self, Emulator, Root, fake_gcs, installed};
use crate::storages::faulty::front::Front;
use crate::util::World;
use serde_json::{Map, Value, json};
use snapshooter::internals::storage::{Attributes, Body, Put};
use std::path::Path;
use std::process::Command;

/// The same root with more options.
pub fn with(root: &Root, more: &Value) -> Root {
    let mut options: Map<String, Value> = serde_json::from_str(&root.options).expect("an object");
    options.extend(more.as_object().expect("an object").clone());
    Root { options: Value::Object(options).to_string(), ..root.clone() }
}

/// Runs `options.py`, and returns the lines that it prints.
pub fn library(kind: &str, port: u16, arguments: &[&str]) -> Vec<Value> {
    let endpoint = if kind == "s3" { format!("http://127.0.0.1:{port}") } else { connection_string(port, KEY) };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storages/options.py");
    let mut command = Command::new(installed("venv/bin/python"));
    let (what, container) = (arguments[0], arguments[1]);
    command.arg(script).args([kind, &endpoint, what, container]).args(&arguments[2..]);
    command.env("no_proxy", "127.0.0.1").env("PYTHONWARNINGS", "ignore");
    let output = command.output().expect("run Python");
    assert!(output.status.success(), "{kind} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Does all that a storage can, and returns the root and the requests.
fn asked(emulator: &'static dyn Emulator, more: &Value) -> (Root, Vec<Request>) {
    let front = Front::before(emulator.port(), |_, _| None);
    let root = emulator.fresh();
    let store = with(&root.through(emulator, front.port), more).open();
    let (small, large) = (bytes(1, 100), bytes(2, 9 << 20));
    let how = Put { if_absent: true, ..Put::default() };
    assert!(store.put(b"small", Body::Bytes(small.clone()), &how).expect("put"));
    assert!(store.put(b"large", Body::Stream(&mut &large[..]), &how).expect("put"));
    assert!(store.put(b"readable", Body::Bytes(small.clone()), &Put { stays_readable: true, ..how }).expect("put"));
    assert!(store.stat(b"small").expect("stat").is_some());
    assert_eq!(list(&*store, b"").len(), 3);
    if more["standard_blob_tier"].is_null() {
        assert!(get(&*store, b"small") == small && get(&*store, b"large") == large);
    }
    store.delete(&[b"readable".to_vec()]).into_iter().collect::<std::io::Result<()>>().expect("delete");
    let requests = front.seen().into_iter().map(|(_, request)| request).collect();
    (root, requests)
}

/// Asserts that exactly the requests of which `is` says so have a header.
fn only(requests: &[Request], header: (&str, &str), is: impl Fn(&Request) -> bool) {
    let (name, value) = header;
    assert!(requests.iter().any(&is));
    for request in requests {
        let expected = is(request).then_some(value);
        assert_eq!(request.header(name), expected, "{name} of {} {}", request.method, request.target);
    }
}

#[test]
fn s3_gets_each_parameter_with_the_requests_that_need_it() {
    let Some(moto) = emulators::moto() else { return };
    let has = |request: &Request, name: &str| request.query().contains_key(name);
    let creates = |r: &Request| r.method == "PUT" && !has(r, "partNumber") || r.method == "POST" && has(r, "uploads");
    let more = json!({"requester_pays": true, "s3_additional_kwargs": {
        "ACL": "bucket-owner-full-control", "BucketKeyEnabled": true, "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "alias/backup", "SSEKMSEncryptionContext": {"a": "b"}, "StorageClass": "STANDARD_IA",
        "Tagging": "kind=backup", "ExpectedBucketOwner": "123456789012",
    }});
    let (root, requests) = asked(moto, &more);
    for header in [("x-amz-request-payer", "requester"), ("x-amz-expected-bucket-owner", "123456789012")] {
        only(&requests, header, |_| true);
    }
    for header in [
        ("x-amz-acl", "bucket-owner-full-control"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "alias/backup"),
        ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
        ("x-amz-server-side-encryption-context", "eyJhIjoiYiJ9"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-tagging", "kind=backup"),
    ] {
        only(&requests, header, creates);
    }
    let about = library("s3", moto.port(), &["about", &root.container, "StorageClass", "ServerSideEncryption", "Tags"]);
    let kept = json!({"StorageClass": "STANDARD_IA", "ServerSideEncryption": "aws:kms",
        "Tags": [{"Key": "kind", "Value": "backup"}]});
    assert_eq!(about, [json!(["large", kept]), json!(["small", kept])]);

    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, [7; 32]).expect("write a key");
    let (_, requests) = asked(moto, &json!({"s3_additional_kwargs": {"SSECustomerKey": format!("@{}", key.display())}}));
    let is_keyed = |r: &Request| r.method != "DELETE" && !has(r, "delete") && !has(r, "list-type");
    for header in [
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="),
        ("x-amz-server-side-encryption-customer-key-md5", "y4HAEFCYWuvAXWFTtA1Qpg=="),
    ] {
        only(&requests, header, is_keyed);
    }
}

#[test]
fn azure_gets_tier_and_encryption_scope_with_uploads() {
    let Some(azurite) = emulators::azurite() else { return };
    let comp = |r: &Request| r.query().get("comp").cloned().unwrap_or_default();
    let (root, requests) = asked(azurite, &json!({"standard_blob_tier": "Cool", "encryption_scope": "backup"}));
    let stores = |r: &Request| r.method == "PUT" && ["", "block", "blocklist"].contains(&&*comp(r));
    only(&requests, ("x-ms-encryption-scope", "backup"), stores);
    only(&requests, ("x-ms-access-tier", "Cool"), |r| stores(r) && comp(r) != "block");
    let about = library("azure", azurite.port(), &["about", &root.container, "blob_tier"]);
    assert_eq!(about, [json!(["large", {"blob_tier": "Cool"}]), json!(["small", {"blob_tier": "Cool"}])]);
    // What has to stay readable is not archived.
    let (_, requests) = asked(azurite, &json!({"standard_blob_tier": "Archive"}));
    only(&requests, ("x-ms-access-tier", "Archive"), |r| stores(r) && comp(r) != "block" && !r.target.contains("readable"));
}

#[test]
fn google_gets_key_and_access_with_uploads() {
    let more = json!({"kms_key_name": "projects/p/key", "predefined_acl": "projectPrivate", "storage_class": "NEARLINE"});
    let (_, requests) = asked(fake_gcs(), &more);
    let starts = |r: &Request| r.query().contains_key("uploadType");
    for (name, value) in [("kmsKeyName", "projects/p/key"), ("predefinedAcl", "projectPrivate")] {
        assert!(requests.iter().any(starts));
        for request in &requests {
            let expected = Some(value).filter(|_| starts(request) && !request.query().contains_key("upload_id"));
            assert_eq!(request.query().get(name).map(String::as_str), expected, "{name} of {}", request.target);
        }
    }
    // A class of the options wins over that of a record.
    let root = fake_gcs().fresh();
    let store = with(&root, &more).open();
    let attributes = Attributes { storage_class: Some("COLDLINE".to_string()), ..Attributes::default() };
    assert_eq!(store.keeps(&attributes).storage_class.as_deref(), Some("NEARLINE"));
    store.put(b"a", Body::Bytes(b"a".to_vec()), &Put { attributes, ..Put::default() }).expect("put");
    let more = store.stat(b"a").expect("stat").expect("it is there").more;
    assert!(more.contains(&("storage_class", "\"NEARLINE\"".to_string())), "{more:?}");
}

#[test]
fn a_backup_can_be_locked() {
    let Some(moto) = emulators::moto() else { return };
    let (heap, snap) = (moto.missing(), moto.missing());
    for root in [&heap, &snap] {
        library("s3", moto.port(), &["lock", &root.container]);
    }
    let mut world = World::new();
    world.put("files/small", "content");
    world.put("files/large", bytes(3, 9 << 20));
    let locked = json!({"s3_additional_kwargs": {"ObjectLockMode": "COMPLIANCE",
        "ObjectLockRetainUntilDate": "2099-01-01T00:00:00Z", "ObjectLockLegalHoldStatus": "ON"}});
    let front = Front::before(moto.port(), |_, _| None);
    for (name, root) in [("HEAP", &heap), ("SNAP", &snap)] {
        let root = with(&root.through(moto, front.port), &locked);
        world.set(&format!("{name}_ROOT"), &root.url);
        world.set(&format!("{name}_STORAGE_OPTIONS"), &root.options);
    }
    world.sh("snap-scan | snap-heapify | snap-write").ok().silent();
    world.sh("snap-read | snap-verify").ok();
    let begun = front.seen().into_iter().map(|(_, request)| request).find(|request| request.target.ends_with("?uploads"));
    let begun = begun.expect("an upload in parts");
    assert_eq!(begun.header("x-amz-object-lock-mode"), Some("COMPLIANCE"));
    assert_eq!(begun.header("x-amz-object-lock-retain-until-date"), Some("2099-01-01T00:00:00Z"));
    let large = begun.path().rsplit('/').next().expect("a name").to_string();
    for (root, objects) in [(&heap, 3), (&snap, 1)] {
        let about = library("s3", moto.port(), &["about", &root.container, "ObjectLockMode", "ObjectLockLegalHoldStatus"]);
        assert_eq!(about.len(), objects, "{about:?}");
        // moto forgets the lock of an upload in parts.
        for object in about.iter().filter(|object| !object[0].as_str().is_some_and(|name| name.ends_with(&large))) {
            assert_eq!(object[1], json!({"ObjectLockMode": "COMPLIANCE", "ObjectLockLegalHoldStatus": "ON"}), "{object}");
        }
    }
}

#[test]
fn a_key_in_plain_text_is_refused_and_not_shown() {
    let mut world = World::new();
    world.set("SNAP_ROOT", "s3://bucket/snap");
    world.set("SNAP_STORAGE_OPTIONS", r#"{"region": "r", "s3_additional_kwargs": {"SSECustomerKey": "sesame"}}"#);
    let done = world.sh("snap-list").status(2).complains("SSECustomerKey: a key is not given here");
    assert!(!done.err().contains("sesame"), "{done}");
    // And one in a file does not go over a network in plain text.
    world.put("key", "0123456789abcdef0123456789abcdef");
    let options = r#"{"endpoint_url": "http://s3.example.org", "s3_additional_kwargs": {"SSECustomerKey": "@key"}}"#;
    world.set("SNAP_STORAGE_OPTIONS", options);
    world.sh("snap-list").status(2).complains("the key is sent over https only");
}
