//! The words of each kind of change.

use super::*;
use crate::digest::Digest;
use crate::hash::manifest::Manifest;

fn digest(text: &str) -> Value {
    Value::Digest(Digest::of(text.as_bytes()))
}

fn file(text: &str, executable: bool) -> Value {
    Value::File { executable, digest: Digest::of(text.as_bytes()) }
}

fn python(text: &str) -> Value {
    Value::Source { form: "python-1".to_owned(), digest: Digest::of(text.as_bytes()) }
}

fn words_of(older: &[(Part, Value)], newer: &[(Part, Value)]) -> Vec<String> {
    let manifest = |facts: &[(Part, Value)]| {
        let mut manifest = Manifest::default();
        for (part, value) in facts {
            manifest.set(part.clone(), value.clone());
        }
        manifest
    };
    let pieces = |path: &StoredPath, _: &str| match path.rest() {
        b"train.py" => vec!["function train".to_owned()],
        _ => Vec::new(),
    };
    let words = [b"python3".to_vec(), b"train.py".to_vec()];
    let background = Background {
        words: &words,
        pieces: &pieces,
        there: &|path| (path.rest() != b"then.csv").then(|| path.rest() == b"kept.csv"),
    };
    phrases(&manifest(newer).diff(&manifest(older)), background)
}

fn at(path: &str) -> StoredPath {
    StoredPath::in_root(path)
}

#[test]
fn every_part_has_its_words() {
    let version = |text: &str| Value::Version(text.to_owned());
    let bytes = |text: &str| Value::Bytes(text.into());
    let requests = || Part::Package("python".to_owned(), "requests".to_owned());
    let cases = [
        (
            Part::Source(at("train.py")),
            Some(python("a")),
            Some(python("b")),
            "train.py changed (function train)",
        ),
        (Part::Source(at("util.py")), Some(python("a")), Some(python("b")), "util.py changed"),
        (Part::Source(at("util.py")), None, Some(python("b")), "util.py is now part of the code"),
        (Part::Source(at("util.py")), Some(python("b")), None, "util.py is no longer part of the code"),
        (
            Part::Source(at("util.py")),
            Some(python("a")),
            Some(Value::Source { form: "raw".to_owned(), digest: Digest::of(b"a") }),
            "util.py is compared as raw, was python-1",
        ),
        (Part::Variable(b"LR".to_vec()), Some(digest("1")), Some(digest("2")), "LR changed"),
        (Part::Variable(b"LR".to_vec()), Some(Value::Absent), Some(digest("2")), "LR set"),
        (Part::Variable(b"LR".to_vec()), Some(digest("1")), Some(Value::Absent), "LR unset"),
        (Part::Variable(b"LR".to_vec()), None, Some(digest("1")), "LR counts now"),
        (Part::Variable(b"TZ".to_vec()), None, Some(digest("1")), "TZ set"),
        (Part::Variable(b"NODE_ENV".to_vec()), Some(digest("1")), None, "NODE_ENV unset"),
        (requests(), Some(version("2.31")), Some(version("2.32")), "requests 2.31 → 2.32"),
        (requests(), None, Some(version("2.32")), "requests 2.32 appeared"),
        (requests(), Some(version("2.31")), None, "requests 2.31 is gone"),
        (Part::Word(3), Some(bytes("0.01")), Some(bytes("0.02")), "argument 3 changed (0.01 → 0.02)"),
        (Part::Word(3), None, Some(bytes("a b")), "argument 3 added ('a b')"),
        (Part::Word(3), Some(digest("1")), Some(bytes("x")), "argument 3 changed"),
        (Part::Input(at("config.yaml")), None, Some(file("a", false)), "config.yaml is a new input"),
        (Part::Input(at("config.yaml")), Some(file("a", false)), None, "config.yaml is gone"),
        (Part::Input(at("kept.csv")), Some(file("a", false)), None, "kept.csv is no longer declared"),
        (Part::Input(at("then.csv")), Some(file("a", false)), None, "then.csv is no longer an input"),
        (Part::Setting(at("uv.lock")), None, Some(file("a", false)), "uv.lock appeared"),
        (Part::Input(at("x")), Some(file("a", false)), Some(file("b", false)), "x changed"),
        (Part::Input(at("x")), Some(file("a", false)), Some(file("a", true)), "x became executable"),
        (Part::Input(at("x")), Some(file("a", true)), Some(Value::Directory), "x became a directory"),
        (Part::Program(0), Some(digest("1")), Some(digest("2")), "program python3 changed"),
        (Part::Tool(b"gcc".to_vec()), Some(digest("1")), Some(digest("2")), "tool gcc changed"),
        (Part::Stdin, Some(digest("1")), Some(digest("2")), "standard input changed"),
        (Part::Shadow(at("yaml.py")), None, Some(Value::Absent), "yaml.py: its existence counts now"),
        (Part::Salt, None, Some(bytes("v2")), "salt v2 given"),
        (Part::Directory, Some(bytes("a")), Some(bytes("b")), "directory a → b"),
        (Part::Output(b"dist/**".to_vec()), None, Some(Value::Present), "dist/** is declared as output"),
        (Part::Flag("env-strict".to_owned()), None, Some(Value::Present), "--env-strict given"),
        (
            Part::Flag("declared-only".to_owned()),
            Some(Value::Present),
            None,
            "the earlier run was not watched",
        ),
        (
            Part::Shadow(at("yaml.py")),
            Some(Value::Absent),
            Some(Value::Present),
            "yaml.py appeared and would be imported",
        ),
    ];
    for (part, before, after, expected) in cases {
        let fact =
            |value: Option<Value>| value.map(|value| (part.clone(), value)).into_iter().collect::<Vec<_>>();
        assert_eq!(words_of(&fact(before), &fact(after)), [expected]);
    }
}

