//! snap-report: the page is valid, its numbers are right, and it works in a browser. See also `src/report/tests.rs`.

use crate::storages::emulators::local_only;
use crate::util::{Done, World};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A program of this folder.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools").join(name)
}

fn value(done: &Done) -> Value {
    serde_json::from_str(&done.out()).unwrap_or_else(|e| panic!("{e}{done}"))
}

/// What a parser of HTML finds in a page.
fn parsed(world: &World, page: &str) -> Value {
    value(&world.sh(&format!("python3 {} < {page}", program("page.py").display())).ok())
}

/// What jq finds.
fn jq(world: &World, filter: &str, file: &str) -> Value {
    value(&world.run(&["jq", "-s", filter, file], b"").ok())
}

/// A world with a snapshot, whose records are in `list`, and a second one that differs from it.
fn world() -> World {
    let world = World::new();
    let files =
        [("docs/a.txt", 100), ("docs/old/b.txt", 3000), ("docs/old/c.txt", 3000), ("src/d", 70_000), ("e", 5), ("empty", 0)];
    for (name, bytes) in files {
        world.put(&format!("files/{name}"), vec![b'x'; bytes]);
    }
    world.sh("ln -s e files/link; touch -d 2020-02-03T04:05:06Z files/e; mkdir files/none").ok();
    world.sh("snap-scan | snap-heapify | snap-write; snap-read > list").ok();
    world.sh("rm files/docs/a.txt; printf yyyyyyyyy > files/e; printf new > files/src/new; mv files/src/d files/src/d2").ok();
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world
}

