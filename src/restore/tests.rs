//! Restores into temporary folders. The contents come from the `text` key of the records.

use super::decide::BLOCKED;
use super::*;
use crate::content::Content;
use crate::end::End;
use crate::join::Side;
use crate::monitor::Recorder;
use crate::record::Record;
use crate::rootdir::RootDir;
use md5::Digest;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

struct Case {
    _temp: tempfile::TempDir,
    root: PathBuf,
    options: Options,
    heard: Vec<String>,
}

impl Case {
    fn new() -> Case {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        Case { root, _temp: temp, options: Options { jobs: 2, ..Options::default() }, heard: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| format!("{name}: {e}"))
    }

    /// Returns the lines of the result, or the error message.
    fn run(&mut self, lines: &[String]) -> Result<Vec<String>, String> {
        let input: Vec<_> = lines.iter().map(|l| Ok(Record::parse(l.as_bytes()).unwrap())).collect();
        let source: Arc<dyn Contents> = Arc::new(|record: &Record| match record.string("text") {
            Some(text) if text == "bad" => Err("its content is damaged".to_string().into()),
            Some(text) if text.len() > 100 => Ok(Content::Stream(Box::new(std::io::Cursor::new(text.into_bytes())))),
            Some(text) => Ok(Content::Whole(text.into_bytes())),
            None => Err("it has no md5".to_string().into()),
        });
        let monitor = Arc::new(Recorder::default());
        let records = restore(
            Box::new(input.into_iter()),
            &Location::Folder(self.root.clone()),
            source,
            self.options.clone(),
            monitor.clone(),
        );
        let out = records.and_then(Iterator::collect::<Result<Vec<Record>>>);
        self.heard = monitor.messages();
        out.map(|records| records.iter().map(|r| String::from_utf8_lossy(r.text()).into_owned()).collect())
            .map_err(|e| e.to_string())
    }
}

fn md5(text: &str) -> Md5 {
    Md5(md5::Md5::digest(text).into())
}

use crate::digest::Md5;

fn file_with(name: &str, text: &str, more: &str) -> String {
    format!(
        r#"{{"name":"{name}","type":"file","size":{},"md5":"{}","text":"{text}","mode":33188,"modified":"2020-01-02T03:04:05.123456789Z"{more}}}"#,
        text.len(),
        md5(text)
    )
}

fn file(name: &str, text: &str) -> String {
    file_with(name, text, "")
}

