//! A graph as an SVG drawing: a file, or a part of an HTML page.
//!
//! All text from the graph is escaped for XML.

mod layers;

use super::escape;
use super::graph::Graph;
use layers::{Size, layout};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Width of a column of text in the drawing's font, and the height of a box with two lines.
const COLUMN: f64 = 7.3;
const HEIGHT: f64 = 40.0;

/// Maximum number of columns of a label in a box, and of one at an edge.
const LABEL: usize = 40;
const EDGE: usize = 22;

/// Margin of the drawing.
const MARGIN: f64 = 12.0;

/// Colours, light and dark. `.cashet-graph` limits them to the drawing.
const STYLE: &str = "\
.cashet-graph{color-scheme:light dark;--box:#f6f8fa;--edge:#8c959f;--text:#1f2328;--hash:#9a6700;--root:#0969da;\
font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\
@media(prefers-color-scheme:dark){.cashet-graph{--box:#161b22;--edge:#7d8590;--text:#e6edf3;--hash:#d29922;--root:#4493f8}}\
.cashet-graph rect{fill:var(--box);stroke:var(--edge)}.cashet-graph .root rect{stroke:var(--root);stroke-width:2}\
.cashet-graph text{fill:var(--text)}.cashet-graph .hash{fill:var(--hash)}.cashet-graph .via{font-size:10px;fill:var(--edge)}\
.cashet-graph path{fill:none;stroke:var(--edge)}.cashet-graph .tip{fill:var(--edge);stroke:none}";

/// The style sheet for a page that contains a drawing.
#[must_use]
pub const fn style() -> &'static str {
    STYLE
}

/// The drawing as a separate file. With `down`, the edges lead to what was made from a node.
#[must_use]
pub fn svg(graph: &Graph, down: bool) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n",
        element(graph, down, &format!("<style>{STYLE}</style>"))
    )
}

/// The drawing as a part of a page that contains [`style`].
#[must_use]
pub fn inside(graph: &Graph, down: bool) -> String {
    element(graph, down, "")
}

/// The drawing as a page.
#[must_use]
pub fn page(graph: &Graph, down: bool, title: &str) -> String {
    let title = escaped(title);
    // The policy allows no script and no requests, and the style sheet by its digest.
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n\
         <style>{STYLE} body{{margin:1.5rem;font-family:system-ui,sans-serif}} h1{{font-size:1.1rem}}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n{}\n</body>\n</html>\n",
        inside(graph, down)
    )
}

/// Joins edges between the same nodes, with all their labels.
fn merged(graph: &Graph, down: bool) -> BTreeMap<(usize, usize), BTreeSet<&str>> {
    let mut edges: BTreeMap<(usize, usize), BTreeSet<&str>> = BTreeMap::new();
    let there = |place: usize| place < graph.nodes.len();
    for edge in graph.edges.iter().filter(|edge| there(edge.from) && there(edge.to)) {
        let (used, made) = if down { (edge.from, edge.to) } else { (edge.to, edge.from) };
        let labels = edges.entry((used, made)).or_default();
        if !edge.label.is_empty() {
            labels.insert(&edge.label);
        }
    }
    edges
}

fn columns(text: &str) -> f64 {
    f64::from(u32::try_from(escape::columns(text)).unwrap_or(u32::MAX)) * COLUMN
}

fn element(graph: &Graph, down: bool, style: &str) -> String {
    let edges = merged(graph, down);
    let labels: Vec<String> =
        graph.nodes.iter().map(|node| escape::cut(&node.label, LABEL).into_owned()).collect();
    let sizes: Vec<Size> = graph
        .nodes
        .iter()
        .zip(&labels)
        .map(|(node, label)| Size { width: columns(label).max(columns(&node.name)) + 20.0, height: HEIGHT })
        .collect();
    let vias: Vec<String> = edges.values().map(via).collect();
    let widest = vias.iter().map(|via| columns(via) * 10.0 / 12.0).fold(0.0, f64::max);
    let pairs: Vec<(usize, usize)> = edges.keys().copied().collect();
    let laid = layout(&sizes, &pairs, widest + 44.0);
    let (width, height) = (laid.width + 2.0 * MARGIN, laid.height + 2.0 * MARGIN);
    // Writing to a string cannot fail.
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"cashet-graph\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"Runs, and what they were made from\">{style}\n"
    );
    for ((labels, via), route) in edges.values().zip(&vias).zip(&laid.routes) {
        push_edge(&mut text, labels, via, route);
    }
    for (place, ((node, label), (x, y))) in graph.nodes.iter().zip(&labels).zip(&laid.boxes).enumerate() {
        let class = if place == 0 { "node root" } else { "node" };
        let (x, y) = (x + MARGIN, y + MARGIN);
        let width = sizes.get(place).map_or(0.0, |size| size.width);
        let _ = writeln!(
            text,
            "<g class=\"{class}\" data-name=\"{name}\"><title>{name} {whole}</title>\
             <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"6\"/>\
             <text class=\"hash\" x=\"{left:.1}\" y=\"{first:.1}\">{name}</text>\
             <text x=\"{left:.1}\" y=\"{second:.1}\">{label}</text></g>",
            name = escaped(&node.name),
            whole = escaped(&node.label),
            label = escaped(label),
            left = x + 10.0,
            first = y + 16.0,
            second = y + 31.0,
        );
    }
    text.push_str("</svg>");
    text
}

