//! What the documents say is so: man pages have the options that the tools have, and every example in README and in the
//! man pages runs.
//!
//! Examples are the `sh` and `make` blocks of README.md and the literal displays in the EXAMPLES of man pages. Each runs in
//! a folder of its own with two snapshots made and the three roots exported, and has to end with status 0. Another status
//! is stated as ```` ```sh status=1 ```` or, before `.Bd`, as `.\" status 1`. A line `<!-- then: TEST -->` below an example of
//! the README, or lines `.\" then: TEST` below one of a man page, are shell commands that have to succeed afterwards, with the
//! example's output in the file `$out`. An example of a man page below `.\" first` runs before each other one of the page, too.
//! Lines `.\" given: COMMAND` before an example run before it, in the same shell: they start a server, or set what the text calls
//! known. The tables of snapshooter-switching(7) are run by `switching`.

use clap::{Arg, Command as Tool};
use snapshooter::tools;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

fn tools() -> Vec<Tool> {
    let mut tools = tools::ALL.iter().map(|tool| (tool.command)()).collect::<Vec<_>>();
    tools.iter_mut().for_each(Tool::build);
    tools
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = project().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The options of a tool and of its commands, which have those of all commands too.
fn options(tool: &Tool) -> impl Iterator<Item = &Arg> {
    let commands = tool.get_subcommands().flat_map(|c| c.get_arguments());
    tool.get_arguments().chain(commands).filter(|a| !a.is_positional() && !a.is_hide_set())
}

/// An option as the items of a man page spell it: `o , -output file`.
fn spelled(arg: &Arg) -> String {
    let short = arg.get_short().map(|c| c.to_string());
    let long = arg.get_long().map(|l| format!("-{l}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    let value = arg.get_action().takes_values().then(|| match arg.get_value_names() {
        Some([name, ..]) => name.to_lowercase(),
        _ => arg.get_id().as_str().to_lowercase(),
    });
    let before = if arg.is_require_equals_set() { " Ns Op = Ns" } else { "" };
    let value = value.map(|v| format!("{before} {v}")).unwrap_or_default();
    format!("{}{value}", flags.join(" , "))
}

/// The options of a man page, each with the text below it.
fn documented(page: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in page.lines() {
        if let Some(item) = line.strip_prefix(".It Fl ") {
            found.push((item.replace(" Fl ", " ").replace(" Ar ", " "), String::new()));
        } else if line.starts_with(".Sh ") && !found.is_empty() {
            break;
        } else if let Some((_, below)) = found.last_mut() {
            below.push_str(line);
            below.push('\n');
        }
    }
    found
}

#[test]
fn man_pages_have_the_options_that_the_tools_have() {
    for tool in tools() {
        let name = tool.get_name();
        let page = text(format!("man/{name}.1"));
        let documented = documented(&page);
        let theirs: BTreeSet<&str> = documented.iter().map(|(item, _)| item.as_str()).collect();
        let ours: BTreeSet<String> = options(&tool).map(spelled).collect();
        let ours: BTreeSet<&str> = ours.iter().map(String::as_str).collect();
        assert_eq!(theirs, ours, "{name}: man page left, --help right");
        for arg in options(&tool) {
            let below = &documented.iter().find(|(item, _)| *item == spelled(arg)).unwrap().1;
            for value in arg.get_possible_values().iter().filter(|_| arg.get_action().takes_values()) {
                let words: Vec<&str> = below.split_whitespace().map(|w| w.trim_start_matches('.')).collect();
                let said = words.windows(2).any(|two| two == ["Cm", value.get_name()]);
                assert!(said, "{name}.1: {} lacks the value {}", spelled(arg), value.get_name());
            }
        }
        for arg in tool.get_positionals() {
            let value = arg.get_value_names().unwrap_or_default().first().map(|v| v.to_lowercase()).unwrap_or_default();
            assert!(page.contains(&format!("Ar {value}")), "{name}.1: no argument {value}");
        }
        let about = tool.get_about().map(ToString::to_string).unwrap_or_default().to_lowercase();
        let said = page.lines().find_map(|l| l.strip_prefix(".Nd ")).unwrap_or_default();
        assert_eq!(said.to_lowercase(), about, "{name}: man page left, --help right");
    }
}

#[test]
fn the_network_can_be_limited_in_every_tool_that_has_a_root() {
    for tool in tools() {
        let has = |name: &str| options(&tool).any(|arg| arg.get_long() == Some(name));
        let has_root = ["file-root", "heap-root", "snap-root"].into_iter().any(has);
        assert_eq!(has("limit-rate"), has_root, "{}", tool.get_name());
    }
}

#[test]
fn storage_options_are_those_of_the_man_page() {
    let page = text("man/snapshooter-storages.7");
    let section = page.split_once(".Sh STORAGE OPTIONS").unwrap().1.split_once("\n.Sh ").unwrap().0;
    for (name, root) in [
        ("Azure", "az://c"),
        ("S3", "s3://b"),
        ("Google Cloud", "gs://b"),
        ("WebDAV", "webdav://h"),
        ("SFTP", "sftp://h/x"),
        ("rclone", "rclone://r"),
        ("HTTP", "http://h"),
    ] {
        let given = ["--snap-root", root, "--snap-storage-options", r#"{"zzzz": 1}"#];
        let run = Command::new(binaries().join("snap-list")).args(given).output().unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        let known = said.split_once("it has ").unwrap_or_else(|| panic!("{root}: {said}")).1;
        let known: BTreeSet<&str> = known.trim().split(", ").collect();
        let item = section.split_once(&format!(".It {name}\n")).unwrap().1;
        // What follows has no effect or is refused.
        let item = item.split("\n.It ").next().unwrap().split("No effect:").next().unwrap();
        let lines = item.lines().filter_map(|line| line.strip_prefix(".Cm "));
        let theirs: BTreeSet<&str> = lines.flat_map(str::split_whitespace).filter(|word| word.len() > 1).collect();
        // Those are parts of an option's value.
        let inner = ["s3", "addressing_style"].into_iter().filter(|_| name == "S3").collect();
        assert_eq!(theirs, known.union(&inner).copied().collect(), "{name}: the man page left, the tool right");
    }
}

/// Options that are about the same stand below the same heading in all tools.
#[test]
fn help_is_grouped() {
    for tool in tools() {
        for arg in options(&tool) {
            let name = arg.get_long().unwrap_or_default();
            let due = match name {
                name if name.ends_with("-root") || name.ends_with("-storage-options") || name == "limit-rate" => "Roots",
                "exclude" | "exclude-from" | "include" | "ignore-file" | "files-from" | "null" | "one-file-system" | "type" => {
                    "Selection"
                }
                "output" | "no-end" | "progress" | "verbose" | "color" => "Output",
                _ => continue,
            };
            // The options of the Python tool's command line are those of commands.
            let heading = arg.get_help_heading().unwrap_or("Options");
            assert!(heading == due || tool.get_name() == "snapshooter", "{}: --{name} is below {heading}", tool.get_name());
        }
    }
}

#[test]
fn help_shows_every_option() {
    for tool in tools() {
        let mut help = String::new();
        for command in std::iter::once(None).chain(tool.get_subcommands().map(|c| Some(c.get_name()))) {
            let run = Command::new(binaries().join(tool.get_name())).args(command).arg("--help").output().unwrap();
            help.push_str(&String::from_utf8(run.stdout).unwrap());
            assert!(run.status.success(), "{}: {help}", tool.get_name());
        }
        for arg in options(&tool) {
            let long = format!("--{}", arg.get_long().unwrap());
            assert!(help.contains(&long), "{} --help does not say {long}:\n{help}", tool.get_name());
        }
    }
}

#[test]
fn every_option_argument_and_command_says_what_it_does() {
    for tool in tools() {
        for command in std::iter::once(&tool).chain(tool.get_subcommands()) {
            let shown = format!("{} {}", tool.get_name(), command.get_name());
            assert!(command.get_about().is_some_and(|about| !about.to_string().is_empty()), "{shown}: no text");
            for arg in command.get_arguments().filter(|a| !a.is_hide_set()) {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                let words = help.split_whitespace().take_while(|word| !word.starts_with('[')).count();
                let alone = !help.starts_with("The same") && !help.starts_with("Do not\n");
                assert!(words >= 2 && alone, "{shown}: {}: {help:?} says not what it does", arg.get_id());
                assert!(
                    !help.starts_with(char::is_lowercase) || help.starts_with("latest"),
                    "{shown}: {}: {help:?}",
                    arg.get_id()
                );
            }
        }
    }
}

#[test]
fn man_pages_are_clean() {
    for page in man_pages() {
        let run = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page).output().expect("mandoc is installed");
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && said.is_empty(), "{said}");
    }
}

