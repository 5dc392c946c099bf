//! Random results, recorded and replayed: every byte of both streams, their order, the status, and the tree with odd
//! names, modes and links.

use crate::project::{Project, remove};
use crate::scale::{Random, Tally, scaled, seed, shared};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Number of cases per project.
const CASES: usize = 50;

/// Names that have caused bugs in programs.
const NAMES: &[&[u8]] = &[
    b"plain",
    b" ",
    b"-rf",
    b"--",
    b"new\nline",
    b"tab\there",
    b"quote'\"",
    b"back\\slash",
    b"$HOME",
    b"*",
    b"[x]",
    b"...",
    b".hidden",
    b"\xff\xfe",
    b"\xc3\xa4",
    b"a\xcc\x88",
    b"\x01\x1b[31m",
    b".cashet-like",
    b"cashet:@",
    b"CON",
];

#[test]
fn what_is_replayed_is_what_was() {
    let cases = scaled(150, 5000);
    let tally = Tally::default();
    shared(
        cases / CASES,
        || (),
        |(), number| {
            let project = Project::new();
            for case in 0..CASES {
                if !tally.is_hopeless() {
                    tally.trial();
                    let case = number * CASES + case;
                    if let Some(wrong) = wrong_case(&project, case) {
                        tally.wrong(format!("case {case}: {wrong}"));
                    }
                }
            }
        },
    );
    assert!(tally.trials() >= cases);
    tally.judge("replays");
}

fn wrong_case(project: &Project, case: usize) -> Option<String> {
    let mut random = Random::new(seed().wrapping_add(case as u64));
    let status = case % 256;
    let streams = write_case(project, status, &mut random);
    let words = ["exec", "--cache-exit", "0-255", "--", "sh", "case.sh"];
    // Both streams in one pipe: a replay has the order of the run.
    let run = || {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command: Command = project.command(&words);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = command.spawn().unwrap();
        drop(command);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        (bytes, child.wait().unwrap().code())
    };
    let before = project.executions();
    let first = run();
    let tree = tree_of(&project.path("made"));
    remove(&project.path("made"));
    let second = run();
    let restored = tree_of(&project.path("made"));
    remove(&project.path("made"));
    let apart = project.command(&words).stdin(Stdio::null()).output().unwrap();
    let third = tree_of(&project.path("made"));
    remove(&project.path("made"));
    let ran = project.executions() - before;
    if ran != 1 {
        return Some(format!("ran {ran} times: {}", String::from_utf8_lossy(&apart.stderr)));
    }
    if first.1 != i32::try_from(status).ok() || second.1 != first.1 || apart.status.code() != first.1 {
        return Some(format!("status {status}: {:?}, {:?}, {}", first.1, second.1, apart.status));
    }
    if first.0 != second.0 {
        return Some(format!("{} bytes of both streams, then {}", first.0.len(), second.0.len()));
    }
    if apart.stdout != streams.0 || apart.stderr != streams.1 {
        return Some(format!("{} and {} bytes, not those written", apart.stdout.len(), apart.stderr.len()));
    }
    if tree != restored || tree != third {
        return Some(format!("made {tree:?}\nrestored {restored:?}\nthen {third:?}"));
    }
    (tree.len() < 2).then(|| "the script made nothing".to_owned())
}

