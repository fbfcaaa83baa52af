//! The connection: one process `ssh`, which runs SFTP on the other machine.

use crate::error::{Result, printable};
use crate::storage::Options;
use crate::storage::web::Place;
use openssh_sftp_client::{Sftp, SftpOptions};
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// What `ssh` is called with.
#[derive(Clone)]
pub struct Login {
    /// The name or address.
    pub host: String,
    /// None for what `~/.ssh/config` says.
    pub port: Option<u16>,
    /// The same.
    pub user: Option<String>,
    key: Option<String>,
    /// Options of `ssh`.
    hosts: Vec<String>,
}

impl Login {
    /// Out of the URL and the options.
    ///
    /// # Errors
    /// If they are not of their form.
    pub fn new(place: &Place, options: &Options) -> Result<Login> {
        let (host, port) = split(&place.host);
        let port = match options.number("port")? {
            Some(number) => Some(u16::try_from(number).map_err(|_| options.wrong("port", "a number up to 65535"))?),
            None => port.map(|port| port.parse().map_err(|_| options.wrong("port", "a number up to 65535"))).transpose()?,
        };
        let host = options.text("host")?.unwrap_or_else(|| host.to_string());
        let user = options.text("username")?.or_else(|| place.user.clone());
        // Neither may be taken for an option of ssh.
        if host.starts_with('-') || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(options.wrong("host", "the name of a host"));
        }
        if user.as_ref().is_some_and(|user| user.starts_with('-') || user.contains(char::is_control)) {
            return Err(options.wrong("username", "the name of a user"));
        }
        let policy = options.text("known_hosts")?.or(options.text("host_key_policy")?);
        let checking = |how: &str| vec![format!("StrictHostKeyChecking={how}")];
        let hosts = match policy.as_deref() {
            None | Some("strict") => checking("yes"),
            Some("add") => checking("accept-new"),
            Some("accept") => checking("no"),
            Some(path) if path.contains('/') && !path.contains('"') => {
                vec!["StrictHostKeyChecking=yes".to_string(), format!("UserKnownHostsFile=\"{path}\"")]
            }
            Some(_) => return Err(options.wrong("known_hosts", "strict, add, accept, or a path")),
        };
        Ok(Login { host, port, user, key: options.text("key_filename")?, hosts })
    }

    /// The arguments of `ssh`: nothing is ever asked, and what does not answer is given up.
    fn arguments(&self) -> Vec<String> {
        let fixed = ["BatchMode=yes", "ConnectTimeout=30", "ServerAliveInterval=15", "ServerAliveCountMax=4", "ForwardX11=no"];
        let mut out = vec!["-T".to_string(), "-a".to_string()];
        for option in fixed.into_iter().chain(self.hosts.iter().map(String::as_str)) {
            out.extend(["-o".to_string(), option.to_string()]);
        }
        let pairs = [("-p", self.port.map(|port| port.to_string())), ("-l", self.user.clone()), ("-i", self.key.clone())];
        for (name, value) in pairs {
            out.extend(value.into_iter().flat_map(|value| [name.to_string(), value]));
        }
        out.extend(["-s".to_string(), "--".to_string(), self.host.clone(), "sftp".to_string()]);
        out
    }
}

/// The host without the brackets of an IPv6 address, and the port.
fn split(host: &str) -> (&str, Option<&str>) {
    if let Some((address, behind)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, behind.strip_prefix(':'));
    }
    match host.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host, None),
    }
}

