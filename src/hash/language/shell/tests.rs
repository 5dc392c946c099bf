//! One test for each rule of the shell's normal form. The proof over real scripts is in `tests/normal_forms`.

use super::*;
use crate::hash::language::Import;

fn normal(source: &str) -> Option<String> {
    let bytes = Shell.parse(source.as_bytes()).normal?.bytes;
    Some(String::from_utf8(bytes).unwrap())
}

#[test]
fn comments_go_and_everything_else_stays() {
    for (source, expected) in [
        ("#!/bin/sh\necho a\n", "echo a\n"),
        ("# one\n\n  # two\necho a # three\n", "\necho a #\n"),
        ("echo a;# b\n", "echo a;#\n"),
        (
            "echo '# a' \"# b\" a#b $# ${#x} ${x#y} $((16#ff))\n",
            "echo '# a' \"# b\" a#b $# ${#x} ${x#y} $((16#ff))\n",
        ),
        ("cat <<E\n# text\nE\n# gone\n", "cat <<E\n# text\nE\n"),
        ("a=(1 # one\n  2)\n", "a=(1 #\n  2)\n"),
        ("if a; then # x\n# y\nb\nfi", "if a; then #\nb\nfi"),
        ("# last", ""),
    ] {
        assert_eq!(normal(source).as_deref(), Some(expected), "{source}");
    }
}

#[test]
fn comments_that_could_be_read_in_two_ways_stay() {
    for source in ["echo a \\\n# not a comment of its own\n", "echo a\n# use `x`\n", "x=$(echo a # b\n)\n"] {
        let kept = normal(source).unwrap_or_else(|| source.to_owned());
        assert!(kept.contains("# not") || kept.contains("`x`") || kept.contains("# b"), "{kept}");
    }
    // The words ` #` and `a`, though the parser sees a comment.
    assert_eq!(normal("echo \\ # a\n"), None);
}

#[test]
fn what_does_not_parse_counts_byte_for_byte() {
    for source in ["if a; then", "echo 'a", "a ( b", "x\0", "cat <<A <<B <<C <<D <<E\n", "case x in"] {
        assert_eq!(normal(source), None, "{source:?}");
    }
    assert_eq!(Shell.parse(b"echo \xff # a").normal, None);
    let long = format!("cat <<{}\n", "E".repeat(2000));
    assert_eq!(normal(&long), None);
}

#[test]
fn scripts_that_read_themselves_are_exact() {
    for source in [
        "echo $LINENO",
        "sed -n 's/^## //p' \"$0\"",
        "cat $0",
        "self=$0",
        "tail -n +10 \"${BASH_SOURCE[0]}\"",
        "echo $0 | xargs cat",
        "cat \"$(echo $0)\"",
        "set -ev",
        "set -o verbose",
        "caller",
        "PS4='+$LINENO '",
        "exec bash \"$0\" again",
        "typeset -f f",
    ] {
        assert!(Shell.parse(source.as_bytes()).exact, "{source}");
        assert_eq!(normal(source), None, "{source}");
    }
    for source in [
        "echo \"usage: $0 FILE\"",
        "cd \"$(dirname \"$0\")\"",
        "echo ${0##*/}",
        "[[ ${BASH_SOURCE[0]} == \"$0\" ]]",
        "cat <<E\nusage: $0\nE\n",
        ". \"${BASH_SOURCE%/*}/x\"",
        "set -eu",
    ] {
        assert!(!Shell.parse(source.as_bytes()).exact, "{source}");
    }
}

