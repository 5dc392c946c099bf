//! `log`: the commits, newest first.

/// Arguments of `log`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only commits whose function's name contains this
    #[arg(long = "func", value_name = "FUNCTION")]
    function: Option<OsString>,
    /// Only commits with this tag; all of them if given several times
    #[arg(short, long = "tag", value_name = "KEY[=VALUE]", value_parser = values::tag_filter)]
    tags: Vec<(String, Option<String>)>,
    /// Only commits that ended so: ok, failed, signal, an exit status; or that are kept or not-kept
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<Status>,
    /// Only commits that began since then: 2h, 7d, 2026-11-22, 2026-11-22T17:30
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// One line each: hash and command
    #[arg(long, conflicts_with_all = ["graph", "json"])]
    oneline: bool,
    /// Draw a line beside the commits of each lineage
    #[arg(long, conflicts_with = "json")]
    graph: bool,
    /// What ran and was not kept, by reason, and what would help
    #[arg(long, conflicts_with_all = ["graph", "oneline", "function", "tags", "status"])]
    missed: bool,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}
