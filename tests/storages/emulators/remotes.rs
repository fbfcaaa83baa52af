//! Remotes of rclone: a folder, an encrypted folder, and those that reach another emulator.

use super::process::Scratch;
use super::s3::Moto;
use super::webdav::{PASSWORD, USER};
use super::{Emulator, Planted, Root, command, folder, moto, unique, wsgidav};
use crate::storages::emulators::webdav::WebDav;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// A remote in a configuration file of its own.
pub struct Remote {
    name: &'static str,
    /// The folder of the configuration file and, for some, of the files.
    folder: Scratch,
    behind: Behind,
}

/// What has the objects.
enum Behind {
    Folder,
    /// It is asked with rclone, too, because nothing else can decrypt.
    Crypt,
    WebDav(&'static WebDav),
    S3(&'static Moto),
}

/// A folder of this machine.
pub fn rclone_local() -> &'static Remote {
    static ONE: OnceLock<Remote> = OnceLock::new();
    ONE.get_or_init(|| Remote::new("rclone-local", Behind::Folder))
}

/// A folder of this machine with encrypted contents and names.
pub fn rclone_crypt() -> &'static Remote {
    static ONE: OnceLock<Remote> = OnceLock::new();
    ONE.get_or_init(|| Remote::new("rclone-crypt", Behind::Crypt))
}

/// wsgidav behind rclone.
pub fn rclone_webdav() -> Option<&'static Remote> {
    static ONE: OnceLock<Remote> = OnceLock::new();
    let server = wsgidav()?;
    Some(ONE.get_or_init(|| Remote::new("rclone-webdav", Behind::WebDav(server))))
}

/// moto behind rclone.
pub fn rclone_s3() -> Option<&'static Remote> {
    static ONE: OnceLock<Remote> = OnceLock::new();
    let server = moto()?;
    Some(ONE.get_or_init(|| Remote::new("rclone-s3", Behind::S3(server))))
}

/// Returns a password as rclone writes it into its configuration.
fn obscured(password: &str) -> String {
    let output = Command::new(command("rclone")).args(["obscure", password]).output().expect("run rclone");
    String::from_utf8(output.stdout).expect("a text").trim().to_string()
}

impl Remote {
    fn new(name: &'static str, behind: Behind) -> Remote {
        let folder = Scratch::new("remotes");
        let remote = Remote { name, folder, behind };
        remote.write("rclone.conf", PASSWORD);
        remote.write("denied.conf", "wrongsecret");
        std::fs::create_dir(remote.files()).expect("make a folder");
        // Version 1.60 can't use S3 if this variable is set.
        let script = format!("#!/bin/sh\nunset AWS_CA_BUNDLE\nexec {} \"$@\"\n", command("rclone").display());
        std::fs::write(remote.folder.path.join("rclone"), script).expect("write a script");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(remote.folder.path.join("rclone"), executable).expect("change the mode");
        remote
    }

    fn write(&self, file: &str, password: &str) {
        let files = self.files().display().to_string();
        let text = match &self.behind {
            Behind::Folder => "[it]\ntype = local\n".to_string(),
            Behind::Crypt => format!("[it]\ntype = crypt\nremote = {files}\npassword = {}\n", obscured("opensesame")),
            Behind::WebDav(server) => format!(
                "[it]\ntype = webdav\nvendor = other\nurl = http://127.0.0.1:{}\nuser = {USER}\npass = {}\n",
                server.port(),
                obscured(password)
            ),
            Behind::S3(server) => format!(
                "[it]\ntype = s3\nprovider = Other\naccess_key_id = test\nsecret_access_key = testtest\nregion = us-east-1\n\
                 endpoint = http://127.0.0.1:{}\n",
                server.port()
            ),
        };
        std::fs::write(self.folder.path.join(file), text).expect("write the configuration");
    }

    fn files(&self) -> PathBuf {
        self.folder.path.join("files")
    }

    /// The files of a root, where they are files of this machine.
    pub fn path(&self, root: &Root) -> PathBuf {
        folder::folder_of(&self.files(), root)
    }

    fn rclone(&self, arguments: &[&str], root: &Root) -> Command {
        let mut rclone = Command::new(command("rclone"));
        rclone.args(arguments).arg("--config").arg(self.folder.path.join("rclone.conf"));
        rclone.arg(format!("it:{}/{}", root.container, root.prefix));
        rclone
    }
}

impl Emulator for Remote {
    fn name(&self) -> &'static str {
        self.name
    }

    fn port(&self) -> u16 {
        0
    }

    fn make(&self, root: &Root) {
        match &self.behind {
            Behind::Folder => std::fs::create_dir(self.path(root)).expect("make a folder"),
            Behind::Crypt => assert!(self.rclone(&["mkdir"], root).status().expect("run rclone").success()),
            Behind::WebDav(server) => server.make(root),
            Behind::S3(server) => server.make(root),
        }
    }

    fn missing(&self) -> Root {
        let container = unique();
        let absolute = format!("rclone://it/{}/{container}", self.files().display());
        let url = if matches!(self.behind, Behind::Folder) { absolute } else { format!("rclone://it/{container}") };
        let in_it = |name: &str| self.folder.path.join(name);
        let options = json!({"config": in_it("rclone.conf"), "program": in_it("rclone")}).to_string();
        Root { url, options, container, prefix: String::new() }
    }

    fn denied(&self, root: &Root) -> Option<Root> {
        let is_checked = matches!(self.behind, Behind::WebDav(_));
        is_checked.then(|| Root { options: root.options.replace("rclone.conf", "denied.conf"), ..root.clone() })
    }

    fn plant(&self, root: &Root, objects: &[Planted]) {
        match &self.behind {
            Behind::Folder => folder::plant(&self.path(root), objects),
            Behind::Crypt => {
                let plain = tempfile::tempdir().expect("a folder");
                folder::plant(plain.path(), objects);
                let mut copy = Command::new(command("rclone"));
                copy.args(["copy", "--create-empty-src-dirs", "--config"]).arg(self.folder.path.join("rclone.conf"));
                copy.arg(plain.path()).arg(format!("it:{}/{}", root.container, root.prefix));
                assert!(copy.status().expect("run rclone").success());
            }
            Behind::WebDav(server) => server.plant(root, objects),
            Behind::S3(server) => server.plant(root, objects),
        }
    }

    fn there(&self, root: &Root) -> BTreeMap<Vec<u8>, Vec<u8>> {
        match &self.behind {
            Behind::Folder => folder::there(&self.path(root)),
            Behind::Crypt => {
                let plain = tempfile::tempdir().expect("a folder");
                let mut copy = self.rclone(&["copy"], root);
                assert!(copy.arg(plain.path()).status().expect("run rclone").success());
                folder::there(plain.path())
            }
            Behind::WebDav(server) => server.there(root),
            Behind::S3(server) => server.there(root),
        }
    }
}
