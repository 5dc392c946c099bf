//! Remembered captures, and when they are trusted.

use super::*;

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

    // Touched without a change: renewed immediately, and not again.
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
    // The run's own outputs, and files that no input or pattern matches, change nothing.
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
fn secrets_are_distinguished_and_never_written() {
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
fn a_damaged_memory_is_forgotten_not_believed() {
    let sandbox = Sandbox::new();
    let request = sandbox.request(&["true"]);
    let key = sandbox.key(&request);
    let id = request_id(&request, &|| sandbox.memory.secret());
    let whole = sandbox.memory.find(&id).unwrap();
    for length in 0..whole.len() {
        sandbox.memory.remember(&id, &whole[..length]);
        assert_eq!(sandbox.recall(&request), None, "{length}");
    }
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        sandbox.memory.remember(&id, &bytes);
        // The store verifies the bytes; here nothing may panic.
        let _ = sandbox.recall(&request);
    }
    assert_eq!(sandbox.key(&request), key);
}

/// A small deterministic generator, so that a failing sequence can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[test]
fn whatever_changes_the_remembered_key_is_that_of_a_fresh_capture() {
    let names = ["d/a", "d/b", "d/c/e", "d/__pycache__/x", "top.txt", "s.sh", "bin/cat", "l"];
    let contents = ["", "1", "2", "x\n"];
    let mut hits = 0;
    for seed in 0..4 {
        let mut sandbox = Sandbox::new();
        let mut dice = Dice(seed);
        let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
        sandbox.environment = vec![("PATH".into(), path.into())];
        sandbox.write("s.sh", "cat d/*\n");
        sandbox.write("d/a", "1");
        let mut request = sandbox.request(&["sh", "s.sh"]);
        request.inputs = vec!["d".into(), "*.txt".into(), "s.sh".into(), "l*".into()];
        request.tools = vec!["cat".into()];
        sandbox.write("keep.txt", "kept");
        symlink("d", sandbox.path("link")).unwrap();
        for step in 0..150 {
            let path = sandbox.path(names[dice.roll(names.len())]);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match dice.roll(8) {
                0..3 => drop(fs::write(&path, contents[dice.roll(contents.len())])),
                3 => drop(fs::remove_file(&path)),
                4 => drop(fs::set_permissions(&path, Permissions::from_mode([0o644, 0o755][dice.roll(2)]))),
                5 => drop(fs::rename(&path, sandbox.path(names[dice.roll(names.len())]))),
                6 => drop(symlink(names[dice.roll(names.len())], &path)),
                _ => {
                    // The same time again, regardless of the content.
                    let time = FileTimes::new()
                        .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
                    let file = File::options().write(true).open(&path);
                    drop(file.and_then(|file| file.set_times(time)));
                }
            }
            if dice.roll(20) == 0 {
                std::thread::sleep(Duration::from_millis(30));
            }
            let fresh = capture(&request, &Memory::default());
            let remembered = recall(&request, &sandbox.memory, Timestamp::now()).map(|known| known.key);
            let again = capture(&request, &sandbox.memory);
            match fresh {
                Ok(fresh) => {
                    assert!(remembered.is_none_or(|key| key == fresh.key), "seed {seed}, step {step}");
                    assert_eq!(again.unwrap().key, fresh.key, "seed {seed}, step {step}");
                    hits += usize::from(remembered.is_some());
                }
                Err(_) => assert!(remembered.is_none() && again.is_err(), "seed {seed}, step {step}"),
            }
        }
    }
    assert!(hits > 50, "only {hits} were remembered");
}
