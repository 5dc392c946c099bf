//! The dependencies of a result in words, as `show` lists them: the facts of a manifest and the observations of a run. `changes`
//! words the differences of two manifests.

mod shapes;

pub use shapes::{content_json, fact_json, observation_json, output_json, part_json, value_json};

use super::escape;
use super::human;
use crate::hash::manifest::{Part, Value};
use crate::record::{Base, FileState, Observation, StdinUse, StoredPath};
use jiff::tz::TimeZone;
use std::os::unix::ffi::OsStrExt;

/// One line of a list of facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The kind.
    pub kind: &'static str,
    /// The subject, escaped.
    pub subject: String,
    /// The value, escaped.
    pub value: String,
}

fn line(kind: &'static str, subject: impl Into<String>, value: impl Into<String>) -> Line {
    Line { kind, subject: subject.into(), value: value.into() }
}

/// A fact of a manifest in words; `words` are those of the command.
#[must_use]
pub fn fact(part: &Part, value: &Value, words: &[Vec<u8>]) -> Line {
    let (kind, subject) = (kind(part), subject(part));
    let subject = match part {
        Part::Program(place) => {
            let word = words.get(usize::try_from(*place).unwrap_or(usize::MAX));
            word.map_or(subject, |word| escape::word(word).into_owned())
        }
        _ => subject,
    };
    match (part, value) {
        // Only the digest of the word is known.
        (Part::Word(_), Value::Digest(_)) => line(kind, subject, "[redacted]"),
        _ => line(kind, subject, worded(value)),
    }
}

/// An observation in words.
#[must_use]
pub fn observation(observation: &Observation) -> Line {
    match observation {
        Observation::Content { path, digest } => line("read", shown(path), short(&digest.to_hex())),
        Observation::State { path, state: FileState::Absent, .. } => line("absent", shown(path), ""),
        Observation::State { path, follow, state } => {
            line(if *follow { "looked at" } else { "link looked at" }, shown(path), state_worded(state))
        }
        Observation::Listing { path, digest, .. } | Observation::Entries { path, digest, .. } => {
            line("listed", shown(path), short(&digest.to_hex()))
        }
        Observation::TimeOrder { groups } => {
            let files: usize = groups.iter().map(Vec::len).sum();
            line("time order", human::count(u64::try_from(files).unwrap_or(u64::MAX), "file"), "")
        }
        Observation::Around { written, .. } => {
            line("time order", format!("around {}", written.first().map(shown).unwrap_or_default()), "")
        }
        Observation::Modified { path, time, .. } => {
            line("time", shown(path), human::moment(*time, &TimeZone::UTC))
        }
        Observation::Stdin(StdinUse::Content { digest, .. }) => {
            line("standard input", "read", short(&digest.to_hex()))
        }
        Observation::Stdin(StdinUse::Place { size, offset }) => {
            line("standard input", "size and offset", format!("{size} at {offset}"))
        }
        Observation::StdinKind(kind) => line("standard input", "kind", kind.word()),
        Observation::StdinTerminal(is) => {
            line("standard input", "terminal or not", if *is { "a terminal" } else { "no terminal" })
        }
        Observation::StdinName(name) => line("standard input", "name", escape::line(name).into_owned()),
        Observation::Descriptor { number, digest, .. } => {
            line("descriptor", number.to_string(), short(&digest.to_hex()))
        }
        Observation::Variable { name, value } => {
            let value = value.map_or_else(|| "not set".to_owned(), |digest| short(&digest.to_hex()));
            line("variable", escape::line(name), value)
        }
        Observation::Environment { digest } => line("environment", "all of it", short(&digest.to_hex())),
        Observation::Umask(mask) => line("umask", format!("{mask:03o}"), ""),
        Observation::UmaskAtLeast(mask) => line("umask", format!("{mask:03o}"), "or more"),
        Observation::Superuser(is) => line("root", if *is { "yes" } else { "no" }, ""),
        Observation::User { digest } => line("user", "and groups", short(&digest.to_hex())),
        Observation::NotInHome { name } => line("absent", escape::line(name), "in the home of the user"),
        Observation::Root(path) => line("place", escape::line(path), ""),
        Observation::RootName(name) => line("place", format!("…/{}", escape::line(name)), ""),
        Observation::Unset { names } => {
            let names = names.apart();
            let shown: Vec<_> = names.iter().take(3).map(|name| escape::line(name)).collect();
            let more = if names.len() > shown.len() { ", …" } else { "" };
            line("variables", format!("{}{more}", shown.join(", ")), "not set")
        }
        Observation::Toolchain { token } => {
            line("toolchain", escape::line(token), "stands for files of the system")
        }
        Observation::Upward { name, found } => {
            let found = found.as_ref().map_or_else(|| "nowhere".to_owned(), shown);
            line("above", escape::line(name), found)
        }
        Observation::Modules { path, digest } => line("imports from", shown(path), short(&digest.to_hex())),
        Observation::Distributions { path, digest } => {
            line("packages in", shown(path), short(&digest.to_hex()))
        }
        Observation::Loader { names, digest, .. } => {
            let count = u64::try_from(names.apart().len()).unwrap_or(u64::MAX);
            line("library paths", human::count(count, "name"), short(&digest.to_hex()))
        }
        Observation::Accounts { path, digest, .. } => {
            line("accounts in", shown(path), short(&digest.to_hex()))
        }
        Observation::Importable { path, digest, .. } => {
            line("imports from", shown(path), short(&digest.to_hex()))
        }
        Observation::Exists { path } => line("exists", shown(path), "whatever it holds"),
        Observation::Index { path, digest } => {
            line("read, without times", shown(path), short(&digest.to_hex()))
        }
        Observation::Settled { states } => {
            let first = states.first().map(|state| shown(&state.path)).unwrap_or_default();
            line("as found or as left", first, human::count(states.len() as u64, "path"))
        }
        Observation::Network => line("network", "used", ""),
        Observation::Search { programs, .. } => {
            let names: Vec<_> = programs.iter().map(|program| escape::line(&program.name)).collect();
            line("found on PATH", names.join(" "), "")
        }
    }
}

