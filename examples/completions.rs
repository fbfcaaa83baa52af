//! Writes completions of all tools for bash, zsh and fish into a folder. `make install` runs it.

use clap::ValueHint;
use clap_complete::Shell;
use snapshooter::cli;
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: completions FOLDER")?;
    std::fs::create_dir_all(&folder)?;
    for command in cli::tools() {
        let mut command = command.mut_args(|arg| match arg.get_id().as_str() {
            "root" | "file_root" | "heap_root" | "snap_root" => arg.value_hint(ValueHint::DirPath),
            "left" | "right" | "snapshot" | "base" => arg.value_hint(ValueHint::AnyPath),
            _ => arg,
        });
        let name = command.get_name().to_string();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            clap_complete::generate_to(shell, &mut command, &name, &folder)?;
        }
    }
    Ok(())
}
