//! A call below the watch of another one: it learns that it is watched, and hands on what its answer depends on beside
//! what it looks at.
//!
//! Both go by a look at a path that exists nowhere. Where nobody watches, that is one call that finds nothing.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

/// What all such paths begin with.
pub(super) const PREFIX: &[u8] = b"/.cashet-nested/";
/// Asks whether somebody watches: who does writes [`YES`] in place of the last byte.
pub(super) const QUESTION: &[u8] = b"/.cashet-nested/watched/-";
/// The answer.
pub(super) const YES: u8 = b'+';

/// What an answer depends on that no look shows.
#[derive(Clone, Copy, Debug)]
pub enum Depends<'a> {
    /// A directory in which the call keeps what is its own: nobody's input or output.
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
    /// What the network says.
    Network,
    /// What a store holds, by the command that asks it.
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

/// Whether another cashet watches this process.
#[must_use]
pub fn is_watched() -> bool {
    static WATCHED: OnceLock<bool> = OnceLock::new();
    *WATCHED.get_or_init(|| look(QUESTION.to_vec()) == Some(YES))
}

/// Tells who watches, if anybody does, what the answer of this call depends on.
pub fn tell(what: Depends<'_>) {
    if is_watched() {
        look(what.path());
    }
}

/// Looks at a path; tells its last byte as it is then.
#[expect(unsafe_code, reason = "who watches writes into the path, which no safe wrapper lets happen")]
fn look(mut path: Vec<u8>) -> Option<u8> {
    path.push(0);
    // SAFETY: the path ends with a zero byte and is ours to be written to.
    unsafe { libc::access(path.as_mut_ptr().cast::<libc::c_char>(), libc::F_OK) };
    // SAFETY: the byte is within the vector, which has at least the prefix and the zero byte. It may have been written from
    // outside, which the compiler does not know.
    path.len().checked_sub(2).map(|last| unsafe { path.as_ptr().add(last).read_volatile() })
}
