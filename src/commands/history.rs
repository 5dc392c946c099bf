//! `history`: a lineage over time, with what changed at each step.

/// Arguments of `history`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A commit of the lineage; its successors are left out
    #[arg(value_name = "REV")]
    revision: OsString,
    /// At most so many steps
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}
