//! The root that is restored to.

use crate::display::printable;
use crate::end::End;
use crate::error::{Error, OrFailed, Result};
use crate::rootdir::RootDir;
use crate::sort::Spool;
use crate::storage::Location;
use std::path::Path;

/// Whether the records were listed in another root than this.
pub fn is_of_another(spool: &Spool, root: &Location) -> bool {
    spool.end().and_then(|end| End::of(end).root).is_some_and(|listed| !root.is_called(&listed))
}

/// Opens the root; makes it first where it is missing, for its owner alone if it gets its mode at the end. In a dry run an empty
/// folder that is gone already stands in for it. Says whether it was made.
pub fn open(root: &Path, gets_mode: bool, dry_run: bool) -> Result<(RootDir, bool)> {
    use std::os::unix::fs::DirBuilderExt;
    let shown = || format!("file root {}", printable(root.as_os_str().as_encoded_bytes()));
    let is_missing = matches!(root.symlink_metadata(), Err(e) if e.kind() == std::io::ErrorKind::NotFound);
    if dry_run && is_missing {
        return Ok((RootDir::open(crate::files::temporary_folder()?.path())?, false));
    }
    if is_missing {
        std::fs::create_dir_all(root.parent().unwrap_or(root)).or_failed(shown)?;
        let mut builder = std::fs::DirBuilder::new();
        match builder.mode(if gets_mode { 0o700 } else { 0o777 }).create(root) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made.or_failed(shown)?,
        }
    }
    let opened = RootDir::open(root).map_err(|e| match e {
        Error::Io { source, .. } => Error::io(shown(), source),
        e => e,
    });
    Ok((opened?, is_missing))
}
