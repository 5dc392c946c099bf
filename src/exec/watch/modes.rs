//! The permission bits that a run asked for, path by path. Bits that are requested at creation are reduced by the umask. Bits that
//! are set later are not.

use super::process::to_path;
use crate::exec::{ModeGiven, Nature, umask};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Bits that programs request by default.
const USUAL: [u32; 2] = [0o666, 0o777];

/// The permission bits that a call asks for when it creates something, and the umask of its process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Creating {
    pub(super) asked: u32,
    pub(super) mask: u32,
    /// The program always requests the same bits.
    pub(super) is_literal: bool,
    /// The program sets modes that its arguments contain, whatever the umask is.
    pub(super) is_named: bool,
    /// The program sets no other modes than those of the files that it works on.
    pub(super) is_copier: bool,
}

impl Creating {
    /// The bits of the created file.
    pub(super) const fn mode(self) -> u32 {
        self.asked & !self.mask
    }

    /// A program that copies a file requests the mode of the original, which the umask had reduced.
    fn may_be_copied(self) -> bool {
        let Self { asked, mask, is_literal, .. } = self;
        let is_copied = |usual: u32| mask & usual != 0 && asked & 0o777 == usual & !mask;
        !is_literal && USUAL.into_iter().any(is_copied)
    }
}

/// How each path got its permission bits, where the run set them.
#[derive(Debug, Default)]
pub(super) struct Modes {
    given: FxHashMap<Vec<u8>, ModeGiven>,
    /// Files that were there, with the mode that a new one would get. Moved elsewhere, they have it under this umask alone.
    emptied: FxHashSet<Vec<u8>>,
}

impl Modes {
    /// Something is created at `path`.
    pub(super) fn created(&mut self, path: &[u8], creating: Creating) {
        let Creating { asked, mask, is_named, is_copier, .. } = creating;
        let given = if mask != umask() && is_copier {
            ModeGiven::Copied
        } else if mask != umask() || is_named && !USUAL.contains(&(asked & 0o777)) {
            ModeGiven::Fixed
        } else if creating.may_be_copied() {
            ModeGiven::Fresh(asked & 0o7777)
        } else if creating.is_literal {
            ModeGiven::Literal(asked & 0o7777)
        } else {
            ModeGiven::Asked(asked & 0o7777)
        };
        self.given.insert(path.to_vec(), given);
    }

    /// A file at `path` is emptied by a call that would create it with its present mode.
    pub(super) fn created_anew(&mut self, path: &[u8], creating: Creating) {
        if !self.given.contains_key(path) {
            self.created(path, creating);
            self.emptied.insert(path.to_vec());
        }
    }

    /// A file at `path` is opened for writing by a call that would create it with another mode.
    pub(super) fn kept(&mut self, path: &[u8], creating: Creating) {
        if creating.mask == umask() && !self.given.contains_key(path) {
            let (asked, is_fresh) = (creating.asked & 0o7777, creating.may_be_copied());
            let is_literal = creating.is_literal;
            self.given.insert(path.to_vec(), ModeGiven::Kept { asked, is_fresh, is_literal });
        }
    }

    /// What is at `path` gets these permission bits from a program of this nature.
    pub(super) fn set(&mut self, path: &[u8], mode: u32, nature: &Nature) {
        let mode = mode & 0o7777;
        let given = match self.given.get(path) {
            Some(ModeGiven::Asked(asked) | ModeGiven::Literal(asked))
                if nature.is_linker && mode == 0o777 & !umask() =>
            {
                ModeGiven::Asked(asked | 0o111)
            }
            _ if nature.copies_modes => ModeGiven::Copied,
            _ => ModeGiven::Set { mode, is_computed: !nature.names_modes },
        };
        self.given.insert(path.to_vec(), given);
    }

    /// `from` is moved to `to`, with everything below it if it is a directory.
    pub(super) fn moved(&mut self, from: &[u8], to: &[u8], is_directory: bool) {
        if is_directory {
            let is_below = |path: &[u8], directory: &[u8]| {
                path.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
            };
            self.given.retain(|path, _| !is_below(path, to));
            let below: Vec<Vec<u8>> =
                self.given.keys().filter(|path| is_below(path, from)).cloned().collect();
            for path in below {
                if let Some(given) = self.given.remove(&path).map(elsewhere) {
                    let rest = path.get(from.len()..).unwrap_or_default();
                    self.given.insert([to, rest].concat(), given);
                }
            }
        }
        let given = match self.given.remove(from) {
            Some(ModeGiven::Asked(asked) | ModeGiven::Literal(asked)) if self.emptied.remove(from) => {
                ModeGiven::Set { mode: asked & !umask(), is_computed: true }
            }
            given => given.map_or(ModeGiven::Moved, elsewhere),
        };
        self.given.insert(to.to_vec(), given);
    }

    /// The files at the two paths are exchanged.
    pub(super) fn exchanged(&mut self, first: &[u8], second: &[u8]) {
        for path in [first, second] {
            self.given.insert(path.to_vec(), ModeGiven::Moved);
        }
    }

    /// `to` becomes another name of the file at `from`.
    pub(super) fn linked(&mut self, from: &[u8], to: &[u8]) {
        let given = self.given.get(from).copied().map_or(ModeGiven::Moved, elsewhere);
        self.given.insert(to.to_vec(), given);
    }

    /// All of them, by path.
    pub(super) fn into_parts(self) -> BTreeMap<PathBuf, ModeGiven> {
        self.given.into_iter().map(|(path, given)| (to_path(path), given)).collect()
    }
}

/// How what got its bits in one place has them in another.
fn elsewhere(given: ModeGiven) -> ModeGiven {
    if matches!(given, ModeGiven::Kept { .. }) { ModeGiven::Moved } else { given }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creating(asked: u32, mask: u32) -> Creating {
        Creating { asked, mask, is_literal: true, is_named: false, is_copier: false }
    }

    #[test]
    fn modes_move_with_what_has_them() {
        let asked = |bits| ModeGiven::Literal(bits);
        let mut modes = Modes::default();
        for (path, bits) in [("/d", 0o777), ("/d/a", 0o666), ("/e/b", 0o600)] {
            modes.created(path.as_bytes(), creating(bits, umask()));
        }
        modes.created(b"/own", creating(0o666, umask() ^ 0o7));
        modes.moved(b"/d", b"/e", true);
        modes.moved(b"/input", b"/output", false);
        modes.linked(b"/e/a", b"/name");
        modes.set(b"/name", 0o755, &Nature { names_modes: true, ..Nature::default() });
        let given = modes.into_parts();
        let of = |path: &str| given.get(std::path::Path::new(path)).copied();
        assert_eq!((of("/d"), of("/d/a"), of("/e/b")), (None, None, None));
        assert_eq!((of("/e"), of("/e/a")), (Some(asked(0o777)), Some(asked(0o666))));
        assert_eq!((of("/own"), of("/output")), (Some(ModeGiven::Fixed), Some(ModeGiven::Moved)));
        assert_eq!(of("/name"), Some(ModeGiven::Set { mode: 0o755, is_computed: false }));
    }

    #[test]
    fn a_linker_asks_for_what_the_umask_leaves() {
        let mut modes = Modes::default();
        modes.created(b"/x", creating(0o666, umask()));
        modes.set(b"/x", 0o777 & !umask(), &Nature { is_linker: true, ..Nature::default() });
        assert_eq!(modes.into_parts().into_values().next(), Some(ModeGiven::Asked(0o777)));
    }
}
