//! The part of a URL after `rclone://`.

use crate::display::printable;
use crate::error::{Error, Result};
use crate::storage::tree;

/// A folder of a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The name of a remote that is configured, or `:` and the name of a backend.
    name: String,
    /// The path: empty, or without a `/` at its end. With a `/` at its start it is absolute.
    path: String,
}

impl Remote {
    /// Reads `REMOTE/PATH`, or `REMOTE:PATH` as rclone writes it. With a `/` at the start of PATH, the path is absolute, where the
    /// remote makes a difference. REMOTE can be `:` and a backend that needs no settings, or has them in the environment.
    ///
    /// # Errors
    /// If it has no remote, settings in it, or a path that no folder can have.
    pub fn parse(scheme: &str, rest: &str) -> Result<Remote> {
        let refused = |reason: &str, help: &str| Err(Error::advise(format!("{scheme}://: {reason}"), help));
        let form = "write rclone://REMOTE/PATH, with the name of a remote that `rclone listremotes` shows";
        let start = rest.strip_prefix(':').map_or(0, |_| 1);
        let end = rest[start..].find([':', '/']).map_or(rest.len(), |at| at + start);
        let (name, path) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
        if rest.split('/').next().is_some_and(|first| first.contains([',', '='])) {
            let help = "others could see them: put them in the file of rclone, or in variables such as RCLONE_CONFIG_NAME_TYPE";
            return refused("the URL can't contain settings of a remote", help);
        }
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '@' | ' ');
        let bare = &name[start..];
        if bare.is_empty() || bare.starts_with(['-', ' ']) || bare.ends_with(' ') || !bare.chars().all(is_name) {
            return refused("the URL needs the name of a remote", form);
        }
        let trimmed = path.trim_end_matches('/');
        if trimmed.is_empty() && !path.is_empty() && &rest[end..] != "/" {
            return refused("the topmost folder can't be a root", "name a folder in it");
        }
        let remote = Remote { name: name.to_string(), path: trimmed.to_string() };
        let relative = trimmed.strip_prefix('/').unwrap_or(trimmed);
        if !relative.is_empty() {
            tree::check(relative.as_bytes())
                .map_err(|e| Error::refused(format!("{}: {e}", printable(remote.url().as_bytes()))))?;
        }
        Ok(remote)
    }

    /// Returns the URL.
    pub fn url(&self) -> String {
        match self.path.as_str() {
            "" => format!("rclone://{}", self.name),
            path => format!("rclone://{}/{path}", self.name),
        }
    }

    /// Returns the name that rclone has for a folder below this one; empty for this one.
    pub fn fs(&self, below: &str) -> String {
        match (self.path.as_str(), below) {
            ("", below) => format!("{}:{below}", self.name),
            (path, "") => format!("{}:{path}", self.name),
            (path, below) => format!("{}:{path}/{below}", self.name),
        }
    }

    /// Returns the path of an object for reading: `[REMOTE:FOLDER]/NAME`. rclone takes the first `]` for the end of the folder, so
    /// that folders with this character count as part of the name.
    pub fn content(&self, key: &str) -> String {
        let Some(odd) = self.path.find(']') else { return format!("[{}]/{key}", self.fs("")) };
        match self.path[..odd].rfind('/') {
            Some(0) => format!("[{}:/]/{}/{key}", self.name, &self.path[1..]),
            Some(at) => format!("[{}:{}]/{}/{key}", self.name, &self.path[..at], &self.path[at + 1..]),
            None => format!("[{}:]/{}/{key}", self.name, self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Result<Remote> {
        Remote::parse("rclone", rest)
    }

    #[test]
    fn a_url_is_a_remote_and_a_path() {
        for (rest, url, fs) in [
            ("cloud/a b/c", "rclone://cloud/a b/c", "cloud:a b/c"),
            ("cloud:a b/c/", "rclone://cloud/a b/c", "cloud:a b/c"),
            ("cloud", "rclone://cloud", "cloud:"),
            ("cloud/", "rclone://cloud", "cloud:"),
            ("cloud:", "rclone://cloud", "cloud:"),
            ("disk//srv/x", "rclone://disk//srv/x", "disk:/srv/x"),
            (":local:/tmp/x", "rclone://:local//tmp/x", ":local:/tmp/x"),
            (":local//tmp/x", "rclone://:local//tmp/x", ":local:/tmp/x"),
            (":memory:bucket", "rclone://:memory/bucket", ":memory:bucket"),
        ] {
            let remote = parse(rest).unwrap_or_else(|e| panic!("{rest}: {e}"));
            assert_eq!((remote.url().as_str(), remote.fs("").as_str()), (url, fs));
            // The name of an object is a URL, too.
            let below = parse(&format!("{}/k/l", &remote.url()["rclone://".len()..])).unwrap();
            assert_eq!(below.fs(""), remote.fs("k/l"));
        }
    }

    #[test]
    fn what_is_no_remote_or_has_secrets_is_refused_without_showing_them() {
        for bad in ["", "/a", ":", "::a", "-x/a", "a/../b", "a//", "a:/", ":ftp,host=h,pass=secret:a", "c,pass=secret:", "a/b//c"]
        {
            let e = parse(bad).map(|remote| remote.url()).expect_err(bad);
            assert!(!format!("{e} {:?}", e.help()).contains("secret"), "{bad}: {e}");
        }
    }

    #[test]
    fn brackets_in_folders_are_part_of_the_name() {
        for (rest, content) in [
            ("c/a", "[c:a]/k"),
            ("c", "[c:]/k"),
            ("c/a/x]y/z", "[c:a]/x]y/z/k"),
            ("c/x]y", "[c:]/x]y/k"),
            ("c//x]y", "[c:/]/x]y/k"),
            ("c//a/x]y", "[c:/a]/x]y/k"),
        ] {
            assert_eq!(parse(rest).unwrap().content("k"), content, "{rest}");
        }
    }
}
