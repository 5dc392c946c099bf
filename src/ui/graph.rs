//! Graphs of commits, drawn with lines, or in Graphviz's language.
//!
//! Knows nothing of commits: a node is a label, an edge leads from a node to one that it came from, or led to.

use super::colour::Role;
use super::escape;
use super::page::Look;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, unique in the graph: a commit's short hash.
    pub name: String,
    /// What it is, escaped, for people.
    pub label: String,
}

/// One edge, by places in [`Graph::nodes`].
#[derive(Clone, Debug)]
pub struct Edge {
    /// Where it begins: the node nearer to the root of the drawing.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// What passes along it, escaped: `stdout`, a path. May be empty.
    pub label: String,
}

/// Nodes and edges; the first node is the root of the drawing. It may have rings and joints.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The edges, in the order in which they are drawn.
    pub edges: Vec<Edge>,
}

impl Graph {
    /// The graph as a tree of lines. A node that is reached again is named, not drawn again. `down` says that the
    /// edges lead to what was made from a node.
    #[must_use]
    pub fn tree(&self, down: bool, look: &Look) -> String {
        let arrow = if down { '→' } else { '←' };
        let mut text = String::new();
        let mut drawn = BTreeSet::new();
        let mut edges_of: BTreeMap<usize, Vec<&Edge>> = BTreeMap::new();
        for edge in &self.edges {
            edges_of.entry(edge.from).or_default().push(edge);
        }
        // Place, edge's label, what stands before its own line, what stands before its children's lines.
        let mut open: Vec<(usize, &str, String, String)> = vec![(0, "", String::new(), String::new())];
        while let Some((place, edge, own, below)) = open.pop() {
            let Some(node) = self.nodes.get(place) else { continue };
            let edges = edges_of.get(&place).map_or(&[][..], Vec::as_slice);
            let again = !drawn.insert(place);
            let label = if again && !edges.is_empty() { "(above)" } else { &node.label };
            let via = if edge.is_empty() { String::new() } else { format!("{edge} {arrow} ") };
            let room =
                look.width.map(|width| width.saturating_sub(escape::columns(&own) + node.name.len() + 2));
            let label = match room {
                Some(room) => escape::cut(label, room.saturating_sub(escape::columns(&via)).max(8)),
                None => label.into(),
            };
            let name = look.paint(&node.name, Role::Hash);
            let own = look.paint(&own, Role::Faint);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{own}{}{name}  {label}", look.paint(&via, Role::Faint));
            if again {
                continue;
            }
            for (left, edge) in edges.iter().rev().enumerate() {
                let (branch, bar) = if left == 0 { ("└── ", "    ") } else { ("├── ", "│   ") };
                open.push((edge.to, &edge.label, format!("{below}{branch}"), format!("{below}{bar}")));
            }
        }
        text
    }

    /// The graph in Graphviz's language. `down` says that the edges lead to what was made from a node; arrows
    /// always point from what was used to what was made.
    #[must_use]
    pub fn dot(&self, down: bool) -> String {
        let mut text =
            String::from("digraph cashet {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n");
        for node in &self.nodes {
            let label = format!("{}\n{}", node.name, node.label);
            let _ = writeln!(text, "  {} [label={}];", quoted(&node.name), quoted(&label));
        }
        for edge in &self.edges {
            let (Some(from), Some(to)) = (self.nodes.get(edge.from), self.nodes.get(edge.to)) else {
                continue;
            };
            let (used, made) = if down { (from, to) } else { (to, from) };
            let label = if edge.label.is_empty() {
                String::new()
            } else {
                format!(" [label={}]", quoted(&edge.label))
            };
            let _ = writeln!(text, "  {} -> {}{label};", quoted(&used.name), quoted(&made.name));
        }
        text.push_str("}\n");
        text
    }
}

/// A quoted string of Graphviz: backslashes would begin an escape, so each is doubled.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// Most lanes that are drawn beside a list.
const LANES: usize = 12;

/// Draws chains beside a list of their members, newest first: each chain has a lane from its first member listed
/// to its last.
#[derive(Debug, Default)]
pub struct Lanes<I> {
    /// What each lane leads to.
    lanes: Vec<Option<I>>,
}

