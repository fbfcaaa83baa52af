//! What `--delete` deletes: nothing because a record is missing, unless it is known that the file was not there when the folder was
//! listed. And what is published is what was listed, or says that it is not.

mod far;
mod random;

use crate::util::{Done, World};

const BACKUP: &str = "snap-scan | snap-heapify | snap-write > /dev/null";
const RESTORE: &str = "snap-read latest | snap-restore --delete";

/// A world with two files, `a.c` and `a.o`.
fn two_files() -> World {
    let world = World::new();
    world.put("files/a.c", "c");
    world.put("files/a.o", "precious");
    world
}

/// The names of the files below `files`, in a line.
fn there(world: &World) -> String {
    world.sh("cd files && find . ! -type d -printf '%P\\n' | sort | xargs").ok().out().trim().to_string()
}

/// Asserts that a script refuses to delete, changes nothing, and says what to do.
#[track_caller]
fn refused(world: &World, script: &str, why: &str) -> Done {
    let before = there(world);
    // The Python tool has no status 2.
    let done = world.sh(script).status(if script.starts_with("snapshooter") { 1 } else { 2 }).complains(why);
    assert_eq!(there(world), before, "{done}");
    assert!(done.err().lines().count() >= 2, "it does not say what to do{done}");
    done
}

#[test]
fn a_jq_filter_behind_any_stage_keeps_delete_from_deleting() {
    let filter = r#"jq -c 'select(.name | endswith(".o") | not)'"#;
    for script in [
        format!("snap-scan | {filter} | snap-heapify | snap-write"),
        format!("snap-scan | snap-heapify | {filter} | snap-write"),
        format!("snap-scan | {filter} | snap-reuse | snap-heapify | snap-write"),
        format!("snap-scan | {filter} > list; snap-merge list | snap-heapify | snap-write"),
    ] {
        let world = two_files();
        world.sh(BACKUP).ok();
        let done = world.sh(&script).ok();
        // A merge starts a stream of its own, which says that it is filtered.
        let told = done.err().contains("1 of 2 listed records came") && done.err().contains("--complete");
        assert!(told || script.contains("snap-merge") && done.err().is_empty(), "{done}");
        refused(&world, RESTORE, "the records are filtered");
        world.sh("snap-list --json --limit 1 | jq -e .filtered").ok();
        // The words for it on the other command line.
        refused(&world, "snapshooter restore-snapshot", "the records are filtered").complains("--no-delete");
    }
    let world = two_files();
    world.sh(BACKUP).ok();
    refused(&world, &format!("snap-read | {filter} | snap-restore --delete"), "1 of 2 records came");
    let renamed = r#"jq -c 'if .name == "a.o" then .name = "b.o" else . end'"#;
    refused(&world, &format!("snap-read | {renamed} | snap-restore --delete"), "other records came than were listed");
    // One left out and another put in.
    let exchanged = r#"jq -c 'if .name == "a.o" then .name = "a.c2" else . end'"#;
    world.sh(&format!("snap-scan | snap-heapify | {exchanged} | snap-write > /dev/null")).ok().complains("other records came");
    refused(&world, RESTORE, "the records are filtered");
}

#[test]
fn who_says_that_a_selection_is_meant_gets_it() {
    let world = two_files();
    let script = r#"snap-scan | jq -c 'select(.name | endswith(".o") | not)' | snap-heapify"#;
    world.sh(&format!("{script} | snap-write --whole")).status(2).complains("1 of 2 listed records came");
    assert!(world.files_below("snap").is_empty());
    world.sh(&format!("{script} | snap-write --complete > /dev/null")).ok().silent();
    world.sh("snap-list --json | jq -e '.complete and (.filtered | not)'").ok();
    world.sh(RESTORE).ok();
    assert_eq!(there(&world), "a.c");
    world.sh("snap-scan | snap-write --whole --complete").status(2).complains("cannot be used with");
    // Rules of the scan are no reason for --whole to refuse.
    world.sh("snap-scan -e '*.o' | snap-heapify | snap-write --whole").ok();
    world.sh("printf 'a.c\\n' | snap-scan --files-from - | snap-heapify | snap-write --whole").status(2).complains("left out");
}

