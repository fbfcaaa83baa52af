//! Listings: the output of `rclone lsjson`, one object in a line, in no order.

use super::child::{Message, Running};
use super::words::{Refused, shown};
use super::{Item, Rclone, api};
use crate::storage::store::{Gap, Listing, Object, check_path};
use crate::storage::traffic;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::process::ChildStdout;
use std::time::Duration;

/// The longest line in bytes.
const LONGEST: u64 = 1 << 20;

/// The longest time that rclone may take to end after its output has ended.
const ENDS: Duration = Duration::from_secs(60);

/// Exit statuses of rclone for failures that it told in messages before. Others mean that it could not do its work at all.
const TOLD: [i32; 7] = [1, 3, 4, 5, 6, 7, 9];

/// Lists all objects below a prefix. See [`crate::storage::Store::list_in`].
pub fn list<'a>(rclone: &'a Rclone, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
    let start = prefix.strip_suffix(b"/").unwrap_or(prefix);
    // No folder can have such a name, so there is nothing below it.
    let Ok(start) = (if start.is_empty() { Ok("") } else { super::check(start) }) else {
        return Box::new(std::iter::empty());
    };
    let start = start.to_string();
    let mut lines = None;
    let mut is_over = false;
    Box::new(std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let next = match &mut lines {
            Some(lines) => Lines::next(lines),
            None => match Lines::begin(rclone, &start, enters) {
                Ok(Some(begun)) => lines.insert(begun).next(),
                Ok(None) => Ok(None),
                Err(e) => Err(e),
            },
        };
        is_over = !matches!(&next, Ok(Some(_)));
        next.unwrap_or_else(|e| Some(Err(e)))
    }))
}

/// Whether the caller wants none of the folders in this one. It costs a request, unless the caller wants folders of any name.
fn is_flat(rclone: &Rclone, start: &str, prefix: &str, enters: fn(&[u8]) -> bool) -> io::Result<bool> {
    if enters(format!("{prefix}\u{1}/").as_bytes()) {
        return Ok(false);
    }
    let mut parameters = rclone.about(start);
    parameters["opt"] = json!({ "dirsOnly": true, "noModTime": true, "noMimeType": true });
    // If this fails, the listing itself fails, too.
    let Ok(answer) = rclone.ask("operations/list", &parameters)? else { return Ok(false) };
    let folders = answer["list"].as_array().into_iter().flatten().filter_map(|folder| folder["Path"].as_str());
    Ok(!folders.into_iter().any(|path| enters(format!("{path}/").as_bytes())))
}

/// A listing under way. rclone is ended when this is dropped.
struct Lines<'a> {
    rclone: &'a Rclone,
    facts: api::Facts,
    /// The folder that is listed, with a `/` at its end unless it is empty.
    prefix: String,
    enters: fn(&[u8]) -> bool,
    running: Running,
    out: BufReader<ChildStdout>,
    line: Vec<u8>,
    /// The number of objects so far.
    count: u64,
    /// The last line of a whole listing has come.
    is_whole: bool,
    /// What is missing, known at the end.
    gaps: Option<std::vec::IntoIter<Gap>>,
}

