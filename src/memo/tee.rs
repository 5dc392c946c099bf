//! Takes down what a run prints: both streams as blobs, their order, and whether the root's path is in them.
//!
//! A store that fails stops the taking-down, never the run.

use crate::exec::Recorder;
use crate::hash::environment;
use crate::record::{Content, Stream, StreamOrder};
use crate::store::{BlobWriter, Store};
use memchr::memmem::Finder;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

/// More changes from one stream to the other than this are not worth their memory.
const MOST_CHUNKS: usize = 1 << 20;

/// A piece up to this long is searched place by place.
const SHORT: usize = 1 << 10;

/// What was taken down of a run's streams.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) stdout: Content,
    pub(super) stderr: Content,
    pub(super) order: StreamOrder,
    pub(super) contains_root: bool,
    /// Names of variables whose values are places, and whether such a place is in what came.
    pub(super) places: Vec<(&'static str, bool)>,
}

/// Takes down two streams.
pub(super) struct Tee<'a> {
    store: Option<&'a dyn Store>,
    stdout: Side,
    stderr: Side,
    order: StreamOrder,
    search: RootSearch,
    name: RootSearch,
    places: Vec<(&'static str, RootSearch)>,
    trouble: Option<String>,
}

#[derive(Default)]
struct Side {
    writer: Option<Box<dyn BlobWriter>>,
    search: SearchState,
    name: SearchState,
    places: [SearchState; 2],
}

impl<'a> Tee<'a> {
    /// Writes to `store`; takes nothing down without one. `root`, and the places that HOME and TMPDIR of `environment` name,
    /// are looked for in what comes.
    pub(super) fn new(
        store: Option<&'a dyn Store>,
        root: &[u8],
        environment: &[(OsString, OsString)],
    ) -> Self {
        let place = |name: &'static str, otherwise: &str| {
            let value = environment::lookup(environment, OsStr::new(name));
            let place =
                value.map_or_else(|| otherwise.as_bytes().to_vec(), |value| value.as_bytes().to_vec());
            (name, RootSearch::new(&place))
        };
        Self {
            places: vec![place("HOME", ""), place("TMPDIR", "/tmp")],
            store,
            stdout: Side::default(),
            stderr: Side::default(),
            order: StreamOrder::default(),
            search: RootSearch::new(root),
            name: RootSearch::name_of(root),
            trouble: None,
        }
    }

    /// Puts both blobs in place.
    ///
    /// # Errors
    /// Why they could not be taken down, in words.
    pub(super) fn finish(mut self) -> Result<Streams, String> {
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        let Some(store) = self.store else { return Err("nothing was taken down".to_owned()) };
        let contains_root =
            [&self.stdout, &self.stderr].iter().any(|side| side.search.found || side.name.found);
        let found = |number: usize| {
            [&self.stdout, &self.stderr]
                .iter()
                .any(|side| side.places.get(number).is_some_and(|state| state.found))
        };
        let places =
            self.places.iter().enumerate().map(|(number, (name, _))| (*name, found(number))).collect();
        let finish = |side: Side| {
            let writer = side.writer.map_or_else(|| store.write(), Ok);
            writer.and_then(BlobWriter::finish).map_err(|error| error.to_string())
        };
        Ok(Streams {
            stdout: finish(self.stdout)?,
            stderr: finish(self.stderr)?,
            order: self.order,
            contains_root,
            places,
        })
    }

    /// Hands what came to the writer of its stream, by `write`, which also gets a place to show it for the searches.
    fn take(
        &mut self,
        stream: Stream,
        length: usize,
        write: impl FnOnce(&mut dyn FnMut(&[u8]), &mut dyn BlobWriter) -> io::Result<()>,
    ) -> Result<(), String> {
        let Some(store) = self.store else { return Ok(()) };
        let side = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let writer = match &mut side.writer {
            Some(writer) => writer,
            None => side.writer.insert(store.write().map_err(|error| error.to_string())?),
        };
        let mut look = |bytes: &[u8]| {
            self.search.look(&mut side.search, bytes);
            self.name.look(&mut side.name, bytes);
            for ((_, search), state) in self.places.iter().zip(&mut side.places) {
                search.look(state, bytes);
            }
        };
        write(&mut look, writer.as_mut()).map_err(|error| format!("cannot record its output: {error}"))?;
        self.order.push(stream, u64::try_from(length).unwrap_or(u64::MAX));
        if self.order.chunks().len() > MOST_CHUNKS {
            return Err("its two streams alternate too often".to_owned());
        }
        Ok(())
    }

    fn taken(&mut self, taken: Result<(), String>) {
        if let Err(trouble) = taken {
            self.trouble = Some(trouble);
            // The temporary files go at once: the disk may be full.
            self.stdout.writer = None;
            self.stderr.writer = None;
        }
    }
}

impl Recorder for Tee<'_> {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        if self.trouble.is_none() {
            let taken = self.take(stream, bytes.len(), |look, writer| {
                look(bytes);
                writer.write_all(bytes)
            });
            self.taken(taken);
        }
    }

    fn buffer(&mut self, stream: Stream, buffer: &mut Vec<u8>, length: usize) {
        if self.trouble.is_none() {
            let taken = self.take(stream, length, |look, writer| {
                look(buffer.get(..length).unwrap_or_default());
                writer.write_buffer(buffer, length)
            });
            self.taken(taken);
        }
    }
}

