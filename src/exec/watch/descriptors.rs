//! Descriptors that we inherited and that the run inherits from us: was the object behind one used?
//!
//! What counts is the object, not the number: it is looked for behind each number at which a call is stopped, and
//! followed when it is duplicated to a number at which none is. Knows nothing of paths' meaning.

use super::filter::Numbers;
use super::process::{descriptor_path, is_same_open_file};
use crate::error::tells_absence;
use crate::exec::order::Order;
use crate::exec::spawn::StdinGiven;
use crate::exec::terminal::Control;
use crate::exec::{Askers, DescriptorUse};
use crate::record::Stream;
use nix::fcntl::{FcntlArg, fcntl};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::sync::Arc;

/// Where shells put a descriptor that they save: calls on these numbers are stopped too.
const SAVED: std::ops::RangeInclusive<u32> = 10..=15;
/// Above the standard ones.
const FIRST_OTHER: u32 = 3;

#[derive(Debug)]
struct Object {
    /// Its number with us.
    number: u32,
    metadata: Metadata,
    readable: bool,
    writable: bool,
    /// It is the pseudo-terminal in place of ours.
    stands_for_ours: bool,
    used: DescriptorUse,
}

/// What the run inherits.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    objects: Vec<Object>,
    /// The path of make's jobserver, if it is a FIFO.
    jobserver: Option<Vec<u8>>,
    /// What was asked of standard input, where the run gets none: the number is not open.
    closed: Option<DescriptorUse>,
    /// Tells of reads of a terminal, once that may happen under a number at which no call is stopped.
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

    /// The numbers at which calls are to be stopped, with what the order of the streams needs.
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

    /// Whether standard input is among it.
    pub(super) fn has_stdin(&self) -> bool {
        self.objects.iter().any(|object| object.number == 0)
    }

    /// What was done with standard input.
    pub(super) fn stdin_use(&self) -> DescriptorUse {
        if let Some(closed) = self.closed {
            return closed;
        }
        let mut used = self
            .objects
            .iter()
            .find(|object| object.number == 0)
            .map_or_else(DescriptorUse::default, |object| object.used);
        used.read |= self.access_watch.as_ref().is_some_and(is_readable);
        used
    }

    /// What was done with the others.
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

    /// Whether it is the pseudo-terminal in place of ours.
    fn is_terminal(&mut self, tid: libc::pid_t, number: RawFd) -> bool {
        self.find(tid, number).is_some_and(|object| object.stands_for_ours)
    }

    /// It is written.
    pub(super) fn written(&mut self, tid: libc::pid_t, number: RawFd) {
        self.note(tid, number, |used| used.written = true);
    }

    /// Something is asked of it; `what` says where that is noted.
    pub(super) fn ask(
        &mut self,
        tid: libc::pid_t,
        number: RawFd,
        by: Askers,
        what: fn(&mut DescriptorUse) -> &mut Askers,
    ) {
        self.note(tid, number, |used| what(used).merge(by));
    }

    /// Whether something can be read from it is asked for.
    pub(super) fn polled(&mut self, tid: libc::pid_t, number: RawFd) {
        if self.note(tid, number, |used| used.polled = true) {
            self.terminal_is_used();
        }
    }

    /// What is typed goes to the run from now on.
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

    /// Whether what it stands for was inherited; so was that nothing is there.
    pub(super) fn is_inherited(&mut self, tid: libc::pid_t, number: RawFd) -> bool {
        self.is_closed(tid, number) || self.find(tid, number).is_some()
    }

    /// Whether it is standard input of a run that gets none, and still not open.
    fn is_closed(&self, tid: libc::pid_t, number: RawFd) -> bool {
        number == 0
            && self.closed.is_some()
            && fs::symlink_metadata(descriptor_path(tid, 0)).is_err_and(|error| tells_absence(&error))
    }

    /// What it stands for is opened anew, or leaves our sight. False if that was not inherited.
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

    /// From now on each read of what is at `path` counts as one of standard input.
    fn watch_accesses(&mut self, path: &[u8]) {
        if self.access_watch.is_none() {
            self.access_watch = new_access_watch();
        }
        let is_watched = self.access_watch.as_ref().is_some_and(|watch| add_access_watch(watch, path));
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

    /// Descriptor `from` of thread `tid` is duplicated to a number at which no call is stopped. What is asked of the
    /// duplicate is not seen: it counts as asked.
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

    /// Notes what is new; whether it is of the pseudo-terminal in place of ours.
    fn note(&mut self, tid: libc::pid_t, number: RawFd, set: impl Fn(&mut DescriptorUse)) -> bool {
        if self.is_closed(tid, number) {
            self.closed.iter_mut().for_each(set);
            return false;
        }
        // Most calls on these numbers are on something else; those on what is known already say nothing new.
        let news = self.objects.iter().any(|object| {
            let mut after = object.used;
            set(&mut after);
            after != object.used
        });
        if news && let Some(object) = self.find(tid, number) {
            set(&mut object.used);
            return object.stands_for_ours;
        }
        false
    }

    fn find(&mut self, tid: libc::pid_t, number: RawFd) -> Option<&mut Object> {
        let terminal = self.terminal.as_deref();
        self.objects.iter_mut().find(|object| {
            if object.stands_for_ours {
                // stdout and stderr are the same terminal: as such they are seen elsewhere.
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
                    Err(error) => !tells_absence(&error),
                }
            })
        })
    }
}