#[test]
fn a_stream_that_does_not_say_what_was_listed_is_not_taken_for_whole() {
    let world = two_files();
    world.sh("snap-scan | snap-heapify > list").ok();
    for (end, script) in [
        ("an end made by hand", r#"(head -n -1 list; echo '{"name":"","type":"end"}') | snap-write"#),
        ("no end", "head -n -1 list | snap-write --unterminated"),
        ("no end, and short", "head -n 1 list | snap-write --unterminated"),
    ] {
        world.sh(script).ok();
        refused(&world, RESTORE, "filtered");
        assert_eq!(there(&world), "a.c a.o", "{end}");
    }
    world.sh("head -n -1 list | snap-write --unterminated --complete > /dev/null").ok();
    world.sh(RESTORE).ok();
}

#[test]
fn the_state_after_a_partial_restore_is_not_taken_for_the_whole_folder() {
    let world = World::new();
    for name in ["docs/a", "src/b", "top"] {
        world.put(&format!("files/{name}"), name);
    }
    world.sh(BACKUP).ok();
    let docs = r#"jq -c 'select(.type == "end" or (.name | startswith("docs")))'"#;
    world.sh(&format!("snap-read | {docs} | snap-restore -o - | snap-write --tag restored > /dev/null")).ok();
    refused(&world, RESTORE, "filtered");
    // All records, but nothing was deleted: what is there beside them no record names.
    world.put("files/new", "new");
    world.sh("snap-read latest~1 | snap-restore -o - | snap-write > /dev/null").ok();
    refused(&world, RESTORE, "filtered");
    assert_eq!(there(&world), "docs/a new src/b top");
    // With --delete the state after is all that is there.
    world.sh("snap-read latest~2 | snap-restore --delete -o - | snap-write > /dev/null").ok();
    assert_eq!(there(&world), "docs/a src/b top");
    world.put("files/newer", "newer");
    world.sh(RESTORE).ok();
    assert_eq!(there(&world), "docs/a src/b top");
    // Restored to another folder, it is a state of that folder.
    world.sh("snap-read | snap-restore --file-root other --delete -o - | jq -r 'select(.type == \"end\") | .root' > root").ok();
    world.sh("[ \"$(cat root)\" = \"$(realpath other)\" ]").ok();
}

#[test]
fn rows_delete_only_what_the_restored_side_is_known_not_to_have() {
    // Where a pipeline has snap-diff in it, status 1 says that something is different.
    let now = "(snap-scan | snap-heapify --no-store | snap-diff latest - || [ $? = 1 ])";
    let back = format!("{now} | snap-restore --side left --delete");
    for (scan, write, why) in [
        ("snap-scan -i '*.c'", "snap-write", ""),
        ("snap-scan -e '*.o'", "snap-write", ""),
        ("printf 'a.c\\n' | snap-scan --files-from -", "snap-write", "filtered"),
        ("snap-scan | jq -c 'select(.name != \"a.o\")'", "snap-write", "filtered"),
        ("(snap-scan; rm files/a.o)", "snap-write --partial", "1 record failed before"),
    ] {
        let world = two_files();
        world.sh(&format!("{scan} | snap-heapify > list; snap-heapify list | {write} > /dev/null")).code();
        world.put("files/a.o", "precious");
        match why {
            "" => drop(world.sh(&back).ok()),
            why => drop(refused(&world, &back, why)),
        }
        assert_eq!(there(&world), "a.c a.o", "{scan}");
        // The other side is whole: what it does not have goes.
        world.sh("rm files/a.c").ok();
        if !write.contains("--partial") {
            world.sh(&format!("{now} | snap-restore --delete")).ok();
        }
    }
    let world = two_files();
    world.sh(BACKUP).ok();
    world.put("files/new", "new");
    refused(&world, &format!("{now} | head -n -1 | snap-restore --side left --delete"), "end record");
    refused(
        &world,
        &format!("{now} | jq -c 'del(.left, .right)' | snap-restore --side left --delete"),
        "whether the lists that were compared were whole",
    );
    world.sh(&back).ok();
    assert_eq!(there(&world), "a.c a.o");
}

#[test]
fn what_exclude_rules_left_out_is_spared_and_the_rest_goes() {
    let world = World::new();
    for name in ["a.c", "a.o", "build/x", "src/b.c", "src/b.o", "src/keep/k.tmp"] {
        world.put(&format!("files/{name}"), name);
    }
    world.put("files/src/.ignored", "*.tmp\n");
    let scan = "snap-scan -e '*.o' -e /build/ --ignore-file .ignored";
    world.sh(&format!("{scan} | snap-heapify | snap-write > /dev/null")).ok().silent();
    for new in ["new.c", "new.o", "build/y", "other/n.o", "other/n.c", "src/new.tmp", "new.tmp"] {
        world.put(&format!("files/{new}"), new);
    }
    let plan = world.sh("snap-read | snap-restore --delete -n | jq -r 'select(.action == \"delete\") | .name' | sort").ok();
    assert_eq!(plan.lines(), ["new.c", "new.tmp", "other/n.c"], "{plan}");
    world.sh(RESTORE).ok().silent();
    let spared = "a.c a.o build/x build/y new.o other/n.o src/.ignored src/b.c src/b.o src/keep/k.tmp src/new.tmp";
    assert_eq!(there(&world), spared);
    world.sh("snap-list --json | jq -e '.filtered and (.rules.exclude | length == 2)'").ok();
    // Who wants them gone says so.
    world.sh("snap-read | snap-restore --delete --delete-excluded").ok();
    assert_eq!(there(&world), "a.c src/.ignored src/b.c");
}

#[test]
fn the_heap_and_the_snapshots_are_never_deleted_wherever_they_lie() {
    for unset in [&[][..], &["SNAP_ROOT"]] {
        let mut world = two_files();
        world.set("HEAP_ROOT", world.path("files/.repo/heap"));
        world.set("SNAP_ROOT", world.path("files/.repo/snap"));
        world.sh(BACKUP).ok();
        world.sh(BACKUP).ok();
        let path = world.sh("snap-list --limit 1").ok().out();
        let path = path.trim();
        world.put("files/new", "new");
        unset.iter().for_each(|key| world.unset(key));
        world.sh(&format!("snap-read {path} | snap-restore --delete")).ok();
        world.sh(&format!("[ -f {path} ] && [ ! -e files/new ] && snap-read {path} | snap-verify")).ok();
        // Not through rows either.
        world.put("files/new", "new");
        let rows = format!("snap-scan | snap-heapify --no-store | snap-diff {path} - | snap-restore --side left --delete");
        world.sh(&rows).status(1);
        world.sh(&format!("[ -f {path} ] && [ ! -e files/new ] && snap-read {path} | snap-verify")).ok();
    }
}

#[test]
fn what_is_mounted_in_the_folder_is_spared() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: mounting takes root");
        return;
    }
    let world = two_files();
    let mounted = "mkdir -p files/m; mount -t tmpfs none files/m; echo precious > files/m/p";
    let script = format!(
        "{mounted}; snap-scan -x | snap-heapify | snap-write > /dev/null; echo new > files/new; \
         snap-read | snap-restore --delete && [ -f files/m/p ] && [ ! -e files/new ] && \
         (snap-scan | snap-heapify -n | snap-diff latest - | snap-restore --side left --delete; [ -f files/m/p ])"
    );
    world.put("run.sh", script);
    let done = world.sh("unshare --mount bash run.sh");
    if done.code() == Some(1) && done.err().contains("unshare failed") {
        println!("skipped: no mount namespaces");
        return;
    }
    done.ok();
}

