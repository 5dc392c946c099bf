//! Recognizes scripts whose comments every POSIX shell finds where bash does.
//!
//! A list of syntax that every POSIX shell has. Other syntax may move the end of a word, and so the start of a comment.

use super::Script;
use tree_sitter::Node;

/// Nodes of the tree that every shell supports.
const PLAIN: &[&str] = &[
    "arithmetic_expansion",
    "binary_expression",
    "case_item",
    "case_statement",
    "command",
    "command_name",
    "command_substitution",
    "comment",
    "compound_statement",
    "concatenation",
    "declaration_command",
    "do_group",
    "elif_clause",
    "else_clause",
    "expansion",
    "extglob_pattern",
    "file_descriptor",
    "file_redirect",
    "for_statement",
    "function_definition",
    "heredoc_body",
    "heredoc_content",
    "heredoc_end",
    "heredoc_redirect",
    "heredoc_start",
    "if_statement",
    "list",
    "negated_command",
    "number",
    "parenthesized_expression",
    "pipeline",
    "program",
    "raw_string",
    "redirected_statement",
    "regex",
    "simple_expansion",
    "special_variable_name",
    "string",
    "string_content",
    "subshell",
    "test_command",
    "test_operator",
    "unary_expression",
    "unset_command",
    "variable_assignment",
    "variable_assignments",
    "variable_name",
    "while_statement",
    "word",
];

/// Tokens that only some shells support.
const OTHERS: &[&str] =
    &["[[", "((", "<<<", "&>", "&>>", "|&", ";&", ";;&", "function", "select", "coproc", "time", "<(", ">("];

/// Operators within `${…}` that every shell supports.
const OF_EXPANSIONS: &[&str] = &["${", "}", ":-", "-", ":=", "=", ":?", "?", ":+", "+", "#", "##", "%", "%%"];

/// Whether every shell finds the script's comments where bash does.
pub(super) fn is_plain(script: &Script<'_>) -> bool {
    script.nodes().into_iter().all(|node| is_everywhere(script, node))
}

fn is_everywhere(script: &Script<'_>, node: Node<'_>) -> bool {
    let kind = node.kind();
    if !node.is_named() {
        let in_expansion = node.parent().is_some_and(|parent| parent.kind() == "expansion");
        return !OTHERS.contains(&kind) && (!in_expansion || OF_EXPANSIONS.contains(&kind));
    }
    PLAIN.contains(&kind)
        && match kind {
            "extglob_pattern" => !script.text(node).contains(&b'('),
            // Backquotes split words twice.
            "command_substitution" => !script.text(node).starts_with(b"`"),
            "compound_statement" => !script.text(node).starts_with(b"(("),
            // `$"…"`
            "string" => !script.text(node).starts_with(b"$"),
            "raw_string" => !is_inside(node, "expansion"),
            // `${x%/*}`
            "regex" => !script.text(node).iter().any(|byte| b"'\"\\`$".contains(byte)),
            _ => true,
        }
}

fn is_inside(node: Node<'_>, kind: &str) -> bool {
    let mut outer = node.parent();
    while let Some(node) = outer {
        if node.kind() == kind {
            return true;
        }
        outer = node.parent();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::{Dash, Shell};
    use crate::hash::language::Language;

    #[test]
    fn what_only_bash_knows_counts_byte_for_byte_elsewhere() {
        for script in [
            "echo $'a\\'' # b'",
            "cat <<< a # b",
            "[[ $a == b ]] # c",
            "a=(1 2) # b",
            "function f { echo; } # b",
            "((a = 2#101)) # b",
            "diff <(a) b # c",
            "echo ${a//b/c} # d",
            "echo ${a[0]} # b",
            "echo \"${a:-'}'}\" # b",
            "for ((i = 0; i < 2; i++)); do :; done # a",
        ] {
            assert!(Dash.parse(script.as_bytes()).normal.is_none(), "{script}");
            assert!(Shell.parse(script.as_bytes()).normal.is_some(), "{script}");
        }
    }

    #[test]
    fn what_every_shell_knows_is_read_alike() {
        let script = "# own\nset -eu\nx=1 y=\nf() { # a\n  local z=2; echo \"$x ${y:-b} $((x + 1))\" 'c' \\#; } # d\nfor i in a b; do f \"$i\" >o 2>&1; done # e\n\
            while read -r l; do case $l in *.c | [ab]*) : ;; # f\nesac; done <o # g\nif [ -f o ] && ! test -d p; then :; fi # h\ncat <<E\n# text\nE\n(cd /tmp; ls) || exit $? # i\n\
            out=$(ls -l | wc -l); export PATH=a:$PATH; echo ${x%/*} ${x##*/} >&2\n";
        let tree = super::super::tree(script.as_bytes()).unwrap();
        let parsed = super::super::Script { source: script.as_bytes(), root: tree.root_node() };
        let other = parsed.nodes().into_iter().find(|node| !super::is_everywhere(&parsed, *node));
        assert_eq!(other.map(|node| (node.kind(), String::from_utf8_lossy(parsed.text(node)))), None);
        let dash = Dash.parse(script.as_bytes()).normal.unwrap();
        assert_eq!(Some(dash), Shell.parse(script.as_bytes()).normal);
    }
}