#[test]
fn the_numbers_are_those_of_jq() {
    let world = world();
    world.sh("snap-report list -o page.html").ok().silent().says("");
    let page = parsed(&world, "page.html");
    let numbers = &page["numbers"];
    let facts = "{files: map(select(.type == \"file\")) | length, folders: map(select(.type == \"directory\")) | length,
        links: map(select(.type == \"link\")) | length, bytes: map(select(.type == \"file\") | .size) | add, errors: 0,
        distinct: map(select(.type == \"file\" and .size > 0) | .md5) | unique | length,
        saved: map(select(.type == \"file\" and .size > 0)) | group_by(.md5) | map(.[0].size * (length - 1)) | add}";
    assert_eq!(*numbers, jq(&world, facts, "list"));
    let largest = "map(select(.type == \"file\")) | sort_by(-.size, .name) | map([.size, .name])";
    assert_eq!(page["tables"]["largest"].as_array().unwrap()[1..], *jq(&world, largest, "list").as_array().unwrap());
    assert_eq!(page["tables"]["copies"][1], json!([3000, 2, 3000, "docs/old/b.txt, docs/old/c.txt"]));
    assert_eq!(*page["tables"]["newest"].as_array().unwrap().last().unwrap(), json!(["2020-02-03 04:05:06", 5, "e"]));
    let docs = json!(["old", 6000, 2, 0, [["b.txt", 3000, 1, "f", [], 0, 0], ["c.txt", 3000, 1, "f", [], 0, 0]], 0, 0]);
    assert_eq!(page["data"]["tree"][4][1], json!(["docs", 6100, 3, 0, [docs, ["a.txt", 100, 1, "f", [], 0, 0]], 0, 0]));
    assert!(page["text"]["h1"].as_str().unwrap().ends_with("/files"), "the root is the title");
}

#[test]
fn a_stream_a_snapshot_and_records_in_any_order_give_the_same_page() {
    let world = world();
    world.sh("snap-read latest~1 | snap-report > stream.html; snap-report latest~1 > snapshot.html").ok();
    world.sh("(grep -v '\"type\":\"end\"' list | shuf; tail -n 1 list) | snap-report > shuffled.html").ok().silent();
    world.sh("cmp stream.html shuffled.html").ok();
    let [mut stream, mut snapshot] = ["stream.html", "snapshot.html"].map(|name| parsed(&world, name));
    for page in [&mut stream, &mut snapshot] {
        page["text"] = Value::Null;
    }
    assert_eq!(stream, snapshot, "but the line that names the snapshot");
    world.sh("grep -q '<p class=\"about\">Snapshot of 20..-.*UTC</p>' snapshot.html").ok();
}

#[test]
fn changes_have_the_numbers_of_the_rows() {
    let world = world();
    world.sh("snap-diff --moves > rows").status(1);
    world.sh("snap-report rows > page.html").ok().silent();
    let page = parsed(&world, "page.html");
    assert_eq!(
        page["numbers"],
        json!({"only_right": 2, "only_left": 2, "different": 1, "moved": 1, "bytes": 140_112, "errors": 0})
    );
    let rows = jq(&world, "map(select(.status)) | group_by(.status) | map([.[0].status, length])", "rows");
    let shown: Vec<Value> = page["tables"]["statuses"].as_array().unwrap()[1..].iter().map(|r| json!([r[0], r[1]])).collect();
    assert_eq!(shown, [json!(["- only_left", 2]), json!(["+ only_right", 2]), json!(["! different", 1])]);
    assert_eq!(rows, json!([["different", 1], ["only_left", 2], ["only_right", 2]]));
    let largest = &page["tables"]["largest"];
    assert_eq!(largest[1], json!([70_000, 70_000, "–", "- src/d → src/d2"]));
    assert_eq!(largest[2], json!([70_000, "–", 70_000, "+ src/d2 ← src/d"]));
    assert_eq!(largest[4], json!([9, 5, 9, "! e"]));
    // Equal rows are counted and are no change.
    world
        .sh("snap-diff --status equal,different | snap-report > equal.html; snap-diff --moves | snap-report > piped.html")
        .status(1);
    assert_eq!(parsed(&world, "equal.html")["numbers"]["bytes"], 9);
    world.sh("snap-report < rows | cmp - piped.html").ok();
}

#[test]
fn growth_is_that_of_the_same_folder_and_a_damaged_snapshot_is_told() {
    let world = world();
    world.sh("snap-scan --before-restore 2>/dev/null; snap-read | snap-write --before-restore").code();
    world.sh("mkdir other; echo x > other/x; snap-scan other | snap-heapify --file-root other | snap-write").ok();
    world.sh("snap-report latest~1 --growth -o page.html").ok().silent();
    let page = parsed(&world, "page.html");
    let growth = page["tables"]["growth"].as_array().unwrap();
    let numbers: Vec<Value> = growth[1..].iter().map(|row| json!([row[1], row[2]])).collect();
    assert_eq!(numbers, [json!([6, 76_012]), json!([6, 76_105])], "newest first");
    world.sh("grep -q '2 snapshots of other folders' page.html").ok();
    world.sh("for path in $(snap-list --order asc --limit 1); do head -c 200 $path > cut; cp -f cut $path; done").ok();
    world.sh("snap-report list --growth -o page.html").status(1).complains("snap/2");
    world.sh("grep -q '1 snapshot could not be read' page.html").ok();
    world.sh("env -u SNAP_ROOT snap-report list --growth").status(2).complains("no snap root given");
}

#[test]
fn bad_input_is_refused_and_no_page_appears() {
    let world = world();
    world.sh("snap-report nothing -o page.html").status(2).complains("no snapshot nothing");
    world.sh("(head -n 1 list; snap-diff) | snap-report -o page.html").status(2).complains("a row of snap-diff");
    world.sh("echo '{\"name\":\"a\",\"size\":-1}' | snap-report -o page.html").status(2).complains("line 1: a: size");
    world.sh("printf 'gone\\n' | snap-scan --files-from - --gone | snap-report -o page.html").status(2).complains("gone");
    world.sh("test ! -e page.html").ok();
}

/// Names that want to be more than names.
const HOSTILE: [&str; 7] = [
    "a</script><script>window.ran = 1</script>",
    "b<img src=x onerror='window.ran = 2'>",
    "c\"><svg onload=\"window.ran = 3\">",
    "d<!--<script>",
    "e\u{2028}window.ran = 4\u{2029}",
    "f\u{202e}lmth.\u{1b}[31m",
    "g'+(window.ran = 5)+'&lt;",
];

fn hostile(world: &World) -> String {
    let mut lines: Vec<String> = HOSTILE
        .iter()
        .enumerate()
        .map(|(n, name)| {
            json!({"name": format!("x/{name}"), "size": 9000 - n, "type": "file", "md5": "0".repeat(32)}).to_string()
        })
        .collect();
    lines.push(r#"{"name":"x/\udc80\udcff","size":8000,"type":"file"}"#.to_string());
    let failed = json!({"name": "z<b>", "type": "error", "error": "</script><script>window.ran = 6</script>"});
    lines.push(failed.to_string());
    let end = json!({"name": "", "type": "end", "errors": 1, "records": 9, "root": "</title><script>window.ran = 7</script>"});
    lines.push(end.to_string());
    world.put("hostile", lines.join("\n") + "\n");
    "hostile".to_string()
}

#[test]
fn a_hostile_name_is_text_in_every_place() {
    let world = World::new();
    let list = hostile(&world);
    world.sh(&format!("snap-report {list} > page.html")).ok();
    let page = parsed(&world, "page.html");
    let names: Vec<&str> =
        page["tables"]["largest"].as_array().unwrap()[1..].iter().map(|row| row[1].as_str().unwrap()).collect();
    assert!(names.contains(&"x/a</script><script>window.ran = 1</script>"), "{names:?}");
    assert!(names.contains(&"x/f\\u{202e}lmth.\\u{1b}[31m") && names.contains(&"x/\\x80\\xff"), "{names:?}");
    assert_eq!(page["text"]["title"], "Files of </title><script>window.ran = 7</script>");
    world.sh("! grep -P '[\\x00-\\x08\\x0b-\\x1f\\x7f]' page.html").ok();
}

/// Does these steps in a browser, and returns the values. None without a browser, if tests may do without.
fn browse(world: &World, page: &str, steps: &Value) -> Option<Vec<Value>> {
    const BROWSERS: &str = "command -v chromium-headless-shell chromium google-chrome | head -n 1";
    let browser = world.sh(BROWSERS).out().trim().to_string();
    if browser.is_empty() {
        assert!(
            local_only("snap-report in a browser"),
            "there is no Chromium: run `tests/setup.sh`, or set SNAPSHOOTER_LOCAL_ONLY=1"
        );
        return None;
    }
    let script = program("browser.py");
    let done = world.run(&["python3", script.to_str().unwrap(), &browser, page], steps.to_string().as_bytes()).ok();
    let done = value(&done);
    assert_eq!(done["events"], json!([]), "errors, dialogs, requests, or what the policy forbade");
    Some(done["values"].as_array().unwrap().clone())
}

const SAID: &str = "document.getElementById('said').textContent";
const TILES: &str = "[...document.querySelectorAll('#map > *')].map(tile => tile.dataset.name)";
const HERE: &str =
    "[...document.querySelectorAll('#here tbody tr')].map(row => row.innerText.split('\\t').map(text => text.trim()))";

#[test]
fn a_click_opens_a_folder_and_the_keyboard_goes_back() {
    let world = world();
    world.sh("snap-report list > page.html").ok();
    let steps = json!([
        {"width": 1000}, {"eval": SAID}, {"eval": TILES},
        {"click": "#map [data-name=docs]"}, {"eval": SAID}, {"eval": TILES}, {"eval": "document.activeElement.dataset.name"},
        {"key": "Enter"}, {"eval": SAID}, {"eval": "document.querySelector('#crumbs').innerText.split(/\\s+/).join(' ')"},
        {"key": "Escape"}, {"eval": SAID},
        {"click": "#up"}, {"eval": SAID}, {"eval": "document.getElementById('up').disabled"},
        {"click": "summary"}, {"eval": HERE}, {"click": "#here button"}, {"eval": SAID},
        {"click": "#crumbs button"}, {"eval": SAID},
    ]);
    let Some(values) = browse(&world, "page.html", &steps) else { return };
    let (all, docs) = ("All: 74.3 KiB, 6 files", "docs: 6.0 KiB, 3 files");
    assert_eq!(values[..5], [json!(all), json!(["src", "docs"]), json!(docs), json!(["old", "a.txt"]), json!("old")]);
    assert_eq!(values[5..8], [json!("old: 5.9 KiB, 2 files"), json!("All docs old"), json!(docs)]);
    assert_eq!(values[8..10], [json!(all), json!(true)]);
    let row = |name: &str, files: &str, size: &str, share: &str| json!([name, files, size, share]);
    let rows = [
        row("src/", "1", "68.4 KiB", "92.0 %"),
        row("docs/", "3", "6.0 KiB", "8.0 %"),
        row("e", "1", "5 B", "0.0 %"),
        row("empty", "1", "0 B", "0.0 %"),
    ];
    assert_eq!(values[10], json!(rows));
    assert_eq!(values[11..], [json!("src: 68.4 KiB, 1 file"), json!(all)]);
}

#[test]
fn nothing_that_a_name_has_runs_in_a_browser() {
    let world = World::new();
    let list = hostile(&world);
    world.sh(&format!("snap-report {list} > page.html")).ok();
    let steps = json!([
        {"width": 1000}, {"eval": "typeof window.ran"}, {"eval": TILES}, {"click": "#map button"}, {"eval": TILES},
        {"click": "summary"}, {"eval": HERE}, {"eval": "typeof window.ran"},
        {"eval": "document.querySelectorAll('img, b[onclick], script').length"}, {"eval": "document.title"},
    ]);
    let Some(values) = browse(&world, "page.html", &steps) else { return };
    assert_eq!((&values[0], &values[1], &values[4]), (&json!("undefined"), &json!(["x"]), &json!("undefined")));
    let tiles: Vec<&str> = values[2].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(tiles.contains(&"d<!--<script>") && tiles.contains(&"e\\u{2028}window.ran = 4\\u{2029}"), "{tiles:?}");
    let rows = values[3].to_string();
    assert!(rows.contains("b<img src=x onerror='window.ran = 2'>"), "{rows}");
    assert_eq!(values[5], 2, "the data and our script");
    assert_eq!(values[6], "Files of </title><script>window.ran = 7</script>");
}

#[test]
fn the_page_fits_a_telephone_and_follows_the_colours_of_the_system() {
    let world = world();
    let long = "n".repeat(250);
    world.put(&format!("files/{long}/{long}"), vec![b'z'; 90_000]);
    world.sh("snap-scan | snap-heapify | snap-report --growth > page.html; snap-diff | snap-report > changes.html").status(1);
    const COLOURS: &str = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]";
    const WIDE: &str = "document.documentElement.scrollWidth <= innerWidth";
    let steps = json!([{"width": 360}, {"scheme": "light"}, {"eval": WIDE}, {"eval": COLOURS}, {"scheme": "dark"}, {"eval": COLOURS},
        {"click": "#map button"}, {"eval": WIDE}]);
    for page in ["page.html", "changes.html"] {
        let Some(values) = browse(&world, page, &steps) else { return };
        assert_eq!((&values[0], &values[3]), (&json!(true), &json!(true)), "{page}");
        let light = |colour: &Value| {
            let parts = colour.as_str().unwrap().trim_start_matches("rgb(").trim_end_matches(')').split(", ");
            parts.map(|part| part.parse::<u32>().unwrap()).sum::<u32>()
        };
        assert!(light(&values[1][0]) > light(&values[1][1]) + 300, "{values:?}");
        assert!(light(&values[2][1]) > light(&values[2][0]) + 300, "{values:?}");
    }
}

#[test]
fn a_million_names_take_little_memory_and_make_a_small_page() {
    let world = World::new();
    let make = "seq 0 999999 | awk '{printf \"{\\\"md5\\\":\\\"%032x\\\",\\\"name\\\":\\\"%04d/%07d\\\",\\\"size\\\":%d,\\\"type\\\":\\\"file\\\"}\\n\", \
        $1 % 700000, $1 / 300, $1, $1 % 1000 + 1}'";
    world.sh(&format!("{make} | /usr/bin/time -f %M -o memory snap-report > page.html")).ok();
    let kib: u64 = world.sh("cat memory").out().trim().parse().unwrap();
    assert!(kib < 64 << 10, "{kib} KiB");
    assert!(std::fs::metadata(world.path("page.html")).unwrap().len() < 400_000);
    let page = parsed(&world, "page.html");
    assert_eq!((&page["numbers"]["files"], &page["numbers"]["distinct"]), (&json!(1_000_000), &json!(700_000)));
    assert_eq!(page["numbers"]["bytes"], page["data"]["tree"][1]);
    world.sh("grep -q '… and 999,970 more' page.html").ok();
}
