//! Captures of real commands in real directories: what changes the key, what does not, and what is remembered.

use super::*;
use crate::hash::entry::LanguageKind;
use crate::hash::manifest::Value;
use crate::hash::request::{Reference, StdinPart};
use crate::record::Places;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

#[derive(Default)]
struct Memory {
    entries: RefCell<HashMap<RequestId, Vec<u8>>>,
    written: RefCell<usize>,
}

impl Recall for Memory {
    fn find(&self, request: &RequestId) -> Option<Vec<u8>> {
        self.entries.borrow().get(request).cloned()
    }

    fn remember(&self, request: &RequestId, bytes: &[u8]) {
        *self.written.borrow_mut() += 1;
        self.entries.borrow_mut().insert(*request, bytes.to_vec());
    }

    fn forget(&self, request: &RequestId) {
        self.entries.borrow_mut().remove(request);
    }

    fn secret(&self) -> [u8; DIGEST_LENGTH] {
        [7; DIGEST_LENGTH]
    }
}

/// A directory to run commands in, and the environment to run them with.
struct Sandbox {
    directory: tempfile::TempDir,
    memory: Memory,
    environment: Vec<(OsString, OsString)>,
}

impl Sandbox {
    fn new() -> Self {
        let environment = vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())];
        Self { directory: tempfile::tempdir().unwrap(), memory: Memory::default(), environment }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file and makes it old, so that its evidence is trusted.
    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn executable(&self, name: &str, content: &str) -> PathBuf {
        let path = self.write(name, content);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn request(&self, line: &[&str]) -> Request {
        Request {
            words: line.iter().map(OsString::from).collect(),
            references: Vec::new(),
            directory: self.directory.path().to_path_buf(),
            places: Places { root: self.directory.path().to_path_buf(), home: None },
            environment: self.environment.clone(),
            variables: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            tools: Vec::new(),
            stdin: StdinPart::None,
            salt: None,
            exact_source: false,
            env_strict: false,
            words_are_inputs: false,
        }
    }

    fn capture(&self, request: &Request) -> Captured {
        capture(request, &self.memory, Timestamp::now()).unwrap()
    }

    fn key(&self, request: &Request) -> Key {
        self.capture(request).key
    }

    fn recall(&self, request: &Request) -> Option<Key> {
        recall(request, &self.memory, Timestamp::now()).map(|known| known.key)
    }
}

/// Long enough for evidence to be trusted on the file systems that tests run on.
fn settle() {
    std::thread::sleep(Duration::from_millis(2100));
}

#[test]
fn a_remembered_capture_gives_the_key_until_anything_moves() {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", "echo a\n");
    sandbox.write("data/x.csv", "1\n");
    let mut request = sandbox.request(&["sh", "s.sh"]);
    request.inputs = vec!["data".into()];
    settle();
    assert_eq!(sandbox.recall(&request), None);
    let key = sandbox.key(&request);
    let written = *sandbox.memory.written.borrow();
    assert_eq!(sandbox.recall(&request), Some(key));
    assert_eq!(*sandbox.memory.written.borrow(), written, "nothing was renewed");

    // Touched, but equal: renewed at once, and not again.
    let file = File::options().write(true).open(sandbox.path("data/x.csv")).unwrap();
    file.set_times(FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(9))).unwrap();
    settle();
    assert_eq!(sandbox.recall(&request), Some(key));
    assert_eq!(*sandbox.memory.written.borrow(), written + 1);
    assert_eq!(sandbox.recall(&request), Some(key));
    assert_eq!(*sandbox.memory.written.borrow(), written + 1);

    for change in ["content", "new", "script"] {
        match change {
            "content" => sandbox.write("data/x.csv", "2\n"),
            "new" => sandbox.write("data/y.csv", "1\n"),
            _ => sandbox.write("s.sh", "echo b\n"),
        };
        assert_eq!(sandbox.recall(&request), None, "{change}");
        let before = sandbox.memory.entries.borrow().clone();
        assert_ne!(sandbox.key(&request), key, "{change}");
        assert_ne!(*sandbox.memory.entries.borrow(), before);
        assert_eq!(sandbox.recall(&request), Some(sandbox.key(&request)));
    }
}

