//! snap-put: a content that is not a file, its record, and what its snapshots may not be taken for.

use crate::util::World;
use crate::util::measure::{measured, state};
use crate::util::trees::{Tree, contents};

#[test]
fn what_is_put_is_a_record_that_can_be_published_and_printed_and_restored() {
    let world = World::new();
    world.sh("printf 'a dump\\n' | snap-put db/shop.sql > record").ok().silent();
    let keys = r#"["md5","mode","modified","name","sha256","size","stored_size","type"]"#;
    world.sh("head -n 1 record | jq -c keys").ok().says(&format!("{keys}\n"));
    let known = "[.name, .type, .size, .mode, (.modified | .[:4] | tonumber) > 2000]";
    world.sh(&format!("head -n 1 record | jq -c '{known}'")).ok().says("[\"db/shop.sql\",\"file\",7,33152,true]\n");
    let end = world.sh("tail -n 1 record | jq -c '[.errors, .put, .records, .root, .type]'");
    end.ok().says("[0,true,1,null,\"end\"]\n");
    world.sh("snap-put db/shop.sql -- printf 'a dump\\n' | jq -c 'select(.type == \"file\") | .sha256' > other").ok().silent();
    world.sh("jq -c 'select(.type == \"file\") | .sha256' record | cmp - other").ok();
    world.sh("snap-write record > path && snap-read | snap-cat").ok().silent().says("a dump\n");
    world.sh("snap-read | snap-verify").ok().silent();
    world
        .sh("snap-read | snap-restore --file-root back && stat -c %a back/db/shop.sql && cat back/db/shop.sql")
        .ok()
        .says("600\na dump\n");
    assert_eq!(world.sh("snap-put --no-end x < /dev/null").ok().lines().len(), 1);
    world.sh("snap-put x -o out < /dev/null && wc -l < out").ok().says("2\n");
}

#[test]
fn the_command_has_our_input_and_our_stderr() {
    let world = World::new();
    let put = world.sh("echo 'the input' | snap-put x -o x -- sh -c 'echo told >&2; tr a-z A-Z'; snap-cat x").ok();
    assert_eq!((put.out().as_str(), put.err().as_str()), ("THE INPUT\n", "told\n"), "{put}");
    // An argument that looks like an option is the command's.
    world.sh("snap-put x -o x -- printf %s --level; snap-cat x").ok().says("--level");
}

#[test]
fn nothing_is_stored_of_a_command_that_fails_and_nothing_is_published() {
    let world = World::new();
    world.sh("snap-put there -- echo there").ok();
    let heap = || world.files_below("heap");
    let before = heap();
    let record = |error: &str| format!("{{\"error\":\"{error}\",\"name\":\"x\",\"type\":\"error\"}}");
    for (command, error) in [
        ("sh -c 'echo part; exit 3'", "sh: exit status 3"),
        // More than is held in memory.
        ("sh -c 'head -c 9000000 /dev/zero; exit 255'", "sh: exit status 255"),
        ("sh -c 'echo part; kill -9 $$'", "sh: killed by signal 9"),
        ("false secret", "false: exit status 1"),
        ("./nowhere secret", "./nowhere: No such file or directory"),
        ("./heap", "./heap: Permission denied"),
    ] {
        let put = world.sh(&format!("snap-put x -- {command}")).status(1);
        let lines = put.lines();
        assert_eq!(lines[0], record(error), "{put}");
        assert!(lines.len() == 2 && lines[1].contains("\"errors\":1,") && lines[1].contains("\"put\":true"), "{put}");
        assert_eq!(put.err(), format!("snap-put: x: {error}\n"), "{put}");
        assert_eq!(heap(), before, "{put}");
        world.sh(&format!("snap-put x -- {command} | snap-write")).status(2).complains("1 record failed before");
    }
    world.sh("snap-put x < .").status(1).complains("x: Is a directory");
    assert!(!world.path("snap").exists());
    // Who wants it publishes that there is none; other snapshots say nothing about it.
    world.sh("snap-put y -- echo y | snap-write && snap-put x -- false | snap-write --partial").status(1);
    world.sh("snap-list --json --limit 1 | jq -c '[.errors, .put, .records]'").ok().says("[1,true,0]\n");
}

#[test]
fn an_interrupted_put_leaves_nothing() {
    let world = World::new();
    world.sh("snap-put there -- echo there").ok();
    let before = world.files_below("heap");
    // More than is held in memory came, and the rest never does.
    let put = "mkfifo -m 600 fifo; exec 3<> fifo; snap-put x < fifo & head -c 9000000 /dev/zero >&3; \
        until [ -n \"$(find heap/temp -name '*.gz' -size +0)\" ]; do :; done; kill -TERM $!; wait $!";
    world.sh(put).status(143).says("");
    assert_eq!(world.files_below("heap"), before);
}

