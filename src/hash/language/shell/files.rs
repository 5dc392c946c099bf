//! The files that a shell script sources.

use super::super::{Import, Parsed};
use super::{Script, arguments};
use std::collections::BTreeMap;
use tree_sitter::Node;

/// The base of a path in the script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// The directory of the sourcing file.
    Source,
    /// The directory of the running script.
    Entry,
}

/// Notes each file that `source` or `.` names by a literal, or relative to the script itself.
pub(super) fn sourced(script: &Script<'_>, parsed: &mut Parsed) {
    let mut directories = BTreeMap::new();
    for node in script.nodes() {
        match node.kind() {
            "variable_assignment" => {
                if let Some((name, base)) = directory_assigned(script, node) {
                    // A name that is assigned twice has no certain value.
                    let known = directories.insert(name, base);
                    if known.is_some_and(|known| known != base) {
                        parsed.computed_imports = true;
                    }
                }
            }
            "command" => match script.command_name(node) {
                b"source" | b"." => match arguments(node).first() {
                    Some(argument) => note(script.text(*argument), &directories, parsed),
                    None => parsed.computed_imports = true,
                },
                b"eval" | b"autoload" | b"load" | b"enable" => parsed.computed_imports = true,
                _ => {}
            },
            _ => {}
        }
    }
}

/// `DIR=$(dirname "$0")` and similar idioms.
fn directory_assigned(script: &Script<'_>, assignment: Node<'_>) -> Option<(Vec<u8>, Base)> {
    let name = assignment.child_by_field_name("name")?;
    let value = assignment.child_by_field_name("value")?;
    let plain = unquoted(script.text(value));
    let (base, rest) = leading_directory(&plain)?;
    rest.is_empty().then(|| (script.text(name).to_vec(), base))
}

fn note(argument: &[u8], directories: &BTreeMap<Vec<u8>, Base>, parsed: &mut Parsed) {
    let plain = unquoted(argument);
    if let Some((base, rest)) = leading_directory(&plain).or_else(|| leading_variable(&plain, directories)) {
        // The rest must be a literal path below the directory.
        match rest.strip_prefix(b"/") {
            Some(path) if is_literal(path) => parsed.imports.push(match base {
                Base::Source => Import::FileFromSource(path.to_vec()),
                Base::Entry => Import::FileFromEntry(path.to_vec()),
            }),
            _ => parsed.computed_imports = true,
        }
    } else if is_literal(&plain) {
        // A word without a slash is searched on PATH.
        parsed.imports.push(match str::from_utf8(&plain) {
            Ok(name) if !plain.contains(&b'/') => Import::Specifier(name.to_owned()),
            _ => Import::FileFromDirectory(plain),
        });
    } else {
        parsed.computed_imports = true;
    }
}

/// The text without quotes and spaces. Callers compare it with fixed idioms, or require a literal: a quoted space is then
/// lost, and the result names a file that does not exist.
fn unquoted(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| !b"\"' \t".contains(byte)).collect()
}

fn is_literal(path: &[u8]) -> bool {
    !path.is_empty() && !path.iter().any(|byte| b"$`*?[]{}~\\<>()|&;#!".contains(byte))
}

/// Matches the idioms for the directory of a script; returns the base and the text after it.
fn leading_directory(text: &[u8]) -> Option<(Base, &[u8])> {
    let sources = ["${BASH_SOURCE[0]}", "${BASH_SOURCE}", "$BASH_SOURCE"].map(|own| (Base::Source, own));
    let own = sources.into_iter().chain([(Base::Entry, "$0"), (Base::Entry, "${0}")]);
    for (base, own) in own {
        for dirname in ["dirname", "dirname--"] {
            let directory = format!("$({dirname}{own})");
            if let Some(rest) = text.strip_prefix(directory.as_bytes()) {
                return Some((base, rest));
            }
            for (before, after) in [
                ("cd", "&&pwd)"),
                ("cd", ">/dev/null2>&1&&pwd)"),
                ("cd", "&>/dev/null&&pwd)"),
                ("cd", "&&pwd-P)"),
                ("cd-P", "&&pwd)"),
                ("cd--", "&&pwd)"),
                ("cd", ";pwd)"),
            ] {
                let directory = format!("$({before}{directory}{after}");
                if let Some(rest) = text.strip_prefix(directory.as_bytes()) {
                    return Some((base, rest));
                }
            }
        }
    }
    let cut = [
        ("${BASH_SOURCE%/*}", Base::Source),
        ("${BASH_SOURCE[0]%/*}", Base::Source),
        ("${0%/*}", Base::Entry),
    ];
    cut.into_iter().find_map(|(idiom, base)| Some((base, text.strip_prefix(idiom.as_bytes())?)))
}

/// `$DIR/x` or `${DIR}/x`, where the variable holds a script's directory.
fn leading_variable<'a>(text: &'a [u8], directories: &BTreeMap<Vec<u8>, Base>) -> Option<(Base, &'a [u8])> {
    let rest = text.strip_prefix(b"$")?;
    let (name, rest) = if let Some(rest) = rest.strip_prefix(b"{") {
        let end = rest.iter().position(|byte| *byte == b'}')?;
        (rest.get(..end)?, rest.get(end + 1..)?)
    } else {
        let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?;
        rest.split_at_checked(end)?
    };
    Some((*directories.get(name)?, rest))
}
