//! docs/cli.md is generated from the parser; docs/json.md documents every field of every printed object.

use super::support::{HOUR, NOON, Run, SECOND, Sandbox, recorded};
use cashet::commands::cli;
use cashet::digest::{BlobId, CommitId, Digest};
use cashet::hash::manifest::{Part, Value as Fact};
use cashet::record::{
    Acceptance, BothEnds, Content, FileState, FoundProgram, Names, Observation, OutputEntry, OutputKind,
    Replay, StdinKind, StdinUse, StoredPath, Termination, Timestamp,
};
use cashet::store::{Event, ResultIndex};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// If set, the documents are written and not compared.
const UPDATE: &str = "CASHET_UPDATE_DOCS";

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

#[test]
fn the_page_on_commands_is_what_the_parser_says() {
    let mut text = String::from(
        "# Commands\n\nThe help of every command, as `cashet COMMAND --help` prints it. This page is written by a test \
         (`CASHET_UPDATE_DOCS=1 cargo test --test commands documents`) and compared by it otherwise.\n",
    );
    let mut root = cli::command().term_width(100);
    root.build();
    let mut section = |name: &str, help: &str| {
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        write!(text, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end()).unwrap();
    };
    section("cashet", &root.render_long_help().to_string());
    for command in root.get_subcommands_mut() {
        let name = format!("cashet {}", command.get_name());
        let mut command = command.clone().term_width(100).bin_name(name.clone());
        section(&name, &command.render_long_help().to_string());
    }
    let path = document("cli.md");
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/cli.md is out of date: {UPDATE}=1 cargo test --test commands documents");
}

/// Content of docs/json.md.
#[derive(Default)]
pub(super) struct Documented {
    /// The fields of every shape, by heading: the first cells of the tables.
    shapes: BTreeMap<String, BTreeSet<String>>,
    /// Fields whose subfields are documented elsewhere ("as in `outputs[].output` of `show --json`").
    references: BTreeMap<(String, String), (String, String)>,
}

impl Documented {
    /// The fields that were printed and are not documented under a heading, and those that are documented and were not
    /// printed.
    pub(super) fn differences(&self, heading: &str, found: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
        let given = self.shapes.get(heading).cloned().unwrap_or_default();
        let references = self.references.iter().filter(|((at, _), _)| at == heading);
        let elsewhere = |field: &String| {
            references.clone().any(|((_, field_here), (other, field_there))| {
                let below = field.strip_prefix(field_here.as_str()).filter(|rest| rest.starts_with('.'));
                below.is_some_and(|rest| self.shapes[other].contains(&format!("{field_there}{rest}")))
            })
        };
        let missing = found.difference(&given).filter(|field| !elsewhere(field)).cloned().collect();
        (missing, given.difference(found).cloned().collect())
    }
}

pub(super) fn documented() -> Documented {
    let text = fs::read_to_string(document("json.md")).unwrap();
    let mut documented = Documented::default();
    let shapes = &mut documented.shapes;
    let mut heading = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut heading);
        } else if let Some(other) = line.strip_prefix("All of `") {
            let fields = shapes[other.split('`').next().unwrap()].clone();
            shapes.entry(heading.clone()).or_default().extend(fields);
        } else if let Some(cell) = line.strip_prefix("| `") {
            let field = cell.split('`').next().unwrap().to_owned();
            if let Some(reference) = line.split("as in `").nth(1) {
                let parts: Vec<&str> = reference.split('`').collect();
                let elsewhere = (parts[2].to_owned(), parts[0].to_owned());
                documented.references.insert((heading.clone(), field.clone()), elsewhere);
            }
            shapes.entry(heading.clone()).or_default().insert(field);
        }
    }
    documented
}

/// The paths of all fields: `outputs[].path`. Names that are data (tags) are not fields.
pub(super) fn fields(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) if at == "tags" || is_of_names(at, object) || object.contains_key("b64") => {}
        Value::Object(object) => {
            for (name, value) in object {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                found.insert(path.clone());
                fields(value, &path, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, &format!("{at}[]"), found)),
        _ => {}
    }
}

/// Whether an object holds parameters or metrics, whose names are data, and not both of two runs.
fn is_of_names(at: &str, object: &serde_json::Map<String, Value>) -> bool {
    ["parameters", "metrics"].iter().any(|name| at.starts_with(name)) && !object.contains_key("before")
}