impl Object {
    /// Any character device but `/dev/null`, whose end is noticed by no watch.
    fn is_terminal(&self) -> bool {
        self.metadata.file_type().is_char_device() && self.metadata.rdev() != null()
    }

    /// The open descriptor `number`, if a child gets it.
    ///
    /// # Errors
    /// When it is open and cannot be looked at.
    fn inherited(number: u32) -> io::Result<Option<Self>> {
        let Ok(raw) = RawFd::try_from(number) else { return Ok(None) };
        #[expect(unsafe_code, reason = "a descriptor that we were given is known by its number alone")]
        // SAFETY: it is used within this function only, and nothing else in this process closes what we were
        // started with; should it be closed after all, the calls below say so.
        let descriptor = unsafe { BorrowedFd::borrow_raw(raw) };
        // One that is not open any more was that of the list of descriptors itself.
        let Ok(flags) = fcntl(descriptor, FcntlArg::F_GETFD) else { return Ok(None) };
        if flags & libc::FD_CLOEXEC != 0 {
            return Ok(None);
        }
        let metadata = fs::metadata(format!("/proc/self/fd/{number}"))?;
        let mode = fcntl(descriptor, FcntlArg::F_GETFL)? & libc::O_ACCMODE;
        let (readable, writable) = (mode != libc::O_WRONLY, mode != libc::O_RDONLY);
        Ok(Some(Self {
            number,
            metadata,
            readable,
            writable,
            stands_for_ours: false,
            used: DescriptorUse::default(),
        }))
    }
}

/// What make tells its children of its jobserver.
#[derive(Debug, Default)]
struct Jobserver {
    descriptors: Vec<u32>,
    path: Option<Vec<u8>>,
}

impl Jobserver {
    fn parse(flags: &[u8]) -> Self {
        let mut found = Self::default();
        for word in flags.split(|byte| *byte == b' ') {
            let value = [b"--jobserver-auth=".as_slice(), b"--jobserver-fds="]
                .iter()
                .find_map(|option| word.strip_prefix(*option));
            match value {
                Some(value) if value.starts_with(b"fifo:") => {
                    found.path = value.get(5..).map(<[u8]>::to_vec);
                }
                Some(value) => {
                    let numbers = value.split(|byte| *byte == b',');
                    found.descriptors =
                        numbers.filter_map(|number| std::str::from_utf8(number).ok()?.parse().ok()).collect();
                }
                None => {}
            }
        }
        found
    }
}

/// The number that the next duplicate gets; another thread may be quicker.
fn lowest_free(tid: libc::pid_t, least: RawFd) -> RawFd {
    let is_free = |number: &RawFd| {
        fs::symlink_metadata(descriptor_path(tid, *number)).is_err_and(|error| tells_absence(&error))
    };
    (least.max(0)..RawFd::MAX).find(is_free).unwrap_or(least)
}

/// Whether `/dev/tty` is anything to us; it is the same for what we start.
fn has_terminal() -> bool {
    fs::File::open("/dev/tty").is_ok()
}

/// The device number of `/dev/null`.
fn null() -> u64 {
    libc::makedev(1, 3)
}

#[expect(unsafe_code, reason = "inotify is not wrapped here")]
fn new_access_watch() -> Option<OwnedFd> {
    // SAFETY: takes flags only; a non-negative answer is a new descriptor that is nobody else's.
    unsafe {
        let number = libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK);
        (number >= 0).then(|| OwnedFd::from_raw_fd(number))
    }
}

#[expect(unsafe_code, reason = "inotify is not wrapped here")]
fn add_access_watch(watch: &OwnedFd, path: &[u8]) -> bool {
    let Ok(path) = CString::new(path) else { return false };
    // SAFETY: the path ends with a zero byte.
    unsafe { libc::inotify_add_watch(watch.as_raw_fd(), path.as_ptr(), libc::IN_ACCESS) >= 0 }
}

fn is_readable(watch: &OwnedFd) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let mut asked = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
    !matches!(poll(&mut asked, PollTimeout::ZERO), Ok(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn make_names_its_jobserver() {
        let found = Jobserver::parse(b" -j4 --jobserver-auth=3,4 -- X=1");
        assert_eq!((found.descriptors, found.path), (vec![3, 4], None));
        let found = Jobserver::parse(b"w --jobserver-auth=fifo:/tmp/GMfifo12");
        assert_eq!((found.descriptors, found.path), (vec![], Some(b"/tmp/GMfifo12".to_vec())));
    }
}
