//! The keys are in no output and in no file that others can read, and not in a core dump.

use super::world;
use crate::util::heap::{BACKUP, text};
use crate::util::{World, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// What nobody may see: the secret keys, and the naming key.
fn secrets(world: &World) -> Vec<String> {
    let mut all = world.sh("grep AGE-SECRET-KEY \"$IDENTITY\"").ok().lines();
    let key = world.sh("cut -d ' ' -f 3 home/.local/state/snapshooter/*.key").ok();
    all.extend(key.lines());
    let ssh = fs::read_to_string(world.path("keys/ssh")).expect("a key");
    all.extend(ssh.lines().filter(|line| line.len() > 60).map(str::to_string));
    assert!(all.len() > 3 && all.iter().all(|secret| secret.len() > 40), "{all:?}");
    all
}

#[test]
fn no_output_and_no_file_beside_the_key_file_has_a_key() {
    let mut world = world();
    for n in 0..20 {
        world.put(&format!("files/{n}"), text(n));
    }
    world
        .sh("ssh-keygen -q -t ed25519 -N '' -C '' -f keys/ssh; cat keys/ssh.pub >> keys/recipients; umask 0; mkdir files/open")
        .ok();
    world.sh(&format!("umask 0; {BACKUP}")).ok();
    world.set("HEAP_IDENTITY", world.path("keys/identity"));
    let secrets = secrets(&world);
    let ssh = "--identity-file keys/ssh";
    for script in [
        "snap-scan | snap-heapify -v | snap-write -v".to_string(),
        "snap-scan | snap-heapify -v --no-base --verify-existing | snap-write -v --dry-run".to_string(),
        format!("snap-read -v {ssh} | snap-restore -v {ssh} --file-root back; snap-read | snap-verify -v; snap-gc -v --delete; snap-list -v --json; snap-log -v 1"),
        "snap-read > list; snap-copy -v --to-heap-root other list; snap-report list; snap-forget -v --keep-last 1 --json".to_string(),
        // Mistakes.
        "snap-read --identity-file nowhere; snap-heapify --recipients-file keys/identity list; snap-heapify --recipients-file keys/ssh list".to_string(),
        "snap-read --heap-key-file keys/identity; snap-read --heap-key-file keys/recipients; snap-read --identity-file home/.local/state/snapshooter/*.key".to_string(),
        "snap-heapify --recipients-file home/.local/state/snapshooter/*.key list; snap-read --identity-file \"$(cat keys/recipients)\"".to_string(),
        "cp home/.local/state/snapshooter/*.key bad; truncate -s -9 bad; snap-read --heap-key-file bad; sed -i s/.$// bad; snap-read --heap-key-file bad".to_string(),
        "sed s/K/k/ \"$IDENTITY\" > bad.identity; snap-read --identity-file bad.identity; sed s/.$// keys/ssh > bad.ssh; snap-read --identity-file bad.ssh".to_string(),
    ] {
        let done = world.sh(&format!("({script}) 2>&1; true"));
        for secret in &secrets {
            assert!(!done.out().contains(secret.as_str()), "{script}: a key was told{done}");
        }
    }
    world.sh("rm bad*").ok();
    let kept = world.path("home/.local/state/snapshooter");
    for path in world.files_below("").into_iter().filter(|path| !path.starts_with(world.path("keys"))) {
        let content = fs::read(&path).expect("a file");
        let is_key_file = path.extension().is_some_and(|e| e == "key");
        for secret in secrets.iter().filter(|_| !is_key_file) {
            let found = content.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
            assert!(!found, "{} has a key", path.display());
        }
        if path.starts_with(&kept) {
            let mode = |path: &std::path::Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            assert_eq!(mode(path.parent().expect("a folder")), 0o700, "{}", path.display());
        }
    }
    let kept = world.files_below("home/.local/state/snapshooter");
    let ending = |end| kept.iter().filter(|path| path.extension().is_some_and(|e| e == end)).count();
    assert_eq!((ending("key"), ending("gz")), (2, 1), "the keys of two heaps, and one snapshot");
    // Names and contents are in no file of the storage.
    for path in ["heap", "snap"].iter().flat_map(|folder| world.files_below(folder)) {
        let all = fs::read(&path).expect("a file");
        assert!(
            !all.windows(10).any(|bytes| bytes == b"\"name\":\"1\"" || bytes == &text(1).as_bytes()[..10]),
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_process_with_keys_dumps_no_core() {
    let world = world();
    world.sh("mkfifo records; mkdir files").ok();
    let tool = "snap-heapify";
    for (keys, limit) in [
        ("export HEAP_IDENTITY=\"$IDENTITY\"", "1"),
        ("true", "1"),
        ("unset HEAP_RECIPIENTS; export HEAP_ROOT=$PWD/plain", "unlimited"),
    ] {
        let script = format!("ulimit -c unlimited || exit 9; {keys}; exec {tool} records > /dev/null 2>&1");
        let child = world.start(&script);
        let limits = format!("/proc/{}/limits", child.id());
        // It waits for the records, and by then it has read the keys.
        let comm = format!("/proc/{}/comm", child.id());
        wait_for("the tool", || fs::read_to_string(&comm).is_ok_and(|name| name.trim() == tool));
        let soft = || {
            let text = fs::read_to_string(&limits).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default().to_string();
            line.split_whitespace().nth(4).unwrap_or_default().to_string()
        };
        wait_for("the limit of core dumps", || soft() == limit);
        // Opening the pipe for writing succeeds when the tool has opened it.
        world.sh("echo '{\"errors\":0,\"name\":\"\",\"records\":0,\"type\":\"end\"}' > records").ok();
        assert_eq!(world.finish(&script, child).code(), Some(0));
    }
}
