//! The three roots, the options of their storages, and the limit for the network. Each has a command-line option, or else an
//! environment variable. An empty variable counts as not set.

use super::{Console, records_in};
use crate::base::Base;
use crate::display::printable;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::snapshot::{self, Opened, Place};
use crate::storage::traffic::{self, Rate};
use crate::storage::{Location, Options, variable};
use clap::ArgMatches;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

macro_rules! root {
    ($name:ident, $root:ident, $options:ident, $word:literal, $variable:literal, $what:literal) => {
        #[doc = concat!("`--", $word, "-root`: the ", $word, " root, ", $what)]
        #[allow(missing_docs)] // clap shows the text of each option.
        #[derive(clap::Args, Clone, Debug)]
        pub struct $name {
            // clap's derive ignores a doc comment that a macro builds, so `help` has the text.
            #[arg(long, global = true, value_name = "ROOT", help_heading = "Roots",
                help = concat!("The ", $word, " root, ", $what, ": a path or a URL [env: ", $variable, "_ROOT]"))]
            pub $root: Option<OsString>,
            #[arg(long, global = true, value_name = "JSON", help_heading = "Roots", hide_short_help = true,
                help = concat!("Options for the storage of the ", $word, " root: a JSON object with fsspec's names, or @FILE [env: ", $variable, "_STORAGE_OPTIONS]"))]
            pub $options: Option<OsString>,
        }

        impl $name {
            /// Returns the text of the root, from the option or the variable.
            pub fn given(&self) -> Option<OsString> {
                self.$root.clone().or_else(|| variable(concat!($variable, "_ROOT")))
            }

            /// Returns the root; None if neither the option nor the variable gives one.
            ///
            /// # Errors
            /// If the given text is not a root.
            pub fn get(&self) -> Result<Option<Location>> {
                match self.given() {
                    Some(root) => Location::parse(&root, concat!("--", $word, "-root"), &self.options()?).map(Some),
                    None => Ok(None),
                }
            }

            /// Returns the options of its storage.
            ///
            /// # Errors
            /// If they are not a JSON object.
            pub fn options(&self) -> Result<Options> {
                let json = self.$options.clone().or_else(|| variable(concat!($variable, "_STORAGE_OPTIONS")));
                json.map_or_else(|| Ok(Options::default()), |json| Options::parse(&json, concat!("--", $word, "-storage-options")))
            }

            /// Returns the root.
            ///
            /// # Errors
            /// If no root is given, or the given text is not a root.
            pub fn require(&self) -> Result<Location> {
                self.get()?.ok_or_else(|| {
                    let help = concat!("give --", $word, "-root ROOT or set ", $variable, "_ROOT");
                    Error::advise(concat!("no ", $word, " root given"), help)
                })
            }
        }
    };
}

root!(FileRoot, file_root, file_storage_options, "file", "FILE", "the folder backed up");
root!(HeapRoot, heap_root, heap_storage_options, "heap", "HEAP", "where contents are kept");
root!(SnapRoot, snap_root, snap_storage_options, "snap", "SNAP", "where snapshots are kept");

/// The advice for tools that have to store.
pub const LASTING: &str = "give a heap root that lasts";
/// The advice for tools that can do without a heap.
pub const LASTING_OR_NONE: &str = "give a heap root that lasts, or --no-store to compute md5 only";

/// Returns a heap root to store in. The advice is for an error.
///
/// # Errors
/// If the heap ends with this process.
pub fn lasting(heap: Location, advice: &str) -> Result<Location> {
    match heap.ends_with_process() {
        true => Err(Error::advise(
            format!("{heap} is gone when this process ends, and the records would refer to what was in it"),
            advice,
        )),
        false => Ok(heap),
    }
}

/// All three roots.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Args, Clone, Debug)]
pub struct Roots {
    #[command(flatten)]
    pub file: FileRoot,
    #[command(flatten)]
    pub heap: HeapRoot,
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub network: Network,
}

/// The limit for the network.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Args, Clone, Debug)]
pub struct Network {
    /// Send and receive together at most BYTES per second over the network; k, M, G multiply by 1024 [env: LIMIT_RATE]
    #[arg(long, global = true, value_name = "BYTES", help_heading = "Roots")]
    pub limit_rate: Option<Rate>,
}

impl Network {
    /// Sets the limit that the user gave to a tool that has the option.
    ///
    /// # Errors
    /// If the variable is not a number of bytes.
    pub fn limit(given: &ArgMatches) -> Result<()> {
        let Ok(option) = given.try_get_one::<Rate>("limit_rate") else { return Ok(()) };
        let rate = match (option, variable("LIMIT_RATE")) {
            (Some(rate), _) => Some(*rate),
            (None, None) => None,
            (None, Some(text)) => {
                let shown = printable(text.as_bytes());
                let rate = text.to_string_lossy().parse();
                Some(rate.map_err(|e| Error::refused(format!("LIMIT_RATE: {shown}: {e}")))?)
            }
        };
        rate.into_iter().for_each(traffic::limit);
        Ok(())
    }
}

impl SnapRoot {
    /// Returns the snapshot that the user chose: `latest`, `latest~N`, `@TIME`, a path or a URL.
    ///
    /// # Errors
    /// If there is no such snapshot, or the snap root can't be listed.
    pub fn choose(&self, spec: &OsStr, console: &Console) -> Result<Place> {
        snapshot::choose(self.get()?.as_ref(), spec, &self.options()?, &mut |message| console.warn(message))
    }

    /// Opens a snapshot that the user chose, a file with a stream, or (for `-`) standard input. Returns its records in order, and
    /// the types that it covers if not all.
    ///
    /// # Errors
    /// If there is no such snapshot or file, or it can't be read.
    pub fn open(&self, spec: &OsStr, console: &Arc<Console>) -> Result<(Opened, Option<Vec<String>>)> {
        if spec == "-" {
            return snapshot::plain(records_in(None)?, &**console);
        }
        snapshot::any(&self.choose(spec, console)?, console.clone())
    }

    /// Returns the snapshot that `--base` names, or else the latest of the file root in the snap root. None if there is no such
    /// snapshot.
    ///
    /// # Errors
    /// If the named snapshot does not exist, or the snap root can't be listed.
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
