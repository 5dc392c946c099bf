//! Searches output in pieces for the path of a directory and for its last name, also in the escaped forms of URLs, JSON,
//! languages, shells and HTML.

use super::clones;
use super::escapes::unescaped;
use crate::record::Places;
use memchr::memmem::Finder;
use memchr::{memchr3, memmem};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

/// A piece of up to this length is searched byte by byte.
const SHORT: usize = 1 << 10;

/// Maximum length of an escaped byte.
const LONGEST_ESCAPE: usize = 6;

/// After this many possible escaped paths that are none, the path is assumed to be found: looking closer costs more than a run
/// elsewhere.
const MOST_CLOSER: usize = 2000;

/// What is looked for.
pub(super) struct PlaceSearch {
    /// If shorter than two bytes, nothing is searched.
    path: Vec<u8>,
    /// The last name, searched as a word; empty if it is not searched.
    name: Vec<u8>,
    /// The longest part of the root's last name that no writer escapes.
    anchor: Vec<u8>,
    /// How long the path of the root is at most where it is escaped, in bytes.
    reach: usize,
    /// Created for long pieces only: the first one asks the processor for its features, which is slow in a virtual machine.
    finders: OnceLock<[Finder<'static>; 3]>,
}

/// The state of the search in one stream.
#[derive(Default)]
pub(super) struct SearchState {
    /// The end of the previous piece, shorter than the path can be.
    tail: Vec<u8>,
    closer: usize,
    /// Whether the path was found.
    pub(super) path: bool,
    /// Whether the name was found, as a word.
    pub(super) name: bool,
}

impl PlaceSearch {
    /// A search for the place of a project (see [`clones::place`]), and for the last name of its root: a program may print only the
    /// name. `/` is not searched.
    pub(super) fn root(places: &Places) -> Self {
        let root = Self::path(places.root.as_os_str().as_bytes());
        let name = last_name(&root.path).to_vec();
        Self { path: clones::place(places).as_os_str().as_bytes().to_vec(), name, ..root }
    }

    /// A search for nothing.
    pub(super) fn none() -> Self {
        Self::path(b"")
    }

    /// A search for a path alone.
    pub(super) fn path(path: &[u8]) -> Self {
        let runs = last_name(path).split(|byte| !byte.is_ascii_alphanumeric());
        let anchor = runs.max_by_key(|run| run.len()).unwrap_or_default().to_vec();
        let reach = path.len() * LONGEST_ESCAPE;
        Self { path: path.to_vec(), name: Vec::new(), anchor, reach, finders: OnceLock::new() }
    }

    /// Searches the next piece of a stream, and across the border to the previous piece. The start and end of a piece count as
    /// word borders.
    pub(super) fn look(&self, state: &mut SearchState, bytes: &[u8]) {
        if self.path.len() < 2 || (state.path && (state.name || self.name.is_empty())) {
            return;
        }
        let overlap = self.reach;
        if !state.tail.is_empty() {
            let border: Vec<u8> = state.tail.iter().chain(bytes.iter().take(overlap)).copied().collect();
            self.look_in(state, &border);
        }
        self.look_in(state, bytes);
        if bytes.len() < overlap {
            state.tail.extend_from_slice(bytes);
            let excess = state.tail.len().saturating_sub(overlap);
            state.tail.drain(..excess);
        } else {
            state.tail = bytes.get(bytes.len() - overlap..).unwrap_or_default().to_vec();
        }
    }

    fn look_in(&self, state: &mut SearchState, bytes: &[u8]) {
        state.path = state.path || self.position(0, &self.path, bytes).is_some();
        state.name = state.name || (!self.name.is_empty() && self.has_name(bytes));
        if state.path {
            return;
        }
        if self.anchor.is_empty() {
            return self.look_closer(state, bytes);
        }
        let reach = self.reach;
        let mut from = 0;
        while let Some(at) = bytes.get(from..).and_then(|rest| self.position(2, &self.anchor, rest)) {
            let at = from + at;
            let (start, end) = (at.saturating_sub(reach), bytes.len().min(at + reach));
            self.look_closer(state, bytes.get(start..end).unwrap_or_default());
            if state.path {
                return;
            }
            from = at + self.anchor.len();
        }
    }

    /// Searches `bytes` in their unescaped form.
    fn look_closer(&self, state: &mut SearchState, bytes: &[u8]) {
        if memchr3(b'%', b'\\', b'&', bytes).is_none() {
            return;
        }
        state.closer += 1;
        if state.closer > MOST_CLOSER {
            state.path = true;
            return;
        }
        for plain in unescaped(bytes) {
            state.path |= memmem::find(&plain, &self.path).is_some();
            state.name |= !self.name.is_empty() && self.has_name(&plain);
        }
    }

