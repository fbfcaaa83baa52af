//! Options, variables and exit statuses of `snapshooter`.

use super::{Tool, run, run_in, world};

#[test]
fn global_options_stand_anywhere_and_variables_give_them_too() {
    let mut world = world(Tool::Ours);
    let made = "mkdir -p f; echo 1 > f/a; ";
    run_in(&world, &format!("{made} $TOOL make-snapshot --file-root f --heap-root h --snap-root s > path; $TOOL list-snapshots --snap-root s | cmp - path"))
        .ok();
    run_in(&world, "$TOOL --snap-root nowhere list-snapshots --snap-root s | cmp - path").ok();
    for (name, value) in
        [("FILE_ROOT", "f"), ("HEAP_ROOT", "h"), ("SNAP_ROOT", "s"), ("LOGLEVEL", "warning"), ("HEAP_CACHE_FILE", "cache")]
    {
        world.set(name, value);
    }
    run_in(&world, "$TOOL make-snapshot > path; $TOOL list-snapshots --limit 1 | head -n 1 | cmp - path; wc -l < cache")
        .ok()
        .says("1\n")
        .silent();
    for name in ["LOGLEVEL", "HEAP_CACHE_FILE", "PARALLEL_LISTING", "SNAP_STORAGE_OPTIONS"] {
        world.set(name, "");
    }
    run_in(&world, "$TOOL make-snapshot > path").ok().complains("INFO     snapshooter - saved 1 record in ");
    world.set("SNAP_ROOT", "");
    run_in(&world, "$TOOL list-snapshots").status(2).complains("no snap root given");
    run_in(&world, "$TOOL make-snapshot --help | head -n 1; $TOOL --version | cut -d ' ' -f 1")
        .ok()
        .says("Save the state of the file root: contents to the heap, a snapshot to the snap root, whose path is\nsnapshooter\n");
}

#[test]
fn bad_usage_is_status_2_and_changes_nothing() {
    let world = world(Tool::Ours);
    for (arguments, part) in [
        ("", "no command"),
        ("make-snapshots", "make-snapshots"),
        ("make-snapshot --what", "--what"),
        ("make-snapshot --type x", "'x'"),
        ("make-snapshot --parallel-listing 0", "--parallel-listing"),
        ("make-snapshot --file-storage-options '[]'", "--file-storage-options: expected a JSON object"),
        ("make-snapshot --file-storage-options '{\"account_key\": \"s3cret\"'", "--file-storage-options: not JSON"),
        ("make-snapshot --snap-storage-options @nowhere", "nowhere"),
        ("make-snapshot --file-root az://container/folder", "az://"),
        ("make-snapshot --file-root ''", "--file-root"),
        ("restore-snapshot --latest yesterday", "yesterday"),
        ("list-snapshots --limit -1", "-1"),
        ("list-snapshots --order up", "up"),
        ("compare-snapshots --diff-state new", "new"),
        ("list-snapshots --loglevel loud", "loud"),
    ] {
        let done = run_in(&world, &format!("$SN {arguments}")).status(2).complains(part);
        assert!(done.err().lines().count() <= 2 && !done.err().contains("s3cret"), "{done}");
    }
    for (variable, value) in
        [("PARALLEL_COPY_TO_FILE", "0"), ("PARALLEL_HEAP_LISTING", "x"), ("LOGLEVEL", "loud"), ("HEAP_STORAGE_OPTIONS", "x")]
    {
        run_in(&world, &format!("{variable}={value} $SN make-snapshot")).status(2);
    }
    assert_eq!(world.files_below("s").len() + world.files_below("h").len(), 0);
}

#[test]
fn trouble_is_status_1_and_one_line() {
    let world = world(Tool::Ours);
    for (arguments, part) in [
        ("restore-snapshot", "snap root"),
        ("restore-snapshot --path nowhere", "no snapshot nowhere"),
        ("compare-snapshots", "snap root"),
        ("show-snapshot", "snap root"),
        ("make-snapshot --file-root nowhere", "nowhere: No such file or directory"),
    ] {
        let done = run_in(&world, &format!("$SN {arguments}")).status(1).says("").complains(part);
        assert!(done.err().lines().filter(|l| l.contains("ERROR")).count() <= 2, "{done}");
    }
    run_in(&world, "$SN list-snapshots").ok().says("").silent();
    run_in(&world, "echo 1 > f/a; $SN make-snapshot; $SN restore-snapshot --latest 2020-01-01")
        .status(1)
        .complains("no snapshot");
}