#[test]
fn code_comes_first_and_moved_arguments_are_one_phrase() {
    let word = |place, text: &str| (Part::Word(place), Value::Bytes(text.into()));
    let older = [word(2, "a"), word(3, "b"), word(4, "c"), (Part::Source(at("train.py")), python("1"))];
    let newer =
        [word(2, "x"), word(3, "a"), word(4, "b"), word(5, "c"), (Part::Source(at("train.py")), python("2"))];
    assert_eq!(words_of(&older, &newer), ["train.py changed (function train)", "4 arguments changed"]);
    let looked_for = |name: &str| (Part::Shadow(at(name)), Value::Absent);
    let newer = [looked_for("yaml.py"), (Part::Source(at("x.py")), python("1"))];
    assert_eq!(words_of(&[looked_for("json.py")], &newer), ["x.py is now part of the code"]);
}

#[test]
fn a_value_is_named_by_its_option() {
    let word = |place, text: &str| (Part::Word(place), Value::Bytes(text.into()));
    let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    let change = |line: &str, place, was: &str, is: &str| {
        let manifest = |value| {
            let mut manifest = Manifest::default();
            let (part, value) = word(place, value);
            manifest.set(part, value);
            manifest
        };
        let background = Background { words: &words(line), pieces: &no_pieces, there: &not_of_now };
        phrases(&manifest(is).diff(&manifest(was)), background)
    };
    assert_eq!(change("train.py --lr 0.1", 2, "0.01", "0.1"), ["--lr 0.01 → 0.1"]);
    assert_eq!(change("train.py --fast --slow", 2, "x", "--slow"), ["argument 2 changed (x → --slow)"]);
    assert_eq!(change("train.py --a=b x", 2, "y", "x"), ["argument 2 changed (y → x)"]);
    assert_eq!(change("train.py x", 1, "y", "x"), ["argument 1 changed (y → x)"]);
}

#[test]
fn names_from_outside_are_escaped() {
    let path = StoredPath::in_root(b"evil\x1b[2J\n".to_vec());
    assert_eq!(words_of(&[], &[(Part::Input(path), file("", false))]), ["evil\\x1b[2J\\n is a new input"]);
}
