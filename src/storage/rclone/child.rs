//! The program rclone as a process that does not outlive this one, however this one ends.

use super::words::shown;
use crate::display::printable;
use crate::error::named;
use crate::parallel::{self, lock};
use serde::Deserialize;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Runs a command. When the shell's standard input ends, because this process closes it or is gone, ends the command and removes a
/// folder, which is the first argument, or empty.
const KEEPER: &str = r#"
exec 3<&0 </dev/null
folder=$1; shift
"$@" 3<&- & it=$!
{ read -r _ <&3; trap '' TERM; kill "$it"; [ -z "$folder" ] || rm -rf -- "$folder"; } >/dev/null 2>&1 & watch=$!
exec 3<&- >/dev/null 2>&1
wait "$it"; status=$?
kill "$watch"
exit "$status"
"#;

/// What variables of the environment must not change: what is listed, what is copied, where messages go, and how this process
/// reaches rclone. All names begin with `RCLONE_`, and may continue with `_`.
const OURS: [&str; 38] = [
    "ASK_PASSWORD",
    "BACKUP_DIR",
    "COMPARE_DEST",
    "COPY_DEST",
    "CHECKSUM",
    "DRY_RUN",
    "DUMP",
    "EXCLUDE",
    "FILES_FROM",
    "FILTER",
    "HASH_FILTER",
    "IGNORE",
    "IMMUTABLE",
    "INCLUDE",
    "INPLACE",
    "INTERACTIVE",
    "LINKS",
    "LOG",
    "MAX_AGE",
    "MAX_DEPTH",
    "MAX_SIZE",
    "METADATA",
    "MIN_AGE",
    "MIN_SIZE",
    "NO_CHECK_DEST",
    "NO_TRAVERSE",
    "PARTIAL_SUFFIX",
    "PROGRESS",
    "QUIET",
    "RC",
    "SIZE_ONLY",
    "STATS",
    "SUFFIX",
    "SYSLOG",
    "UPDATE",
    "USE_JSON_LOG",
    "USE_SERVER_MODTIME",
    "VERBOSE",
];

/// The number of messages about names that are kept.
const MOST: usize = 100_000;

/// The arguments of every rclone: messages in JSON, no questions, and the time of the last write instead of one that the writer
/// set, which some services tell only in a request for each object.
const ALWAYS: [&str; 5] = ["--use-json-log", "--log-level", "NOTICE", "--ask-password=false", "--use-server-modtime"];

/// The settings of rclone.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program.
    pub program: String,
    /// The file with the remotes; None for rclone's own.
    pub config: Option<String>,
}

/// A message of rclone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// It is about a failure.
    pub is_error: bool,
    /// The message, one line.
    pub text: String,
    /// The file or folder that it is about, if it is about one.
    pub object: Option<String>,
    /// It is about a folder, not a file.
    pub is_folder: bool,
}

#[derive(Deserialize)]
struct Logged {
    level: String,
    msg: String,
    object: Option<String>,
    #[serde(rename = "objectType")]
    object_type: Option<String>,
}

impl Message {
    /// Reads a line of stderr. Before it knows its options, and when it ends, rclone writes text instead of JSON.
    fn parse(line: &str) -> Message {
        let Ok(Logged { level, msg, object, object_type }) = serde_json::from_str(line) else {
            // Without the date and the time.
            let rest = line.splitn(3, ' ').nth(2).filter(|_| line.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(line);
            return Message { is_error: true, text: rest.trim().to_string(), ..Message::default() };
        };
        let kind = object_type.unwrap_or_default();
        let is_error = matches!(level.as_str(), "error" | "critical" | "alert" | "emergency" | "fatal" | "panic");
        // Messages about a whole remote have its description as the object.
        let object = object.filter(|_| !kind.ends_with("Fs"));
        Message { is_error, text: msg.trim().to_string(), object, is_folder: matches!(kind.as_str(), "string" | "*fs.Dir") }
    }
}

/// What is known of a process.
#[derive(Default)]
pub struct Said {
    /// The messages about names.
    pub messages: Vec<Message>,
    /// The last message about a failure.
    pub last: String,
    /// The address of the remote control.
    pub address: Option<String>,
    /// Set at the end: the exit status; None if a signal ended it.
    pub status: Option<Option<i32>>,
}

impl Said {
    fn add(&mut self, message: Message) {
        if let Some((_, address)) = message.text.split_once("Serving remote control on ") {
            self.address = Some(address.trim_end_matches('/').to_string());
        } else if message.object.is_some() && self.messages.len() < MOST {
            if message.is_error {
                self.last.clone_from(&message.text);
            }
            self.messages.push(message);
        } else if message.is_error && !message.text.is_empty() {
            self.last = message.text;
        }
    }

