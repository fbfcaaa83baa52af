//! Uploads: rclone copies a file to the remote, which is then compared.

use super::Rclone;
use crate::digest::Md5;
use crate::error::named;
use crate::files;
use crate::storage::intake::Intake;
use crate::storage::runtime::block_on;
use crate::storage::store::{Body, Object, Put};
use crate::storage::{traffic, tree};
use serde_json::{Value, json};
use std::io::{self, ErrorKind, Write};

/// The number of bytes in which a stream is read.
const PIECE: usize = 256 << 10;

/// Does what [`crate::storage::Store::put`] promises.
pub fn put(rclone: &Rclone, key: &str, body: Body<'_>, how: &Put) -> io::Result<bool> {
    let (facts, spool) = (rclone.control()?.facts.clone(), rclone.spool()?);
    let there = rclone.look(key)?;
    if how.if_absent && there.is_some() {
        return Ok(false);
    }
    // A file and not a stream: rclone takes a short stream for whole if the connection breaks, and can't send it again.
    let temporary = |e: io::Error| named(&files::temporaries(), &e);
    let mut file = tempfile::NamedTempFile::new_in(spool).map_err(temporary)?;
    let mut intake = Intake::new(body);
    loop {
        let piece = intake.next(PIECE)?;
        if piece.is_empty() {
            break;
        }
        intake.check_so_far(how)?;
        file.write_all(&piece).map_err(temporary)?;
    }
    let (md5, size) = intake.check(how)?;
    let upload = Upload { rclone, folder: spool.display().to_string(), md5, size };
    let name = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut config = json!({ "IgnoreTimes": true });
    if facts.knows_inplace {
        config["Inplace"] = true.into();
    }
    if !facts.needs_temporary {
        // If nothing is there, rclone need not look again.
        config["NoCheckDest"] = there.is_none().into();
        upload.copy(&name, key, config)?;
        return upload.compare(key).map(|()| true);
    }
    let temp = tree::temp_beside(&format!("/{key}"));
    let temp = temp.trim_start_matches('/');
    config["NoCheckDest"] = true.into();
    let done = upload.copy(&name, temp, config).and_then(|()| {
        if there.is_some() {
            // What is there is deleted by the move.
            upload.compare(temp)?;
        }
        upload.rename(temp, key, there.is_none())?;
        upload.compare(key)
    });
    if done.is_err() {
        // If this fails, the name still shows that the file is a leftover.
        drop(rclone.remove(temp));
    }
    done.map(|()| true)
}

/// A content on its way.
struct Upload<'a> {
    rclone: &'a Rclone,
    /// The folder with the file.
    folder: String,
    md5: Md5,
    size: u64,
}

impl Upload<'_> {
    fn ask(&self, command: &str, parameters: &Value) -> io::Result<()> {
        let done = self.rclone.ask(command, parameters)?;
        done.map(drop).map_err(|refused| refused.named(&self.rclone.url))
    }

    /// Copies the file to the remote.
    fn copy(&self, file: &str, key: &str, config: Value) -> io::Result<()> {
        block_on(traffic::turn(usize::try_from(self.size).unwrap_or(usize::MAX)))?;
        let parameters = json!({
            "srcFs": self.folder,
            "srcRemote": file,
            "dstFs": self.rclone.remote.fs(""),
            "dstRemote": key,
            "_config": config,
        });
        self.ask("operations/copyfile", &parameters)
    }

    /// Gives the upload its name.
    fn rename(&self, temp: &str, key: &str, is_new: bool) -> io::Result<()> {
        let fs = self.rclone.remote.fs("");
        let parameters = json!({
            "srcFs": fs,
            "srcRemote": temp,
            "dstFs": fs,
            "dstRemote": key,
            "_config": { "IgnoreTimes": true, "NoCheckDest": is_new },
        });
        self.ask("operations/movefile", &parameters)
    }

    /// Checks that the object is there, as rclone claims.
    fn compare(&self, key: &str) -> io::Result<()> {
        let there = match self.rclone.look(key)? {
            None => "nothing",
            Some(Object { size, .. }) if size != self.size => "another size",
            Some(Object { md5: Some(md5), .. }) if md5 != self.md5 => "another md5",
            Some(_) => return Ok(()),
        };
        let reason = format!("rclone claims to have put it there, but {there} is there");
        Err(self.rclone.failed(ErrorKind::InvalidData, &reason))
    }
}
