//! Objects in archives: they are neither missing nor damaged, nothing is stored over them, and each says how to bring it back.

use super::options::{library, with};
use crate::storages::emulators::httpd::{Answer, Request};
use crate::storages::emulators::{self, Emulator, Root};
use crate::storages::faulty::front::Front;
use crate::util::World;
use serde_json::json;

/// A service with an archive.
struct Service {
    kind: &'static str,
    emulator: &'static dyn Emulator,
    /// The options that put new objects into the archive.
    archive: serde_json::Value,
}

fn services() -> Vec<Service> {
    let (Some(moto), Some(azurite)) = (emulators::moto(), emulators::azurite()) else { return Vec::new() };
    vec![
        Service { kind: "s3", emulator: moto, archive: json!({"s3_additional_kwargs": {"StorageClass": "GLACIER"}}) },
        Service { kind: "azure", emulator: azurite, archive: json!({"standard_blob_tier": "Archive"}) },
    ]
}

impl Service {
    /// The end of the message about an object.
    fn command(&self, root: &Root, name: &str) -> String {
        let container = &root.container;
        match self.kind {
            "s3" => format!(
                "it is cold (GLACIER); to read it, bring it back first: aws s3api restore-object --bucket {container} --key {name} \
                 --restore-request Days=7"
            ),
            _ => format!(
                "it is cold (Archive); to read it, bring it back first: az storage blob set-tier --account-name devstoreaccount1 \
                 --container-name {container} --name {name} --tier Hot"
            ),
        }
    }

    /// Brings an object back.
    fn bring_back(&self, root: &Root, name: &str) {
        match self.kind {
            "s3" => library("s3", self.emulator.port(), &["restore", &root.container, name]),
            _ => library("azure", self.emulator.port(), &["tier", &root.container, name, "Hot"]),
        };
    }
}

fn set(world: &mut World, name: &str, root: &Root) {
    world.set(&format!("{name}_ROOT"), &root.url);
    world.set(&format!("{name}_STORAGE_OPTIONS"), &root.options);
}

#[test]
fn a_cold_object_of_the_file_root_becomes_an_error_record_that_says_how_to_read_it() {
    for service in services() {
        let root = service.emulator.fresh();
        let (cold, warm) = (with(&root, &service.archive).open(), root.open());
        let put = |store: &dyn snapshooter::internals::storage::Store, key: &str| {
            let body = snapshooter::internals::storage::Body::Bytes(key.as_bytes().to_vec());
            store.put(key.as_bytes(), body, &Default::default()).expect("put");
        };
        put(&*cold, "it's cold");
        put(&*warm, "warm");
        let mut world = World::new();
        set(&mut world, "FILE", &root);
        let command = service.command(&root, "'it'\\''s cold'");
        let done = world.sh("snap-scan | snap-heapify | tee out | snap-write --partial").status(1);
        done.complains(&format!("it's cold: {command}"));
        world.sh("jq -r 'select(.type == \"error\") | .name, .error' out").ok().says(&format!("it's cold\n{command}\n"));
        world.sh("snap-read | jq -r 'select(.type == \"file\").name'").ok().says("warm\n");
        // The listing tells which ones it would be.
        let tier = if service.kind == "s3" { "GLACIER" } else { "Archive" };
        world.sh(&format!("snap-scan | jq -r 'select(.storage_class == \"{tier}\").name'")).ok().says("it's cold\n");
        // A record can still have that class when a copy is readable again.
        service.bring_back(&root, "it's cold");
        world.sh("snap-scan | snap-heapify | snap-write").ok().silent();
        world.sh("snap-read | snap-cat").ok().says("it's coldwarm");
    }
}

