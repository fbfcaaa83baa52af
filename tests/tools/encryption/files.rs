//! Files of keys that are wrong, missing or of another heap, and encryption.json: one line, and nothing is lost.

use super::{another, reading, refused, world};
use crate::util::World;
use crate::util::heap::BACKUP;
use crate::util::measure::state;

/// A repository with one snapshot, and copies of it.
fn repository() -> World {
    let world = world();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    reading(&world, "snap-read > list").ok();
    world.sh("cp -a heap heap.good; cp -a snap snap.good; cp -a home home.good").ok();
    another(&world, "stranger");
    world
}

/// Asserts that after this change each of the commands is refused for a reason, and changes nothing.
#[track_caller]
fn each_refused(world: &World, change: &str, commands: &[(&str, &str)]) {
    world.sh(change).ok();
    let secret = world.sh("grep -h AGE-SECRET-KEY keys/*").ok().lines();
    let before = ["heap", "snap"].map(|folder| state(&world.path(folder)));
    for (command, why) in commands {
        let done = refused(reading(world, command), why);
        let is_told = secret.iter().any(|secret| done.err().contains(secret));
        assert!(!is_told && !done.out().contains("\"name\":\"a\""), "{change}: {command}{done}");
        assert!(["heap", "snap"].map(|folder| state(&world.path(folder))) == before, "{change}: {command} has changed something");
    }
    world.sh("rm -rf heap snap home; cp -a heap.good heap; cp -a snap.good snap; cp -a home.good home").ok();
    reading(world, "snap-read | snap-cat").ok().says("a");
}

const BACKUP_ALONE: &str = "unset HEAP_IDENTITY; snap-scan > scanned; snap-heapify --no-base scanned";
/// The machine forgets which heap its roots belong to.
const FORGET: &str = "rm -r home/.local/state/snapshooter/roots";
const STORE: &str = "snap-scan > scanned; snap-heapify --no-base scanned";

#[test]
fn without_its_encryption_json_or_with_another_nothing_is_written_and_nothing_misread() {
    let world = repository();
    world.sh(&format!("export HEAP_ROOT=$PWD/heap2 SNAP_ROOT=$PWD/snap2 HOME=$PWD/home2; {BACKUP}")).ok();
    // A machine that wrote to the roots knows that they have one; others see what is there.
    let gone = "has no encryption.json now";
    let all = [(STORE, gone), (BACKUP_ALONE, gone), ("snap-write list", gone), ("snap-verify list", gone)];
    each_refused(&world, "rm heap/encryption.json", &all);
    each_refused(&world, "rm snap/encryption.json", &[("snap-read", gone), ("snap-write list", gone)]);
    each_refused(
        &world,
        &format!("rm heap/encryption.json; {FORGET}"),
        &[
            (STORE, "without encryption.json"),
            (BACKUP_ALONE, "without encryption.json"),
            ("snap-write list", "without encryption.json"),
            ("snap-restore --file-root back list", "without encryption.json"),
            ("snap-verify list", "without encryption.json"),
            ("snap-cat list", "without encryption.json"),
            ("snap-copy --to-heap-root other list", "without encryption.json"),
        ],
    );
    let no_marker = "there is no encryption.json of its snap root";
    each_refused(
        &world,
        &format!("rm snap/encryption.json; {FORGET}"),
        &[
            ("snap-read", no_marker),
            ("snap-diff latest latest", no_marker),
            ("snap-write list", "was not encrypted from its making on"),
        ],
    );
    let damaged = [
        (STORE, "is damaged"),
        (BACKUP_ALONE, "is damaged"),
        ("snap-write list", "is damaged"),
        ("snap-verify list", "is damaged"),
    ];
    each_refused(&world, "truncate -s 100 heap/encryption.json", &damaged);
    each_refused(&world, ": > heap/encryption.json", &damaged);
    // Each key of it, and a recipient that somebody would like to have.
    for change in [
        ".code = (.code | explode | reverse | implode)",
        ".recipients += [\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"]",
        ".recipients = []",
        "del(.code)",
        ".code = \"\"",
    ] {
        each_refused(&world, &format!("jq -c '{change}' heap.good/encryption.json > heap/encryption.json"), &damaged);
        let snap = [("snap-read", "is damaged"), ("snap-list --json", "is damaged"), ("HOME=$PWD/none snap-read", "is damaged")];
        each_refused(&world, &format!("jq -c '{change}' heap.good/encryption.json > snap/encryption.json"), &snap);
    }
    let later = "jq -c '.version = 2' heap.good/encryption.json > heap/encryption.json";
    each_refused(&world, later, &[(STORE, "later version"), ("snap-verify list", "later version")]);
    // That of another heap: who has no key of that one can't write, and who has an identity publishes nothing.
    let other = [(BACKUP_ALONE, "is not on this machine"), ("snap-write list", "another encrypted heap")];
    each_refused(&world, &format!("cp heap2/encryption.json heap/; {FORGET}"), &other);
    let other = "another encrypted heap";
    each_refused(&world, "cp heap2/encryption.json heap/", &[(BACKUP_ALONE, other), (STORE, other), ("snap-verify list", other)]);
    each_refused(
        &world,
        &format!("cp heap2/encryption.json snap/; {FORGET}"),
        &[("snap-read", "nobody who writes"), ("snap-write list", other)],
    );
    each_refused(&world, "cp heap2/encryption.json snap/", &[("snap-read", other), ("snap-write list", other)]);
}

