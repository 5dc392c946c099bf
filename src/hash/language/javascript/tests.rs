//! One test for each rule of the normal form of JavaScript. The proof over real code is in `tests/normal_forms`.

use super::*;
use crate::hash::language::Import;

fn parsed(source: &str) -> Parsed {
    JavaScript::plain().parse(source.as_bytes())
}

fn normal(source: &str) -> Option<Vec<u8>> {
    parsed(source).normal.map(|normal| normal.bytes)
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
    same("x = 1;\n", "/* a */ x=1 // b\n\n");
    same("x = 'a'", "x = \"a\"");
    same("if (a) { b() }", "if(a){b();}");
    same("f(a, b,)", "f(a,b)");
    same("x = 0x10", "x = 16");
    same("x = (1)", "x = 1");
    same("import a from 'b'", "import a from \"b\";");
    same("const f = (a) => { return a }", "const f = a => {\n  return a;\n};");
}

#[test]
fn what_runs_differently_counts() {
    different("x = 1", "x = 2");
    different("x = a ? b : c", "x = a ? c : b");
    different("'use strict'; x = 1", "x = 1");
    different("a?.b.c", "(a?.b).c");
    different("let x = 1", "const x = 1");
    different("x = a + (b + c)", "x = a + b + c");
    different("return_ = 1\n(a)", "return_ = 1;\n(a)");
    different("x = `a${b}`", "x = `a${c}`");
    different("x = /a/g", "x = /a/i");
    different("('use strict'); x = 1", "'use strict'; x = 1");
    different("async function f() {}", "function f() {}");
}

#[test]
fn what_could_be_read_in_two_ways_counts_byte_for_byte() {
    for source in [
        "x = (",
        "x = '\\ud800'",
        "x <!-- y",
        "x --> 0",
        "/** @jsx h */ x",
        "await (x)",
        "x = 010",
        "x = '\\07'",
        "let x; (a) = function () {}",
        "(a) /* b */\n= 1",
        "var yield_; yield = 1",
        "x = '\0'",
        "const a = <b/>",
        "f = ((a)) => b",
    ] {
        assert_eq!(normal(source), None, "{source}");
    }
    assert_eq!(JavaScript::plain().parse(b"x = '\xff'").normal, None);
    assert!(normal("x = (a) => b; if (a) { x == b }; f(a) == b").is_some());
}

#[test]
fn the_arrow_of_a_functions_type_is_an_arrow() {
    for source in ["type A = (b: C) = D", "type A = (b: C) == D", "type A = new (b: C) > D"] {
        assert_eq!(JavaScript::typescript().parse(source.as_bytes()).normal, None, "{source}");
    }
    for source in ["type A = (b: C) => D", "type A = new (b: C) => D", "type A = abstract new () => D"] {
        assert!(JavaScript::typescript().parse(source.as_bytes()).normal.is_some(), "{source}");
    }
}

#[test]
fn a_word_that_the_parser_steps_over_counts_byte_for_byte() {
    for source in ["type A = `${B B}`", "type A = `${B}_${C D}`"] {
        assert_eq!(JavaScript::typescript().parse(source.as_bytes()).normal, None, "{source}");
    }
    let source =
        "type A = | 'b' | `${C}_d`; let x = 0x10, y = { 'a': 1, b: <C>d }; if (x) y; enum E { F = 1 << 2 }";
    assert!(JavaScript::typescript().parse(source.as_bytes()).normal.is_some());
}

#[test]
fn a_new_line_may_part_a_word_from_its_name() {
    let form = |source: &str| JavaScript::typescript().parse(source.as_bytes()).normal;
    for source in [
        "export type\nA = B",
        "interface\nA { b: C }",
        "namespace\nA { }",
        "abstract\nclass A { }",
        "class A { readonly\nb: C }",
        "class A { static\nb() { } }",
        "let a = b as C\n<D>[]",
        "let a: B\n[] = c",
        "function a(b): b\nis C { }",
        "let a = (b\nas C)",
        "let a = (b\n!)",
        "let a: B\n['c'] = d",
    ] {
        let joined = source.replace('\n', " ");
        assert!(form(&joined).is_some(), "{joined}");
        assert_ne!(form(source), form(&joined), "{source}");
    }
    let decorated = "@a\nclass B { @c()\n  d: E\n}";
    assert!(JavaScript::typescript().parse(decorated.as_bytes()).normal.is_some());
}

