//! Hostile snapshots, streams and rows, restored to a folder with planted links to a canary: nothing outside is changed.

use crate::util::World;
use crate::util::encrypted;
use crate::util::measure::{figure, many, measured, state, well_behaved};
use snapshooter::internals::{codec, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// The content that the records speak of.
const PAYLOAD: &[u8] = b"payload\n";
/// The most memory that a tool may take, in KiB.
const MEMORY: u64 = 200 << 10;

/// Stores a content as an object of the heap.
pub fn store(world: &World, content: &[u8]) -> String {
    let md5 = snapshooter::internals::digest::md5_of(content).to_string();
    match encrypted::is_on() {
        true => drop(world.run(&["snap-put", "x"], content).ok()),
        false => drop(world.put(&format!("heap/{}/{md5}.gz", &md5[..2]), codec::member(content, 6, None, false))),
    }
    md5
}

/// A canary beside the file root: whatever a hostile record wants to get at.
fn canary(world: &World) {
    world.put("outside/file", "canary\n");
    world.put("outside/hard", PAYLOAD);
    world.put("outside/x", "x\n");
    world.put("outside/sub/deep", "deep\n");
    symlink("file", world.path("outside/link")).unwrap();
    fs::set_permissions(world.path("outside/file"), Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(world.path("outside/hard"), Permissions::from_mode(0o600)).unwrap();
}

/// The file root anew, with links out of it planted.
fn plant(world: &World) {
    let root = world.path("files");
    if root.exists() {
        fs::remove_dir_all(&root).unwrap();
    }
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(root.join("mine"), "mine\n").unwrap();
    for (link, target) in [
        ("evil", "../outside"),
        ("evilfile", "../outside/file"),
        ("dangling", "../outside/new"),
        ("sub/evil", "../../outside"),
        ("loop", "loop"),
        ("proc", "/proc/self/cwd/outside"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    symlink(world.path("outside"), root.join("abs")).unwrap();
    fs::hard_link(world.path("outside/hard"), root.join("hard")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
}

/// The keys of a record of each type, with metadata that would show on whatever they are applied to.
fn keys(kind: &str, md5: &str) -> String {
    let common = r#""mtime":12345.5,"modified":"1970-01-01T03:25:45.500000000Z","uid":12,"gid":34"#;
    match kind {
        "file" => format!(r#""type":"file","size":{},"md5":"{md5}","mode":33261,{common}"#, PAYLOAD.len()),
        "link" => format!(r#""type":"link","destination":"../outside/x",{common}"#),
        _ => format!(r#""type":"directory","mode":16895,"xattrs":{{"user.evil":"eA=="}},{common}"#),
    }
}

/// Names that want out, in every type.
fn names() -> Vec<String> {
    let quoted = [
        "../outside/x",
        "..",
        ".",
        "./x",
        "a/../../outside/x",
        "a/./../../outside/x",
        "sub/..",
        "sub/../..",
        "",
        "/",
        "//",
        "a//b",
        "a/",
        "/x",
        "//outside/x",
        "evil",
        "evil/",
        "evil/x",
        "evil/new",
        "evil/sub",
        "evil/sub/deep",
        "evil/sub/deep/x",
        "evil/link",
        "sub/evil",
        "sub/evil/x",
        "sub/evil/sub/new",
        "evilfile",
        "evilfile/x",
        "dangling",
        "dangling/x",
        "abs",
        "abs/x",
        "abs/file",
        "loop",
        "loop/x",
        "proc",
        "proc/x",
        "hard",
        "hard/x",
        "fifo",
        "fifo/x",
        "mine",
        "mine/x",
        "evil\\..\\x",
        "..\\x",
        "C:\\x",
        "con",
        "~/x",
        "$HOME/x",
        "-rf",
        "a\u{0}b",
        "a\nb",
        "\u{1b}[2Jx",
        "e\u{301}",
        "\u{e9}",
        "MINE",
        "Evil/x",
        "EVIL/x",
        ".snap-0000000000000000.tmp",
        "evil\u{202e}x",
    ];
    let mut all: Vec<String> = quoted.iter().map(|n| json::json_string(n.as_bytes())).collect();
    all.push(json::json_string("../".repeat(40).as_bytes()));
    all.push(json::json_string(format!("{}outside/x", "../".repeat(40)).as_bytes()));
    all.push(json::json_string(&[b'n'; 256]));
    all.push(json::json_string(&[b'n'; 5000]));
    all.push(json::json_string(&[b"evil/".repeat(2).as_slice(), &[b'n'; 255]].concat()));
    all.push(json::json_string("d/".repeat(10_000).trim_end_matches('/').as_bytes()));
    for raw in [
        r#""\u002e\u002e/outside/x""#,
        r#""\u002e./\u006futside/x""#,
        r#""..\/outside\/x""#,
        r#""\u0000""#,
        r#""evil\u002fx""#,
        r#""\ud800""#,
        r#""\udc2e\udc2e\udc2foutside""#,
        r#""\udcae\udcae/x""#,
        r#""\udcc0\udcae\udcc0\udcae\udcc0\udcaf""#,
        r#""\udcff/evil/x""#,
        r#"["evil/x"]"#,
        r#"{"name":"evil/x"}"#,
        "null",
        "7",
    ] {
        all.push(raw.to_string());
    }
    all
}

/// The bodies of all hostile streams, without end records.
fn streams(md5: &str) -> Vec<String> {
    let mut all = Vec::new();
    for name in names() {
        for kind in ["file", "link", "directory"] {
            all.push(format!("{{\"name\":{name},{}}}\n", keys(kind, md5)));
        }
    }
    let record = |name: &str, kind: &str| format!("{{\"name\":{},{}}}\n", json::json_string(name.as_bytes()), keys(kind, md5));
    let link = |name: &str, to: &str| format!("{{\"name\":\"{name}\",\"type\":\"link\",\"destination\":\"{to}\"}}\n");
    // One after the other: what was made a link is gone through, a name comes twice, a file becomes a folder.
    for (first, second) in [
        (link("l", "../outside"), record("l/x", "file")),
        (link("l", "../outside"), record("l/sub", "directory")),
        (link("l", "../outside"), record("l", "directory")),
        (link("l", "../outside/file"), record("l", "file")),
        (link("l", "."), link("l/m", "../outside")),
        (link("l", ".."), record("l/outside/x", "file")),
        (link("sub", "../outside"), record("sub/x", "file")),
        (record("d", "directory"), link("d", "../outside")),
        (record("d", "file"), record("d/x", "file")),
        (record("d", "file"), record("d", "directory")),
        (record("d/x", "file"), link("d", "../outside")),
        (record("evil", "directory"), record("evil/x", "file")),
        (record("abs", "directory"), record("abs/sub", "directory")),
        (link("z", "../outside"), record("a", "file")),
        (link("a\\u0301", "../outside"), record("\u{e1}/x", "file")),
        (link("L", "../outside"), record("l/x", "file")),
    ] {
        all.push(format!("{first}{second}"));
        all.push(format!("{second}{first}"));
    }
    // Another name of a file that was never restored, or that is planted.
    for (a, b) in
        [("evilfile", "h"), ("evil/file", "h"), ("hard", "h"), ("a", "evil/h"), ("a", "evilfile"), ("../outside/file", "h")]
    {
        let body = format!("{},\"nlink\":2,\"ino\":5,\"dev\":1", keys("file", md5));
        all.push(format!("{{\"name\":\"{a}\",{body}}}\n{{\"name\":\"{b}\",{body}}}\n"));
    }
    // An md5 that is a path, fields out of every range, types that are none, and tricks of JSON.
    for bad in [
        r#""md5":"../../outside/file""#,
        r#""md5":"../../../../../../etc/passwd1234""#,
        r#""md5":"/../outside/file""#,
        r#""md5":"""#,
        r#""md5":7"#,
        r#""md5":"0000000000000000000000000000000g""#,
        r#""md5":null"#,
        r#""md5":"00000000000000000000000000000000","sha256":"../x""#,
        r#""size":-1"#,
        r#""size":1e30"#,
        r#""size":1.5"#,
        r#""size":18446744073709551615"#,
        r#""size":"8""#,
        r#""mode":-1"#,
        r#""mode":4294967295"#,
        r#""mode":99999999999"#,
        r#""mtime":1e999"#,
        r#""mtime":-1e300"#,
        r#""mtime":9223372036854775807"#,
        r#""mtime":"now""#,
        r#""mtime":-0.0000000001"#,
        r#""modified":"9999-12-31T23:59:60Z""#,
        r#""modified":"2023-02-30T00:00:00Z""#,
        r#""modified":7"#,
        r#""modified":"+999999-01-01T00:00:00Z""#,
        r#""uid":4294967295,"gid":4294967295"#,
        r#""uid":4294967296"#,
        r#""uid":-1"#,
        r#""nlink":18446744073709551615,"ino":1"#,
        r#""nlink":0"#,
        r#""stored_size":1e400"#,
        r#""racy":7"#,
        r#""sparse":true"#,
        r#""type":"fifo""#,
        r#""type":"char","dev":1281"#,
        r#""type":"block""#,
        r#""type":"socket""#,
        r#""type":"FILE""#,
        r#""type":7"#,
        r#""type":"\u001b[31mred""#,
        r#""type":"link""#,
        r#""type":"link","destination":"""#,
        r#""type":"link","destination":7"#,
        r#""type":"link","destination":"a\u0000b""#,
        r#""type":"link","destination":"x","destination_bytes":"Li4v""#,
        r#""type":"error","error":"\u001b[31mred\nline""#,
        r#""type":"error","error":{"a":1}"#,
        r#""type":"error""#,
        r#""name_bytes":"Li4vb3V0c2lkZS94""#,
        r#""name_bytes":"LnRlc3Q""#,
        r#""name_bytes":7"#,
        r#""name_bytes":"/w==""#,
        r#""\u006eame":"evil/x""#,
        r#""name":"evil/x""#,
        r#""status":"only_left","left":null,"right":null"#,
        r#""status":7,"left":[],"right":7"#,
        r#""xattrs":{"security.capability":"AQ==","user.x":7,"bad":"eA=="}"#,
        r#""xattrs":7"#,
        r#""mode":36333,"uid":12,"gid":34"#,
        r#""mode":33261,"uid":0,"gid":0"#,
        r#""end":true"#,
    ] {
        let has = |key: &str| bad.contains(&format!("\"{key}\":"));
        let mut line = format!("{{\"name\":\"t\",{bad}");
        if !has("md5") {
            line += &format!(",\"md5\":\"{md5}\"");
        }
        if !has("size") {
            line += ",\"size\":8";
        }
        all.push(line + "}\n");
    }
    for (name, bytes) in [("\u{fffd}", "/w=="), ("\u{fffd}/x", "/y94"), ("x", "Li4="), ("\u{fffd}", "Lg=="), ("\u{fffd}", "Lw==")]
    {
        all.push(format!("{{\"name\":\"{name}\",\"name_bytes\":\"{bytes}\",{}}}\n", keys("file", md5)));
    }
    for raw in [
        "{}",
        "[]",
        "{\"name\":\"a\"",
        "\u{feff}{\"name\":\"a\"}",
        "{\"name\":\"a\"}{\"name\":\"b\"}",
        "nul",
        "\"",
        "{\"name\":\"a\",}",
    ] {
        all.push(format!("{raw}\n"));
    }
    // Rows of a comparison, with names inside that are not the row's, and deletions through links.
    let inner = |name: &str, kind: &str| format!("{{\"name\":\"{name}\",{}}}", keys(kind, md5));
    for (name, left, right) in [
        ("evil/x", inner("evil/x", "file"), "null".to_string()),
        ("evil/sub", inner("evil/sub", "directory"), "null".into()),
        ("evil", inner("evil", "directory"), "null".into()),
        ("abs/file", "null".into(), "null".into()),
        ("evilfile", inner("evilfile", "file"), "null".into()),
        ("../outside/x", "null".into(), "null".into()),
        ("sub/evil/x", inner("sub/evil/x", "link"), inner("sub/evil/x", "file")),
        ("a", "null".into(), inner("../outside/x", "file")),
        ("a", "null".into(), inner("evil/x", "file")),
        ("a", "null".into(), "7".into()),
        ("a", "null".into(), "[]".into()),
        ("a", "\"../x\"".into(), "{}".into()),
        ("a", "null".into(), format!("{{\"name\":\"a\",\"status\":\"x\",\"right\":{}}}", inner("evil/x", "file"))),
        ("a", "null".into(), "{\"name\":\"a\",\"type\":\"end\"}".into()),
        ("evil/link", inner("evil/link", "link"), "null".into()),
        ("hard", inner("hard", "file"), inner("hard", "file")),
    ] {
        all.push(format!("{{\"name\":\"{name}\",\"status\":\"different\",\"left\":{left},\"right\":{right}}}\n"));
    }
    all
}

#[test]
fn nothing_outside_the_root_is_changed() {
    let world = World::new();
    let md5 = store(&world, PAYLOAD);
    canary(&world);
    fs::create_dir_all(world.path("snap/2026/11")).unwrap();
    plant(&world);
    let guarded = |world: &World| {
        let mut all = ["outside", "heap", "home"].map(|f| state(&world.path(f)));
        // It has another name in the root, which may go: that shows in its number of names, and in its ctime.
        let hard = world.path("outside/hard");
        let m = fs::metadata(&hard).expect("it is there");
        let (content, time) = (fs::read(&hard).expect("read it"), m.modified().expect("its time"));
        all[0].insert(hard.into_os_string().into_encoded_bytes(), format!("{:o} {} {time:?} {content:?}", m.mode(), m.uid()));
        all
    };
    let options: [&[&str]; 6] = [
        &["snap-restore", "--owner", "--xattrs"],
        &["snap-restore", "--delete", "--delete-excluded", "--owner"],
        &["snap-restore", "--checksum", "-o", "-"],
        &["snap-restore", "--dry-run", "--delete"],
        &["snap-restore", "--side", "left", "--delete"],
        &["snap-cat"],
    ];
    let streams = streams(&md5);
    let (mut runs, mut most, mut refused) = (0, 0, 0);
    let mut broken = Vec::new();
    for (i, body) in streams.iter().enumerate() {
        let lines = body.lines().count();
        let diff = if body.contains("\"status\":\"different\"") { "\"diff\":true," } else { "" };
        let whole = format!("{body}{{{diff}\"errors\":0,\"name\":\"\",\"records\":{lines},\"type\":\"end\"}}\n");
        for (j, command) in options.iter().enumerate() {
            // Every stream is restored and restored with deletion; the other ways take turns in the quick tier.
            if j > 1 && many(i % 4 != j - 2, false) {
                continue;
            }
            plant(&world);
            let before = guarded(&world);
            let run = measured(&world, command, whole.as_bytes());
            let after = guarded(&world);
            if before != after {
                broken.push(format!("{command:?} < {body}: {before:?}\n{after:?}{}", run.done));
            }
            well_behaved(&run.done);
            assert!(run.done.code() == Some(0) || !run.done.err().is_empty(), "it failed in silence{}", run.done);
            assert!(run.memory < MEMORY, "{} KiB for {body}", run.memory);
            assert!(setuid_below(&world.path("files")).is_none(), "set-user-id of our own for {body}");
            most = most.max(run.memory);
            refused += u32::from(run.done.code() != Some(0));
            runs += 1;
        }
        if many(i % 5 == 0, true) {
            plant(&world);
            let before = guarded(&world);
            world.put("snap/2026/11/2026-11-23_05-09-09_997153Z.jsonl.gz", codec::member(body.as_bytes(), 6, None, false));
            well_behaved(&world.sh("snap-diff latest - < /dev/null > /dev/null || test $? = 1"));
            let done = world.sh("snap-read | snap-restore");
            well_behaved(&done);
            if before != guarded(&world) {
                broken.push(format!("as a snapshot: {body}{done}"));
            }
            runs += 1;
        }
    }
    assert!(broken.is_empty(), "{} escapes: {}", broken.len(), broken.join("\n"));
    assert!(streams.len() >= 200);
    figure(
        21,
        &format!(
            "{} hostile streams, {runs} runs: 0 bytes, modes or times changed outside the root, 0 panics, {refused} refused, at most {} MB",
            streams.len(),
            most >> 10
        ),
    );
}

fn setuid_below(root: &Path) -> Option<std::path::PathBuf> {
    let all = walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
    let mut set = all.filter(|e| e.metadata().is_ok_and(|m| m.is_file() && m.uid() == 0 && m.permissions().mode() & 0o6000 != 0));
    set.next().map(walkdir::DirEntry::into_path)
}
