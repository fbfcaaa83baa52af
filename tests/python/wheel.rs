//! The Python package: scripts for the classes of the Python tool run with it, too, and print the same.

use crate::storages::emulators::{self, Emulator};
use crate::util::{World, python_tool};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Python of an environment in which the package is installed. It is built of the executable that the other tests use.
fn python() -> &'static Path {
    static ONE: OnceLock<PathBuf> = OnceLock::new();
    ONE.get_or_init(|| {
        let build = "packaging/wheel.sh .maturin/bin/maturin --profile dev && \
                     .wheel/bin/pip install --quiet --disable-pip-version-check --no-index --no-deps --force-reinstall target/wheels/*.whl";
        let built = Command::new("bash").args(["-c", build]).current_dir(project()).output().expect("run bash");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        project().join(".wheel/bin/python")
    })
}

/// Runs a script with the Python tool and with the package, each in a folder of its own, and compares what they print.
fn same(script: &str, prepare: impl Fn(&mut World)) {
    let theirs = python_tool().with_file_name("python");
    let printed = [theirs.as_path(), python()].map(|python| {
        let mut world = World::new();
        world.set("TZ", "Asia/Kolkata");
        world.set("PATH", "/usr/bin:/bin");
        // What was given to the classes counts.
        world.set("SNAP_ROOT", "/nowhere");
        prepare(&mut world);
        world.set("PY", python);
        world.set("SCRIPT", project().join("tests/python/scripts").join(script));
        world.sh("mkdir folder; \"$PY\" \"$SCRIPT\" \"$PWD/folder\"").ok().out()
    });
    assert!(printed[0].lines().count() > 3, "{}", printed[0]);
    assert_same(script, &printed[0], &printed[1]);
}

#[track_caller]
fn assert_same(script: &str, theirs: &str, ours: &str) {
    let differing = theirs.lines().zip(ours.lines()).position(|(a, b)| a != b);
    let around = |text: &str| text.lines().skip(differing.unwrap_or(0).saturating_sub(6)).take(14).collect::<Vec<_>>().join("\n");
    assert!(theirs == ours, "{script}\nthe Python tool:\n{}\nthe package:\n{}", around(theirs), around(ours));
}

#[test]
fn scripts_print_the_same_with_the_package() {
    for script in ["backup.py", "restore.py", "tables.py", "heap.py", "save.py", "helpers.py"] {
        same(script, |_| ());
    }
}

#[test]
fn file_systems_of_fsspec_become_urls_and_options() {
    let Some(azurite) = emulators::azurite() else { return };
    same("remote.py", |world| {
        let roots = [azurite.fresh(), azurite.fresh(), azurite.fresh()];
        let options: serde_json::Value = serde_json::from_str(&roots[0].options).expect("options are JSON");
        world.set("AZURE", options["connection_string"].as_str().expect("a connection string"));
        for (key, root) in ["FILES", "HEAP", "SNAP"].iter().zip(&roots) {
            world.set(key, format!("{}/tree", root.container));
        }
    });
}

