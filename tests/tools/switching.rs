//! What snapshooter-switching(7) says to people who come from other tools: each command of its tables runs, theirs and then ours,
//! in the order of the page, in a folder with `files`. The other tools are those that `tests/setup.sh` installs.
//!
//! A table is a section with items `.It Li THEIRS`, and our commands in the literal display of the item; an item without a
//! display has no command of ours. `.\" given: COMMAND` before an item runs before both. In the item, `.\" not run` keeps theirs
//! from running, `.\" status N` is the status of ours, and lines `.\" then: TEST` have to succeed afterwards; `$theirs` and
//! `$ours` are files with what the two printed.

use super::docs::unescaped;
use crate::util::{World, python_tool};
use std::fmt::Write as _;
use std::path::Path;

#[derive(Default)]
struct Item {
    line: usize,
    given: String,
    theirs: String,
    runs: bool,
    ours: String,
    status: i32,
    then: String,
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/snapshooter-switching.7");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The items of the section of that name.
fn items(section: &str) -> Vec<Item> {
    let page = page();
    let (before, rest) = page.split_once(&format!(".Sh {section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    let first = before.lines().count() + 2;
    let text = rest.split("\n.Sh ").next().unwrap_or_default();
    let mut found: Vec<Item> = Vec::new();
    let mut next = Item { runs: true, ..Item::default() };
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        if let Some(theirs) = line.strip_prefix(".It Li ") {
            next.theirs = unescaped(theirs);
            next.line = first + at;
            found.push(std::mem::replace(&mut next, Item { runs: true, ..Item::default() }));
        } else if let Some(given) = line.strip_prefix(".\\\" given: ") {
            next.given.push_str(given);
            next.given.push('\n');
        } else if let Some(item) = found.last_mut() {
            if line == ".\\\" not run" {
                item.runs = false;
            } else if let Some(status) = line.strip_prefix(".\\\" status ") {
                item.status = status.parse().unwrap_or_else(|_| panic!("line {}: {line}", first + at));
            } else if let Some(then) = line.strip_prefix(".\\\" then: ") {
                item.then.push_str(then);
                item.then.push('\n');
            } else if line.starts_with(".Bd -literal") {
                inside = true;
            } else if line == ".Ed" {
                inside = false;
            } else if inside {
                item.ours.push_str(&unescaped(line));
                item.ours.push('\n');
            }
        }
    }
    found
}

/// All items as one script of bash: what is exported or prepared in one is there in the next.
fn script(items: &[Item]) -> String {
    let mut script = "set -e -o pipefail\n".to_string();
    for (number, item) in items.iter().enumerate() {
        let (line, status) = (item.line, item.status);
        let _ = writeln!(script, "theirs=$TMPDIR/theirs.{number} ours=$TMPDIR/ours.{number}");
        let _ = writeln!(script, "echo '--- given, line {line}' >&2\n{}", item.given);
        if item.runs {
            let _ = writeln!(script, "echo '--- theirs, line {line}' >&2\n{{ {}\n}} > \"$theirs\"", item.theirs);
        }
        let ours = if item.ours.is_empty() { ":\n" } else { &item.ours };
        let _ = writeln!(script, "echo '--- ours, line {line}' >&2");
        // A function or group before `||` would go on after a failure; a background job does not.
        let _ = match status {
            0 => writeln!(script, "{{ {ours}}} > \"$ours\""),
            _ => writeln!(script, "( {ours}) > \"$ours\" & wait $! && exit 99 || [ $? = {status} ]"),
        };
        let _ = writeln!(script, "echo '--- then, line {line}' >&2\n{}", item.then);
    }
    script
}

#[track_caller]
fn compare(section: &str, least: usize) -> World {
    let items = items(section);
    let ours = items.iter().filter(|item| !item.ours.is_empty()).count();
    let checked = items.iter().filter(|item| !item.then.is_empty()).count();
    assert!(ours >= least && checked * 2 >= ours, "{section}: {ours} commands of ours, {checked} checked");
    let mut world = World::new();
    world.set("THEIR_SNAPSHOOTER", python_tool());
    world.sh(FILES).ok();
    for root in ["FILE_ROOT", "HEAP_ROOT", "SNAP_ROOT"] {
        world.unset(root);
    }
    world.sh(&script(&items)).ok();
    world
}

const FILES: &str = r#"
mkdir -p files/docs/old files/src files/empty && cd files &&
echo 'The report, first version' > docs/report.md && echo 'A plan' > docs/old/plan.md && echo 'A draft' > docs/draft.md &&
echo 'int main() {}' > src/main.c && echo object > src/main.o && cp src/main.o src/copy.o &&
ln -s docs/report.md report && head -c 100000 /dev/zero > picture.raw && chmod 700 src && touch -d '3 days ago' docs/old/plan.md"#;

#[test]
fn commands_of_restic_and_ours_do_the_same() {
    compare("RESTIC", 20);
}

#[test]
fn commands_of_borg_and_ours_do_the_same() {
    compare("BORG", 15);
}

#[test]
fn commands_of_rclone_and_ours_do_the_same() {
    compare("RCLONE", 10);
}

#[test]
fn commands_of_the_python_tool_and_ours_do_the_same() {
    compare("PYTHON TOOL", 5);
}

#[test]
fn our_commands_beside_those_of_dvc_run() {
    compare("DVC", 8);
}
