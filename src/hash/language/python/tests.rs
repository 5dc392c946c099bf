//! One test for each rule of Python's normal form. The proof over real code is in `tests/normal_forms`.

mod mentions;

use super::*;
use crate::hash::language::Import;

fn parsed(source: &str) -> Parsed {
    Python::newest().parse(source.as_bytes())
}

fn normal(source: &str) -> Option<Vec<u8>> {
    parsed(source).normal.map(|normal| normal.bytes)
}

fn without_docstrings(source: &str) -> Vec<u8> {
    let normal = parsed(source).normal.unwrap();
    normal.without_docstrings.unwrap_or(normal.bytes)
}

#[track_caller]
fn same(one: &str, other: &str) {
    let (one, other) = (normal(one), normal(other));
    assert!(one.is_some());
    assert_eq!(one, other);
}

#[track_caller]
fn different(one: &str, other: &str) {
    let (one, other) = (normal(one), normal(other));
    assert!(one.is_some() && other.is_some());
    assert_ne!(one, other);
}

#[test]
fn layout_and_spelling_do_not_count() {
    same("x = 1\n", "# note\nx=1 # more\n\n\n");
    same("x = 'a'", "x = \"a\"");
    same("x = 'a' 'b'", "x = 'ab'");
    same("x = r'a\\b'", "x = 'a\\\\b'");
    same("x = b'a'", "x = B\"\"\"a\"\"\"");
    same("x = (1)", "x = 1");
    same("f(1, 2)", "f(\n    1,\n    2,\n)");
    same("x = 1_000", "x = 0x3e8");
    same("class A(): pass", "class A:\n\tpass");
    same("x = 1; y = 2", "x = 1\ny = 2");
    same("x = f'{a}b' 'c'", "x = f\"{ a }\" 'bc'");
    same("\u{feff}x = 1", "x = 1");
    same("if a:\n  pass\nelse:\n  pass", "if a:\n\n\tpass\nelse:\n\tpass");
}

#[test]
fn what_runs_differently_counts() {
    different("x = (1)", "x = (1,)");
    different("x = 1", "x = 1.0");
    different("x = 1", "x = True");
    different("x = 'a'", "x = b'a'");
    different("x = f'{a!r}'", "x = f'{a!s}'");
    different("x = f'{a:>1}'", "x = f'{a:>2}'");
    different("x = f'{a=}'", "x = f'{a = }'");
    different("x = f'{a=}'", "x = f'a={a!r}'");
    different("x = a < b < c", "x = a < (b < c)");
    different("(x): int = 1", "x: int = 1");
    different("def f(): pass", "async def f(): pass");
    different("try: pass\nexcept* A: pass", "try: pass\nexcept A: pass");
    different("f(a, b)", "f(b, a)");
    different("f(*a)", "f(**a)");
    different("def f(a, /): pass", "def f(a): pass");
    different("def f(*, a): pass", "def f(a): pass");
    different("x = a + b", "x = a - b");
    different("x = a or b and c", "x = (a or b) and c");
    different("import a.b", "import a.b as b");
    different("from . import a", "from .. import a");
    different("if a:\n  b\n  c", "if a:\n  b\nc");
    different("x = 1e308", "x = 1e309");
    different("x = 0.0", "x = -0.0");
    different("x = {**a}", "x = {a}");
    different("for x in y: pass\nelse: z", "for x in y: pass\nz");
}

#[test]
fn escapes_that_are_warned_of_count() {
    different(r"x = '\d'", r"x = '\\d'");
    different(r"x = f'\d{a}'", r"x = f'\\d{a}'");
    different(r"x = b'\d'", r"x = b'\\d'");
    same(r"x = r'\d'", r"x = '\\d'");
    different("x = 1if a else 2", "x = 1 if a else 2");
}

#[test]
fn docstrings_can_be_left_out() {
    let documented =
        "'module'\ndef f():\n    'f'\n    return 1\nclass A:\n    '''A'''\n    def m(self): 'm'\n";
    let bare = "def f():\n    return 1\nclass A:\n    def m(self): pass\n";
    assert_eq!(without_docstrings(documented), without_docstrings(bare));
    assert_ne!(normal(documented), normal(bare));
    assert_eq!(parsed(bare).normal.unwrap().without_docstrings, None);
    // Only the first statement is one, and only plain text.
    for kept in
        ["def f():\n    x\n    'a'\n", "def f():\n    b'a'\n", "def f():\n    f'a'\n", "if x:\n    'a'\n"]
    {
        assert_eq!(parsed(kept).normal.unwrap().without_docstrings, None, "{kept}");
    }
    assert_ne!(without_docstrings("'a'\n'b'\n"), without_docstrings("'b'\n"));
    assert_eq!(without_docstrings("'a'\n'b'\n"), without_docstrings("'c'\n'b'\n"));
}

#[test]
fn what_the_parser_reads_differently_counts_byte_for_byte() {
    for source in [
        "x = '\\ud800'",
        "x = '\\U0000DFff'",
        "x = (",
        "x = 1 +",
        "return = 1",
        "x = '\0'",
        "# coding: latin-1\nx = 1",
        "\u{feff}# coding: utf8\nx = 1",
        "#!/bin/x\n# -*- coding=cp1252 -*-\nx = 1",
        "x = t'{a}'",
        "print 'a'",
    ] {
        assert_eq!(normal(source), None, "{source:?}");
    }
    assert_eq!(Python::newest().parse(b"x = '\xe9'").normal, None);
    assert!(normal("# -*- coding: utf-8 -*-\nx = 1").is_some());
    assert!(normal("# vim: set fileencoding=UTF8 :\nx = 1").is_some());
    assert!(normal("a\nb\n# coding: latin-1\nx = 1").is_some());
}

