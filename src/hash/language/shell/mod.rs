//! sh, bash and similar shells: the normal form is the script without its comments, which `tree-sitter-bash` finds.
//!
//! The tree is used only to find comments and names. Where the tree is uncertain, the script stays as it is.

mod comments;
mod composed;
mod environment;
mod files;
mod own_file;
mod plain;
mod settings;
mod state_use;

use super::guarded::quietly;
use super::{Language, NormalForm, Parsed, Piece, PieceKind, StateUse};
use std::ops::ControlFlow;
use tree_sitter::{Node, ParseOptions, Parser, Tree};

/// Larger scripts count byte for byte, so that parsing stays bounded.
const LARGEST_SOURCE: usize = 1 << 20;
/// Maximum number of here-documents on one line, and of long end words; handwritten scripts have fewer. The parser's memory
/// of them is bounded.
const MOST_HEREDOCS_ON_A_LINE: usize = 4;
const LONGEST_END_WORD: usize = 64;
/// Deeper trees count byte for byte.
const DEEPEST_TREE: usize = 200;

/// bash.
#[derive(Clone, Copy, Debug)]
pub struct Shell;

/// dash, which supports less than bash: a script has the same form, if both shells find its comments at the same positions.
#[derive(Clone, Copy, Debug)]
pub struct Dash;

impl Language for Dash {
    fn form(&self) -> &'static str {
        "shell tree-sitter-bash-0.25.1 2 plain"
    }

    fn parse(&self, source: &[u8]) -> Parsed {
        let mut parsed = Shell.parse(source);
        let plain = parsed.normal.is_some()
            && tree(source).is_some_and(|tree| plain::is_plain(&Script { source, root: tree.root_node() }));
        if !plain {
            parsed.normal = None;
        }
        parsed
    }

    fn pieces(&self, source: &[u8]) -> Vec<Piece> {
        Shell.pieces(source)
    }
}

impl Shell {
    /// What a source does with existing files.
    #[must_use]
    pub fn state_use(self, source: &[u8]) -> StateUse {
        tree(source)
            .map_or(StateUse::UNKNOWN, |tree| state_use::of(&Script { source, root: tree.root_node() }))
    }
}

impl Language for Shell {
    fn form(&self) -> &'static str {
        "shell tree-sitter-bash-0.25.1 2"
    }

    fn parse(&self, source: &[u8]) -> Parsed {
        let Some(tree) = tree(source) else {
            // Nothing is known about it, so it may read its own lines, and use the whole environment.
            return Parsed { exact: true, whole_environment: true, ..Parsed::unknown() };
        };
        let mut parsed = Parsed { lists_directories: true, ..Parsed::default() };
        let script = Script { source, root: tree.root_node() };
        parsed.exact = own_file::may_be_read(&script) || settings::may_show_lines(&script);
        files::sourced(&script, &mut parsed);
        environment::asked(&script, &mut parsed);
        if !parsed.exact {
            parsed.normal = comments::without(&script, 0..source.len())
                .map(|bytes| NormalForm { bytes, without_docstrings: None });
        }
        parsed
    }

    fn pieces(&self, source: &[u8]) -> Vec<Piece> {
        let Some(tree) = tree(source) else { return Vec::new() };
        let script = Script { source, root: tree.root_node() };
        let mut pieces = Vec::new();
        let mut outside = Vec::new();
        let mut at = 0;
        let mut cursor = script.root.walk();
        for node in script.root.children(&mut cursor) {
            let kind = match node.kind() {
                "function_definition" => PieceKind::Function,
                "variable_assignment" => PieceKind::Variable,
                _ => continue,
            };
            let Some(name) = node.child_by_field_name("name") else { continue };
            let name = String::from_utf8_lossy(script.text(name)).into_owned();
            outside.extend(comments::without(&script, at..node.start_byte()).unwrap_or_default());
            let bytes = comments::without(&script, node.byte_range()).unwrap_or_default();
            pieces.push(Piece { kind, name, bytes, docstring: Vec::new() });
            at = node.end_byte();
        }
        outside.extend(comments::without(&script, at..source.len()).unwrap_or_default());
        pieces.insert(
            0,
            Piece { kind: PieceKind::TopLevel, name: String::new(), bytes: outside, docstring: Vec::new() },
        );
        pieces
    }
}

