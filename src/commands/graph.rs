//! `graph`: what a result was made from, or what was made from it.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use super::provenance;
use crate::error::Result;
use crate::ui::drawing;
use crate::ui::message;
use crate::ui::page::Page;
use std::ffi::OsString;

/// Arguments of `graph`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Two runs are connected if one read a file with the content that the other wrote.

Examples:
  cashet graph @                              the runs that the newest run used
  cashet graph --down load.py > uses.txt      the runs that used a run
  cashet graph --svg 3f2a > graph.svg         a drawing")]
pub struct Args {
    /// The run
    #[arg(value_name = "REV")]
    revision: OsString,
    /// Show the later runs that read its files instead
    #[arg(long)]
    down: bool,
    /// Print it in Graphviz's DOT language
    #[arg(long)]
    dot: bool,
    /// Print it as a drawing (SVG)
    #[arg(long, conflicts_with = "dot")]
    svg: bool,
    /// Print it as an HTML page with the drawing
    #[arg(long, conflicts_with_all = ["dot", "svg"])]
    html: bool,
    /// One JSON object
    #[arg(long, conflicts_with_all = ["dot", "svg", "html"])]
    json: bool,
}

/// Draws the graph.
///
/// # Errors
/// No such commit; the store cannot be read.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let root = opened.find(&args.revision)?;
    let provenance = provenance::of(&opened, root, args.down)?;
    if provenance.cut {
        message::status("the graph is larger; only its first 10,000 runs are shown");
    }
    if args.json {
        page.json(&provenance.json().into())?;
    } else if args.svg {
        page.write(&drawing::svg(&provenance.graph(), args.down))?;
    } else if args.html {
        let graph = provenance.graph();
        let title =
            graph.nodes.first().map(|node| format!("{} {}", node.name, node.label)).unwrap_or_default();
        page.write(&drawing::page(&graph, args.down, &title))?;
    } else if args.dot {
        page.write(&provenance.graph().dot(args.down))?;
    } else {
        let text = provenance.graph().tree(args.down, &page.look);
        page.write(&text)?;
    }
    Ok(DONE)
}
