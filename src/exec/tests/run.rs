//! What a run passes on, tells the recorder, and says of its end.

use super::*;
use crate::error::Kind;
use crate::exec::{StreamEnd, Unwatched};
use std::io::{SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

watched_or_not!(every_deadly_signal_comes_back_and_kills_a_wrapper_too, memory_stays_flat,);

fn script_file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    write_executable(&path, content);
    path
}

fn failure(program: &Path, words: &[&OsStr]) -> crate::error::Error {
    match run(program, words, Stdin::Null) {
        Ok(ran) => panic!("it ran: {:?}", ran.finished),
        Err(error) => error,
    }
}

#[test]
fn both_streams_are_passed_on_and_told() {
    let ran = shell("echo out; echo err >&2");
    assert_eq!((ran.stdout.as_slice(), ran.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!((ran.told.of(Stream::Stdout), ran.told.of(Stream::Stderr)), (ran.stdout, ran.stderr));
    let finished = ran.finished;
    assert_eq!((finished.stdout, finished.stderr), (StreamEnd::Complete, StreamEnd::Complete));
    assert_eq!((finished.termination, finished.signal), (Termination::Exited(0), None));
    assert_eq!(finished.trace.unwrap_err(), Unwatched::Off);
}

#[test]
fn resources_are_those_of_the_child() {
    let ran = shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.05");
    let taken = ran.finished.resources;
    assert!(taken.wall >= 50_000_000 && taken.user + taken.system > 1_000_000, "{taken:?}");
    assert!(taken.wall > taken.user && taken.peak_memory > 100_000, "{taken:?}");
}

#[test]
fn every_exit_status_comes_back() {
    for status in 0..=255 {
        let ran = shell(&format!("exit {status}"));
        assert_eq!(ran.finished.termination, Termination::Exited(status));
    }
}

fn every_deadly_signal_comes_back_and_kills_a_wrapper_too(watch: WatchMode) {
    let harmless = [17, 18, 19, 20, 21, 22, 23, 28, 32, 33];
    let folder = tempfile::tempdir().unwrap();
    for signal in (1..=64).filter(|signal| !harmless.contains(signal)) {
        let script = format!("kill -{signal} $$");
        assert_eq!(shell(&script).finished.termination, Termination::Signaled(signal));
        let status =
            wrapper(&folder.path().join("report"), watch).args(["sh", "-c", &script]).status().unwrap();
        assert_eq!((status.signal(), status.core_dumped()), (Some(signal), false));
    }
}

#[test]
fn a_hundred_mebibytes_are_the_same_bytes() {
    let mut source = tempfile::NamedTempFile::new().unwrap();
    let mut seed = 1_u64;
    let mut block = vec![0_u8; 1 << 20];
    for _ in 0..100 {
        for bytes in block.chunks_exact_mut(8) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.copy_from_slice(&seed.to_le_bytes());
        }
        source.write_all(&block).unwrap();
    }
    let cat = on_path("cat".as_ref());
    let ran = run(cat, &["cat".as_ref(), source.path().as_os_str()], Stdin::Null).unwrap();
    let expected = fs::read(source.path()).unwrap();
    assert!(ran.stdout == expected, "other bytes were passed on");
    assert!(ran.told.of(Stream::Stdout) == expected, "other bytes were told");
}

fn memory_stays_flat(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let mut command = wrapper(&path, watch);
    command.args(["head", "-c", "200000000", "/dev/zero"]).stdout(Stdio::null());
    assert!(command.status().unwrap().success());
    let text = report(&path);
    let kibibytes = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    // The pages of the test binary itself are not memory that grows with the output.
    let peak = kibibytes("VmHWM:").saturating_sub(kibibytes("RssFile:"));
    assert!(peak < 4 * 1024, "{text}");
}

/// Lets the child go on, by a line in a pipe, when it was told of a chunk.
struct Answering {
    told: Told,
    answers: File,
}

impl Recorder for Answering {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        self.told.chunk(stream, bytes);
        self.answers.write_all(b"\n").unwrap();
    }
}

#[test]
fn the_order_of_the_two_streams_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    make_fifo(&fifo);
    let answers = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let mut recorder = Answering { told: Told::default(), answers };
    let script = r#"exec 9<"$0"; for i in 1 2 3 4 5; do
        printf o$i; read x <&9; printf e$i >&2; read x <&9; printf f$i >&2; read x <&9; done"#;
    let null = File::options().write(true).open("/dev/null").unwrap();
    let words = ["sh".as_ref(), "-c".as_ref(), script.as_ref(), fifo.as_os_str()].map(OsString::from);
    let environment = environment();
    let spec = spec(Path::new("/bin/sh"), &words, &environment, null.as_fd());
    Unix.run(spec, &mut recorder, &mut Nobody).unwrap();
    let mut expected = Vec::new();
    for i in 1..=5 {
        expected.push((Stream::Stdout, format!("o{i}").into_bytes()));
        expected.push((Stream::Stderr, format!("e{i}").into_bytes()));
        expected.push((Stream::Stderr, format!("f{i}").into_bytes()));
    }
    assert_eq!(recorder.told.0, expected);
}