/// A script that parsed, with its tree.
struct Script<'a> {
    source: &'a [u8],
    root: Node<'a>,
}

impl<'a> Script<'a> {
    fn text(&self, node: Node<'_>) -> &'a [u8] {
        self.source.get(node.byte_range()).unwrap_or_default()
    }

    /// All nodes in preorder.
    fn nodes(&self) -> Vec<Node<'a>> {
        let mut nodes = Vec::new();
        let mut cursor = self.root.walk();
        loop {
            nodes.push(cursor.node());
            if cursor.goto_first_child() {
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return nodes;
                }
            }
        }
    }

    /// The name of a command if it is a literal word.
    fn command_name(&self, command: Node<'_>) -> &'a [u8] {
        command.child_by_field_name("name").map(|name| self.text(name)).unwrap_or_default()
    }
}

/// The arguments of a command.
fn arguments(command: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = command.walk();
    command.children_by_field_name("argument", &mut cursor).collect()
}

/// The tree of a script that parses without errors and contains nothing that the parser is known to misread.
fn tree(source: &[u8]) -> Option<Tree> {
    let readable = source.len() <= LARGEST_SOURCE && !source.contains(&0) && str::from_utf8(source).is_ok();
    if !readable || !has_plain_heredocs(source) {
        return None;
    }
    let tree = quietly(|| {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_bash::LANGUAGE.into()).ok()?;
        // Error recovery may take long, and a script with an error counts byte for byte anyway.
        let mut steps = source.len() / 4 + 1000;
        let mut watch = |state: &tree_sitter::ParseState| {
            steps = steps.saturating_sub(1);
            if state.has_error() || steps == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ParseOptions::new().progress_callback(&mut watch);
        let mut read = |at: usize, _| source.get(at..).unwrap_or_default();
        parser.parse_with_options(&mut read, None, Some(options))
    })??;
    let script = Script { source, root: tree.root_node() };
    let sound = !script.root.has_error() && !is_too_deep(&script) && has_all_heredocs(&script);
    sound.then_some(tree)
}

fn has_plain_heredocs(source: &[u8]) -> bool {
    source.split(|byte| *byte == b'\n').all(|line| {
        let starts: Vec<usize> = heredoc_starts(line).collect();
        let long = |start: &usize| {
            let word = line.get(start + 2..).unwrap_or_default().trim_ascii_start();
            word.iter().take_while(|byte| !byte.is_ascii_whitespace()).count() > LONGEST_END_WORD
        };
        starts.len() <= MOST_HEREDOCS_ON_A_LINE && !starts.iter().any(long)
    })
}

/// Positions of `<<` that are not part of `<<<`.
fn heredoc_starts(text: &[u8]) -> impl Iterator<Item = usize> {
    let at = |place: usize| text.get(place).copied();
    (0..text.len()).filter(move |place| {
        at(*place) == Some(b'<')
            && at(place + 1) == Some(b'<')
            && at(place + 2) != Some(b'<')
            && place.checked_sub(1).and_then(at) != Some(b'<')
    })
}

/// Whether the tree has a here-document for every `<<` outside of comments: then no body was parsed as code.
fn has_all_heredocs(script: &Script<'_>) -> bool {
    let nodes = script.nodes();
    let comments: Vec<_> =
        nodes.iter().filter(|node| node.kind() == "comment").map(Node::byte_range).collect();
    let written = heredoc_starts(script.source)
        .filter(|place| !comments.iter().any(|comment| comment.contains(place)))
        .count();
    let found = nodes.iter().filter(|node| node.kind() == "heredoc_redirect").count();
    written == found
}

fn is_too_deep(script: &Script<'_>) -> bool {
    let mut cursor = script.root.walk();
    loop {
        if cursor.depth() as usize > DEEPEST_TREE {
            return true;
        }
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests;
