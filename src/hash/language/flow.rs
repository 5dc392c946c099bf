//! Follows the functions of a program as values: can one reach a place where its text is read?
//!
//! Each language lists the edges along which values move between places. The edges of all sources of a program together
//! determine which places functions reach. Properties are identified by name only, regardless of the object.

use std::collections::{BTreeMap, BTreeSet};

/// A place where a value may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Local to one source: a variable, a parameter, the value of an expression. 0 holds nothing.
    Local(u32),
    /// A property with this name, or what a module exports under it.
    Property(String),
    /// A parameter, by its number, of functions stored in properties with this name; the last number stands for all later ones.
    Parameter(String, u8),
    /// The return value of such functions.
    Returned(String),
    /// The return value of functions that are called without a property name.
    AnyReturned,
    /// Where a function may become text, or moves to an unknown place.
    Text,
}

/// What happens to a value on an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// It stays the same value.
    Same,
    /// It is put into a new object.
    Into,
    /// It is stored in an existing object; `true`: under a computed name.
    Stored(bool),
    /// It is read under a computed name.
    OutOf,
    /// It is read from a list or a map, or from anything that is not an object with methods of the program.
    OutOfList,
    /// It is read under a fixed name: finds only values stored under a computed name.
    NamedOutOf,
}

/// The edges of one source, with local places numbered per source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// Places that hold functions initially.
    pub functions: Vec<Place>,
    /// Places that hold objects with methods.
    pub instances: Vec<Place>,
    /// Source, kind and target of each edge.
    pub edges: Vec<(Place, Edge, Place)>,
    /// Edges that exist only if no function of the program is a property with that name.
    pub unless_defined: Vec<(String, Place, Edge, Place)>,
    /// Names of properties that hold functions of this source.
    pub defined: BTreeSet<String>,
}

/// A function.
const FUNCTION: u8 = 1;
/// An object or list that holds one.
const HOLDER: u8 = 2;
/// One that holds it under a computed name.
const COMPUTED: u8 = 4;
/// An object with methods, one of which may convert it to text.
const INSTANCE: u8 = 8;
/// A list of such objects.
const INSTANCES: u8 = 16;

/// More edges than the sources of any handwritten program have.
const MOST_EDGES: usize = 4_000_000;

/// Whether a program with these sources may read the text of a function.
pub(in super::super) fn shows_text<'a>(sources: impl Iterator<Item = &'a Flows>) -> bool {
    let sources: Vec<&Flows> = sources.collect();
    if sources.iter().all(|flows| flows.functions.is_empty()) {
        return false;
    }
    if sources.iter().map(|flows| flows.edges.len()).sum::<usize>() > MOST_EDGES {
        return true;
    }
    let mut graph = Graph::default();
    let defined: BTreeSet<&String> = sources.iter().flat_map(|flows| &flows.defined).collect();
    for (number, flows) in sources.iter().enumerate() {
        for (from, edge, to) in &flows.edges {
            graph.edge(number, from, *edge, to);
        }
        for (_, from, edge, to) in flows.unless_defined.iter().filter(|(name, ..)| !defined.contains(name)) {
            graph.edge(number, from, *edge, to);
        }
        for (places, kind) in [(&flows.functions, FUNCTION), (&flows.instances, INSTANCE)] {
            for place in places {
                let node = graph.node(number, place);
                graph.reach(node, kind);
            }
        }
    }
    graph.follow();
    let text = graph.node(0, &Place::Text);
    graph.holds(text) & (FUNCTION | HOLDER) != 0
}

/// All places and edges, by number.
#[derive(Default)]
struct Graph<'a> {
    numbers: BTreeMap<(usize, &'a Place), usize>,
    nodes: Vec<Node>,
    waiting: Vec<usize>,
}

#[derive(Default)]
struct Node {
    /// Kinds of values that may be here.
    holds: u8,
    /// Kinds of values stored in the object that is here, wherever else that object is.
    stored: u8,
    edges: Vec<(Edge, usize)>,
    /// Places that the same value comes from.
    origins: Vec<usize>,
}

impl<'a> Graph<'a> {
    fn node(&mut self, source: usize, place: &'a Place) -> usize {
        let source = if matches!(place, Place::Local(_)) { source + 1 } else { 0 };
        let next = self.nodes.len();
        let number = *self.numbers.entry((source, place)).or_insert(next);
        if number == next {
            self.nodes.push(Node::default());
        }
        number
    }

