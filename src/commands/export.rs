//! `export`: commits and all that they need, as one file.

/// Arguments of `export`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The archive to write
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The commits; all of them if none is named
    #[arg(value_name = "REV")]
    revisions: Vec<OsString>,
}
