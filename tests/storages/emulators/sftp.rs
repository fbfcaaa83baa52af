//! SFTP with keys of its own: OpenSSH's sshd, for the user who runs the tests, and rclone, which says of hard links that it makes
//! them, and does not.

use super::process::Running;
use super::{Emulator, Planted, Root, command, folder, local_only, unique};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A server of a folder, running.
pub struct Sftp {
    name: &'static str,
    running: Running,
    /// The folder that it serves is this one to clients.
    shown: String,
    user: String,
}

/// sshd, the one of this process.
pub fn sshd() -> Option<&'static Sftp> {
    static ONE: OnceLock<Sftp> = OnceLock::new();
    (!local_only("sshd")).then(|| ONE.get_or_init(Sftp::sshd))
}

/// rclone, the one of this process.
pub fn rclone_sftp() -> Option<&'static Sftp> {
    static ONE: OnceLock<Sftp> = OnceLock::new();
    (!local_only("rclone serve sftp")).then(|| ONE.get_or_init(Sftp::rclone))
}

/// Keys, who may log in, and the folder to be served.
fn prepare(folder: &Path) {
    for key in ["host", "user", "wrongsecret"] {
        keygen(&folder.join(key));
    }
    fs::copy(folder.join("user.pub"), folder.join("authorized")).expect("copy a key");
    // On whatever port, because proxies have others. And nothing gets into the file of the user.
    let host = fs::read_to_string(folder.join("host.pub")).expect("a key");
    fs::write(folder.join("known"), format!("* {host}")).expect("write the known host");
    fs::create_dir(folder.join("served")).expect("make a folder");
}

impl Sftp {
    fn sshd() -> Sftp {
        let running = Running::start("sshd", openssh);
        let user = Command::new("id").arg("-un").output().expect("run id").stdout;
        let shown = running.folder.join("served").display().to_string();
        Sftp { name: "sshd", running, shown, user: String::from_utf8_lossy(&user).trim().to_string() }
    }

    fn rclone() -> Sftp {
        let running = Running::start("rclone-sftp", |folder, port| {
            prepare(folder);
            let in_it = |name: &str| folder.join(name).display().to_string();
            let (program, address) = (command("rclone").display().to_string(), format!("127.0.0.1:{port}"));
            let mut all = vec![program, "serve".into(), "sftp".into(), in_it("served"), "--addr".into(), address];
            // It remembers folders for five minutes otherwise, and does not see what tests plant.
            let options = ["--dir-cache-time", "0", "--key", &in_it("host"), "--authorized-keys", &in_it("authorized")];
            all.extend(options.map(String::from));
            all
        });
        Sftp { name: "rclone-sftp", running, shown: String::new(), user: "someone".to_string() }
    }

    fn options(&self, key: &str) -> String {
        let in_it = |name: &str| self.running.folder.join(name);
        json!({"key_filename": in_it(key), "known_hosts": in_it("known")}).to_string()
    }

    /// The files of a root.
    pub fn folder(&self, root: &Root) -> PathBuf {
        folder::folder_of(&self.running.folder.join("served"), root)
    }
}

/// The command of an OpenSSH server for the user who runs the tests, with its keys and its configuration in this folder.
pub fn openssh(folder: &Path, port: u16) -> Vec<String> {
    prepare(folder);
    // Where root starts it, it wants that folder to be there.
    let _ = fs::create_dir("/run/sshd");
    let in_it = |name: &str| folder.join(name).display().to_string();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
         UsePAM no\nPasswordAuthentication no\nMaxSessions 200\nMaxStartups 200\nSubsystem sftp internal-sftp\n",
        in_it("host"),
        in_it("authorized")
    );
    fs::write(folder.join("config"), config).expect("write the configuration");
    vec![command("sshd").display().to_string(), "-D".into(), "-e".into(), "-f".into(), in_it("config")]
}

fn keygen(path: &Path) {
    let mut keygen = Command::new(command("ssh-keygen"));
    let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path).status().expect("run ssh-keygen");
    assert!(made.success(), "ssh-keygen");
}

impl Emulator for Sftp {
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
        let url = format!("sftp://{}@127.0.0.1:{}{}/{container}", self.user, self.running.port, self.shown);
        Root { url, options: self.options("user"), container, prefix: String::new() }
    }

    fn denied(&self, root: &Root) -> Option<Root> {
        Some(Root { options: self.options("wrongsecret"), ..root.clone() })
    }

    fn plant(&self, root: &Root, objects: &[Planted]) {
        folder::plant(&self.folder(root), objects);
    }

    fn there(&self, root: &Root) -> BTreeMap<Vec<u8>, Vec<u8>> {
        folder::there(&self.folder(root))
    }
}