#[test]
fn identities_that_are_wrong_missing_or_locked_are_told() {
    let world = repository();
    world.sh("ssh-keygen -q -t ed25519 -N secret -C '' -f keys/locked; ssh-keygen -q -t ecdsa -N '' -C '' -f keys/ecdsa; echo text > keys/text").ok();
    // Made with `age -p`, which asks for the passphrase at a terminal.
    world.put("keys/age-p", "age-encryption.org/v1\n-> scrypt 4vXp0r4WhHGYhGFPGVnH2g 18\n");
    let wrong = |file: &str, why: &'static str| {
        let commands = [
            "snap-read",
            "snap-verify list",
            "snap-restore --file-root back list",
            "snap-gc --delete",
            "HOME=$PWD/none snap-read",
        ];
        let commands = commands.map(|command| (format!("export HEAP_IDENTITY={file}; {command}"), why));
        each_refused(&world, ":", &commands.each_ref().map(|(command, why)| (command.as_str(), *why)));
    };
    wrong("keys/nowhere", "HEAP_IDENTITY: keys/nowhere: No such file");
    wrong("keys", "keys");
    wrong("keys/text", "it has no identity");
    wrong("keys/recipients", "it has no identity");
    wrong("keys/locked", "passphrase");
    wrong("keys/age-p", "passphrase");
    wrong("keys/ecdsa", "ed25519 or RSA");
    // A stranger sees that he is one, with the key of the heap and without.
    refused(reading(&world, "export HEAP_IDENTITY=keys/stranger.identity; snap-read"), "other keys");
    refused(reading(&world, "export HEAP_IDENTITY=keys/stranger.identity HOME=$PWD/none; snap-read"), "other keys");
    let done = reading(&world, "snap-read --identity-file keys/nowhere").status(2);
    done.complains("--identity-file: keys/nowhere");
    // What a passphrase protects comes through a pipe.
    world
        .sh("unset HEAP_IDENTITY; snap-read --identity-file <(cat \"$IDENTITY\") | snap-cat --identity-file <(cat \"$IDENTITY\")")
        .ok()
        .says("a");
}

