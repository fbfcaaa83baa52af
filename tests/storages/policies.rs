//! The policies in `examples/policies`: each names the permissions of the requests that the tools make, and no others, as the logs
//! of the emulators tell; moto enforces those of S3.

use super::emulators::azurite::{ACCOUNT, KEY, connection_string};
use super::emulators::process::Running;
use super::emulators::sidedoor::SideDoor;
use super::emulators::{command, installed, local_only};
use crate::util::{World, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

type Permissions = BTreeSet<String>;

fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies")
}

fn policy(name: &str) -> Value {
    let path = policies().join(name);
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The texts of a list, behind the last of these.
fn texts(list: &Value, behind: &str) -> Permissions {
    let texts = list.as_array().expect("a list").iter().map(|v| v.as_str().expect("a text"));
    texts.map(|t| t.rsplit_once(behind).map_or(t, |(_, rest)| rest).to_string()).collect()
}

/// A world whose heap and snap root are in the bucket.
fn world(scheme: &str) -> World {
    let mut world = World::new();
    world.put("files/docs/report.md", "A report");
    // Larger than one request.
    let large: Vec<u8> = (0..3_000_000u32).flat_map(|n| n.wrapping_mul(0x9e37_79b1).rotate_left(9).to_le_bytes()).collect();
    world.put("files/large", large);
    world.set("HEAP_ROOT", format!("{scheme}://my-backups/heap"));
    world.set("SNAP_ROOT", format!("{scheme}://my-backups/snap"));
    world
}

fn become_user(world: &mut World, options: &str) {
    world.set("HEAP_STORAGE_OPTIONS", options);
    world.set("SNAP_STORAGE_OPTIONS", options);
}

/// Two backups, the second one without the large file.
const BACKUP: &str = "snap-scan | snap-heapify | snap-write && rm files/large && snap-scan | snap-heapify | snap-write";
const RESTORE: &str =
    "snap-read | snap-verify && snap-read latest~1 | snap-restore --file-root back && snap-diff latest~1 latest";
const CLEAN: &str = "snap-forget --keep-last 1 --delete && snap-gc --delete --exclusive";

/// What backup, restore and cleaning ask of a service, as permissions: `of` a method and an address.
fn requests(world: &World, log: impl Fn() -> String, of: impl Fn(&str, &str) -> &'static str) -> [Permissions; 3] {
    let mut seen = log().len();
    [(BACKUP, 0, "snap-root-"), (RESTORE, 1, "/heap"), (CLEAN, 0, "DELETE")].map(|(script, status, last)| {
        let done = world.sh(script).status(status);
        // Some write their log after the answer.
        let word = if last == "snap-root-" {
            done.out().trim().rsplit('/').next().unwrap_or_default().to_string()
        } else {
            last.to_string()
        };
        wait_for("the log", || log()[seen..].contains(&word));
        let all = log();
        let used = permissions(&all[seen..], &of);
        seen = all.len();
        used
    })
}

/// The permissions that the requests of a log need.
fn permissions(log: &str, of: impl Fn(&str, &str) -> &'static str) -> Permissions {
    let requests = log.lines().filter_map(|line| {
        let (_, request) = line.split_once('"')?;
        // Some write refusals in colour.
        let mut words = request.trim_start_matches(|c: char| !c.is_ascii_uppercase()).split(' ');
        Some(of(words.next()?, words.next()?).to_string())
    });
    requests.collect()
}

#[track_caller]
fn agree(service: &str, used: [Permissions; 3], stated: impl Fn(&str) -> Permissions, beside: &[&str]) {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/snapshooter-recipes.7")).expect("the page");
    for (name, mut used) in ["backup", "restore", "clean"].into_iter().zip(used) {
        if name == "backup" {
            used.extend(beside.iter().map(ToString::to_string));
        }
        assert_eq!(stated(name), used, "{service}: the policy {name} left, what is used right");
        for permission in &used {
            assert!(page.contains(permission.as_str()), "the page does not name {permission}");
        }
    }
}

fn s3_permission(method: &str, address: &str) -> &'static str {
    match method {
        "GET" if address.contains("?list-type") => "s3:ListBucket",
        "GET" | "HEAD" => "s3:GetObject",
        "PUT" => "s3:PutObject",
        "POST" if address.contains("uploads") || address.contains("uploadId") => "s3:PutObject",
        "DELETE" if address.contains("uploadId") => "s3:AbortMultipartUpload",
        "DELETE" => "s3:DeleteObject",
        "POST" if address.contains("?delete") => "s3:DeleteObject",
        _ => panic!("{method} {address}: of what permission is that?"),
    }
}

