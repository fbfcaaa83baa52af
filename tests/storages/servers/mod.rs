//! Servers of folders, SFTP and WebDAV, that lie, refuse a part, or go away: what is stored is there, what is listed is all, and
//! what fails is told by name.

mod http;
mod keys;
mod rclone;
mod roots;
mod sftp;
mod webdav;

use crate::util::{Done, World};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A world whose `ssh` runs the SFTP server here, and not always as it should.
pub struct Sftp {
    pub world: World,
}

impl Sftp {
    /// With these lies.
    pub fn that(lies: &str) -> Sftp {
        let mut world = World::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storages/servers/ssh.py");
        fs::create_dir(world.path("bin")).expect("make a folder");
        fs::copy(script, world.path("bin/ssh")).expect("copy the script");
        // Whoever the server runs as.
        for open in ["", "bin"] {
            fs::set_permissions(world.path(open), fs::Permissions::from_mode(0o755)).expect("change the mode");
        }
        fs::set_permissions(world.path("bin/ssh"), fs::Permissions::from_mode(0o755)).expect("change the mode");
        let path = world.sh("printf %s \"$PATH\"").ok().out();
        world.set("PATH", format!("{}:{path}", world.path("bin").display()));
        world.set("LIE", lies);
        world.set("SSH_LOG", world.path("tmp/logins"));
        Sftp { world }
    }

    /// The URL of a folder of the world.
    pub fn url(&self, folder: &str) -> String {
        format!("sftp://me@there{}", self.world.path(folder).display())
    }

    /// Sets a root to a folder of the world behind the server.
    pub fn root(mut self, root: &str, folder: &str) -> Sftp {
        let url = self.url(folder);
        self.world.set(root, url);
        self
    }

    /// How often somebody logged in.
    pub fn logins(&self) -> usize {
        fs::read_to_string(self.world.path("tmp/logins")).map_or(0, |text| text.lines().count())
    }
}

/// The names of the records of one type.
pub fn names(done: &Done, kind: &str) -> Vec<String> {
    let record = |line: &String| serde_json::from_str::<serde_json::Value>(line).expect("a record");
    let all = done.lines().iter().map(record).filter(|r| r["type"] == kind).collect::<Vec<_>>();
    all.iter().map(|r| r["name"].as_str().expect("a name").to_string()).collect()
}

/// What the end record says of a key.
pub fn end(done: &Done, key: &str) -> serde_json::Value {
    let last = done.lines().pop().expect("an end record");
    let end: serde_json::Value = serde_json::from_str(&last).expect("a record");
    assert_eq!(end["type"], "end", "{last}");
    end[key].clone()
}

/// The lines of stderr that are no notes.
pub fn complaints(done: &Done) -> usize {
    done.err().lines().filter(|line| !line.starts_with(' ')).count()
}

/// A file whose name is Latin-1.
pub fn put_latin1(folder: &Path) {
    fs::write(folder.join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "x").expect("write a file");
}

/// A folder that nobody else may open.
pub fn close(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(if is_root() { 0o700 } else { 0 })).expect("change the mode");
}

/// Opens it again, so that it can be removed.
pub fn reopen(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("change the mode");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Begins a command of the shell that runs as somebody for whom modes count.
pub fn as_user() -> &'static str {
    if is_root() { "setpriv --reuid=65534 --regid=65534 --clear-groups " } else { "" }
}
