//! `get`: what a commit printed or made, byte for byte.

/// Arguments of `get`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cashet get @                       what the newest commit printed
  cashet get 3f2a:out/model.bin -o model.bin
  cashet get 3f2a --outputs -o results")]
pub struct Args {
    /// The commit, and one of its outputs if that is wanted in place of what it printed
    #[arg(value_name = "REV[:PATH]")]
    revision: OsString,
    /// Write into this file, or with --outputs into this directory
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    output: Option<PathBuf>,
    /// What it printed as errors
    #[arg(long, conflicts_with = "outputs")]
    stderr: bool,
    /// All files that it made
    #[arg(long, requires = "output")]
    outputs: bool,
    /// With --outputs, replace files that are there and differ
    #[arg(long, requires = "outputs")]
    force: bool,
}
