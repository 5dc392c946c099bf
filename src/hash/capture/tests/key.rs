//! What changes the key, and what does not.

use super::*;

#[test]
fn each_part_of_a_request_changes_the_key() {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", "echo $1\n");
    sandbox.write("x", "x");
    sandbox.write("sub/x", "x");
    let base = sandbox.request(&["sh", "s.sh", "a b"]);
    let mut keys = vec![("base", sandbox.key(&base))];
    let mut add = |what: &'static str, change: &dyn Fn(&mut Request)| {
        let mut request = base.clone();
        change(&mut request);
        keys.push((what, sandbox.key(&request)));
    };
    let set = |request: &mut Request, name: &str, value: &str| {
        request.environment.push((name.into(), value.into()));
    };
    add("a word", &|request| request.words[2] = "a c".into());
    add("two words", &|request| request.words = ["sh", "s.sh", "a", "b"].map(OsString::from).to_vec());
    add("an empty word", &|request| request.words.push("".into()));
    add("a word that is not text", &|request| {
        request.words[2] = OsString::from(std::ffi::OsStr::from_bytes(b"a\xff"));
    });
    add("an always variable", &|request| set(request, "TZ", "UTC"));
    add("an empty always variable", &|request| set(request, "TZ", ""));
    add("a language's variable", &|request| set(request, "BASH_ENV", "x"));
    add("an unset named variable", &|request| request.variables = vec!["FOO".into()]);
    add("a set named variable", &|request| {
        request.variables = vec!["FOO".into()];
        set(request, "FOO", "");
    });
    add("a matching variable", &|request| {
        request.variables = vec!["FO*".into()];
        set(request, "FOO", "1");
    });
    add("an input", &|request| request.inputs = vec!["x".into()]);
    add("another input of equal content", &|request| request.inputs = vec!["sub/x".into()]);
    add("an input directory", &|request| request.inputs = vec!["sub".into()]);
    add("an output", &|request| request.outputs = vec!["o".into()]);
    add("an output named like the input", &|request| request.outputs = vec!["x".into()]);
    add("a tool", &|request| request.tools = vec!["cat".into()]);
    add("no stdin", &|request| request.stdin = StdinPart::Null);
    add("stdin", &|request| request.stdin = StdinPart::Content(Digest::of(b"x")));
    add("other stdin", &|request| request.stdin = StdinPart::Content(Digest::of(b"y")));
    add("salt", &|request| request.salt = Some("x".into()));
    add("empty salt", &|request| request.salt = Some("".into()));
    add("a strict environment", &|request| request.env_strict = true);
    for (place, (what, key)) in keys.iter().enumerate() {
        for (other, second) in &keys[..place] {
            assert_ne!(key, second, "{what} and {other}");
        }
    }
}

#[test]
fn what_does_not_decide_leaves_the_key() {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", "echo a\n");
    let base = sandbox.request(&["sh", "s.sh"]);
    let key = sandbox.key(&base);
    let mut session = base.clone();
    for (name, value) in [("TERM", "x"), ("SSH_TTY", "y"), ("FOO", "z"), ("GITHUB_RUN_ID", "1")] {
        session.environment.push((name.into(), value.into()));
    }
    assert_eq!(sandbox.key(&session), key);
    sandbox.write("unrelated", "x");
    fs::create_dir(sandbox.path("__pycache__")).unwrap();
    assert_eq!(sandbox.key(&base), key);
    // The same project elsewhere has the same keys.
    let elsewhere = Sandbox::new();
    elsewhere.write("s.sh", "echo a\n");
    assert_eq!(elsewhere.key(&elsewhere.request(&["sh", "s.sh"])), key);
}

#[test]
fn a_reference_counts_by_its_content_not_by_its_place() {
    let sandbox = Sandbox::new();
    let with = |typed: &str, path: &str, digest: &[u8]| {
        let mut request = sandbox.request(&["cat", path]);
        request.references = vec![Reference { word: 1, typed: typed.into(), digest: Digest::of(digest) }];
        let captured = sandbox.capture(&request);
        (captured.key, captured.lineage)
    };
    let first = with("--in=cashet:abcdef12", "--in=/v/1.csv", b"x");
    assert_eq!(with("--in=cashet:@", "--in=/w/2.csv", b"x"), first);
    let other = with("--in=cashet:@", "--in=/w/2.csv", b"y");
    assert!(other.0 != first.0 && other.1 == first.1);
    assert_ne!(with("cashet:@", "/w/2.csv", b"x").0, first.0);
    assert_ne!(with("--in=cashet:@", "--in=/w/2.txt", b"x").0, first.0);
}

