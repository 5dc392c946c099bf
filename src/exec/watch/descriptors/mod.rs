//! Descriptors that we inherited and that the run inherits from us: how the run uses the objects behind them.
//!
//! The object counts, not its number. It is looked for behind each number at which a call is stopped, and followed when it is
//! duplicated to a number at which no call is stopped. Knows nothing about the meaning of paths.

mod access_watch;
mod jobserver;
mod object;

use super::filter::Numbers;
use super::process::descriptor_path;
use crate::error::means_absent;
use crate::exec::order::{Order, is_same_open_file};
use crate::exec::spawn::StdinGiven;
use crate::exec::terminal::Control;
use crate::exec::{Askers, DescriptorUse};
use crate::record::Stream;
use jobserver::Jobserver;
use object::Object;
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::sync::Arc;

/// Numbers to which shells move a descriptor that they save. Calls on these numbers are stopped, too.
const SAVED: std::ops::RangeInclusive<u32> = 10..=15;
/// The first number above the standard ones.
const FIRST_OTHER: u32 = 3;

/// What the run inherits.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    objects: Vec<Object>,
    /// The path of make's jobserver, if it is a FIFO.
    jobserver: Option<Vec<u8>>,
    /// How the run used standard input where it gets none: the number is not open.
    closed: Option<DescriptorUse>,
    /// Reports reads of a terminal, once that may happen under a number at which no call is stopped.
    access_watch: Option<OwnedFd>,
    /// The terminals of the run.
    terminal: Option<Arc<Control>>,
}

impl Inherited {
    /// Looks at what we have now: standard input, if the run gets ours or a `terminal` in its place, and everything above 2 that is not closed
    /// on execution, except make's jobserver as `MAKEFLAGS` names it.
    ///
    /// # Errors
    /// When our own descriptors cannot be listed.
    pub(super) fn gather(
        stdin: StdinGiven,
        make_flags: Option<&[u8]>,
        terminal: Option<&Arc<Control>>,
    ) -> io::Result<Self> {
        let with_stdin = matches!(stdin, StdinGiven::Ours | StdinGiven::Terminal);
        let closed = (stdin == StdinGiven::Closed).then(DescriptorUse::default);
        let jobserver = make_flags.map(Jobserver::parse).unwrap_or_default();
        let mut objects = Vec::new();
        for entry in fs::read_dir("/proc/self/fd")? {
            let name = entry?.file_name();
            let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let wanted = if number < FIRST_OTHER { number == 0 && with_stdin } else { true };
            if wanted && !jobserver.descriptors.contains(&number) {
                let mut object = Object::inherited(number)?;
                if let Some(object) = object.as_mut().filter(|object| object.number == 0) {
                    object.stands_for_ours = stdin == StdinGiven::Terminal;
                }
                objects.extend(object);
            }
        }
        objects.sort_by_key(|object| object.number);
        Ok(Self {
            objects,
            jobserver: jobserver.path,
            closed,
            access_watch: None,
            terminal: terminal.cloned(),
        })
    }

    /// The numbers at which calls are to be stopped, including those that the order of the streams needs.
    pub(super) fn numbers_with(&self, order: Option<&Order>) -> Numbers {
        let mut numbers = self.numbers();
        if let Some(order) = order {
            numbers.stderr = std::iter::once(2).chain(SAVED).collect();
            if order.target(Stream::Stdout).is_some() {
                numbers.ask.push(1);
                numbers.kind.push(1);
            }
        }
        numbers
    }

    /// The numbers at which calls are to be stopped.
    pub(super) fn numbers(&self) -> Numbers {
        let has_stdin = self.closed.is_some() || self.objects.iter().any(|object| object.number == 0);
        let stdin: Vec<u32> = if has_stdin { vec![0] } else { Vec::new() };
        if self.objects.is_empty() {
            let (read, kind) = (stdin.clone(), stdin.clone());
            let has_terminal = self.terminal.is_some();
            return Numbers { read, kind, stdin, has_terminal, ..Numbers::default() };
        }
        let closed = self.closed.iter().map(|_| 0);
        let own = self.objects.iter().map(|object| object.number);
        let read: Vec<u32> = closed.chain(own).chain(SAVED).collect();
        let others = self.objects.iter().any(|object| object.number >= FIRST_OTHER);
        let regular = self.objects.iter().any(|object| object.metadata.is_file());
        Numbers {
            write: if others { read.clone() } else { vec![0] },
            ask: if regular { read.clone() } else { Vec::new() },
            kind: if regular { read.clone() } else { stdin.clone() },
            stdin,
            stderr: Vec::new(),
            has_terminal: self.terminal.is_some(),
            read,
        }
    }

