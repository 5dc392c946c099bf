//! The provenance of the runs as a drawing. If there are many, runs of one function with the same origins share a box.

use super::Shown;
use crate::commands::found::Opened;
use crate::commands::provenance;
use crate::error::Result;
use crate::ui::drawing;
use crate::ui::graph::{Edge, Graph, Node};
use crate::ui::{escape, human};
use std::collections::{BTreeMap, BTreeSet};

/// With more boxes than this, functions are drawn instead of runs.
const MOST_RUNS: usize = 40;

/// The drawing; empty where no run consumed a product of another run.
///
/// # Errors
/// The store cannot be read.
pub(super) fn drawing(opened: &Opened, runs: &[Shown]) -> Result<String> {
    let roots = runs.iter().map(|shown| shown.run.found.clone()).collect();
    let (graph, functions) = provenance::of_all(opened, roots)?;
    if graph.edges.is_empty() {
        return Ok(String::new());
    }
    let graph = if graph.nodes.len() > MOST_RUNS { grouped(&graph, &functions) } else { graph };
    Ok(drawing::inside(&graph, false))
}

/// The graph of functions: one box for all runs of one.
fn grouped(graph: &Graph, functions: &[Vec<u8>]) -> Graph {
    let mut members: BTreeMap<&[u8], usize> = BTreeMap::new();
    for function in functions {
        *members.entry(function).or_default() += 1;
    }
    let mut places: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mut nodes = Vec::new();
    let mut of_node = Vec::new();
    for (node, function) in graph.nodes.iter().zip(functions) {
        let count = members.get(function.as_slice()).copied().unwrap_or(1);
        let place = *places.entry(function).or_insert_with(|| {
            nodes.push(if count == 1 {
                node.clone()
            } else {
                let name = escape::brief(function, 40);
                Node { name, label: human::count(u64::try_from(count).unwrap_or(u64::MAX), "run") }
            });
            nodes.len() - 1
        });
        of_node.push(place);
    }
    let mut edges: BTreeSet<(usize, usize, &str)> = BTreeSet::new();
    for edge in &graph.edges {
        if let (Some(from), Some(to)) = (of_node.get(edge.from), of_node.get(edge.to)) {
            edges.insert((*from, *to, &edge.label));
        }
    }
    let edges = edges.into_iter().map(|(from, to, label)| Edge { from, to, label: label.to_owned() });
    Graph { nodes, edges: edges.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_a_function_are_one_box() {
        let node = |name: &str| Node { name: name.to_owned(), label: format!("{name} x") };
        let edge = |from, to| Edge { from, to, label: "a.csv".to_owned() };
        let graph =
            Graph { nodes: vec![node("r1"), node("r2"), node("c1")], edges: vec![edge(0, 2), edge(1, 2)] };
        let functions = [b"train.py".to_vec(), b"train.py".to_vec(), b"clean.py".to_vec()];
        let grouped = grouped(&graph, &functions);
        let names: Vec<&str> = grouped.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["train.py", "c1"]);
        assert_eq!(grouped.nodes[0].label, "2 runs");
        assert_eq!(grouped.edges.len(), 1);
    }
}
