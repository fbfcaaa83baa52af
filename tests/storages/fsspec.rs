//! Each option of fsspec's storages is used, has no effect or is refused with the reason: the libraries, the man page and the code
//! agree about which.

use serde_json::Value;
use snapshooter::internals::storage::fsspec::{self, Fate};
use snapshooter::internals::storage::{Location, Options};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The storages of the man page, a URL of each, and options without which it is not opened.
const STORAGES: [(&str, &str, &str); 6] = [
    ("Azure", "az://box", r#""account_name": "me", "account_key": "a2V5""#),
    ("S3", "s3://bucket", r#""region": "r""#),
    ("Google Cloud", "gs://bucket", r#""token": "anon""#),
    ("WebDAV", "webdav://host", r#""token": "t""#),
    ("SFTP", "sftp://host/x", r#""port": 22"#),
    ("HTTP", "http://host", r#""token": "t""#),
];

/// What the man page says of the options of a storage.
struct Said {
    used: BTreeSet<String>,
    harmless: BTreeSet<String>,
    refused: BTreeSet<String>,
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The words of a part of the page that are options.
fn options(part: &str) -> BTreeSet<String> {
    let lines = part.lines().filter_map(|line| line.strip_prefix(".Cm "));
    lines.flat_map(str::split_whitespace).filter(|word| word.len() > 1).map(str::to_string).collect()
}

fn said() -> (BTreeSet<String>, BTreeMap<&'static str, Said>) {
    let page = std::fs::read_to_string(project().join("man/snapshooter-storages.7")).expect("the man page");
    let section = page.split_once(".Sh STORAGE OPTIONS").expect("a section").1.split_once("\n.Ss ").expect("another").0;
    let (head, rest) = section.split_once("\n.Bl ").expect("a list");
    let everywhere = head.split_once("These options of all storages have no effect:").expect("a list").1;
    let everywhere = options(everywhere.split_once("Values that are not set").expect("the next sentence").0);
    let item = |name: &str| {
        let item = rest.split_once(&format!(".It {name}\n")).unwrap_or_else(|| panic!("{name}")).1;
        let item = item.split("\n.It ").next().unwrap_or_default().split("\n.El").next().unwrap_or_default();
        let (used, others) = item.split_once("No effect:").unwrap_or((item, ""));
        let (harmless, refused) = others.split_once("Refused:").unwrap_or((others, ""));
        Said { used: options(used), harmless: options(harmless), refused: options(refused) }
    };
    (everywhere, STORAGES.iter().map(|(name, ..)| (*name, item(name))).collect())
}

#[test]
fn each_option_is_used_or_has_no_effect_or_is_refused_as_the_man_page_says() {
    let python = project().join(".fsspec/bin/python");
    assert!(python.exists(), "{} is missing: run `tests/setup.sh`", python.display());
    let output = Command::new(python).arg(project().join("tests/storages/signatures.py")).output().expect("run Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: BTreeMap<String, Vec<String>> = serde_json::from_slice(&output.stdout).expect("JSON");
    let (everywhere, pages) = said();
    let mut wrong = Vec::new();
    for (name, url, needed) in STORAGES {
        let Said { used, harmless, refused } = &pages[name];
        let mut all: BTreeSet<&String> = harmless.iter().chain(refused).chain(&everywhere).collect();
        all.extend(theirs[name].iter().filter(|option| !used.contains(*option)));
        for option in all {
            let opened = |value: Value| {
                let options = format!("{{{needed}, {}: {value}}}", Value::from(option.as_str()));
                let options = Options::parse(options.as_ref(), "--options").expect("options");
                Location::parse(url.as_ref(), "root", &options).map(drop).map_err(|e| e.to_string())
            };
            // A value of any type is accepted without effect, and null is no value.
            let is_none = ["text".into(), 1.into(), Value::Bool(true)].map(&opened).iter().all(Result::is_ok);
            let reason = opened("secret".into()).err().unwrap_or_default();
            let is_refused = reason.starts_with(&format!("--options: {option}: "))
                && !reason.contains("no such option")
                && !reason.contains("secret")
                && opened(Value::Null).is_ok();
            let place = [harmless.contains(option) || everywhere.contains(option), refused.contains(option)];
            let is_ssh = name == "SFTP" && reason.contains("ssh_config(5)");
            let right = match place {
                [true, false] => is_none,
                [false, true] => is_refused,
                [false, false] => is_refused && is_ssh,
                [true, true] => false,
            };
            if !right || used.contains(option) {
                wrong.push(format!("{name}: {option}: on the page {place:?}, the tool says {reason:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_no_option_of_anything_is_no_option_here() {
    for scheme in ["az", "s3", "gs", "webdav", "http", "memory"] {
        assert_eq!(fsspec::fate(scheme, "nonsense"), None, "{scheme}");
        assert_eq!(fsspec::fate(scheme, "asynchronous"), Some(Fate::Harmless), "{scheme}");
    }
}
