//! Visits every reachable state, breadth first, so that a violation is found by a shortest path.
//!
//! Knows nothing of what the states mean.

use crate::protocol::{Fault, Plan, State};
use std::collections::{HashMap, VecDeque};

/// A violation, and the steps that led to it.
#[derive(Debug)]
#[expect(dead_code, reason = "the way is for the reader of a failure")]
pub(crate) struct Violation {
    pub(crate) what: &'static str,
    pub(crate) way: Vec<String>,
    pub(crate) state: State,
}

/// What came of it.
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) violation: Option<Violation>,
}

/// Explores all of a plan, up to the first violation.
pub(crate) fn explore(plan: &Plan, fault: Fault) -> Explored {
    let start = State::new(plan);
    let mut from: HashMap<State, Option<(State, String)>> = HashMap::new();
    from.insert(start.clone(), None);
    let mut waiting = VecDeque::from([start]);
    while let Some(state) = waiting.pop_front() {
        let next = state.steps(plan, fault);
        let what = state.wrong().or_else(|| if next.is_empty() { state.wrong_end() } else { None });
        if let Some(what) = what {
            let violation = Violation { what, way: way(&from, &state), state };
            return Explored { states: from.len(), violation: Some(violation) };
        }
        for (step, after) in next {
            if !from.contains_key(&after) {
                from.insert(after.clone(), Some((state.clone(), step)));
                waiting.push_back(after);
            }
        }
    }
    Explored { states: from.len(), violation: None }
}

fn way(from: &HashMap<State, Option<(State, String)>>, end: &State) -> Vec<String> {
    let mut way = Vec::new();
    let mut state = end;
    while let Some(Some((before, step))) = from.get(state) {
        way.push(step.clone());
        state = before;
    }
    way.reverse();
    way
}
