//! `stats`: numbers over the whole store.

/// Arguments of `stats`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    json: bool,
}
