//! The functions and classes of a source that changed between two commits, according to its language.
//!
//! Reads the recorded sources. Names nothing where a source is no longer stored or cannot be parsed.

use super::human;
use crate::digest::{BlobId, CommitId};
use crate::hash::language::{Piece, PieceKind, by_name};
use crate::record::{Commit, StoredPath};
use crate::store::{BlobStore, LocalStore};
use std::collections::BTreeMap;
use std::io::Read;

/// Sources larger than this, in bytes, are not parsed.
const LARGEST: u64 = 1 << 20;

/// Maximum number of pieces that are named.
const MOST_NAMED: usize = 3;

/// The name of the code outside of all functions and classes.
const TOP_LEVEL: &str = "top level";

/// The names of the pieces of `path` that differ between the two commits; `form` is the name of the normal form of the source.
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

/// Like [`changed`], for the ids of two commits.
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

/// The name of the language: the first word of the name of a form. Sources that count byte for byte have a language too.
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

/// The differences in words, in order of appearance; including docstrings where these count (`documented`).
fn differing(language: &str, documented: bool, before: &[u8], after: &[u8]) -> Vec<String> {
    let Some(language) = by_name(language) else { return Vec::new() };
    let pieces = |source| grouped(language.pieces(source), documented);
    let (before, after) = (pieces(before), pieces(after));
    let (then, now): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (before.iter().cloned().collect(), after.iter().cloned().collect());
    let gone = before.iter().filter(|(piece, _)| !now.contains_key(piece));
    let differs = after.iter().filter(|(piece, bytes)| then.get(piece) != Some(bytes));
    let mut worded: Vec<String> = differs.chain(gone).map(|((kind, name), _)| worded(*kind, name)).collect();
    // The code outside of all pieces comes last, since it says least.
    worded.sort_by_key(|piece| piece == TOP_LEVEL);
    if let Some(more) = worded.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        worded.truncate(MOST_NAMED);
        worded.push(format!("and {}", human::others(more)));
    }
    worded
}

/// The kind and name of a piece, with the bytes of all pieces of this name.
type Group = ((PieceKind, String), Vec<Vec<u8>>);

/// The pieces in order of appearance, those of the same name joined.
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

/// The kind and name of a piece.
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
