//! `snap-heapify`: stores contents and adds their md5 to the records.

use crate::cli::args::{Jobs, Level, Out};
use crate::cli::progress::Report;
use crate::cli::{self, Console, LASTING_OR_NONE, Output, Recipients, Roots, work};
use crate::error::Error;
use crate::heap::{Cache, Heap};
use crate::heapify::{self, Options};
use crate::source::{self, Source};
use anyhow::Result;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Store contents that the heap lacks, and add their md5 to the records
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-heapify", version)]
pub struct Args {
    /// Read records from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub roots: Roots,
    #[command(flatten)]
    pub keys: Recipients,
    /// Use the md5 from this snapshot for files that did not change [default: the latest of the snap root]
    #[arg(short, long, value_name = "SNAPSHOT", conflicts_with = "no_base")]
    pub base: Option<OsString>,
    /// Read every file, even if it did not change since an earlier snapshot
    #[arg(long)]
    pub no_base: bool,
    /// Compute md5 only, without storing contents; no heap is needed
    #[arg(short, long)]
    pub no_store: bool,
    /// Read and compress, but store nothing: print a row for each content that would be stored, and sum up on stderr
    #[arg(long, conflicts_with_all = ["no_store", "heap_cache_file"])]
    pub dry_run: bool,
    /// Decompress and check every existing object, and replace damaged ones
    #[arg(long, conflicts_with = "no_store")]
    pub verify_existing: bool,
    #[command(flatten)]
    pub level: Level,
    /// Read files even if the storage gives their md5, unless the base has it
    #[arg(long)]
    pub verify_md5: bool,
    /// Also record the tags of each object, with one more request per object
    #[arg(long)]
    pub object_tags: bool,
    /// Access lists are not recorded, and this says why.
    #[arg(long, hide = true)]
    pub object_acl: bool,
    /// Keep the list of objects in FILE, as the Python tool does; its contents are checked
    #[arg(long, value_name = "FILE")]
    pub heap_cache_file: Option<PathBuf>,
    #[command(flatten)]
    pub jobs: Jobs,
    #[command(flatten)]
    pub report: Report,
    #[command(flatten)]
    pub out: Out,
}

impl Args {
    /// Refuses what the file root does not have.
    fn check_objects(&self, source: &dyn Source) -> Result<()> {
        if self.object_acl {
            let help = "access is best given by a policy of the bucket; an option such as ACL of s3_additional_kwargs sets a list on \
                        what is restored";
            let reason = "--object-acl: access lists are not recorded, because they name accounts of the service";
            return Err(Error::advise(reason.to_string(), help).into());
        }
        if self.object_tags && !source.has_tags() {
            return Err(Error::refused(format!("--object-tags: {} keeps no tags of objects", source.location())).into());
        }
        Ok(())
    }
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let input = cli::records_in(args.input.as_deref())?;
    let file_root = args.roots.file.require()?;
    let source = source::open(&file_root)?;
    args.check_objects(&*source)?;
    let heap_root = if args.no_store { None } else { Some(cli::lasting(args.roots.heap.require()?, LASTING_OR_NONE)?) };
    let jobs = args.jobs.among(&[Some(&file_root), heap_root.as_ref()]);
    let open = if args.dry_run { Heap::dry } else { Heap::create };
    let heap = heap_root.map(|root| open(&root, args.level.level)).transpose()?.map(Arc::new);
    let cache = args.heap_cache_file.as_deref().map(Cache::load).transpose()?.map(Arc::new);
    let base = match args.no_base {
        true => None,
        false => args.roots.snap.base(args.base.as_deref(), Some(&file_root), &console)?,
    };
    let (verify_existing, verify_md5) = (args.verify_existing, args.verify_md5);
    let object_tags = args.object_tags;
    let options = Options { heap, base, verify_existing, verify_md5, object_tags, cache, jobs };
    console.show(&args.report);
    let output = Output::new(args.out.output.as_deref())?;
    Ok(output.write_all(work::worked(heapify::heapify(input, source, options, console)))?)
}
