//! What `make install` installs: one executable with a link for every other tool, pages and completions. With
//! `--features multicall` that is the one built with these tests, else one that make builds first. The `dist` profile, and what
//! `cargo install` makes, are for the full tier.

use crate::util::measure::many;
use snapshooter::tools;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a command says, if it ends well.
#[track_caller]
pub fn said(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{out}{err}");
    out
}

#[track_caller]
pub fn make(target: &str, variables: &[String]) {
    make_as("022", target, variables);
}

/// `make TARGET` as a user with this umask.
#[track_caller]
pub fn make_as(umask: &str, target: &str, variables: &[String]) {
    // What was built with these tests, if it was.
    let what = match option_env!("CARGO_BIN_EXE_snapshooter-all") {
        Some(built) if many(true, false) => format!("BUILT={built}"),
        _ => format!("PROFILE={}", many("dev", "dist")),
    };
    let mut sh = Command::new("sh");
    sh.current_dir(project()).args(["-c", "umask $0 && exec make \"$@\"", umask, target]).arg(what).args(variables);
    said(&mut sh);
}

/// All but the folders below a folder.
pub fn files(root: &Path) -> BTreeSet<PathBuf> {
    let all = walkdir::WalkDir::new(root).into_iter().map(|e| e.expect("walk what is installed"));
    let files = all.filter(|e| !e.file_type().is_dir());
    files.map(|e| e.path().strip_prefix(root).expect("it is below").to_path_buf()).collect()
}

/// What has to be installed below a prefix.
pub fn expected(zsh: &str) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for tool in tools::ALL.iter().map(|tool| tool.name) {
        all.insert(format!("bin/{tool}"));
        all.insert(format!("share/bash-completion/completions/{tool}"));
        all.insert(format!("share/zsh/{zsh}/_{tool}"));
        all.insert(format!("share/fish/vendor_completions.d/{tool}.fish"));
        all.insert(format!("share/man/man1/{tool}.1"));
    }
    all.insert("share/man/man5/snap-records.5".to_string());
    for page in ["", "-data", "-encryption", "-parallel", "-recipes", "-storages", "-switching"] {
        all.insert(format!("share/man/man7/snapshooter{page}.7"));
    }
    all.into_iter().map(PathBuf::from).collect()
}

/// Runs every tool in a folder, and a backup and its restore with nothing but them and the system's commands.
#[track_caller]
pub fn work(bin: &Path) {
    for tool in tools::ALL.iter().map(|tool| tool.name) {
        let version = format!("{tool} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(said(Command::new(bin.join(tool)).arg("--version")), version);
        let help = said(Command::new(bin.join(tool)).arg("--help"));
        assert!(help.contains(&format!("Usage: {tool} ")), "{help}");
    }
    let place = TempDir::new().expect("a folder to work in");
    let script = "mkdir files && echo content > files/a && ln -s a files/b
        snap-scan | snap-heapify | snap-write > path
        [ \"$(snap-list)\" = \"$(cat path)\" ] && snap-read | snap-verify > verified
        snap-read | snap-restore --file-root back && diff -r files back
        snap-scan | snap-reuse | snap-heapify | snap-diff - latest > rows
        [ \"$(snap-read | jq -c 'select(.name == \"a\")' | snap-cat)\" = content ]
        snap-merge <(snap-read) <(snap-read) | cmp - <(snap-read)
        snap-forget --keep-last 1 && snap-gc > garbage
        snapshooter list-snapshots";
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script]).current_dir(place.path()).env_clear();
    bash.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display())).env("HOME", place.path());
    for (root, folder) in [("FILE_ROOT", "files"), ("HEAP_ROOT", "heap"), ("SNAP_ROOT", "snap")] {
        bash.env(root, place.path().join(folder));
    }
    assert!(said(&mut bash).contains(".jsonl.gz"));
}

#[test]
fn make_install_installs_one_executable_that_is_every_tool() {
    let place = TempDir::new().expect("a folder to install to");
    let root = place.path().join("root of it");
    let variables = [format!("DESTDIR={}", root.display()), "PREFIX=/opt/s".to_string()];
    // Over what is there already, too: files where links go.
    fs::create_dir_all(root.join("opt/s/bin")).unwrap();
    fs::write(root.join("opt/s/bin/snap-scan"), "").unwrap();
    make("install", &variables);
    assert_eq!(files(&root.join("opt/s")), expected("site-functions"));
    // A DESTDIR is moved before anything runs.
    let moved = place.path().join("moved");
    fs::rename(&root, &moved).unwrap();
    let bin = moved.join("opt/s/bin");
    for tool in tools::ALL.iter().map(|tool| tool.name).filter(|tool| *tool != "snapshooter") {
        assert_eq!(fs::read_link(bin.join(tool)).unwrap(), Path::new("snapshooter"));
    }
    assert_eq!(bin.join("snapshooter").symlink_metadata().unwrap().permissions().mode(), 0o100755);
    work(&bin);
    fs::rename(&moved, &root).unwrap();
    make("uninstall", &variables);
    assert_eq!(files(&root), BTreeSet::new());
}

#[test]
fn the_executable_of_all_tools_goes_by_its_name_or_its_first_argument() {
    let place = TempDir::new().expect("a folder to install to");
    make("install", &[format!("DESTDIR={}", place.path().display()), "PREFIX=/".to_string()]);
    let bin = place.path().join("bin");
    let call = |name: &str, arguments: &[&str]| {
        fs::rename(bin.join("snapshooter"), bin.join(name)).unwrap();
        let output = Command::new(bin.join(name)).args(arguments).output().expect("run it");
        fs::rename(bin.join(name), bin.join("snapshooter")).unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, out, _) = call("snapshooter-all", &["snap-list", "--help"]);
    assert!(status == Some(0) && out.contains("Usage: snap-list "), "{out}");
    let names = tools::ALL.map(|tool| tool.name).join(", ");
    for (name, arguments, said) in [
        ("snapshooter-all", &[][..], format!("snapshooter-all: no tool given; there are {names}\n")),
        ("snapshooter-all", &["snap-\u{1b}"], format!("snapshooter-all: 'snap-\\u{{1b}}' is none of the tools {names}\n")),
        ("snap-other", &["snap-list"], format!("snapshooter-all: 'snap-other' is none of the tools {names}\n")),
    ] {
        assert_eq!(call(name, arguments), (Some(2), String::new(), said));
    }
}

#[test]
fn cargo_install_installs_every_tool_and_nothing_else() {
    // The slow build of what `cargo install` builds is for the full tier; what it would build is known at once.
    let metadata =
        said(Command::new(env!("CARGO")).current_dir(project()).args(["metadata", "--no-deps", "--format-version", "1"]));
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("what cargo says is JSON");
    let targets = metadata["packages"][0]["targets"].as_array().expect("the targets of the package");
    let of_default = targets.iter().filter(|t| t["kind"][0] == "bin" && t.get("required-features").is_none());
    let of_default: BTreeSet<&str> = of_default.filter_map(|t| t["name"].as_str()).collect();
    let all: BTreeSet<&str> = tools::ALL.iter().map(|tool| tool.name).collect();
    assert_eq!(of_default, all);
    if many(false, true) {
        let place = TempDir::new().expect("a folder to install to");
        said(
            Command::new(env!("CARGO"))
                .args(["install", "--quiet", "--locked", "--path"])
                .arg(project())
                .arg("--root")
                .arg(place.path()),
        );
        let installed = files(&place.path().join("bin"));
        assert_eq!(installed, all.iter().map(PathBuf::from).collect());
        work(&place.path().join("bin"));
    }
}