#[test]
fn an_empty_folder_after_a_full_one_is_not_published_unasked() {
    for make in [BACKUP, "snapshooter make-snapshot"] {
        let world = two_files();
        // The disk is not mounted from the beginning: there is nothing to lose yet.
        world.sh("mkdir empty; snap-scan empty | snap-heapify --file-root empty | snap-write > /dev/null").ok();
        world.sh(make).ok();
        world.sh("mv files disk; mkdir files").ok();
        let trouble = if make == BACKUP { 2 } else { 1 };
        let done = world.sh(make).status(trouble).complains("no records").complains("--allow-empty");
        assert!(done.err().contains("mounted"), "{done}");
        assert_eq!(world.sh("snap-list").ok().lines().len(), 2);
        world.sh("snap-scan | snap-heapify | snap-write --before-restore").ok();
        world
            .sh(&make.replace("snap-write", "snap-write --allow-empty").replace("make-snapshot", "make-snapshot --allow-empty"))
            .ok();
        // After an empty one there is nothing to lose either.
        world.sh(make).ok();
        // And it wipes nothing in silence.
        world.sh("rmdir files; mv disk files").ok();
        refused(&world, RESTORE, "all that is there would be deleted: 2 files");
        refused(&world, "snapshooter restore-snapshot", "all that is there would be deleted");
        refused(&world, "snap-read | snap-restore --delete --max-delete 1", "more than 1");
        refused(&world, "snap-read | snap-restore --delete --max-delete 99%", "2 of 2 files");
        world.sh("snap-read | snap-restore --delete --max-delete 100% -o - | snap-write").ok();
        assert_eq!(there(&world), "");
    }
}

