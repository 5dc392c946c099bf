//! Revisions: `3f2a`, `@`, `@{2}`, `3f2a~1`, `'train.py --lr 0.01'`.
//!
//! Parsing does not read the store. A word that cannot be a hash or a number of a run is a command line.

use crate::digest::{Prefix, SHORTEST_PREFIX};
use crate::error::{Error, Kind, Result};
use crate::ui::escape;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The starting commit of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// The commit whose hash has this prefix.
    Prefix(Prefix),
    /// The Nth newest commit, counted from 1.
    Newest(u64),
    /// The newest commit of this command line.
    Command(Vec<Vec<u8>>),
    /// The newest commit with this tag, and with this value if one is given.
    Tag(String, Option<String>),
    /// The Nth newest commit of the function of this name, counted from 1.
    Function(Vec<u8>, u64),
    /// The commit with the best value of this metric.
    Best(String),
}

/// A revision, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The starting commit.
    pub base: Base,
    /// Number of steps back in the lineage.
    pub steps: u64,
    /// As it was typed, escaped.
    pub typed: String,
}

/// Parses a revision.
///
/// # Errors
/// [`Kind::Usage`] when it is empty, or has the form of a hash or number but is invalid.
pub fn parse(text: &OsStr) -> Result<Revision> {
    parse_bytes(text.as_bytes())
}

/// Parses a revision that may be followed by `:PATH`. A command line cannot be followed by a path: its colons are part of it.
///
/// # Errors
/// As [`parse`]; also when the path is empty.
pub fn parse_with_path(text: &OsStr) -> Result<(Revision, Option<Vec<u8>>)> {
    let bytes = text.as_bytes();
    // A metric may have a colon in its name.
    let name = if bytes.starts_with(BEST) { bytes.iter().position(|byte| *byte == b')') } else { None };
    let from = name.unwrap_or(0);
    let colon = bytes.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b':'));
    let Some(colon) = colon.map(|colon| from + colon) else {
        return Ok((parse_bytes(bytes)?, None));
    };
    let (before, after) = bytes.split_at_checked(colon).unwrap_or((bytes, &[]));
    let revision = parse_bytes(before).ok().filter(|revision| !matches!(revision.base, Base::Command(_)));
    let Some(revision) = revision else {
        return Ok((parse_bytes(bytes)?, None));
    };
    match after.get(1..).unwrap_or_default() {
        [] => Err(wrong(bytes, "names no output after the colon", "cashet show lists the outputs of a run")),
        path => Ok((revision, Some(path.to_vec()))),
    }
}

fn parse_bytes(bytes: &[u8]) -> Result<Revision> {
    let typed = escape::brief(bytes, 60);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(wrong(bytes, "is not a revision", FORMS));
    }
    let (counted_from, steps) = steps(bytes)?;
    if let Some(base) = place(counted_from)? {
        return Ok(Revision { base, steps, typed });
    }
    if let Ok(text) = std::str::from_utf8(counted_from)
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        if text.len() < SHORTEST_PREFIX {
            return Err(wrong(bytes, "is too short for a hash", "give at least 4 digits"));
        }
        let prefix = Prefix::parse(text).ok_or_else(|| wrong(bytes, "is too long for a hash", FORMS))?;
        return Ok(Revision { base: Base::Prefix(prefix), steps, typed });
    }
    // In a command line, only a last tilde that digits follow, with text before it, is a step.
    let words =
        split_words(counted_from).ok_or_else(|| wrong(bytes, "has a quote that does not end", FORMS))?;
    Ok(Revision { base: Base::Command(words), steps, typed })
}

/// The part before trailing `~N`, and the sum of all N; `~` alone is one step.
fn steps(bytes: &[u8]) -> Result<(&[u8], u64)> {
    let mut base = bytes;
    let mut all: u64 = 0;
    // `3f2a~~` is two steps: the part before a `~` may have steps too.
    while let Some(tilde) = base.iter().rposition(|byte| *byte == b'~') {
        let (before, after) = base.split_at_checked(tilde).unwrap_or((base, &[]));
        let digits = after.get(1..).unwrap_or_default();
        if before.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            break;
        }
        let own = if digits.is_empty() { Some(1) } else { number(digits) };
        let sum = own.and_then(|own| own.checked_add(all));
        all = sum.ok_or_else(|| wrong(bytes, "counts too many steps", FORMS))?;
        base = before;
    }
    Ok((base, all))
}

/// The beginning of `@best(KEY)`.
const BEST: &[u8] = b"@best(";

