//! The connection: one process `ssh`, which runs SFTP on the other machine.

use super::names::with_utf8_names;
use crate::display::printable;
use crate::error::{Result, named};
use crate::parallel::lock;
use crate::storage::place::Place;
use crate::storage::{LoginRefused, Options};
use openssh_sftp_client::{Sftp, SftpOptions};
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};

/// The longest time that logging in may take.
const LONGEST: Duration = Duration::from_secs(45);

/// The longest time that `ssh` may take to end, and to write its last message.
const ENDS: Duration = Duration::from_secs(5);

/// The settings for logging in: the arguments of `ssh`.
#[derive(Clone)]
pub struct Login {
    /// The name or address of the host.
    pub host: String,
    /// The port; None for the one in `~/.ssh/config`.
    pub port: Option<u16>,
    /// The user; None for the one in `~/.ssh/config`.
    pub user: Option<String>,
    /// The file of the private key.
    key: Option<String>,
    /// The options of `ssh` about host keys.
    hosts: Vec<String>,
}

impl Login {
    /// Reads the URL and the options. The options take precedence.
    ///
    /// # Errors
    /// If a value is malformed, or could be taken for an option of `ssh`.
    pub fn new(place: &Place, options: &Options) -> Result<Login> {
        let (host, port) = split(&place.host);
        let port = match options.number("port")? {
            Some(number) => Some(u16::try_from(number).map_err(|_| options.wrong("port", "a number up to 65535"))?),
            None => port.map(|port| port.parse().map_err(|_| options.wrong("port", "a number up to 65535"))).transpose()?,
        };
        let host = options.text("host")?.unwrap_or_else(|| host.to_string());
        let user = options.text("username")?.or_else(|| place.user.clone());
        // `ssh` must not treat the host or the user as an option.
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

    /// Returns the arguments of `ssh`. With them it never asks the user, and gives up hosts that don't answer.
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
        if self.key.is_some() {
            // Otherwise `ssh` offers the agent's keys first, and servers refuse the login after a few wrong ones.
            out.extend(["-o".to_string(), "IdentitiesOnly=yes".to_string()]);
        }
        out.extend(["-s".to_string(), "--".to_string(), self.host.clone(), "sftp".to_string()]);
        out
    }
}

/// Splits `HOST[:PORT]`, and removes the brackets of an IPv6 address.
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
    /// The SFTP session over it.
    pub sftp: Sftp,
    /// The process `ssh`, which is killed when the connection is dropped.
    _ssh: Child,
    messages: Messages,
}

/// The last 4 KiB that `ssh` has written to stderr.
#[derive(Clone, Default)]
struct Messages(Arc<Mutex<Vec<u8>>>);

impl Messages {
    /// Reads stderr until it ends, in a task, so that `ssh` never waits for a reader.
    fn listen(mut errors: ChildStderr) -> (Messages, tokio::task::JoinHandle<()>) {
        let messages = Messages::default();
        let held = messages.clone();
        let listening = tokio::spawn(async move {
            let mut piece = [0; 1024];
            while let Ok(n @ 1..) = errors.read(&mut piece).await {
                let mut bytes = lock(&held.0);
                bytes.extend_from_slice(&piece[..n]);
                let over = bytes.len().saturating_sub(4096);
                bytes.drain(..over);
            }
        });
        (messages, listening)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.0)).into_owned()
    }
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// `NotFound` if there is no program `ssh`; [`LoginRefused`] if the host key is not known or the server refuses the login;
    /// else the last message of `ssh`, of a kind of [`may_pass`] if another try may succeed.
    pub async fn connect(login: &Login) -> io::Result<Session> {
        let mut command = Command::new("ssh");
        command.args(login.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut ssh = command.spawn().map_err(|e| named("ssh", &e))?;
        let (Some(to), Some(from), Some(errors)) = (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take()) else {
            return Err(io::Error::other("ssh: no pipes"));
        };
        let (messages, listening) = Messages::listen(errors);
        match tokio::time::timeout(LONGEST, Sftp::new(to, with_utf8_names(from), SftpOptions::default())).await {
            Ok(Ok(sftp)) => return Ok(Session { sftp, _ssh: ssh, messages }),
            Ok(Err(openssh_sftp_client::Error::IOError(e))) if e.kind() == io::ErrorKind::InvalidData => {
                let reason = "the server sends something other than SFTP; perhaps a startup file of the user's shell prints it";
                return Err(failed(&login.host, e.kind(), reason));
            }
            Ok(Err(_)) => {}
            Err(_) => return Err(failed(&login.host, io::ErrorKind::TimedOut, "no answer")),
        }
        let ended = tokio::time::timeout(ENDS, ssh.wait()).await;
        drop(tokio::time::timeout(ENDS, listening).await);
        // The status of ssh's own failures is 255. Others come from the command on the server.
        let status = ended.ok().and_then(Result::ok).and_then(|status| status.code()).filter(|code| *code != 255);
        Err(refusal(&login.host, &messages.text(), status))
    }

    /// Returns the last line that `ssh` wrote to stderr, if any.
    pub fn last_words(&self) -> Option<String> {
        Some(last_line(&self.messages.text())?.to_string())
    }
}