/// Whether an observation is about something outside the project.
#[must_use]
pub fn is_outside(observation: &Observation) -> bool {
    match observation {
        Observation::Content { path, .. }
        | Observation::State { path, .. }
        | Observation::Listing { path, .. }
        | Observation::Importable { path, .. }
        | Observation::Modules { path, .. }
        | Observation::Distributions { path, .. }
        | Observation::Entries { path, .. }
        | Observation::Exists { path }
        | Observation::Index { path, .. }
        | Observation::Modified { path, .. } => path.base() != Base::Root,
        Observation::Loader { .. }
        | Observation::Accounts { .. }
        | Observation::NotInHome { .. }
        | Observation::Upward { .. } => true,
        _ => false,
    }
}

/// The kind of a fact as one word, which is also part of the JSON.
#[must_use]
pub const fn kind(part: &Part) -> &'static str {
    match part {
        Part::Platform => "platform",
        Part::Directory => "directory",
        Part::Word(_) => "word",
        Part::Program(_) => "program",
        Part::Source(_) => "source",
        Part::Shadow(_) => "shadow",
        Part::Package(..) => "package",
        Part::Setting(_) => "setting",
        Part::Variable(_) => "variable",
        Part::Input(_) => "input",
        Part::Tool(_) => "tool",
        Part::Stdin => "stdin",
        Part::Output(_) => "output",
        Part::Salt => "salt",
        Part::Flag(_) => "flag",
    }
}

fn subject(part: &Part) -> String {
    match part {
        Part::Platform | Part::Directory | Part::Stdin | Part::Salt => String::new(),
        Part::Word(place) | Part::Program(place) => place.to_string(),
        Part::Source(path) | Part::Shadow(path) | Part::Setting(path) | Part::Input(path) => shown(path),
        Part::Package(_, name) => escape::line(name.as_bytes()).into_owned(),
        Part::Variable(name) | Part::Tool(name) | Part::Output(name) => escape::line(name).into_owned(),
        Part::Flag(name) if name == "declared-only" => "not watched".to_owned(),
        Part::Flag(name) => format!("--{}", escape::line(name.as_bytes())),
    }
}

fn worded(value: &Value) -> String {
    match value {
        Value::Present => String::new(),
        Value::Absent => "absent".to_owned(),
        Value::Bytes(bytes) => escape::word(bytes).into_owned(),
        Value::Digest(digest) | Value::File { executable: false, digest } => short(&digest.to_hex()),
        Value::Source { form, digest } => {
            format!("{} {}", short(&digest.to_hex()), form_worded(form))
        }
        Value::File { executable: true, digest } => format!("{} executable", short(&digest.to_hex())),
        Value::Directory => "directory".to_owned(),
        Value::Symlink(text) => format!("→ {}", escape::line(text)),
        Value::Version(version) => escape::line(version.as_bytes()).into_owned(),
    }
}

/// The language of a normal form, and whether docstrings count in it; `raw` where the source counts byte for byte.
fn form_worded(form: &str) -> String {
    let language = form.split(' ').next().unwrap_or_default();
    let documented = language == "python" && !form.ends_with("without docstrings");
    let language = escape::line(language.as_bytes());
    if documented { format!("{language} with docstrings") } else { language.into_owned() }
}

fn state_worded(state: &FileState) -> String {
    match state {
        FileState::Absent => "absent".to_owned(),
        FileState::File { mode, digest } => format!("{} file {:04o}", short(&digest.to_hex()), mode & 0o7777),
        FileState::LargeFile { mode, size, .. } => {
            format!("{} file {:04o}", human::size(*size), mode & 0o7777)
        }
        FileState::Directory { mode } => format!("directory {:04o}", mode & 0o7777),
        FileState::Symlink { text } => format!("→ {}", escape::line(text)),
        FileState::Special { mode } => format!("special {mode:o}"),
        FileState::Unreadable { errno } => std::io::Error::from_raw_os_error(*errno).to_string(),
    }
}

