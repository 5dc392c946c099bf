//! `completions`: a shell's completion script. The scripts are small, since they call `cashet complete`.

use super::exit::{DONE, Exit};
use crate::error::Result;
use crate::ui::page::Page;
use clap::ValueEnum;

/// Arguments of `completions`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
bash: source <(cashet completions bash)
zsh:  cashet completions zsh > a directory of $fpath/_cashet
fish: cashet completions fish > ~/.config/fish/completions/cashet.fish")]
pub struct Args {
    /// The shell whose script is written to standard output
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// A shell that has completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// The GNU shell.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive shell.
    Fish,
}

/// Writes the script.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &Args, page: &mut Page<'_>) -> Result<Exit> {
    page.write(match args.shell {
        Shell::Bash => include_str!("shells/cashet.bash"),
        Shell::Zsh => include_str!("shells/cashet.zsh"),
        Shell::Fish => include_str!("shells/cashet.fish"),
    })?;
    Ok(DONE)
}
