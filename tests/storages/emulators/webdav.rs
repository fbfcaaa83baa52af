//! WebDAV: wsgidav and rclone. Both want a password.

use super::process::Running;
use super::{Emulator, Planted, Root, command, folder, installed, local_only, unique};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The login of both.
pub const USER: &str = "someone";
pub const PASSWORD: &str = "rightsecret";

/// A server that speaks WebDAV of a folder.
pub struct WebDav {
    name: &'static str,
    running: Running,
}

/// wsgidav, the one of this process.
pub fn wsgidav() -> Option<&'static WebDav> {
    static ONE: OnceLock<WebDav> = OnceLock::new();
    (!local_only("wsgidav")).then(|| ONE.get_or_init(|| start_wsgidav("wsgidav", false)))
}

/// wsgidav that takes a login only by Digest, the one of this process.
pub fn wsgidav_with_digest() -> Option<&'static WebDav> {
    static ONE: OnceLock<WebDav> = OnceLock::new();
    (!local_only("wsgidav")).then(|| ONE.get_or_init(|| start_wsgidav("wsgidav-digest", true)))
}

fn start_wsgidav(name: &'static str, digest: bool) -> WebDav {
    let arguments = |folder: &Path, port: u16| {
        let config = json!({
            "host": "127.0.0.1",
            "port": port,
            "server": "cheroot",
            "provider_mapping": {"/": served(folder)},
            "http_authenticator": {"accept_basic": !digest, "accept_digest": digest, "default_to_digest": digest},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
        });
        let path = folder.join("wsgidav.json");
        fs::write(&path, config.to_string()).expect("write the configuration");
        let server = installed("venv/bin/wsgidav").display().to_string();
        vec![server, "--config".to_string(), path.display().to_string()]
    };
    WebDav { name, running: Running::start(name, arguments) }
}

/// rclone, the one of this process.
pub fn rclone() -> Option<&'static WebDav> {
    static ONE: OnceLock<WebDav> = OnceLock::new();
    let arguments = |folder: &Path, port: u16| {
        let (program, served, address) = (command("rclone"), served(folder), format!("127.0.0.1:{port}"));
        let (program, served) = (program.display().to_string(), served.display().to_string());
        // It remembers folders for five minutes otherwise, and does not see what tests plant.
        let options = ["--dir-cache-time", "0", "--user", USER, "--pass", PASSWORD];
        let all = [&program, "serve", "webdav", &served, "--addr", &address].into_iter().chain(options);
        all.map(String::from).collect()
    };
    let start = || WebDav { name: "rclone", running: Running::start("rclone", arguments) };
    (!local_only("rclone serve webdav")).then(|| ONE.get_or_init(start))
}

fn served(folder: &Path) -> PathBuf {
    let served = folder.join("served");
    fs::create_dir_all(&served).expect("make a folder");
    served
}

impl WebDav {
    /// The files of a root.
    pub fn folder(&self, root: &Root) -> PathBuf {
        folder::folder_of(&served(&self.running.folder), root)
    }
}

impl Emulator for WebDav {
    fn name(&self) -> &'static str {
        self.name
    }

    fn port(&self) -> u16 {
        self.running.port
    }

    fn make(&self, root: &Root) {
        fs::create_dir(self.folder(root)).expect("make a folder");
    }

    fn missing(&self) -> Root {
        let container = unique();
        let options = json!({"auth": [USER, PASSWORD]}).to_string();
        let url = format!("webdav://127.0.0.1:{}/{container}", self.running.port);
        Root { url, options, container, prefix: String::new() }
    }

    fn denied(&self, root: &Root) -> Option<Root> {
        Some(Root { options: root.options.replace(PASSWORD, "wrongsecret"), ..root.clone() })
    }

    fn plant(&self, root: &Root, objects: &[Planted]) {
        folder::plant(&self.folder(root), objects);
    }

    fn there(&self, root: &Root) -> BTreeMap<Vec<u8>, Vec<u8>> {
        folder::there(&self.folder(root))
    }
}