fn shown(path: &StoredPath) -> String {
    escape::line(path.shown().as_os_str().as_bytes()).into_owned()
}

fn short(hex: &str) -> String {
    hex.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::record::Timestamp;
    use serde_json::Value as Json;

    fn at(path: &str) -> StoredPath {
        StoredPath::in_root(path)
    }

    fn observations() -> Vec<Observation> {
        let digest = Digest::of(b"x");
        let state = |state| Observation::State { path: at("p"), follow: true, state };
        vec![
            Observation::Content { path: at("data.csv"), digest },
            state(FileState::Absent),
            state(FileState::File { mode: 0o100_644, digest }),
            state(FileState::LargeFile { mode: 0o644, size: 1 << 30, modified: Timestamp(0) }),
            state(FileState::Directory { mode: 0o755 }),
            state(FileState::Special { mode: 0o020_666 }),
            Observation::State {
                path: at("l"),
                follow: false,
                state: FileState::Symlink { text: b"a\n".to_vec() },
            },
            Observation::Listing { path: at("src"), everything: false, digest },
            Observation::TimeOrder { groups: vec![vec![at("a"), at("b")], vec![at("c")]] },
            Observation::Modified { path: at("a"), follow: false, time: Timestamp(0), changed: Timestamp(0) },
            Observation::Stdin(StdinUse::Content { offset: 0, digest, left_at: 3 }),
            Observation::Stdin(StdinUse::Place { size: 9, offset: 2 }),
            Observation::StdinKind(crate::record::StdinKind::Pipe),
            Observation::StdinTerminal(false),
            Observation::StdinName(b"/dev/null".to_vec()),
            Observation::Descriptor { number: 3, offset: 0, digest },
            Observation::Variable { name: b"LR".to_vec(), value: None },
            Observation::Environment { digest },
            Observation::Umask(0o22),
            Observation::UmaskAtLeast(0o22),
            Observation::Superuser(true),
            Observation::Root(b"/home/u/p".to_vec()),
        ]
    }

    #[test]
    fn every_observation_has_words_and_a_shape() {
        let words: Vec<String> = observations()
            .iter()
            .map(observation)
            .map(|line| format!("{}|{}|{}", line.kind, line.subject, line.value))
            .collect();
        insta::assert_snapshot!(words.join("\n"), @r"
        read|data.csv|3ae7d805f678
        absent|p|
        looked at|p|3ae7d805f678 file 0644
        looked at|p|1.0 GiB file 0644
        looked at|p|directory 0755
        looked at|p|special 20666
        link looked at|l|→ a\n
        listed|src|3ae7d805f678
        time order|3 files|
        time|a|1970-01-01 00:00:00 +00:00
        standard input|read|3ae7d805f678
        standard input|size and offset|9 at 2
        standard input|kind|pipe
        standard input|terminal or not|no terminal
        standard input|name|/dev/null
        descriptor|3|3ae7d805f678
        variable|LR|not set
        environment|all of it|3ae7d805f678
        umask|022|
        umask|022|or more
        root|yes|
        place|/home/u/p|
        ");
        let shapes: Vec<String> =
            observations().iter().map(|each| Json::from(observation_json(each)).to_string()).collect();
        let kinds: std::collections::BTreeSet<&str> =
            shapes.iter().filter_map(|shape| shape.split('"').nth(3)).collect();
        assert_eq!(kinds.len(), 17, "{kinds:?}");
    }

    #[test]
    fn facts_have_words_and_a_shape() {
        let words = [b"python3".to_vec(), b"train.py".to_vec()];
        let source =
            Value::Source { form: "python ruff-1 1 without docstrings".to_owned(), digest: Digest::of(b"x") };
        let facts = [
            (Part::Program(0), Value::Digest(Digest::of(b"x"))),
            (Part::Word(1), Value::Bytes(b"a b".to_vec())),
            (Part::Source(at("train.py")), source),
            (Part::Package("python".to_owned(), "numpy".to_owned()), Value::Version("2.1".to_owned())),
            (Part::Input(at("run.sh")), Value::File { executable: true, digest: Digest::of(b"x") }),
            (Part::Variable(b"LR".to_vec()), Value::Absent),
            (Part::Flag("env-strict".to_owned()), Value::Present),
        ];
        let shown = facts.iter().map(|(part, value)| fact(part, value, &words));
        let shown: Vec<String> =
            shown.map(|line| format!("{}|{}|{}", line.kind, line.subject, line.value)).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        program|python3|3ae7d805f678
        word|1|'a b'
        source|train.py|3ae7d805f678 python
        package|numpy|2.1
        input|run.sh|3ae7d805f678 executable
        variable|LR|absent
        flag|--env-strict|
        ");
        let (part, value) = &facts[3];
        assert_eq!(
            Json::from(fact_json(part, value)).to_string(),
            r#"{"part":"package","name":"numpy","ecosystem":"python","value":{"kind":"version","version":"2.1"}}"#
        );
    }
}
