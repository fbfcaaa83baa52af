//! Amazon S3: moto.

use super::process::Running;
use super::sidedoor::SideDoor;
use super::{Emulator, Planted, Root, installed, local_only, unique};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// moto, running.
pub struct Moto {
    running: Running,
    door: SideDoor,
}

/// The one of this process.
pub fn moto() -> Option<&'static Moto> {
    static ONE: OnceLock<Moto> = OnceLock::new();
    (!local_only("moto (S3)")).then(|| ONE.get_or_init(Moto::start))
}

impl Moto {
    fn start() -> Moto {
        let running = Running::start("moto", |_, port| {
            let server = installed("venv/bin/moto_server").display().to_string();
            vec![server, "-H".into(), "127.0.0.1".into(), "-p".into(), port.to_string()]
        });
        let door = SideDoor::open("s3", &format!("http://127.0.0.1:{}", running.port));
        Moto { running, door }
    }

    /// The environment variables that a tool needs instead of the options.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", "test".to_string()),
            ("AWS_SECRET_ACCESS_KEY", "testtest".to_string()),
            ("AWS_REGION", "us-east-1".to_string()),
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.running.port)),
        ]
    }
}

impl Emulator for Moto {
    fn name(&self) -> &'static str {
        "moto"
    }

    fn port(&self) -> u16 {
        self.running.port
    }

    fn make(&self, root: &Root) {
        self.door.make(&root.container);
    }

    fn missing(&self) -> Root {
        let container = unique();
        let endpoint = format!("http://127.0.0.1:{}", self.running.port);
        let region = json!({"region_name": "us-east-1"});
        let options = json!({"key": "test", "secret": "testtest", "endpoint_url": endpoint, "client_kwargs": region});
        Root { url: format!("s3://{container}"), options: options.to_string(), container, prefix: String::new() }
    }

    // It takes any credentials.
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