    /// Whether standard input is inherited.
    pub(super) fn has_stdin(&self) -> bool {
        self.objects.iter().any(|object| object.number == 0)
    }

    /// How standard input was used.
    pub(super) fn stdin_use(&self) -> DescriptorUse {
        if let Some(closed) = self.closed {
            return closed;
        }
        let mut used = self
            .objects
            .iter()
            .find(|object| object.number == 0)
            .map_or_else(DescriptorUse::default, |object| object.used);
        used.read |= self.access_watch.as_ref().is_some_and(access_watch::is_readable);
        used
    }

    /// How the others were used.
    pub(super) fn other_uses(&self) -> BTreeMap<u32, DescriptorUse> {
        let others = self.objects.iter().filter(|object| object.number >= FIRST_OTHER);
        let used = others.filter(|object| object.used != DescriptorUse::default());
        used.map(|object| (object.number, object.used)).collect()
    }

    /// Descriptor `number` of thread `tid` is read.
    pub(super) fn read(&mut self, tid: libc::pid_t, number: RawFd) {
        let is_elsewhere = self.terminal.as_ref().is_some_and(|terminal| terminal.reads_elsewhere());
        if self.note(tid, number, |used| used.read = true) || is_elsewhere && self.is_terminal(tid, number) {
            self.terminal_is_used();
        }
    }

    /// Whether the descriptor is the pseudo-terminal in place of ours.
    fn is_terminal(&mut self, tid: libc::pid_t, number: RawFd) -> bool {
        self.find(tid, number).is_some_and(|object| object.stands_for_ours)
    }

    /// Descriptor `number` of thread `tid` is written to.
    pub(super) fn written(&mut self, tid: libc::pid_t, number: RawFd) {
        self.note(tid, number, |used| used.written = true);
    }

    /// Thread `tid` asks about descriptor `number`. `what` selects the field in which that is noted.
    pub(super) fn ask(
        &mut self,
        tid: libc::pid_t,
        number: RawFd,
        by: Askers,
        what: fn(&mut DescriptorUse) -> &mut Askers,
    ) {
        self.note(tid, number, |used| what(used).merge(by));
    }

    /// Thread `tid` asks whether descriptor `number` is readable.
    pub(super) fn polled(&mut self, tid: libc::pid_t, number: RawFd) {
        if self.note(tid, number, |used| used.polled = true) {
            self.terminal_is_used();
        }
    }

