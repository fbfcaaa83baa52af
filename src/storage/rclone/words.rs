//! What rclone says, and what it means.

use crate::display::printable;
use crate::storage::LoginRefused;
use std::io::{self, ErrorKind};

/// The number of characters that are shown of a message of rclone.
const SHOWN: usize = 300;

/// The reason why rclone did not do something.
#[derive(Debug)]
pub struct Refused {
    /// The kind of error.
    pub kind: ErrorKind,
    /// What rclone said.
    pub reason: String,
}

/// Returns a message of rclone as one line, shortened, and without the queries of URLs, which can be credentials.
pub fn shown(message: &str) -> String {
    let mut out = String::new();
    let mut is_query = false;
    for c in message.trim().chars().take(4 * SHOWN) {
        let ends = c.is_whitespace() || matches!(c, '"' | '\'' | '>');
        if is_query && !ends {
            continue;
        }
        is_query = c == '?' && out.rsplit([' ', '"', '\'']).next().is_some_and(|word| word.contains("://"));
        out.push(c);
    }
    let short: String = out.chars().take(SHOWN).collect();
    printable(short.as_bytes())
}

/// Words of services that refuse a login.
const LOGIN: [&str; 15] = [
    "401 Unauthorized",
    "401 Not Authorized",
    "HTTP Error 401",
    "Error 401",
    "invalid_grant",
    "invalid_client",
    "couldn't fetch token",
    "InvalidAccessKeyId",
    "ExpiredToken",
    "expired_access_token",
    "Login incorrect",
    "530 ",
    "unable to authenticate",
    "AuthenticationFailed",
    "empty token found",
];

impl Refused {
    /// Reads a message.
    pub fn new(message: &str) -> Refused {
        let has = |words: &[&str]| words.iter().any(|words| message.contains(words));
        let kind = if message == "is a file not a directory" {
            ErrorKind::NotADirectory
        } else if has(&["is a directory not a file"]) {
            ErrorKind::IsADirectory
        } else if has(&["couldn't find method", "optional feature not implemented"]) {
            ErrorKind::Unsupported
        } else if has(&["object not found", "directory not found", "not a directory", "no such file", "NoSuchBucket"]) {
            ErrorKind::NotFound
        } else if has(&["file name too long", "invalid characters", "file name is too long"]) {
            ErrorKind::InvalidInput
        } else if has(&LOGIN) || has(&["permission denied", "AccessDenied", "403 Forbidden", "Forbidden"]) {
            ErrorKind::PermissionDenied
        } else if has(&["no space left", "insufficient storage", "storageQuotaExceeded", "quota"]) {
            ErrorKind::StorageFull
        } else if has(&["corrupted on transfer"]) {
            ErrorKind::InvalidData
        } else {
            ErrorKind::Other
        };
        let reason = match message {
            "didn't find section in config file" => "rclone knows no remote of this name (rclone listremotes)".to_string(),
            "is a file not a directory" => "it is a file, not a folder".to_string(),
            message if message.ends_with("directory not found") => "there is no such folder".to_string(),
            message if message.ends_with("object not found") => "not found".to_string(),
            message => shown(message),
        };
        Refused { kind, reason }
    }

    /// Returns the error, with what it is about.
    pub fn named(self, what: &str) -> io::Error {
        let text = format!("{}: {}", printable(what.as_bytes()), self.reason);
        match self.kind == ErrorKind::PermissionDenied && LOGIN.iter().any(|words| self.reason.contains(words)) {
            true => LoginRefused(text).into(),
            false => io::Error::new(self.kind, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_shown_without_credentials() {
        let said = shown("Get \"https://host/a?sig=secret&x=y\": EOF\nmore? yes");
        assert_eq!(said, "Get \"https://host/a?\": EOF\\nmore? yes");
        assert!(shown(&"x".repeat(1000)).len() == SHOWN);
    }

    #[test]
    fn refusals_are_told_apart() {
        for (message, kind, is_login) in [
            ("object not found", ErrorKind::NotFound, false),
            ("lstat /a/b: not a directory", ErrorKind::NotFound, false),
            ("is a file not a directory", ErrorKind::NotADirectory, false),
            ("read metadata failed: 401 Unauthorized", ErrorKind::PermissionDenied, true),
            ("open /a: permission denied", ErrorKind::PermissionDenied, false),
            ("couldn't find method \"operations/stat\"", ErrorKind::Unsupported, false),
        ] {
            let e = Refused::new(message).named("cloud:");
            assert_eq!((e.kind(), LoginRefused::is(&e)), (kind, is_login), "{message}");
        }
    }
}
