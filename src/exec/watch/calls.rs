//! A stopped system call, with its arguments: what it means for what is observed.
//!
//! Whatever cannot be known is a hole in the view; a call that the kernel itself will refuse is nothing.

use super::access::Observer;
use super::filter::{HOST_ARCHITECTURE, OTHER_ABI};
use super::paths::{Named, directory_of};
use super::process::{link, read_memory, read_text, read_word, umask_of};
use super::sockets::Sockets;
use super::table::{self, Argument, At, Call, Follow, NEW_NAMESPACES, NEW_TIME, Row};
use crate::exec::Hazard;
use std::io;
use std::os::fd::RawFd;

/// `RESOLVE_IN_ROOT`: an absolute path begins at the directory that was given.
const RESOLVE_IN_ROOT: u64 = 0x10;
const OPEN_TREE_CLONE: u64 = 1;

/// A thread that is stopped at a call.
pub(super) struct Stopped<'a> {
    pub(super) tid: libc::pid_t,
    /// As seccomp names it.
    pub(super) architecture: u32,
    pub(super) number: u32,
    pub(super) arguments: [u64; 6],
    /// Whether it is still stopped there: what was read of it is worth nothing otherwise.
    pub(super) is_valid: &'a dyn Fn() -> bool,
}

/// What a path in a call stands for.
enum Place {
    Path(Named),
    /// A descriptor of a thread.
    Descriptor(libc::pid_t, RawFd),
    /// Nothing that has a path.
    Nothing,
}

/// Why nothing can be said of a call.
#[derive(Debug)]
enum Unknown {
    /// The kernel will refuse it, or its process is gone.
    Void,
    /// It may go through, and we do not see what it does.
    Hole(String),
}

/// Takes in one call.
pub(super) fn observe(stopped: &Stopped<'_>, observer: &mut Observer<'_>, sockets: &mut Sockets) {
    if observer.is_blind() {
        return;
    }
    if stopped.architecture != HOST_ARCHITECTURE || stopped.number >= OTHER_ABI {
        if stopped.number.cast_signed() >= 0 {
            let program = link(stopped.tid, "exe").unwrap_or_default();
            observer.hazard(Hazard::ForeignProgram(super::process::to_path(program)));
        }
        return;
    }
    let Some(row) = table::find(stopped.number) else { return };
    observer.is_called_by(stopped.tid);
    if let Err(Unknown::Hole(what)) = take(stopped, row, observer, sockets) {
        observer.hazard(Hazard::Incomplete(format!("{}: {what}", row.name)));
    }
}