impl<I: PartialEq> Lanes<I> {
    /// No lanes yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { lanes: Vec::new() }
    }

    /// The lanes beside the next member; `next` is the member of its chain that is listed further down, if any.
    pub fn draw(&mut self, member: &I, next: Option<I>) -> String {
        let waiting = self.lanes.iter().position(|lane| lane.as_ref() == Some(member));
        let free = || self.lanes.iter().position(Option::is_none);
        let own = waiting.or_else(free).unwrap_or(self.lanes.len());
        let mut text = String::new();
        for (place, lane) in self.lanes.iter().enumerate().take(LANES) {
            text.push_str(match lane {
                _ if place == own => "● ",
                Some(_) => "│ ",
                None => "  ",
            });
        }
        if own >= self.lanes.len().min(LANES) {
            text.push_str("● ");
        }
        match self.lanes.get_mut(own) {
            Some(lane) => *lane = next,
            None => self.lanes.push(next),
        }
        while matches!(self.lanes.last(), Some(None)) {
            self.lanes.pop();
        }
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::page::tests::look;
    use super::*;

    /// A graph of nodes (name, label) and edges (from, to, label).
    pub(in crate::ui) fn graph_of(nodes: &[(&str, &str)], edges: &[(usize, usize, &str)]) -> Graph {
        let node =
            |(name, label): &(&str, &str)| Node { name: (*name).to_owned(), label: (*label).to_owned() };
        let edge = |(from, to, label): &(usize, usize, &str)| Edge {
            from: *from,
            to: *to,
            label: (*label).to_owned(),
        };
        Graph { nodes: nodes.iter().map(node).collect(), edges: edges.iter().map(edge).collect() }
    }

    fn graph() -> Graph {
        graph_of(
            &[
                ("3f2a9c41d07e", "report.py --out report.md"),
                ("8b117c000000", "clean.py \"raw\".csv"),
                ("99bb00000000", "train.py"),
                ("77aa00000000", "load.py day1.csv"),
            ],
            &[(0, 1, "clean.csv"), (0, 2, "model.bin"), (1, 3, "raw.csv"), (2, 1, "clean.csv")],
        )
    }

    #[test]
    fn a_node_that_is_reached_again_is_only_named() {
        insta::assert_snapshot!(graph().tree(false, &look(80)), @r#"
        3f2a9c41d07e  report.py --out report.md
        ├── clean.csv ← 8b117c000000  clean.py "raw".csv
        │   └── raw.csv ← 77aa00000000  load.py day1.csv
        └── model.bin ← 99bb00000000  train.py
            └── clean.csv ← 8b117c000000  (above)
        "#);
    }

    #[test]
    fn a_ring_is_drawn_once() {
        let mut ring = graph();
        ring.edges.push(Edge { from: 3, to: 0, label: String::new() });
        assert_eq!(ring.tree(false, &look(80)).lines().count(), 6);
        assert_eq!(Graph::default().tree(false, &look(80)), "");
    }

    #[test]
    fn a_chain_of_any_length_is_drawn() {
        let mut chain = Graph::default();
        for place in 0..3000 {
            chain.nodes.push(Node { name: place.to_string(), label: "x".to_owned() });
            chain.edges.push(Edge { from: place, to: place + 1, label: String::new() });
        }
        assert_eq!(chain.tree(false, &look(80)).lines().count(), 3000);
    }

    #[test]
    fn arrows_point_to_what_was_made() {
        insta::assert_snapshot!(graph().dot(false), @r#"
        digraph cashet {
          rankdir=LR;
          node [shape=box, fontname="monospace"];
          "3f2a9c41d07e" [label="3f2a9c41d07e\nreport.py --out report.md"];
          "8b117c000000" [label="8b117c000000\nclean.py \"raw\".csv"];
          "99bb00000000" [label="99bb00000000\ntrain.py"];
          "77aa00000000" [label="77aa00000000\nload.py day1.csv"];
          "8b117c000000" -> "3f2a9c41d07e" [label="clean.csv"];
          "99bb00000000" -> "3f2a9c41d07e" [label="model.bin"];
          "77aa00000000" -> "8b117c000000" [label="raw.csv"];
          "8b117c000000" -> "99bb00000000" [label="clean.csv"];
        }
        "#);
        assert!(graph().dot(true).contains("\"3f2a9c41d07e\" -> \"8b117c000000\""));
    }

    #[test]
    fn each_chain_has_a_lane() {
        let mut lanes = Lanes::new();
        let drawn = [
            lanes.draw(&'a', Some('b')),
            lanes.draw(&'x', Some('y')),
            lanes.draw(&'b', Some('c')),
            lanes.draw(&'y', None),
            lanes.draw(&'q', None),
            lanes.draw(&'c', None),
            lanes.draw(&'z', None),
        ];
        assert_eq!(drawn, ["●", "│ ●", "● │", "│ ●", "│ ●", "●", "●"]);
        let mut many = Lanes::new();
        for place in 0..100 {
            assert!(escape::columns(&many.draw(&place, Some(place + 1000))) <= 2 * LANES + 2);
        }
    }
}
