//! The units of systemd in `examples/systemd`: systemd accepts them, and their commands run with the environment that they state.
//! The line of cron in snapshooter-recipes(7) runs as cron would run it.

use crate::util::World;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn units() -> Vec<PathBuf> {
    let entries = fs::read_dir(project().join("examples/systemd")).expect("the examples");
    let all = entries.map(|e| e.expect("an entry").path());
    let mut all: Vec<PathBuf> = all.filter(|p| p.extension().is_some_and(|e| e == "service" || e == "timer")).collect();
    all.sort();
    all
}

/// The lines `KEY=VALUE` of a unit, with what a line holds that a backslash continues.
fn settings(unit: &str) -> BTreeMap<String, Vec<String>> {
    let path = project().join("examples/systemd").join(unit);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).replace("\\\n", " ");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once('=')) {
        found.entry(key.to_string()).or_default().push(value.to_string());
    }
    found
}

#[test]
fn systemd_accepts_the_units_and_finds_little_that_they_could_harm() {
    let world = World::new();
    for unit in units() {
        let name = unit.file_name().expect("a name").to_string_lossy().into_owned();
        let run = world.sh(&format!("SYSTEMD_LOG_LEVEL=warning systemd-analyze --man=no verify '{}'", unit.display())).ok();
        assert_eq!(run.out() + &run.err(), "", "{name}");
        if name.ends_with(".service") {
            // In tenths: a service without any protection has 96.
            let analyze = format!("systemd-analyze security --no-pager --offline=true --threshold=25 '{}'", unit.display());
            world.sh(&analyze).ok();
        }
    }
    // It does look.
    world.sh("printf '[Service]\\nType=oneshot\\nExecStart=/bin/true\\nProtectSytem=strict\\n' > wrong.service").ok();
    world.sh("systemd-analyze --man=no verify ./wrong.service").complains("ProtectSytem");
}

/// What the examples state, and what the test has instead.
fn here(world: &World, text: &str) -> String {
    let path = |name: &str| world.path(name).display().to_string();
    let url = fs::read_to_string(world.path("url")).expect("the server's address");
    let tools = Path::new(env!("CARGO_BIN_EXE_snap-scan")).parent().expect("a folder").display().to_string();
    text.replace("http://127.0.0.1:8000", url.trim())
        .replace("/var/lib/snapshooter", &path("state"))
        .replace("/mnt/backup", &path("state"))
        .replace("/srv", &path("files"))
        .replace("/usr/local/bin", &tools)
        .replace("%d", &path("secret"))
}

/// A folder with files and a health check service.
fn world() -> World {
    let world = World::new();
    world.put("files/docs/report.md", "A report");
    world.put("secret/storage.json", "{}");
    fs::create_dir(world.path("state")).expect("the folder that systemd makes");
    let server = project().join("tests/tools/health.py");
    world.sh(&format!("python3 {} log {} > url", server.display(), std::process::id())).ok();
    world
}

/// Runs the commands of a service as systemd would, which passes nothing of its own environment but a PATH.
#[track_caller]
fn start(world: &World, name: &str, instance: &str) {
    let unit = settings(name);
    let file = fs::read_to_string(project().join("examples/systemd/snapshooter.env")).expect("the file of environment");
    let lines = file.lines().filter(|l| !l.starts_with('#')).map(str::to_string);
    let environment: Vec<String> = lines.chain(unit.get("Environment").cloned().unwrap_or_default()).collect();
    let environment = here(world, &environment.join(" "));
    for key in ["ExecStart", "ExecStartPost"] {
        for command in unit.get(key).into_iter().flatten() {
            // A dash says that a failure does not count. ${NAME} means the same to systemd and to a shell.
            let command = command.trim_start_matches('-').replace("%i", instance).replace('\'', r"'\''");
            world.sh(&format!("env -i PATH=\"$PATH\" {environment} bash -c '{command}'")).ok();
        }
    }
}

/// What there has to be after a backup to `state`.
const RESTORED: &str = "export SNAP_ROOT=$PWD/state/snap HEAP_ROOT=$PWD/state/heap
    snap-read | snap-verify && snap-read | snap-restore --file-root back && diff -r files back";

#[test]
fn the_commands_of_the_units_back_up_report_and_clean_up() {
    let world = world();
    start(&world, "snapshooter-backup.service", "");
    world.sh(RESTORED).ok();
    world.sh("snap-list --snap-root state/snap --json | jq -e '.tags == [\"daily\"]'").ok();
    world.sh("echo nothing needs this | snap-put x --heap-root state/heap").ok();
    start(&world, "snapshooter-clean.service", "");
    assert_eq!(world.files_below("state/heap/gc").len(), 1, "one list of what is condemned");
    start(&world, "snapshooter-failed@.service", "snapshooter-backup.service");
    let log = fs::read_to_string(world.path("log")).expect("what the server was asked");
    assert_eq!(log, "GET /backup \nPOST /backup/fail snapshooter-backup.service failed\n");
}

#[test]
fn the_lines_of_cron_run_in_its_environment() {
    let world = world();
    let page = fs::read_to_string(project().join("man/snapshooter-recipes.7")).expect("the page");
    let table = page.split(".Bd -literal -offset indent\n").find(|text| text.starts_with("PATH=")).expect("a crontab");
    let table = super::docs::unescaped(table.split("\n.Ed").next().unwrap_or_default());
    let table = here(&world, &table.replace("\\\n", ""));
    let (mut environment, mut commands) = (String::new(), 0);
    for line in table.lines() {
        if line.starts_with(|c: char| c.is_ascii_uppercase()) {
            environment.push_str(&format!("{line} "));
            continue;
        }
        let command = line.splitn(6, ' ').nth(5).unwrap_or_else(|| panic!("no five fields and a command: {line}"));
        assert!(!command.contains('%'), "cron makes an end of line of it: {line}");
        let command = command.replace('\'', r"'\''");
        // Mail comes of what is printed.
        world
            .sh(&format!("cd home && env -i HOME=\"$PWD\" LOGNAME=me SHELL=/bin/sh {environment} /bin/sh -c '{command}'"))
            .ok()
            .says("");
        commands += 1;
        if commands == 1 {
            world.sh(RESTORED).ok();
        }
    }
    assert!(commands >= 2, "{table}");
}