    /// Typed input goes to the run from now on.
    fn terminal_is_used(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.used_as_stdin();
        }
    }

    /// The terminals of the run.
    pub(super) fn terminal(&self) -> Option<&Arc<Control>> {
        self.terminal.as_ref()
    }

    /// The command was stopped by `signal`.
    pub(super) fn is_stopped(&self, signal: i32) {
        if let Some(terminal) = &self.terminal {
            terminal.stopped(signal);
        }
    }

    /// Whether the object behind a descriptor was inherited. A closed standard input was inherited, too.
    pub(super) fn is_inherited(&mut self, tid: libc::pid_t, number: RawFd) -> bool {
        self.is_closed(tid, number) || self.find(tid, number).is_some()
    }

    /// Whether it is standard input of a run that gets none, and is still not open.
    fn is_closed(&self, tid: libc::pid_t, number: RawFd) -> bool {
        number == 0
            && self.closed.is_some()
            && fs::symlink_metadata(descriptor_path(tid, 0)).is_err_and(|error| means_absent(&error))
    }

    /// The object behind a descriptor is opened again, or cannot be followed any more. False if it was not inherited.
    pub(super) fn opened(&mut self, tid: libc::pid_t, number: RawFd) -> bool {
        if self.is_closed(tid, number) {
            self.read(tid, number);
            return true;
        }
        let Some(object) = self.find(tid, number) else { return false };
        object.used.read |= object.readable;
        object.used.written |= object.writable && object.number >= FIRST_OTHER;
        if object.stands_for_ours {
            self.terminal_is_used();
        }
        true
    }

    /// The device at `path` is opened for reading. If it is the terminal that standard input is, or our controlling
    /// terminal, reads of it are reads of standard input. (Shells open it without reading.)
    /// With `waits`, a read of it waits until something is typed.
    pub(super) fn device_opened(&mut self, path: &[u8], device: &Metadata, waits: bool) {
        let own = self.terminal.as_ref().and_then(|own| Some((own, own.stream_of(device.rdev())?)));
        let at_terminal = own.is_some();
        match own {
            Some((terminal, stream)) if waits => terminal.used(stream),
            Some((terminal, _)) => terminal.may_be_used(),
            None => {}
        }
        let Some(stdin) = self.objects.iter().find(|object| object.number == 0) else { return };
        let same = stdin.is_terminal() && !stdin.stands_for_ours && stdin.metadata.rdev() == device.rdev();
        if same || at_terminal || path == b"/dev/tty" && has_terminal() {
            self.watch_accesses(path);
        }
    }

    /// From now on each read of `path` counts as a read of standard input.
    fn watch_accesses(&mut self, path: &[u8]) {
        if self.access_watch.is_none() {
            self.access_watch = access_watch::create();
        }
        let is_watched = self.access_watch.as_ref().is_some_and(|watch| access_watch::add(watch, path));
        if !is_watched && let Some(stdin) = self.objects.iter_mut().find(|object| object.number == 0) {
            stdin.used.read = true;
        }
    }

    /// Whether `path` is the FIFO of make's jobserver.
    pub(super) fn is_jobserver(&self, path: &[u8]) -> bool {
        self.jobserver.as_deref() == Some(path)
    }

    /// Whether calls on `to`, or on the lowest free number of thread `tid` from `least` on, are not stopped.
    pub(super) fn leads_out_of_sight(&self, tid: libc::pid_t, to: Option<RawFd>, least: RawFd) -> bool {
        if self.terminal.is_some() && matches!(to, Some(1 | 2)) {
            // There it is stdout or stderr, which are the same terminal.
            return false;
        }
        let to = to.unwrap_or_else(|| lowest_free(tid, least));
        !self.objects.is_empty() && !u32::try_from(to).is_ok_and(|to| self.numbers().read.contains(&to))
    }

    /// Descriptor `from` of thread `tid` is duplicated to a number at which no call is stopped. Questions about the duplicate
    /// cannot be observed, so they count as asked.
    pub(super) fn duplicated(&mut self, tid: libc::pid_t, from: RawFd, by: Askers) {
        let Some(object) = self.find(tid, from) else { return };
        if object.number == 0 {
            object.used.asked.merge(by);
            object.used.terminal.merge(by);
        }
        if object.number == 0 && object.is_terminal() {
            // A terminal that is saved (as test runners do) is not a terminal that is read.
            if object.stands_for_ours
                && let Some(terminal) = self.terminal.clone()
            {
                terminal.may_be_used();
                return self.watch_accesses(format!("/proc/{tid}/fd/{from}").as_bytes());
            }
            return self.watch_accesses(b"/proc/self/fd/0");
        }
        self.opened(tid, from);
    }

    /// Notes a use. Returns whether it is new and the object is the pseudo-terminal in place of ours.
    fn note(&mut self, tid: libc::pid_t, number: RawFd, set: impl Fn(&mut DescriptorUse)) -> bool {
        if self.is_closed(tid, number) {
            self.closed.iter_mut().for_each(set);
            return false;
        }
        // Most calls on these numbers are on other objects, and most others repeat a known use.
        let is_new = self.objects.iter().any(|object| {
            let mut after = object.used;
            set(&mut after);
            after != object.used
        });
        if is_new && let Some(object) = self.find(tid, number) {
            set(&mut object.used);
            return object.stands_for_ours;
        }
        false
    }

    fn find(&mut self, tid: libc::pid_t, number: RawFd) -> Option<&mut Object> {
        let terminal = self.terminal.as_deref();
        self.objects.iter_mut().find(|object| {
            if object.stands_for_ours {
                // stdout and stderr are the same terminal; their uses are observed elsewhere.
                let is_terminal = |there: Metadata| {
                    there.file_type().is_char_device()
                        && terminal.is_some_and(|terminal| terminal.is_controlling(there.rdev()))
                };
                let is_other = number == 1 || number == 2;
                return !is_other && fs::metadata(descriptor_path(tid, number)).is_ok_and(is_terminal);
            }
            let ours = RawFd::try_from(object.number).unwrap_or(-1);
            is_same_open_file(tid, number, ours).unwrap_or_else(|| {
                // Where the kernel cannot compare, two descriptors of one file are taken for the same.
                match fs::metadata(descriptor_path(tid, number)) {
                    Ok(theirs) => {
                        (theirs.dev(), theirs.ino()) == (object.metadata.dev(), object.metadata.ino())
                    }
                    Err(error) => !means_absent(&error),
                }
            })
        })
    }
}

/// The number that the next duplicate gets, unless another thread is faster.
fn lowest_free(tid: libc::pid_t, least: RawFd) -> RawFd {
    let is_free = |number: &RawFd| {
        fs::symlink_metadata(descriptor_path(tid, *number)).is_err_and(|error| means_absent(&error))
    };
    (least.max(0)..RawFd::MAX).find(is_free).unwrap_or(least)
}

/// Whether this process has a controlling terminal; its children have the same.
fn has_terminal() -> bool {
    fs::File::open("/dev/tty").is_ok()
}