    fn has_name(&self, bytes: &[u8]) -> bool {
        let is_inside = |byte: Option<&u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80)
        };
        let mut from = 0;
        while let Some(at) = bytes.get(from..).and_then(|rest| self.position(1, &self.name, rest)) {
            let at = from + at;
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            if !is_inside(before) && !is_inside(bytes.get(at + self.name.len())) {
                return true;
            }
            from = at + 1;
        }
        false
    }

    /// The position of `sought`: the path, the name or the anchor by number.
    fn position(&self, number: usize, sought: &[u8], bytes: &[u8]) -> Option<usize> {
        if bytes.len() <= SHORT {
            return bytes.windows(sought.len()).position(|part| part == sought);
        }
        let finders = self.finders.get_or_init(|| {
            [&self.path, &self.name, &self.anchor].map(|sought| Finder::new(sought).into_owned())
        });
        finders.get(number)?.find(bytes)
    }
}

fn last_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn searching(root: &str) -> PlaceSearch {
        PlaceSearch::root(&Places { root: root.into(), home: None })
    }

    fn found(root: &str, pieces: &[&str]) -> (bool, bool) {
        let search = searching(root);
        let mut state = SearchState::default();
        for piece in pieces {
            search.look(&mut state, piece.as_bytes());
        }
        (state.path, state.name)
    }

    #[test]
    fn the_path_is_found_across_pieces() {
        for pieces in [
            &["x /work/dir/y"][..],
            &["x /wo", "rk", "/d", "ir/y"],
            &["/", "w", "o", "r", "k", "/", "d", "i", "r"],
            &["x file:///wo", "rk%2", "Fdir"],
        ] {
            assert!(found("/work/dir", pieces).0, "{pieces:?}");
        }
        assert!(!found("/work/dir", &["/work", "", "-dir /work/di"]).0);
        assert!(!found("/", &["/"]).0);
    }

    #[test]
    fn the_name_is_found_as_a_word() {
        for text in ["dir", "x dir\n", "\"dir\"", "dir-1.0", "/other/dir/x", "%2Fother%2Fdir"] {
            assert!(found("/work/dir", &[text]).1, "{text}");
        }
        for text in ["", "direct", "redir", "dir_x", "di r"] {
            assert!(!found("/work/dir", &[text]).1, "{text}");
        }
        assert!(!found("/", &["/ a"]).1);
    }

    #[test]
    fn escaped_places_are_found() {
        for (root, text) in [
            ("/w/a b", "file:///w/a%20b/x"),
            ("/w/a b", "q=%2Fw%2Fa+b"),
            ("/w/a b", "/w/a\\ b"),
            ("/w/é", "\"/w/\\u00e9\""),
            ("/w/é", "{\"p\":\"\\/w\\/\\u00E9\"}"),
            ("/w/é", "/w/%C3%A9"),
            ("/w/é", "/w/%c3%a9/"),
            ("/w/é", "\"/w/\\303\\251\""),
            ("/w/é", "b'/w/\\xc3\\xa9'"),
            ("/w/é", "'/w/\\xe9'"),
            ("/w/é", "/w/&#233;"),
            ("/w/é", "/w/&#xe9;"),
            ("/w/a&b", "<p>/w/a&amp;b</p>"),
            ("/w/\u{1f600}x", "\"/w/\\ud83d\\ude00x\""),
            ("/w/\u{1f600}x", "/w/\\u{1f600}x"),
            ("/w/dir", "\\x2fw\\x2fdir"),
        ] {
            assert!(found(root, &[text]).0, "{root} in {text}");
            assert!(found(root, &[&format!("{}{text}", "y ".repeat(SHORT))]).0, "{root} in {text}");
            let other = text.replace('w', "v");
            assert!(!found(root, &[&other]).0, "{root} in {other}");
            assert!(found(root, &[&other]).1, "{root}'s name in {other}");
        }
    }

    #[test]
    fn too_much_that_may_be_escaped_is_taken_for_the_path() {
        assert!(!found("/work/dir", &[&"dir\\n ".repeat(10)]).0);
        assert!(found("/work/dir", &[&"dir\\n ".repeat(MOST_CLOSER + 1)]).0);
    }

    #[test]
    fn a_long_piece_is_searched_as_short_ones_are() {
        let filler = "/work/di".repeat(SHORT);
        for place in [0, SHORT, filler.len()] {
            let (before, after) = filler.split_at(place);
            let text = format!("{before}/work/dir{after}");
            assert!(found("/work/dir", &[&text]).0, "{place}");
            let (first, second) = text.split_at(place + 3);
            assert!(found("/work/dir", &[first, second]).0, "{place}, in two");
        }
        assert!(!found("/work/dir", &[&filler, "/work/d"]).0);
    }

    proptest! {
        #[test]
        fn pieces_are_searched_as_the_whole(text in "[ab/]{0,40}", cuts in prop::collection::vec(0_usize..40, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.push(0);
            cuts.push(text.len());
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).filter_map(|pair| text.get(pair[0]..pair[1])).collect();
            prop_assert_eq!(found("/ab/a", &pieces).0, text.contains("/ab/a"));
        }

        #[test]
        fn any_bytes_are_searched(bytes: Vec<u8>, root in "/[a é&%\\\\]{1,4}") {
            let mut state = SearchState::default();
            searching(&root).look(&mut state, &bytes);
        }
    }
}
