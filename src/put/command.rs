//! The standard output of a command. It ends only if the command succeeded; otherwise reading it fails at its end.

use crate::display::printable;
use crate::error::reason;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

/// The standard output of a command, which starts when it is first read. Its standard input and error are those of this process.
pub struct Output {
    /// The name of the command. Its arguments, which can have secrets, are in no message.
    shown: String,
    state: State,
}

enum State {
    Waiting(Command),
    Running(Child),
    /// The command succeeded, or the reason why not.
    Over(Result<(), String>),
}

impl Output {
    /// Returns the output of a program with these arguments.
    pub fn of(program: &OsStr, arguments: &[OsString]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped());
        Output { shown: printable(program.as_bytes()), state: State::Waiting(command) }
    }

    fn read_from(child: &mut Child, out: &mut [u8]) -> io::Result<usize> {
        child.stdout.as_mut().map_or(Ok(0), |stdout| stdout.read(out))
    }
}

impl Read for Output {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let over = match &mut self.state {
                State::Over(Ok(())) => return Ok(0),
                State::Over(Err(why)) => return Err(io::Error::other(format!("{}: {why}", self.shown))),
                State::Waiting(command) => match command.stdin(Stdio::inherit()).spawn() {
                    Ok(child) => {
                        self.state = State::Running(child);
                        continue;
                    }
                    Err(e) => Err(reason(&e)),
                },
                State::Running(child) => match Output::read_from(child, out) {
                    Ok(0) if !out.is_empty() => child.wait().map_err(|e| reason(&e)).and_then(succeeded),
                    read => return read,
                },
            };
            self.state = State::Over(over);
        }
    }
}

fn succeeded(status: ExitStatus) -> Result<(), String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("exit status {code}")),
        (None, Some(signal)) => Err(format!("killed by signal {signal}")),
        (None, None) => Err("it did not end".to_string()),
    }
}
