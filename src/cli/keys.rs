//! The keys for encrypted heaps. Each file has a command-line option, or else an environment variable.

use crate::encryption::Keys;
use crate::error::Result;
use crate::storage::variable;
use clap::ArgMatches;
use std::path::PathBuf;

/// The keys to read an encrypted heap and its snapshots.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Args, Clone, Debug)]
pub struct Identity {
    /// Decrypt with the identities in FILE, as age-keygen or ssh-keygen write them; repeatable [env: HEAP_IDENTITY]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Encryption")]
    pub identity_file: Vec<PathBuf>,
    /// The naming key of the encrypted heap is in FILE [env: HEAP_KEY_FILE] [default: HEAP.key in the state folder]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Encryption", hide_short_help = true)]
    pub heap_key_file: Option<PathBuf>,
}

/// The keys to write to an encrypted heap.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Args, Clone, Debug)]
pub struct Recipients {
    /// Encrypt to the recipients in FILE, one in each line: age or SSH public keys; a new heap becomes an encrypted one
    /// [env: HEAP_RECIPIENTS]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Encryption")]
    pub recipients_file: Option<PathBuf>,
    #[command(flatten)]
    pub identity: Identity,
}

/// Gives the process the keys that the user named, for a tool that has the options.
///
/// # Errors
/// If a file can't be read, or has something else.
pub fn give(given: &ArgMatches) -> Result<()> {
    let Ok(identities) = given.try_get_many::<PathBuf>("identity_file") else { return Ok(()) };
    let named = |name| given.try_get_one::<PathBuf>(name).ok().flatten();
    // Only tools that write have the option.
    let writes = given.try_get_one::<PathBuf>("recipients_file").is_ok();
    give_these(identities.into_iter().flatten(), named("recipients_file"), named("heap_key_file"), writes)
}

/// Gives the process the keys that the environment names.
///
/// # Errors
/// Those of [`give`].
pub fn give_from_variables() -> Result<()> {
    give_these(std::iter::empty(), None, None, true)
}

fn give_these<'a>(
    identities: impl Iterator<Item = &'a PathBuf>,
    recipients: Option<&PathBuf>,
    heap_key: Option<&PathBuf>,
    writes: bool,
) -> Result<()> {
    let or_variable = |named: Option<&PathBuf>, option: &'static str, name: &'static str| match named {
        Some(path) => Some((path.clone(), option)),
        None => variable(name).map(|path| (path.into(), name)),
    };
    let mut keys = Keys::none();
    let mut identities = identities.peekable();
    if let Some((path, called)) = or_variable(identities.peek().copied(), "--identity-file", "HEAP_IDENTITY") {
        keys = keys.with_identities(&path, called)?;
    }
    for path in identities.skip(1) {
        keys = keys.with_identities(path, "--identity-file")?;
    }
    if let Some((path, called)) = or_variable(recipients, "--recipients-file", "HEAP_RECIPIENTS").filter(|_| writes) {
        keys = keys.with_recipients(&path, called)?;
    }
    if let Some((path, called)) = or_variable(heap_key, "--heap-key-file", "HEAP_KEY_FILE") {
        keys = keys.with_heap_key(&path, called);
    }
    keys.give();
    Ok(())
}
