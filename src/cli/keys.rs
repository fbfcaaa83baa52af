//! The keys for encrypted heaps. Each file has a command-line option, or else an environment variable.

use crate::encryption::{self, Given, KeyFile};
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

/// Gives the process the keys that the user named for a tool that has the options.
///
/// # Errors
/// If a file can't be read, or has something else.
pub fn give(given: &ArgMatches) -> Result<()> {
    let Ok(identities) = given.try_get_many::<PathBuf>("identity_file") else { return Ok(()) };
    let file = |name: &str, option, variable_name| {
        let named = given.try_get_one::<PathBuf>(name).ok().flatten().map(|path| KeyFile { path: path.clone(), option });
        named.or_else(|| variable(variable_name).map(|path| KeyFile { path: path.into(), option: variable_name }))
    };
    let mut files: Vec<KeyFile> =
        identities.into_iter().flatten().map(|path| identity(path.clone(), "--identity-file")).collect();
    if files.is_empty() {
        files.extend(variable("HEAP_IDENTITY").map(|path| identity(path.into(), "HEAP_IDENTITY")));
    }
    // Only tools that write have the option.
    let writes = given.try_get_one::<PathBuf>("recipients_file").is_ok();
    let recipients = file("recipients_file", "--recipients-file", "HEAP_RECIPIENTS").filter(|_| writes);
    let heap_key = file("heap_key_file", "--heap-key-file", "HEAP_KEY_FILE");
    encryption::give(encryption::Keys::read(&Given { recipients, identities: files, heap_key })?);
    Ok(())
}

fn identity(path: PathBuf, option: &'static str) -> KeyFile {
    KeyFile { path, option }
}
