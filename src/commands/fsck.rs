//! `fsck`: reads everything and checks every digest, row and reference.

/// Arguments of `fsck`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Exit status: 0 clean, 1 damage, 2 could not check.")]
pub struct Args {
    /// Only see that everything is there, not that every byte is right
    #[arg(long)]
    quick: bool,
    /// Drop what cannot be trusted
    #[arg(long)]
    repair: bool,
}