#[test]
fn every_tool_has_its_page_and_its_line_in_the_readme_and_no_other_is_named() {
    let names: BTreeSet<String> = names_in("src/bin", ".rs");
    let parsed: BTreeSet<String> = tools().iter().map(|t| t.get_name().to_string()).collect();
    assert_eq!(parsed, names, "the options left, src/bin right");
    assert_eq!(names_in("man", ".1"), names, "man pages left, src/bin right");
    let readme = text("README.md");
    let overview = text("man/snapshooter.7");
    for name in &names {
        assert!(readme.contains(&format!("| `{name}` |")), "README.md: no {name} in the table");
        assert!(overview.contains(&format!(".It Xr {name} 1")), "snapshooter.7: no {name} in the list");
    }
    for word in readme.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|w| w.starts_with("snap-")) {
        assert!(word == "snap-records" || names.contains(word), "README.md: there is no {word}");
    }
}

fn names_in(folder: &str, suffix: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(project().join(folder)).unwrap();
    let names = entries.filter_map(|e| e.unwrap().file_name().into_string().ok());
    names.filter_map(|n| n.strip_suffix(suffix).map(str::to_string)).collect()
}

#[test]
fn the_readme_opens_with_what_it_is_and_the_two_commands() {
    let readme = text("README.md");
    let opening: String = readme.lines().take(10).collect::<Vec<_>>().join("\n");
    assert!(readme.lines().nth(2).unwrap_or_default().contains("backs up"), "{opening}");
    assert!(opening.contains("    make demo") && opening.contains("    make test"), "{opening}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "doc/design.md", "doc/format.md"] {
        let content = text(document);
        for link in content.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if let Some(anchor) = link.strip_prefix('#') {
                assert!(
                    content.lines().any(|line| anchor_of(line).as_deref() == Some(anchor)),
                    "{document}: {link} is not there"
                );
            } else if !link.starts_with("http") {
                let target = project().join(document).with_file_name(link);
                assert!(target.exists(), "{document}: {link} is not there");
            }
        }
    }
}

