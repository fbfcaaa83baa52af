//! Azure Blob Storage: Azurite.

use super::process::Running;
use super::sidedoor::SideDoor;
use super::{Emulator, Planted, Root, command, installed, local_only, unique};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The account that Azurite has, and its key, which is the same everywhere.
pub const ACCOUNT: &str = "devstoreaccount1";
pub const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Azurite, running.
pub struct Azurite {
    running: Running,
    door: SideDoor,
}

/// The one of this process.
pub fn azurite() -> Option<&'static Azurite> {
    static ONE: OnceLock<Azurite> = OnceLock::new();
    (!local_only("Azurite")).then(|| ONE.get_or_init(Azurite::start))
}

impl Azurite {
    fn start() -> Azurite {
        let running = Running::start("azurite", |folder, port| {
            let script = installed("node_modules/.bin/azurite-blob");
            let (node, folder) = (command("node").display().to_string(), folder.display().to_string());
            let port = port.to_string();
            let mut all = vec![node, script.display().to_string()];
            all.extend(["--blobHost", "127.0.0.1", "--blobPort", &port, "--location", &folder].map(String::from));
            all.extend(["--skipApiVersionCheck", "--disableTelemetry", "--silent"].map(String::from));
            all
        });
        let door = SideDoor::open("azure", &connection_string(running.port, KEY));
        Azurite { running, door }
    }

    /// A new container of that name, and a root in it.
    pub fn container(&self, name: &str, folder: &str) -> Root {
        self.door.make(name);
        let fresh = self.missing();
        Root { url: format!("az://{name}/{folder}"), container: name.to_string(), prefix: format!("{folder}/"), ..fresh }
    }

    /// The environment variables that a tool needs instead of the options.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("AZURE_STORAGE_CONNECTION_STRING", connection_string(self.running.port, KEY))]
    }
}

/// What a client is given to reach it.
pub fn connection_string(port: u16, key: &str) -> String {
    let endpoint = format!("http://127.0.0.1:{port}/{ACCOUNT}");
    format!("DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={endpoint};")
}

impl Emulator for Azurite {
    fn name(&self) -> &'static str {
        "azurite"
    }

    fn port(&self) -> u16 {
        self.running.port
    }

    fn make(&self, root: &Root) {
        self.door.make(&root.container);
    }

    fn missing(&self) -> Root {
        let container = unique();
        let options = json!({"connection_string": connection_string(self.running.port, KEY)});
        Root { url: format!("az://{container}"), options: options.to_string(), container, prefix: String::new() }
    }

    fn denied(&self, root: &Root) -> Option<Root> {
        // 32 letters in base64, as a key has to be.
        let wrong = "wrongsecretwrongsecretwrongsecretwrongsecr0=";
        Some(Root { options: root.options.replace(KEY, wrong), ..root.clone() })
    }

    fn plant(&self, root: &Root, objects: &[Planted]) {
        self.door.plant(root, objects);
    }

    fn there(&self, root: &Root) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.door.there(root)
    }
}