#[expect(clippy::too_many_lines, reason = "one line or two for each kind of call")]
fn take(
    stopped: &Stopped<'_>,
    row: &'static Row,
    observer: &mut Observer<'_>,
    sockets: &mut Sockets,
) -> Result<(), Unknown> {
    let tid = stopped.tid;
    match row.call {
        Call::Open(at, flags, mode) => {
            open(stopped, observer, at, stopped.flags(flags), stopped.argument(mode))?;
        }
        Call::Create(at, mode) => {
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC;
            open(stopped, observer, at, flags, stopped.argument(mode))?;
        }
        Call::OpenHow(at, how) => {
            let address = stopped.argument(how);
            let flags = stopped.word(address)?;
            if stopped.word(address.wrapping_add(16))? & RESOLVE_IN_ROOT != 0 {
                return Err(Unknown::Hole("a path in another root".to_owned()));
            }
            let mode = stopped.word(address.wrapping_add(8))?;
            open(stopped, observer, at, low(flags), mode)?;
        }
        Call::OpenTree(at, flags) => {
            if stopped.argument(flags) & OPEN_TREE_CLONE != 0 {
                observer.hazard(Hazard::Namespace(row.name));
            }
            look(stopped, observer, at, stopped.follow(Follow::Unless(flags)))?;
        }
        Call::OpenHandle => return Err(Unknown::Hole("a file opened without a path".to_owned())),
        Call::Look(at, follow) => look(stopped, observer, at, stopped.follow(follow))?,
        Call::LookOrAsk(at, flags) => look_or_ask(stopped, observer, at, flags)?,
        Call::Execute(at, flags) => {
            let seen = execute(stopped, observer, at, flags);
            observer.is_to_execute();
            seen?;
        }
        Call::Move(from, to, flags) => {
            let flags = flags.map_or(0, |flags| stopped.argument(flags));
            if let (Place::Path(from), Place::Path(to)) =
                (place(stopped, observer, from)?, place(stopped, observer, to)?)
            {
                let is_set = |flag: u32| flags & u64::from(flag) != 0;
                observer.rename(&from, &to, is_set(libc::RENAME_EXCHANGE), is_set(libc::RENAME_NOREPLACE));
            }
        }
        Call::Remove(at, flags) => {
            let directory = flags.is_some_and(|flags| stopped.flags(flags) & libc::AT_REMOVEDIR != 0);
            if let Place::Path(named) = place(stopped, observer, at)? {
                observer.remove(&named, directory);
            }
        }
        Call::RemoveDirectory(at) => {
            if let Place::Path(named) = place(stopped, observer, at)? {
                observer.remove(&named, true);
            }
        }
        Call::Make(at) => {
            if let Place::Path(named) = place(stopped, observer, at)? {
                observer.make(&named);
            }
        }
        Call::Link(from, to, follow) => {
            let to = place(stopped, observer, to)?;
            match (place_or_open(stopped, observer, from)?, to) {
                (Place::Path(from), Place::Path(to)) => observer.link(&from, &to, stopped.follow(follow)),
                (_, Place::Path(to)) => observer.appear(&to),
                _ => {}
            }
        }
        Call::Alter(at, follow) => {
            if let Place::Path(named) = place_or_open(stopped, observer, at)? {
                observer.alter(&named, stopped.follow(follow));
            }
        }
        Call::Times(at, follow) => {
            let by_descriptor = stopped.argument(at.text) == 0;
            let named = match at.directory {
                Some(directory) if by_descriptor => behind(stopped, observer, tid, stopped.flags(directory))?,
                _ => place_or_open(stopped, observer, at)?,
            };
            if let Place::Path(named) = named {
                observer.alter(&named, stopped.follow(follow));
            }
        }
        Call::AlterOpen(fd) => {
            if let Place::Path(named) = behind(stopped, observer, tid, stopped.flags(fd))? {
                observer.alter(&named, true);
            }
        }
        Call::Read(fd) => observer.descriptors.read(tid, stopped.flags(fd)),
        Call::Write(fd) => observer.descriptors.written(tid, stopped.flags(fd)),
        Call::Transfer(from, to) => {
            observer.descriptors.read(tid, stopped.flags(from));
            observer.descriptors.written(tid, stopped.flags(to));
        }
        Call::Ask(fd) => observer.descriptors.asked(tid, stopped.flags(fd)),
        Call::Duplicate => observer.descriptors.duplicated(tid, stopped.flags(Argument::A0), None, 0),
        Call::DuplicateTo => {
            let (from, to) = (stopped.flags(Argument::A0), stopped.flags(Argument::A1));
            observer.descriptors.duplicated(tid, from, Some(to), 0);
        }
        Call::DuplicateFrom => {
            let (from, least) = (stopped.flags(Argument::A0), stopped.flags(Argument::A2));
            observer.descriptors.duplicated(tid, from, None, least);
        }
        Call::Connect | Call::Bind | Call::SendTo | Call::SendMessage | Call::SendMessages => {
            sockets.observe(stopped, row.call, observer).map_err(|error| unknown(&error))?;
        }
        Call::Socket => {
            let family = stopped.flags(Argument::A0);
            observer.hazard(Hazard::Network(format!("a socket of family {family}")));
        }
        Call::Clone => {
            let flags = stopped.word(stopped.argument(Argument::A0))?;
            if flags & u64::from(NEW_NAMESPACES | NEW_TIME) != 0 {
                observer.hazard(Hazard::Namespace(row.name));
            }
        }
        Call::Namespace => {
            observer.hazard(Hazard::Namespace(row.name));
            observer.close_eyes();
        }
        Call::Shared => observer.hazard(Hazard::SharedObject(row.name)),
        Call::TakeDescriptor => observer.hazard(Hazard::PassedDescriptor),
        // The filter refuses it; a tracer only sees it.
        Call::Refused => return Err(Unknown::Hole("what it starts is not seen".to_owned())),
    }
    Ok(())
}

fn open(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    at: At,
    flags: i32,
    mode: u64,
) -> Result<(), Unknown> {
    let mode = if flags & libc::O_CREAT != 0 { mode_made(stopped.tid, mode)? } else { 0 };
    match place(stopped, observer, at)? {
        Place::Path(named) if flags & libc::O_PATH != 0 => {
            observer.look(&named, flags & libc::O_NOFOLLOW == 0);
        }
        Place::Path(named) => observer.open(&named, flags, mode),
        Place::Descriptor(tid, number) => {
            if !observer.descriptors.opened(tid, number)
                && let Place::Path(named) = behind(stopped, observer, tid, number)?
            {
                observer.open(&named, flags & !libc::O_NOFOLLOW, mode);
            }
        }
        Place::Nothing => {}
    }
    Ok(())
}

