//! The three roots: an option each, or else an environment variable. A variable that is empty counts as not set.

use crate::error::{Error, Result};
use crate::storage::Location;
use std::ffi::OsString;

macro_rules! root {
    ($name:ident, $field:ident, $flag:literal, $env:literal, $what:literal) => {
        #[doc = concat!("`--", $flag, "`: ", $what)]
        #[derive(clap::Args, Clone, Debug)]
        pub struct $name {
            #[doc = concat!($what, " [env: ", $env, "]")]
            #[arg(long, value_name = "ROOT")]
            pub $field: Option<OsString>,
        }

        impl $name {
            /// The root, if the option or the variable gives one.
            pub fn get(&self) -> Result<Option<Location>> {
                let from_env = || std::env::var_os($env).filter(|v| !v.is_empty());
                match self.$field.clone().or_else(from_env) {
                    Some(root) => Location::parse(&root, concat!("--", $flag)).map(Some),
                    None => Ok(None),
                }
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

root!(FileRoot, file_root, "file-root", "FILE_ROOT", "file root, the folder backed up");
root!(HeapRoot, heap_root, "heap-root", "HEAP_ROOT", "heap root, where contents are kept");
root!(SnapRoot, snap_root, "snap-root", "SNAP_ROOT", "snap root, where snapshots are kept");
