//! The base that options ask for.

use super::{Console, SnapRoot};
use crate::base::Base;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::snapshot;
use crate::storage::Location;
use std::ffi::OsStr;
use std::sync::Arc;

/// The snapshot that `--base` names, or else the latest of the file root in the snap root. None where there is none.
///
/// # Errors
/// If what was named is not there, or the snap root can't be listed.
pub fn base(
    named: Option<&OsStr>,
    snap: &SnapRoot,
    file_root: Option<&Location>,
    console: &Arc<Console>,
) -> Result<Option<Base>> {
    let snap_root = snap.get()?;
    let place = match (named, &snap_root) {
        (Some(spec), root) => {
            Some(snapshot::choose(root.as_ref(), spec, &snap.options()?, &mut |message| console.warn(message))?)
        }
        (None, Some(root)) => {
            let file_root = file_root.map(|r| r.identity()).unwrap_or_default();
            snapshot::base(root, &file_root, &mut |message| console.warn(message))?.map(|found| found.place)
        }
        (None, None) => None,
    };
    place.map(|place| Base::open(place, console.clone())).transpose()
}