#[test]
fn the_extension_names_the_dialect() {
    let parses = |name: &str, source: &str| {
        JavaScript::for_extension(name.trim_start_matches("a.")).parse(source.as_bytes()).normal.is_some()
    };
    assert!(parses("a.ts", "let x: number = 1; enum A { B }"));
    assert!(!parses("a.js", "let x: number = 1"));
    assert!(parses("a.tsx", "let x: number = 1; const y = <b>a</b>"));
    assert!(parses("a.jsx", "const y = <b/>"));
    assert!(parses("a.mjs", "import a from 'b'; await a"));
    assert!(!parses("a.cjs", "import a from 'b'"));
    assert!(parses("a.cjs", "return 1"));
    assert!(parses("a.js", "return 1"));
    assert!(!parses("a.mjs", "x = 010"));
    assert!(parses("a.cjs", "await(y)"));
    assert!(parses("a.js", "import a from 'b'; await a"));
    assert_ne!(JavaScript::for_extension("ts").form(), JavaScript::plain().form());
}

#[test]
fn programs_that_read_themselves_are_exact() {
    for source in [
        "console.log(new Error().stack)",
        "Error.captureStackTrace(o)",
        "Error.prepareStackTrace = f",
        "e['stack']",
        "const { stack } = e",
        "fs.readFileSync(__filename)",
        "fs.readFileSync(new URL(import.meta.url))",
        "const self = fileURLToPath(import.meta.url)",
        "arguments.callee.toString()",
        "const text = multiline(function () { /* one */ })",
        "require.extensions['.js'] = f",
        "Module.prototype._compile = f",
        "require('module')",
        "import { register } from 'node:module'",
        "require('vm').runInThisContext(x)",
        "eval(x)",
        "new Function('return f')()",
        "process.binding('natives')",
        "const t = f.toString",
        "require('assert')(a > 1)",
    ] {
        assert!(parsed(source).exact, "{source}");
    }
    for source in [
        "x.toString()",
        "String(x)",
        "path.dirname(__filename)",
        "const __filename = fileURLToPath(import.meta.url); const d = path.dirname(__filename)",
        "if (process.argv[1] === fileURLToPath(import.meta.url)) main()",
        "new URL('./a.json', import.meta.url)",
        "require.main === module",
        "// stack\nx",
        "const stack = []; stack.push(1)",
        "import { createRequire } from 'module'",
        "x instanceof Function",
        "Object.prototype.toString.call(x)",
        "require('assert').strictEqual(a, 1)",
    ] {
        assert!(!parsed(source).exact, "{source}");
    }
}

#[test]
fn names_of_the_environment_are_found() {
    let asked = |source: &str| {
        let parsed = parsed(source);
        let names = parsed.variables.iter().map(|name| String::from_utf8(name.clone()).unwrap());
        (names.collect::<Vec<_>>().join(" "), parsed.whole_environment)
    };
    for (source, names) in [
        ("process.env.A || process.env['B']", "A B"),
        ("const { A, B: b = process.env.C } = process.env", "A B C"),
        ("'A' in process.env", "A"),
        ("globalThis.process?.env?.A", "A"),
        ("require('process').env.A", "A"),
        ("Bun.env.A; Deno.env.get('B'); import.meta.env.C", "A B C"),
        ("process.env.A = 'x'", ""),
        ("delete process.env.A", "A"),
        ("process.argv; environment.A", ""),
    ] {
        assert_eq!(asked(source), (names.to_owned(), false), "{source}");
    }
    for source in [
        "spawn(a, { env: process.env })",
        "({ ...process.env })",
        "process.env[name]",
        "const env = process.env",
        "const { A, ...rest } = process.env",
        "const { env } = process",
        "import { env } from 'node:process'",
        "Deno.env.toObject()",
        "process[name]",
    ] {
        assert!(asked(source).1, "{source}");
    }
}

#[test]
fn imports_are_found_wherever_they_stand() {
    let imported = |dialect: JavaScript, source: &str| {
        let parsed = dialect.parse(source.as_bytes());
        let names = parsed.imports.into_iter().map(|import| match import {
            Import::Specifier(name) => name,
            other => panic!("{other:?}"),
        });
        (names.collect::<Vec<_>>().join(" "), parsed.computed_imports)
    };
    let plain =
        "import 'a'; import b from './b'; export * from 'c'; export { d } from 'd'; import('e'); import(`f`)";
    assert_eq!(imported(JavaScript::plain(), plain), ("a ./b c d e f".to_owned(), false));
    let script = "require('a'); if (x) { module.require('./b') } require.resolve('c'); new Worker('./d.js')";
    assert_eq!(imported(JavaScript::plain(), script), ("a ./b c ./d.js".to_owned(), false));
    let typed = "import type A from 'a'; import b = require('b'); export type { C } from 'c'";
    assert_eq!(imported(JavaScript::typescript(), typed), ("a b c".to_owned(), false));
    for source in ["require(x)", "import(x)", "eval(x)", "new Function(x)", "fork('./x')", "createRequire(x)"]
    {
        assert!(imported(JavaScript::plain(), source).1, "{source}");
    }
}

