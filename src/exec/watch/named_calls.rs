//! Calls that name a path to open, to look at, to ask about, or to execute.

use super::access::Observer;
use super::modes::Creating;
use super::nested::heard;
use super::paths::{Named, directory_of};
use super::places::{Place, behind, place, place_or_open, place_read, place_read_or_open};
use super::process::{identity_behind, umask_of, words_of};
use super::stopped::{Stopped, Unknown, unknown};
use super::table::{Argument, At, Follow};
use crate::exec::Askers;

/// Something is opened with `flags`, and created with `mode` where it is not there.
pub(super) fn open(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    at: At,
    flags: i32,
    mode: u64,
) -> Result<(), Unknown> {
    let mode =
        if flags & libc::O_CREAT != 0 { creating(observer, stopped.tid, mode)? } else { Creating::default() };
    let reads = flags & (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) == libc::O_RDONLY;
    let place = if reads { place_read } else { place }(stopped, observer, at)?;
    match place {
        Place::Path(named) if flags & libc::O_PATH != 0 => {
            observer.look(&named, flags & libc::O_NOFOLLOW == 0);
            observer.opened_as_place(&named.path);
        }
        Place::Path(named) => observer.open(&named, flags, mode),
        Place::Descriptor(tid, number) => {
            observer.ordering.opened_anew(identity_behind(tid, number));
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

/// The permission bits that the thread asks for when it creates something with `mode`.
pub(super) fn creating(
    observer: &mut Observer<'_>,
    tid: libc::pid_t,
    mode: u64,
) -> Result<Creating, Unknown> {
    let mask = umask_of(tid).map_err(|error| unknown(&error))?;
    let asked = u32::try_from(mode & 0o7777).unwrap_or(0);
    let nature = observer.caller();
    Ok(Creating {
        asked,
        mask,
        is_literal: nature.asks_literally,
        is_named: nature.names_modes,
        is_copier: nature.copies_modes,
    })
}

/// Something is asked about what is at a path, or behind a descriptor that a path in `/proc` names.
pub(super) fn look(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    at: At,
    follow: bool,
) -> Result<(), Unknown> {
    match place_read_or_open(stopped, observer, at)? {
        Place::Path(named) if heard(stopped, observer, stopped.argument(at.text), &named.path) => {}
        Place::Path(named) => {
            observer.look(&named, follow);
            observer.listings.looked(stopped.tid, &named.path);
        }
        // A debugger asks this about other processes, to show it.
        Place::Descriptor(tid, number) if !follow => {
            if tid == stopped.tid {
                real_name(stopped, observer, tid, number)?;
            }
        }
        Place::Descriptor(tid, number) => {
            if !observer.nested.contains(&stopped.tid) {
                observer.descriptors.ask(tid, number, Askers::OTHERS, |used| &mut used.asked);
            }
            if !observer.descriptors.is_inherited(tid, number)
                && let Place::Path(named) = behind(stopped, observer, tid, number)?
            {
                observer.look(&named, true);
            }
        }
        Place::Nothing => {}
    }
    Ok(())
}

/// Asking whether a file may be read counts as reading it, since the program may then read it.
pub(super) fn may_use(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    at: At,
    mode: Argument,
) -> Result<(), Unknown> {
    let mode = stopped.flags(mode);
    let rights = u8::try_from(mode & (libc::R_OK | libc::W_OK | libc::X_OK)).unwrap_or_default();
    if rights != 0
        && let Place::Path(named) = place_read_or_open(stopped, observer, at)?
    {
        if mode & libc::R_OK != 0 {
            observer.asked_to_read(&named);
        }
        observer.asked_for_rights(&named.path, rights);
    }
    Ok(())
}

/// Every link on the way counts, not only the file that it leads to: for a relative path, name by name.
pub(super) fn way(stopped: &Stopped<'_>, observer: &mut Observer<'_>, at: At) -> Result<(), Unknown> {
    let text = stopped.text(stopped.argument(at.text))?;
    let names = if text.starts_with(b"/") { 1 } else { text.split(|byte| *byte == b'/').count() };
    if let Place::Path(named) = place_read(stopped, observer, at)? {
        observer.look_along(&named, names);
    }
    Ok(())
}

/// The link in `/proc` of an open file is read, which shows its real path. If it was opened by another name, the links on the way
/// count of each name that leads there.
fn real_name(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    tid: libc::pid_t,
    number: i32,
) -> Result<(), Unknown> {
    if observer.descriptors.is_inherited(tid, number) {
        observer.ask(tid, number, |used| &mut used.named);
        return Ok(());
    }
    let Place::Path(named) = behind(stopped, observer, tid, number)? else { return Ok(()) };
    if !observer.is_known(&named.path) && !observer.is_own(&named.path) {
        let opened = observer.opened_names_of(&named.path);
        if opened.is_empty() {
            return Err(Unknown::Hole("the real path of an open file".to_owned()));
        }
        for path in opened {
            observer.look_along(&Named { path, as_directory: false }, 1);
        }
    }
    observer.look_along(&named, 1);
    Ok(())
}

/// Something is asked about what is at a path, or with `AT_EMPTY_PATH` about a descriptor.
pub(super) fn look_or_ask(
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
            observer.ask(stopped.tid, number, |used| &mut used.asked);
            return Ok(());
        }
    }
    look(stopped, observer, at, stopped.follow(Follow::Unless(flags)))
}

/// A program is about to be executed.
pub(super) fn execute(
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
        let directory =
            observer.working.of(stopped.tid).unwrap_or_else(|_| directory_of(&named.path).to_vec());
        let words = if at.directory.is_some() { Argument::A2 } else { Argument::A1 };
        let words = words_of(stopped.tid, stopped.argument(words));
        observer.about_to_execute(&named.path, &words, &directory);
        observer.execute(&named, follow, &directory);
    }
    Ok(())
}
