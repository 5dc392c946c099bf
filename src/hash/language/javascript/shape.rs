//! The shape of a program: its tokens and nodes without positions, to compare a source with its printed form.

use oxc_ast::AstKind;
use oxc_ast::ast::Program;
use oxc_ast_visit::Visit;
use oxc_parser::{Kind, ParserReturn};

/// The kinds of all tokens, except punctuation that the printer may add or omit.
pub(super) fn words(read: &ParserReturn<'_>) -> Vec<Kind> {
    let kinds = read.tokens.iter().map(oxc_parser::Token::kind);
    let counted = kinds.filter(|kind| {
        !matches!(
            kind,
            Kind::Semicolon
                | Kind::Comma
                | Kind::LParen
                | Kind::RParen
                | Kind::LCurly
                | Kind::RCurly
                // A union may begin with it.
                | Kind::Pipe
                | Kind::Amp
        )
    });
    let alike = counted.map(|kind| match kind {
        kind if kind.is_number() => Kind::Decimal,
        // The printer may change the quotes of a string.
        Kind::NoSubstitutionTemplate => Kind::Str,
        kind => kind,
    });
    alike.collect()
}

/// The kinds of all nodes in preorder, except those that the printer may add or omit.
pub(super) fn nodes(program: &Program<'_>) -> Vec<u8> {
    let mut nodes = Nodes::default();
    nodes.visit_program(program);
    nodes.kinds
}

#[derive(Default)]
struct Nodes {
    kinds: Vec<u8>,
}

/// Stands for a string with any quotes; no kind has this number.
const TEXT: u8 = u8::MAX;

impl<'a> Visit<'a> for Nodes {
    fn enter_node(&mut self, node: AstKind<'a>) {
        match node {
            AstKind::ParenthesizedExpression(_)
            | AstKind::TSParenthesizedType(_)
            | AstKind::TSLiteralType(_)
            | AstKind::EmptyStatement(_)
            | AstKind::TemplateElement(_) => {}
            AstKind::StringLiteral(_) => self.kinds.push(TEXT),
            AstKind::TemplateLiteral(template) if template.expressions.is_empty() => self.kinds.push(TEXT),
            AstKind::TSTemplateLiteralType(template) if template.types.is_empty() => self.kinds.push(TEXT),
            _ => self.kinds.push(node.ty() as u8),
        }
    }
}
