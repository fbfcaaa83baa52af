//! What the servers of a folder share, and the plainest of them: `python3 -m http.server`.

use super::process::Running;
use super::{Planted, Root};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folder of a root in the folder that is served.
pub fn folder_of(served: &Path, root: &Root) -> PathBuf {
    served.join(&root.container).join(&root.prefix)
}

/// Writes files.
pub fn plant(folder: &Path, objects: &[Planted]) {
    for object in objects {
        let path = folder.join(&object.key);
        if object.key.ends_with('/') {
            fs::create_dir_all(&path).expect(&object.key);
            continue;
        }
        fs::create_dir_all(path.parent().expect("a folder")).expect(&object.key);
        fs::write(&path, &object.content).expect(&object.key);
    }
}

/// The files of a folder, hidden and temporary ones included.
pub fn there(folder: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let all = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok).filter(|e| !e.file_type().is_dir());
    let name = |path: &Path| path.strip_prefix(folder).map(|p| p.as_os_str().as_bytes().to_vec()).expect("below the folder");
    all.map(|e| (name(e.path()), fs::read(e.path()).expect("read a file"))).collect()
}

/// A plain server for reading, without ranges.
pub struct HttpServer {
    running: Running,
}

/// The one of this process. It needs Python alone.
pub fn http_server() -> &'static HttpServer {
    static ONE: OnceLock<HttpServer> = OnceLock::new();
    ONE.get_or_init(|| {
        let running = Running::start("http", |folder, port| {
            let served = folder.join("served");
            fs::create_dir(&served).expect("make a folder");
            let (port, served) = (port.to_string(), served.display().to_string());
            ["python3", "-m", "http.server", &port, "--bind", "127.0.0.1", "--directory", &served].map(String::from).to_vec()
        });
        HttpServer { running }
    })
}

impl HttpServer {
    /// The port that it answers on.
    pub fn port(&self) -> u16 {
        self.running.port
    }

    /// The folder that it serves.
    pub fn served(&self) -> PathBuf {
        self.running.folder.join("served")
    }

    /// A new folder with these files, and its URL.
    pub fn with(&self, objects: &[Planted]) -> Root {
        let container = super::unique();
        plant(&self.served().join(&container), objects);
        let url = format!("http://127.0.0.1:{}/{container}", self.port());
        Root { url, options: "{}".to_string(), container, prefix: String::new() }
    }
}
