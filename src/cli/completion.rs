//! Completion scripts: printed, installed where the user's shell looks for them, or all of them written to a folder.

use crate::error::{Error, OrFailed, Result};
use crate::files;
use clap::{Command, ValueHint};
use clap_complete::{Generator, Shell, generate};
use std::path::{Path, PathBuf};

/// Returns the given shell, or else the shell in `$SHELL`.
///
/// # Errors
/// If there are no scripts for `$SHELL`.
fn shell(given: Option<Shell>) -> Result<Shell> {
    let advice = || Error::advise("$SHELL does not name a known shell", "name it, as in --show-completion=bash");
    given.or_else(Shell::from_env).ok_or_else(advice)
}

/// Returns the output of `--install-completion` or `--show-completion`; None if neither was given. The former installs the
/// script.
///
/// # Errors
/// If the shell is unknown, or the script can't be written.
pub fn asked(install_for: Option<Option<Shell>>, show_for: Option<Option<Shell>>, command: Command) -> Result<Option<Vec<u8>>> {
    if let Some(given) = install_for {
        let shell = shell(given)?;
        let (path, hint) = install(command, shell)?;
        return Ok(Some(format!("completion for {shell} is in {}; {hint}\n", path.display()).into_bytes()));
    }
    show_for.map(|given| Ok(script(command, shell(given)?))).transpose()
}

/// Returns the completion script.
fn script(mut command: Command, shell: Shell) -> Vec<u8> {
    let name = command.get_name().to_string();
    let mut script = Vec::new();
    generate(shell, &mut command, name, &mut script);
    script
}

/// Writes the script where the user's shell looks for it. Returns its path, and a hint on what the user still has to do.
///
/// # Errors
/// If there is no such place, or the script can't be written.
fn install(command: Command, shell: Shell) -> Result<(PathBuf, &'static str)> {
    let name = command.get_name().to_string();
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = variable("HOME").ok_or_else(|| Error::refused("HOME is not set"))?;
    let (path, hint) = match shell {
        Shell::Bash => {
            let data = variable("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
            (data.join("bash-completion/completions").join(&name), "it works in new shells that have bash-completion")
        }
        Shell::Fish => {
            let config = variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
            (config.join("fish/completions").join(format!("{name}.fish")), "it works in new shells")
        }
        Shell::Zsh => (
            home.join(".zfunc").join(format!("_{name}")),
            "~/.zshrc needs, before compinit: fpath+=~/.zfunc; and then: autoload -Uz compinit && compinit",
        ),
        other => {
            return Err(Error::advise(
                format!("no usual place for completion of {other}"),
                format!("snapshooter --show-completion={other} prints the script"),
            ));
        }
    };
    let what = || format!("write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).or_failed(what)?;
    files::write(&path, &script(command, shell)).or_failed(what)?;
    Ok((path, hint))
}

/// Writes the scripts of all tools for bash, zsh and fish to a folder, which is created if it is missing: `snap-scan.bash`,
/// `_snap-scan`, `snap-scan.fish`, ...
///
/// # Errors
/// If a script can't be written.
pub fn write_all(tools: impl Iterator<Item = Command>, folder: &Path) -> Result<()> {
    let what = || format!("write {}", folder.display());
    std::fs::create_dir_all(folder).or_failed(what)?;
    for command in tools {
        let command = command.mut_args(|arg| match arg.get_id().as_str() {
            "root" | "file_root" | "heap_root" | "snap_root" => arg.value_hint(ValueHint::DirPath),
            "left" | "right" | "snapshot" | "base" => arg.value_hint(ValueHint::AnyPath),
            _ => arg,
        });
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let path = folder.join(shell.file_name(command.get_name()));
            files::write(&path, &script(command.clone(), shell)).or_failed(what)?;
        }
    }
    Ok(())
}
