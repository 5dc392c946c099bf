//! What a call brings along: the program around it, its policy, and the standard input of its command.

use super::Context;
use super::policy::Policy;
use super::stdin::Given;
use crate::error::Result;
use crate::exec::Stdin;
use crate::hash::request::{Request, StdinPart};
use crate::record::Timestamp;

/// One call.
pub(super) struct Call<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) policy: &'a Policy,
    /// What the command reads in place of our standard input, if the call says so.
    pub(super) stdin: Option<Given>,
    /// When the call began, by the clock of files.
    pub(super) began: Timestamp,
}

impl Call<'_> {
    /// The standard input of the command. A call may start its command twice: the second one is given the same input from the
    /// same offset, and never our own standard input, which may have been read to its end.
    ///
    /// # Errors
    /// When the file cannot be opened again.
    pub(super) fn child_stdin(&self, request: &Request) -> Result<Stdin> {
        match (&self.stdin, request.stdin) {
            (Some(given), _) => given.again().map(Stdin::File),
            (None, StdinPart::Null) => Ok(Stdin::Null),
            (None, _) => Ok(Stdin::Inherit),
        }
    }
}
