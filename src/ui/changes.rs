//! Changes between two manifests, in words; `seen` does the same for observations of two runs.
//!
//! `exec` explains a miss with these words; `history` and `diff` show them.

use super::escape;
use crate::hash::environment::counts_when_set;
use crate::hash::manifest::{Change, Part, Value};
use crate::record::StoredPath;
use std::os::unix::ffi::OsStrExt;

/// Values longer than this are not shown.
const LONGEST_VALUE: usize = 40;

/// The context of a change, which its wording may use.
#[derive(Clone, Copy)]
pub struct Background<'a> {
    /// The words of the newer command.
    pub words: &'a [Vec<u8>],
    /// Names the parts of a source that changed ("function train"); may return none.
    pub pieces: &'a dyn Fn(&StoredPath, &str) -> Vec<String>,
    /// Whether a path exists, if the newer command is a present one: a missing input may have been removed, or only be declared no
    /// longer.
    pub there: &'a dyn Fn(&StoredPath) -> Option<bool>,
}

/// For a newer command that is not a present one.
#[must_use]
pub fn not_of_now(_: &StoredPath) -> Option<bool> {
    None
}

/// Names no parts of sources, only the file.
#[must_use]
pub fn no_pieces(_: &StoredPath, _: &str) -> Vec<String> {
    Vec::new()
}

/// The changes in words, one phrase for each fact, in the order of interest: code, packages, tools, variables,
/// arguments, inputs, the rest.
#[must_use]
pub fn phrases(changes: &[Change], background: Background<'_>) -> Vec<String> {
    let mut ordered: Vec<&Change> = changes.iter().collect();
    ordered.sort_by_key(|change| rank(&change.part));
    // Names that are searched for follow from the imports.
    if ordered.iter().any(|change| !only_looked_for(change)) {
        ordered.retain(|change| !only_looked_for(change));
    }
    let arguments = ordered.iter().filter(|change| matches!(change.part, Part::Word(_))).count();
    let mut phrases = Vec::new();
    for change in ordered {
        match change.part {
            // Words that only moved are not listed one by one.
            Part::Word(_) if arguments > 3 => {
                let summary = format!("{arguments} arguments changed");
                if !phrases.contains(&summary) {
                    phrases.push(summary);
                }
            }
            _ => phrases.push(phrase(change, background)),
        }
    }
    phrases
}

/// One change in words.
#[must_use]
pub fn phrase(change: &Change, background: Background<'_>) -> String {
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    match &change.part {
        Part::Platform => format!("platform{}", values(before, after)),
        Part::Directory => format!("directory{}", values(before, after)),
        Part::Word(place) => word(*place, before, after, background.words),
        Part::Program(place) => {
            let name = background.words.get(usize::try_from(*place).unwrap_or(usize::MAX));
            let name =
                name.map_or_else(|| "the program".to_owned(), |name| escape::brief(name, LONGEST_VALUE));
            format!("program {name} {}", verb(before, after))
        }
        Part::Source(path) => source(path, before, after, background),
        Part::Shadow(path) => match after {
            Some(Value::Present | Value::File { .. }) => {
                format!("{} appeared and would be imported", shown(path))
            }
            _ => format!("{}: its existence counts {}", shown(path), since(before)),
        },
        Part::Package(_, name) => package(name, before, after),
        Part::Setting(path) => format!("{} {}", shown(path), verb(before, after)),
        Part::Input(path) => match (before, after) {
            (None, Some(_)) => format!("{} is a new input", shown(path)),
            (Some(_), None) => format!("{} {}", shown(path), left((background.there)(path))),
            _ => format!("{} {}", shown(path), verb(before, after)),
        },
        Part::Variable(name) => variable(name, before, after),
        Part::Tool(name) => format!("tool {} {}", escape::brief(name, LONGEST_VALUE), verb(before, after)),
        Part::Stdin => format!("standard input {}", verb(before, after)),
        Part::Output(pattern) => {
            let pattern = escape::brief(pattern, LONGEST_VALUE);
            let verb =
                if after.is_some() { "is declared as output" } else { "is no longer declared as output" };
            format!("{pattern} {verb}")
        }
        Part::Salt => format!("salt{}", values(before, after)),
        Part::Flag(name) if name == "declared-only" => match after {
            Some(_) => "the earlier run was watched".to_owned(),
            None => "the earlier run was not watched".to_owned(),
        },
        Part::Flag(name) => match after {
            Some(_) => format!("--{} given", escape::line(name.as_bytes())),
            None => format!("--{} not given", escape::line(name.as_bytes())),
        },
    }
}

/// Whether the change is only that an absent file is searched for, or is no longer.
fn only_looked_for(change: &Change) -> bool {
    let absent = |value: &Option<Value>| value.as_ref().is_none_or(|value| *value == Value::Absent);
    matches!(change.part, Part::Shadow(_)) && absent(&change.before) && absent(&change.after)
}

fn rank(part: &Part) -> u8 {
    match part {
        Part::Source(_) | Part::Shadow(_) => 0,
        Part::Program(_) => 1,
        Part::Package(..) | Part::Setting(_) => 2,
        Part::Tool(_) => 3,
        Part::Variable(_) => 4,
        Part::Word(_) => 5,
        // It causes the changes after it.
        Part::Flag(name) if name == "declared-only" => 5,
        Part::Input(_) | Part::Stdin => 6,
        Part::Output(_) | Part::Salt | Part::Flag(_) | Part::Directory | Part::Platform => 7,
    }
}

fn shown(path: &StoredPath) -> String {
    escape::line(path.shown().as_os_str().as_bytes()).into_owned()
}

