//! The canonical bytes of a Python syntax tree: encoding of numbers, text, lists and literals.
//!
//! Every node begins with its own tag, and every list has its length or an end mark, so that two different trees never
//! produce the same bytes.

use super::super::{Piece, PieceKind};
use super::escapes;
use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};
use std::ops::Range;

/// Ends a list of statements; no statement has this tag.
pub(super) const END: u8 = 0;
/// The tag of `pass`, which also replaces a docstring that is the only statement of a body.
pub(super) const PASS: u8 = 1;

/// Position of a docstring in the bytes.
struct Docstring {
    range: Range<usize>,
    /// Whether it is the only statement of its function or class.
    alone: bool,
}

/// A top-level function, class or variable, and its position in the bytes.
struct Part {
    kind: PieceKind,
    name: String,
    range: Range<usize>,
}

/// Writes the bytes of one source.
pub(super) struct Writer<'source> {
    source: &'source str,
    bytes: Vec<u8>,
    docstrings: Vec<Docstring>,
    parts: Vec<Part>,
    /// The functions and classes that enclose the current node.
    scope: Vec<(PieceKind, &'source str)>,
}

impl<'source> Writer<'source> {
    pub(super) fn new(source: &'source str) -> Self {
        let bytes = Vec::with_capacity(source.len());
        Self { source, bytes, docstrings: Vec::new(), parts: Vec::new(), scope: Vec::new() }
    }

    pub(super) fn tag(&mut self, tag: u8) {
        self.bytes.push(tag);
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    pub(super) fn length(&mut self, mut value: usize) {
        while value > 127 {
            self.bytes.push(128 | u8::try_from(value & 127).unwrap_or(0));
            value >>= 7;
        }
        self.bytes.push(u8::try_from(value).unwrap_or(0));
    }

    pub(super) fn framed(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.framed(text.as_bytes());
    }

    pub(super) fn name(&mut self, name: &ast::Identifier) {
        self.text(name.as_str());
    }

    pub(super) fn optional_name(&mut self, name: Option<&ast::Identifier>) {
        self.flag(name.is_some());
        if let Some(name) = name {
            self.name(name);
        }
    }

    pub(super) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.length(items.len());
        for item in items {
            write(self, item);
        }
    }