#[test]
fn a_cold_heap_object_is_neither_missing_nor_damaged() {
    for service in services() {
        let (root, front_of) = (service.emulator.fresh(), service.emulator.port());
        let front = Front::before(front_of, |_, _| None);
        let heap = with(&root.through(service.emulator, front.port), &service.archive);
        let mut world = World::new();
        world.put("files/a", "one content");
        world.put("files/b", "another content");
        set(&mut world, "HEAP", &heap);
        world.sh("snap-scan | snap-heapify | snap-write").ok().silent();
        let object = |name: &str| {
            let md5 = world.sh(&format!("snap-read | jq -r 'select(.name == \"{name}\").md5'")).ok().out().trim().to_string();
            format!("{}/{md5}.gz", &md5[..2])
        };
        let (a, b) = (object("a"), object("b"));
        service.bring_back(&root, &b);
        let reason = format!("a: heap object {a}: {}", service.command(&root, &a));
        let checked = world.sh("snap-read | snap-verify | tee out").status(1);
        checked.complains(&reason);
        world.sh("jq -r 'select(.type == \"error\").name' out").ok().says("a\n");
        world.sh("snap-read | snap-verify --quick").ok();
        world.sh("snap-read | jq -c 'del(.stored_size)' | snap-verify --quick").status(1).complains(&reason);
        world.sh("snap-read | snap-cat").status(1).complains(&reason).says("another content");
        world.sh("snap-read | snap-restore --file-root restored").status(1).complains(&reason);
        assert_eq!(world.files_below("restored").len(), 1);
        world.sh("snap-read | snap-copy --to-heap-root copy > out").status(1).complains(&reason);

        // What uses the heap takes it as it is, and stores nothing over it.
        let puts = |front: &Front| front.seen().iter().filter(|(_, r)| stores(r) && !r.target.contains("roots/")).count();
        let before = puts(&front);
        world.sh("snap-scan | snap-heapify --no-base | snap-write").ok().silent();
        world.sh("snap-scan | snap-heapify --no-base --verify-existing | snap-write").ok().silent();
        world.sh("snap-read | jq -c 'del(.stored_size)' | snap-heapify --no-base | snap-write").ok().silent();
        world.sh("snap-put dump -- cat files/a").ok();
        let local = "--heap-root local --heap-storage-options '{}'";
        world.sh(&format!("snap-scan | snap-heapify --no-base --level 0 {local} > there")).ok();
        let to = "--to-heap-root $HEAP_ROOT --to-heap-storage-options \"$HEAP_STORAGE_OPTIONS\"";
        world.sh(&format!("snap-copy {local} {to} < there > copied")).ok();
        assert_eq!(puts(&front), before, "{}: something was stored again", service.kind);
        world.sh("snap-gc --delete --exclusive").ok();
        world.sh("snap-read latest~2 | snap-verify --quick").ok();
    }
}

fn stores(request: &Request) -> bool {
    matches!(request.method.as_str(), "PUT" | "POST") && !request.query().contains_key("delete")
}

/// What S3 answers for an object in an archive, whose head has these headers.
fn archived(headers: &'static [(&'static str, &'static str)]) -> impl Fn(usize, &Request) -> Option<Answer> + Send + Sync {
    move |_, request| {
        let body = "<Error><Code>InvalidObjectState</Code><Message>The operation is not valid</Message></Error>";
        let head = Answer::new(200, "").with("etag", "\"1\"").with("content-length", 1);
        match request.method.as_str() {
            "HEAD" => Some(headers.iter().fold(head, |answer, (name, value)| answer.with(name, value))),
            "GET" if !request.target.contains("list-type") => Some(Answer::new(403, body)),
            _ => None,
        }
    }
}

#[test]
fn an_object_on_its_way_back_and_one_that_moved_by_itself_say_so() {
    let (Some(moto), Some(azurite)) = (emulators::moto(), emulators::azurite()) else { return };
    let said = |emulator: &'static dyn Emulator, front: Front| {
        let store = emulator.fresh().through(emulator, front.port).open();
        store.open(b"a/b c", 0, None, None).err().expect("it is cold").to_string()
    };

    let front = Front::before(
        moto.port(),
        archived(&[("x-amz-storage-class", "DEEP_ARCHIVE"), ("x-amz-restore", "ongoing-request=\"true\"")]),
    );
    assert_eq!(said(moto, front), "it is cold (DEEP_ARCHIVE), and is being brought back already; try again later");
    let front = Front::before(
        moto.port(),
        archived(&[("x-amz-storage-class", "INTELLIGENT_TIERING"), ("x-amz-archive-status", "ARCHIVE_ACCESS")]),
    );
    let said_by_itself = said(moto, front);
    assert!(said_by_itself.starts_with("it is cold (ARCHIVE_ACCESS); to read it"), "{said_by_itself}");
    assert!(said_by_itself.ends_with("--key 'a/b c' --restore-request '{}'"), "{said_by_itself}");
    // The state of the object can be unknown.
    let front = Front::before(moto.port(), |_, request| match request.method.as_str() {
        "HEAD" => Some(Answer::new(403, "")),
        _ => archived(&[])(0, request),
    });
    assert!(said(moto, front).starts_with("it is cold (an archive); to read it"));

    let front = Front::before(azurite.port(), |_, request| {
        let own = |answer: Answer| answer.with("x-ms-request-id", 1);
        match request.method.as_str() {
            "HEAD" => Some(own(Answer::new(200, "")).with("x-ms-archive-status", "rehydrate-pending-to-hot")),
            "GET" if !request.target.contains("comp=list") => {
                Some(own(Answer::new(409, "")).with("x-ms-error-code", "BlobArchived"))
            }
            _ => None,
        }
    });
    assert_eq!(said(azurite, front), "it is cold (Archive), and is being brought back already; try again later");
}
