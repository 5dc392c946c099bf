//! The path in a stopped call: it is read from the caller's memory, joined to its directory, and cleaned. Links of `/proc` that
//! have another meaning for another process are followed.

use super::access::Observer;
use super::paths::Named;
use super::process::{as_path, link};
use super::stopped::{Stopped, Unknown, unknown};
use super::table::At;
use crate::error::{cannot_inspect, means_absent};
use std::os::fd::RawFd;
use std::path::Path;

/// What a path in a call stands for.
pub(super) enum Place {
    Path(Named),
    /// A descriptor of a thread.
    Descriptor(libc::pid_t, RawFd),
    /// Nothing that has a path.
    Nothing,
}

/// Like [`place`], but an empty path stands for the descriptor itself.
pub(super) fn place_or_open(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    at: At,
) -> Result<Place, Unknown> {
    or_open(place(stopped, observer, at)?, stopped, observer, at)
}

/// Like [`place_or_open`], for a call that changes nothing; see [`place_read`].
pub(super) fn place_read_or_open(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    at: At,
) -> Result<Place, Unknown> {
    or_open(place_read(stopped, observer, at)?, stopped, observer, at)
}

fn or_open(
    place: Place,
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    at: At,
) -> Result<Place, Unknown> {
    match (place, at.directory) {
        (Place::Nothing, Some(directory)) if stopped.flags(directory) >= 0 => {
            behind(stopped, observer, stopped.tid, stopped.flags(directory))
        }
        (place, _) => Ok(place),
    }
}

/// What a call's path names. An empty path is [`Place::Nothing`]. It is unknown if the caller has ended.
pub(super) fn place(stopped: &Stopped<'_>, observer: &mut Observer<'_>, at: At) -> Result<Place, Unknown> {
    let place = place_read(stopped, observer, at)?;
    if (stopped.is_valid)() { Ok(place) } else { Err(Unknown::Void) }
}

/// Like [`place`], for a call that changes nothing. It is not checked whether the caller has ended and its number belongs to
/// another process. In that case a path is observed that the run did not name, which can only cause a needless run.
pub(super) fn place_read(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    at: At,
) -> Result<Place, Unknown> {
    let text = stopped.text(stopped.argument(at.text))?;
    if text.is_empty() {
        return Ok(Place::Nothing);
    }
    let mut from = None;
    let asked = if text.starts_with(b"/") {
        text
    } else {
        let directory = at.directory.map_or(libc::AT_FDCWD, |directory| stopped.flags(directory));
        let base = if directory == libc::AT_FDCWD {
            observer.working.of(stopped.tid)
        } else {
            let base = link(stopped.tid, &format!("fd/{directory}"));
            base.inspect(|base| observer.named_from(base))
        };
        let base = base.map_err(|error| unnamed(as_path(&text), &error))?;
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
        let asked = [&base, b"/".as_slice(), &text].concat();
        from = Some(base);
        asked
    };
    let place = resolve(stopped, observer, &asked, 0)?;
    if let Place::Path(named) = &place {
        observer.asked_as(&named.path, &asked, from.as_deref());
    }
    Ok(place)
}

/// Cleans an absolute path, and follows the links of `/proc` that have another meaning for another process.
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
    let mut target = link(tid, &target).map_err(|error| unnamed(as_path(&named.path), &error))?;
    if !target.starts_with(b"/") || is_deleted(&target) {
        return Ok(Place::Nothing);
    }
    if !rest.is_empty() {
        observer.named_from(&target);
    }
    for name in rest {
        target.push(b'/');
        target.extend_from_slice(name);
    }
    resolve(stopped, observer, &target, depth + 1)
}

/// The path of what descriptor `fd` of thread `tid` stands for, if it has one.
pub(super) fn behind(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    tid: libc::pid_t,
    fd: RawFd,
) -> Result<Place, Unknown> {
    let path = link(tid, &format!("fd/{fd}"));
    let path = path.map_err(|error| unnamed(Path::new(&format!("descriptor {fd}")), &error))?;
    if !path.starts_with(b"/") || path.starts_with(b"/memfd:") || is_deleted(&path) {
        return Ok(Place::Nothing);
    }
    if !(stopped.is_valid)() {
        return Err(Unknown::Void);
    }
    Ok(Place::Path(observer.clean(&path)))
}

/// `path` is unknown, since the kernel gives no name for the directory that it is relative to. Mostly that path is too long.
fn unnamed(path: &Path, error: &std::io::Error) -> Unknown {
    match unknown(error) {
        Unknown::Hole(_) => Unknown::Hole(cannot_inspect(path, error)),
        Unknown::Void => Unknown::Void,
    }
}

/// Whether the kernel marks a path as deleted.
fn is_deleted(path: &[u8]) -> bool {
    path.ends_with(b" (deleted)")
        && std::fs::symlink_metadata(as_path(path)).is_err_and(|error| means_absent(&error))
}

fn number(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