#[test]
fn syntax_is_that_of_the_interpreters_version() {
    let parses =
        |minor, source: &str| Python::for_version(3, minor).parse(source.as_bytes()).normal.is_some();
    assert!(!parses(8, "with (open(a) as b, c): pass"));
    assert!(parses(11, "with (open(a) as b, c): pass"));
    assert!(!parses(9, "match a:\n    case 1: pass"));
    assert!(!parses(11, "x = f'{a[\"b\"]:{\"c\"}} {f\"{1}\"}' f\"{'\\n'}\""));
    assert!(parses(12, "type A = int"));
    assert!(!parses(11, "type A = int"));
    assert!(!parses(6, "x = 1"));
    assert!(Python::for_version(2, 7).parse(b"x = 1").normal.is_none());
    assert!(parses(99, "x = 1"));
}

#[test]
fn pieces_are_named_and_tell_changes_apart() {
    let source = "import a\ndef train(x):\n    def inner(): return 1\n    return x\nclass Model:\n    z = 1\n    def fit(self):\n        'doc'\n        return 2\nRATE: int = 5\nRATE += 1\n";
    let pieces = |source: &str| Python::newest().pieces(source.as_bytes());
    let names: Vec<String> = pieces(source).into_iter().map(|piece| piece.name).collect();
    assert_eq!(names, ["", "train", "train.inner", "Model", "Model.fit", "RATE", "RATE"]);
    let changed = |other: &str| {
        let (before, after) = (pieces(source), pieces(other));
        let changed = before.into_iter().zip(after).filter(|(before, after)| before.bytes != after.bytes);
        changed.map(|(before, _)| before.name).collect::<Vec<_>>()
    };
    assert_eq!(changed(&source.replace("return 2", "return 3")), ["Model.fit"]);
    assert_eq!(changed(&source.replace("return 1", "return 3")), ["train.inner"]);
    assert_eq!(changed(&source.replace("return x", "return y")), ["train"]);
    assert_eq!(changed(&source.replace("z = 1", "z = 2")), ["Model"]);
    assert_eq!(changed(&source.replace("import a", "import b")), [""]);
    assert_eq!(changed(&source.replace("= 5", "= 6")), ["RATE"]);
    let other = source.replace("'doc'", "'other'");
    assert!(changed(&other).is_empty());
    let documented =
        |source: &str| pieces(source).into_iter().map(|piece| piece.docstring).collect::<Vec<_>>();
    assert_ne!(documented(source), documented(&other));
}

#[test]
fn deep_nesting_neither_overflows_nor_parses() {
    let deep = 100_000;
    for source in [
        format!("x = {}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("x = {}1", "-".repeat(deep)),
        format!("x = {}1", "1 + ".repeat(deep)),
        format!("x = {}1", "not ".repeat(deep)),
        format!("x = {}1", "lambda: ".repeat(deep)),
        format!("x = a{}", ".b".repeat(deep)),
        format!("x = a{}", "()".repeat(deep)),
        format!("x = a{}", "[0]".repeat(deep)),
        format!("x = {}1", "2 ** ".repeat(deep)),
        format!("x = {}1", "1 if a else ".repeat(deep)),
        format!("x = {}", "f'{".repeat(deep)),
        format!("match x:\n  case {}1: pass", "[".repeat(deep)),
        "(".repeat(deep),
        "[{(".repeat(deep),
    ] {
        assert_eq!(normal(&source), None, "{source:.20}");
    }
}

#[test]
fn the_deepest_trees_that_parse_do_not_overflow() {
    let deep = DEEPEST_TREE - 10;
    for source in [
        format!("x = {}1", "-".repeat(deep)),
        format!("x = {}1", "1 + ".repeat(deep)),
        format!("x = {}1", "not ".repeat(deep)),
        format!("x = {}1", "lambda: ".repeat(deep / 2)),
        format!("x = a{}", ".b".repeat(deep)),
        format!("x = a{}", "()".repeat(deep)),
        format!("x = {}1", "2 ** ".repeat(deep)),
        format!("x = {}1", "1 if a else ".repeat(deep / 2)),
        format!("x = {}1{}", "(".repeat(59), ")".repeat(59)),
    ] {
        assert!(normal(&source).is_some(), "{source:.20}");
    }
}

mod any_bytes {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Python::newest().parse(&bytes);
            let _ = Python::newest().pieces(&bytes);
        }

        #[test]
        fn never_panic_as_tokens(words in proptest::collection::vec(
            proptest::sample::select(vec!["def ", "f(", ")", ":", "\n", "  ", "'''", "f'", "{", "}", "\\", "=", "lambda ",
                "class A", "if ", "é", "1", "with ", "match x", "case ", "@", "async ", "*", ",", "[", "]", "\t", "\r", "#", "!r", "%"]), 0..80)) {
            let _ = Python::newest().parse(words.concat().as_bytes());
        }
    }
}
