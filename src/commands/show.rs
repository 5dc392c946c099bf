//! `show`: all about one commit.

/// Arguments of `show`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The commit
    #[arg(value_name = "REV")]
    revision: OsString,
    /// List every observation, those outside the project too
    #[arg(long)]
    all: bool,
    /// One JSON object
    #[arg(long, conflicts_with = "all")]
    json: bool,
}
