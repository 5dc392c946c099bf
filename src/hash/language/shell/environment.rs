//! Finds the variables that a shell script reads from the environment: those used where the script has not surely assigned
//! them.

use super::super::Parsed;
use super::composed::composes;
use super::{Script, arguments};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tree_sitter::Node;

/// Notes the environment variables that the script reads, and whether it reads all of them.
pub(super) fn asked(script: &Script<'_>, parsed: &mut Parsed) {
    let nodes = script.nodes();
    let mut assigned: BTreeMap<&[u8], Vec<Range<usize>>> = BTreeMap::new();
    for node in &nodes {
        for (name, range) in assignments(script, *node) {
            assigned.entry(name).or_default().push(range);
        }
    }
    let mut names = BTreeSet::new();
    for node in nodes {
        match node.kind() {
            "variable_name" if is_use(script, node) => {
                let name = script.text(node);
                let known = assigned.get(name).into_iter().flatten();
                if is_name(name) && !known.into_iter().any(|range| range.contains(&node.start_byte())) {
                    names.insert(name.to_vec());
                }
            }
            "expansion" if is_indirect(script.text(node)) => parsed.whole_environment = true,
            "command" => command(script, node, &mut names, parsed),
            "declaration_command" => {
                let text = script.text(node);
                let lists = text.split(u8::is_ascii_whitespace).skip(1).all(|word| word.starts_with(b"-"));
                parsed.whole_environment |= lists && !text.starts_with(b"local");
                // A name that refers to another name.
                let refers =
                    text.split(u8::is_ascii_whitespace).skip(1).take_while(|word| word.starts_with(b"-"));
                parsed.whole_environment |=
                    { refers }.any(|word| word.contains(&b'n')) && !text.starts_with(b"export");
            }
            _ => {}
        }
    }
    parsed.whole_environment |= composes(script.source);
    parsed.variables = names.into_iter().collect();
}

/// The names that a node surely assigns, and the range where this holds: from its end to the end of the enclosing block.
fn assignments<'a>(script: &Script<'a>, node: Node<'a>) -> Vec<(&'a [u8], Range<usize>)> {
    let name_of =
        |node: Node<'a>| node.child_by_field_name("name").filter(|name| name.kind() == "variable_name");
    match node.kind() {
        "variable_assignment" => {
            let statement = match node.parent() {
                Some(parent) if parent.kind() == "declaration_command" => parent,
                _ => node,
            };
            let range = dominated(statement);
            name_of(node).zip(range).map(|(name, range)| (script.text(name), range)).into_iter().collect()
        }
        "for_statement" => {
            let name = node.child_by_field_name("variable");
            let body = node.child_by_field_name("body").map(|body| body.byte_range());
            name.zip(body).map(|(name, body)| (script.text(name), body)).into_iter().collect()
        }
        "declaration_command" if script.text(node).starts_with(b"local") => {
            let Some(range) = dominated(node) else { return Vec::new() };
            let mut cursor = node.walk();
            let names = node.named_children(&mut cursor).filter(|child| child.kind() == "variable_name");
            names.map(|name| (script.text(name), range.clone())).collect()
        }
        "command"
            if [&b"read"[..], b"getopts", b"mapfile", b"readarray"].contains(&script.command_name(node)) =>
        {
            let Some(range) = dominated(node) else { return Vec::new() };
            let words = arguments(node).into_iter().map(|argument| script.text(argument));
            words.filter(|word| is_name(word)).map(|word| (word, range.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// The code that runs only after `statement`: the rest of its block.
fn dominated(statement: Node<'_>) -> Option<Range<usize>> {
    let block = statement.parent()?;
    let blocks = [
        "program",
        "do_group",
        "compound_statement",
        "subshell",
        "else_clause",
        "case_item",
        "while_statement",
        "command_substitution",
    ];
    blocks.contains(&block.kind()).then(|| statement.end_byte()..block.end_byte())
}

/// Whether a name is used for its value.
fn is_use(script: &Script<'_>, name: Node<'_>) -> bool {
    let Some(parent) = name.parent() else { return false };
    match parent.kind() {
        // `X+=…` reads its target.
        "variable_assignment" => {
            parent.child_by_field_name("name") != Some(name)
                || script.text(parent).starts_with(&plus_assigned(script, name))
        }
        "for_statement" => parent.child_by_field_name("variable") != Some(name),
        "declaration_command" => !script.text(parent).starts_with(b"local"),
        "unset_command" => false,
        _ => true,
    }
}

fn plus_assigned(script: &Script<'_>, name: Node<'_>) -> Vec<u8> {
    [script.text(name), b"+="].concat()
}

/// `${!NAME}` may be any variable.
fn is_indirect(expansion: &[u8]) -> bool {
    expansion.starts_with(b"${!")
}

fn command(script: &Script<'_>, node: Node<'_>, names: &mut BTreeSet<Vec<u8>>, parsed: &mut Parsed) {
    let arguments: Vec<&[u8]> = arguments(node).into_iter().map(|argument| script.text(argument)).collect();
    let is_option = |word: &&[u8]| word.starts_with(b"-");
    let whole = match script.command_name(node) {
        b"env" => arguments.iter().all(|word| is_option(word) || word.contains(&b'=')),
        b"printenv" => {
            names.extend(arguments.iter().filter(|word| is_name(word)).map(|word| word.to_vec()));
            !arguments.iter().any(|word| is_name(word))
        }
        b"set" | b"export" | b"declare" | b"typeset" | b"readonly" => arguments.is_empty(),
        b"compgen" | b"envsubst" => true,
        // getopt prints quoted text.
        b"eval" => {
            let is_getopt =
                arguments.first().is_some_and(|word| *word == b"set" || word.starts_with(b"\"set -- "));
            !is_getopt && arguments.iter().any(|word| word.iter().any(|byte| matches!(byte, b'$' | b'`')))
        }
        b"source" | b"." => arguments.first().is_some_and(|word| {
            [&b"<("[..], b"/dev/stdin", b"/dev/fd/", b"/proc/self/fd/"]
                .iter()
                .any(|start| word.starts_with(start))
        }),
        // `test -v NAME`
        b"test" | b"[" => {
            names.extend(arguments.iter().filter(|word| is_name(word)).map(|word| word.to_vec()));
            false
        }
        _ => false,
    };
    parsed.whole_environment |= whole;
}

fn is_name(word: &[u8]) -> bool {
    word.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
