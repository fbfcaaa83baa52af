//! The three roots and the options of their storages: an option each, or else an environment variable. A variable that is empty counts as not set.

use crate::error::{Error, Result};
use crate::storage::{Location, Options, variable};
use std::ffi::OsString;

macro_rules! root {
    ($name:ident, $field:ident, $flag:literal, $env:literal, $root:literal, $what:literal, $ofield:ident, $oflag:literal, $oenv:literal) => {
        #[doc = concat!("`--", $flag, "`: ", $what)]
        #[allow(missing_docs)] // clap shows the text of each option.
        #[derive(clap::Args, Clone, Debug)]
        pub struct $name {
            // clap's derive does not see a doc comment that a macro puts together: `help` is told.
            #[arg(long, value_name = "ROOT", help_heading = "Roots", help = concat!("The ", $what, ": a path or a URL [env: ", $env, "]"))]
            pub $field: Option<OsString>,
            #[arg(long, value_name = "JSON", help_heading = "Roots", hide_short_help = true,
                help = concat!("How to reach the ", $root, ": a JSON object of fsspec's names, or @FILE with one [env: ", $oenv, "]"))]
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
                    Error::advise(concat!("no ", $what, " given"), concat!("give --", $flag, " ROOT or set ", $env))
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
