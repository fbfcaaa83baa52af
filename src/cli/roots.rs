//! The three roots and the options of their storages: an option each, or else an environment variable. A variable that is empty counts as not set.

use super::Console;
use crate::base::Base;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::snapshot::{self, Place};
use crate::storage::{Location, Options, variable};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

macro_rules! root {
    ($name:ident, $field:ident, $flag:literal, $env:literal, $root:literal, $what:literal, $ofield:ident, $oflag:literal, $oenv:literal) => {
        #[doc = concat!("`--", $flag, "`: ", $what)]
        #[allow(missing_docs)] // clap shows the text of each option.
        #[derive(clap::Args, Clone, Debug)]
        pub struct $name {
            // clap's derive does not see a doc comment that a macro puts together: `help` is told.
            #[arg(long, global = true, value_name = "ROOT", help_heading = "Roots", help = concat!("The ", $what, ": a path or a URL [env: ", $env, "]"))]
            pub $field: Option<OsString>,
            #[arg(long, global = true, value_name = "JSON", help_heading = "Roots", hide_short_help = true,
                help = concat!("Options for the storage of the ", $root, ": a JSON object with fsspec's names, or @FILE [env: ", $oenv, "]"))]
            pub $ofield: Option<OsString>,
        }

        impl $name {
            /// The root, if the option or the variable gives one.
            pub fn get(&self) -> Result<Option<Location>> {
                match self.$field.clone().or_else(|| variable($env)) {
                    Some(root) => Location::parse(&root, concat!("--", $flag), &self.options()?).map(Some),
                    None => Ok(None),
                }
            }

            /// The options of its storage.
            ///
            /// # Errors
            /// If they are no JSON object.
            pub fn options(&self) -> Result<Options> {
                let text = self.$ofield.clone().or_else(|| variable($oenv));
                text.map_or_else(|| Ok(Options::default()), |text| Options::parse(&text, concat!("--", $oflag)))
            }

            /// The root.
            ///
            /// # Errors
            /// If none is given, or what is given is no root.
            pub fn require(&self) -> Result<Location> {
                self.get()?.ok_or_else(|| {
                    Error::advise(concat!("no ", $root, " given"), concat!("give --", $flag, " ROOT or set ", $env))
                })
            }

            /// Whether the option itself was given, not only the variable.
            pub fn is_explicit(&self) -> bool {
                self.$field.is_some()
            }
        }
    };
}

root!(
    FileRoot,
    file_root,
    "file-root",
    "FILE_ROOT",
    "file root",
    "file root, the folder backed up",
    file_storage_options,
    "file-storage-options",
    "FILE_STORAGE_OPTIONS"
);
root!(
    HeapRoot,
    heap_root,
    "heap-root",
    "HEAP_ROOT",
    "heap root",
    "heap root, where contents are kept",
    heap_storage_options,
    "heap-storage-options",
    "HEAP_STORAGE_OPTIONS"
);
root!(
    SnapRoot,
    snap_root,
    "snap-root",
    "SNAP_ROOT",
    "snap root",
    "snap root, where snapshots are kept",
    snap_storage_options,
    "snap-storage-options",
    "SNAP_STORAGE_OPTIONS"
);

impl SnapRoot {
    /// The snapshot that a word names: `latest`, `latest~N`, `@TIME`, a path or a URL.
    ///
    /// # Errors
    /// If there is none, or the snap root can't be listed.
    pub fn choose(&self, spec: &OsStr, console: &Console) -> Result<Place> {
        snapshot::choose(self.get()?.as_ref(), spec, &self.options()?, &mut |message| console.warn(message))
    }

    /// The snapshot that `--base` names, or else the latest of the file root in the snap root. None where there is none.
    ///
    /// # Errors
    /// If what was named is not there, or the snap root can't be listed.
    pub fn base(&self, named: Option<&OsStr>, file_root: Option<&Location>, console: &Arc<Console>) -> Result<Option<Base>> {
        let place = match (named, self.get()?) {
            (Some(spec), _) => Some(self.choose(spec, console)?),
            (None, Some(root)) => {
                let file_root = file_root.map(Location::identity).unwrap_or_default();
                snapshot::base(&root, &file_root, &mut |message| console.warn(message))?.map(|found| found.place)
            }
            (None, None) => None,
        };
        place.map(|place| Base::open(place, console.clone())).transpose()
    }
}