#[test]
fn what_is_wrong_is_told_before_the_command_runs() {
    let mut world = World::new();
    for name in ["''", "/a", "a/", "a//b", ".", "a/../b"] {
        let put = world.sh(&format!("snap-put {name} -- touch ran")).status(2);
        assert_eq!(put.err().lines().count(), 1, "{put}");
    }
    world.sh("snap-put a/../b < /dev/null").status(2).complains("a/../b: the name has a part");
    world.sh("snap-put a// < /dev/null").status(2).complains("a//: the name has an empty part");
    world.sh("snap-put x --level 13 -- touch ran").status(2).complains("13");
    world.sh("snap-put x -o nowhere/out -- touch ran").status(2).complains("nowhere/out");
    world.sh("snap-put x --heap-root memory://x -- touch ran").status(2).complains("a heap root that lasts");
    world.put("file", "");
    world.sh("snap-put x --heap-root file -- touch ran").status(2).complains("file");
    world.unset("HEAP_ROOT");
    world.sh("snap-put x -- touch ran").status(2).complains("HEAP_ROOT");
    world.sh("snap-put -- touch ran").status(2);
    let terminal = "script -qec 'snap-put x --heap-root heap' /dev/null < /dev/null | tr -d '\\r'";
    let done = world.sh(terminal).status(2);
    assert!(done.lines()[0].contains("standard input is a terminal") && done.lines().len() == 2, "{done}");
    world.sh("snap-put x --heap-root heap <&-").status(2).complains("standard input is closed");
    assert!(!world.path("ran").exists());
}

#[test]
fn a_content_of_any_size_takes_little_memory() {
    let world = World::new();
    let put = "head -c 300000000 /dev/zero | tr '\\0' x | snap-put large";
    let measured = measured(&world, &["bash", "-c", &format!("{put} > record")], b"");
    measured.done.ok();
    assert!(measured.memory < 64 << 10, "{} KiB", measured.memory);
    world.sh("head -n 1 record | jq -c '.size'").ok().says("300000000\n");
    world.sh("snap-verify record").ok();
}

#[test]
fn delete_is_refused_for_a_snapshot_of_puts_alone() {
    let world = World::with(Tree::Files);
    world.sh("snap-merge <(snap-put put-a -- echo a) <(snap-put put-b -- echo b) | snap-write").ok().silent();
    world.sh("snap-list --json | jq -c '[.put, .root, .records, .filtered, .errors]'").ok().says("[true,null,2,null,0]\n");
    let before = state(&world.path("files"));
    for delete in ["--delete", "--delete --delete-excluded", "--delete --max-delete 100%", "--delete --dry-run"] {
        for read in ["snap-read", "snap-read | jq -c .", "snap-diff latest latest --status equal"] {
            let refused = world.sh(&format!("{read} | snap-restore {delete}")).status(2);
            assert_eq!(refused.err().lines().count(), 2, "{refused}");
            refused.complains("nothing is restored: the records were stored by snap-put").complains("leave --delete off");
        }
    }
    world.sh("snapshooter restore-snapshot").complains("--no-delete");
    assert!(state(&world.path("files")) == before);
    // The state after a restore is that of a folder, of which only some files are known.
    world.sh("snap-read | snap-restore -o - | snap-write").ok();
    world.sh("snap-list --json --limit 1 | jq -c '[.put, .root == env.FILE_ROOT, .filtered]'").ok().says("[null,true,true]\n");
}

#[test]
fn a_backup_takes_nothing_over_from_what_was_put() {
    let world = World::with(Tree::Files);
    // Of another content of the same size, and with everything of the file that a base is compared by.
    world.sh("snap-put a.txt -- tr a-z A-Z < files/a.txt > put").ok();
    let like = "select(.name == \"a.txt\") | . + {md5: $put[0].md5, sha256: $put[0].sha256}";
    world.sh(&format!("(snap-scan --no-end | jq -c --slurpfile put put '{like}'; tail -n 1 put) | snap-write")).ok().silent();
    world.sh("snap-list --json --limit 1 | jq -c '[.put, .root, .filtered, .records]'").ok().says("[true,null,null,1]\n");
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world.sh("test $(snap-read | jq -r 'select(.name == \"a.txt\") | .md5') = $(md5sum < files/a.txt | cut -c 1-32)").ok();
    // Nor does its emptiness or fullness say anything about the folder.
    world.sh("rm -rf snap files; mkdir files; snap-put x -- echo x | snap-write && snap-scan | snap-heapify | snap-write").ok();
}

#[test]
fn with_a_listing_it_is_a_part_of_the_listing() {
    let world = World::with(Tree::Files);
    world.put("files/left.o", "object");
    let merge =
        "snap-merge <(snap-put dumps/b -- echo b) <(snap-scan --type f -e '*.o' | snap-heapify) <(snap-put dumps/a -- echo a)";
    world.sh(&format!("{merge} > merged && snap-write merged")).ok().silent();
    let label = "[.put, .root == env.FILE_ROOT, .types, .rules.exclude, .filtered]";
    world.sh(&format!("snap-list --json | jq -c '{label}'")).ok().says("[null,true,[\"file\"],[\"*.o\"],true]\n");
    world.sh("snap-read | jq -r .name | grep dumps").ok().says("dumps/a\ndumps/b\n");
    world.put("files/new", "new");
    world.sh("snap-read | snap-restore --delete").ok().silent();
    assert_eq!(contents(&world.path("files")).get(&b"dumps/a"[..]).map(Vec::as_slice), Some(&b"a\n"[..]));
    assert!(!world.path("files/new").exists() && world.path("files/left.o").exists());
    // A record that is lost on the way is not forgotten because it was put.
    let lost = "snap-merge <(snap-scan | snap-heapify) <(snap-put x -- echo x | jq -c 'select(.type == \"end\")')";
    world.sh(&format!("{lost} | snap-write --whole")).status(2).complains("not whole");
}