/// The permission bits of a file that the thread makes when it asks for `mode`.
fn mode_made(tid: libc::pid_t, mode: u64) -> Result<u32, Unknown> {
    let mask = umask_of(tid).map_err(|error| unknown(&error))?;
    Ok(u32::try_from(mode & 0o7777).unwrap_or(0) & !mask)
}

fn look(stopped: &Stopped<'_>, observer: &mut Observer<'_>, at: At, follow: bool) -> Result<(), Unknown> {
    match place_or_open(stopped, observer, at)? {
        Place::Path(named) => observer.look(&named, follow),
        Place::Descriptor(tid, number) if follow => {
            observer.descriptors.asked(tid, number);
            if !observer.descriptors.is_inherited(tid, number)
                && let Place::Path(named) = behind(stopped, observer, tid, number)?
            {
                observer.look(&named, true);
            }
        }
        _ => {}
    }
    Ok(())
}

fn look_or_ask(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    at: At,
    flags: Argument,
) -> Result<(), Unknown> {
    let of_descriptor = stopped.flags(flags) & libc::AT_EMPTY_PATH != 0;
    if let (true, Some(directory)) = (of_descriptor, at.directory) {
        let number = stopped.flags(directory);
        let is_empty = stopped.argument(at.text) == 0 || stopped.text(stopped.argument(at.text))?.is_empty();
        if is_empty && number >= 0 {
            observer.descriptors.asked(stopped.tid, number);
            return Ok(());
        }
    }
    look(stopped, observer, at, stopped.follow(Follow::Unless(flags)))
}

fn execute(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    at: At,
    flags: Option<Argument>,
) -> Result<(), Unknown> {
    let follow = flags.is_none_or(|flags| stopped.follow(Follow::Unless(flags)));
    let place = match place_or_open(stopped, observer, at)? {
        Place::Descriptor(tid, number) => {
            observer.descriptors.opened(tid, number);
            behind(stopped, observer, tid, number)?
        }
        place => place,
    };
    if let Place::Path(named) = place {
        let directory = link(stopped.tid, "cwd").unwrap_or_else(|_| directory_of(&named.path).to_vec());
        observer.execute(&named, follow, &directory);
    }
    Ok(())
}

/// As [`place`]; an empty path stands for the descriptor itself.
fn place_or_open(stopped: &Stopped<'_>, observer: &mut Observer<'_>, at: At) -> Result<Place, Unknown> {
    match (place(stopped, observer, at)?, at.directory) {
        (Place::Nothing, Some(directory)) if stopped.flags(directory) >= 0 => {
            behind(stopped, observer, stopped.tid, stopped.flags(directory))
        }
        (place, _) => Ok(place),
    }
}

/// What a call's path names. An empty one is nothing.
fn place(stopped: &Stopped<'_>, observer: &mut Observer<'_>, at: At) -> Result<Place, Unknown> {
    let text = stopped.text(stopped.argument(at.text))?;
    if text.is_empty() {
        return Ok(Place::Nothing);
    }
    let asked = if text.starts_with(b"/") {
        text
    } else {
        let directory = at.directory.map_or(libc::AT_FDCWD, |directory| stopped.flags(directory));
        let base = if directory == libc::AT_FDCWD {
            link(stopped.tid, "cwd")
        } else {
            link(stopped.tid, &format!("fd/{directory}"))
        };
        let base = base.map_err(|error| unknown(&error))?;
        if !base.starts_with(b"/") {
            return Ok(Place::Nothing);
        }
        if is_deleted(&base) {
            let leaves = text.split(|byte| *byte == b'/').any(|name| name == b"..");
            return if leaves {
                Err(Unknown::Hole("a removed directory".to_owned()))
            } else {
                Ok(Place::Nothing)
            };
        }
        [&base, b"/".as_slice(), &text].concat()
    };
    if !(stopped.is_valid)() {
        return Err(Unknown::Void);
    }
    resolve(stopped, observer, &asked, 0)
}

