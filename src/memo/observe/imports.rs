//! Names in Python's import statements, found in the text alone: also in code that never runs, and imports that fail.

use memchr::memmem;

/// The imports of a source.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Imports {
    /// Each import: the number of leading dots, the parts of the name, and the imported names.
    pub(super) asked: Vec<Asked>,
    /// Whether it imports a module with a computed name.
    pub(super) computed: bool,
}

/// One import.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    pub(super) level: usize,
    pub(super) parts: Vec<Vec<u8>>,
    pub(super) names: Vec<Vec<u8>>,
}

/// Functions that import the module named by their first argument.
const CALLS: &[&str] = &["import_module", "__import__", "find_spec"];

/// Reads a source.
pub(super) fn imports(source: &[u8]) -> Imports {
    let mut found = Imports::default();
    for at in memmem::find_iter(source, b"import") {
        let after = source.get(at + 6..).unwrap_or_default();
        let before = source.get(..at).unwrap_or_default();
        if before.last().is_some_and(|byte| is_part(*byte)) || after.first().is_none_or(|byte| is_part(*byte))
        {
            continue;
        }
        let start =
            before.iter().rposition(|byte| matches!(byte, b'\n' | b';' | b':')).map_or(0, |at| at + 1);
        let statement = before.get(start..).unwrap_or_default().trim_ascii();
        if statement.is_empty() {
            for part in clause(after).split(|byte| *byte == b',') {
                // A continued line begins after a backslash.
                let start = part.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b'\\');
                let name = start.and_then(|start| part.get(start..)).unwrap_or_default();
                let name = name.split(|byte| !(is_part(*byte) || *byte == b'.')).next().unwrap_or_default();
                found.ask(0, name, Vec::new());
            }
        } else if let Some(module) = statement.strip_prefix(b"from").map(<[u8]>::trim_ascii) {
            let level = module
                .iter()
                .take_while(|byte| matches!(byte, b'.' | b' '))
                .filter(|byte| **byte == b'.')
                .count();
            let name = module.trim_ascii_start();
            let name =
                name.iter().position(|byte| *byte != b'.' && *byte != b' ').and_then(|at| name.get(at..));
            found.ask(level, name.unwrap_or_default(), words(clause(after)));
        }
    }
    for call in CALLS {
        for at in memmem::find_iter(source, call.as_bytes()) {
            found.call(source, at, call.len());
        }
    }
    found
}

impl Imports {
    fn ask(&mut self, level: usize, name: &[u8], names: Vec<Vec<u8>>) {
        let parts: Vec<Vec<u8>> =
            name.split(|byte| *byte == b'.').filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect();
        if !parts.is_empty() || level > 0 {
            self.asked.push(Asked { level, parts, names });
        }
    }

    /// The name of a function that imports, with its length in bytes.
    fn call(&mut self, source: &[u8], at: usize, length: usize) {
        let before = source.get(..at).unwrap_or_default();
        let after = source.get(at + length..).unwrap_or_default();
        if before.last().is_some_and(|byte| is_part(*byte))
            || after.first().is_some_and(|byte| is_part(*byte))
        {
            return;
        }
        let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        if line.contains(&b'#') || line.trim_ascii_end().ends_with(b"def") {
            return;
        }
        let Some(arguments) = after.trim_ascii_start().strip_prefix(b"(") else {
            // An import of the function itself; another name for it is not followed.
            let is_import = line.trim_ascii_start().starts_with(b"from") || line.ends_with(b"import ");
            let is_renamed = after.trim_ascii_start().starts_with(b"as ");
            self.computed |= !is_import || is_renamed;
            return;
        };
        match literal(arguments.trim_ascii_start()) {
            Some(name) => {
                let level = name.iter().take_while(|byte| **byte == b'.').count();
                // Another argument names the package of a relative name.
                self.computed |= level > 0;
                self.ask(0, name.get(level..).unwrap_or_default(), Vec::new());
            }
            None => self.computed = true,
        }
    }
}

