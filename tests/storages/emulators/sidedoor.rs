//! What looks at object storages behind our back: the vendors' libraries, in a Python process that is asked with lines.

use super::{Planted, Root, installed};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// A process that ends with this one, when its standard input does.
pub struct SideDoor {
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _child: Child,
}

impl SideDoor {
    /// `kind` and `endpoint` are what `sidedoor.py` takes.
    pub fn open(kind: &str, endpoint: &str) -> SideDoor {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storages/emulators/sidedoor.py");
        // What needs the standard library alone works without emulators, too.
        let python = if kind == "gcs" { "python3".into() } else { installed("venv/bin/python") };
        let mut command = Command::new(python);
        command.arg(script).args([kind, endpoint]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env("no_proxy", "127.0.0.1").env("PYTHONWARNINGS", "ignore");
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().expect("start Python");
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        SideDoor { pipes: Mutex::new((input, output)), _child: child }
    }

    fn ask(&self, what: &str, arguments: Value) -> Value {
        let mut pipes = self.pipes.lock().expect("no other test failed while it asked");
        let question = format!("{}\n", json!([what, arguments]));
        pipes.0.write_all(question.as_bytes()).expect("ask");
        let mut line = String::new();
        pipes.1.read_line(&mut line).expect("an answer");
        drop(pipes);
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{what}: {line:?}: {e}"));
        assert!(answer["error"].is_null(), "{what}: {}", answer["error"]);
        answer["answer"].take()
    }

    /// Makes a container.
    pub fn make(&self, container: &str) {
        self.ask("make", json!({"container": container}));
    }

    /// Puts objects below a root.
    pub fn plant(&self, root: &Root, objects: &[Planted]) {
        for object in objects {
            let arguments = json!({
                "container": root.container,
                "key": format!("{}{}", root.prefix, object.key),
                "content": BASE64_STANDARD.encode(&object.content),
                "content_type": object.content_type,
                "md5": object.md5,
                "metadata": object.metadata,
            });
            self.ask("put", arguments);
        }
    }

    /// All that lies below a root.
    pub fn there(&self, root: &Root) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let all = self.ask("list", json!({"container": root.container, "prefix": root.prefix}));
        let text = |v: &Value| v.as_str().expect("a text").to_string();
        let pairs = all.as_array().expect("pairs").iter().map(|pair| (text(&pair[0]), text(&pair[1])));
        let key = |key: String| key.as_bytes()[root.prefix.len()..].to_vec();
        pairs.map(|(k, content)| (key(k), BASE64_STANDARD.decode(content).expect("base64"))).collect()
    }
}