/// `@`, `@{N}`, `@best(KEY)`, `@TAG`, `@TAG=VALUE` or `FUNCTION@{N}`.
fn place(bytes: &[u8]) -> Result<Option<Base>> {
    if bytes == b"@" {
        return Ok(Some(Base::Newest(1)));
    }
    if let Some(key) = bytes.strip_prefix(BEST) {
        let key = key.strip_suffix(b")").and_then(|key| std::str::from_utf8(key).ok());
        return match key.map(str::trim).filter(|key| !key.is_empty()) {
            Some(key) => Ok(Some(Base::Best(key.to_owned()))),
            None => Err(wrong(bytes, "names no metric", "@best(accuracy), @best(min:loss)")),
        };
    }
    if let Some(at) = bytes.windows(2).position(|pair| pair == b"@{").filter(|at| *at > 0)
        && let (name, Some(place)) = (bytes.get(..at).unwrap_or_default(), bytes.get(at..))
        && place.ends_with(b"}")
        && !name.iter().any(u8::is_ascii_whitespace)
    {
        return match self::place(place)? {
            Some(Base::Newest(place)) => Ok(Some(Base::Function(name.to_vec(), place))),
            _ => Ok(None),
        };
    }
    let Some(inside) = bytes.strip_prefix(b"@{") else {
        let tag = bytes.strip_prefix(b"@").and_then(|tag| std::str::from_utf8(tag).ok());
        let tag = tag.filter(|tag| !tag.contains(char::is_whitespace) && !tag.starts_with(['=', '~']));
        return Ok(tag.map(|tag| match tag.split_once('=') {
            Some((name, value)) => Base::Tag(name.to_owned(), Some(value.to_owned())),
            None => Base::Tag(tag.to_owned(), None),
        }));
    };
    let digits = inside.strip_suffix(b"}").filter(|digits| digits.iter().all(u8::is_ascii_digit));
    match digits.and_then(number) {
        Some(0) => Err(wrong(bytes, "names no run", "@{1} is the newest, @{2} the one before")),
        Some(place) => Ok(Some(Base::Newest(place))),
        None => Err(wrong(bytes, "is not a revision", "@{1} is the newest, @{2} the one before")),
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

const FORMS: &str =
    "a revision is a hash, @, @{2}, @TAG, @best(METRIC), train.py@{2}, REV~1, or a quoted command line";

fn wrong(bytes: &[u8], what: &str, hint: &str) -> Error {
    Error::usage(format!("'{}' {what}", escape::brief(bytes, 60))).with_hint(hint)
}

/// The words of a command line, quoted as for a shell; `None` when a quote does not end.
#[must_use]
pub fn split_words(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b' ' | b'\t' | b'\n' => words.extend(word.take()),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        b'\'' => break,
                        inside => word.push(inside),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        b'"' => break,
                        b'\\' => match rest.next()? {
                            special @ (b'"' | b'\\' | b'$' | b'`') => word.push(special),
                            plain => word.extend([b'\\', plain]),
                        },
                        inside => word.push(inside),
                    }
                }
            }
            b'\\' => word.get_or_insert_default().push(rest.next()?),
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Some(words)
}