/// Whether another try may succeed: the network failed, or the host is busy.
pub fn may_pass(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::TimedOut)
}

fn last_line(messages: &str) -> Option<&str> {
    messages.lines().map(str::trim).rfind(|line| !line.is_empty())
}

fn failed(host: &str, kind: io::ErrorKind, reason: &str) -> io::Error {
    io::Error::new(kind, format!("{}: ssh: {}", printable(host.as_bytes()), printable(reason.as_bytes())))
}

/// Returns the error for the messages that `ssh` wrote before it ended, with the last of them as the reason. `status` is the exit
/// status of the command on the server, if that ran.
fn refusal(host: &str, messages: &str, status: Option<i32>) -> io::Error {
    let has = |words: &[&str]| words.iter().any(|words| messages.contains(words));
    if let Some(status) = status {
        let line = last_line(messages).map(|line| format!(": {line}")).unwrap_or_default();
        return failed(host, io::ErrorKind::Unsupported, &format!("SFTP ended on the server with status {status}{line}"));
    }
    let kind = if has(&["Connection refused"]) {
        io::ErrorKind::ConnectionRefused
    } else if has(&["timed out", "Temporary failure", "not responding"]) {
        io::ErrorKind::TimedOut
    } else if messages.trim().is_empty()
        || has(&["Connection closed", "Connection reset", "closed by remote", "kex_", "ssh_dispatch", "Broken pipe"])
        || has(&["Bad packet", "Corrupted MAC", "unreachable", "banner", "message authentication code"])
    {
        io::ErrorKind::ConnectionReset
    } else {
        io::ErrorKind::Other
    };
    let error = failed(host, kind, last_line(messages).unwrap_or("the connection was closed"));
    if has(&["Host key verification failed"]) {
        return LoginRefused(format!("{error}; connect once with ssh, or see the option known_hosts")).into();
    }
    if has(&["Permission denied", "Too many authentication failures"]) {
        return LoginRefused(error.to_string()).into();
    }
    error
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
        assert!(arguments.ends_with(" -p 2222 -l me -i /k -o IdentitiesOnly=yes -s -- host sftp"), "{arguments}");
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
        let e = refusal("h", "Warning: x\nno such identity: /k\nu@h: Permission denied (publickey).\r\n", None);
        assert!(LoginRefused::is(&e) && !may_pass(&e));
        assert_eq!(
            (e.kind(), e.to_string().as_str()),
            (io::ErrorKind::PermissionDenied, "h: ssh: u@h: Permission denied (publickey).")
        );
        let e = refusal("h", "No ED25519 host key is known for h.\nHost key verification failed.\n", None);
        assert!(LoginRefused::is(&e) && e.to_string().contains("known_hosts"), "{e}");
        let e = refusal("h", "", None);
        assert!(may_pass(&e) && e.to_string() == "h: ssh: the connection was closed", "{e}");
        for passing in ["ssh: connect to host h port 22: Connection refused\n", "Connection closed by 127.0.0.1 port 22\r\n"] {
            assert!(may_pass(&refusal("h", passing, None)), "{passing}");
        }
        for final_one in
            ["subsystem request failed on channel 0\n", "Bad owner or permissions on /c\n", "ssh: Could not resolve x\n"]
        {
            let e = refusal("h", final_one, None);
            assert!(!may_pass(&e) && e.to_string().contains(final_one.trim()), "{e}");
        }
        let e = refusal("h", "bash: sftp-server: not found\n", Some(127));
        assert_eq!(e.to_string(), "h: ssh: SFTP ended on the server with status 127: bash: sftp-server: not found");
    }
}