/// A run with every possible property.
fn everything() -> Run {
    let at = |path: &str| StoredPath::in_root(path);
    let digest = Digest::of(b"x");
    let mut run = Run::new("python3 all.py", HOUR)
        .source("all.py", "print(1)\n", "print(1)")
        .variable("LR", Some("1"))
        .package("numpy", "2.1.0")
        .reading("made", "product\n")
        .writing("file", b"bytes", 0o644)
        .tagged("stage", "all");
    run.accepted =
        Some(Acceptance { of: CommitId(digest), by: b"me".to_vec(), at: NOON, why: b"only a name".to_vec() });
    run.facts.extend([
        (Part::Directory, Fact::Bytes(b".".to_vec())),
        (Part::Shadow(at("os.py")), Fact::Absent),
        (Part::Setting(at("pyvenv.cfg")), Fact::File { executable: false, digest }),
        (Part::Input(at("d")), Fact::Directory),
        (Part::Input(at("l")), Fact::Symlink(b"d".to_vec())),
        (Part::Tool(b"gcc".to_vec()), Fact::Digest(digest)),
        (Part::Stdin, Fact::Digest(digest)),
        (Part::Output(b"dist/**".to_vec()), Fact::Present),
        (Part::Salt, Fact::Bytes(b"v2".to_vec())),
        (Part::Flag("exact-source".to_owned()), Fact::Present),
    ]);
    let state = |state| Observation::State { path: at("p"), follow: true, state };
    run.observations.extend([
        state(FileState::Absent),
        state(FileState::File { mode: 0o644, digest }),
        state(FileState::LargeFile { mode: 0o644, size: 1, modified: NOON }),
        state(FileState::Directory { mode: 0o755 }),
        state(FileState::Symlink { text: b"t".to_vec() }),
        state(FileState::Special { mode: 0o666 }),
        state(FileState::Unreadable { errno: 13 }),
        Observation::Listing { path: at("src"), everything: false, digest },
        Observation::TimeOrder { groups: vec![vec![at("a")], vec![at("b")]] },
        Observation::Modified { path: at("a"), follow: true, time: NOON, changed: NOON },
        Observation::Stdin(StdinUse::Content { offset: 0, digest, left_at: 1 }),
        Observation::Stdin(StdinUse::Place { size: 1, offset: 0 }),
        Observation::StdinKind(StdinKind::Device(7)),
        Observation::StdinTerminal(true),
        Observation::StdinName(b"/dev/null".to_vec()),
        Observation::Descriptor { number: 3, offset: 0, digest },
        Observation::Variable { name: b"LR".to_vec(), value: None },
        Observation::Environment { digest },
        Observation::Umask(0o22),
        Observation::Superuser(false),
        Observation::User { digest },
        Observation::Root(b"/p".to_vec()),
        Observation::RootName(b"p".to_vec()),
        Observation::Unset { names: Names::of(&[b"LR".to_vec()]) },
        Observation::Upward { name: b"tox.ini".to_vec(), found: None },
        Observation::Modules { path: at("src"), digest },
        Observation::Distributions { path: at("src"), digest },
        Observation::Loader { path: at("cache"), names: Names::of(&[b"libm.so.6".to_vec()]), digest },
        Observation::Accounts { path: at("passwd"), ids: vec![0], digest },
        Observation::Search {
            path: digest,
            programs: vec![FoundProgram { name: b"cc".to_vec(), program: None }],
            moved: false,
        },
        Observation::Entries { path: at("src"), aside: Names::of(&[b"__pycache__".to_vec()]), digest },
        Observation::Exists { path: at(".mypy_cache") },
        Observation::Index { path: at(".git/index"), digest },
        Observation::Settled {
            states: vec![BothEnds { path: at("r"), before: FileState::Absent, after: FileState::Absent }],
        },
    ]);
    // The empty blob is in every store.
    let data = Content { blob: BlobId(Digest::of(b"")), size: 0 };
    let hole = OutputKind::Sparse { data, mode: 0o644, size: 1 << 30, extents: Vec::new() };
    run.others = vec![
        OutputEntry::new(b"d", OutputKind::Directory { mode: 0o755 }),
        OutputEntry::new(b"l", OutputKind::Symlink { text: b"d".to_vec() }),
        OutputEntry::new(b"gone", OutputKind::Removed),
        OutputEntry::new(b"hole", hole),
    ];
    run
}

#[test]
fn the_page_on_json_gives_every_field_and_no_other() {
    let (sandbox, _) = recorded();
    let maker = Run::new("python3 make.py", 2 * HOUR).writing("made", b"product\n", 0o644);
    sandbox.record(&maker);
    sandbox.record(&everything());
    let user = Run::new("python3 use.py", SECOND).reading("file", "bytes");
    let mut killed = user.clone();
    killed.termination = Termination::Signaled(9);
    killed.replay = Replay::Never { reason: "failed".to_owned(), detail: "killed by signal 9".to_owned() };
    killed.stdout = b"partly".to_vec();
    sandbox.record(&user);
    sandbox.record(&killed);
    sandbox.store().note(&Event::Missed {
        command: b"date".to_vec(),
        reason: "moment".to_owned(),
        detail: String::new(),
        recorded: false,
        at: Timestamp(NOON.0 - SECOND),
    });
    let documented = documented();
    let mut shapes = BTreeSet::new();
    for (heading, calls) in [
        ("log --json", &[&["log", "--json"][..]][..]),
        ("log --missed --json", &[&["log", "--missed", "--json"]]),
        ("show --json", &[&["show", "all.py", "--json"], &["show", "@", "--json"]]),
        ("diff --json", &[&["diff", "make.py", "all.py", "--json"], &["diff", "all.py", "@", "--json"]]),
        ("history --json", &[&["history", "@", "--json"], &["history", "all.py", "--json"]]),
        ("runs --json", &[&["runs", "--json"], &["runs", "all.py", "@", "--json"]]),
        ("graph --json", &[&["graph", "@", "--json"]]),
        ("stats --json", &[&["stats", "--json"]]),
    ] {
        let mut found = BTreeSet::new();
        for call in calls {
            for line in sandbox.run(call).json() {
                fields(&line, "", &mut found);
            }
        }
        let (missing, extra) = documented.differences(heading, &found);
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{heading}: not documented {missing:?}, not written {extra:?}"
        );
        shapes.insert(heading.to_owned());
    }
    let others: Vec<_> = documented.shapes.keys().filter(|heading| !shapes.contains(*heading)).collect();
    assert_eq!(
        others,
        [
            "accept --json",
            "audit --json",
            "doctor --json",
            "exec --on --report",
            "exec --report",
            "executors --json",
            "map --dry-run --json",
            "map --json",
            "top --json",
            "verify --json",
            "why --json"
        ],
        "these are checked with real commands"
    );
}

