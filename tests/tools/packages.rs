//! What `make deb`, `make dist` and `make source` write, and the workflow that releases it. The executable in the packages is the one
//! that was built with these tests, where there is one.

use super::install::{expected, files, make, make_as, project, said, work};
use crate::util::measure::many;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn folder() -> TempDir {
    TempDir::new().expect("a folder for packages")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = project().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Makes a Debian package. What would be fit to publish takes a minute to compress.
fn deb(out: &Path) -> PathBuf {
    make("deb", &[format!("DEB_DIR={}", out.display()), format!("DEB_LEVEL={}", many(0, 6))]);
    let architecture = said(Command::new("dpkg").arg("--print-architecture"));
    out.join(format!("snapshooter_{VERSION}_{}.deb", architecture.trim()))
}

#[test]
fn the_debian_package_installs_what_make_install_installs_and_lintian_says_nothing() {
    let place = folder();
    let package = deb(place.path());
    let field = |name: &str| said(Command::new("dpkg-deb").arg("-f").arg(&package).arg(name)).trim().to_string();
    assert_eq!([field("Package"), field("Version")], ["snapshooter", VERSION]);
    assert!(field("Depends").split(", ").any(|d| d.starts_with("libc6 (>= 2.")), "{}", field("Depends"));
    let list = said(Command::new("dpkg-deb").arg("-c").arg(&package));
    assert!(list.lines().all(|line| line.contains(" root/root ")), "{list}");

    // As root, lintian warns about root if it is not told.
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--pedantic", "--display-info", "--display-experimental"]);
    assert_eq!(said(lintian.arg(&package)), "");

    let root = place.path().join("unpacked");
    said(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&root));
    let mut wanted: BTreeSet<PathBuf> = ["changelog.gz", "copyright", "notices.gz", "README.md", "format.md"]
        .map(|name| Path::new("share/doc/snapshooter").join(name))
        .into_iter()
        .collect();
    wanted.insert(PathBuf::from("share/lintian/overrides/snapshooter"));
    for path in expected("vendor-completions") {
        let page = path.starts_with("share/man");
        wanted.insert(if page { PathBuf::from(format!("{}.gz", path.display())) } else { path });
    }
    assert_eq!(files(&root.join("usr")), wanted);
    dpkg_installs_and_removes(&package, &place.path().join("root"));
}

fn dpkg_installs_and_removes(package: &Path, root: &Path) {
    fs::create_dir_all(root.join("var/lib/dpkg/updates")).unwrap();
    fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let dpkg = |arguments: &[&str]| {
        let mut command = Command::new("dpkg");
        // The packages that it depends on are those of this machine.
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg(format!("--root={}", root.display()));
        said(command.args(["--force-not-root", "--force-depends", "--log=/dev/null"]).args(arguments))
    };
    dpkg(&["--install", package.to_str().unwrap()]);
    work(&root.join("usr/bin"));
    dpkg(&["--purge", "snapshooter"]);
    assert!(!root.join("usr/bin").exists(), "{:?}", files(root));
}

#[test]
fn the_changelog_of_the_debian_package_says_what_ours_says() {
    let script = project().join("packaging/debian-changelog.sh");
    let changes = said(Command::new(&script).arg("Someone <someone@example.org>"));
    let place = folder();
    let file = place.path().join("changelog");
    fs::write(&file, &changes).unwrap();
    let parsed = said(Command::new("dpkg-parsechangelog").arg("--all").arg("-l").arg(&file));
    let versions: Vec<&str> = parsed.lines().filter_map(|line| line.strip_prefix("Version: ")).collect();
    let ours = read("CHANGELOG.md");
    let headings: Vec<&str> = ours.lines().filter_map(|line| line.strip_prefix("## ")?.split(' ').next()).collect();
    assert!(headings.contains(&VERSION) && versions == headings[..1], "{versions:?} {headings:?}");
    // Every word, in order.
    let words = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().filter(|word| !matches!(*word, "-" | "*"));
        words.map(str::to_string).collect()
    };
    let entry = |text: &str, from: &str, to: &str| {
        let rest = &text[text.find(from).unwrap_or_else(|| panic!("no {from:?} in {text}"))..];
        let rest = rest.split_once('\n').expect("a heading is a line").1;
        words(rest.split(to).next().unwrap_or_default())
    };
    assert_eq!(entry(&changes, "snapshooter (", "\n -- "), entry(&ours, "## ", "\n## "));
}