#[test]
fn s3_lets_the_policies_do_what_they_are_for_and_nothing_else() {
    if local_only("moto (S3)") {
        return;
    }
    let users = ["backup", "restore", "clean"];
    // What makes the bucket and the users goes before it asks for permissions.
    let before = 1 + 3 * users.len();
    let moto = Running::start("moto-iam", |_, port| {
        let server = installed("venv/bin/moto_server").display().to_string();
        let all = ["env", &format!("INITIAL_NO_AUTH_ACTION_COUNT={before}"), &server, "-H", "127.0.0.1", "-p", &port.to_string()];
        all.map(String::from).to_vec()
    });
    let mut world = world("s3");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storages/users.py");
    let (python, folder) = (installed("venv/bin/python"), policies());
    let made = format!(
        "{} {} http://127.0.0.1:{} {} {}",
        python.display(),
        script.display(),
        moto.port,
        folder.display(),
        users.join(" ")
    );
    let made = world.sh(&made).ok().lines();
    let options =
        |user: &str| made.iter().find_map(|line| line.strip_prefix(&format!("{user} "))).expect("its options").to_string();

    become_user(&mut world, &options("restore"));
    world.sh("snap-scan | snap-heapify").status(2).complains("AccessDenied");
    become_user(&mut world, &options("backup"));
    let mut used: Vec<Permissions> = Vec::new();
    for (user, script, status) in [("backup", BACKUP, 0), ("restore", RESTORE, 1), ("clean", CLEAN, 0)] {
        if user == "clean" {
            become_user(&mut world, &options("backup"));
            let snapshots = world.sh("snap-list").ok().out();
            world.sh("snap-forget --keep-last 1 --delete").status(2).complains("AccessDenied");
            world.sh("snap-list").ok().says(&snapshots);
            become_user(&mut world, &options("restore"));
            world.sh("snap-scan | snap-heapify | snap-write").status(2).complains("AccessDenied");
            become_user(&mut world, &options("clean"));
            world.sh("echo new | snap-put x").status(2).complains("AccessDenied");
        }
        become_user(&mut world, &options(user));
        let seen = moto.log().len();
        world.sh(script).status(status);
        used.push(permissions(&moto.log()[seen..], s3_permission));
    }
    world.sh("snap-list | wc -l").ok().says("1\n");
    let stated = |name: &str| {
        let policy = policy(&format!("s3-{name}.json"));
        policy["Statement"].as_array().expect("statements").iter().flat_map(|s| texts(&s["Action"], "/")).collect()
    };
    let used: [Permissions; 3] = used.try_into().expect("three");
    // An upload in parts that is given up.
    agree("S3", used, stated, &["s3:AbortMultipartUpload"]);
}

#[test]
fn google_cloud_is_asked_for_what_the_roles_permit() {
    if local_only("gcp-storage-emulator") {
        return;
    }
    let server = Running::start("gcs-log", |_, port| {
        let program = installed("venv/bin/gcp-storage-emulator").display().to_string();
        let rest = ["start", "--host", "127.0.0.1", "--port", &port.to_string(), "--in-memory"].map(String::from);
        std::iter::once(program).chain(rest).collect()
    });
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    SideDoor::open("gcs", &endpoint).make("my-backups");
    let mut world = world("gs");
    become_user(&mut world, &json!({"token": "anon", "endpoint_url": endpoint}).to_string());
    let used = requests(
        &world,
        || server.log(),
        |method, address| match method {
            "GET" if address.contains("/o?") => "storage.objects.list",
            "GET" => "storage.objects.get",
            "POST" | "PUT" if address.starts_with("/upload/") => "storage.objects.create",
            "DELETE" => "storage.objects.delete",
            _ => panic!("{method} {address}: of what permission is that?"),
        },
    );
    agree("Google Cloud", used, |name| texts(&policy(&format!("gcs-{name}.json"))["includedPermissions"], "/"), &[]);
}

#[test]
fn azure_is_asked_for_what_the_roles_permit() {
    if local_only("Azurite") {
        return;
    }
    let server = Running::start("azurite-log", |folder, port| {
        let script = installed("node_modules/.bin/azurite-blob").display().to_string();
        let (node, folder) = (command("node").display().to_string(), folder.display().to_string());
        let port = port.to_string();
        let rest = [
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            &port,
            "--location",
            &folder,
            "--skipApiVersionCheck",
            "--disableTelemetry",
        ];
        [node, script].into_iter().chain(rest.map(String::from)).collect()
    });
    let connection = connection_string(server.port, KEY);
    SideDoor::open("azure", &connection).make("my-backups");
    let mut world = world("az");
    become_user(&mut world, &json!({"connection_string": connection}).to_string());
    let used = requests(
        &world,
        || server.log(),
        |method, address| {
            assert!(address.starts_with(&format!("/{ACCOUNT}/my-backups")), "{address}");
            match method {
                "GET" | "HEAD" => "blobs/read",
                "PUT" => "blobs/write",
                "DELETE" => "blobs/delete",
                _ => panic!("{method} {address}: of what permission is that?"),
            }
        },
    );
    agree("Azure", used, |name| texts(&policy(&format!("azure-{name}.json"))["DataActions"], "/containers/"), &[]);
}

#[test]
fn rules_for_old_versions_never_remove_what_is_current() {
    let s3 = &policy("s3-lifecycle.json")["Rules"];
    for rule in s3.as_array().expect("rules") {
        // An expiration in days would delete current objects.
        assert_eq!(rule["Expiration"], json!({"ExpiredObjectDeleteMarker": true}));
    }
    for rule in policy("gcs-lifecycle.json")["lifecycle"]["rule"].as_array().expect("rules") {
        let deletes = rule["action"]["type"] == "Delete";
        assert!(!deletes || rule["condition"].get("daysSinceNoncurrentTime").is_some(), "{rule}");
    }
    for rule in policy("azure-lifecycle.json")["rules"].as_array().expect("rules") {
        let actions = rule["definition"]["actions"].as_object().expect("actions");
        assert_eq!(actions.keys().collect::<Vec<_>>(), ["version"], "{rule}");
    }
}