#[test]
fn sourced_files_are_found() {
    let directory = |path: &str| Import::FileFromDirectory(path.as_bytes().to_vec());
    let source = |path: &str| Import::FileFromSource(path.as_bytes().to_vec());
    let entry = |path: &str| Import::FileFromEntry(path.as_bytes().to_vec());
    for (script, expected) in [
        (". ./a.sh", directory("./a.sh")),
        ("source 'lib/a.sh'", directory("lib/a.sh")),
        ("source a.sh", Import::Specifier("a.sh".to_owned())),
        (". \"$(dirname \"$0\")/a.sh\"", entry("a.sh")),
        (". $(dirname -- \"${BASH_SOURCE[0]}\")/lib/a.sh", source("lib/a.sh")),
        ("source \"${BASH_SOURCE%/*}/a.sh\"", source("a.sh")),
        ("D=\"$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)\"\n. \"$D/a.sh\"", source("a.sh")),
        ("D=$(dirname $0)\n. ${D}/a.sh", entry("a.sh")),
    ] {
        let parsed = Shell.parse(script.as_bytes());
        assert_eq!(parsed.imports, [expected], "{script}");
        assert!(!parsed.computed_imports, "{script}");
    }
    for script in [". $x", "source \"$(which a)\"", ". ~/a", "eval \"$x\"", ". \"$(dirname \"$0\")/$x\""] {
        let parsed = Shell.parse(script.as_bytes());
        assert!(parsed.computed_imports && parsed.imports.is_empty(), "{script}");
    }
}

#[test]
fn variables_that_are_not_assigned_first_are_asked_for() {
    let asked = |source: &str| {
        let parsed = Shell.parse(source.as_bytes());
        let names = parsed.variables.iter().map(|name| String::from_utf8(name.clone()).unwrap());
        (names.collect::<Vec<_>>().join(" "), parsed.whole_environment)
    };
    for (source, names) in [
        ("echo $A ${B:-x} \"$C\"", "A B C"),
        ("A=1\necho $A", ""),
        ("echo $A\nA=1", "A"),
        ("A=$A:x", "A"),
        ("if x; then A=1; fi\necho $A", "A"),
        ("x && A=1\necho $A", "A"),
        ("for i in 1 2; do echo $i; done", ""),
        ("for i in $L; do :; done; echo $i", "L i"),
        ("while read -r line; do echo $line; done", ""),
        ("f() { local x=1; echo $x $Y; }", "Y"),
        ("A=1 cmd; echo $A", "A"),
        ("A+=x", "A"),
        ("export A", "A"),
        ("export A=1; echo $A", ""),
        ("echo $1 $@ $# $?", ""),
        ("printenv HOME", "HOME"),
        ("echo $((N + 1))", "N"),
    ] {
        assert_eq!(asked(source), (names.to_owned(), false), "{source}");
    }
    for source in
        ["env", "env | sort", "export -p", "printenv", "set", "echo ${!name}", "declare -x", "envsubst <x"]
    {
        assert!(asked(source).1, "{source}");
    }
    assert!(!asked("env A=1 cmd").1);
}

#[test]
fn functions_are_pieces() {
    let names = |source: &str| {
        Shell.pieces(source.as_bytes()).into_iter().map(|piece| piece.name).collect::<Vec<_>>()
    };
    assert_eq!(names("a\nN=1\nf() { b; }\nfunction g { c; }\n"), ["", "N", "f", "g"]);
    let piece = |source: &str| Shell.pieces(source.as_bytes()).pop().unwrap().bytes;
    assert_eq!(piece("f() {\n# x\nb\n}"), piece("f() {\nb\n}"));
    assert_ne!(piece("f() {\nc\n}"), piece("f() {\nb\n}"));
}

#[test]
fn deep_nesting_neither_overflows_nor_parses() {
    for source in [
        "$(".repeat(50_000),
        format!("{}a{}", "( ".repeat(20_000), " )".repeat(20_000)),
        format!("{}a{}", "{ ".repeat(5_000), "; }".repeat(5_000)),
        "if a; then ".repeat(10_000),
        "<<E ".repeat(1000),
        "${a:-".repeat(10_000),
    ] {
        assert_eq!(normal(&source), None, "{source:.20}");
    }
}

mod any_bytes {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Shell.parse(&bytes);
            let _ = Shell.pieces(&bytes);
        }

        #[test]
        fn never_panic_as_tokens(words in proptest::collection::vec(
            proptest::sample::select(vec!["if ", "then ", "fi", ";", "\n", "$(", ")", "'", "\"", "<<E", "<<-'E'", "E\n", "#", "\\",
                "case x in ", "esac", "$x", "${", "}", "`", "f()", "{", "|", "&", "((", "))", "[[", "]]", " ", "é", "\t", "=", "!", "*("]), 0..60)) {
            let _ = Shell.parse(words.concat().as_bytes());
        }
    }
}