fn folder(name: &str) -> String {
    format!(r#"{{"name":"{name}","type":"directory","mode":16877,"modified":"2021-01-02T03:04:05.5Z"}}"#)
}

fn link(name: &str, target: &str) -> String {
    format!(r#"{{"name":"{name}","type":"link","destination":"{target}","modified":"2022-01-02T03:04:05.000000001Z"}}"#)
}

fn end(records: usize) -> String {
    format!(r#"{{"errors":0,"name":"","records":{records},"type":"end"}}"#)
}

#[test]
fn files_links_and_folders_come_back_with_mode_and_time() {
    let mut case = Case::new();
    let long = "x".repeat(200);
    let lines =
        [file("a", "one"), folder("d"), folder("d/empty"), file("d/f", &long), link("l", "d/f"), file("new/deep/f", "two")];
    case.run(&lines).unwrap();
    assert_eq!(case.heard, Vec::<String>::new());
    assert_eq!((case.text("a"), case.text("d/f"), case.text("new/deep/f")), ("one".into(), long, "two".into()));
    let meta = |name| case.path(name).symlink_metadata().unwrap();
    assert_eq!((meta("a").mode(), meta("a").mtime_nsec()), (0o100644, 123_456_789));
    assert_eq!((meta("d").mode(), meta("d").mtime_nsec()), (0o40755, 500_000_000));
    assert_eq!(meta("d/empty").mtime_nsec(), 500_000_000);
    assert_eq!(meta("l").mtime_nsec(), 1);
    let inode = meta("a").ino();
    case.run(&lines).unwrap();
    assert_eq!(case.path("a").metadata().unwrap().ino(), inode, "left alone");
    let names = fs::read_dir(&case.root).unwrap().count();
    assert_eq!(names, 4, "nothing else is left behind");
}

#[test]
fn what_cannot_be_restored_is_a_failure_and_the_rest_goes_on() {
    let mut case = Case::new();
    let lines = [
        file("/abs", "x"),
        file("a//b", "x"),
        file("bad", "bad"),
        r#"{"name":"fifo","type":"fifo"}"#.to_string(),
        file("good", "x"),
        link("l", "/etc"),
        file("l/passwd", "x"),
        file(&"n".repeat(256), "x"),
        file("tr/", "x"),
        file("z", "z"),
        end(10),
    ];
    let out = case.run(&lines).unwrap();
    assert_eq!(case.heard.len(), 7, "{:?}", case.heard);
    assert!(case.heard.contains(&"l/passwd: l is no folder in the same records".to_string()));
    assert!(case.heard.contains(&"bad: its content is damaged".to_string()));
    assert!(case.heard.contains(&"fifo: a fifo can't be restored".to_string()));
    let end = End::of(&Record::parse(out.last().unwrap().as_bytes()).unwrap());
    // The failed records became error records. Nothing was deleted, so there can be more files than records.
    assert_eq!((end.errors, end.records, end.is_short(), end.restored), (7, Some(10), true, true));
    let mut names: Vec<_> = fs::read_dir(&case.root).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["good", "l", "z"]);
}

#[test]
fn nothing_is_reached_through_a_planted_link() {
    let mut case = Case::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), "theirs").unwrap();
    fs::create_dir_all(&case.root).unwrap();
    for name in ["d", "e"] {
        symlink(outside.path(), case.path(name)).unwrap();
    }
    symlink(outside.path().join("f"), case.path("g")).unwrap();
    fs::hard_link(outside.path().join("f"), case.path("h")).unwrap();
    case.options.delete = true;
    let theirs = format!(r#"{{"name":"h","type":"file","size":6,"md5":"{}","text":"theirs","mode":33279}}"#, md5("theirs"));
    case.run(&[folder("d"), file("d/f", "ours"), file("e/f", "ours"), file("g", "ours"), theirs, end(5)]).unwrap();
    assert_eq!(case.heard, Vec::<String>::new());
    assert_eq!((case.text("d/f"), case.text("e/f"), case.text("g")), ("ours".into(), "ours".into(), "ours".into()));
    assert_eq!(fs::read_to_string(outside.path().join("f")).unwrap(), "theirs");
    assert_ne!(outside.path().join("f").metadata().unwrap().mode() & 0o777, 0o777, "not even its mode");
    assert_eq!(case.path("h").metadata().unwrap().mode() & 0o777, 0o777);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_file_and_a_folder_change_places() {
    let mut case = Case::new();
    case.run(&[folder("a"), file("a/x", "x"), folder("a/s"), file("a/s/y", "y"), file("b", "b"), folder("e"), end(6)]).unwrap();
    let lines = [file("a", "now a file"), folder("b"), file("b/x", "x"), file("e", "e"), end(4)];
    case.run(&lines).unwrap();
    assert_eq!(case.heard, [format!("a: {BLOCKED}")]);
    assert_eq!((case.text("b/x"), case.text("e"), case.text("a/x")), ("x".into(), "e".into(), "x".into()));
    case.options.delete = true;
    case.run(&lines).unwrap();
    assert_eq!((&case.heard, case.text("a")), (&vec![], "now a file".into()));
}

#[test]
fn delete_keeps_to_the_records_the_types_and_the_roots() {
    let mut case = Case::new();
    let old =
        [folder("d"), file("d-x", "1"), file("d/a", "1"), folder("heap"), file("heap/o", "1"), folder("x"), file("x/y/z", "1")];
    case.run(&old).unwrap();
    case.options.delete = true;
    case.options.keep = vec![Location::Folder(case.path("heap"))];
    let some = [file("d/b", "2"), r#"{"name":"","type":"end","records":1,"types":["file"]}"#.to_string()];
    case.run(&some).unwrap();
    assert!(!case.path("d-x").exists() && !case.path("x/y/z").exists() && !case.path("d/a").exists());
    assert!(case.path("x/y").is_dir() && case.path("heap/o").exists() && case.path("d/b").exists());
    case.options.max_delete = Some(MaxDelete::Count(1));
    case.run(&[folder("d"), end(1)]).unwrap();
    assert!(!case.path("x").exists() && !case.path("d/b").exists() && case.path("heap/o").exists());
    assert_eq!(case.path("d").metadata().unwrap().mtime_nsec(), 500_000_000, "after the deleting");
}

#[test]
fn delete_refuses_what_may_be_short_and_changes_nothing() {
    let mut case = Case::new();
    case.run(&[file("keep", "1")]).unwrap();
    case.options.delete = true;
    let filtered = r#"{"name":"","type":"end","records":1,"filtered":true}"#.to_string();
    let errors = r#"{"name":"","type":"end","records":1,"errors":1}"#.to_string();
    for lines in
        [vec![file("a", "1")], vec![file("a", "1"), end(2)], vec![file("a", "1"), filtered.clone()], vec![file("a", "1"), errors]]
    {
        assert!(case.run(&lines).unwrap_err().starts_with("nothing is restored: "), "{lines:?}");
        assert!(!case.path("a").exists());
    }
    case.run(&[file("a", "bad"), end(1)]).unwrap();
    assert_eq!(case.heard[1], "nothing is deleted, because 1 record failed");
    assert!(case.path("keep").exists());
    case.options.delete_excluded = true;
    case.run(&[file("a", "1"), filtered]).unwrap();
    assert!(!case.path("keep").exists() && case.path("a").exists());
}

#[test]
fn rows_of_a_diff_restore_a_side() {
    let mut case = Case::new();
    let row = |name: &str, left: &str, right: &str| {
        format!(r#"{{"name":"{name}","status":"different","left":{left},"right":{right}}}"#)
    };
    let rows = [
        row("a", &file("a", "old"), &file("a", "newer")),
        row("d", &folder("d"), "null"),
        row("d/x", &file("d/x", "x"), "null"),
        row("n", "null", &file("n", "n")),
    ];
    case.options.side = Side::Left;
    case.run(&rows).unwrap();
    assert_eq!((case.text("a"), case.text("d/x"), case.path("n").exists()), ("old".into(), "x".into(), false));
    case.options = Options { jobs: 1, delete: true, ..Options::default() };
    fs::write(case.path("other"), "").unwrap();
    assert!(case.run(&rows).unwrap_err().contains("end record"));
    let end = |right: &str| format!(r#"{{"name":"","type":"end","diff":true,"left":{{}},"right":{{"errors":0{right}}}}}"#);
    let with = |end: String| rows.iter().cloned().chain([end]).collect::<Vec<_>>();
    for short in [r#","filtered":true"#, r#","errors":1"#].map(|s| end(s).replace(r#""errors":0,"errors""#, r#""errors""#)) {
        assert!(case.run(&with(short)).unwrap_err().starts_with("nothing is restored: "));
    }
    case.run(&with(end(""))).unwrap();
    assert_eq!(
        (case.text("a"), case.text("n"), case.path("d").exists(), case.path("other").exists()),
        ("newer".into(), "n".into(), false, true)
    );
    assert!(case.run(&[rows[0].clone(), file("z", "z")]).unwrap_err().contains("mixes"));
    let wrong = case.run(&[row("a", "null", &file("b", "x")), end("")]).unwrap();
    assert!(wrong[0].contains("is no record of that name"));
}

#[test]
fn hard_links_come_back_and_stay() {
    let mut case = Case::new();
    case.options.report = true;
    let more = r#","dev":1,"ino":7,"nlink":2"#;
    let lines = [file_with("a", "same", more), file_with("d/b", "same", more)];
    let out = case.run(&lines).unwrap();
    let meta = |name| case.path(name).metadata().unwrap();
    assert_eq!((meta("a").ino(), meta("a").nlink()), (meta("d/b").ino(), 2));
    assert!(out[1].contains(&format!(r#""ino":{}"#, meta("a").ino())) && out[1].contains(r#""nlink":2"#), "{}", out[1]);
    // The folder has two names of one file; in the records, these are two files.
    case.run(&[file_with("a", "same", r#","uid":1"#).replace("33188", "33152"), file("d/b", "same")]).unwrap();
    let meta = |name| case.path(name).metadata().unwrap();
    assert_eq!((meta("a").mode() & 0o777, meta("d/b").mode() & 0o777), (0o600, 0o644));
    let first_is_bad =
        [file_with("x", "same", more).replace(r#""text":"same""#, r#""text":"bad""#), file_with("y", "same", more)];
    case.run(&first_is_bad).unwrap();
    assert_eq!((case.heard.len(), case.text("y")), (1, "same".into()));
}

#[test]
fn a_dry_run_says_what_would_be_done() {
    let mut case = Case::new();
    case.options.dry_run = true;
    case.run(&[file("a", "1")]).unwrap();
    assert!(!case.root.exists());
    case.options.dry_run = false;
    case.run(&[file("a", "1"), file("b", "1"), file("c", "1"), folder("d"), file("d/x", "1"), file("e", "1")]).unwrap();
    fs::set_permissions(case.path("b"), fs::Permissions::from_mode(0o600)).unwrap();
    case.options.dry_run = true;
    case.options.delete = true;
    let out = case.run(&[file("a", "1"), file("b", "1"), file("c", "other"), file("d", "1"), file("n", "1"), end(5)]).unwrap();
    assert_eq!(
        out,
        [
            r#"{"action":"change","name":"b","size":1,"type":"file"}"#,
            r#"{"action":"replace","name":"c","size":5,"type":"file"}"#,
            r#"{"action":"create","name":"n","size":1,"type":"file"}"#,
            r#"{"action":"delete","name":"d/x","type":"file"}"#,
            r#"{"action":"delete","name":"e","type":"file"}"#,
            // The file has to wait until the contents of the folder are deleted.
            r#"{"action":"replace","name":"d","size":1,"type":"file"}"#,
        ]
    );
    assert_eq!((case.text("c"), case.text("d/x"), case.text("e")), ("1".into(), "1".into(), "1".into()));
}

#[test]
fn holes_stay_holes_and_checksum_reads() {
    let mut case = Case::new();
    let text = format!("{}{}", "\\u0000".repeat(1 << 16), "end");
    let real = format!("{}end", "\0".repeat(1 << 16));
    let line = file_with("s", "", r#","sparse":true"#).replace(r#""text":"""#, &format!(r#""text":"{text}""#));
    let line =
        line.replace(r#""size":0"#, &format!(r#""size":{}"#, real.len())).replace(&md5("").to_string(), &md5(&real).to_string());
    case.run(&[line]).unwrap();
    assert_eq!(case.text("s"), real);
    assert!(case.path("s").metadata().unwrap().blocks() < 32);
    case.run(&[file("a", "good")]).unwrap();
    let time = case.path("a").metadata().unwrap().modified().unwrap();
    fs::write(case.path("a"), "evil").unwrap();
    fs::File::options().write(true).open(case.path("a")).unwrap().set_modified(time).unwrap();
    case.run(&[file("a", "good")]).unwrap();
    assert_eq!(case.text("a"), "evil");
    case.options.checksum = true;
    case.run(&[file("a", "good")]).unwrap();
    assert_eq!(case.text("a"), "good");
}

#[test]
fn a_root_gets_what_was_known_of_the_one_that_was_backed_up() {
    let temp = tempfile::tempdir().unwrap();
    let give = |facts: serde_json::Value, owner: bool| {
        let options = Options { owner, ..Options::default() };
        let root = RootDir::open(temp.path()).unwrap();
        let contents = Arc::new(|_: &Record| Err("there are no contents".to_string().into()));
        let (monitor, spared) = (Arc::new(Recorder::default()), Spared::default());
        let root = FolderRoot::of(root, Some(facts), Job { contents, options, monitor, spared, is_rows: false });
        root.conclude().unwrap();
        temp.path().metadata().unwrap()
    };
    let facts = serde_json::json!({"mode": 0o42750, "uid": 1234, "gid": 4321, "modified": "2023-11-14T22:13:20.123456789Z"});
    let meta = give(facts.clone(), false);
    assert_eq!((meta.mode() & 0o7777, meta.mtime(), meta.mtime_nsec()), (0o750, 1_700_000_000, 123_456_789));
    assert_ne!(meta.uid(), 1234);
    if rustix::process::geteuid().is_root() {
        let meta = give(facts, true);
        assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o2750, 1234, 4321));
    }
    // Records without metadata change nothing.
    let before = temp.path().metadata().unwrap();
    let after = give(serde_json::json!({}), false);
    assert_eq!((before.mode(), before.mtime_nsec()), (after.mode(), after.mtime_nsec()));
    assert_eq!(give(serde_json::Value::Null, false).mode(), before.mode());
}
