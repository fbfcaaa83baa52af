//! Four hosts: OpenSSH servers on this machine, one of each for all tests of this process. What a job on one of them does goes to
//! the folder of the test.

use super::project;
use crate::storages::emulators::{local_only, openssh, process::Running};
use crate::util::World;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

/// The hosts `one` to `four`.
pub struct Hosts {
    servers: Vec<(&'static str, Running)>,
}

/// Those of this process.
pub fn hosts() -> Option<&'static Hosts> {
    static ALL: OnceLock<Hosts> = OnceLock::new();
    let start = |name| (name, Running::start("host", openssh));
    (!local_only("hosts for ssh"))
        .then(|| ALL.get_or_init(|| Hosts { servers: ["one", "two", "three", "four"].map(start).into() }))
}

impl Hosts {
    /// Tells the scripts in `examples/parallel` about the hosts. What the world's environment has is in a file, for the jobs.
    pub fn serve(&self, world: &mut World) {
        let mut config = String::new();
        for (name, server) in &self.servers {
            let folder = server.folder.display();
            config.push_str(&format!(
                "Host {name}\n Hostname 127.0.0.1\n Port {}\n IdentityFile {folder}/user\n UserKnownHostsFile {folder}/known\n",
                server.port
            ));
        }
        config.push_str("Host *\n IdentitiesOnly yes\n BatchMode yes\n LogLevel ERROR\n");
        let config = world.put("ssh.config", config);
        world.set("HOSTS", "one,two,three,four");
        world.set("SSH", format!("ssh -F {}", config.display()));
        world.set("SCRIPTS", project("examples/parallel"));
        world.sh("mkdir -p bin && declare -px | grep -vE ' (PWD|OLDPWD|SHLVL|HOSTS|SSH)=' > env && chmod 600 env && echo 'PATH=$PWD/bin:$PATH' | sed \"s,.PWD,$PWD,\" >> env").ok();
        world.set("ENV_FILE", world.path("env"));
    }
}

/// Puts a script in the place of a tool, on all hosts. In it, `real` is the tool, `$host` the host, and `once` succeeds on
/// its first call.
pub fn instead(world: &World, tool: &str, script: &str) {
    let real = Path::new(env!("CARGO_BIN_EXE_snap-scan")).with_file_name(tool);
    let (real, folder) = (real.display(), world.path("").display().to_string());
    let text = format!(
        "#!/bin/bash\nreal() {{ '{real}' \"$@\"; }}\nhost=$PARALLEL_SSHHOST\ncd '{folder}' || exit\n\
         once() {{ mkdir '{folder}/once' 2>/dev/null; }}\n{script}\n"
    );
    let path = world.put(&format!("bin/{tool}"), text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("change the mode");
}