/// The error for a revision without a commit.
#[must_use]
pub fn none_such(revision: &Revision) -> Error {
    let what = match revision.base {
        Base::Prefix(_) => format!("no run begins with '{}'", revision.typed),
        Base::Newest(_) | Base::Function(..) | Base::Best(_) => {
            format!("there is no run '{}'", revision.typed)
        }
        Base::Tag(..) => format!("no run has the tag of '{}'", revision.typed),
        Base::Command(_) => format!("no run of the command '{}'", revision.typed),
    };
    Error::new(Kind::NoSuchRevision, what).with_hint("cashet log lists the runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Base, u64) {
        let revision = parse(OsStr::new(text)).unwrap();
        (revision.base, revision.steps)
    }

    fn refused(text: &[u8]) -> String {
        let error = parse(OsStr::from_bytes(text)).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        error.to_string()
    }

    fn command(words: &[&str]) -> Base {
        Base::Command(words.iter().map(|word| word.as_bytes().to_vec()).collect())
    }

    #[test]
    fn hashes_and_places() {
        let prefix = |text: &str| Base::Prefix(Prefix::parse(text).unwrap());
        assert_eq!(parsed("3f2a"), (prefix("3f2a"), 0));
        assert_eq!(parsed("3F2A9C41D07E"), (prefix("3f2a9c41d07e"), 0));
        assert_eq!(parsed(&"a".repeat(64)), (prefix(&"a".repeat(64)), 0));
        assert_eq!(parsed("@"), (Base::Newest(1), 0));
        assert_eq!(parsed("@{1}"), (Base::Newest(1), 0));
        assert_eq!(parsed("@{25}"), (Base::Newest(25), 0));
        assert_eq!(parsed("3f2a~2"), (prefix("3f2a"), 2));
        assert_eq!(parsed("@~"), (Base::Newest(1), 1));
        assert_eq!(parsed("@{2}~~3"), (Base::Newest(2), 4));
    }

    #[test]
    fn everything_else_is_a_command_line() {
        assert_eq!(parsed("train.py --lr 0.01"), (command(&["train.py", "--lr", "0.01"]), 0));
        assert_eq!(parsed("train.py --lr 0.01~2"), (command(&["train.py", "--lr", "0.01"]), 2));
        assert_eq!(parsed("make"), (command(&["make"]), 0));
        assert_eq!(parsed("ls ~/x"), (command(&["ls", "~/x"]), 0));
        assert_eq!(parsed("~"), (command(&["~"]), 0));
        for text in ["%", "_", "*", "../", "@x y", "@=", "a@b", "a b@{2}", "cafe babe"] {
            assert!(matches!(parsed(text), (Base::Command(_), 0)), "{text}");
        }
        let bytes = parse(OsStr::from_bytes(b"\xff\xfe")).unwrap();
        assert_eq!((bytes.base, bytes.typed.as_str()), (Base::Command(vec![vec![255, 254]]), "\\xff\\xfe"));
        assert_eq!(parsed(&format!("@{}", "~".repeat(100_000))), (Base::Newest(1), 100_000));
        let endless = parse(OsStr::new(&"z".repeat(100_000))).unwrap();
        assert!(none_such(&endless).to_string().len() < 200);
    }

    #[test]
    fn tags_functions_and_metrics() {
        assert_eq!(parsed("@keep"), (Base::Tag("keep".into(), None), 0));
        assert_eq!(parsed("@stage=train~1"), (Base::Tag("stage".into(), Some("train".into())), 1));
        assert_eq!(parsed("train.py@{2}"), (Base::Function(b"train.py".to_vec(), 2), 0));
        assert_eq!(parsed("@best(auc)~"), (Base::Best("auc".into()), 1));
        let (revision, path) = parse_with_path(OsStr::new("@best(min:val loss):a/model.json")).unwrap();
        assert_eq!(
            (revision.base, path),
            (Base::Best("min:val loss".into()), Some(b"a/model.json".to_vec()))
        );
        assert_eq!(refused(b"@best()"), "'@best()' names no metric");
        assert_eq!(refused(b"@best(x"), "'@best(x' names no metric");
        assert_eq!(refused(b"train.py@{0}"), "'@{0}' names no run");
    }

    #[test]
    fn what_looks_like_a_revision_and_is_none() {
        assert_eq!(refused(b""), "'' is not a revision");
        assert_eq!(refused(b"  "), "'  ' is not a revision");
        assert_eq!(refused(b"3f2"), "'3f2' is too short for a hash");
        assert_eq!(
            refused("a".repeat(65).as_bytes()),
            format!("'{}…' is too long for a hash", "a".repeat(59))
        );
        assert_eq!(refused(b"@{}"), "'@{}' is not a revision");
        assert_eq!(refused(b"@{x}"), "'@{x}' is not a revision");
        assert_eq!(refused(b"@{0}"), "'@{0}' names no run");
        assert_eq!(refused(b"@{99999999999999999999}"), "'@{99999999999999999999}' is not a revision");
        assert_eq!(
            refused(b"3f2a~99999999999999999999"),
            "'3f2a~99999999999999999999' counts too many steps"
        );
        assert_eq!(refused(b"a 'b"), "'a 'b' has a quote that does not end");
    }

    #[test]
    fn a_path_follows_a_hash_but_not_a_command_line() {
        let parsed = |text: &str| parse_with_path(OsStr::new(text));
        let (revision, path) = parsed("3f2a~1:out/a:b").unwrap();
        assert_eq!((revision.steps, path), (1, Some(b"out/a:b".to_vec())));
        let (revision, path) = parsed("curl http://x").unwrap();
        assert_eq!((revision.base, path), (command(&["curl", "http://x"]), None));
        assert_eq!(parsed("@:").unwrap_err().to_string(), "'@:' names no output after the colon");
        assert_eq!(parsed("abc:x").unwrap().0.base, command(&["abc:x"]));
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let text = br#"a  'b c' "d\"e$" f\ g '' "\n""#;
        let words = split_words(text).unwrap();
        assert_eq!(words, [&b"a"[..], b"b c", b"d\"e$", b"f g", b"", b"\\n"]);
        let bytes = b"it's $'x";
        let shown = escape::words(&[bytes.to_vec(), b"y z".to_vec()]);
        assert_eq!(split_words(shown.as_bytes()).unwrap(), [&bytes[..], b"y z"]);
    }
}