/// Cleans an absolute path, and follows the links of `/proc` that mean another thing to another process.
fn resolve(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    asked: &[u8],
    depth: u8,
) -> Result<Place, Unknown> {
    let named = observer.clean(asked);
    if !(named.path.starts_with(b"/proc/") || named.path.starts_with(b"/dev/")) || depth > 8 {
        return Ok(Place::Path(named));
    }
    let mut parts = named.path.split(|byte| *byte == b'/').skip(1);
    let (tid, first) = match (parts.next(), parts.next()) {
        (Some(b"dev"), Some(b"stdin")) => return Ok(Place::Descriptor(stopped.tid, 0)),
        (Some(b"dev"), Some(b"stdout")) => return Ok(Place::Descriptor(stopped.tid, 1)),
        (Some(b"dev"), Some(b"stderr")) => return Ok(Place::Descriptor(stopped.tid, 2)),
        (Some(b"dev"), Some(b"fd")) => (stopped.tid, Some(b"fd".as_slice())),
        (Some(b"proc"), Some(b"self" | b"thread-self")) => (stopped.tid, parts.next()),
        (Some(b"proc"), Some(other)) => match number(other) {
            Some(tid) => (tid, parts.next()),
            None => return Ok(Place::Path(named)),
        },
        _ => return Ok(Place::Path(named)),
    };
    let (tid, first) = match first {
        Some(b"task") => match parts.next().and_then(number) {
            Some(thread) => (thread, parts.next()),
            None => return Ok(Place::Path(named)),
        },
        first => (tid, first),
    };
    let (target, rest) = match first {
        Some(name @ (b"cwd" | b"root" | b"exe")) => {
            (String::from_utf8_lossy(name).into_owned(), parts.collect::<Vec<_>>())
        }
        Some(b"fd") => {
            let Some(descriptor) = parts.next().and_then(number) else { return Ok(Place::Path(named)) };
            let rest: Vec<_> = parts.collect();
            if rest.is_empty() {
                return Ok(Place::Descriptor(tid, descriptor));
            }
            (format!("fd/{descriptor}"), rest)
        }
        _ => return Ok(Place::Path(named)),
    };
    let mut target = link(tid, &target).map_err(|error| unknown(&error))?;
    if !target.starts_with(b"/") || is_deleted(&target) {
        return Ok(Place::Nothing);
    }
    for name in rest {
        target.push(b'/');
        target.extend_from_slice(name);
    }
    resolve(stopped, observer, &target, depth + 1)
}

/// The path of what descriptor `fd` of thread `tid` stands for, if it has one.
fn behind(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    tid: libc::pid_t,
    fd: RawFd,
) -> Result<Place, Unknown> {
    let path = link(tid, &format!("fd/{fd}")).map_err(|error| unknown(&error))?;
    if !path.starts_with(b"/") || path.starts_with(b"/memfd:") || is_deleted(&path) {
        return Ok(Place::Nothing);
    }
    if !(stopped.is_valid)() {
        return Err(Unknown::Void);
    }
    Ok(Place::Path(observer.clean(&path)))
}

impl Stopped<'_> {
    /// The argument, all 64 bits.
    pub(super) fn argument(&self, which: Argument) -> u64 {
        self.arguments.get(which as usize).copied().unwrap_or(0)
    }

    /// The argument as the `int` that most are.
    pub(super) fn flags(&self, which: Argument) -> i32 {
        low(self.argument(which))
    }

    fn follow(&self, follow: Follow) -> bool {
        match follow {
            Follow::Always => true,
            Follow::Never => false,
            Follow::Unless(flags) => self.flags(flags) & libc::AT_SYMLINK_NOFOLLOW == 0,
            Follow::Only(flags) => self.flags(flags) & libc::AT_SYMLINK_FOLLOW != 0,
        }
    }

    fn text(&self, address: u64) -> Result<Vec<u8>, Unknown> {
        read_text(self.tid, address).map_err(|error| unknown(&error))
    }

    fn word(&self, address: u64) -> Result<u64, Unknown> {
        read_word(self.tid, address).map_err(|error| unknown(&error))
    }

    /// Fills `into` from the caller's memory.
    pub(super) fn memory(&self, address: u64, into: &mut [u8]) -> io::Result<()> {
        read_memory(self.tid, address, into)
    }
}

/// The kernel refuses the call for the same reason, or there is no caller any more; anything else hides from us
/// what it does not hide from the kernel.
fn unknown(error: &io::Error) -> Unknown {
    match error.raw_os_error() {
        Some(libc::EFAULT | libc::ENAMETOOLONG | libc::ESRCH | libc::ENOENT | libc::EBADF) => Unknown::Void,
        _ => Unknown::Hole(error.to_string()),
    }
}

/// Whether the kernel says of a path that nothing has that name any more.
fn is_deleted(path: &[u8]) -> bool {
    path.ends_with(b" (deleted)") && std::fs::symlink_metadata(super::process::as_path(path)).is_err()
}

fn number(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The low 32 bits, which is all that the kernel takes of an `int`.
fn low(argument: u64) -> i32 {
    ((argument & 0xffff_ffff) as u32).cast_signed()
}
