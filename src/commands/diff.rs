//! `diff`: what is different between two commits.

/// Arguments of `diff`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The older commit
    #[arg(value_name = "REV")]
    before: OsString,
    /// The newer commit
    #[arg(value_name = "REV")]
    after: OsString,
    /// Only the summary
    #[arg(long, conflicts_with = "json")]
    stat: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Exit with status 1 if anything but the duration differs
    #[arg(long)]
    exit_code: bool,
}