#[test]
fn same_size_and_time_edits_are_seen() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.request(&["true"]);
    request.inputs = vec!["x".into()];
    let path = sandbox.write("x", "0000");
    let time = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
    let mut last = None;
    for number in 0..200 {
        fs::write(&path, format!("{number:04}")).unwrap();
        File::options().write(true).open(&path).unwrap().set_times(time).unwrap();
        let found = sandbox.recall(&request);
        assert!(found.is_none() || number == 0, "{number}");
        let key = sandbox.key(&request);
        assert_ne!(Some(key), last, "{number}");
        last = Some(key);
    }
}

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
    add("a word that is no text", &|request| {
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
    // A declared output is no input, unless it is named as one.
    request.outputs = vec!["src/gen.c".into()];
    let without = sandbox.key(&request);
    sandbox.write("src/gen.c", "1");
    assert_eq!(sandbox.key(&request), without);
    request.inputs.push("src/gen.c".into());
    assert_ne!(sandbox.key(&request), without);
}

#[test]
fn wrong_calls_are_told_before_the_run() {
    let sandbox = Sandbox::new();
    sandbox.write("plain", "no program");
    let fails = |request: &Request| capture(request, &sandbox.memory, Timestamp::now()).unwrap_err();
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = sandbox.request(&["true"]);
        change(&mut request);
        fails(&request)
    };
    for error in [
        with(&|request| request.inputs = vec!["absent".into()]),
        with(&|request| request.inputs = vec!["*.absent".into()]),
        with(&|request| request.inputs = vec!["".into()]),
        with(&|request| request.outputs = vec!["../x".into()]),
        with(&|request| request.tools = vec!["no-such-tool".into()]),
    ] {
        assert_eq!(error.exec_status(), 125, "{error}");
        assert_eq!(error.command_status(), 2, "{error}");
    }
    assert_eq!(fails(&sandbox.request(&["no-such-program"])).exec_status(), 127);
    assert_eq!(fails(&sandbox.request(&["./absent"])).exec_status(), 127);
    assert_eq!(fails(&sandbox.request(&["./plain"])).exec_status(), 126);
    assert_eq!(fails(&sandbox.request(&["/"])).exec_status(), 126);
    assert_eq!(fails(&sandbox.request(&[""])).exec_status(), 127);
    assert_eq!(program(&sandbox.request(&["no-such-program"])).unwrap_err().exec_status(), 127);
    assert_eq!(program(&sandbox.request(&["true"])).unwrap().path.file_name().unwrap(), "true");
}

#[test]
fn a_program_that_appears_earlier_on_path_is_seen() {
    let mut sandbox = Sandbox::new();
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).unwrap();
    sandbox.environment = vec![("PATH".into(), format!("{}:/usr/bin:/bin", bin.display()).into())];
    let request = sandbox.request(&["true"]);
    let first = sandbox.capture(&request);
    assert!(sandbox.recall(&request).is_some());
    sandbox.executable("bin/true", "#!/bin/sh\nexit 0\n");
    assert!(sandbox.recall(&request).is_none());
    let second = sandbox.capture(&request);
    assert_eq!(second.program, bin.join("true"));
    assert_ne!(second.key, first.key);
}

#[test]
fn scripts_are_found_behind_launchers_and_first_lines() {
    let sandbox = Sandbox::new();
    let script = sandbox.executable("s.sh", "#!/usr/bin/env -S sh -e\necho a\n");
    let moved = sandbox.executable("d/t.sh", "#!/bin/sh\necho b\n");
    for (line, expected, language, direct) in [
        (&["./s.sh", "x"][..], &script, LanguageKind::Shell, true),
        (&["sh", "s.sh"], &script, LanguageKind::Shell, false),
        (&["env", "A=1", "nice", "-n", "1", "sh", "-e", "s.sh"], &script, LanguageKind::Shell, false),
        (&["timeout", "5", "./s.sh"], &script, LanguageKind::Shell, true),
        (&["env", "-C", "d", "sh", "t.sh"], &moved, LanguageKind::Shell, false),
    ] {
        let captured = sandbox.capture(&sandbox.request(line));
        let entry = &captured.command.entry;
        assert_eq!((&entry.what, entry.language), (&What::Script(expected.clone()), language), "{line:?}");
        assert_eq!(entry.executed_directly, direct, "{line:?}");
        let stored = sandbox.request(line).places.store(expected);
        assert!(captured.manifest.get(&Part::Source(stored)).is_some(), "{line:?}");
        assert!(captured.sources.iter().any(|source| source.absolute == *expected), "{line:?}");
    }
    let captured = sandbox.capture(&sandbox.request(&["sh", "-c", "echo a"]));
    assert_eq!(captured.function, b"-c");
    assert_eq!(captured.sources[0].bytes, b"echo a");
}

