//! The options of a tool that publishes a snapshot of another time than now: a copy or a correction of an older one.

#![allow(missing_docs)] // clap shows the text of each option.

use super::{Console, SnapRoot};
use crate::display::printable;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::snapshot::{self, Place};
use crate::storage::Options;
use crate::time::{self, Time};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// The snapshot to copy or correct, and the time of the new one.
#[derive(clap::Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("dated").args(["like", "time"]).multiple(true))]
pub struct Like {
    /// Take time and label from SNAPSHOT: latest, latest~N or @TIME of the snap root, or a path or URL of any
    #[arg(long, value_name = "SNAPSHOT")]
    pub like: Option<OsString>,
    /// Options for the storage of the --like snapshot, as for a root [default: those of the snap root]
    #[arg(long, value_name = "JSON", requires = "like", help_heading = "Roots", hide_short_help = true)]
    pub like_storage_options: Option<OsString>,
    /// Give the snapshot this time: RFC 3339, or a date
    #[arg(long, value_name = "TIME")]
    pub time: Option<OsString>,
    /// Publish the snapshot in the place of one of the same time
    #[arg(long, requires = "dated")]
    pub replace: bool,
}

impl Like {
    /// Returns the snapshot of `--like`.
    ///
    /// # Errors
    /// If there is no such snapshot.
    pub fn place(&self, snap: &SnapRoot, console: &Console) -> Result<Option<Place>> {
        let Some(like) = &self.like else { return Ok(None) };
        let options = match &self.like_storage_options {
            Some(json) => Options::parse(json, "--like-storage-options")?,
            None => snap.options()?,
        };
        let warn = &mut |message: &str| console.warn(message);
        snapshot::choose(snap.get()?.as_ref(), like, &options, warn).map(Some)
    }

    /// Returns the time to give to the snapshot; None for now. `like` is the snapshot of `--like`.
    ///
    /// # Errors
    /// If the text is not a time, or the name of the other snapshot has none.
    pub fn time(&self, like: Option<&Place>) -> Result<Option<Time>> {
        if let Some(text) = &self.time {
            let shown = printable(text.as_bytes());
            let text = text.to_str().unwrap_or_default();
            let time = time::parse_human(text.strip_prefix('@').unwrap_or(text)).ok_or_else(|| {
                Error::advise(
                    format!("--time: {shown}: not a time"),
                    "times look like 2026-11-23, 2026-11-23T04:49 or 2026-11-23T04:49:00Z",
                )
            });
            return time.map(Some);
        }
        let Some(like) = like else { return Ok(None) };
        let time = snapshot::time_of(like.file_name());
        let none = || Error::advise(format!("--like: {like}: there is no time in its name"), "give the time with --time");
        time.ok_or_else(none).map(Some)
    }
}