    fn edge(&mut self, source: usize, from: &'a Place, edge: Edge, to: &'a Place) {
        let (from, to) = (self.node(source, from), self.node(source, to));
        if let Some(node) = self.nodes.get_mut(from) {
            node.edges.push((edge, to));
        }
        if edge == Edge::Same
            && let Some(node) = self.nodes.get_mut(to)
        {
            node.origins.push(from);
        }
    }

    fn holds(&self, node: usize) -> u8 {
        self.nodes.get(node).map_or(0, |node| node.holds)
    }

    fn reach(&mut self, node: usize, kinds: u8) {
        if let Some(place) = self.nodes.get_mut(node)
            && kinds & !place.holds != 0
        {
            place.holds |= kinds;
            self.waiting.push(node);
        }
    }

    /// Stores values in an object, which is visible everywhere that object is.
    fn store(&mut self, node: usize, kinds: u8) {
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            if let Some(place) = self.nodes.get_mut(node)
                && kinds & !place.stored != 0
            {
                place.stored |= kinds;
                waiting.extend(&place.origins);
                self.reach(node, kinds);
            }
        }
    }

    fn follow(&mut self) {
        while let Some(node) = self.waiting.pop() {
            let Some(place) = self.nodes.get(node) else { continue };
            let holds = place.holds;
            for (edge, to) in place.edges.clone() {
                match edge {
                    Edge::Same => self.reach(to, holds),
                    Edge::Into => self.reach(to, held(holds)),
                    Edge::Stored(computed) => {
                        let held = held(holds);
                        let computed = if computed && held & HOLDER != 0 { COMPUTED } else { 0 };
                        self.store(to, held | computed);
                    }
                    Edge::OutOf => self.reach(to, found(holds)),
                    Edge::OutOfList => self.reach(to, found(holds & !INSTANCE)),
                    Edge::NamedOutOf if holds & COMPUTED != 0 => self.reach(to, FUNCTION | HOLDER),
                    Edge::NamedOutOf => {}
                }
            }
        }
    }
}

/// The kind of an object that holds such values.
fn held(kinds: u8) -> u8 {
    let holder = if kinds & (FUNCTION | HOLDER) != 0 { HOLDER } else { 0 };
    let instances = if kinds & (INSTANCE | INSTANCES) != 0 { INSTANCES } else { 0 };
    holder | instances
}

/// The kinds of values found in such objects.
fn found(kinds: u8) -> u8 {
    let functions = if kinds & (FUNCTION | HOLDER | INSTANCE) != 0 { FUNCTION | HOLDER } else { 0 };
    let instances = if kinds & INSTANCES != 0 { INSTANCE | INSTANCES } else { 0 };
    functions | instances
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(functions: &[u32], edges: &[(Place, Edge, Place)]) -> Flows {
        let functions = functions.iter().map(|number| Place::Local(*number)).collect();
        Flows { functions, edges: edges.to_vec(), ..Flows::default() }
    }

    #[test]
    fn a_function_reaches_text_by_any_way() {
        let local = Place::Local;
        let property = || Place::Property("p".to_owned());
        let shows = |flows: &[Flows]| shows_text(flows.iter());
        assert!(!shows(&[flows(&[1], &[(local(2), Edge::Same, Place::Text)])]));
        assert!(shows(&[flows(
            &[1],
            &[(local(1), Edge::Same, local(2)), (local(2), Edge::Same, Place::Text)]
        )]));
        let put = flows(&[1], &[(local(1), Edge::Same, property())]);
        let taken = flows(&[], &[(property(), Edge::Same, Place::Text)]);
        assert!(shows(&[put.clone(), taken.clone()]));
        // Local places of two sources are different places.
        assert!(!shows(&[put, flows(&[], &[(local(1), Edge::Same, Place::Text)])]));
        // A value stored later is visible to all holders of the object.
        let stored = flows(
            &[1],
            &[
                (local(3), Edge::Same, local(2)),
                (local(1), Edge::Stored(true), local(2)),
                (local(3), Edge::NamedOutOf, Place::Text),
            ],
        );
        assert!(shows(&[stored]));
    }
}
