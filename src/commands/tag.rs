//! `tag`: metadata of a commit, after the fact.

/// Arguments of `tag`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The commit
    #[arg(value_name = "REV")]
    revision: OsString,
    /// Tags to set; with -d, names of tags to remove; without any, the commit's tags are listed
    #[arg(value_name = "KEY[=VALUE]", value_parser = values::tag)]
    tags: Vec<(String, String)>,
    /// Remove the tags
    #[arg(short, long, requires = "tags")]
    delete: bool,
}