#[test]
fn recipients_that_are_none_are_told_and_a_secret_among_them_is_not() {
    let world = repository();
    let secret = world.sh("grep AGE-SECRET-KEY \"$IDENTITY\"").ok().out();
    world.sh("cp \"$IDENTITY\" keys/secret; : > keys/empty; echo '# nobody' > keys/nobody; echo ssh-rsa AAAA > keys/short").ok();
    world.sh("head -c 1000 /dev/urandom > keys/bytes; (cat keys/recipients; echo age1xyz) > keys/second").ok();
    for (file, why) in [
        ("secret", "is no recipient"),
        ("empty", "has no recipient"),
        ("nobody", "has no recipient"),
        ("short", "line 1 is no recipient"),
        ("bytes", "recipient"),
        ("second", "is no recipient"),
        ("nowhere", "No such file"),
    ] {
        for command in ["snap-heapify --no-base list", "snap-write list", "snap-heapify --heap-root new list"] {
            let done = refused(world.sh(&format!("{command} --recipients-file keys/{file}")), why);
            assert!(!done.err().contains(secret.trim()) && !done.err().contains("AGE-SECRET"), "{done}");
        }
    }
    assert!(world.files_below("new").is_empty(), "a heap was made");
    refused(world.sh("unset HEAP_RECIPIENTS; snap-heapify list"), "no recipients were given").complains("--recipients-file");
    refused(world.sh("unset HEAP_RECIPIENTS; snap-write list"), "no recipients were given");
    // A plain repository does not become an encrypted one.
    world.sh(&format!("export HEAP_ROOT=$PWD/plain SNAP_ROOT=$PWD/psnap; (unset HEAP_RECIPIENTS; {BACKUP})")).ok();
    refused(world.sh("snap-heapify --no-base --heap-root plain list"), "was not encrypted from its making on");
    refused(world.sh("snap-write --heap-root plain --snap-root psnap list"), "was not encrypted from its making on");
    world.sh("snap-heapify --no-base --heap-root new list > stored").ok();
    refused(world.sh("snap-write --heap-root new --snap-root psnap stored"), "was not encrypted from its making on");
    refused(world.sh("unset HEAP_RECIPIENTS; snap-write --heap-root plain stored"), "are encrypted, but the heap");
}

#[test]
fn key_files_that_are_missing_or_of_another_heap_are_told() {
    let world = repository();
    world.sh(&format!("export HEAP_ROOT=$PWD/heap2 SNAP_ROOT=$PWD/snap2; {BACKUP}")).ok();
    world.sh("(cd home/.local/state/snapshooter; k=$(jq -r .heap ../../../../heap2/encryption.json).key; mv $k ../../../../keys/other)").ok();
    world.sh("rm -r home.good; cp -a home home.good").ok();
    let key = "home/.local/state/snapshooter/*.key";
    each_refused(&world, &format!("rm {key}"), &[(BACKUP_ALONE, "is not on this machine")]);
    each_refused(&world, &format!("cp keys/other {key}"), &[(BACKUP_ALONE, "another heap"), ("snap-read", "another heap")]);
    each_refused(&world, &format!("truncate -s 70 {key}"), &[(BACKUP_ALONE, "is damaged"), ("snap-read", "is damaged")]);
    each_refused(&world, &format!(": > {key}"), &[(BACKUP_ALONE, "no key file"), ("snap-read", "no key file")]);
    let named = "export HEAP_KEY_FILE=keys/other; unset HEAP_IDENTITY; snap-scan > scanned; snap-heapify --no-base scanned";
    each_refused(&world, ":", &[(named, "another heap"), ("snap-read --heap-key-file keys/other", "another heap")]);
    // The right name, and the key of the other heap.
    let forged = format!("sed -i \"s|[^ ]*$|$(cut -d ' ' -f 3 keys/other)|\" {key}");
    each_refused(&world, &forged, &[(BACKUP_ALONE, "is damaged"), ("snap-read", "is damaged")]);
    // One that is named for all heaps keeps the key that it has.
    world.sh(&format!("cp {key} keys/mine; cp {key} keys/copy")).ok();
    let new = "export HEAP_KEY_FILE=keys/mine; snap-heapify --no-base --heap-root newer list";
    refused(world.sh(new), "is the key file of another heap");
    refused(reading(&world, "snap-read --heap-key-file keys/nowhere"), "keys/nowhere");
    world.sh("cmp keys/mine keys/copy && ! ls newer/encryption.json 2> /dev/null").ok();
    let none = "unset HOME XDG_STATE_HOME; snap-scan > scanned; snap-heapify --no-base --heap-root new scanned";
    refused(world.sh(none), "no place for the key file").complains("--heap-key-file");
    world.sh("unset HOME; XDG_STATE_HOME=$PWD/state; export XDG_STATE_HOME; snap-heapify --no-base --heap-root new list > /dev/null").ok();
    world.sh("ls state/snapshooter/$(jq -r .heap new/encryption.json).key").ok();
}