/// Makes an archive in a folder, as a user with this umask.
fn dist(out: &Path, umask: &str) -> PathBuf {
    make_as(umask, "dist", &[format!("DIST_DIR={}", out.display())]);
    let target = said(Command::new("rustc").arg("-vV"));
    let target = target.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc says its host");
    out.join(format!("snapshooter-{VERSION}-{target}.tar.gz"))
}

#[test]
fn the_archive_is_always_the_same_bytes_and_works_where_it_is_unpacked() {
    let (one, two) = (folder(), folder());
    let archive = dist(one.path(), "022");
    let again = dist(two.path(), "077");
    assert!(fs::read(&archive).unwrap() == fs::read(&again).unwrap(), "{} and {} differ", archive.display(), again.display());
    let name = archive.file_name().unwrap().to_str().unwrap();
    let checked = said(Command::new("sha256sum").arg("-c").arg(format!("{name}.sha256")).current_dir(one.path()));
    assert_eq!(checked, format!("{name}: OK\n"));

    let unpacked = one.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    said(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&unpacked));
    let top = unpacked.join(name.strip_suffix(".tar.gz").unwrap());
    let mut wanted = expected("site-functions");
    wanted.extend(["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "NOTICES"].map(PathBuf::from));
    assert_eq!(files(&top), wanted);
    assert_eq!(files(&unpacked).len(), wanted.len(), "there is more than {}", top.display());
    work(&top.join("bin"));
    // man finds the pages beside the folder of commands.
    let mut man = Command::new("man");
    man.args(["-w", "snap-scan", "snapshooter-data", "snap-records"]).env_clear();
    man.env("PATH", format!("{}:/usr/bin:/bin", top.join("bin").display()));
    let pages = ["man1/snap-scan.1", "man7/snapshooter-data.7", "man5/snap-records.5"];
    let pages = pages.map(|page| format!("{}\n", top.join("share/man").join(page).display()));
    assert_eq!(said(&mut man), pages.concat());
}

#[test]
fn the_notices_name_every_library_of_the_executable_with_its_licence() {
    let notices = said(&mut Command::new(project().join("packaging/notices.sh")));
    let (list, texts) = notices.split_once("\n---").expect("a list, then texts");
    for library in ["clap", "tokio", "libdeflate-sys", "mimalloc", "rustix", "serde_json"] {
        assert!(list.lines().any(|line| line.starts_with(&format!("  {library} v"))), "{library} is not in {list}");
        assert!(texts.contains(&format!("{library} v")), "there is no licence of {library}");
    }
    for line in list.lines().filter(|line| line.starts_with("  ")) {
        assert!(line.split_once(": ").is_some_and(|(_, licence)| !licence.is_empty()), "{line}");
    }
    assert!(!list.contains("proptest"), "only the tests use it: {list}");
}

/// The sum of an archive of the commit, which is made with its files for Homebrew and Arch Linux. None where that can't be.
fn source(out: &Path) -> Option<String> {
    if option_env!("CARGO_BIN_EXE_snapshooter-all").is_none() {
        println!("skipped: the executable of all tools was not built with these tests");
        return None;
    }
    if !Command::new("git")
        .current_dir(project())
        .args(["rev-parse", "-q", "--verify", "HEAD"])
        .output()
        .unwrap()
        .status
        .success()
    {
        println!("skipped: this is no checkout of git");
        return None;
    }
    let url = "https://example.org/download";
    make("source", &[format!("DIST_DIR={}", out.display()), format!("URL={url}"), "HOMEPAGE=https://example.org".to_string()]);
    let sum = fs::read_to_string(out.join(format!("snapshooter-{VERSION}.tar.gz.sha256"))).unwrap();
    Some(sum.split(' ').next().unwrap().to_string())
}

/// A folder with a cargo that copies an executable where the true one would build it.
fn quick_cargo(place: &Path) -> String {
    let built = option_env!("CARGO_BIN_EXE_snapshooter-all").unwrap_or_default();
    let script = format!(
        "#!/bin/bash -eu\nbuilt='{built}'\n
        if [ \"$1\" = build ] && [ \"$2 $3 $4 $5 $6 $7 $8\" = '--frozen --profile dist --features multicall --bin snapshooter-all' ]; then
            mkdir -p \"$CARGO_TARGET_DIR/dist\" && cp \"$built\" \"$CARGO_TARGET_DIR/dist/snapshooter-all\"
        elif [ \"$1\" = install ]; then
            while [ \"$1\" != --root ]; do shift; done
            mkdir -p \"$2/bin\" && cp \"$built\" \"$2/bin/snapshooter-all\"
        elif [ \"$1\" != fetch ]; then
            exec '{}' \"$@\"
        fi\n",
        env!("CARGO")
    );
    let folder = place.join("cargo");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("cargo"), script).unwrap();
    fs::set_permissions(folder.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn makepkg_makes_a_package_of_the_archive_of_the_sources() {
    let place = folder();
    let Some(sum) = source(place.path()) else { return };
    let stated = fs::read_to_string(place.path().join(".SRCINFO")).unwrap();
    // It refuses to run as root, which may run these tests, and asks pacman for what is installed.
    let script = fs::read_to_string("/usr/bin/makepkg").expect("makepkg is installed");
    let makepkg = place.path().join("makepkg");
    fs::write(&makepkg, script.replace("(( EUID == 0 ))", "false")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new("bash");
        command.arg(&makepkg).args(arguments).current_dir(place.path());
        command.env("PACMAN", "true").env("PKGEXT", ".pkg.tar").env("BUILDDIR", place.path());
        command
    };
    let printed = said(&mut run(&["--printsrcinfo"]));
    assert_eq!(printed.trim(), stated.trim());
    for line in [
        format!("pkgver = {VERSION}"),
        format!("sha256sums = {sum}"),
        format!("source = https://example.org/download/snapshooter-{VERSION}.tar.gz"),
        "url = https://example.org".to_string(),
    ] {
        assert!(printed.lines().any(|l| l.trim() == line), "no {line} in {printed}");
    }
    said(run(&["--nodeps"]).env("PATH", quick_cargo(place.path())));
    let root = place.path().join("installed");
    fs::create_dir(&root).unwrap();
    let machine = said(Command::new("uname").arg("-m"));
    let package = place.path().join(format!("snapshooter-{VERSION}-1-{}.pkg.tar", machine.trim()));
    said(Command::new("tar").arg("-xf").arg(package).arg("-C").arg(&root));
    let installed = files(&root.join("usr"));
    // makepkg compresses the pages.
    let page = |path: &Path| installed.contains(Path::new(&format!("{}.gz", path.display())));
    let missing: Vec<PathBuf> =
        expected("site-functions").into_iter().filter(|path| !installed.contains(path) && !page(path)).collect();
    assert_eq!(missing, Vec::<PathBuf>::new());
    assert!(installed.contains(Path::new("share/licenses/snapshooter/LICENSE-MIT")));
    work(&root.join("usr/bin"));
}

#[test]
fn the_steps_of_the_homebrew_formula_install_the_archive_of_the_sources() {
    let place = folder();
    let Some(sum) = source(place.path()) else { return };
    let archive = format!("snapshooter-{VERSION}.tar.gz");
    said(Command::new("tar").arg("-xf").arg(&archive).current_dir(place.path()));
    let (prefix, formula) = (place.path().join("prefix"), place.path().join("snapshooter.rb"));
    let mut ruby = Command::new("ruby");
    ruby.arg("-w").arg(project().join("tests/tools/formula.rb")).arg(&formula);
    ruby.arg(place.path().join(archive.strip_suffix(".tar.gz").unwrap())).arg(&prefix);
    let printed = said(ruby.env("PATH", quick_cargo(place.path())));
    let last: Vec<&str> = printed.lines().rev().take(2).collect();
    assert_eq!(last, [sum.as_str(), &format!("https://example.org/download/{archive}")]);
    let mut wanted = BTreeSet::new();
    for path in expected("site-functions") {
        let bash = path.strip_prefix("share/bash-completion/completions");
        wanted.insert(bash.map(|tool| Path::new("etc/bash_completion.d").join(tool)).unwrap_or(path));
    }
    assert_eq!(files(&prefix), wanted);
    work(&prefix.join("bin"));
}

#[test]
fn the_files_for_other_packagers_have_the_version_of_this_package() {
    let archive = format!("https://snapshooter.invalid/download/snapshooter-{VERSION}.tar.gz");
    assert!(read("packaging/homebrew/snapshooter.rb").contains(&format!("url \"{archive}\"\n")));
    assert!(read("packaging/arch/.SRCINFO").contains(&format!("source = {archive}\n")));
    assert!(read("packaging/arch/PKGBUILD").lines().any(|line| line == format!("pkgver={VERSION}")));
}

const WORKFLOW: &str = ".github/workflows/release.yml";

#[test]
fn actionlint_says_nothing_about_the_workflow() {
    let actionlint = project().join(".linters/bin/actionlint");
    let check = |file: &Path| Command::new(&actionlint).arg("-color=false").arg(file).output().expect("actionlint is installed");
    let checked = check(&project().join(WORKFLOW));
    let found = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && found.is_empty(), "{found}{}", String::from_utf8_lossy(&checked.stderr));
    // It would: about a job that is not there, and about a variable without quotes, which shellcheck finds.
    let place = folder();
    let broken = place.path().join("release.yml");
    let text = read(WORKFLOW);
    for (right, wrong, said) in [
        ("needs: [test, targets, packages]", "needs: [test, targets, package]", "package"),
        ("directory \"$GITHUB_WORKSPACE\"", "directory $GITHUB_WORKSPACE", "SC2086"),
    ] {
        assert!(text.contains(right), "{right}");
        fs::write(&broken, text.replace(right, wrong)).unwrap();
        let checked = check(&broken);
        let found = String::from_utf8_lossy(&checked.stdout);
        assert!(!checked.status.success() && found.contains(said), "{found}");
    }
}

#[test]
fn the_workflow_pins_its_actions_and_may_write_only_where_it_releases() {
    let text = read(WORKFLOW);
    let actions: Vec<&str> =
        text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("uses: ")).collect();
    assert!(actions.len() >= 3, "{actions:?}");
    for action in actions {
        let (_, pin) = action.split_once('@').expect("an action has a version");
        let (commit, version) = pin.split_once(" # v").unwrap_or_else(|| panic!("{action}: no comment with the version"));
        assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{action}: no commit");
        assert_eq!(version.split('.').count(), 3, "{action}");
    }
    let (before, release) = text.split_once("\n  release:\n").expect("a job that releases");
    assert!(before.contains("\npermissions:\n  contents: read\n") && !before.contains(": write"), "{before}");
    assert_eq!(release.matches(": write\n").count(), 1, "{release}");
    for runner in ["ubuntu-24.04,", "ubuntu-24.04-arm"] {
        assert_eq!(before.matches(runner).count(), 2, "{runner} tests and packages");
    }
}
