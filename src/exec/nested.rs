//! A call below the watch of another call: it finds out that it is watched, and reports what its result depends on beside the
//! files that it looks at.
//!
//! Both use a look at a path that never exists. Without a watch, that is one system call that finds nothing.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

/// The prefix of all such paths.
pub(super) const PREFIX: &[u8] = b"/.cashet-nested/";
/// Asks whether the process is watched. The watching process writes [`YES`] in place of the last byte.
pub(super) const QUESTION: &[u8] = b"/.cashet-nested/watched/-";
/// The answer.
pub(super) const YES: u8 = b'+';

/// A dependency of a result that no look shows.
#[derive(Clone, Copy, Debug)]
pub enum Depends<'a> {
    /// The store of the call. Nothing below it is an input or output.
    Store(&'a Path),
    /// A variable of the environment.
    Variable(&'a [u8]),
    /// The content of standard input.
    StdinContent,
    /// What standard input is.
    StdinKind,
    /// Whether standard input is a terminal.
    StdinTerminal,
    /// The name of standard input.
    StdinName,
    /// Data from the network.
    Network,
    /// The content of a store, with the command that reads it.
    Results(&'a str),
}

impl Depends<'_> {
    fn path(&self) -> Vec<u8> {
        let (verb, argument): (&[u8], &[u8]) = match self {
            Self::Store(path) => (b"store", path.as_os_str().as_bytes()),
            Self::Variable(name) => (b"variable", name),
            Self::StdinContent => (b"stdin", b"content"),
            Self::StdinKind => (b"stdin", b"kind"),
            Self::StdinTerminal => (b"stdin", b"terminal"),
            Self::StdinName => (b"stdin", b"name"),
            Self::Network => (b"network", b""),
            Self::Results(command) => (b"results", command.as_bytes()),
        };
        [PREFIX, verb, b"/", argument].concat()
    }
}

/// Whether no other cashet watches this process.
#[must_use]
pub fn is_unwatched() -> bool {
    !is_watched()
}

/// Whether another cashet watches this process.
#[must_use]
pub fn is_watched() -> bool {
    static WATCHED: OnceLock<bool> = OnceLock::new();
    *WATCHED.get_or_init(|| look(QUESTION.to_vec()) == Some(YES))
}

/// Reports a dependency of this call to the watching process, if there is one.
pub fn tell(what: Depends<'_>) {
    if is_watched() {
        look(what.path());
    }
}

/// Looks at a path, and returns the last byte that it has afterwards.
#[expect(unsafe_code, reason = "who watches writes into the path, which no safe wrapper lets happen")]
fn look(mut path: Vec<u8>) -> Option<u8> {
    path.push(0);
    // SAFETY: the path ends with a zero byte and is ours to be written to.
    unsafe { libc::access(path.as_mut_ptr().cast::<libc::c_char>(), libc::F_OK) };
    // SAFETY: the byte is within the vector, which has at least the prefix and the zero byte. It may have been written from
    // outside, which the compiler does not know.
    path.len().checked_sub(2).map(|last| unsafe { path.as_ptr().add(last).read_volatile() })
}