    /// Returns the reason why it ended, in words.
    pub fn reason(&self, program: &str) -> io::Error {
        let program = printable(program.as_bytes());
        let (kind, reason) = match self.status.flatten() {
            Some(127) => return missing(&program),
            Some(126) => (ErrorKind::PermissionDenied, "it can't be run".to_string()),
            None if self.last.is_empty() => (ErrorKind::Other, "it was killed".to_string()),
            Some(status) if self.last.is_empty() => (ErrorKind::Other, format!("it ended with status {status}")),
            _ => (ErrorKind::Other, self.last.clone()),
        };
        io::Error::new(kind, format!("{program}: {}", shown(&reason)))
    }
}

fn missing(program: &str) -> io::Error {
    let reason = format!("{program}: not found: install rclone 1.60 or newer, or name the program in the option program");
    io::Error::other(reason)
}

/// A running rclone. It ends when this is dropped.
pub struct Running {
    /// What it writes.
    pub out: Option<ChildStdout>,
    program: String,
    said: Arc<(Mutex<Said>, Condvar)>,
    _input: ChildStdin,
}

impl Running {
    /// Starts rclone with these arguments and variables. When it is dropped, `folder` is removed.
    ///
    /// # Errors
    /// If there is no shell.
    pub fn start(
        settings: &Settings,
        folder: Option<&Path>,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> io::Result<Running> {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "rclone-keeper"]).arg(folder.map_or_else(OsString::new, OsString::from));
        command.arg(&settings.program).args(arguments).args(ALWAYS);
        if let Some(config) = &settings.config {
            command.args(["--config", config]);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_ours) {
                command.env_remove(name);
            }
        }
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // An interrupt from the terminal is for this process, which may still need rclone to put things in order.
        command.process_group(0);
        let mut child = command.spawn().map_err(|e| named("sh", &e))?;
        let (Some(input), out, Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("sh: no pipes"));
        };
        let said = Arc::<(Mutex<Said>, Condvar)>::default();
        let heard = said.clone();
        parallel::spawn(move || listen(BufReader::new(errors), child, &heard))?;
        Ok(Running { out, program: settings.program.clone(), said, _input: input })
    }

    /// Waits until `ready` returns something.
    ///
    /// # Errors
    /// If rclone ended before, or after this time.
    pub fn wait<T>(&self, longest: Duration, ready: impl Fn(&mut Said) -> Option<T>) -> io::Result<T> {
        let deadline = Instant::now() + longest;
        let (said, changed) = &*self.said;
        let mut said = lock(said);
        loop {
            if let Some(found) = ready(&mut said) {
                return Ok(found);
            }
            if said.status.is_some() {
                return Err(said.reason(&self.program));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let reason = format!("{}: no answer", printable(self.program.as_bytes()));
                return Err(io::Error::new(ErrorKind::TimedOut, reason));
            }
            said = match changed.wait_timeout(said, left) {
                Ok((said, _)) => said,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Returns what it said so far.
    pub fn said(&self) -> MutexGuard<'_, Said> {
        lock(&self.said.0)
    }
}

/// Reads messages until rclone ends, so that it never waits for a reader.
fn listen(errors: impl BufRead, mut child: Child, said: &(Mutex<Said>, Condvar)) {
    let mut errors = errors;
    let mut line = Vec::new();
    while matches!(errors.read_until(b'\n', &mut line), Ok(1..)) {
        lock(&said.0).add(Message::parse(&String::from_utf8_lossy(&line)));
        said.1.notify_all();
        line.clear();
    }
    let status = child.wait().ok().and_then(|status| status.code()).filter(|code| *code < 128);
    lock(&said.0).status = Some(status);
    said.1.notify_all();
}

/// Whether a variable of the environment is not for the rclone that runs here.
fn is_ours(name: &str) -> bool {
    let is = |rest: &str, ours: &str| rest.strip_prefix(ours).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    name.strip_prefix("RCLONE_").is_some_and(|rest| OURS.iter().any(|ours| is(rest, ours)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_in_both_forms() {
        let line =
            r#"{"level":"error","msg":"error listing: directory not found","object":"a/b","objectType":"string","source":"x"}"#;
        let message = Message::parse(line);
        assert!(message.is_error && message.is_folder && message.object.as_deref() == Some("a/b"), "{message:?}");
        let line = r#"{"level":"warning","msg":"odd","object":"Local file system at /","objectType":"*local.Fs"}"#;
        assert_eq!(Message::parse(line), Message { text: "odd".to_string(), ..Message::default() });
        let text = Message::parse("2026/11/27 01:11:30 Failed to lsjson: no\n").text;
        assert_eq!(text, "Failed to lsjson: no");
        assert_eq!(Message::parse("sh: 1: rclone: not found\n").text, "sh: 1: rclone: not found");
    }

    #[test]
    fn variables_that_would_hide_objects_are_not_passed_on() {
        for ours in ["RCLONE_RC_USER", "RCLONE_RC", "RCLONE_EXCLUDE", "RCLONE_EXCLUDE_FROM", "RCLONE_MAX_SIZE", "RCLONE_LOG_FILE"]
        {
            assert!(is_ours(ours), "{ours}");
        }
        for theirs in ["RCLONE_CONFIG", "RCLONE_CONFIG_PASS", "RCLONE_CONFIG_RC_TYPE", "RCLONE_BWLIMIT", "RCLONE_S3_REGION", "RC"]
        {
            assert!(!is_ours(theirs), "{theirs}");
        }
    }
}