#[test]
fn functions_and_classes_are_pieces() {
    let source = "const a = 1, b = 2;\nlet c = 3;\nfunction f() { return 1 }\nexport class G { h() {} }\nexport const j = () => 5;\nexport default function i() {}\n";
    let pieces = |source: &str| JavaScript::plain().pieces(source.as_bytes());
    let names: Vec<String> = pieces(source).into_iter().map(|piece| piece.name).collect();
    assert_eq!(names, ["", "c", "f", "G", "j", "i"]);
    let changed = |other: &str| {
        let pairs = pieces(source).into_iter().zip(pieces(other));
        pairs.filter(|(one, other)| one != other).map(|(one, _)| one.name).collect::<Vec<_>>()
    };
    assert_eq!(changed(&source.replace("return 1", "return 2")), ["f"]);
    assert_eq!(changed(&source.replace("const a", "const d")), [""]);
    assert_eq!(changed(&source.replace("= 3", "= 4")), ["c"]);
    assert_eq!(changed(&source.replace("=> 5", "=> 6")), ["j"]);
    assert!(changed(&source.replace("return 1", "/* x */ return  1")).is_empty());
}

/// Every known way of nesting, `deep` times.
fn nested(deep: usize) -> Vec<String> {
    let repeated = |open: &str, close: &str| format!("x = {}1{}", open.repeat(deep), close.repeat(deep));
    vec![
        repeated("(", ")"),
        repeated("[", "]"),
        repeated("!", ""),
        repeated("- ", ""),
        repeated("typeof ", ""),
        repeated("new ", ""),
        repeated("a=>", ""),
        repeated("1 + ", ""),
        repeated("2 ** ", ""),
        repeated("a ? b : ", ""),
        repeated("a ? ", ": b"),
        repeated("{a: ", "}"),
        repeated("`${", "}`"),
        repeated("a(", ")"),
        repeated("a[", "]"),
        repeated("a = ", ""),
        repeated("a, ", ""),
        repeated("a && ", ""),
        format!("x = a{}", ".b".repeat(deep)),
        format!("x = a{}", "()".repeat(deep)),
        format!("x = a{}", "?.b".repeat(deep)),
        format!("x = a{}", "``".repeat(deep)),
        format!("{}x{}", "{".repeat(deep), "}".repeat(deep)),
        format!("{}x", "if (a) ".repeat(deep)),
        format!("{}x", "if (a) b; else ".repeat(deep)),
        format!("{}x{}", "do ".repeat(deep), "; while (a)".repeat(deep)),
        format!("{}x", "while (a) ".repeat(deep)),
        format!("{}{}", "function f() {".repeat(deep), "}".repeat(deep)),
        format!("x = {}{}", "class { a = ".repeat(deep), "}".repeat(deep)),
        format!("var {}a{} = 1", "[".repeat(deep), "]".repeat(deep)),
        format!("x = /{}a{}/", "(".repeat(deep), ")".repeat(deep)),
    ]
}

#[test]
fn deep_trees_do_not_overflow() {
    for source in nested(1500) {
        let _ = parsed(&source);
        let _ = JavaScript::typescript().pieces(source.as_bytes());
    }
    let jsx = format!("x = {}{}", "<a>".repeat(2000), "</a>".repeat(2000));
    let _ = JavaScript::for_extension("tsx").parse(jsx.as_bytes());
    let types = format!("type A = {}B{}", "C<".repeat(2000), ">".repeat(2000));
    let _ = JavaScript::typescript().parse(types.as_bytes());
}

#[test]
fn nesting_without_bound_counts_byte_for_byte() {
    for source in nested(MOST_TOKENS) {
        assert_eq!(normal(&source), None, "{source:.30}");
    }
}

mod any_bytes {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = JavaScript::plain().parse(&bytes);
            let _ = JavaScript::typescript().pieces(&bytes);
        }

        #[test]
        fn never_panic_as_tokens(words in proptest::collection::vec(
            proptest::sample::select(vec!["function ", "f(", ")", "=>", "\n", "{", "}", "`", "${", "'", "/", "class A", "if (", "é", "1",
                "async ", "await ", "*", ",", "[", "]", "...", "?.", "?", ":", "<a>", "</a>", "<", ">", "import ", "export ", "#", "//"]), 0..80)) {
            let source = words.concat();
            let _ = JavaScript::plain().parse(source.as_bytes());
            let _ = JavaScript::for_extension("tsx").parse(source.as_bytes());
        }
    }
}