/// What an edge says in the room that it has.
fn via(labels: &BTreeSet<&str>) -> String {
    let Some(first) = labels.first() else { return String::new() };
    let more = match labels.len() {
        1 => String::new(),
        count => format!(" +{}", count - 1),
    };
    // The end of a path is more informative than its beginning.
    let all: Vec<char> = first.chars().collect();
    let room = EDGE - more.len().min(EDGE / 2);
    let shown: String = if all.len() > room {
        ["…".to_owned(), all.iter().skip(all.len() + 1 - room).collect()].concat()
    } else {
        (*first).to_owned()
    };
    shown + &more
}

fn push_edge(text: &mut String, labels: &BTreeSet<&str>, via: &str, route: &[(f64, f64)]) {
    let points: Vec<(f64, f64)> = route.iter().map(|(x, y)| (x + MARGIN, y + MARGIN)).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
    let mut path = format!("M{:.1} {:.1}", first.0, first.1);
    for (one, other) in points.iter().zip(points.iter().skip(1)) {
        let middle = f64::midpoint(one.0, other.0);
        let _ = write!(
            path,
            "C{middle:.1} {:.1} {middle:.1} {:.1} {:.1} {:.1}",
            one.1, other.1, other.0, other.1
        );
    }
    let back = if points.len() > 1 && last.0 < first.0 { 6.0 } else { -6.0 };
    let title: Vec<String> = labels.iter().map(|label| escaped(label)).collect();
    let _ = write!(
        text,
        "<g class=\"edge\"><title>{}</title><path d=\"{path}\"/>\
         <path class=\"tip\" d=\"M{x:.1} {y:.1}l{back} -3.5v7z\"/>",
        title.join("\n"),
        x = last.0,
        y = last.1,
    );
    if let (false, Some(next)) = (via.is_empty(), points.get(1)) {
        let _ = write!(
            text,
            "<text class=\"via\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            f64::midpoint(first.0, next.0),
            f64::midpoint(first.1, next.1) - 4.0,
            escaped(via)
        );
    }
    text.push_str("</g>\n");
}

/// Text for an element or a quoted attribute of XML and HTML. Characters that XML does not have are left out.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::graph_of;
    use super::*;

    fn graph() -> Graph {
        graph_of(
            &[
                ("3f2a9c41d07e", "report.py --out 'a<b>&\"c\"'"),
                ("8b117c000000", "</text><script>alert(1)</script>"),
                ("99bb00000000", "train.py"),
            ],
            &[
                (0, 1, "clean.csv"),
                (0, 1, "</title><script>alert(2)</script>"),
                (0, 2, "a/very/long/path/to/some/model.bin"),
                (2, 1, ""),
                (2, 9, "nowhere"),
            ],
        )
    }

    #[test]
    fn all_nodes_and_edges_are_drawn_and_nothing_is_markup() {
        let drawn = svg(&graph(), false);
        assert_eq!(drawn.matches("class=\"node").count(), 3);
        assert_eq!(drawn.matches("class=\"edge\"").count(), 3);
        assert!(!drawn.contains("<script"));
        assert!(drawn.contains("…ath/to/some/model.bin"), "{drawn}");
        assert!(drawn.contains("+1"));
        assert_eq!(drawn, svg(&graph(), false));
        assert_ne!(drawn, svg(&graph(), true));
        let page = page(&graph(), false, "<b>");
        assert!(page.contains("<title>&lt;b&gt;</title>") && !page.contains("<script"));
    }

    #[test]
    fn the_graph_of_nothing_is_empty() {
        assert!(svg(&Graph::default(), false).contains("width=\"24\""));
    }
}
