//! `snapshooter-all`: all tools in one executable, which `make install` installs. It acts as the tool by whose name it is called.
//! If it is called by its own name, the first argument is the name of the tool.

use super::{ALL, find};
use crate::cli::{self, Console, completion};
use crate::display::printable;
use crate::error::{Error, Result};
use std::env::args_os;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

const NAME: &str = "snapshooter-all";

/// Runs the tool by whose name the executable is called, or that the first argument names. Returns its exit status.
pub fn main() -> ExitCode {
    let mut arguments = args_os();
    // The link is not followed: its target is the same for all tools.
    let mut tool = args_os().next().and_then(|path| Path::new(&path).file_name().map(ToOwned::to_owned)).unwrap_or_default();
    if tool == NAME {
        arguments.next();
        tool = args_os().nth(1).unwrap_or_default();
    }
    match find(&tool) {
        Some(tool) => (tool.main)(arguments),
        None if tool == "--completions" => cli::finish(&Console::new(NAME, None), completions().map_err(anyhow::Error::from)),
        None => cli::finish(&Console::new(NAME, None), Err(no_tool(tool.as_bytes()).into())),
    }
}

/// Writes the completions of all tools to a folder, for `make install`.
fn completions() -> Result<()> {
    let folder = args_os().nth(2).ok_or_else(|| Error::refused("--completions needs a folder to write to"))?;
    completion::write_all(ALL.iter().map(|tool| (tool.command)()), Path::new(&folder))
}

fn no_tool(name: &[u8]) -> Error {
    let names = ALL.map(|tool| tool.name).join(", ");
    match name {
        b"" => Error::refused(format!("no tool given; there are {names}")),
        name => Error::refused(format!("'{}' is none of the tools {names}", printable(name))),
    }
}
