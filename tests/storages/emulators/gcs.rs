//! Google Cloud Storage: gcp-storage-emulator, which ignores all conditions. `fake_gcs` keeps them.

use super::process::Running;
use super::sidedoor::SideDoor;
use super::{Emulator, Planted, Root, installed, local_only, unique};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A server with the JSON API of Google Cloud Storage.
pub struct Gcs {
    name: &'static str,
    port: u16,
    door: SideDoor,
    _running: Option<Running>,
}

/// The emulator of this process.
pub fn gcs() -> Option<&'static Gcs> {
    static ONE: OnceLock<Gcs> = OnceLock::new();
    let start = || {
        let running = Running::start("gcs", |_, port| {
            let server = installed("venv/bin/gcp-storage-emulator").display().to_string();
            let port = port.to_string();
            let rest = ["start", "--host", "127.0.0.1", "--port", &port, "--in-memory"];
            std::iter::once(server).chain(rest.map(String::from)).collect()
        });
        Gcs::at("gcp-storage-emulator", running.port, Some(running))
    };
    (!local_only("gcp-storage-emulator")).then(|| ONE.get_or_init(start))
}

impl Gcs {
    pub(super) fn at(name: &'static str, port: u16, running: Option<Running>) -> Gcs {
        Gcs { name, port, door: SideDoor::open("gcs", &format!("http://127.0.0.1:{port}")), _running: running }
    }
}

impl Emulator for Gcs {
    fn name(&self) -> &'static str {
        self.name
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn make(&self, root: &Root) {
        self.door.make(&root.container);
    }

    fn missing(&self) -> Root {
        let container = unique();
        let options = json!({"token": "anon", "endpoint_url": format!("http://127.0.0.1:{}", self.port)});
        Root { url: format!("gs://{container}"), options: options.to_string(), container, prefix: String::new() }
    }

    // Both take any credentials.
    fn denied(&self, _root: &Root) -> Option<Root> {
        None
    }

    fn plant(&self, root: &Root, objects: &[Planted]) {
        self.door.plant(root, objects);
    }

    fn there(&self, root: &Root) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.door.there(root)
    }
}
