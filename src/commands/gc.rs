//! `gc`: drops results that were not used for long, or for which there is no room.

/// Arguments of `gc`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Drop results not used for so long [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    older_than: Option<u64>,
    /// Then drop the least recently used until the store is no larger: 500M, 10G
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_size: Option<u64>,
    /// Only tell what would be dropped
    #[arg(long)]
    dry_run: bool,
}
