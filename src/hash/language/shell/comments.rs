//! Removes the comments of a shell script.

use super::Script;
use std::ops::Range;
use tree_sitter::Node;

/// The bytes of `range` without comments; `None` where the parser found a comment in a position where none can be.
///
/// A comment on its own line is removed with the line. For a comment at the end of a line the `#` stays, so that the spaces
/// before it keep their meaning. Ambiguous comments stay unchanged.
pub(super) fn without(script: &Script<'_>, range: Range<usize>) -> Option<Vec<u8>> {
    let source = script.source;
    let mut kept = Vec::with_capacity(range.len());
    let mut at = range.start;
    for node in script.nodes().into_iter().filter(|node| node.kind() == "comment") {
        let comment = node.byte_range();
        if comment.start < range.start || comment.end > range.end {
            continue;
        }
        let line = line_start(source, comment.start);
        let before = source.get(line..comment.start)?;
        let text = source.get(comment.clone())?;
        let after = source.get(comment.end).copied();
        if !text.starts_with(b"#") || text.contains(&b'\n') || !matches!(after, None | Some(b'\n')) {
            return None;
        }
        if text.contains(&b'`') || is_inside_substitution(node) {
            continue;
        }
        let own_line = before.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        let removed = if own_line {
            if source.get(..line)?.ends_with(b"\\\n") {
                continue;
            }
            line.max(range.start)..(comment.end + 1).min(range.end)
        } else {
            if !matches!(before.last(), Some(b' ' | b'\t' | b';' | b'&' | b'|' | b'(' | b')')) {
                return None;
            }
            // `\ # a` is the word ` #`, then `a`: the parser takes it for a comment.
            if before.len() >= 2 && before.get(before.len() - 2) == Some(&b'\\') {
                return None;
            }
            comment.start + 1..comment.end
        };
        kept.extend_from_slice(source.get(at..removed.start)?);
        at = removed.end;
    }
    kept.extend_from_slice(source.get(at..range.end)?);
    Some(kept)
}

fn line_start(source: &[u8], at: usize) -> usize {
    let before = source.get(..at).unwrap_or_default();
    before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

/// Shells differ in where a comment inside `$(…)` ends.
fn is_inside_substitution(node: Node<'_>) -> bool {
    let mut outer = node.parent();
    while let Some(node) = outer {
        if ["command_substitution", "process_substitution", "heredoc_body", "string", "expansion"]
            .contains(&node.kind())
        {
            return true;
        }
        outer = node.parent();
    }
    false
}
