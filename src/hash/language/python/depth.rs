//! An upper bound of the nesting depth of a Python source, computed from its tokens before parsing, since parsing, visiting
//! and dropping a tree all recurse.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

/// Maximum number of open brackets: the limit of the oldest interpreters. Redundant brackets leave no trace in the tree.
const MOST_BRACKETS: usize = 60;
/// Maximum number of indentation levels; interpreters accept 100.
const MOST_INDENTATION: usize = 90;

/// An upper bound of the tree's depth; `None` where an interpreter could reject the source because of its nesting.
pub(super) fn bound(source: &str) -> Option<usize> {
    let mut lexer = lexer::lex(source, Mode::Module);
    // For each open bracket: the tokens that may nest since its last comma, and those that a comma does not end.
    let mut open = vec![Level::default()];
    // Sum over all of `open` except the last.
    let mut outer = 0;
    let mut indentation = 0_usize;
    let mut deepest = 0;
    loop {
        let level = open.last_mut()?;
        match lexer.next_token() {
            TokenKind::EndOfFile => return Some(deepest),
            TokenKind::Indent => indentation += 1,
            TokenKind::Dedent => indentation = indentation.saturating_sub(1),
            TokenKind::Newline => {
                open.truncate(1);
                open.clear();
                open.push(Level::default());
                outer = 0;
            }
            TokenKind::Semi => *level = Level::default(),
            TokenKind::Comma => level.nested = level.lambdas,
            TokenKind::Lambda => {
                level.lambdas += 1;
                level.nested += 1;
            }
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                level.nested += 1;
                outer += level.nested;
                open.push(Level::default());
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => {
                if open.len() > 1 {
                    open.pop();
                    outer -= open.last()?.nested;
                }
            }
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline => {}
            _ => level.nested += 1,
        }
        if open.len() > MOST_BRACKETS || indentation > MOST_INDENTATION {
            return None;
        }
        deepest = deepest.max(outer + open.last()?.nested + 2 * indentation);
    }
}

#[derive(Default)]
struct Level {
    nested: usize,
    lambdas: usize,
}

#[cfg(test)]
mod tests {
    use super::bound;

    #[test]
    fn flat_code_is_shallow_however_long() {
        let lines = "x = f(a, b)[1].c\n".repeat(1000);
        let list = format!("x = [{}]\n", "-1, ".repeat(10_000));
        assert!(bound(&lines).unwrap() < 10);
        assert!(bound(&list).unwrap() < 10);
    }

    #[test]
    fn every_way_to_nest_is_seen() {
        for source in [
            format!("x = {}1", "-".repeat(500)),
            format!("x = {}1", "1 + ".repeat(500)),
            format!("x = {}1", "not ".repeat(500)),
            format!("x = {}1", "lambda a, b: ".repeat(500)),
            format!("x = {}1", "1 if a else ".repeat(500)),
            format!("x = a{}", ".b".repeat(500)),
            format!("x = a{}", "()".repeat(500)),
            format!("x = a{}", "[0]".repeat(500)),
            format!("x = {}1", "2 ** ".repeat(500)),
            format!("await {}1", "await ".repeat(500)),
        ] {
            assert!(bound(&source).unwrap() >= 500, "{source:.40}");
        }
    }

    #[test]
    fn what_interpreters_refuse_for_nesting_has_no_bound() {
        assert_eq!(bound(&format!("x = {}1{}", "(".repeat(200), ")".repeat(200))), None);
        let blocks: Vec<String> = (0..99).map(|depth| format!("{}if x:\n", " ".repeat(depth))).collect();
        assert_eq!(bound(&format!("{}{}pass\n", blocks.concat(), " ".repeat(99))), None);
    }
}
