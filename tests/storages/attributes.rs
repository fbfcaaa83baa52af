//! Attributes of objects: from a bucket into a snapshot, and from there into another bucket, as the vendors' own libraries see them.

use crate::storages::emulators::azurite::{KEY, connection_string};
use crate::storages::emulators::{self, Emulator, Root, fake_gcs, installed};
use crate::util::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// A service, and how the vendor's library reaches it.
struct Service {
    kind: &'static str,
    emulator: &'static dyn Emulator,
    endpoint: String,
}

fn services() -> Vec<Service> {
    let (Some(moto), Some(azurite)) = (emulators::moto(), emulators::azurite()) else { return Vec::new() };
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    vec![
        Service { kind: "s3", emulator: moto, endpoint: at(moto.port()) },
        Service { kind: "azure", emulator: azurite, endpoint: connection_string(azurite.port(), KEY) },
        Service { kind: "gcs", emulator: fake_gcs(), endpoint: at(fake_gcs().port()) },
    ]
}

impl Service {
    fn library(&self, what: &str, root: &Root, more: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storages/attributes.py");
        let mut command = Command::new(installed("venv/bin/python"));
        command.arg(script).args([self.kind, &self.endpoint, what, &root.container]).args(more);
        command.env("no_proxy", "127.0.0.1").env("PYTHONWARNINGS", "ignore");
        let output = command.output().expect("run Python");
        assert!(output.status.success(), "{} {what}: {}", self.kind, String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("JSON is UTF-8")
    }

    /// A bucket with the objects of `attributes.py`.
    fn site(&self) -> Root {
        let root = self.emulator.fresh();
        self.library("plant", &root, &[]);
        root
    }

    /// The objects, as the library sees them.
    fn ask(&self, root: &Root) -> Vec<Value> {
        self.library("ask", root, &[]).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn has_tags(&self) -> bool {
        self.kind != "gcs"
    }
}

/// A world whose file root is a bucket.
fn world(root: &Root) -> World {
    let mut world = World::new();
    set(&mut world, root);
    world
}

fn set(world: &mut World, root: &Root) {
    world.set("FILE_ROOT", &root.url);
    world.set("FILE_STORAGE_OPTIONS", &root.options);
}

#[test]
fn objects_come_back_with_all_attributes_that_the_other_service_keeps() {
    for from in services() {
        let site = from.site();
        let planted = from.ask(&site);
        assert_eq!(planted.len(), 4);
        let mut world = world(&site);
        let tags = if from.has_tags() { "--object-tags" } else { "" };
        world.sh(&format!("snap-scan | snap-heapify {tags} | snap-write")).ok().silent();
        for to in services() {
            let copy = to.emulator.fresh();
            set(&mut world, &copy);
            let done = world.sh("snap-read | snap-restore").ok();
            let mut lost = Vec::new();
            let mut expected = planted.clone();
            if from.kind != to.kind {
                lost.push("storage class");
                expected.iter_mut().for_each(|object| object["class"] = Value::Null);
            }
            if from.has_tags() && !to.has_tags() {
                lost.push("tags");
                expected.iter_mut().for_each(|object| object["tags"] = json!({}));
            }
            let mut found = to.ask(&copy);
            if from.kind != to.kind {
                found.iter_mut().for_each(|object| object["class"] = Value::Null);
            }
            assert_eq!(found, expected, "from {} to {}", from.kind, to.kind);
            match lost.is_empty() {
                true => _ = done.silent(),
                false => _ = done.complains("the storage does not keep all attributes of ").complains(&lost.join(", ")),
            }
            // Nothing is left to do, in the eyes of the tool as well.
            world.sh("snap-read | snap-restore --dry-run").ok().says("");
        }
    }
}

#[test]
fn unchanged_objects_have_the_attributes_of_the_base_and_changed_ones_their_own() {
    for service in services() {
        let site = service.site();
        let world = world(&site);
        world.sh("snap-scan | snap-heapify | snap-write").ok().silent();
        let attributes = "jq -c 'select(.type == \"file\") | [.name, .content_settings, .metadata, .storage_class]'";
        let first = world.sh(&format!("snap-read | {attributes}")).ok().out();
        let requests = |script: &str| {
            let scanned = "snap-scan -o scanned && jq 'select(.type == \"end\").work.requests' scanned";
            let listing: u64 = world.sh(scanned).ok().out().trim().parse().expect("a number");
            let work = format!("{script} | jq 'select(.type == \"end\").work.requests'");
            world.sh(&work).ok().out().trim().parse::<u64>().expect("a number") - listing
        };
        assert_eq!(requests("snap-heapify scanned"), 0, "{}: an unchanged object is asked for nothing", service.kind);
        world.sh(&format!("snap-heapify scanned | {attributes}")).ok().says(&first);
        // A base of an earlier version has no attributes.
        world.sh("snap-read | jq -c 'del(.content_settings, .metadata)' | gzip > base").ok();
        let asked = if service.kind == "s3" { 4 } else { 0 };
        assert_eq!(requests("snap-heapify --base base scanned"), asked, "{}", service.kind);
        world.sh(&format!("snap-heapify --base base scanned | {attributes}")).ok().says(&first);
        if service.kind == "gcs" {
            continue;
        }
        service.library("touch", &site, &["index.html"]);
        world.sh("snap-scan | snap-heapify | snap-write").ok().silent();
        world
            .sh("snap-read | jq -c 'select(.name == \"index.html\") | [.content_settings.content_type, .metadata]'")
            .ok()
            .says("[\"text/plain\",{\"owner\":\"you\"}]\n");
        world.sh("snap-diff -f names").ok().says("");
        world.sh("snap-diff -f names --metadata latest~1 latest").status(1).says("! index.html\n");
        // A restore of the earlier state finds the same content with other attributes.
        world.sh("snap-read latest~1 | snap-restore --dry-run | jq -r .action,.name").ok().says("replace\nindex.html\n");
        world.sh("snap-read latest~1 | snap-restore").ok().silent();
        world.sh(&format!("snap-scan | snap-heapify --no-store --no-base | {attributes}")).ok().says(&first);
    }
}

#[test]
fn a_restored_web_site_has_the_same_headers() {
    let Some(moto) = emulators::moto() else { return };
    let service = Service { kind: "s3", emulator: moto, endpoint: format!("http://127.0.0.1:{}", moto.port()) };
    let site = service.site();
    service.library("redirect", &site, &["old.html"]);
    let mut world = world(&site);
    world.sh("snap-scan | snap-heapify --object-tags | snap-write").ok();
    let copy = moto.fresh();
    set(&mut world, &copy);
    world.sh("snap-read | snap-restore").ok().silent();
    let headers = |root: &Root, name: &str| -> BTreeMap<String, String> {
        let mut all: BTreeMap<_, _> = serde_json::from_str(&service.library("headers", root, &[name])).expect("JSON");
        // Each answer has others, and moto repeats headers of the upload.
        let others = ["date", "last-modified", "content-md5", "x-amz-request", "x-amzn-request", "x-amz-id-2"];
        let uploads = ["x-amz-checksum", "x-amz-sdk", "x-amz-content"];
        all.retain(|header: &String, _: &mut String| !others.iter().chain(&uploads).any(|start| header.starts_with(start)));
        all
    };
    for name in ["index.html", "js/app.js", "old.html", "plain"] {
        assert_eq!(headers(&copy, name), headers(&site, name), "{name}");
    }
    assert_eq!(headers(&copy, "index.html")["cache-control"], "max-age=60, public");
    let old = headers(&copy, "old.html");
    assert_eq!(old["x-amz-website-redirect-location"], "/index.html");
    assert_eq!(old["expires"], "Thu, 01 Dec 2033 16:00:00 GMT");
}

#[test]
fn what_can_not_be_recorded_is_refused_with_a_reason() {
    let world = world(&fake_gcs().fresh());
    world.sh("snap-heapify --object-tags < /dev/null").status(2).complains("keeps no tags of objects");
    world.sh("snap-heapify --object-acl < /dev/null").status(2).complains("access lists are not recorded, because");
    world.sh("snap-heapify --object-tags --file-root . < /dev/null").status(2).complains("keeps no tags of objects");
}

#[test]
fn names_and_values_that_the_other_service_does_not_take_are_left_out_and_told() {
    let (Some(azurite), Some(moto)) = (emulators::azurite(), emulators::moto()) else { return };
    let record = |name: &str, metadata: &str, settings: &str| {
        format!(
            r#"{{"content_settings":{settings},"md5":"d41d8cd98f00b204e9800998ecf8427e","metadata":{metadata},"name":"{name}","size":0,"type":"file"}}"#
        )
    };
    let mut world = World::new();
    let records = [
        record("a", r#"{"x-y":"1","ok":"2","ö":"3","word":"ö"}"#, r#"{"cache_control":"ö","content_type":"text/plain"}"#),
        record("b", r#"{"is_directory":"true"}"#, r#"{"expires":"never","content_encoding":"aws-chunked"}"#),
    ];
    world.put("records", records.join("\n"));
    world.put("files/empty", "");
    world.sh("snap-scan | snap-heapify > /dev/null").ok();
    for (emulator, kept, lost) in [
        (azurite as &dyn Emulator, json!({"ok": "2"}), "2 objects: cache-control, expires, metadata"),
        (moto, json!({"ok": "2", "x-y": "1"}), "2 objects: cache-control, content-encoding, metadata"),
    ] {
        set(&mut world, &emulator.fresh());
        world.sh("snap-restore records").ok().complains(lost);
        let found = world.sh("snap-scan | snap-heapify -n | jq -c 'select(.name == \"a\").metadata'").ok().out();
        assert_eq!(serde_json::from_str::<Value>(&found).expect("JSON"), kept);
    }
}
