//! The table of features in snapshooter-storages(7): what each storage does is what its cell says.

use crate::storages::emulators::{self, Emulator, Planted, fake_gcs};
use crate::util::World;
use snapshooter::internals::storage::{Attributes, Body, Get, Location, Options, Put, Store};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The rows, each with what asks a storage for it.
type Row = (&'static str, fn(&dyn Store) -> bool);

const ROWS: [Row; 14] = [
    ("stores", |store| put(store, b"stored").is_ok()),
    ("lists", |store| store.list(b"").all(|object| object.is_ok())),
    ("lists in order", |store| store.list(b"").all(|object| object.is_ok()) && store.lists_in_order()),
    ("md5 unread", |store| listed(store, |object| object.md5.is_some())),
    ("etag", |store| listed(store, |object| object.etag.is_some())),
    ("content type", |store| keeps(store, |a| a.content_type.is_some())),
    ("headers", |store| keeps(store, |a| a.headers.len() >= 4)),
    ("metadata", |store| keeps(store, |a| !a.metadata.is_empty())),
    ("tags", |store| store.has_tags() && keeps(store, |a| !a.tags.is_empty())),
    ("versions", |store| {
        !store.versions().is_err_and(|e| e.to_string().contains("the storage keeps no versions"))
            && !store
                .get(b"listed", &Get { version: Some("1"), ..Get::default() })
                .is_err_and(|e| e.kind() == io::ErrorKind::Unsupported)
    }),
    ("one winner", |store| {
        let absent = Put { if_absent: true, ..Put::default() };
        let put = |content: &str| store.put(b"contested", Body::Bytes(content.into()), &absent).unwrap_or(false);
        put("first") && !put("second") && store.puts_if_absent()
    }),
    ("deletes if same", |store| {
        let put = |content: &str| {
            drop(store.put(b"deleted", Body::Bytes(content.into()), &Put::default()));
            let found = store.stat(b"deleted").ok().flatten();
            found.and_then(|object| object.identity().map(str::to_string)).unwrap_or_default()
        };
        let (old, new) = (put("old"), put("new"));
        let is_deleted = |identity| store.delete_if(b"deleted", identity).ok();
        store.deletes_if() && is_deleted(&old) == Some(false) && is_deleted(&new) == Some(true)
    }),
    // A folder of this machine is read through descriptors, not as a storage.
    ("links", |store| store.has_links() || !store.url().contains("://")),
    ("a//b", |store| put(store, b"a//b").is_ok()),
];

fn put(store: &dyn Store, key: &[u8]) -> io::Result<bool> {
    store.put(key, Body::Bytes(b"content".to_vec()), &Put::default())
}

fn listed(store: &dyn Store, is_so: impl Fn(&snapshooter::internals::storage::Object) -> bool) -> bool {
    drop(put(store, b"listed"));
    match store.stat(b"listed") {
        Ok(Some(found)) if store.list(b"").any(|object| object.is_err()) => is_so(&found),
        _ => store.list(b"").flatten().any(|object| object.key == b"listed" && is_so(&object)),
    }
}

fn keeps(store: &dyn Store, is_kept: impl Fn(&Attributes) -> bool) -> bool {
    let text = |name: &str| [(name.to_string(), "value".to_string())].into();
    let headers = ["cache-control", "content-disposition", "content-encoding", "content-language"];
    let all = Attributes {
        content_type: Some("text/x-test".to_string()),
        headers: headers.iter().map(|name| (*name, "value".to_string())).collect::<BTreeMap<_, _>>(),
        metadata: text("name"),
        storage_class: None,
        tags: text("tag"),
    };
    let kept = store.keeps(&all);
    if !is_kept(&kept) {
        return false;
    }
    let how = Put { attributes: kept.clone(), ..Put::default() };
    let stored = store.put(b"described", Body::Bytes(b"content".to_vec()), &how).is_ok();
    let more = store.stat(b"described").ok().flatten().map(|object| object.more).unwrap_or_default();
    let mut keys: Vec<String> = more.iter().map(|(key, json)| format!("\"{key}\":{json}")).collect();
    if store.has_tags() {
        let tags = store.tags(b"described", None).expect("tags");
        keys.retain(|key| !key.starts_with("\"tags\""));
        keys.push(format!("\"tags\":{}", serde_json::json!(tags)));
    }
    let record = format!("{{\"name\":\"described\",{}}}", keys.join(","));
    let found = Attributes::of(&snapshooter::internals::record::Record::parse(record.as_bytes()).expect("a record"));
    // Services have a class of their own for it.
    stored && Attributes { storage_class: None, ..found } == kept
}

/// The table of the man page: the names of the storages, and the cells by row and storage.
fn table() -> BTreeMap<(String, String), String> {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/snapshooter-storages.7")).expect("the page");
    let (_, rest) = page.split_once(".Ss Features\n").expect("a section Features");
    let lines = rest.lines().skip_while(|line| !line.starts_with(".It ")).take_while(|line| *line != ".El");
    let cells = |line: &str| {
        line.trim_start_matches(".It ").split(" Ta ").map(|cell| cell.trim().trim_matches('"').to_string()).collect()
    };
    let mut rows = lines.map(cells).collect::<Vec<Vec<String>>>().into_iter();
    let head = rows.next().expect("a head");
    let pair = |row: Vec<String>| {
        head.clone().into_iter().zip(row.clone()).skip(1).map(move |(storage, cell)| ((row[0].clone(), storage), cell))
    };
    rows.flat_map(pair).collect()
}

#[test]
fn every_cell_of_the_table_is_so() {
    let world = World::new();
    let (Some(moto), Some(azurite), Some(sshd), Some(wsgidav), Some(rclone)) =
        (emulators::moto(), emulators::azurite(), emulators::sshd(), emulators::wsgidav(), emulators::rclone_s3())
    else {
        return;
    };
    let local = |url: &str| Location::parse(url.as_ref(), "root", &Options::default()).expect("a root").store();
    std::fs::create_dir(world.path("folder")).expect("make a folder");
    let served = emulators::http_server().with(&[Planted::new("listed", "content")]);
    let stores: Vec<(&str, Arc<dyn Store>)> = vec![
        ("folder", local(world.path("folder").to_str().expect("a path"))),
        ("Azure", azurite.fresh().open()),
        ("S3", moto.fresh().open()),
        ("GCS", fake_gcs().fresh().open()),
        ("WebDAV", wsgidav.fresh().open()),
        ("SFTP", sshd.fresh().open()),
        ("HTTP", served.open()),
        ("rclone", rclone.fresh().open()),
        ("memory", local("memory://features")),
    ];
    let table = table();
    let mut wrong = Vec::new();
    for (storage, store) in &stores {
        for (row, is_so) in &ROWS {
            let found = if is_so(&**store) { "yes" } else { "no" };
            let cell = table.get(&(row.to_string(), storage.to_string())).map(String::as_str);
            if cell != Some(found) {
                wrong.push(format!("{storage}, {row}: {found}, the page says {cell:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(table.len(), stores.len() * ROWS.len(), "the table has other rows or columns");
}