#[test]
fn what_real_commands_report_is_documented() {
    let sandbox = Sandbox::new();
    let report = sandbox.path("report.json");
    let cashet = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cashet"));
        command.args(words).current_dir(sandbox.root()).env("HOME", "/nonexistent").output().unwrap()
    };
    fs::write(sandbox.path("in"), "1").unwrap();
    let mut found = BTreeSet::new();
    for words in [
        &["sh", "-c", "cat in > out"][..],
        &["sh", "-c", "cat in > out"],
        &["sh", "-c", "exit 3"],
        &["sh", "-c", "kill -9 $$"],
        &["date"],
        &["/nonexistent/program"],
        &["--input", "nothing", "true"],
    ] {
        let mut call = vec!["exec", "--report", report.to_str().unwrap()];
        call.extend(words);
        cashet(&call);
        fields(&serde_json::from_slice(&fs::read(&report).unwrap()).unwrap(), "", &mut found);
    }
    let known = documented();
    assert_eq!(known.differences("exec --report", &found), (Vec::new(), Vec::new()));
    fs::write(sandbox.path("cashet.toml"), "[executors.here]\nkind = \"launcher\"\nsubmit = \"{cmd}\"\n")
        .unwrap();
    cashet(&["exec", "--report", report.to_str().unwrap(), "--on", "here", "sh", "-c", "exit 4"]);
    fields(&serde_json::from_slice(&fs::read(&report).unwrap()).unwrap(), "", &mut found);
    assert_eq!(known.differences("exec --on --report", &found), (Vec::new(), Vec::new()));
    let mut found = BTreeSet::new();
    fields(&serde_json::from_slice(&cashet(&["executors", "--json"]).stdout).unwrap(), "", &mut found);
    assert_eq!(known.differences("executors --json", &found), (Vec::new(), Vec::new()));
    let mut found = BTreeSet::new();
    for script in ["cat in > out", "cat in; echo 2 > ../elsewhere"] {
        let output = cashet(&["audit", "--ignore-write", "*.log", "--json", "--", "sh", "-c", script]);
        let text = String::from_utf8(output.stderr).unwrap();
        let object = text.lines().find(|line| line.starts_with('{')).unwrap();
        fields(&serde_json::from_str(object).unwrap(), "", &mut found);
    }
    assert_eq!(known.differences("audit --json", &found), (Vec::new(), Vec::new()));
    for (heading, option) in [("map --json", "--quiet"), ("map --dry-run --json", "--dry-run")] {
        let mut found = BTreeSet::new();
        for script in ["echo {n}", "kill -9 $$ # {n}", "date # {n}"] {
            let words = ["map", option, "--json", "-p", "n=1,2", "--allow-net", "--", "sh", "-c", script];
            for line in String::from_utf8(cashet(&words).stdout).unwrap().lines() {
                fields(&serde_json::from_str(line).unwrap(), "", &mut found);
            }
        }
        assert_eq!(known.differences(heading, &found), (Vec::new(), Vec::new()), "{heading}");
    }
    fs::write(sandbox.path("in"), "2").unwrap();
    let command = ["sh", "-c", "cat in > out"];
    for (heading, calls) in [
        ("why --json", &[&["why", "--json", "--"][..]][..]),
        ("accept --json", &[&["accept", "--yes", "--json", "--"], &["accept", "--yes", "--json", "--"]]),
        ("doctor --json", &[&["doctor", "--json"]]),
    ] {
        let mut found = BTreeSet::new();
        for call in calls {
            let words = if heading.starts_with("doctor") { &[][..] } else { &command[..] };
            let output = cashet(&[call, words].concat());
            fields(&serde_json::from_slice(&output.stdout).unwrap(), "", &mut found);
        }
        assert_eq!(known.differences(heading, &found), (Vec::new(), Vec::new()));
    }
}
