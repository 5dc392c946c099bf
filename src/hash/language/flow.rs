//! Where the functions of a program go: whether one may end where its text is asked for.
//!
//! A language notes each way that a value takes, from place to place; over all sources of a program it is then followed
//! which places functions reach. Properties are told apart by their names alone, whatever object they are of.

use std::collections::{BTreeMap, BTreeSet};

/// A place where a value may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Within one source: a variable, a parameter, what an expression gives. 0 holds nothing.
    Local(u32),
    /// A property of that name, or what a module exports under it.
    Property(String),
    /// The parameters of functions that are properties of that name, by number; the last stands for all after it.
    Parameter(String, u8),
    /// What such functions return.
    Returned(String),
    /// What functions return that are called otherwise than by a name.
    AnyReturned,
    /// Where a function may become text, or goes where it is not known what becomes of it.
    Text,
}

/// What becomes of a value on a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// It is the same value.
    Same,
    /// It is put into a new object.
    Into,
    /// It is put into the object that is already there; `true`: under a name that is computed.
    Stored(bool),
    /// It is taken out under a name that is computed.
    OutOf,
    /// It is taken out of a list or a map, or of whatever else is no object with methods of the program.
    OutOfList,
    /// It is taken out under a fixed name: only what was put in under a computed one is found this way.
    NamedOutOf,
}

/// The ways of one source, in its own numbering of local places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// Places that hold functions from the beginning.
    pub functions: Vec<Place>,
    /// Places that hold objects with methods.
    pub instances: Vec<Place>,
    /// From where, how, to where.
    pub ways: Vec<(Place, Way, Place)>,
    /// Ways that are taken only if no function of the program is a property of that name.
    pub unless_defined: Vec<(String, Place, Way, Place)>,
    /// Names of properties that functions of this source are.
    pub defined: BTreeSet<String>,
}

/// A function.
const FUNCTION: u8 = 1;
/// An object or list that holds one.
const HOLDER: u8 = 2;
/// One that holds it under a computed name.
const COMPUTED: u8 = 4;
/// An object with methods, which becomes text by a method of its own.
const INSTANCE: u8 = 8;
/// A list of such objects.
const INSTANCES: u8 = 16;

/// More ways than the sources of any program by hand have.
const MOST_WAYS: usize = 4_000_000;

/// Whether the text of a function may be asked for in a program of these sources.
pub(in super::super) fn shows_text<'a>(sources: impl Iterator<Item = &'a Flows>) -> bool {
    let sources: Vec<&Flows> = sources.collect();
    if sources.iter().all(|flows| flows.functions.is_empty()) {
        return false;
    }
    if sources.iter().map(|flows| flows.ways.len()).sum::<usize>() > MOST_WAYS {
        return true;
    }
    let mut graph = Graph::default();
    let defined: BTreeSet<&String> = sources.iter().flat_map(|flows| &flows.defined).collect();
    for (number, flows) in sources.iter().enumerate() {
        for (from, way, to) in &flows.ways {
            graph.way(number, from, *way, to);
        }
        for (_, from, way, to) in flows.unless_defined.iter().filter(|(name, ..)| !defined.contains(name)) {
            graph.way(number, from, *way, to);
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

/// All places and ways, by number.
#[derive(Default)]
struct Graph<'a> {
    numbers: BTreeMap<(usize, &'a Place), usize>,
    nodes: Vec<Node>,
    waiting: Vec<usize>,
}

#[derive(Default)]
struct Node {
    /// What may be there.
    holds: u8,
    /// What was put into the object that is there, wherever else it is.
    stored: u8,
    ways: Vec<(Way, usize)>,
    /// Where the same value comes from.
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

    fn way(&mut self, source: usize, from: &'a Place, way: Way, to: &'a Place) {
        let (from, to) = (self.node(source, from), self.node(source, to));
        if let Some(node) = self.nodes.get_mut(from) {
            node.ways.push((way, to));
        }
        if way == Way::Same
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

    /// What is put into an object is in it everywhere.
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
            for (way, to) in place.ways.clone() {
                match way {
                    Way::Same => self.reach(to, holds),
                    Way::Into => self.reach(to, held(holds)),
                    Way::Stored(computed) => {
                        let held = held(holds);
                        let computed = if computed && held & HOLDER != 0 { COMPUTED } else { 0 };
                        self.store(to, held | computed);
                    }
                    Way::OutOf => self.reach(to, found(holds)),
                    Way::OutOfList => self.reach(to, found(holds & !INSTANCE)),
                    Way::NamedOutOf if holds & COMPUTED != 0 => self.reach(to, FUNCTION | HOLDER),
                    Way::NamedOutOf => {}
                }
            }
        }
    }
}

/// What an object is that holds such values.
fn held(kinds: u8) -> u8 {
    let holder = if kinds & (FUNCTION | HOLDER) != 0 { HOLDER } else { 0 };
    let instances = if kinds & (INSTANCE | INSTANCES) != 0 { INSTANCES } else { 0 };
    holder | instances
}

/// What may be found in such values.
fn found(kinds: u8) -> u8 {
    let functions = if kinds & (FUNCTION | HOLDER | INSTANCE) != 0 { FUNCTION | HOLDER } else { 0 };
    let instances = if kinds & INSTANCES != 0 { INSTANCE | INSTANCES } else { 0 };
    functions | instances
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(functions: &[u32], ways: &[(Place, Way, Place)]) -> Flows {
        let functions = functions.iter().map(|number| Place::Local(*number)).collect();
        Flows { functions, ways: ways.to_vec(), ..Flows::default() }
    }

    #[test]
    fn a_function_reaches_text_by_any_way() {
        let local = Place::Local;
        let property = || Place::Property("p".to_owned());
        let shows = |flows: &[Flows]| shows_text(flows.iter());
        assert!(!shows(&[flows(&[1], &[(local(2), Way::Same, Place::Text)])]));
        assert!(shows(&[flows(
            &[1],
            &[(local(1), Way::Same, local(2)), (local(2), Way::Same, Place::Text)]
        )]));
        let put = flows(&[1], &[(local(1), Way::Same, property())]);
        let taken = flows(&[], &[(property(), Way::Same, Place::Text)]);
        assert!(shows(&[put.clone(), taken.clone()]));
        // Local places of two sources are two.
        assert!(!shows(&[put, flows(&[], &[(local(1), Way::Same, Place::Text)])]));
        // What is put in later is found by all who have the object.
        let stored = flows(
            &[1],
            &[
                (local(3), Way::Same, local(2)),
                (local(1), Way::Stored(true), local(2)),
                (local(3), Way::NamedOutOf, Place::Text),
            ],
        );
        assert!(shows(&[stored]));
    }
}
