//! The connection: one process `ssh`, which runs SFTP on the other machine.

use super::names::with_utf8_names;
use crate::display::printable;
use crate::error::Result;
use crate::storage::place::Place;
use crate::storage::{LoginRefused, Options};
use openssh_sftp_client::{Sftp, SftpOptions};
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};

/// Logging in takes no longer.
const LONGEST: Duration = Duration::from_secs(45);

/// So long `ssh` may take to end, and to say why.
const ENDS: Duration = Duration::from_secs(5);

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
        if self.key.is_some() {
            // Else an agent's keys are offered first, and servers give up after a few.
            out.extend(["-o".to_string(), "IdentitiesOnly=yes".to_string()]);
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
    said: Said,
}

/// The end of what `ssh` has said so far.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    /// Keeps reading for as long as it lasts, so that ssh never waits for somebody to read it.
    fn listen(mut errors: ChildStderr) -> (Said, tokio::task::JoinHandle<()>) {
        let said = Said::default();
        let held = said.clone();
        let listening = tokio::spawn(async move {
            let mut piece = [0; 1024];
            while let Ok(n @ 1..) = errors.read(&mut piece).await {
                let mut said = held.0.lock().unwrap_or_else(PoisonError::into_inner);
                said.extend_from_slice(&piece[..n]);
                let over = said.len().saturating_sub(4096);
                said.drain(..over);
            }
        });
        (said, listening)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// `NotFound` if there is no `ssh`; [`LoginRefused`] if the host is not known or does not let us in; else what `ssh` says.
    /// Those that another try may fare better with have one of the kinds of [`may_pass`].
    pub async fn connect(login: &Login) -> io::Result<Session> {
        let mut command = Command::new("ssh");
        command.args(login.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut ssh = command.spawn().map_err(|e| io::Error::new(e.kind(), format!("ssh: {}", crate::error::reason(&e))))?;
        let (Some(to), Some(from), Some(errors)) = (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take()) else {
            return Err(io::Error::other("ssh: no pipes"));
        };
        let (said, listening) = Said::listen(errors);
        let begun = tokio::time::timeout(LONGEST, Sftp::new(to, with_utf8_names(from), SftpOptions::default())).await;
        let failed = match begun {
            Ok(Ok(sftp)) => return Ok(Session { sftp, _ssh: ssh, said }),
            Ok(Err(failed)) => failed,
            Err(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("{}: ssh: no answer", printable(login.host.as_bytes())),
                ));
            }
        };
        let is_no_sftp = matches!(&failed, openssh_sftp_client::Error::IOError(e) if e.kind() == io::ErrorKind::InvalidData);
        if is_no_sftp {
            drop(ssh.start_kill());
        }
        let ended = tokio::time::timeout(ENDS, ssh.wait()).await;
        drop(tokio::time::timeout(ENDS, listening).await);
        // ssh's own failures have the status 255, others are those of the other side's command.
        let status = ended.ok().and_then(Result::ok).and_then(|status| status.code()).filter(|code| *code != 255);
        Err(match is_no_sftp {
            true => {
                let reason = "the other side sends something else than SFTP; perhaps a shell's start file of that user prints it";
                io::Error::new(io::ErrorKind::InvalidData, format!("{}: ssh: {reason}", printable(login.host.as_bytes())))
            }
            false => refusal(&login.host, &said.text(), status),
        })
    }

    /// What `ssh` said last, where it did.
    pub fn last_words(&self) -> Option<String> {
        Some(last_line(&self.said.text())?.to_string())
    }
}

/// Whether it may fare better later: the network, or a host that is busy.
pub fn may_pass(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::TimedOut)
}

fn last_line(said: &str) -> Option<&str> {
    said.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// What `ssh` said before it ended, as an error: its last line. `status` is that of the other side's command, if that ran.
fn refusal(host: &str, said: &str, status: Option<i32>) -> io::Error {
    let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
    let told = |line: &str| format!("{}: ssh: {}", printable(host.as_bytes()), printable(line.as_bytes()));
    if let Some(status) = status {
        let line = last_line(said).map(|line| format!(": {line}")).unwrap_or_default();
        return io::Error::new(io::ErrorKind::Unsupported, told(&format!("SFTP ended there with status {status}{line}")));
    }
    let reason = told(last_line(said).unwrap_or("the connection was closed"));
    if has(&["Host key verification failed"]) {
        return LoginRefused(format!("{reason}; connect once with ssh, or see the option known_hosts")).into();
    }
    if has(&["Permission denied", "Too many authentication failures"]) {
        return LoginRefused(reason).into();
    }
    let kind = match () {
        () if has(&["Connection refused"]) => io::ErrorKind::ConnectionRefused,
        () if has(&["timed out", "Temporary failure", "not responding"]) => io::ErrorKind::TimedOut,
        () if said.trim().is_empty()
            || has(&["Connection closed", "Connection reset", "closed by remote", "kex_", "ssh_dispatch", "Broken pipe"])
            || has(&["Bad packet", "Corrupted MAC", "unreachable", "banner", "message authentication code"]) =>
        {
            io::ErrorKind::ConnectionReset
        }
        () => io::ErrorKind::Other,
    };
    io::Error::new(kind, reason)
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
        assert_eq!(e.to_string(), "h: ssh: SFTP ended there with status 127: bash: sftp-server: not found");
    }
}
