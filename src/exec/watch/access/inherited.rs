//! How the run uses the descriptors that it inherited. Nested calls of cashet are left out: they report their own dependencies.

use super::Observer;
use crate::exec::watch::linux::paths::Named;
use crate::exec::watch::linux::process::{as_path, link};
use crate::exec::watch::linux::touches::process_number;
use crate::exec::{Askers, DescriptorUse, Shows};
use std::os::fd::RawFd;

impl Observer<'_> {
    /// The stopped thread asks about its descriptor `number`. `what` selects the field in which that is noted.
    pub(in crate::exec::watch) fn ask(
        &mut self,
        tid: libc::pid_t,
        number: RawFd,
        what: fn(&mut DescriptorUse) -> &mut Askers,
    ) {
        if self.is_nested(tid) {
            return;
        }
        if number == 0 {
            self.shown_stdin(tid);
        }
        if self.descriptors.is_inherited(tid, number) {
            let by = self.asker();
            self.descriptors.ask(tid, number, by, what);
        }
    }

    /// A program that shows times or modes asks for those of the file that it has as standard input: `gzip < f`.
    fn shown_stdin(&mut self, tid: libc::pid_t) {
        if !matches!(self.caller().shows, Shows::Times | Shows::Modes) {
            return;
        }
        let path = link(tid, "fd/0").unwrap_or_default();
        if std::fs::symlink_metadata(as_path(&path)).is_ok_and(|found| found.is_file()) {
            self.look(&Named { path, as_directory: false }, true);
        }
    }

    /// Whether the thread belongs to a nested call of cashet.
    fn is_nested(&self, tid: libc::pid_t) -> bool {
        !self.nested.is_empty()
            && (self.nested.contains(&tid)
                || process_number(tid).is_some_and(|process| self.nested.contains(&process)))
    }

    /// The stopped thread waits until its descriptor `number` is readable.
    pub(in crate::exec::watch) fn polled(&mut self, tid: libc::pid_t, number: RawFd) {
        if !self.is_nested(tid) {
            self.descriptors.polled(tid, number);
        }
    }

    /// The stopped thread duplicates its descriptor `from` to `to`, or to the lowest free number from `least` on.
    pub(in crate::exec::watch) fn duplicate(
        &mut self,
        tid: libc::pid_t,
        from: RawFd,
        to: Option<RawFd>,
        least: RawFd,
    ) {
        if !self.is_nested(tid)
            && self.descriptors.leads_out_of_sight(tid, to, least)
            && self.descriptors.is_inherited(tid, from)
        {
            let by = self.asker();
            self.descriptors.duplicated(tid, from, by);
        }
    }

    fn asker(&mut self) -> Askers {
        let interpreters = self.caller().is_interpreter;
        Askers { interpreters, others: !interpreters }
    }
}