#[test]
fn storage_options_of_folders_have_no_effect() {
    let world = world(Tool::Ours);
    let options = r#"--file-storage-options '{}' --heap-storage-options '{"auto_mkdir": true}'"#;
    let quiet = run_in(&world, &format!("$SN {options} make-snapshot --loglevel WARNING")).ok();
    quiet.silent();
    let key = r#"{"account_key": "s3cret"}"#;
    let done = run_in(&world, &format!("echo '{key}' > options; $SN --snap-storage-options @options make-snapshot")).ok();
    let done = done.complains("WARNING  snapshooter - --snap-storage-options: account_key: has no effect");
    assert!(!done.err().contains("s3cret"));
}

#[test]
fn nothing_is_saved_where_that_was_asked_for() {
    let script = "echo 1 > f/a; $SN make-snapshot --no-save-snapshot; echo $(snapshots) $(find h -name '*.gz' | wc -l)";
    both_say(script, "None\n0 1\n");
    run(
        Tool::Ours,
        "echo 1 > f/a; $SN make-snapshot --no-save-snapshot --save-snapshot --no-download-missing-files > out; echo $(snapshots)",
    )
    .ok()
    .says("1\n");
    let script = "echo 1 > f/a; $SN make-snapshot > out; echo 2 > f/a; $SN restore-snapshot --no-save-snapshot-before --no-save-snapshot-after; echo $(snapshots) $(cat f/a)";
    both_say(script, "1 1\n");
    let script = "echo 1 > f/a; $SN make-snapshot > out; echo 2 > f/a; $SN restore-snapshot --no-save-snapshot-after; echo $(snapshots) $(cat f/a)";
    both_say(script, "2 1\n");
    // A restore that has nothing to do saves nothing.
    let script = "echo 1 > f/a; $SN make-snapshot > out; $SN restore-snapshot; echo $(snapshots)";
    run(Tool::Ours, script).ok().says("1\n");
}

#[track_caller]
fn both_say(script: &str, said: &str) {
    run(Tool::Python, script).ok().says(said);
    run(Tool::Ours, script).ok().says(said);
}

#[test]
fn extras_can_be_left_and_the_state_after_has_them() {
    let script = "echo 1 > f/a; $SN make-snapshot > out; echo 2 > f/b; rm f/a; $SN restore-snapshot --no-delete; echo $(ls f); $SN show-snapshot --no-end | jq -r .name";
    run(Tool::Ours, script).ok().says("a b\na\nb\n");
    // What excludes left out of the snapshot is spared.
    let filtered = "echo 1 > f/a; echo 2 > f/b; snap-scan f --type f --exclude b | snap-heapify --file-root f --heap-root h | snap-write --snap-root s > out; rm f/a; ";
    run(Tool::Ours, &format!("{filtered} echo 3 > f/c; $SN restore-snapshot; echo $? $(ls f)")).says("0 a b\n");
    // What a filter left out nobody knows.
    let chosen = filtered.replace("--exclude b", "| jq -c 'select(.name != \"b\")'");
    let done = run(Tool::Ours, &format!("{chosen} $SN restore-snapshot; echo $? $(ls f)")).says("1 b\n");
    done.complains("would be deleted").complains("give --no-delete, or give --delete-excluded");
    run(Tool::Ours, &format!("{filtered} $SN restore-snapshot --no-delete; echo $? $(ls f)")).says("0 a b\n");
    run(Tool::Ours, &format!("{filtered} $SN restore-snapshot --delete-excluded; echo $? $(ls f)")).says("0 a\n");
}

#[test]
fn a_link_that_gives_way_to_a_file_is_in_the_state_before() {
    let script = r#"
        echo 1 > f/a; $SN make-snapshot > out; rm f/a; ln -s target f/a; $SN restore-snapshot 2> log; cat f/a
        $SN restore-snapshot --path $(sed -n 's/.*--path //p' log); readlink f/a
    "#;
    run(Tool::Ours, script).ok().says("1\ntarget\n");
}

#[test]
fn comparisons_exit_with_0_unless_asked() {
    let two = "echo 1 > f/a; $SN make-snapshot > first; echo 2 > f/a; $SN make-snapshot > out;";
    let compare = "$SN compare-snapshots --path1 $(cat first)";
    for (options, said) in [
        ("--format names --exit-code", "! a\n1\n"),
        ("--format names --diff-state different --diff-state equal", "! a\n0\n"),
        ("--format names --diff-state only_left", "0\n"),
        ("--format stat --diff-state different", "different            1  2 B → 2 B\n0\n"),
        ("--format jsonl | jq -r .status | head -n 1", "different\n0\n"),
        ("--format table | wc -l", "2\n0\n"),
    ] {
        run(Tool::Ours, &format!("{two} {compare} {options}; echo $?")).says(said);
    }
    run(Tool::Ours, &format!("{two} $SN compare-snapshots --exit-code > table; echo $?; grep -c equal table")).says("0\n1\n");
    // Numbers are what they are, in the columns of the Python tool.
    let columns = format!(
        "{two} {compare} > table; head -n 1 table | tr -d ' ' | tr '|' '\\n' | grep .; cut -d '|' -f 4 table | tail -n 1 | grep -o '\\.' | wc -l"
    );
    let ours = run(Tool::Ours, &columns).ok().lines();
    let python =
        run(Tool::Python, &format!("{two} {compare} > table; head -n 1 table | tr -d ' ' | tr '|' '\\n' | grep .")).ok().lines();
    let shared: Vec<&String> = ours.iter().filter(|c| python.contains(c)).collect();
    assert_eq!(shared, python.iter().collect::<Vec<_>>());
    assert_eq!(ours.last().map(String::as_str), Some("1"), "{ours:?}");
}