/// Looks for the root's absolute path in bytes that come in pieces.
pub(super) struct RootSearch {
    /// Shorter than two bytes: nothing is looked for.
    path: Vec<u8>,
    /// It is a name, and is looked for as a word.
    is_word: bool,
    /// Made for a long piece: making the first one asks the processor what it can, a trap to a machine below this one for each
    /// question.
    finder: OnceLock<Finder<'static>>,
}

/// How far the search in one stream has come.
#[derive(Default)]
pub(super) struct SearchState {
    /// The end of what came, shorter than the path.
    tail: Vec<u8>,
    /// Whether it was found.
    pub(super) found: bool,
}

impl RootSearch {
    /// A search for `root`; `/` says nothing about a place and is not looked for.
    pub(super) fn new(root: &[u8]) -> Self {
        Self { path: root.to_vec(), is_word: false, finder: OnceLock::new() }
    }

    /// A search for the last name of `root`, as a word: a program may print where it is without the way there. Where a
    /// piece begins or ends, a word is taken to do so.
    pub(super) fn name_of(root: &[u8]) -> Self {
        let name = root.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        Self { path: name.to_vec(), is_word: true, finder: OnceLock::new() }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        if self.is_word {
            let finder = self.finder.get_or_init(|| Finder::new(&self.path).into_owned());
            let is_inside = |byte: Option<&u8>| {
                byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80)
            };
            return finder.find_iter(bytes).any(|at| {
                let before = at.checked_sub(1).and_then(|before| bytes.get(before));
                !is_inside(before) && !is_inside(bytes.get(at + self.path.len()))
            });
        }
        if bytes.len() <= SHORT {
            return bytes.windows(self.path.len()).any(|part| part == self.path);
        }
        self.finder.get_or_init(|| Finder::new(&self.path).into_owned()).find(bytes).is_some()
    }

    /// Looks in the next piece of a stream, and across the border to the piece before.
    pub(super) fn look(&self, state: &mut SearchState, bytes: &[u8]) {
        let least = if self.is_word { 1 } else { 2 };
        if state.found || self.path.len() < least {
            return;
        }
        let overlap = self.path.len() - 1;
        let border: Vec<u8> = state.tail.iter().chain(bytes.iter().take(overlap)).copied().collect();
        state.found = self.is_in(&border) || self.is_in(bytes);
        let end = if bytes.len() < overlap { border.as_slice() } else { bytes };
        state.tail = end.get(end.len().saturating_sub(overlap)..).unwrap_or_default().to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(root: &str, pieces: &[&str]) -> bool {
        let search = RootSearch::new(root.as_bytes());
        let mut state = SearchState::default();
        for piece in pieces {
            search.look(&mut state, piece.as_bytes());
        }
        state.found
    }

    #[test]
    fn the_root_is_found_across_pieces() {
        assert!(found("/work/dir", &["x /work/dir/y"]));
        assert!(found("/work/dir", &["x /wo", "rk", "/d", "ir/y"]));
        assert!(found("/work/dir", &["/", "w", "o", "r", "k", "/", "d", "i", "r"]));
        assert!(!found("/work/dir", &["/work", "", "-dir /work/di"]));
        assert!(!found("/", &["/"]));
    }

    #[test]
    fn the_name_of_the_root_is_found_as_a_word() {
        let found = |bytes: &str| {
            let mut state = SearchState::default();
            RootSearch::name_of(b"/work/dir").look(&mut state, bytes.as_bytes());
            state.found
        };
        for text in ["dir", "x dir\n", "\"dir\"", "dir-1.0", "/other/dir/x"] {
            assert!(found(text), "{text}");
        }
        for text in ["", "direct", "redir", "dir_x", "di r"] {
            assert!(!found(text), "{text}");
        }
        let mut state = SearchState::default();
        RootSearch::name_of(b"/").look(&mut state, b"/ a");
        assert!(!state.found);
    }

    #[test]
    fn a_long_piece_is_searched_as_short_ones_are() {
        let filler = "/work/di".repeat(SHORT);
        for place in [0, SHORT, filler.len()] {
            let (before, after) = filler.split_at(place);
            let text = format!("{before}/work/dir{after}");
            assert!(found("/work/dir", &[&text]), "{place}");
            let (first, second) = text.split_at(place + 3);
            assert!(found("/work/dir", &[first, second]), "{place}, in two");
        }
        assert!(!found("/work/dir", &[&filler, "/work/d"]));
    }

    proptest! {
        #[test]
        fn pieces_are_searched_as_the_whole(text in "[ab/]{0,40}", cuts in prop::collection::vec(0_usize..40, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.push(0);
            cuts.push(text.len());
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).filter_map(|pair| text.get(pair[0]..pair[1])).collect();
            prop_assert_eq!(found("/ab/a", &pieces), text.contains("/ab/a"));
        }
    }
}