fn word(place: u32, before: Option<&Value>, after: Option<&Value>, words: &[Vec<u8>]) -> String {
    let brief = |value| short(value).map(|value| format!(" ({value})")).unwrap_or_default();
    match (before, after) {
        (None, Some(value)) => format!("argument {place} added{}", brief(value)),
        (Some(value), None) => format!("argument {place} removed{}", brief(value)),
        (Some(was), Some(is)) => match (short(was), short(is)) {
            (Some(was), Some(is)) => match option_before(place, words) {
                Some(option) => format!("{option} {was} → {is}"),
                None => format!("argument {place} changed ({was} → {is})"),
            },
            _ => format!("argument {place} changed"),
        },
        (None, None) => format!("argument {place} changed"),
    }
}

/// The option whose value the word at `place` most likely is.
fn option_before(place: u32, words: &[Vec<u8>]) -> Option<String> {
    let place = usize::try_from(place).ok()?;
    let (option, value) = (words.get(place.checked_sub(1)?)?, words.get(place)?);
    let is_option = |word: &[u8]| word.len() > 1 && word.starts_with(b"-");
    let named = is_option(option) && option.len() <= LONGEST_VALUE && !is_option(value);
    (named && !option.contains(&b'=')).then(|| escape::word(option).into_owned())
}

fn source(
    path: &StoredPath,
    before: Option<&Value>,
    after: Option<&Value>,
    background: Background<'_>,
) -> String {
    let name = shown(path);
    match (before, after) {
        (None | Some(Value::Absent), Some(_)) => format!("{name} is now part of the code"),
        (Some(_), None | Some(Value::Absent)) => format!("{name} is no longer part of the code"),
        (Some(Value::Source { form: was, .. }), Some(Value::Source { form: is, .. })) if was != is => {
            format!("{name} is compared as {is}, was {was}")
        }
        _ => {
            let form = match after {
                Some(Value::Source { form, .. }) => form.as_str(),
                _ => "raw",
            };
            let pieces = (background.pieces)(path, form);
            if pieces.is_empty() {
                return format!("{name} changed");
            }
            let pieces: Vec<_> = pieces.iter().map(|piece| escape::line(piece.as_bytes())).collect();
            format!("{name} changed ({})", pieces.join(", "))
        }
    }
}

fn package(name: &str, before: Option<&Value>, after: Option<&Value>) -> String {
    let name = escape::line(name.as_bytes());
    let version = |value: Option<&Value>| match value {
        Some(Value::Version(version)) => Some(escape::brief(version.as_bytes(), LONGEST_VALUE)),
        _ => None,
    };
    match (version(before), version(after)) {
        (Some(was), Some(is)) => format!("{name} {was} → {is}"),
        (None, Some(is)) => format!("{name} {is} appeared"),
        (Some(was), None) => format!("{name} {was} is gone"),
        (None, None) => format!("{name} changed"),
    }
}

fn variable(name: &[u8], before: Option<&Value>, after: Option<&Value>) -> String {
    let when_set = counts_when_set(name);
    let name = escape::brief(name, LONGEST_VALUE);
    match (before, after) {
        // Their value is the only fact about them.
        (None, Some(_)) if when_set => format!("{name} set"),
        (Some(_), None) if when_set => format!("{name} unset"),
        (None, _) => format!("{name} counts now"),
        (_, None) => format!("{name} no longer counts"),
        (Some(Value::Absent), _) => format!("{name} set"),
        (_, Some(Value::Absent)) => format!("{name} unset"),
        _ => format!("{name} changed"),
    }
}

/// The change of a file or similar.
fn verb(before: Option<&Value>, after: Option<&Value>) -> String {
    match (before, after) {
        (None | Some(Value::Absent), Some(_)) => "appeared".to_owned(),
        (Some(_), None | Some(Value::Absent)) => "is gone".to_owned(),
        (
            Some(Value::File { executable: was, digest: first }),
            Some(Value::File { executable: is, digest: second }),
        ) if was != is => {
            let mode = if *is { "became executable" } else { "is no longer executable" };
            if first == second { mode.to_owned() } else { format!("changed and {mode}") }
        }
        (Some(Value::Symlink(_) | Value::File { .. }), Some(Value::Directory)) => {
            "became a directory".to_owned()
        }
        (Some(Value::Directory | Value::Symlink(_)), Some(Value::File { .. })) => "became a file".to_owned(),
        (Some(Value::Directory | Value::File { .. }), Some(Value::Symlink(_))) => "became a link".to_owned(),
        _ => "changed".to_owned(),
    }
}

/// The change of a path that is no longer an input.
fn left(there: Option<bool>) -> &'static str {
    match there {
        Some(true) => "is no longer declared",
        Some(false) => "is gone",
        None => "is no longer an input",
    }
}

fn since(before: Option<&Value>) -> &'static str {
    if before.is_none() { "now" } else { "no longer" }
}

/// ` a → b`, or ` changed` where the values cannot be shown.
fn values(before: Option<&Value>, after: Option<&Value>) -> String {
    match (before.and_then(short), after.and_then(short)) {
        (Some(was), Some(is)) => format!(" {was} → {is}"),
        (None, Some(is)) if before.is_none() => format!(" {is} given"),
        (Some(was), None) if after.is_none() => format!(" {was} not given"),
        _ => " changed".to_owned(),
    }
}

/// A value that is short enough to be shown.
fn short(value: &Value) -> Option<String> {
    match value {
        Value::Bytes(bytes) if bytes.len() <= LONGEST_VALUE => Some(escape::word(bytes).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
