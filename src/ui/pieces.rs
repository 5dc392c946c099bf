//! Which functions of a source changed between two commits, as its language sees them.
//!
//! Reads the sources that the commits recorded; where one is no longer stored, or is not text that a language
//! knows, no piece is named.

use super::human;
use crate::digest::{BlobId, CommitId};
use crate::hash::language::{Piece, PieceKind, by_name};
use crate::record::{Commit, StoredPath};
use crate::store::{BlobStore, LocalStore};
use std::collections::BTreeMap;
use std::io::Read;

/// Sources larger than this are not taken apart, in bytes.
const LARGEST: u64 = 1 << 20;

/// How many pieces of a source are named.
const MOST_NAMED: usize = 3;

/// What stands outside of all that has a name.
const TOP_LEVEL: &str = "top level";

/// The names of the pieces of `path` that are different in the two commits; `form` is the name of the normal form in
/// which the source counts.
#[must_use]
pub fn changed(
    store: &LocalStore,
    commits: (&Commit, &Commit),
    path: &StoredPath,
    form: &str,
) -> Vec<String> {
    let text = |commit: &Commit| {
        let source = commit.sources.iter().find(|source| source.path == *path)?;
        read(store, &source.blob)
    };
    match (text(commits.0), text(commits.1)) {
        (Some(before), Some(after)) => {
            let documented = !form.ends_with("without docstrings");
            differing(language_of(form, path), documented, &before, &after)
        }
        _ => Vec::new(),
    }
}

/// The same for commits by their ids.
#[must_use]
pub fn changed_between(
    store: &LocalStore,
    (before, after): (&CommitId, &CommitId),
    path: &StoredPath,
    form: &str,
) -> Vec<String> {
    let commit = |id| store.row(id).ok().flatten().map(|row| row.commit);
    match (commit(before), commit(after)) {
        (Some(before), Some(after)) => changed(store, (&before, &after), path, form),
        _ => Vec::new(),
    }
}

fn read(store: &LocalStore, blob: &BlobId) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    store.read(blob).ok()?.take(LARGEST + 1).read_to_end(&mut bytes).ok()?;
    (u64::try_from(bytes.len()).ok()? <= LARGEST).then_some(bytes)
}

/// The language's name: the first word of a form without what it is combined with. Sources that count byte for byte
/// are still of some language.
fn language_of<'f>(form: &'f str, path: &StoredPath) -> &'f str {
    let name = form.split([' ', '+']).next().unwrap_or_default();
    let extension = path.rest().rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    match (name, extension) {
        ("raw", b"py") => "python",
        ("raw", b"js" | b"mjs" | b"cjs") => "javascript",
        ("raw", b"ts" | b"mts" | b"cts") => "typescript",
        ("raw", b"sh" | b"bash") => "shell",
        _ => name,
    }
}

/// What differs, in words and in order of appearance; with docstrings where these count (`documented`).
fn differing(language: &str, documented: bool, before: &[u8], after: &[u8]) -> Vec<String> {
    let Some(language) = by_name(language) else { return Vec::new() };
    let pieces = |source| grouped(language.pieces(source), documented);
    let (before, after) = (pieces(before), pieces(after));
    let (then, now): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (before.iter().cloned().collect(), after.iter().cloned().collect());
    let gone = before.iter().filter(|(piece, _)| !now.contains_key(piece));
    let differs = after.iter().filter(|(piece, bytes)| then.get(piece) != Some(bytes));
    let mut worded: Vec<String> = differs.chain(gone).map(|((kind, name), _)| worded(*kind, name)).collect();
    // What is outside of all says least.
    worded.sort_by_key(|piece| piece == TOP_LEVEL);
    if let Some(more) = worded.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        worded.truncate(MOST_NAMED);
        worded.push(format!("and {}", human::others(more)));
    }
    worded
}

/// What a piece is and its name, with the bytes of all that go by it.
type Group = ((PieceKind, String), Vec<Vec<u8>>);

/// The pieces with all that goes by the same name together, in order of appearance.
fn grouped(pieces: Vec<Piece>, documented: bool) -> Vec<Group> {
    let mut places = BTreeMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for Piece { kind, name, mut bytes, docstring } in pieces {
        if documented {
            bytes.extend(docstring);
        }
        let place = *places.entry((kind, name.clone())).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, group)) => group.push(bytes),
            None => groups.push(((kind, name), vec![bytes])),
        }
    }
    groups
}

/// A piece's name with what it is.
fn worded(kind: PieceKind, name: &str) -> String {
    let is_constant = name.contains(|letter: char| letter.is_ascii_uppercase())
        && !name.contains(|letter: char| letter.is_lowercase());
    match kind {
        PieceKind::TopLevel => TOP_LEVEL.to_owned(),
        PieceKind::Function => format!("function {name}"),
        PieceKind::Method => format!("method {name}"),
        PieceKind::Class => format!("class {name}"),
        PieceKind::Variable if is_constant => format!("constant {name}"),
        PieceKind::Variable => format!("variable {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_by_its_language() {
        let before = b"import os\ndef train(lr):\n    return lr\nclass Model:\n    def fit(self): pass\n";
        let named = |after: &str| differing("python", false, before, after.as_bytes());
        let text = String::from_utf8(before.to_vec()).unwrap();
        assert_eq!(named(&text.replace("return lr", "return 2 * lr")), ["function train"]);
        assert_eq!(named(&text.replace("pass", "return 1")), ["method Model.fit"]);
        assert_eq!(named(&text.replace("import os", "import sys")), ["top level"]);
        assert!(named(&text.replace("return lr", "return lr  # the rate")).is_empty());
        let many = ["f0", "f1", "f2", "f3", "f4"].map(|name| format!("def {name}(): pass\n")).concat();
        assert_eq!(
            named(&format!("{text}{many}")),
            ["function f0", "function f1", "function f2", "and 2 others"]
        );
        let gone = text.replace("def train(lr):\n    return lr\n", "");
        assert_eq!(named(&gone), ["function train"]);
        let constant = |value| format!("{text}RATE = {value}\nrate = RATE\nRATE += 1\n");
        assert_eq!(
            differing("python", false, constant(1).as_bytes(), constant(2).as_bytes()),
            ["constant RATE"]
        );
        assert_eq!(named(&constant(1)), ["constant RATE", "variable rate"]);
        let documented = |text: &str| format!("def f():\n    '''{text}'''\n    return 1\ndef g(): pass\n");
        let (one, two) = (documented("one"), documented("two"));
        assert!(differing("python", false, one.as_bytes(), two.as_bytes()).is_empty());
        assert_eq!(differing("python", true, one.as_bytes(), two.as_bytes()), ["function f"]);
        assert!(differing("nonsense", false, b"a", b"b").is_empty());
    }

    #[test]
    fn a_form_begins_with_its_language() {
        let at = StoredPath::in_root("a.py");
        assert_eq!(language_of("python ruff-0.0.10 1 without docstrings", &at), "python");
        assert_eq!(language_of("typescript+jsx oxc-0.146.0 1", &at), "typescript");
        assert_eq!(language_of("raw", &at), "python");
        assert_eq!(language_of("raw", &StoredPath::in_root("Makefile")), "raw");
    }
}
