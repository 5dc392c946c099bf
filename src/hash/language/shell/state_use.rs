//! What a shell script does with existing files; see [`StateUse`].

use super::super::state_use::StateUse;
use super::Script;
use tree_sitter::Node;

/// Commands that do not use the content of a path that they receive.
const HARMLESS: &[&[u8]] = &[
    b"rm", b"mkdir", b"echo", b"printf", b"rmdir", b"touch", b":", b"true", b"test", b"[", b"exit", b"return",
];

/// Collects the uses of a script.
pub(super) fn of(script: &Script<'_>) -> StateUse {
    let mut found = StateUse::default();
    for node in script.nodes() {
        match node.kind() {
            "if_statement" => branch(script, node, &mut found),
            "list" => list(script, node, &mut found),
            "while_statement" => {
                let (condition, body) =
                    (node.child_by_field_name("condition"), node.child_by_field_name("body"));
                if let (Some(condition), Some(body)) = (condition, body) {
                    let tested = tested(script, condition, false);
                    found.resumes |=
                        tested.iter().any(|(path, negated)| !negated && passes(script, &[body], path));
                    // `while ! mkdir run$n`, `until mkdir run$n`: it looks for a name that is free.
                    found.resumes |= commands_in(script, &[condition], |name, _| name == b"mkdir");
                }
            }
            _ => {}
        }
    }
    found
}

/// `if TEST; then …; else …; fi`
fn branch(script: &Script<'_>, node: Node<'_>, found: &mut StateUse) {
    let mut cursor = node.walk();
    let mut conditions = Vec::new();
    let (mut body, mut otherwise) = (Vec::new(), Vec::new());
    let mut is_after_then = false;
    for child in node.children(&mut cursor) {
        match child.kind() {
            "then" => is_after_then = true,
            "else_clause" | "elif_clause" => otherwise.push(child),
            "if" | "fi" | ";" => {}
            _ if is_after_then => body.push(child),
            _ => conditions.push(child),
        }
    }
    for condition in conditions {
        for (path, negated) in tested(script, condition, false) {
            let (there, missing) = if negated { (&otherwise, &body) } else { (&body, &otherwise) };
            found.resumes |= passes(script, there, &path);
            // The path may be spelled differently: any command that may use it counts.
            found.harmless += usize::from(!passes(script, there, b""));
            found.makes_directories |= makes(script, missing, &path);
            let leaves = missing.last().is_some_and(|last| leaves(script, *last));
            if leaves {
                let mut next = node.next_sibling();
                while let Some(after) = next {
                    found.resumes |= passes(script, &[after], &path);
                    next = after.next_sibling();
                }
            }
        }
    }
}

/// `TEST && COMMAND`, `TEST || COMMAND`
fn list(script: &Script<'_>, node: Node<'_>, found: &mut StateUse) {
    let mut cursor = node.walk();
    let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
    let [left, operator, right, ..] = children.as_slice() else { return };
    let is_or = operator.kind() == "||";
    for (path, negated) in tested(script, *left, is_or) {
        found.resumes |= !negated && passes(script, &[*right], &path);
        found.harmless += usize::from(negated || !passes(script, &[*right], b""));
        found.makes_directories |= negated && makes(script, &[*right], &path);
    }
}

fn leaves(script: &Script<'_>, node: Node<'_>) -> bool {
    matches!(script.command_name(node), b"exit" | b"return" | b"continue" | b"break")
}

/// The paths that a condition tests, and whether it holds where the path does not exist.
fn tested(script: &Script<'_>, node: Node<'_>, negated: bool) -> Vec<(Vec<u8>, bool)> {
    let text = script.text(node);
    match node.kind() {
        "negated_command" => children(node).flat_map(|child| tested(script, child, !negated)).collect(),
        "command" if matches!(script.command_name(node), b"test" | b"[") => words_tested(text, negated),
        "test_command" => words_tested(text, negated),
        "list" | "compound_statement" | "subshell" => {
            children(node).flat_map(|child| tested(script, child, negated)).collect()
        }
        _ => Vec::new(),
    }
}

fn children(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    (0..node.child_count()).filter_map(move |place| node.child(place))
}

/// `[ ! -e "$x" ]`
fn words_tested(text: &[u8], negated: bool) -> Vec<(Vec<u8>, bool)> {
    let words: Vec<&[u8]> = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let mut tested = Vec::new();
    for (place, word) in words.iter().enumerate() {
        if !matches!(*word, b"-e" | b"-f" | b"-s" | b"-r" | b"-d" | b"-h" | b"-L") {
            continue;
        }
        let before = place.checked_sub(1).and_then(|place| words.get(place));
        if let Some(path) = words.get(place + 1) {
            tested.push((unquoted(path), negated != (before == Some(&&b"!"[..]))));
        }
    }
    tested
}

fn unquoted(word: &[u8]) -> Vec<u8> {
    let kept = word.iter().filter(|byte| !b"\"'{}".contains(byte));
    kept.copied().collect()
}

/// Whether a command that may use what exists at `path` receives it.
fn passes(script: &Script<'_>, nodes: &[Node<'_>], path: &[u8]) -> bool {
    commands_in(script, nodes, |name, text| {
        !HARMLESS.contains(&name) && memchr::memmem::find(&unquoted(text), path).is_some()
    })
}

fn makes(script: &Script<'_>, nodes: &[Node<'_>], path: &[u8]) -> bool {
    commands_in(script, nodes, |name, text| {
        name == b"mkdir" && memchr::memmem::find(&unquoted(text), path).is_some()
    })
}

fn commands_in(script: &Script<'_>, nodes: &[Node<'_>], wanted: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    let mut open: Vec<Node<'_>> = nodes.to_vec();
    while let Some(node) = open.pop() {
        let is_command = matches!(node.kind(), "command" | "redirected_statement");
        let name = match node.kind() {
            "redirected_statement" => node.child_by_field_name("body").map(|body| script.command_name(body)),
            _ => Some(script.command_name(node)),
        };
        if is_command && wanted(name.unwrap_or_default(), script.text(node)) {
            return true;
        }
        open.extend(children(node));
    }
    false
}
