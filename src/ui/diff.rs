//! Two contents side by side: unified diffs of text, sizes of everything else.
//!
//! Knows nothing of where the contents come from. What is compared is what is shown: the escaped text.

use super::colour::Role;
use super::escape;
use super::human;
use super::page::Look;
use similar::TextDiff;
use std::fmt::Write;
use std::time::Duration;

/// Contents larger than this are not compared by lines.
pub const LARGEST_COMPARED: u64 = 8 << 20;

/// Longest search for the smallest difference; after it a rougher one is shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many lines were added and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lines that only the second has.
    pub added: u64,
    /// Lines that only the first has.
    pub removed: u64,
}

/// Whether bytes are not text, by git's rule: a NUL among the first 8000.
#[must_use]
pub fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(8000).any(|byte| *byte == 0)
}

/// The unified diff of two texts, with three lines of context; empty when they are the same.
#[must_use]
pub fn unified(before: (&str, &[u8]), after: (&str, &[u8]), look: &Look) -> String {
    let ((before_name, before), (after_name, after)) = (before, after);
    if before == after {
        return String::new();
    }
    if is_binary(before) || is_binary(after) {
        return format!("{}\n", binary(before, after));
    }
    let (before, after) = (escape::text(before), escape::text(after));
    if before == after {
        return "differs only in how control characters are written\n".to_owned();
    }
    let compared = TextDiff::configure().timeout(PATIENCE).diff_lines(before.as_ref(), after.as_ref());
    let mut plain = compared.unified_diff();
    let plain = plain.context_radius(3).header(before_name, after_name).to_string();
    let mut text = String::with_capacity(plain.len());
    for (place, line) in plain.lines().enumerate() {
        let role = match line.as_bytes().first() {
            _ if place < 2 => Role::Heading,
            Some(b'+') => Role::Good,
            Some(b'-') => Role::Bad,
            Some(b'@') => Role::Hint,
            _ => Role::Plain,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", look.paint(line, role));
    }
    text
}

/// How many lines differ; `None` where the contents are not text or too large.
#[must_use]
pub fn counted(before: &[u8], after: &[u8]) -> Option<Lines> {
    if is_binary(before) || is_binary(after) {
        return None;
    }
    let (before, after) = (escape::text(before), escape::text(after));
    let compared = TextDiff::configure().timeout(PATIENCE).diff_lines(before.as_ref(), after.as_ref());
    let mut lines = Lines::default();
    for change in compared.iter_all_changes() {
        match change.tag() {
            similar::ChangeTag::Delete => lines.removed += 1,
            similar::ChangeTag::Insert => lines.added += 1,
            similar::ChangeTag::Equal => {}
        }
    }
    Some(lines)
}

/// What can be said of contents that are not text: sizes, and where they begin to differ.
fn binary(before: &[u8], after: &[u8]) -> String {
    let common = before.iter().zip(after).take_while(|(left, right)| left == right).count();
    let place = human::number(u64::try_from(common).unwrap_or(u64::MAX));
    let size = |bytes: &[u8]| human::size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    format!("binary: {} → {}, first difference at byte {place}", size(before), size(after))
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::look;
    use super::*;

    #[test]
    fn a_unified_diff_is_what_everybody_reads() {
        let before = b"one\ntwo\nthree\nfour\nfive\nsix\n";
        let after = b"one\ntwo\n3\nfour\nfive\nsix\nseven \x1b[1m";
        insta::assert_snapshot!(unified(("a/x", before), ("b/x", after), &look(80)), @r"
        --- a/x
        +++ b/x
        @@ -1,6 +1,7 @@
         one
         two
        -three
        +3
         four
         five
         six
        +seven \x1b[1m
        \ No newline at end of file
        ");
        assert_eq!(counted(before, after), Some(Lines { added: 2, removed: 1 }));
        assert_eq!(unified(("a", before), ("b", before), &look(80)), "");
    }

    #[test]
    fn what_is_not_text_is_told_by_size_and_place() {
        let shown = unified(("a", b"\0abc"), ("b", b"\0abdef"), &look(80));
        assert_eq!(shown, "binary: 4 B → 6 B, first difference at byte 3\n");
        assert_eq!(counted(b"\0", b"x"), None);
        let shown = unified(("a", b"\\x1b"), ("b", b"\x1b"), &look(80));
        assert_eq!(shown, "differs only in how control characters are written\n");
    }
}
