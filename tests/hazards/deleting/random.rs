//! Random trees, filters and routes: whatever is between the scan and `snap-restore --delete`, nothing that the backup did not see
//! and find gone is deleted, and every refusal says what to do.

use crate::util::World;
use crate::util::measure::{figure, many};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

/// What stands between the folder and the snapshot, or between the snapshot and the restore.
#[derive(Clone, Debug)]
enum Filter {
    Nothing,
    Jq(&'static str, Place),
    Exclude(&'static str),
    IgnoreFile(&'static str),
    Include(&'static str),
    FilesFrom(&'static str),
    Types(&'static str),
    Head(usize, Place),
    /// A file that goes away after it was listed, published with `--partial`.
    Partial,
    /// A stage that is killed in mid-stream.
    Killed(usize, Place),
}

/// Behind which stage a filter is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Scan,
    Heapify,
    Read,
}

/// How the snapshot comes back.
#[derive(Clone, Copy, Debug)]
enum Route {
    Records,
    Rows,
    /// What a first restore gives out is published, and that is restored.
    Again,
    AgainWithDelete,
    Merge,
    Slices,
    /// One slice of a listing is lost.
    LostSlice,
    Snapshooter,
}

#[derive(Clone, Debug)]
struct Case {
    then: BTreeSet<String>,
    since: BTreeSet<String>,
    gone: Vec<prop::sample::Index>,
    filter: Filter,
    route: Route,
    /// The heap and the snapshots lie in the folder that is backed up.
    inside: bool,
}

fn name() -> impl Strategy<Value = String> {
    let folder = prop::sample::select(vec!["", "", "a/", "b/", "a/b/", "c/a/", "d/"]);
    let leaf = prop::sample::select(vec!["x.c", "x.o", "y.c", "y.o", "z", "b.o", "w.tmp", "ü", "n o"]);
    (folder, leaf).prop_map(|(folder, leaf)| format!("{folder}{leaf}"))
}

fn case() -> impl Strategy<Value = Case> {
    let place = prop::sample::select(vec![Place::Scan, Place::Heapify, Place::Read]);
    let jq = prop::sample::select(vec![
        r#".name | endswith(".o") | not"#,
        r#".type == "end" or (.name | startswith("a/"))"#,
        r#".type != "directory""#,
        r#".type == "end" or .type == "file""#,
        r#".name | contains("b") | not"#,
        r#"if .name == "z" then .name = "zz" else . end"#,
        r#".size == null or .size < 5"#,
        ".",
    ]);
    let globs = || prop::sample::select(vec!["*.o", "/a/", "b", "*.tmp", "a/b/*", "nothing"]);
    let filter = prop_oneof![
        2 => Just(Filter::Nothing),
        3 => (jq, place.clone()).prop_map(|(program, place)| Filter::Jq(program, place)),
        2 => globs().prop_map(Filter::Exclude),
        1 => globs().prop_map(Filter::IgnoreFile),
        2 => prop::sample::select(vec!["/a/", "*.c", "b"]).prop_map(Filter::Include),
        1 => prop::sample::select(vec!["*.c", "*"]).prop_map(Filter::FilesFrom),
        2 => prop::sample::select(vec!["f", "f,l", "d", "l,d"]).prop_map(Filter::Types),
        1 => (0usize..20, place.clone()).prop_map(|(n, place)| Filter::Head(n, place)),
        1 => Just(Filter::Partial),
        1 => (0usize..20, place).prop_map(|(n, place)| Filter::Killed(n, place)),
    ];
    let route = prop::sample::select(vec![
        Route::Records,
        Route::Records,
        Route::Rows,
        Route::Again,
        Route::AgainWithDelete,
        Route::Merge,
        Route::Slices,
        Route::LostSlice,
        Route::Snapshooter,
    ]);
    let names = || prop::collection::btree_set(name(), 1..9);
    let gone = prop::collection::vec(any::<prop::sample::Index>(), 0..2);
    (names(), names(), gone, filter, route, any::<bool>()).prop_map(|(then, since, gone, filter, route, inside)| Case {
        then,
        since,
        gone,
        filter,
        route,
        inside,
    })
}

impl Filter {
    /// The filter behind this stage, as a piece of a pipeline.
    fn behind(&self, place: Place) -> String {
        match self {
            Filter::Jq(program, at) if *at == place && program.starts_with("if") => format!("| jq -c '{program}'"),
            Filter::Jq(program, at) if *at == place => format!("| jq -c 'select({program})'"),
            Filter::Head(n, at) if *at == place => format!("| head -n {n}"),
            Filter::Killed(n, at) if *at == place => format!("| (head -n {n}; kill -KILL $BASHPID)"),
            _ => String::new(),
        }
    }

    fn scan_options(&self) -> String {
        match self {
            Filter::Exclude(glob) => format!("-e '{glob}'"),
            Filter::IgnoreFile(_) => "--ignore-file .ignored".to_string(),
            Filter::Include(glob) => format!("-i '{glob}'"),
            Filter::FilesFrom(_) => "--files-from - -0".to_string(),
            Filter::Types(types) => format!("--type {types}"),
            _ => String::new(),
        }
    }

    fn scan(&self) -> String {
        let names = match self {
            Filter::FilesFrom(glob) => format!("(cd files && find . -name '{glob}' -not -name . -printf '%P\\0') | "),
            _ => String::new(),
        };
        format!("{names}snap-scan {}", self.scan_options())
    }

    /// Whether the scan would have listed that name, had it been there: only then its absence says something.
    fn looks_at(&self, name: &str, folder: bool) -> bool {
        let matches = |glob: &str| {
            let parts: Vec<&str> = name.split('/').collect();
            match glob {
                "/a/" => parts[0] == "a" && (parts.len() > 1 || folder),
                "a/b/*" => parts.len() > 2 && parts[..2] == ["a", "b"],
                _ => match glob.strip_prefix('*') {
                    Some(end) => parts.iter().any(|part| part.ends_with(end)),
                    None => parts.contains(&glob),
                },
            }
        };
        match self {
            Filter::Exclude(glob) | Filter::IgnoreFile(glob) => !matches(glob),
            Filter::Include(glob) => matches(glob),
            Filter::FilesFrom(_) => false,
            Filter::Types(types) => types.split(',').any(|t| t == if folder { "d" } else { "f" }),
            _ => true,
        }
    }
}

/// The names below `files`, with a `/` behind those of folders.
fn names(world: &World) -> BTreeSet<String> {
    let done = world.sh("cd files && find . -mindepth 1 -type d -printf '%P/\\n' -o -mindepth 1 -printf '%P\\n'").ok();
    done.lines().into_iter().filter(|name| !name.starts_with(".repo")).collect()
}

#[derive(Default)]
struct Counts {
    refused: AtomicU64,
    deleted: AtomicU64,
    spared: AtomicU64,
}

fn run(case: &Case, counts: &Counts) -> Result<(), TestCaseError> {
    let mut world = World::new();
    world.sh("mkdir files").ok();
    if case.inside {
        world.set("HEAP_ROOT", world.path("files/.repo/heap"));
        world.set("SNAP_ROOT", world.path("files/.repo/snap"));
    }
    for name in &case.then {
        world.put(&format!("files/{name}"), format!("content of {name}"));
    }
    if let Filter::IgnoreFile(glob) = case.filter {
        world.put("files/.ignored", format!("{glob}\n"));
    }
    let then = names(&world);
    back_up(&world, case);
    // The folder changes.
    let all: Vec<&String> = case.then.iter().collect();
    let gone: BTreeSet<&String> = case.gone.iter().map(|index| *index.get(&all)).collect();
    for name in gone {
        std::fs::remove_file(world.path("files").join(name)).expect("remove a file");
    }
    for name in case.since.iter().filter(|name| !world.path("files").join(name).exists()) {
        world.put(&format!("files/{name}"), format!("new content of {name}"));
    }
    bring_back(&world, case, &then, counts)
}

/// Makes the snapshot; some filters make that there is none.
fn back_up(world: &World, case: &Case) {
    let filter = &case.filter;
    let (after_scan, after_heapify) = (filter.behind(Place::Scan), filter.behind(Place::Heapify));
    let scan = filter.scan();
    let write = "snap-write --unterminated --allow-empty";
    let script = match (case.route, filter) {
        (_, Filter::Partial) => {
            let lost = case.then.first().expect("there is a file");
            format!("snap-scan > list; mv 'files/{lost}' lost; snap-heapify list | snap-write --partial; mv lost 'files/{lost}'")
        }
        (Route::Merge, Filter::Nothing | Filter::Types(_)) => {
            format!("{scan} -i /a | snap-heapify -o 1; {scan} -e /a | snap-heapify -o 2; snap-merge 1 2 | {write}")
        }
        (Route::Slices | Route::LostSlice, _) => {
            let both = if matches!(case.route, Route::Slices) { "1 2" } else { "2" };
            // The end record is in the second slice.
            format!(
                "{scan} {after_scan} > list; n=$(wc -l < list); head -n $((n / 2)) list | snap-heapify -o 1; \
                 tail -n +$((n / 2 + 1)) list | snap-heapify -o 2; snap-merge --slices {both} {after_heapify} | {write}"
            )
        }
        (Route::Snapshooter, Filter::Nothing) => "snapshooter make-snapshot".to_string(),
        _ => format!("{scan} {after_scan} | snap-heapify {after_heapify} | {write}"),
    };
    let done = world.sh(&script);
    assert!(!done.err().contains("panicked"), "{done}");
}

fn bring_back(world: &World, case: &Case, then: &BTreeSet<String>, counts: &Counts) -> Result<(), TestCaseError> {
    let after_read = case.filter.behind(Place::Read);
    let script = match case.route {
        Route::Rows => {
            let rows = "(snap-scan | snap-heapify --no-store | snap-diff latest - || [ $? = 1 ])";
            format!("{rows} | snap-restore --side left --delete")
        }
        Route::Again => "snap-restore -o - | snap-write --allow-empty".to_string(),
        Route::AgainWithDelete => "snap-restore --delete -o - | snap-write --allow-empty".to_string(),
        Route::Snapshooter => "snapshooter restore-snapshot".to_string(),
        _ => "snap-restore --delete".to_string(),
    };
    let script = match case.route {
        Route::Rows | Route::Snapshooter => script,
        _ => format!("snap-read latest {after_read} | {script}"),
    };
    let snapshots = || world.sh("snap-list | wc -l").out();
    let before = snapshots();
    check(world, case, then, &script, counts)?;
    if matches!(case.route, Route::Again | Route::AgainWithDelete) && snapshots() != before {
        // What is there now is what the second snapshot was made of.
        let now = names(world);
        check(world, case, &now, "snap-read latest | snap-restore --delete", counts)?;
    }
    Ok(())
}

/// Runs a restore and looks at what it deleted. `seen` was there when the snapshot was made.
fn check(world: &World, case: &Case, seen: &BTreeSet<String>, script: &str, counts: &Counts) -> Result<(), TestCaseError> {
    let before = names(world);
    let done = world.sh(script);
    let after = names(world);
    let deleted: Vec<&String> = before.difference(&after).collect();
    let wrong = |name: &&&String| {
        let folder = name.ends_with('/');
        let files_only = matches!((case.route, &case.filter), (Route::Snapshooter, Filter::Nothing));
        seen.contains(**name) || !case.filter.looks_at(name.trim_end_matches('/'), folder) || files_only && folder
    };
    let wrong: Vec<_> = deleted.iter().filter(wrong).collect();
    prop_assert!(wrong.is_empty(), "{wrong:?} went\n{case:?}{done}");
    prop_assert!(!case.inside || world.path("files/.repo/heap").exists() || seen.is_empty(), "the heap went\n{case:?}{done}");
    if done.err().contains("nothing is restored") {
        counts.refused.fetch_add(1, Ordering::Relaxed);
        prop_assert!(done.code() != Some(0) && before == after, "a refusal that does something\n{case:?}{done}");
        let helps = ["--delete", "--no-delete", "--max-delete", "jq", "snapshot", "snap-diff"];
        let last = done.err().lines().last().unwrap_or_default().to_string();
        prop_assert!(done.err().lines().count() >= 2 && helps.iter().any(|h| last.contains(h)), "no help\n{case:?}{done}");
        return Ok(());
    }
    counts.deleted.fetch_add(deleted.len() as u64, Ordering::Relaxed);
    let extra = after.iter().filter(|name| !seen.contains(*name)).count();
    counts.spared.fetch_add(extra as u64, Ordering::Relaxed);
    // What is not filtered does delete.
    if matches!((&case.filter, case.route), (Filter::Nothing, Route::Records | Route::Rows | Route::Slices)) {
        prop_assert!(done.code() == Some(0) && extra == 0, "{extra} are left\n{case:?}{done}");
    }
    Ok(())
}

#[test]
fn nothing_is_deleted_that_the_backup_did_not_see_and_find_gone() {
    let (cases, threads) = (many(120, 10_000), 4);
    let counts = Counts::default();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let counts = &counts;
            scope.spawn(move || {
                let config =
                    Config { cases: cases / threads, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
                // The same cases in every quick run; others each time in the full tier.
                let rng = match many(true, false) {
                    true => TestRng::from_seed(RngAlgorithm::ChaCha, &[thread as u8 + 1; 32]),
                    false => TestRunner::new(Config::default()).new_rng(),
                };
                let mut runner = TestRunner::new_with_rng(config, rng);
                runner.run(&case(), |case| run(&case, counts)).unwrap_or_else(|e| panic!("{e}"));
            });
        }
    });
    let [refused, deleted, spared] = [&counts.refused, &counts.deleted, &counts.spared].map(|c| c.load(Ordering::Relaxed));
    assert!(refused > 0 && deleted > 0 && spared > 0, "{refused} refused, {deleted} deleted, {spared} spared");
    figure(
        31,
        &format!("{cases} trees, filters and routes: {refused} refused, {deleted} names deleted, {spared} spared, 0 wrong"),
    );
}