/// A connection.
pub struct Session {
    /// SFTP over it.
    pub sftp: Sftp,
    /// Ends with this.
    _ssh: Child,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// `NotFound` if there is no `ssh`; `PermissionDenied` if the host is not known or does not let us in; else what `ssh` says.
    pub async fn connect(login: &Login) -> io::Result<Session> {
        let mut command = Command::new("ssh");
        command.args(login.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut ssh = command.spawn().map_err(|e| io::Error::new(e.kind(), format!("ssh: {}", crate::error::reason(&e))))?;
        let (Some(to), Some(from), Some(errors)) = (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take()) else {
            return Err(io::Error::other("ssh: no pipes"));
        };
        // Read for as long as it lasts, so that ssh never waits for somebody to read it.
        let said = tokio::spawn(async move {
            let (mut said, mut errors) = (Vec::new(), errors);
            let mut piece = [0; 1024];
            while let Ok(n @ 1..) = errors.read(&mut piece).await {
                said.extend_from_slice(&piece[..n]);
                said.drain(..said.len().saturating_sub(4096));
            }
            String::from_utf8_lossy(&said).into_owned()
        });
        let begun = tokio::time::timeout(Duration::from_secs(45), Sftp::new(to, from, SftpOptions::default())).await;
        match begun {
            Ok(Ok(sftp)) => Ok(Session { sftp, _ssh: ssh }),
            Ok(Err(_)) => {
                let said = tokio::time::timeout(Duration::from_secs(5), said).await;
                let said = said.ok().and_then(Result::ok).unwrap_or_default();
                Err(refusal(&login.host, &said))
            }
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("{}: ssh: no answer", printable(login.host.as_bytes()))))
            }
        }
    }
}

/// What `ssh` said before it ended, as an error: its last line.
fn refusal(host: &str, said: &str) -> io::Error {
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("the connection was closed");
    let kind = match () {
        () if said.contains("Permission denied") || said.contains("Host key verification failed") => {
            io::ErrorKind::PermissionDenied
        }
        () if said.contains("Connection refused") => io::ErrorKind::ConnectionRefused,
        () if said.contains("timed out") => io::ErrorKind::TimedOut,
        () => io::ErrorKind::Other,
    };
    let advice = match said.contains("Host key verification failed") {
        true => "; connect once with ssh, or see the option known_hosts",
        false => "",
    };
    io::Error::new(kind, format!("{}: ssh: {}{advice}", printable(host.as_bytes()), printable(line.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(rest: &str, options: &str) -> Result<Login> {
        Login::new(&Place::parse("sftp", rest)?, &Options::parse(options.as_ref(), "--options").unwrap())
    }

    #[test]
    fn ssh_is_called_with_what_was_said_and_asks_nobody() {
        let arguments = login("me@host:2222/a", "{\"key_filename\": \"/k\"}").unwrap().arguments().join(" ");
        assert!(arguments.ends_with(" -p 2222 -l me -i /k -s -- host sftp"), "{arguments}");
        assert!(arguments.contains("BatchMode=yes") && arguments.contains("StrictHostKeyChecking=yes"), "{arguments}");
        let arguments = login("[::1]:22", "{\"username\": \"you\", \"port\": 23, \"known_hosts\": \"add\"}").unwrap().arguments();
        assert!(arguments.join(" ").ends_with("StrictHostKeyChecking=accept-new -p 23 -l you -s -- ::1 sftp"), "{arguments:?}");
    }

    #[test]
    fn nothing_becomes_an_option_of_ssh() {
        for (rest, options) in [
            ("-l@h", "{}"),
            ("h", "{\"host\": \"-oProxyCommand=x\"}"),
            ("h", "{\"username\": \"-x\"}"),
            ("h", "{\"known_hosts\": \"maybe\"}"),
            ("h", "{\"known_hosts\": \"/a\\\" b\"}"),
            ("h:99999", "{}"),
            ("h", "{\"port\": 99999}"),
        ] {
            assert!(login(rest, options).is_err(), "{rest} {options}");
        }
    }

    #[test]
    fn what_ssh_says_is_told_apart() {
        let e = refusal("h", "Warning: x\nno such identity: /k\nu@h: Permission denied (publickey).\r\n");
        assert_eq!(
            (e.kind(), e.to_string().as_str()),
            (io::ErrorKind::PermissionDenied, "h: ssh: u@h: Permission denied (publickey).")
        );
        let e = refusal("h", "No ED25519 host key is known for h.\nHost key verification failed.\n");
        assert!(e.kind() == io::ErrorKind::PermissionDenied && e.to_string().contains("known_hosts"), "{e}");
        assert_eq!(refusal("h", "").to_string(), "h: ssh: the connection was closed");
    }
}