/// The literal text that is a whole argument.
fn literal(argument: &[u8]) -> Option<&[u8]> {
    let quote = *argument.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let rest = argument.get(1..)?;
    let end = rest.iter().position(|byte| *byte == quote)?;
    let after = rest.get(end + 1..)?.trim_ascii_start();
    let text = rest.get(..end)?;
    (matches!(after.first(), Some(b',' | b')')) && !text.contains(&b'\\')).then_some(text)
}

/// The rest of a statement, or the text in its parentheses.
fn clause(after: &[u8]) -> &[u8] {
    let after = after.trim_ascii_start();
    if let Some(inner) = after.strip_prefix(b"(") {
        return inner.split(|byte| *byte == b')').next().unwrap_or_default();
    }
    let mut end = 0;
    while let Some(at) =
        after.get(end..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'\n' | b';' | b'#')))
    {
        end += at;
        // A continued line.
        if after.get(end) != Some(&b'\n') || end == 0 || after.get(end - 1) != Some(&b'\\') {
            return after.get(..end).unwrap_or_default();
        }
        end += 1;
    }
    after
}

/// The names in a clause, comments left out.
fn words(clause: &[u8]) -> Vec<Vec<u8>> {
    let lines = clause.split(|byte| *byte == b'\n');
    let code = lines.map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default());
    let words = code.flat_map(|line| line.split(|byte| !is_part(*byte)));
    words.filter(|word| !word.is_empty() && *word != b"as").map(<[u8]>::to_vec).collect()
}

const fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Words in a source that lists directories or modules.
const LIST: &[&str] = &[
    "listdir",
    "scandir",
    "glob",
    "iglob",
    "rglob",
    "iterdir",
    "walk",
    "fwalk",
    "pkgutil",
    "entry_points",
    "distributions",
    "pkg_resources",
    "__path__",
];

/// Whether a source may list directories itself.
pub(super) fn lists_directories(source: &[u8]) -> bool {
    LIST.iter().any(|word| {
        memmem::find_iter(source, word.as_bytes()).any(|at| {
            let before = at.checked_sub(1).and_then(|at| source.get(at));
            let after = source.get(at + word.len());
            !before.is_some_and(|byte| is_part(*byte)) && !after.is_some_and(|byte| is_part(*byte))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> (String, bool) {
        let Imports { asked, computed } = imports(source.as_bytes());
        let text = |parts: &[Vec<u8>], by: &str| {
            parts.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect::<Vec<_>>().join(by)
        };
        let asked: Vec<String> = asked
            .iter()
            .map(|one| {
                format!("{}{}[{}]", ".".repeat(one.level), text(&one.parts, "."), text(&one.names, " "))
            })
            .collect();
        (asked.join(" "), computed)
    }

    #[test]
    fn names_of_imports_are_read() {
        for (source, expected) in [
            ("import a.b as c, d", "a.b[] d[]"),
            ("try:\n    import fast\nexcept ImportError: pass", "fast[]"),
            ("from a.b import c, d as e", "a.b[c d e]"),
            ("from . import (x, # no\n    y)\nz = 1", ".[x y]"),
            ("from ..p.q import x", "..p.q[x]"),
            ("if x: import y; import z", "y[] z[]"),
            ("import a, \\\n  b\nc = 1", "a[] b[]"),
            ("importlib.import_module('m.n')", "m.n[]"),
            ("important = 1\nreimport x\n", ""),
        ] {
            assert_eq!(shown(source), (expected.to_owned(), false), "{source}");
        }
    }

    #[test]
    fn computed_imports_are_seen() {
        for source in [
            "import_module('pl' + 'ug')",
            "importlib.import_module(name)",
            "__import__(f'{a}')",
            "importlib.util.find_spec(x)",
            "f = importlib.import_module\nf(x)",
            "from importlib import import_module as load\nload(x)",
            "import_module('.x', p)",
        ] {
            assert!(shown(source).1, "{source}");
        }
        for source in
            ["from importlib import import_module", "# import_module(x)", "def find_spec(self, name): pass"]
        {
            assert!(!shown(source).1, "{source}");
        }
    }

    #[test]
    fn words_that_list_are_whole() {
        assert!(lists_directories(b"os.listdir('.')") && lists_directories(b"from glob import iglob"));
        assert!(!lists_directories(b"global x; walker = 1"));
    }
}