/// The anchor of a heading: its words in small letters, with hyphens between them.
fn anchor_of(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-'].contains(c));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

#[test]
fn the_changelog_knows_this_version() {
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    assert!(text("CHANGELOG.md").lines().any(|l| l.starts_with(&heading)), "no {heading}");
}

#[test]
fn examples_of_the_readme_run() {
    let examples = readme_examples();
    assert!(examples.len() >= 20, "only {} found", examples.len());
    run_all(&examples);
}

#[test]
fn examples_of_man_pages_run() {
    let mut examples = Vec::new();
    for page in man_pages().into_iter().filter(|page| ![DATA, RECIPES].iter().any(|other| page.ends_with(other))) {
        let found = man_examples(&page);
        assert!(!found.is_empty(), "{}: no examples", page.display());
        examples.extend(found);
    }
    run_all(&examples);
}

/// The page of recipes with other programs.
const RECIPES: &str = "snapshooter-recipes.7";

#[test]
fn examples_of_the_page_of_recipes_run_and_give_the_right_result() {
    let examples = man_examples(&project().join("man").join(RECIPES));
    for program in [
        "rclone://cloud",
        "rclone lsjson",
        "rclone serve webdav",
        "rclone serve sftp",
        "git ls-files -z",
        "-print0",
        "fdfind",
        "fzf",
        "ssh-keygen -Y sign",
        "ssh-keygen -Y verify",
        "curl",
    ] {
        assert!(examples.iter().any(|example| example.script.contains(program)), "{RECIPES}: no example of {program}");
    }
    for example in &examples {
        assert!(!example.then.is_empty(), "{}: the result is not checked", example.place);
    }
    run_all(&examples);
}

/// The page about other programs that read snapshots, which `tests/setup.sh` installs into `.readers`.
const DATA: &str = "snapshooter-data.7";

#[test]
fn examples_of_the_page_about_data_run_and_give_the_right_result() {
    let examples = man_examples(&project().join("man").join(DATA));
    for program in ["duckdb", "polars", "pandas", "pyarrow", "pyspark", "jq"] {
        assert!(examples.iter().any(|example| example.script.contains(program)), "{DATA}: no example of {program}");
    }
    for example in &examples {
        assert!(!example.then.is_empty(), "{}: the result is not checked", example.place);
    }
    run_all(&examples);
}

#[test]
fn the_page_about_data_names_the_versions_that_are_tested() {
    let page = text(Path::new("man").join(DATA));
    for line in text("tests/readers.txt").lines() {
        let named = line.replace("==", " ");
        assert!(page.contains(&named), "{DATA}: no {named}");
    }
}

#[test]
fn the_demo_runs() {
    let place = TempDir::new().unwrap();
    let run = shell(place.path()).arg(project().join("demo/run.sh")).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(said.matches("\nthe same\n").count(), 2, "{said}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "it leaves nothing in TMPDIR");
}

fn man_pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(project().join("man")).unwrap().map(|e| e.unwrap().path()).collect();
    pages.sort();
    pages
}

/// A piece of a document that is to be run.
struct Example {
    place: String,
    script: String,
    makefile: bool,
    status: i32,
    then: String,
}

fn readme_examples() -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut inside = None;
    for (at, line) in text("README.md").lines().enumerate() {
        match (line.strip_prefix("```"), inside) {
            (Some(_), Some(_)) => inside = None,
            (Some(info), None) => {
                let (language, status) = info.split_once(" status=").unwrap_or((info, "0"));
                inside = Some(matches!(language, "sh" | "make"));
                if inside == Some(true) {
                    let status = status.parse().unwrap_or_else(|_| panic!("README.md:{}: {info}", at + 1));
                    let place = format!("README.md:{}", at + 1);
                    found.push(Example {
                        place,
                        script: String::new(),
                        makefile: language == "make",
                        status,
                        then: String::new(),
                    });
                }
            }
            (None, Some(true)) => push_line(&mut found, line),
            (None, _) => {
                let then = line.strip_prefix("<!-- then: ").and_then(|l| l.strip_suffix(" -->"));
                if let (Some(then), Some(example)) = (then, found.last_mut()) {
                    example.then = then.to_string();
                }
            }
        }
    }
    found
}