#[test]
fn the_package_installs_all_tools_and_their_pages() {
    let mut world = World::new();
    let bin = python().parent().expect("it is in a folder").to_path_buf();
    world.set("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    world.put("files/a", "x");
    world
        .sh("command -v snap-scan | grep -q /.wheel/bin/ && snap-scan | snap-heapify | snap-write && snap-read | jq -r .name")
        .ok();
    world.sh("snapshooter show-snapshot --no-end | jq -re '.name == \"a\"'").ok();
    world.sh("diff <(snap-list) <(python -m snapshooter.cli list-snapshots)").ok();
    for tool in snapshooter::tools::ALL {
        world.sh(&format!("{} --version", tool.name)).ok();
    }
    // pipx links the scripts from another folder.
    world.sh(&format!("mkdir links && ln -s {}/snap-list links/ && PATH=links:/usr/bin:/bin && snap-list", bin.display())).ok();
    assert!(project().join(".wheel/share/man/man1/snap-scan.1").is_file());
}

#[test]
fn the_package_is_typed() {
    let checked = Command::new(project().join(".wheel/bin/mypy"))
        .args(["--strict", "--ignore-missing-imports", "--cache-dir=/dev/null", "python/snapshooter"])
        .current_dir(project())
        .output()
        .expect("run mypy");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn what_goes_wrong_is_an_exception_with_the_words_of_the_tool() {
    let mut world = World::new();
    world.set("PY", python());
    world.put("files/a", "x");
    let script = "import fsspec, snapshooter, sys\n\
        fs = fsspec.filesystem(sys.argv[1])\n\
        heap = snapshooter.Heap(fs, 'heap')\n\
        s = snapshooter.Snapshooter(fs, sys.argv[2], fs, 'snap', heap)\n\
        s.make_snapshot()\n";
    world.put("script.py", script);
    world
        .sh("\"$PY\" script.py file nowhere")
        .status(1)
        .complains("snapshooter.tools.ToolError: snapshooter: file root")
        .complains("nowhere");
    world
        .sh("\"$PY\" script.py memory files")
        .status(1)
        .complains("a file system in memory can't be shared with another process");
    world.sh("PATH=/nowhere \"$PY\" script.py file files").ok();
}

#[test]
fn arguments_of_file_systems_are_passed_on_where_no_other_user_sees_them() {
    let mut world = World::new();
    world.set("PY", python());
    let script = "import adlfs, json, os, subprocess\n\
        from fsspec import AbstractFileSystem\n\
        from snapshooter import fsspec_utils, tools\n\
        class Remote(AbstractFileSystem):\n\
        \x20   protocol = ('sftp', 'ssh')\n\
        \x20   def __init__(self, host, **options):\n\
        \x20       super().__init__(**options)\n\
        print(*fsspec_utils.root_of(Remote('alder', username='ann'), '/x', 'file_root'))\n\
        fs = adlfs.AzureBlobFileSystem('account', 'c2VjcmV0')\n\
        made = []\n\
        class Popen(subprocess.Popen):\n\
        \x20   def __init__(self, line, **options):\n\
        \x20       made.append((line, options['env']))\n\
        \x20       super().__init__(line, **options)\n\
        subprocess.Popen = Popen\n\
        tools.start(['snap-list', '--version', *tools.roots(snap=(fs, 'c/x'))]).communicate()\n\
        (line, variables), = made\n\
        print(line[1:], json.loads(variables['SNAP_STORAGE_OPTIONS']))\n";
    world.put("script.py", script);
    let done = world.sh("\"$PY\" script.py").ok();
    assert!(done.out().contains("sftp://ann@alder/x {\"host\": \"alder\", \"username\": \"ann\"}"), "{done}");
    let azure = "['--version', '--snap-root', 'abfs://c/x'] {'account_name': 'account', 'account_key': 'c2VjcmV0'}";
    assert!(done.out().contains(azure), "{done}");
}

#[test]
fn the_tools_are_found_beside_a_package_in_any_folder() {
    let mut world = World::new();
    world.set("PY", python());
    let script = "set -- target/wheels/*.whl; .wheel/bin/pip install --quiet --disable-pip-version-check --no-index --no-deps --ignore-installed";
    for (option, packages) in [("--target", ""), ("--prefix", "/lib/python*/site-packages")] {
        let place = world.path("place").join(option);
        let install = format!("{script} {option} '{}' \"$@\"", place.display());
        let done = Command::new("bash").args(["-c", &install]).current_dir(project()).output().expect("run bash");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        world
            .sh(&format!(
                "export PYTHONPATH=$(echo place/{option}{packages}) PATH=/nowhere
                 [ $(\"$PY\" -c 'from snapshooter import tools; print(tools.find(\"snap-scan\"))') = \"$PWD/place/{option}/bin/snap-scan\" ]"
            ))
            .ok();
    }
}

#[test]
fn the_example_of_the_readme_runs() {
    let readme = std::fs::read_to_string(project().join("README.md")).expect("README.md");
    let example = readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example in Python");
    let mut world = World::new();
    world.set("PY", python());
    world.put("files/old.txt", "old");
    world.put("script.py", example);
    let done = world.sh("\"$PY\" script.py").ok();
    assert!(done.out().contains("new.txt    only_right"), "{done}");
    assert!(!world.path("files/new.txt").exists() && world.path("files/old.txt").exists());
}
