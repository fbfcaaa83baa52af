//! SFTP: OpenSSH's sshd with keys of its own, for the user who runs the tests.

use super::process::Running;
use super::{Emulator, Planted, Root, command, folder, local_only, unique};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// sshd, running.
pub struct Sshd {
    running: Running,
    user: String,
}

/// The one of this process.
pub fn sshd() -> Option<&'static Sshd> {
    static ONE: OnceLock<Sshd> = OnceLock::new();
    (!local_only("sshd")).then(|| ONE.get_or_init(Sshd::start))
}

impl Sshd {
    fn start() -> Sshd {
        let running = Running::start("sshd", |folder, port| {
            for key in ["host", "user", "wrongsecret"] {
                keygen(&folder.join(key));
            }
            fs::copy(folder.join("user.pub"), folder.join("authorized")).expect("copy a key");
            // On whatever port, because proxies have others. And nothing gets into the file of the user.
            let host = fs::read_to_string(folder.join("host.pub")).expect("a key");
            fs::write(folder.join("known"), format!("* {host}")).expect("write the known host");
            fs::create_dir(folder.join("served")).expect("make a folder");
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
        });
        let user = Command::new("id").arg("-un").output().expect("run id").stdout;
        Sshd { running, user: String::from_utf8_lossy(&user).trim().to_string() }
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

fn keygen(path: &Path) {
    let mut keygen = Command::new(command("ssh-keygen"));
    let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path).status().expect("run ssh-keygen");
    assert!(made.success(), "ssh-keygen");
}

impl Emulator for Sshd {
    fn name(&self) -> &'static str {
        "sshd"
    }

    fn port(&self) -> u16 {
        self.running.port
    }

    fn make(&self, root: &Root) {
        fs::create_dir(self.folder(root)).expect("make a folder");
    }

    fn missing(&self) -> Root {
        let container = unique();
        let (port, served) = (self.running.port, self.running.folder.join("served"));
        let url = format!("sftp://{}@127.0.0.1:{port}{}/{container}", self.user, served.display());
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
