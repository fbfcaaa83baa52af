//! What `strace -f -y` wrote, as events in time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The options that a trace is made with; the calls that it holds.
pub const STRACE: &str = "strace -f -y -qq -s 8 --seccomp-bpf -e signal=none";
pub const CALLS: &str = "openat,creat,read,write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,splice,ftruncate,fallocate,\
    fsync,fdatasync,syncfs,sync,rename,renameat,renameat2,link,linkat,mkdir,mkdirat,close,unlink,unlinkat,fchmod,fchmodat,\
    newfstatat,statx,getdents64";

/// The start of a command that is traced into the file `trace`; with something more for strace, such as a call to fail.
pub fn strace(more: &str) -> String {
    format!("{STRACE} -e trace={CALLS} {more} -o trace")
}

/// A system call. Its times are lines of the trace.
#[derive(Debug, Clone)]
pub struct Event {
    pub thread: u32,
    pub begin: usize,
    pub end: usize,
    pub name: String,
    pub args: Vec<String>,
    pub result: i64,
    /// Nothing failed; a signal came first.
    pub interrupted: bool,
}

impl Event {
    /// The number and the path of the descriptor in an argument.
    pub fn fd(&self, n: usize) -> Option<(&str, &Path)> {
        let (number, path) = self.args.get(n)?.split_once('<')?;
        Some((number, Path::new(path.strip_suffix('>')?)))
    }

    /// The path in an argument, below the folder in the one before it where the call has one.
    fn path(&self, folder: Option<usize>, n: usize) -> Option<PathBuf> {
        let path = self.args.get(n)?.strip_prefix('"')?.strip_suffix('"')?;
        let folder = folder.and_then(|f| self.fd(f)).map(|(_, p)| p);
        Some(folder.unwrap_or(Path::new("")).join(path).components().collect())
    }

    /// From where to where a call gave a name.
    pub fn renamed(&self) -> Option<(PathBuf, PathBuf)> {
        match self.name.as_str() {
            "rename" | "link" => Some((self.path(None, 0)?, self.path(None, 1)?)),
            "renameat" | "renameat2" | "linkat" => Some((self.path(Some(0), 1)?, self.path(Some(2), 3)?)),
            _ => None,
        }
    }

    /// The folder that a call made.
    pub fn made(&self) -> Option<PathBuf> {
        match self.name.as_str() {
            "mkdir" => self.path(None, 0),
            "mkdirat" => self.path(Some(0), 1),
            _ => None,
        }
    }

    /// Whether it changed the content of a file, and which.
    pub fn wrote(&self) -> Option<&Path> {
        match self.name.as_str() {
            "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "ftruncate" | "fallocate" => Some(self.fd(0)?.1),
            "copy_file_range" => Some(self.fd(2)?.1),
            "splice" => Some(self.fd(2)?.1),
            "sendfile" => Some(self.fd(0)?.1),
            _ => None,
        }
    }

    /// What it synced: the descriptor, and whether all of its file system.
    pub fn synced(&self) -> Option<(&str, &Path, bool)> {
        let whole = match self.name.as_str() {
            "syncfs" => true,
            "fsync" | "fdatasync" => false,
            _ => return None,
        };
        let (number, path) = self.fd(0)?;
        Some((number, path, whole))
    }
}

/// Reads a trace.
pub fn read(path: &Path) -> Vec<Event> {
    let text = std::fs::read(path).expect("a trace");
    let text = String::from_utf8_lossy(&text);
    let mut events: Vec<Event> = Vec::new();
    let mut open: HashMap<&str, (usize, String)> = HashMap::new();
    for (at, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            if !begun.starts_with("<...") {
                open.insert(thread, (at, begun.trim_end().to_string()));
            }
            continue;
        }
        let (begin, text) = match rest.strip_prefix("<... ") {
            None => (at, rest.to_string()),
            Some(resumed) => {
                let Some((begin, first)) = open.remove(thread) else { continue };
                let Some((_, tail)) = resumed.split_once(" resumed>") else { continue };
                (begin, first + tail)
            }
        };
        let Some((call, result)) = text.rsplit_once(" = ") else { continue };
        let Some((name, args)) = call.trim_end().strip_suffix(')').and_then(|c| c.split_once('(')) else { continue };
        let interrupted = result.contains("EINTR");
        let result = result.split(|c: char| c != '-' && !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).unwrap_or(-1);
        let thread = thread.parse().unwrap_or_default();
        events.push(Event { thread, begin, end: at, name: name.to_string(), args: split(args), result, interrupted });
    }
    events.sort_by_key(|e| e.begin);
    events
}

/// The arguments of a call: commas in strings, paths and structures are not between two of them.
fn split(args: &str) -> Vec<String> {
    let (mut all, mut current, mut depth, mut quoted, mut escaped) = (Vec::new(), String::new(), 0, false, false);
    for c in args.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' | '{' | '[' if !quoted => depth += 1,
            '>' | '}' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                all.push(std::mem::take(&mut current).trim().to_string());
                continue;
            }
            _ => {}
        }
        current.push(c);
    }
    all.push(current.trim().to_string());
    all
}
