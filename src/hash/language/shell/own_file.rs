//! Whether a shell script may compute with its own lines: then its comments affect what it does.

use super::Script;
use tree_sitter::Node;

/// Whether the script may read its own file, know its line numbers, or print its own text.
pub(super) fn may_be_read(script: &Script<'_>) -> bool {
    script.nodes().into_iter().any(|node| match node.kind() {
        "variable_name" | "special_variable_name" => match script.text(node) {
            b"LINENO" | b"BASH_LINENO" | b"funcfiletrace" | b"funcsourcetrace" => true,
            b"0" | b"BASH_SOURCE" | b"ZSH_SCRIPT" => !is_harmless(script, node),
            _ => false,
        },
        "command" => match script.command_name(node) {
            b"caller" | b"functions" => true,
            // All names of variables, LINENO among them.
            b"compgen" => has_flag(script, node, b'v', b"variable"),
            b"set" => has_flag(script, node, b'v', b"verbose"),
            _ => false,
        },
        // Some shells print a function exactly as written.
        "declaration_command" => {
            script.text(node).starts_with(b"typeset") && has_flag(script, node, b'f', b"")
        }
        // A prompt for traces that is read from somewhere.
        "variable_assignment" => {
            let text = script.text(node);
            text.starts_with(b"PS4=") && text.contains(&b'$')
        }
        // `${!LIN*}`
        "expansion" => is_prefix_of_names(script.text(node)),
        // `[[ -v LINENO ]]`, `eval 'echo $LINENO'`: as a name inside any word.
        "word" | "string_content" | "raw_string" => {
            script.text(node).windows(6).any(|word| word == b"LINENO")
                || script.text(node).windows(11).any(|word| word == b"BASH_SOURCE")
        }
        _ => false,
    })
}

/// Whether an expansion gives the names of variables that begin in the same way as `LINENO` or `BASH_LINENO`.
fn is_prefix_of_names(expansion: &[u8]) -> bool {
    let prefix = expansion
        .strip_prefix(b"${!")
        .and_then(|rest| rest.strip_suffix(b"*}").or_else(|| rest.strip_suffix(b"@}")));
    prefix.is_some_and(|prefix| {
        [&b"LINENO"[..], b"BASH_LINENO", b"BASH_SOURCE"].iter().any(|name| name.starts_with(prefix))
    })
}

fn has_flag(script: &Script<'_>, command: Node<'_>, letter: u8, long: &[u8]) -> bool {
    let mut cursor = command.walk();
    command.named_children(&mut cursor).any(|argument| {
        let text = script.text(argument);
        text.starts_with(b"-") && !text.starts_with(b"--") && text.contains(&letter)
            || !long.is_empty() && text == long
    })
}

/// Whether only the directory or name of the script's own path is used, or the path is only printed or compared.
fn is_harmless(script: &Script<'_>, name: Node<'_>) -> bool {
    let mut inner = name;
    while let Some(node) = inner.parent() {
        match node.kind() {
            // `${0##*/}`, `${BASH_SOURCE%/*}`
            "expansion" if is_cut(script.text(node)) => return true,
            "test_command" | "comment" => return true,
            "command" => {
                return match script.command_name(node) {
                    b"dirname" | b"basename" | b"[" | b"test" | b"." | b"source" => true,
                    b"echo" | b"printf" => is_printed(node),
                    // `cd "$(dirname …)"` was handled above.
                    _ => false,
                };
            }
            // The document of `cat <<END`.
            "redirected_statement" => {
                let body = node.child_by_field_name("body");
                let prints = body.is_some_and(|body| script.command_name(body) == b"cat");
                return prints && is_in_heredoc(name) && is_printed(node);
            }
            _ => {}
        }
        inner = node;
    }
    false
}

fn is_cut(expansion: &[u8]) -> bool {
    let ends = |end: &[u8]| expansion.strip_suffix(b"}").is_some_and(|rest| rest.ends_with(end));
    ends(b"%/*") || ends(b"##*/")
}

/// Whether a command's output is part of the script's output.
fn is_printed(command: Node<'_>) -> bool {
    let mut outer = command.parent();
    while let Some(node) = outer {
        if ["pipeline", "command_substitution", "process_substitution"].contains(&node.kind()) {
            return false;
        }
        outer = node.parent();
    }
    true
}

fn is_in_heredoc(name: Node<'_>) -> bool {
    let mut outer = name.parent();
    while let Some(node) = outer {
        if node.kind() == "heredoc_body" {
            return true;
        }
        outer = node.parent();
    }
    false
}