/// Writes the script and its input; returns both streams.
fn write_case(project: &Project, status: usize, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let mut script = b"echo x >> \"$COUNTER\"\nmkdir made\n".to_vec();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for piece in 0..random.below(6) {
        let size = *random.pick(&[0, 1, 100, 5000, 70_000]);
        let bytes = if random.chance(1, 3) { vec![b'a'; size] } else { random.bytes(size) };
        project.write(&format!("piece{piece}"), &bytes);
        let to_stderr = random.chance(1, 3);
        if to_stderr { &mut stderr } else { &mut stdout }.extend_from_slice(&bytes);
        let redirection = if to_stderr { " >&2" } else { "" };
        script.extend_from_slice(format!("cat piece{piece}{redirection}\n").as_bytes());
    }
    let mut directories = vec![b"made".to_vec()];
    let mut taken: Vec<Vec<u8>> = Vec::new();
    let mut files: Vec<Vec<u8>> = Vec::new();
    for _ in 0..=random.below(7) {
        let mut path = random.pick(&directories).clone();
        path.push(b'/');
        path.extend_from_slice(&name(random));
        if taken.contains(&path) {
            continue;
        }
        taken.push(path.clone());
        let quoted = quoted(&path);
        match random.below(4) {
            0 => {
                script.extend([&b"mkdir "[..], &quoted, b"\n"].concat());
                directories.push(path);
            }
            1 => {
                let text = name(random);
                script.extend([&b"ln -s -- "[..], &self::quoted(&text), b" ", &quoted, b"\n"].concat());
            }
            kind => {
                let size = if kind == 2 { 0 } else { random.below(9000) };
                let mode = format!("{:o}", 0o400 | (random.next() & 0o777));
                script.extend([&format!("head -c {size} big > ").into_bytes()[..], &quoted, b"\n"].concat());
                if random.chance(1, 4) {
                    let hole = random.below(3 << 20);
                    script
                        .extend([&format!("truncate -s +{hole} ").into_bytes()[..], &quoted, b"\n"].concat());
                }
                script.extend([&format!("chmod {mode} ").into_bytes()[..], &quoted, b"\n"].concat());
                files.push(path);
            }
        }
    }
    for number in 0..random.below(3) {
        let Some(file) = files.get(random.below(files.len().max(1))) else { break };
        let name = [random.pick(&directories), format!("/link{number}").as_bytes()].concat();
        script.extend([b"ln -- ", &quoted(file)[..], b" ", &quoted(&name), b"\n"].concat());
    }
    for _ in 0..random.below(4) {
        let made: Vec<&Vec<u8>> = files.iter().chain(&directories).collect();
        let chosen: &&Vec<u8> = random.pick(&made);
        let path = quoted(chosen);
        let seconds = random.next() % 1_500_000_000;
        let nanoseconds = random.next() % 1_000_000_000;
        let time = format!("touch -d @{seconds}.{nanoseconds:09} ");
        script.extend([time.as_bytes(), &path, b"\n"].concat());
    }
    if random.chance(1, 8) && !files.is_empty() {
        let value = random.next() % 1000;
        let code = format!("import os, sys; os.setxattr(sys.argv[1], \"user.a\", b\"{value}\")");
        let file = quoted(random.pick::<Vec<u8>>(&files));
        script.extend([b"python3 -c '", code.as_bytes(), b"' ", &file, b" 2> /dev/null\n"].concat());
    }
    script.extend_from_slice(format!("exit {status}\n").as_bytes());
    project.write("case.sh", script);
    (stdout, stderr)
}

fn name(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => {
            let length = *random.pick(&[1, 2, 30, 255]);
            let allowed = |byte: u8| if matches!(byte, 0 | b'/') { b'_' } else { byte };
            // A name that consists only of dots has a special meaning.
            let mut name: Vec<u8> = random.bytes(length).into_iter().map(allowed).collect();
            name[0] = b'n';
            // A name that ends like an editor's backup is not an output.
            name[length - 1] = b'n';
            name
        }
        _ => random.pick(NAMES).to_vec(),
    }
}

fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = b"'".to_vec();
    for byte in bytes {
        if *byte == b'\'' {
            quoted.extend_from_slice(b"'\\''");
        } else {
            quoted.push(*byte);
        }
    }
    quoted.push(b'\'');
    quoted
}

/// Type, mode, content, time if it is old, attribute, and the first other name of everything below.
fn tree_of(path: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut tree = BTreeMap::new();
    let mut names = HashMap::new();
    describe(path, &mut tree, &mut names);
    tree
}

fn describe(path: &Path, tree: &mut BTreeMap<Vec<u8>, String>, names: &mut HashMap<u64, Vec<u8>>) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    let mut content = Vec::new();
    if metadata.is_symlink() {
        content = fs::read_link(path).unwrap().into_os_string().into_vec();
    } else if metadata.is_file() {
        File::open(path).unwrap().read_to_end(&mut content).unwrap();
    } else {
        let mut entries: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for entry in &entries {
            describe(entry, tree, names);
        }
    }
    let own = path.as_os_str().as_bytes().to_vec();
    let mode = if metadata.is_symlink() { 0o120_000 } else { metadata.mode() };
    let old = metadata.mtime() < 1_500_000_000;
    let time = if old { (metadata.mtime(), metadata.mtime_nsec()) } else { (0, 0) };
    let first = if metadata.is_file() {
        names.entry(metadata.ino()).or_insert_with(|| own.clone()).clone()
    } else {
        own.clone()
    };
    let room = metadata.blocks() * 512 < metadata.len() / 2;
    let mut value = [0; 16];
    let attribute =
        rustix::fs::lgetxattr(path, "user.a", &mut value[..]).map(|length| value[..length].to_vec());
    let digest = blake3::hash(&content);
    let bytes = (content.len(), digest.to_string());
    tree.insert(
        own,
        format!("{mode:o} {bytes:?} {time:?} {} {room} {:?}", first.escape_ascii(), attribute.ok()),
    );
}
