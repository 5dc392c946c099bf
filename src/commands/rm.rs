//! `rm`: deletes commits, and the blobs that nothing else needs.

/// Arguments of `rm`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The commits
    #[arg(value_name = "REV", required_unless_present_any = ["tags", "all"])]
    revisions: Vec<OsString>,
    /// All commits with this tag; with all of them if given several times
    #[arg(short, long = "tag", value_name = "KEY[=VALUE]", value_parser = values::tag_filter, conflicts_with = "revisions")]
    tags: Vec<(String, Option<String>)>,
    /// All commits
    #[arg(long, conflicts_with_all = ["revisions", "tags"])]
    all: bool,
}
