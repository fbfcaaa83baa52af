//! A server in a process of its own, which does not outlive the tests.

use crate::util::wait_for;
use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Starts a server (the arguments behind the first one) in a session of its own, and ends it when its standard input ends,
/// which is when the tests' process does, however it ends. sshd's children have sessions of their own. Then removes the
/// server's folder, the first argument.
const WATCHER: &str = r#"
folder=$1; shift
setsid "$@" </dev/null >"$folder/log" 2>&1 &
pid=$!
read -r _
children=$(grep -ls "^PPid:.$pid\$" /proc/[0-9]*/status | cut -d/ -f3)
kill -s KILL -- -$pid $pid $children
wait
rm -rf "$folder"
"#;

/// A server that runs as long as this process.
pub struct Running {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// A folder for it. It is removed after the server.
    pub folder: PathBuf,
    // Its standard input is what the watcher waits on.
    _watcher: Child,
}

impl Running {
    /// Starts what `arguments` says, given the folder and the port, and waits until it answers.
    pub fn start(name: &str, arguments: impl FnOnce(&Path, u16) -> Vec<String>) -> Running {
        let folder = tempfile::Builder::new().prefix(&format!("snapshooter-{name}-")).tempdir().expect("a folder").keep();
        let port = free_port();
        let mut command = Command::new("sh");
        command.args(["-c", WATCHER, "sh"]).arg(&folder).args(arguments(&folder, port));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &folder).env("TMPDIR", &folder).env("LC_ALL", "C.UTF-8").env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C at the terminal is not for the watcher.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let watcher = command.spawn().expect("start a shell");
        let running = Running { port, folder, _watcher: watcher };
        let answers = || TcpStream::connect_timeout(&running.address(), Duration::from_secs(5)).is_ok();
        let waited = std::panic::catch_unwind(|| wait_for(name, answers));
        assert!(waited.is_ok(), "{name} does not answer:\n{}", running.log());
        running
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }
}

/// A folder that is removed when this process ends, however it ends.
pub struct Scratch {
    /// Its path.
    pub path: PathBuf,
    // Its standard input is what the watcher waits on.
    _watcher: Child,
}

impl Scratch {
    /// Makes a folder.
    pub fn new(name: &str) -> Scratch {
        let path = tempfile::Builder::new().prefix(&format!("snapshooter-{name}-")).tempdir().expect("a folder").keep();
        let mut command = Command::new("sh");
        command.args(["-c", "read -r _; rm -rf \"$1\"", "sh"]).arg(&path);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Scratch { path, _watcher: command.spawn().expect("start a shell") }
    }
}

/// A port that nobody listens on. Not one of those that the system gives to connections: there are thousands in these tests,
/// and one of them could get the port before the server has it.
fn free_port() -> u16 {
    loop {
        let port = 10_000 + (RandomState::new().hash_one(0u8) % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
