//! Editable installs of Python packages: reads the finder modules that setuptools writes for them.

use ruff_python_ast::{Expr, Stmt};
use ruff_python_parser::parse_module;
use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::path::PathBuf;

/// The file of the finder that a line of a `.pth` file installs:
/// `import __editable___name_1_0_finder; __editable___name_1_0_finder.install()`.
pub(super) fn finder_named(line: &[u8]) -> Option<String> {
    let text = str::from_utf8(line).ok()?.strip_prefix("import ")?;
    let (module, rest) = text.split_once(';')?;
    let module = module.trim();
    let installs = rest.trim() == format!("{module}.install()");
    let is_name = module.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (installs && is_name && module.starts_with("__editable__")).then(|| format!("{module}.py"))
}

/// The packages and their directories in a finder's `MAPPING`; `None` where it is not a plain dictionary of strings, or where
/// it maps namespaces too.
pub(super) fn mapping(finder: &[u8]) -> Option<BTreeMap<String, PathBuf>> {
    let text = str::from_utf8(finder).ok().filter(|text| text.len() < 1 << 20)?;
    let module = catch_unwind(|| parse_module(text)).ok()?.ok()?;
    let mut mapping = None;
    for statement in &module.syntax().body {
        let (target, value) = match statement {
            Stmt::Assign(assign) => (assign.targets.first()?, &assign.value),
            Stmt::AnnAssign(assign) => match &assign.value {
                Some(value) => (&*assign.target, value),
                None => continue,
            },
            _ => continue,
        };
        let (Expr::Name(name), Expr::Dict(dictionary)) = (target, &**value) else { continue };
        if name.id.as_str() == "NAMESPACES" && !dictionary.items.is_empty() {
            return None;
        }
        if name.id.as_str() != "MAPPING" {
            continue;
        }
        let mut found = BTreeMap::new();
        for item in &dictionary.items {
            let (Some(Expr::StringLiteral(key)), Expr::StringLiteral(place)) = (&item.key, &item.value)
            else {
                return None;
            };
            found.insert(key.value.to_str().to_owned(), PathBuf::from(place.value.to_str()));
        }
        mapping = Some(found);
    }
    mapping
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finder_is_named_and_read() {
        let line = b"import __editable___demo_0_1_finder; __editable___demo_0_1_finder.install()";
        assert_eq!(finder_named(line).as_deref(), Some("__editable___demo_0_1_finder.py"));
        assert_eq!(finder_named(b"import os; os.system('x')"), None);
        let finder = b"import sys\nMAPPING: dict[str, str] = {'demo': '/src/demo'}\nNAMESPACES: dict = {}\n";
        let expected = BTreeMap::from([("demo".to_owned(), PathBuf::from("/src/demo"))]);
        assert_eq!(mapping(finder), Some(expected));
        assert_eq!(mapping(b"MAPPING = compute()"), None);
        assert_eq!(mapping(b"MAPPING = {'a': '/a'}\nNAMESPACES = {'n': ['/n']}"), None);
    }
}
