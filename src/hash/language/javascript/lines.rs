//! Line breaks that change the meaning of TypeScript: the compiler reads the code in another way, `oxc_parser` does not.

use oxc_ast::AstKind;
use oxc_ast::ast::Decorator;
use oxc_span::GetSpan;

/// Whether `node` contains a line break where the compiler allows none.
pub(super) fn part(node: AstKind<'_>, source: &str) -> bool {
    let (from, to) = match node {
        // A word that begins a declaration or a member may be a name by itself: `type`, a line break, then `A = …`.
        AstKind::TSTypeAliasDeclaration(alias) => (alias.span.start, alias.id.span.start),
        AstKind::TSInterfaceDeclaration(interface) => (interface.span.start, interface.id.span.start),
        AstKind::TSExternalModuleDeclaration(module) => (module.span.start, module.id.span.start),
        AstKind::TSNamespaceDeclaration(namespace) => (namespace.span.start, namespace.id.span.start),
        AstKind::TSEnumDeclaration(enumeration) => (enumeration.span.start, enumeration.id.span.start),
        AstKind::Class(class) => {
            let Some(id) = &class.id else { return false };
            (after_decorators(source, class.span.start, &class.decorators), id.span.start)
        }
        AstKind::MethodDefinition(method) => {
            (after_decorators(source, method.span.start, &method.decorators), method.key.span().start)
        }
        AstKind::PropertyDefinition(property) => {
            (after_decorators(source, property.span.start, &property.decorators), property.key.span().start)
        }
        AstKind::TSPropertySignature(property) => (property.span.start, property.key.span().start),
        AstKind::TSMethodSignature(method) => (method.span.start, method.key.span().start),
        // Types and their arguments, brackets and predicates; anything that continues an expression.
        AstKind::TSTypeReference(reference) => match &reference.type_arguments {
            Some(arguments) => (reference.type_name.span().end, arguments.span.start + 1),
            None => return false,
        },
        AstKind::TSTypeQuery(query) => match &query.type_arguments {
            Some(arguments) => (query.expr_name.span().end, arguments.span.start + 1),
            None => return false,
        },
        AstKind::TSArrayType(array) => (array.element_type.span().end, array.span.end),
        AstKind::TSIndexedAccessType(access) => {
            (access.object_type.span().end, access.index_type.span().start)
        }
        AstKind::TSTypePredicate(predicate) => match &predicate.type_annotation {
            Some(annotation) => (predicate.span.start, annotation.span.start),
            None => (predicate.span.start, predicate.span.end),
        },
        AstKind::TSAsExpression(cast) => {
            return parts_before_word(
                source,
                cast.expression.span().end,
                cast.type_annotation.span().start,
                "as",
            );
        }
        AstKind::TSSatisfiesExpression(cast) => {
            let (from, to) = (cast.expression.span().end, cast.type_annotation.span().start);
            return parts_before_word(source, from, to, "satisfies");
        }
        AstKind::TSNonNullExpression(expression) => (expression.expression.span().end, expression.span.end),
        _ => return false,
    };
    has_line(source.get(from as usize..to as usize).unwrap_or_default())
}

fn parts_before_word(source: &str, from: u32, to: u32, word: &str) -> bool {
    let between = source.get(from as usize..to as usize).unwrap_or_default();
    has_line(between.split(word).next().unwrap_or_default())
}

fn has_line(text: &str) -> bool {
    text.contains(['\n', '\r', '\u{2028}', '\u{2029}'])
}

/// Start of the declaration after its decorators, which may have lines of their own.
fn after_decorators(source: &str, start: u32, decorators: &[Decorator<'_>]) -> u32 {
    let Some(last) = decorators.last() else { return start };
    let rest = source.get(last.span.end as usize..).unwrap_or_default();
    let blanks = rest.len() - rest.trim_start().len();
    last.span.end.saturating_add(u32::try_from(blanks).unwrap_or(u32::MAX))
}
