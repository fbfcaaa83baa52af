//! Advice for errors: the options of the filters that lift a rule.

use crate::error::{Error, Refusal};

/// Returns the message of an error: the operations that failed, the outermost first, and the reason.
pub fn message(error: &anyhow::Error) -> String {
    let mut words = Vec::new();
    for cause in error.chain() {
        words.push(cause.to_string());
        // The text of this error includes its cause.
        if cause.is::<Error>() {
            break;
        }
    }
    words.join(": ")
}

/// Returns the advice for an error: the advice of the library, or else the option that lifts the rule.
pub fn advice(error: &anyhow::Error, options: fn(&Refusal) -> Option<String>) -> Option<String> {
    let error = error.downcast_ref::<Error>()?;
    error.help().map(str::to_string).or_else(|| options(error.refusal()))
}

/// Returns the options of the filters that lift a rule.
pub fn options(refusal: &Refusal) -> Option<String> {
    let text = match refusal {
        Refusal::RecordsFailed => "fix the cause and run again, or publish the rest with --partial",
        Refusal::NoEndRecord => {
            "let filters pass it (jq 'select(.type == \"end\" or ...)'), or accept the records as they are with --unterminated"
        }
        Refusal::LeftOut => "leave --whole off to publish what came, marked as filtered",
        Refusal::NoRecords => "is the disk mounted? --allow-empty publishes a snapshot without records",
        Refusal::DifferentListings => "--slices joins parts of one listing; without it, several listings are joined",
        Refusal::NoRules => "give one or more of --keep-last, --keep-daily and so on",
        Refusal::KeepsNone => "add a rule such as --keep-last 1, or delete the files by hand",
        Refusal::OtherSnapRoot { file } => {
            return Some(format!("give --snap-root for it as well; if it is gone for good, delete {file}"));
        }
        Refusal::HeapInUse => "make sure that no backup runs, and add --exclusive",
        Refusal::NoSnapRoot => "give --snap-root ROOT or set SNAP_ROOT",
        Refusal::HeapInFileRoot => "give snap-scan the heap root, too, so that it leaves it out: --heap-root or HEAP_ROOT",
        Refusal::IgnoreFiles => "leave --ignore-file off, and give their lines with --exclude or --exclude-from",
        Refusal::NoListing => "give the names with --files-from",
        Refusal::Xattrs => "leave --xattrs off",
        Refusal::FileSystems => "leave --one-file-system off",
        Refusal::SnapshotThere => "--replace publishes the new one in its place",
        Refusal::DeletesPut => "leave --delete off",
        Refusal::DeletesUnterminated => "pass the end record on: jq 'select(.type == \"end\" or …)'",
        Refusal::DeletesLaterVersion => "use that version, or leave --delete off",
        Refusal::DeletesFailed => "leave --delete off, or make a snapshot without errors",
        Refusal::DeletesFiltered => "leave --delete off, or add --delete-excluded",
        Refusal::DeletesShort => "leave --delete off for a selection of records; --delete-excluded deletes the others",
        Refusal::DeletesChanged => "leave --delete off for changed records; --delete-excluded deletes what they do not name",
        Refusal::DeletesTooMany { deleted } => {
            return Some(format!(
                "leave --delete off, or say how many files it may delete: --max-delete {deleted}, or --max-delete 100%"
            ));
        }
        Refusal::NoIdentity => "give --identity-file FILE or set HEAP_IDENTITY: the private key of one of the recipients",
        Refusal::WrongIdentity => "--identity-file has to name the private key of one of the recipients in encryption.json",
        Refusal::NoRecipients => "give --recipients-file FILE or set HEAP_RECIPIENTS: the public keys to encrypt to",
        Refusal::NotEncrypted => "use a new root for what is to be encrypted; snap-copy converts a heap",
        Refusal::NoHeapKey => {
            "copy the key file from the machine that made the heap, and give --heap-key-file FILE (HEAP_KEY_FILE), or give an identity"
        }
        Refusal::Other => return None,
    };
    Some(text.to_string())
}
