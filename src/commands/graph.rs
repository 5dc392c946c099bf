//! `graph`: what a result was made from, or what was made from it.

/// Arguments of `graph`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Edges are found by content: whatever a commit read that another had made.")]
pub struct Args {
    /// The commit
    #[arg(value_name = "REV")]
    revision: OsString,
    /// What was made from it, in place of what it was made from
    #[arg(long)]
    down: bool,
    /// In the language of Graphviz
    #[arg(long)]
    dot: bool,
    /// One JSON object
    #[arg(long, conflicts_with = "dot")]
    json: bool,
}
