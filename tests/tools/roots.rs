//! What is a root, and how it is spelled: the same in every tool.

use crate::util::World;

#[test]
fn a_root_means_the_same_place_in_every_tool() {
    let mut world = World::new();
    world.put("files/a", "1");
    world.set("FILE_ROOT", "local://files");
    world.set("HEAP_ROOT", "~/heap");
    world.set("SNAP_ROOT", "file:snap");
    world.sh("snap-scan | snap-heapify | snap-write && snapshooter make-snapshot && snapshooter verify-snapshot").ok();
    world.sh("snap-read --no-end | snap-verify && snap-gc | wc -l && snap-list | wc -l").ok().says("0\n2\n");
    world
        .sh("rm files/a; snap-read | snap-restore && cat files/a; rm files/a; snapshooter restore-snapshot; cat files/a")
        .ok()
        .says("11");
    assert_eq!(world.files_below("home/heap").iter().filter(|p| p.extension().is_some_and(|e| e == "gz")).count(), 1);
    assert!(!world.path("~").exists() && !world.path("file:snap").exists());
    world.sh("cp -r snap home/s; snap-read ~/s/*/*/*.gz --no-end > a; p=$(cd home; ls -d s/*/*/*.gz | head -n 1); snap-read \"~/$p\" | grep -c '\"name\":\"a\"'")
        .says("1\n");
}

#[test]
fn what_looks_like_a_url_and_is_none_is_refused_and_nothing_is_made() {
    let world = World::new();
    world.put("files/a", "1");
    world.sh("snap-scan | snap-heapify > records").ok();
    for bad in ["simplecache::s3://b/x", "xyz://b/x", "my_scheme://b", "~nobody/x"] {
        for command in [
            "snap-scan BAD",
            "FILE_ROOT=BAD snap-scan",
            "snap-heapify records --heap-root BAD",
            "snap-write records --snap-root BAD",
            "snap-list --snap-root BAD",
            "snap-read BAD/y",
            "snap-diff BAD/y latest",
            "snap-heapify records --base BAD/y",
            "snap-restore records --file-root BAD",
            "snap-cat records --heap-root BAD",
            "snap-to-tar records --heap-root BAD",
            "snap-from-tar records --heap-root BAD",
            "snap-verify records --heap-root BAD",
            "snap-gc --snap-root BAD",
            "snap-forget --keep-last 1 --snap-root BAD",
            "snapshooter --file-root BAD make-snapshot",
            "snapshooter --heap-root BAD make-snapshot",
            "snapshooter --snap-root BAD list-snapshots",
            "snapshooter collect-garbage --other-snap-root BAD",
        ] {
            let done = world.sh(&command.replace("BAD", &format!("'{bad}'"))).status(2).complains("./NAME");
            assert!(done.out().is_empty(), "{done}");
        }
        world.sh(&format!("snapshooter show-snapshot --path '{bad}/y'")).status(1).complains("./NAME");
    }
    let there: Vec<_> = std::fs::read_dir(world.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!there.iter().any(|name| name.to_string_lossy().contains([':', '~'])), "{there:?}");
}

#[test]
fn a_folder_with_the_name_of_a_url_is_given_with_a_dot() {
    let world = World::new();
    world.put("simplecache::s3:/b/a", "1");
    world.put("~x/a", "1");
    for root in ["./simplecache::s3://b", "./~x", "file:./~x"] {
        world.sh(&format!("snap-scan '{root}' --no-end | jq -r .name")).ok().says("a\n");
    }
}

#[test]
fn nothing_refers_to_contents_that_are_gone_with_the_process() {
    let world = World::new();
    world.put("files/a", "1");
    world.sh("snap-scan | snap-heapify --heap-root memory://x").status(2).says("").complains("gone when this process ends");
    world.sh("snap-scan | snap-heapify | snap-write --heap-root memory://x").status(2).complains("gone when this process ends");
    world.sh("snap-scan | snap-heapify | snap-write -n --heap-root memory://x").status(2);
    world.sh("snapshooter --heap-root memory://x make-snapshot").status(1).says("").complains("a heap root that lasts");
    assert_eq!(world.files_below("snap").len(), 0);
    world.sh("snapshooter --heap-root memory://x --snap-root memory://y make-snapshot").ok();
}

#[test]
fn counts_agree_with_their_nouns() {
    let world = World::new();
    world.put("files/a", "1");
    world.sh("ln -s a files/l; snap-scan | snap-heapify > r; snap-cat r > c").ok().complains("1 record without content left out");
    world.sh("snap-scan -t f | snap-heapify | snap-write -n").ok().complains("1 record would be published");
    world.sh("(echo '{\"name\":\"x\",\"type\":\"error\",\"error\":\"e\"}'; cat r) > e; snap-diff - latest < e").status(2);
    world.sh("snap-scan | snap-heapify | snap-write; snap-gc").ok().complains("1 object (");
    world.sh("snap-heapify r --progress > o").ok().complains("1 file,");
}

#[test]
fn a_limit_for_the_network_is_read_or_refused_and_is_none_for_local_folders() {
    let world = World::new();
    world.put("files/a", "1".repeat(100_000));
    for bad in ["0", "-1", "1.5M", "1 M", "fast", "99999999999G"] {
        world.sh(&format!("snap-scan --limit-rate='{bad}'")).status(2).says("").complains("bytes per second");
        world.sh(&format!("LIMIT_RATE='{bad}' snap-scan")).status(2).says("").complains(&format!("LIMIT_RATE: {bad}: "));
        world.sh(&format!("LIMIT_RATE='{bad}' snapshooter list-snapshots")).status(2).complains("LIMIT_RATE: ");
        // The option takes precedence, and tools without a root have nothing to limit.
        world.sh(&format!("LIMIT_RATE='{bad}' snap-scan --limit-rate 1G > list")).ok().silent();
        world.sh(&format!("LIMIT_RATE='{bad}' snap-merge list > merged")).ok().silent();
    }
    world.sh("LIMIT_RATE= snap-scan > list").ok().silent();
    // At one byte per second, this would take days.
    world.sh("export LIMIT_RATE=1; snap-scan | snap-heapify | snap-write && snap-read | snap-restore --file-root b && cmp files/a b/a").ok();
    world.sh("snapshooter make-snapshot --limit-rate 1 --loglevel ERROR").ok();
}

#[test]
fn a_web_server_is_not_listed_and_the_names_can_be_given() {
    let world = World::new();
    let root = "http://127.0.0.1:1/x";
    world
        .sh(&format!("snap-scan {root}"))
        .status(2)
        .says("")
        .complains("has no listing")
        .complains("give the names with --files-from");
    let done = world.sh(&format!("snapshooter --file-root {root} make-snapshot"));
    done.status(1).says("").complains("has no listing").complains("snap-scan --files-from");
}
