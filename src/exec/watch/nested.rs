//! Messages of a nested call of cashet: that it is one, and what its result depends on.

use super::access::Observer;
use super::process::{to_path, write_byte};
use super::stopped::Stopped;
use crate::exec::nested::{PREFIX, QUESTION, YES};
use crate::exec::{Askers, Hazard};

/// Handles a look at `path`, whose text is at `address`. False if it is not a message.
pub(super) fn heard(stopped: &Stopped<'_>, observer: &mut Observer<'_>, address: u64, path: &[u8]) -> bool {
    let Some(said) = path.strip_prefix(PREFIX) else { return false };
    let tid = stopped.tid;
    let end = said.iter().position(|byte| *byte == b'/').unwrap_or(said.len());
    let (verb, argument) = said.split_at(end);
    let argument = argument.get(1..).unwrap_or_default();
    match (verb, argument) {
        (b"watched", _) => {
            observer.nested.insert(tid);
            let last = address.wrapping_add(QUESTION.len() as u64 - 1);
            if let Err(error) = write_byte(tid, last, YES) {
                let what = format!("a call of cashet cannot be told that it is watched: {error}");
                observer.hazard(Hazard::Incomplete(what));
            }
        }
        // A path is cleaned of a second slash.
        (b"store", directory) => observer.does_not_count(&[b"/", directory].concat()),
        (b"variable", name) => {
            observer.nested_variables.insert(name.to_vec());
        }
        (b"stdin", b"content") => observer.descriptors.read(tid, 0),
        (b"stdin", b"kind") => observer.descriptors.ask(tid, 0, Askers::OTHERS, |used| &mut used.asked),
        (b"stdin", b"terminal") => {
            observer.descriptors.ask(tid, 0, Askers::OTHERS, |used| &mut used.terminal);
        }
        (b"stdin", b"name") => observer.descriptors.ask(tid, 0, Askers::OTHERS, |used| &mut used.named),
        (b"network", _) => {
            observer.hazard(Hazard::Network("by a result that cashet replayed within it".to_owned()));
        }
        (b"results", command) => {
            let command = to_path(command.to_vec());
            observer.hazard(Hazard::Store(command.display().to_string()));
        }
        _ => observer.hazard(Hazard::Incomplete("a call of another version of cashet".to_owned())),
    }
    true
}