impl<'a> Lines<'a> {
    /// Starts rclone. Returns None if there is a file instead of the folder, which rclone would list as if it were in one.
    fn begin(rclone: &'a Rclone, start: &str, enters: fn(&[u8]) -> bool) -> io::Result<Option<Lines<'a>>> {
        let facts = rclone.control()?.facts.clone();
        if !start.is_empty() && rclone.look(start)?.is_some() {
            return Ok(None);
        }
        let fs = rclone.remote.fs(start);
        let mut arguments = vec!["lsjson", "--recursive", "--files-only"];
        if facts.has_md5 && facts.has_fast_digests {
            arguments.extend(["--hash", "--hash-type", "md5"]);
        }
        if !facts.lists_types {
            arguments.push("--no-mimetype");
        }
        let prefix = if start.is_empty() { String::new() } else { format!("{start}/") };
        if is_flat(rclone, start, &prefix, enters)? {
            arguments.extend(["--max-depth", "1"]);
        }
        arguments.push(&fs);
        let mut running = Running::start(&rclone.settings, None, &arguments, &[])?;
        let out = running.out.take().ok_or_else(|| io::Error::other("rclone: no pipe"))?;
        let out = BufReader::with_capacity(1 << 16, out);
        let line = Vec::new();
        Ok(Some(Lines { rclone, facts, prefix, enters, running, out, line, count: 0, is_whole: false, gaps: None }))
    }

    /// Returns the next object, or the next [`Gap`] as an item that is an error; None at the end of a whole listing.
    fn next(&mut self) -> io::Result<Option<io::Result<Object>>> {
        loop {
            if let Some(gaps) = &mut self.gaps {
                return Ok(gaps.next().map(|gap| Err(gap.into())));
            }
            self.line.clear();
            let n = self.out.by_ref().take(LONGEST).read_until(b'\n', &mut self.line)?;
            traffic::moved(n);
            match self.line.trim_ascii() {
                b"" if n == 0 => self.gaps = Some(self.missing()?.into_iter()),
                b"" | b"[" => {}
                b"]" => self.is_whole = true,
                line => {
                    let line = line.strip_suffix(b",").unwrap_or(line);
                    let item = serde_json::from_slice(line).map_err(|_| self.odd())?;
                    if let Some(object) = self.object(item) {
                        return Ok(Some(object));
                    }
                }
            }
        }
    }

    fn odd(&self) -> io::Error {
        self.rclone.failed(ErrorKind::InvalidData, "rclone lists something that is not the description of an object")
    }

    fn object(&mut self, item: Item) -> Option<io::Result<Object>> {
        self.count += 1;
        if item.is_dir {
            return None;
        }
        let key = format!("{}{}", self.prefix, item.path).into_bytes();
        if !self.is_entered(&key) {
            return None;
        }
        let object = item.object(key.clone(), &self.facts);
        Some(object.map_err(|reason| Gap { key, is_folder: false, reason: reason.to_string() }.into()))
    }

    /// Whether the caller wants the folders that this key is in.
    fn is_entered(&self, key: &[u8]) -> bool {
        (self.prefix.len()..key.len()).filter(|at| key[*at] == b'/').all(|at| (self.enters)(&key[..=at]))
    }

    /// Waits for the end of rclone, and returns what is missing in the listing.
    ///
    /// # Errors
    /// If the listing is not whole, for another reason than single names that can't be listed.
    fn missing(&mut self) -> io::Result<Vec<Gap>> {
        let status = self.running.wait(ENDS, |said| said.status)?;
        let (messages, reason) = {
            let mut said = self.running.said();
            (std::mem::take(&mut said.messages), said.reason(&self.rclone.settings.program))
        };
        let gaps: BTreeMap<Vec<u8>, Gap> =
            messages.iter().filter_map(|message| self.gap(message)).map(|gap| (gap.key.clone(), gap)).collect();
        let wanted = |gap: &Gap| {
            let folder = [&gap.key[..], b"/"].concat();
            self.is_entered(if gap.is_folder { &folder } else { &gap.key })
        };
        match status {
            Some(0) if self.is_whole => {}
            Some(0) => return Err(self.rclone.failed(ErrorKind::UnexpectedEof, "rclone ended in the middle of the listing")),
            Some(3) if self.count == 0 && gaps.is_empty() => self.check_root()?,
            // A failure that concerns everything is told for each folder, too.
            Some(status) if TOLD.contains(&status) && !gaps.is_empty() => self.check_root()?,
            _ => {
                let refused = Refused::new(&reason.to_string());
                let kind = if reason.kind() == ErrorKind::Other { refused.kind } else { reason.kind() };
                let error = Refused { kind, reason: reason.to_string() };
                return Err(error.named(&self.rclone.url));
            }
        }
        Ok(gaps.into_values().filter(wanted).collect())
    }

    /// Checks that the remote still lists the root.
    fn check_root(&self) -> io::Result<()> {
        let mut parameters = self.rclone.about("");
        parameters["opt"] = json!({ "noModTime": true, "noMimeType": true });
        let listed = self.rclone.ask("operations/list", &parameters)?;
        listed.map(drop).map_err(|refused| refused.named(&self.rclone.url))
    }

    /// Returns the gap that a message is about: rclone says what it could not list, or left out.
    fn gap(&self, message: &Message) -> Option<Gap> {
        let object = message.object.as_deref().filter(|object| !object.is_empty())?;
        let text = &message.text;
        let left_out = ["ignoring", "skipping", "Skipping", "undecryptable", "Odd name"].iter().any(|words| text.contains(words));
        // A marker of the folder itself.
        if !(message.is_error || left_out) || text.contains("same as directory") || text.contains("symlink") {
            return None;
        }
        let key = format!("{}{object}", self.prefix).into_bytes();
        let reason = format!("rclone: {}", shown(text));
        Some(Gap { key, is_folder: message.is_folder || check_path(object.as_bytes()).is_err(), reason })
    }
}