fn man_examples(page: &Path) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let (mut examples, mut inside, mut status, mut first) = (false, false, 0, None);
    let mut given = String::new();
    for (at, line) in text(page).lines().enumerate() {
        if let Some(section) = line.strip_prefix(".Sh ") {
            examples = section == "EXAMPLES";
        } else if let Some(stated) = line.strip_prefix(".\\\" status ").filter(|_| examples) {
            status = stated.parse().unwrap_or_else(|_| panic!("{}:{}: {line}", page.display(), at + 1));
        } else if let Some(before) = line.strip_prefix(".\\\" given: ").filter(|_| examples) {
            given.push_str(before);
            given.push('\n');
        } else if line == ".\\\" first" {
            first = Some(found.len());
        } else if let (Some(then), Some(example)) = (line.strip_prefix(".\\\" then: "), found.last_mut()) {
            // The status of the whole has to be that of every line.
            let and = if example.then.is_empty() { "" } else { " &&\n" };
            example.then.push_str(and);
            example.then.push_str(then);
        } else if examples && line.starts_with(".Bd -literal") {
            let place = format!("{}:{}", page.file_name().unwrap_or_default().to_string_lossy(), at + 1);
            let script = std::mem::take(&mut given);
            found.push(Example { place, script, makefile: false, status, then: String::new() });
            (inside, status) = (true, 0);
        } else if line == ".Ed" {
            inside = false;
        } else if inside {
            push_line(&mut found, &unescaped(line));
        }
    }
    if let Some(first) = first {
        let before = found[first].script.clone();
        let others = found.iter_mut().enumerate().filter(|(at, _)| *at != first);
        others.for_each(|(_, example)| example.script.insert_str(0, &before));
    }
    found
}

fn push_line(examples: &mut [Example], line: &str) {
    if let Some(example) = examples.last_mut() {
        example.script.push_str(line);
        example.script.push('\n');
    }
}