    /// Writes a number: an integer by value (beyond 64 bits as written), another number by its bits.
    pub(super) fn number(&mut self, number: &ast::Number, range: TextRange) {
        match number {
            ast::Number::Int(value) => {
                if let Some(value) = value.as_u64() {
                    self.tag(0);
                    self.bytes.extend_from_slice(&value.to_le_bytes());
                } else {
                    self.tag(1);
                    self.text(&value.to_string());
                }
            }
            ast::Number::Float(value) => {
                self.tag(2);
                self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            ast::Number::Complex { real, imag } => {
                self.tag(3);
                self.bytes.extend_from_slice(&real.to_bits().to_le_bytes());
                self.bytes.extend_from_slice(&imag.to_bits().to_le_bytes());
            }
        }
        // `1if x else y` is valid, but newer interpreters warn about it.
        let next = self.source.as_bytes().get(range.end().to_usize()).copied().unwrap_or(b' ');
        self.flag(next.is_ascii_alphabetic() || next == b'_');
    }

    /// Whether the literal at `range` contains an escape that the interpreter warns about.
    pub(super) fn warns(&self, range: TextRange, kind: escapes::Kind) -> bool {
        self.source
            .as_bytes()
            .get(range.start().to_usize()..range.end().to_usize())
            .is_none_or(|literal| escapes::warns(literal, kind))
    }

    pub(super) fn string(&mut self, value: &ast::StringLiteralValue) {
        let mut length = 0;
        let mut warns = false;
        for part in value {
            length += part.value.len();
            warns |= !part.flags.prefix().is_raw() && self.warns(part.range(), escapes::Kind::Text);
        }
        self.flag(warns);
        self.length(length);
        for part in value {
            self.bytes.extend_from_slice(part.value.as_bytes());
        }
    }

    pub(super) fn byte_string(&mut self, value: &ast::BytesLiteralValue) {
        let mut joined = Vec::new();
        let mut warns = false;
        for part in value {
            joined.extend_from_slice(&part.value);
            warns |= !part.flags.prefix().is_raw() && self.warns(part.range(), escapes::Kind::Bytes);
        }
        self.flag(warns);
        self.framed(&joined);
    }

    /// Writes a body. With `documented`, notes its docstring so that it can be omitted.
    pub(super) fn body(&mut self, body: &'source [ast::Stmt], documented: bool) {
        for (place, statement) in body.iter().enumerate() {
            let start = self.bytes.len();
            self.statement(statement);
            if let (true, Some(name)) = (self.scope.is_empty(), assigned(statement)) {
                let range = start..self.bytes.len();
                self.parts.push(Part { kind: PieceKind::Variable, name: name.to_owned(), range });
            }
            if place == 0 && documented && is_docstring(statement) {
                // An empty module equals a module with `pass`; an empty function is invalid.
                let alone = body.len() == 1 && !self.scope.is_empty();
                self.docstrings.push(Docstring { range: start..self.bytes.len(), alone });
            }
        }
        self.tag(END);
    }

    /// Writes a function named `name` and notes its position.
    pub(super) fn function_part(&mut self, name: &'source str, write: impl FnOnce(&mut Self)) {
        let of_a_class = self.scope.last().is_some_and(|(kind, _)| *kind == PieceKind::Class);
        let kind = if of_a_class { PieceKind::Method } else { PieceKind::Function };
        self.part(kind, name, write);
    }

    /// Writes a class named `name` and notes its position.
    pub(super) fn class_part(&mut self, name: &'source str, write: impl FnOnce(&mut Self)) {
        self.part(PieceKind::Class, name, write);
    }

    fn part(&mut self, kind: PieceKind, name: &'source str, write: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.scope.push((kind, name));
        let full: Vec<&str> = self.scope.iter().map(|(_, name)| *name).collect();
        let name = full.join(".");
        write(self);
        self.scope.pop();
        self.parts.push(Part { kind, name, range: start..self.bytes.len() });
    }

    /// All bytes, and the bytes without docstrings if there are any.
    pub(super) fn finish(self) -> (Vec<u8>, Option<Vec<u8>>) {
        let without = (!self.docstrings.is_empty()).then(|| self.without_docstrings(0..self.bytes.len()));
        (self.bytes, without)
    }

    fn without_docstrings(&self, range: Range<usize>) -> Vec<u8> {
        let mut kept = Vec::with_capacity(range.len());
        let mut at = range.start;
        // They were found in byte order, and none contains another.
        let first = self.docstrings.partition_point(|docstring| docstring.range.start < range.start);
        let inside = self.docstrings.iter().skip(first);
        for docstring in inside.take_while(|docstring| docstring.range.end <= range.end) {
            kept.extend_from_slice(self.bytes.get(at..docstring.range.start).unwrap_or_default());
            if docstring.alone {
                kept.push(PASS);
            }
            at = docstring.range.end;
        }
        kept.extend_from_slice(self.bytes.get(at..range.end).unwrap_or_default());
        kept
    }

    /// The docstring that begins in `range`; empty where there is none.
    fn docstring(&self, range: Range<usize>) -> &[u8] {
        let place = self.docstrings.partition_point(|docstring| docstring.range.start < range.start);
        let found = self.docstrings.get(place).filter(|docstring| docstring.range.start < range.end);
        found.and_then(|docstring| self.bytes.get(docstring.range.clone())).unwrap_or_default()
    }

    /// The functions, methods, classes and variables, each without the pieces inside it, and the code outside of all pieces;
    /// without docstrings.
    pub(super) fn pieces(mut self) -> Vec<Piece> {
        let range = 0..self.bytes.len();
        self.parts.push(Part { kind: PieceKind::TopLevel, name: String::new(), range });
        // Outer before inner, in order of appearance.
        self.parts.sort_by_key(|part| (part.range.start, usize::MAX - part.range.end));
        let mut pieces = Vec::with_capacity(self.parts.len());
        for (place, part) in self.parts.iter().enumerate() {
            let mut own = Vec::new();
            let mut at = part.range.start;
            for inner in self.parts.iter().skip(place + 1) {
                if inner.range.start >= part.range.end {
                    break;
                }
                // A piece nested deeper belongs to the inner piece.
                if inner.range.start >= at {
                    own.extend(self.without_docstrings(at..inner.range.start));
                    at = inner.range.end;
                }
            }
            own.extend(self.without_docstrings(at..part.range.end));
            // It precedes all pieces inside.
            let first_inside = self.parts.get(place + 1).map_or(part.range.end, |inner| inner.range.start);
            let docstring = self.docstring(part.range.start..first_inside.min(part.range.end)).to_vec();
            pieces.push(Piece { kind: part.kind, name: part.name.clone(), bytes: own, docstring });
        }
        pieces
    }
}

/// The single name that a statement assigns.
fn assigned(statement: &ast::Stmt) -> Option<&str> {
    let target = match statement {
        ast::Stmt::Assign(assign) => match assign.targets.as_slice() {
            [target] => target,
            _ => return None,
        },
        ast::Stmt::AnnAssign(assign) => &assign.target,
        ast::Stmt::AugAssign(assign) => &assign.target,
        _ => return None,
    };
    target.as_name_expr().map(|name| name.id.as_str())
}

/// Whether a statement, as the first of a body, would be its docstring: a plain string, neither bytes nor formatted.
fn is_docstring(statement: &ast::Stmt) -> bool {
    matches!(statement, ast::Stmt::Expr(expression) if expression.value.is_string_literal_expr())
}