#[test]
fn levels_say_more_or_less() {
    let warned = "echo 1 > f/a; $SN make-snapshot --snap-storage-options '{\"x\": 1}' --loglevel";
    let lines = |level: &str| run(Tool::Ours, &format!("{warned} {level}")).ok().err().lines().count();
    assert_eq!((lines("critical"), lines("Error"), lines("WARNING"), lines("none")), (0, 0, 1, 1));
    assert!(lines("info") >= 3 && lines("DEBUG") > lines("info"));
    // At DEBUG every file is named, stored and restored, as the Python tool names it.
    let every = "echo 1 > f/a; $SN --loglevel DEBUG make-snapshot > out; rm f/a; $SN --loglevel DEBUG restore-snapshot";
    for tool in [Tool::Ours, Tool::Python] {
        let done = run(tool, every).ok();
        let named = done.err().lines().filter(|l| l.contains(" DEBUG    snapshooter - ") && l.contains('a')).count();
        assert!(named >= 2, "{done}");
    }
    let bare = run(Tool::Ours, &format!("{warned} NONE")).ok();
    assert_eq!(bare.err(), "snapshooter: --snap-storage-options: x: has no effect for a folder of this machine\n");
    let stamp = run(Tool::Ours, "$SN make-snapshot").ok().err();
    assert!(stamp.lines().all(|l| l.as_bytes()[2] == b':' && l[8..].starts_with(" INFO     snapshooter - ")), "{stamp}");
    run(Tool::Ours, "$SN make-snapshot --file-root nowhere --loglevel critical").status(1).complains("nowhere");
}

#[test]
fn completion_is_printed_and_installed() {
    let world = world(Tool::Ours);
    run_in(&world, "SHELL=/bin/bash $TOOL --show-completion | bash -n && $TOOL --show-completion=zsh | head -n 1")
        .ok()
        .says("#compdef snapshooter\n");
    for (shell, place) in [
        ("bash", ".local/share/bash-completion/completions/snapshooter"),
        ("zsh", ".zfunc/_snapshooter"),
        ("fish", ".config/fish/completions/snapshooter.fish"),
    ] {
        let done = run_in(&world, &format!("SHELL=/usr/bin/{shell} $TOOL --install-completion")).ok();
        let path = world.path("home").join(place);
        assert!(done.out().contains(&path.display().to_string()) && path.is_file(), "{done}");
    }
    run_in(&world, "SHELL= $TOOL --install-completion").status(2).complains("$SHELL");
}

#[test]
fn what_is_damaged_is_found_and_what_is_old_is_dropped() {
    let script = r#"
        echo old > f/a; $SN make-snapshot > first; echo new > f/a; touch -d '2020-01-01' f/a; $SN make-snapshot > second
        $SN verify-snapshot; echo $?
        $SN verify-snapshot --path "$(cat first)" --quick; echo $?
        $SN forget-snapshots --keep-last 1 | cmp - first; $SN forget-snapshots --keep-last 1 --delete -n | cmp - first
        $SN list-snapshots | wc -l
        $SN forget-snapshots --keep-last 1 --delete | cmp - first; $SN list-snapshots | cmp - second
        $SN collect-garbage --delete --exclusive --dry-run | jq -r .action; ls h/??/*.gz | wc -l
        $SN collect-garbage --delete --exclusive | jq -r .action; ls h/??/*.gz | wc -l
        : > $(ls h/??/*.gz); $SN verify-snapshot | jq -r '.name, .type'; echo ${PIPESTATUS[0]}
        rm h/??/*.gz; $SN verify-snapshot --quick | jq -r '.name, .type'; echo ${PIPESTATUS[0]}
    "#;
    run(Tool::Ours, script).ok().says("0\n0\n2\ndeleted\n2\ndeleted\n1\na\nerror\n1\na\nerror\n1\n");
}