/// A line of a literal display as the reader of the page sees it.
pub fn unescaped(line: &str) -> String {
    assert!(!line.contains(['\'', '`', '^', '~']), "has to be escaped, or typesetting changes it: {line}");
    let mut out = line.to_string();
    for (roff, plain) in
        [("\\(aq", "'"), ("\\(ga", "`"), ("\\(ha", "^"), ("\\(ti", "~"), ("\\-", "-"), ("\\&", ""), ("\\e", "\\")]
    {
        out = out.replace(roff, plain);
    }
    out
}

/// Runs every example and tells all that fail, not only the first.
fn run_all(examples: &[Example]) {
    let failed: Vec<String> = examples.iter().filter_map(failure).collect();
    assert!(failed.is_empty(), "{} of {} examples failed\n\n{}", failed.len(), examples.len(), failed.join("\n"));
}

fn failure(example: &Example) -> Option<String> {
    let place = TempDir::new().unwrap();
    let copied = Command::new("cp").arg("-a").arg(prepared().join(".")).arg(place.path()).status().unwrap();
    assert!(copied.success());
    let mut command = shell(place.path());
    if example.makefile {
        fs::write(place.path().join("Makefile"), &example.script).unwrap();
        command.args(["-c", "make"]);
    } else {
        command.args(["-c", &example.script]);
    }
    let run = command.output().unwrap();
    let out = place.path().join(".out");
    fs::write(&out, &run.stdout).unwrap();
    let then = shell(place.path()).args(["-c", &example.then]).env("out", &out).output().unwrap();
    (run.status.code() != Some(example.status) || !then.status.success()).then(|| {
        format!(
            "{}: {}, not {}\n{}--- stdout\n{}--- stderr\n{}--- then {}: {}\n",
            example.place,
            run.status,
            example.status,
            example.script,
            String::from_utf8_lossy(&run.stdout),
            String::from_utf8_lossy(&run.stderr),
            example.then,
            then.status
        )
    })
}

/// bash in a folder, as in a careful script, with the tools of this build, the programs of `.readers`, the three roots, and
/// nothing else of our environment.
fn shell(folder: &Path) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.args(["-e", "-o", "pipefail"]).current_dir(folder).stdin(Stdio::null()).env_clear();
    command.env("PATH", format!("{}:{}:{path}", binaries().display(), project().join(".readers/bin").display()));
    command.envs([("HOME", folder), ("TMPDIR", folder)]).envs([("LC_ALL", "C.UTF-8"), ("TZ", "UTC")]);
    command.env("TESTS", project().join("tests"));
    command.env("FILE_ROOT", folder.join("files")).env("HEAP_ROOT", folder.join("heap")).env("SNAP_ROOT", folder.join("snap"));
    command
}

fn binaries() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_snap-scan")).parent().unwrap()
}

/// A folder with `files`, two snapshots of it, and changes since. Made once; every example gets a copy.
fn prepared() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        // Not a TempDir: nobody drops what is static.
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs-prepared");
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        let run = shell(&place).args(["-c", PREPARE]).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        // Copies of the repository are their own: the snap root that the heap knows of is not theirs.
        fs::remove_dir_all(place.join("heap/roots")).unwrap();
        place
    })
}

const PREPARE: &str = r#"
mkdir -p files/docs/old files/src files/target files/empty
cd files
echo "The report, first version" > docs/report.md
echo "A plan" > docs/old/plan.md
echo "A draft" > docs/draft.md
echo "Notes" > docs/notes.txt
echo "int main() {}" > src/main.c
echo "object" > src/main.o
cp src/main.o target/main.o
echo "*.tmp" > .gitignore
ln -s docs/report.md report
head -c 100000 /dev/zero > picture.raw
chmod 700 src
touch -d "3 days ago" docs/old/plan.md
cd ..
snap-scan | snap-heapify | snap-write --tag release
echo "The report, second version" > files/docs/report.md
cp -p files/picture.raw before
printf x | dd of=files/picture.raw bs=1 seek=5000 conv=notrunc status=none
touch -r before files/picture.raw
rm before
rm files/docs/draft.md
echo "To do" > files/docs/todo.md
chmod 755 files/src
snap-scan | snap-heapify | snap-write
echo "More notes" >> files/docs/notes.txt
echo "Later" > files/docs/later.md
"#;
