//! From a stopped system call and its arguments to what is observed.
//!
//! What cannot be known makes the trace incomplete. A call that the kernel will refuse is ignored.

use super::access::Observer;
use super::filter::{HOST_ARCHITECTURE, OTHER_ABI};
use super::named_calls::{creating, execute, look, look_or_ask, may_use, open, way};
use super::places::{Place, behind, place, place_or_open, place_read};
use super::process::link;
use super::sockets::Sockets;
use super::stopped::{Stopped, Unknown, low, unknown};
use super::table::{self, Argument, Call, Follow, NEW_NAMESPACES, NEW_TIME, Row};
use super::terminals::ask_terminal;
use crate::exec::Hazard;

/// `RESOLVE_IN_ROOT`: an absolute path begins at the directory that was given.
const RESOLVE_IN_ROOT: u64 = 0x10;
const OPEN_TREE_CLONE: u64 = 1;
/// The buffer that `realpath` of the GNU C library offers for the text of each name on the way, link or not.
const REALPATH_BUFFER: u64 = 1023;

/// Observes one call.
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
    if observer.ordering.takes(stopped, row) {
        return Ok(());
    }
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
            if stopped.word(address.wrapping_add(16))? != 0 {
                way(stopped, observer, at)?;
            }
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
        Call::LinkText(at, size) => {
            look(stopped, observer, at, false)?;
            if let Place::Path(named) = place_read(stopped, observer, at)? {
                observer.text_is_read(&named.path, stopped.argument(size) != REALPATH_BUFFER);
            }
        }
        Call::MayUse(at, mode) => {
            look(stopped, observer, at, true)?;
            may_use(stopped, observer, at, mode)?;
        }
        Call::MayUseBy(at, mode, flags) => {
            look_or_ask(stopped, observer, at, flags)?;
            may_use(stopped, observer, at, mode)?;
        }
        Call::Enter(at) => {
            look(stopped, observer, at, true)?;
            way(stopped, observer, at)?;
            if let Place::Path(named) = place_read(stopped, observer, at)? {
                observer.enters(&named.path);
            }
            observer.working.moves(tid);
            observer.moved = true;
        }
        Call::EnterOpen(number) => {
            if let Ok(directory) = link(tid, &format!("fd/{}", stopped.flags(number))) {
                observer.named_from(&directory);
            }
            observer.working.moves(tid);
            observer.moved = true;
        }
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
        Call::MakeDirectory(at, mode) => {
            if let Place::Path(named) = place(stopped, observer, at)? {
                let creating = creating(observer, tid, stopped.argument(mode))?;
                observer.make_directory(&named, creating);
            }
        }
        Call::SetMode(at, follow, mode) => {
            if let Place::Path(named) = place_or_open(stopped, observer, at)? {
                observer.set_mode(
                    &named,
                    stopped.follow(follow),
                    low(stopped.argument(mode)).cast_unsigned(),
                );
            }
        }
        Call::SetModeOpen(fd, mode) => {
            if let Place::Path(named) = behind(stopped, observer, tid, stopped.flags(fd))? {
                observer.set_mode(&named, true, low(stopped.argument(mode)).cast_unsigned());
            }
        }
        Call::Umask => {
            let (uses_umask, is_python) = (observer.caller().uses_umask, observer.caller().is_python);
            observer.umask_used |= uses_umask && !is_python;
            observer.umask_used_by_python |= uses_umask && is_python;
        }
        Call::Cut(fd, length) => {
            let number = stopped.flags(fd);
            observer.descriptors.written(tid, number);
            if stopped.argument(length) == 0
                && !observer.descriptors.is_inherited(tid, number)
                && let Place::Path(named) = behind(stopped, observer, tid, number)?
            {
                observer.emptied(&named.path, is_written_alone(tid, number));
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
        Call::Own(at, follow, user, group) => {
            observer.owners_set |= changes_owner(stopped, [user, group]);
            if let Place::Path(named) = place_or_open(stopped, observer, at)? {
                observer.alter(&named, stopped.follow(follow));
            }
        }
        Call::OwnOpen(fd, user, group) => {
            let place = behind(stopped, observer, tid, stopped.flags(fd))?;
            // Programs that put another file in the place of one give it the same owner. Mostly that is us, and it is ours
            // anyway.
            let is_ours = matches!(&place, Place::Path(named) if observer.is_own(&named.path))
                && !gives_away(stopped, [user, group]);
            observer.owners_set |= changes_owner(stopped, [user, group]) && !is_ours;
            if let Place::Path(named) = place {
                observer.alter(&named, true);
            }
        }
        Call::Resize(at) => {
            if let Place::Path(named) = place_or_open(stopped, observer, at)? {
                observer.cut(&named);
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
        Call::List(fd) => {
            let number = stopped.flags(fd);
            observer.descriptors.read(tid, number);
            if let Place::Path(named) = behind(stopped, observer, tid, number)? {
                observer.list(&named.path);
            }
        }
        Call::Read(fd) => observer.descriptors.read(tid, stopped.flags(fd)),
        Call::Write(fd) => observer.descriptors.written(tid, stopped.flags(fd)),
        Call::Transfer(from, to) => {
            observer.descriptors.read(tid, stopped.flags(from));
            observer.descriptors.written(tid, stopped.flags(to));
        }
        Call::Ask(fd) => observer.ask(tid, stopped.flags(fd), |used| &mut used.asked),
        Call::AskPlace(fd) => observer.ask(tid, stopped.flags(fd), |used| &mut used.placed),
        Call::Poll(array, count) => {
            if polls_stdin(stopped, stopped.argument(array), stopped.argument(count))? {
                observer.polled(tid, 0);
            }
        }
        Call::Select(set) => {
            if stopped.word(stopped.argument(set))? & 1 != 0 {
                observer.polled(tid, 0);
            }
        }
        Call::PollOne(fd) => observer.polled(tid, stopped.flags(fd)),
        Call::Duplicate => observer.duplicate(tid, stopped.flags(Argument::A0), None, 0),
        Call::DuplicateTo => {
            let (from, to) = (stopped.flags(Argument::A0), stopped.flags(Argument::A1));
            observer.duplicate(tid, from, Some(to), 0);
        }
        Call::DuplicateFrom => {
            let (from, least) = (stopped.flags(Argument::A0), stopped.flags(Argument::A2));
            observer.duplicate(tid, from, None, least);
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
        Call::BecomeUser(count) => {
            // What that user may not look at, we may.
            let own = rustix::process::geteuid().as_raw();
            let is_other = |user: &u64| low(*user) != -1 && low(*user).cast_unsigned() != own;
            if stopped.arguments.iter().take(count).any(is_other) {
                return Err(Unknown::Hole("what another user may look at is not seen".to_owned()));
            }
        }
        Call::End => {}
        Call::Shared => observer.hazard(Hazard::SharedObject(row.name)),
        Call::TakeDescriptor => observer.hazard(Hazard::PassedDescriptor),
        Call::AskTerminal(fd, request) => ask_terminal(stopped, observer, stopped.flags(fd), request)?,
        // The filter refuses it; a tracer only sees it.
        Call::Refused => return Err(Unknown::Hole("what it starts is not seen".to_owned())),
    }
    Ok(())
}

/// Whether a descriptor was opened for writing only, so that the thread cannot have read the file through it.
fn is_written_alone(tid: libc::pid_t, number: i32) -> bool {
    let told = std::fs::read_to_string(format!("/proc/{tid}/fdinfo/{number}")).unwrap_or_default();
    let flags = told.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_ACCMODE == libc::O_WRONLY)
}

/// Whether an owner is given; -1 leaves it unchanged.
fn changes_owner(stopped: &Stopped<'_>, owners: [Argument; 2]) -> bool {
    owners.iter().any(|owner| stopped.flags(*owner) != -1)
}

/// Whether an owner is given that is not our own.
fn gives_away(stopped: &Stopped<'_>, owners: [Argument; 2]) -> bool {
    let own = [rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()];
    owners.iter().zip(own).any(|(owner, own)| {
        let owner = stopped.flags(*owner);
        owner != -1 && owner.cast_unsigned() != own
    })
}

/// Whether one of `count` structures at `array` asks for events of descriptor 0. A structure without events only asks whether
/// the descriptor is open, as programs in Rust do at their start; it does not count.
fn polls_stdin(stopped: &Stopped<'_>, array: u64, count: u64) -> Result<bool, Unknown> {
    /// Size of `struct pollfd`: number, requested events, returned events.
    const SIZE: usize = 8;
    /// Only so many are read: standard input is near the beginning.
    const MOST: u64 = 1024;
    let mut bytes = vec![0; usize::try_from(count.min(MOST)).unwrap_or(0) * SIZE];
    stopped.memory(array, &mut bytes).map_err(|error| unknown(&error))?;
    let asks = |entry: &[u8]| match entry {
        [a, b, c, d, events, more, ..] => [*a, *b, *c, *d] == [0; 4] && [*events, *more] != [0; 2],
        _ => false,
    };
    Ok(bytes.chunks(SIZE).any(asks))
}