#[test]
fn a_child_that_closes_its_streams_is_waited_for() {
    let ran = shell("exec >&- 2>&-; sleep 0.2; exit 7");
    assert_eq!(ran.finished.termination, Termination::Exited(7));
    assert_eq!(ran.finished.stdout, StreamEnd::Complete);
    assert!(ran.finished.resources.wall >= 200_000_000);
}

#[test]
fn stdin_can_be_nothing_or_a_file_from_its_offset() {
    assert_eq!(shell("cat; echo end").stdout, b"end\n");
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"first second").unwrap();
    file.seek(SeekFrom::Start(6)).unwrap();
    let ran = run(on_path("cat".as_ref()), &["cat".as_ref()], Stdin::File(file)).unwrap();
    assert_eq!(ran.stdout, b"second");
}

#[test]
fn words_are_bytes_and_the_first_is_as_typed() {
    let odd = OsStr::from_bytes(b"a\xff\xfe b\n");
    let words =
        ["odd name".as_ref(), "-c".as_ref(), "printf %s \"$1\"; tr '\\0' ',' </proc/$$/cmdline".as_ref()];
    let words: Vec<&OsStr> = words.into_iter().chain(["zero".as_ref(), odd]).collect();
    let ran = run("/bin/sh", &words, Stdin::Null).unwrap();
    assert!(ran.stdout.starts_with(odd.as_bytes()), "{:?}", ran.stdout);
    assert!(ran.stdout[odd.len()..].starts_with(b"odd name,-c,"), "{:?}", ran.stdout);
    let error = failure(Path::new("/bin/sh"), &["sh".as_ref(), OsStr::from_bytes(b"a\0b")]);
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn the_environment_is_exactly_the_given_one() {
    let given: [(OsString, OsString); 2] =
        [("A".into(), OsStr::from_bytes(b"\xff=x").into()), ("EMPTY".into(), OsString::new())];
    let mut told = Told::default();
    let null = File::options().write(true).open("/dev/null").unwrap();
    let (program, words) = (on_path("env".as_ref()), ["env".into()]);
    let spec = spec(&program, &words, &given, null.as_fd());
    Unix.run(spec, &mut told, &mut Nobody).unwrap();
    assert_eq!(told.of(Stream::Stdout), b"A=\xff=x\nEMPTY=\n");
}

#[test]
fn a_text_file_without_a_first_line_for_the_system_is_run_by_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let script = script_file(folder.path(), "plain", b"echo \"$0 $1\"; exit 4\n");
    let ran = run(&script, &["typed".as_ref(), "one".as_ref()], Stdin::Null).unwrap();
    assert_eq!(ran.stdout, format!("{} one\n", script.display()).as_bytes());
    assert_eq!(ran.finished.termination, Termination::Exited(4));
    let empty = script_file(folder.path(), "empty", b"");
    assert_eq!(
        run(&empty, &["e".as_ref()], Stdin::Null).unwrap().finished.termination,
        Termination::Exited(0)
    );
}

#[test]
fn what_cannot_be_started_says_which_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let word: &[&OsStr] = &["word".as_ref()];
    let missing = folder.path().join("missing");
    let error = failure(&missing, word);
    assert_eq!(error.kind(), Kind::CommandNotFound);
    assert_eq!(error.to_string(), format!("cannot run {}: No such file or directory", missing.display()));

    let no_interpreter = script_file(folder.path(), "script", b"#!/no/such/interpreter\n");
    let error = failure(&no_interpreter, word);
    assert_eq!(error.kind(), Kind::CommandNotFound);
    assert!(error.hint().unwrap().contains("interpreter"));

    let error = failure(folder.path(), word);
    assert_eq!(error.kind(), Kind::NotExecutable);
    assert!(error.to_string().ends_with("Is a directory"), "{error}");

    let plain = folder.path().join("not-executable");
    fs::OpenOptions::new().create_new(true).write(true).mode(0o644).open(&plain).unwrap();
    assert_eq!(failure(&plain, word).kind(), Kind::NotExecutable);

    let garbage = script_file(folder.path(), "garbage", b"\x01\x02\0\x03 echo no\n");
    assert_eq!(failure(&garbage, word).kind(), Kind::NotExecutable);

    let below_a_file = plain.join("below");
    assert_eq!(failure(&below_a_file, word).kind(), Kind::NotExecutable);

    let huge = OsString::from("x".repeat(200_000));
    let error = failure(Path::new("/bin/echo"), &["echo".as_ref(), &huge]);
    assert_eq!(error.kind(), Kind::NotExecutable);
    assert!(error.to_string().contains("rgument list too long"), "{error}");
}
