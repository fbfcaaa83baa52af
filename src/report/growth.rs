//! The growth of a folder over its snapshots. The bytes of a snapshot stand in its records only, so each snapshot is read once.

use crate::error::Result;
use crate::monitor::Monitor;
use crate::name::Name;
use crate::record::Kind;
use crate::snapshot::{self, Found, Place};
use crate::storage::Location;
use crate::time::Time;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// A snapshot.
pub struct Point {
    pub time: Time,
    pub files: u64,
    pub bytes: u64,
    /// The bytes of the snapshot's own file.
    pub stored: u64,
}

/// The snapshots of a root.
pub struct Growth {
    /// Oldest first.
    pub points: Vec<Point>,
    /// The snapshots of other roots, and those from before a restore.
    pub skipped: u64,
    /// The snapshots that can't be read.
    pub failed: u64,
}

/// Reads the snapshots of a file root, and those that name no root. With None, all are read. Safety copies from before a restore
/// are skipped, and so is what `snap-put` stored, because neither is a state of the folder that a backup found.
///
/// A snapshot that can't be read is reported and counted.
///
/// # Errors
/// If the snap root can't be listed.
pub fn growth(root: &Location, of: Option<&str>, monitor: &Arc<dyn Monitor>) -> Result<Growth> {
    let mut growth = Growth { points: Vec::new(), skipped: 0, failed: 0 };
    for found in snapshot::list_to_read(root)?.into_iter().rev() {
        match point(&found, of, monitor) {
            Ok(Some(point)) => growth.points.push(point),
            Ok(None) => growth.skipped += 1,
            Err(e) => {
                growth.failed += 1;
                monitor.failure(&named(&found.place), &e.to_string());
            }
        }
    }
    Ok(growth)
}

fn named(place: &Place) -> Name {
    Name::new(place.as_given().into_vec())
}

/// Returns the facts of a snapshot; None if it is skipped.
fn point(found: &Found, of: Option<&str>, monitor: &Arc<dyn Monitor>) -> Result<Option<Point>> {
    if let Some(label) = snapshot::label(&found.place)? {
        let is_other = label.root.as_deref().zip(of).is_some_and(|(root, of)| root != of);
        if is_other || label.before_restore || label.put {
            return Ok(None);
        }
    }
    let mut point = Point { time: found.time, files: 0, bytes: 0, stored: found.place.size()? };
    for record in snapshot::read(&found.place, monitor.clone())? {
        let record = record?;
        if record.kind() == Kind::File {
            point.files += 1;
            point.bytes = point.bytes.saturating_add(record.fields().size.unwrap_or(0));
        }
    }
    Ok(Some(point))
}