#[test]
fn a_limit_stops_a_restore_before_it_begins() {
    let world = World::new();
    for n in 0..10 {
        world.put(&format!("files/{n}"), "x");
    }
    world.sh(BACKUP).ok();
    for n in 0..5 {
        world.put(&format!("files/new{n}"), "x");
    }
    world.put("files/0", "changed");
    for limit in ["4", "30%", "0"] {
        refused(&world, &format!("snap-read | snap-restore --delete --max-delete {limit}"), "5");
        refused(&world, &format!("snapshooter restore-snapshot --max-delete {limit}"), "5");
        let rows = "(snap-scan | snap-heapify -n | snap-diff latest -) | snap-restore --side left --delete";
        refused(&world, &format!("{rows} --max-delete {limit}"), "5");
    }
    world.sh("grep changed files/0").ok();
    world.sh("snap-read | snap-restore --max-delete 5").status(2).complains("--delete");
    world.sh("snap-read | snap-restore --delete --max-delete many").status(2).complains("share");
    world.sh("snap-read | snap-restore --delete --max-delete 34%").ok();
    assert_eq!(there(&world), "0 1 2 3 4 5 6 7 8 9");
}

#[test]
fn the_snapshot_of_another_folder_does_not_empty_this_one() {
    let world = two_files();
    world.put("other/x", "x");
    world.sh("snap-scan other | snap-heapify --file-root other | snap-write > /dev/null").ok();
    refused(&world, RESTORE, "of another folder");
    world.sh("snap-read | snap-restore --delete --max-delete 2").ok();
    assert_eq!(there(&world), "x");
    // A folder that was moved has names in common.
    world.sh("mv other moved; echo y > moved/y; snap-read | snap-restore --file-root moved --delete").ok();
    assert_eq!(world.sh("ls moved").ok().out(), "x\n");
}

#[test]
fn the_list_of_one_folder_with_the_contents_of_another_is_no_backup() {
    let world = two_files();
    world.put("other/a.c", "another content");
    world.sh("snap-scan other | snap-heapify | snap-write").status(2).complains("lists").complains("same file root");
    assert!(world.files_below("snap").is_empty());
    // One folder spelt in two ways is one folder.
    world.sh("ln -s files link; snap-scan link | snap-heapify --file-root ./files/../files | snap-write > /dev/null").ok();
    world.sh("snap-scan file://$PWD/files | snap-heapify --file-root files/ | snap-write > /dev/null").ok();
    // A list that names no root is of any.
    world.sh("snap-scan other --type f | jq -c 'del(.root)' | snap-heapify --file-root other | snap-write").ok();
}

#[test]
fn slices_of_a_listing_are_held_together_by_its_end_record() {
    let world = World::new();
    for n in 0..50 {
        world.put(&format!("files/{n}"), format!("{n}"));
    }
    world.sh("snap-scan | split -n r/3 - part.; for p in part.a?; do snap-heapify -o $p.done $p; done").ok();
    world.sh("snap-merge --slices part.a?.done | snap-write --whole > /dev/null").ok().silent();
    world.sh("snap-list --json | jq -e '.records == 50 and (.filtered | not)'").ok();
    world.sh("diff <(snap-merge --slices part.a?.done | jq -c '[.name, .md5]') <(snap-read | jq -c '[.name, .md5]')").ok();
    world.sh("diff <(snap-merge --slices part.a?.done | tail -n 1 | jq -c 'del(.work)') <(snap-scan | tail -n 1)").ok();
    // Each slice in turn is lost.
    for lost in ["a", "b", "c"] {
        let rest = format!("$(ls part.a?.done | grep -v part.a{lost})");
        world.sh(&format!("snap-merge --slices {rest} | snap-write --whole")).status(2);
    }
    // Without --slices the parts have to be whole themselves.
    world.sh("snap-merge part.a?.done | snap-write").status(2).complains("end record");
    world.sh("snap-scan > one; snap-scan --type d > two; snap-merge --slices one two").status(2).complains("different listings");
}

#[test]
fn a_side_that_came_short_is_not_compared_as_whole() {
    let world = two_files();
    world.sh(BACKUP).ok();
    world.sh("snap-scan | snap-heapify | jq -c 'select(.name != \"a.o\")' > short").ok();
    let done =
        world.sh("snap-diff latest - < short | jq -c 'select(.type == \"end\") | [.filtered, .left.filtered, .right.filtered]'");
    assert_eq!(done.status(1).out(), "[true,null,true]\n");
    refused(&world, "snap-diff latest - < short | snap-restore --delete", "filtered");
    // Back to the side that is whole is fine.
    world.sh("rm files/a.o; snap-diff latest - < short | snap-restore --side left --delete").status(1).silent();
    assert_eq!(there(&world), "a.c a.o");
}