#[test]
fn inputs_count_with_kind_mode_and_membership() {
    let sandbox = Sandbox::new();
    sandbox.write("d/a", "a");
    sandbox.write("d/sub/b", "b");
    sandbox.write("outside", "1");
    let mut request = sandbox.request(&["true"]);
    request.inputs = vec!["d".into()];
    let mut seen = vec![sandbox.key(&request)];
    let mut changed = |what: &str| {
        let key = sandbox.key(&request);
        assert!(!seen.contains(&key), "{what}");
        seen.push(key);
    };
    fs::set_permissions(sandbox.path("d/a"), Permissions::from_mode(0o755)).unwrap();
    changed("executable");
    fs::create_dir(sandbox.path("d/empty")).unwrap();
    changed("an empty directory");
    symlink("../outside", sandbox.path("d/link")).unwrap();
    changed("a link");
    sandbox.write("outside", "2");
    changed("what the link leads to");
    symlink("nowhere", sandbox.path("d/dangling")).unwrap();
    changed("a dangling link");
    symlink(".", sandbox.path("d/loop")).unwrap();
    changed("a loop");
    fs::rename(sandbox.path("d/sub/b"), sandbox.path("d/sub/c")).unwrap();
    changed("a name");
    let last = sandbox.key(&request);
    sandbox.write("d/__pycache__/x.pyc", "x");
    sandbox.write("d/.git/HEAD", "x");
    assert_eq!(sandbox.key(&request), last);
}

#[test]
fn patterns_follow_what_joins_and_leaves() {
    let sandbox = Sandbox::new();
    sandbox.write("src/a.c", "a");
    let mut request = sandbox.request(&["true"]);
    request.inputs = vec!["src/**/*.c".into()];
    let first = sandbox.key(&request);
    sandbox.write("src/deep/b.c", "b");
    assert_eq!(sandbox.recall(&request), None);
    let second = sandbox.key(&request);
    assert_ne!(first, second);
    sandbox.write("src/b.h", "h");
    assert_eq!(sandbox.key(&request), second);
    fs::remove_file(sandbox.path("src/deep/b.c")).unwrap();
    assert_eq!(sandbox.key(&request), first);
    // A declared output is not an input, unless it is declared as one too.
    request.outputs = vec!["src/gen.c".into()];
    let without = sandbox.key(&request);
    sandbox.write("src/gen.c", "1");
    assert_eq!(sandbox.key(&request), without);
    request.inputs.push("src/gen.c".into());
    assert_ne!(sandbox.key(&request), without);
}

#[test]
fn words_that_name_files_are_inputs_when_the_run_is_not_watched() {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", "echo a # comment\n");
    for name in ["a", "b", "c", "d"] {
        sandbox.write(name, name);
    }
    let mut request = sandbox.request(&["sh", "s.sh", "a", "--in=b", "@c", "key=@d", "absent", "e"]);
    request.words_are_inputs = true;
    let captured = sandbox.capture(&request);
    let inputs: Vec<String> = captured
        .manifest
        .facts()
        .filter_map(|(part, _)| match part {
            Part::Input(path) => Some(path.shown().display().to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(inputs, ["a", "b", "c", "d"]);
    sandbox.write("e", "new");
    assert_eq!(sandbox.recall(&request), None);
    assert_ne!(sandbox.key(&request), captured.key);
}

#[test]
fn a_declared_output_that_a_word_names_is_not_looked_at() {
    let sandbox = Sandbox::new();
    sandbox.write("a", "a");
    let mut request = sandbox.request(&["cp", "a", "e"]);
    request.words_are_inputs = true;
    request.outputs = vec!["e".into()];
    let captured = sandbox.capture(&request);
    sandbox.write("e", "as large as it may be");
    assert!(sandbox.recall(&request).is_some());
    assert_eq!(sandbox.key(&request), captured.key);
}