#[test]
fn a_shim_is_followed_to_what_it_starts() {
    let mut sandbox = Sandbox::new();
    let root = sandbox.path("home/.pyenv");
    let shim = format!(
        "#!/usr/bin/env bash\nprogram=\"${{0##*/}}\"\nexec \"{}/libexec/pyenv\" exec \"$program\" \"$@\"\n",
        root.display()
    );
    sandbox.executable("home/.pyenv/shims/python3", &shim);
    for version in ["3.11.7", "3.12.1", "3.12.10"] {
        sandbox.executable(&format!("home/.pyenv/versions/{version}/bin/python3"), &format!("\0{version}"));
    }
    sandbox.write("home/.pyenv/version", "3.11.7\n");
    sandbox.write("s.py", "print(1)\n");
    sandbox.environment =
        vec![("PATH".into(), format!("{}:/usr/bin:/bin", root.join("shims").display()).into())];
    let real = |sandbox: &Sandbox| {
        let request = sandbox.request(&["python3", "s.py"]);
        let captured = sandbox.capture(&request);
        assert_eq!(captured.program, root.join("shims/python3"));
        assert_eq!(sandbox.recall(&request), Some(captured.key));
        captured.behind_shim.map(|path| path.strip_prefix(&root).unwrap_or(&path).to_path_buf())
    };
    let versions = |version: &str| Some(PathBuf::from(format!("versions/{version}/bin/python3")));
    assert_eq!(real(&sandbox), versions("3.11.7"));
    sandbox.write(".python-version", "# ours\n3.12.1\n");
    assert_eq!(sandbox.recall(&sandbox.request(&["python3", "s.py"])), None);
    assert_eq!(real(&sandbox), versions("3.12.1"));
    sandbox.write(".python-version", "3.12");
    assert_eq!(real(&sandbox), versions("3.12.10"));
    sandbox.environment.push(("PYENV_VERSION".into(), "3.11.7".into()));
    assert_eq!(real(&sandbox), versions("3.11.7"));
    sandbox.environment.pop();
    sandbox.write(".python-version", "no-such:system");
    assert_eq!(real(&sandbox), None);
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
fn after_a_run_what_moved_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", "echo a\n");
    sandbox.write("d/in", "1");
    let mut request = sandbox.request(&["sh", "s.sh"]);
    request.inputs = vec!["d".into(), "*.csv".into()];
    sandbox.write("x.csv", "1");
    request.outputs = vec!["d/out".into(), "both".into()];
    sandbox.write("both", "1");
    request.inputs.push("both".into());
    let captured = sandbox.capture(&request);
    let moved = |captured: &Captured| moved(captured, &request, [7; DIGEST_LENGTH]);
    assert_eq!(moved(&captured), None);
    // The run's own outputs, and what no input or pattern means, move nothing.
    sandbox.write("d/out", "made");
    sandbox.write("log.txt", "made");
    sandbox.write("both", "2");
    assert_eq!(moved(&captured), None);
    sandbox.write("d/in", "2");
    assert_eq!(moved(&captured), Some(sandbox.path("d/in")));
    sandbox.write("d/in", "1");
    assert_eq!(moved(&captured), None);
    sandbox.write("y.csv", "1");
    assert_eq!(moved(&captured), Some(sandbox.path("y.csv")));
    fs::remove_file(sandbox.path("y.csv")).unwrap();
    sandbox.write("s.sh", "echo b\n");
    assert_eq!(moved(&captured), Some(sandbox.path("s.sh")));
}

#[test]
fn secrets_are_told_apart_and_never_written() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.request(&["true"]);
    request.variables = vec!["API_TOKEN".into(), "PLAIN".into()];
    request.environment.push(("API_TOKEN".into(), "hunter2-hunter2".into()));
    request.environment.push(("PLAIN".into(), "visible-visible".into()));
    let captured = sandbox.capture(&request);
    let variable = captured.manifest.get(&Part::Variable(b"API_TOKEN".to_vec()));
    assert!(matches!(variable, Some(Value::Digest(_))));
    for bytes in sandbox.memory.entries.borrow().values() {
        for value in [&b"hunter2-hunter2"[..], b"visible-visible"] {
            assert!(!bytes.windows(value.len()).any(|window| window == value));
        }
    }
    assert_eq!(sandbox.recall(&request), Some(captured.key));
    let mut other = request.clone();
    other.environment[1].1 = "hunter3".into();
    assert_eq!(sandbox.recall(&other), None);
}

#[test]
fn programs_of_the_moment_and_descriptors_by_path_are_told() {
    let sandbox = Sandbox::new();
    sandbox.executable("date", "#!/bin/sh\necho fixed\n");
    let moment = |line: &[&str]| sandbox.capture(&sandbox.request(line)).moment;
    assert_eq!(moment(&["date"]).as_deref(), Some("date"));
    assert_eq!(moment(&["env", "TZ=UTC", "date"]).as_deref(), Some("date"));
    assert_eq!(moment(&["./date"]), None);
    assert_eq!(moment(&["cat", "date"]), None);
    let sensitive = sandbox.capture(&sandbox.request(&["cat", "/dev/fd/63"])).sensitive;
    assert_eq!(sensitive, Some("/dev/fd/63".into()));
    assert!(sandbox.capture(&sandbox.request(&["ls", "-l"])).shows_times);
    assert!(sandbox.capture(&sandbox.request(&["env"])).whole_environment);
    assert!(!sandbox.capture(&sandbox.request(&["env", "true"])).whole_environment);
}

#[test]
fn a_damaged_memory_is_forgotten_not_believed() {
    let sandbox = Sandbox::new();
    let request = sandbox.request(&["true"]);
    let key = sandbox.key(&request);
    let id = request_id(&request);
    let whole = sandbox.memory.find(&id).unwrap();
    for length in 0..whole.len() {
        sandbox.memory.remember(&id, &whole[..length]);
        assert_eq!(sandbox.recall(&request), None, "{length}");
    }
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        sandbox.memory.remember(&id, &bytes);
        // That the bytes are whole is the store's matter; here nothing may panic.
        let _ = sandbox.recall(&request);
    }
    assert_eq!(sandbox.key(&request), key);
}
