//! Commits in lists: as a table, a line each, or JSON.
//!
//! Knows nothing about where they come from. The caller passes what the store knows beside the commit itself.

mod listing;

pub use listing::Listing;

use super::colour::Role;
use super::escape;
use super::human;
use super::json::{self, Object};
use super::page::Look;
use crate::digest::CommitId;
use crate::record::{Acceptance, Commit, Replay, Termination, Timestamp};

/// A commit, and what became of it since.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: &'a Commit,
    /// Its tags.
    pub tags: &'a [(String, String)],
    /// How often it answered a call.
    pub hits: u64,
    /// When it was last made or used.
    pub last_used: Timestamp,
    /// Bytes of its output, error output and files.
    pub bytes: u64,
    /// Whether its result was dropped to save room.
    pub evicted: bool,
    /// Whether its result was found damaged, so that it answers no more calls.
    pub distrusted: bool,
}

impl Entry<'_> {
    /// How it ended, and why it is not replayed, if it is not: `ok`, `exit 3`, `ok, network`, `ok, evicted`.
    #[must_use]
    pub fn status(&self) -> (String, Role) {
        let ended = human::termination(self.commit.termination);
        let role = if self.commit.termination == Termination::Exited(0) { Role::Good } else { Role::Bad };
        match &self.commit.replay {
            Replay::Allowed if self.evicted => (format!("{ended}, evicted"), Role::Faint),
            Replay::Allowed if self.distrusted => (format!("{ended}, damaged"), Role::Changed),
            Replay::Allowed if self.commit.accepted.is_some() => (format!("{ended}, accepted"), role),
            Replay::Allowed => (ended, role),
            Replay::Never { reason, .. } if reason == "killed" || reason == "interrupted" => {
                let how = match self.commit.termination {
                    Termination::Signaled(_) => format!("{reason} ({ended})"),
                    Termination::Exited(_) => format!("{reason}, {ended}"),
                };
                (how, Role::Bad)
            }
            // That it failed is said already.
            Replay::Never { reason, .. } if role == Role::Bad && reason == "failed" => (ended, role),
            Replay::Never { reason, .. } => {
                let role = if role == Role::Good { Role::Changed } else { role };
                (format!("{ended}, {}", escape::brief(reason.as_bytes(), 20)), role)
            }
        }
    }

    /// The name of the function, escaped; inline code by the program that runs it (`sh -c`).
    #[must_use]
    pub fn function(&self) -> String {
        let shown = function(self.commit).iter().map(|word| escape::line(word)).collect::<Vec<_>>();
        shown.join(" ")
    }

    /// The tags as they are typed, escaped.
    #[must_use]
    pub fn tags(&self) -> String {
        let shown = self.tags.iter().map(|(name, value)| {
            let text = if value.is_empty() { name.clone() } else { format!("{name}={value}") };
            escape::line(text.as_bytes()).into_owned()
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    /// All that lists tell of it.
    #[must_use]
    pub fn json(&self) -> Object {
        let commit = self.commit;
        let (reason, detail) = match &commit.replay {
            Replay::Allowed => (serde_json::Value::Null, serde_json::Value::Null),
            Replay::Never { reason, detail } => (reason.as_str().into(), detail.as_str().into()),
        };
        let tags = self.tags.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        Object::whole()
            .with("commit", json::digest(&self.id.0))
            .with("key", json::digest(&commit.key.0))
            .with("lineage", json::digest(&commit.lineage.0))
            .with("parent", commit.parent.map(|parent| json::digest(&parent.0)))
            .with("started", json::moment(commit.started))
            .with("function", json::text(&commit.function))
            .with("words", json::texts(&commit.words))
            .with("directory", json::path(&commit.directory))
            .with("termination", json::termination(commit.termination))
            .with("state", state(commit))
            .with("replayable", commit.is_replayable() && !self.evicted && !self.distrusted)
            .with("evicted", self.evicted)
            .with("damaged", self.distrusted)
            .with("accepted", commit.accepted.as_ref().map(accepted))
            .with("reason", reason)
            .with("detail", detail)
            .with("wall_ns", commit.resources.wall)
            .with("bytes", self.bytes)
            .with("hits", self.hits)
            .with("last_used", json::moment(self.last_used))
            .with("tags", tags.collect::<serde_json::Map<_, _>>())
    }
}

fn accepted(accepted: &Acceptance) -> Object {
    Object::part()
        .with("of", json::digest(&accepted.of.0))
        .with("by", json::text(&accepted.by))
        .with("at", json::moment(accepted.at))
        .with("why", json::text(&accepted.why))
}

/// Whose result was accepted, by whom and why, in words: `the result of 3f2a9c41d07e, by ann, 2 h ago: only renamed`.
#[must_use]
pub fn accepted_words(accepted: &Acceptance, look: &Look) -> String {
    let age = human::age(accepted.at, look.now, &look.zone);
    let why = match accepted.why.as_slice() {
        b"" => String::new(),
        why => format!(": {}", escape::line(why)),
    };
    format!("the result of {}, by {}, {age}{why}", accepted.of.short(), escape::line(&accepted.by))
}

/// How a run ended, in one word: `ok`, `failed`, `killed` by a signal, or `interrupted`.
#[must_use]
pub fn state(commit: &Commit) -> &'static str {
    match (&commit.replay, commit.termination) {
        (Replay::Never { reason, .. }, _) if reason == "interrupted" => "interrupted",
        (_, Termination::Signaled(_)) => "killed",
        (_, Termination::Exited(0)) => "ok",
        (_, Termination::Exited(_)) => "failed",
    }
}

/// The words of a command after those that name its function.
#[must_use]
pub fn arguments(commit: &Commit) -> &[Vec<u8>] {
    let names = |word: &Vec<u8>| {
        let function = commit.function.as_slice();
        let tail = word.strip_prefix(b"./").unwrap_or(word);
        tail == function || (!tail.is_empty() && function.ends_with(&[b"/", tail].concat()))
    };
    let after = commit.words.iter().position(names).map_or(1, |place| place + 1);
    commit.words.get(after..).unwrap_or_default()
}

/// Function and arguments in one, escaped.
#[must_use]
pub fn command(commit: &Commit) -> String {
    let mut words = function(commit);
    words.extend(arguments(commit).iter().map(Vec::as_slice));
    escape::words(&words)
}

/// The words that name a function: one, but for inline code.
fn function(commit: &Commit) -> Vec<&[u8]> {
    let name = commit.function.as_slice();
    if !name.starts_with(b"-") {
        return vec![name];
    }
    let program = commit.words.first().map(Vec::as_slice).unwrap_or_default();
    vec![program.rsplit(|byte| *byte == b'/').next().unwrap_or(program), name]
}

/// One commit in one line: hash and command.
#[must_use]
pub fn line(entry: &Entry<'_>, look: &Look) -> String {
    hash_and_command(&entry.id, &command(entry.commit), &entry.status(), look.width, look)
}

fn hash_and_command(
    id: &CommitId,
    command: &str,
    status: &(String, Role),
    width: Option<usize>,
    look: &Look,
) -> String {
    let (status, role) = status;
    let status = if status == "ok" { String::new() } else { format!("  ({status})") };
    let room = width.map(|width| width.saturating_sub(14 + escape::columns(&status)).max(10));
    let command = room.map_or(command.into(), |room| escape::cut(command, room));
    format!("{}  {command}{}", look.paint(&id.short(), Role::Hash), look.paint(&status, *role))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::page::tests::look;
    use super::*;
    use crate::digest::{BlobId, Digest, Key, LineageId};
    use crate::record::{Content, Coverage, Resources, StoredPath, StreamOrder};

    /// A made-up commit of these words, so many seconds before noon of 2026-11-22.
    pub(crate) fn commit(line: &str, seconds: i64) -> Commit {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let function = words.get(usize::from(words.len() > 1)).cloned().unwrap_or_default();
        let content = Content { blob: BlobId(Digest::of(b"out")), size: 3 };
        Commit {
            key: Key(Digest::of(line.as_bytes())),
            lineage: LineageId(Digest::of(line.as_bytes())),
            parent: None,
            function_id: Digest::of(&function),
            words,
            directory: StoredPath::in_root(""),
            function,
            sources: Vec::new(),
            started: Timestamp(look(80).now.0 - seconds * 1_000_000_000),
            resources: Resources {
                wall: 12_345_678_900,
                user: 11_000_000_000,
                system: 1_000_000,
                peak_memory: 50 << 20,
            },
            termination: Termination::Exited(0),
            stdout: content,
            stderr: content,
            order: StreamOrder::default(),
            terminals: [None; 2],
            outputs: None,
            observations: Vec::new(),
            products: crate::record::Products::default(),
            irrelevant_env: Vec::new(),
            coverage: Coverage::Watched,
            replay: Replay::Allowed,
            accepted: None,
        }
    }

    fn entry(commit: &Commit) -> Entry<'_> {
        let last_used = commit.started;
        Entry {
            id: commit.id(),
            commit,
            tags: &[],
            hits: 0,
            last_used,
            bytes: 1234,
            evicted: false,
            distrusted: false,
        }
    }

    fn commits() -> Vec<Commit> {
        let mut failed = commit("python3 train.py --lr 0.1", 4000);
        failed.termination = Termination::Exited(1);
        failed.replay = Replay::Never { reason: "failed".to_owned(), detail: "exit status 1".to_owned() };
        let mut online = commit("curl https://example.com/a/rather/long/address/of/some/data.json", 200_000);
        online.replay = Replay::Never { reason: "network".to_owned(), detail: "example.com:443".to_owned() };
        let mut newest = commit("python3 train.py --lr 0.01 --name a\x1b[31mb", 130);
        newest.parent = Some(failed.id());
        vec![newest, failed, online, commit("make", 40_000_000)]
    }

    fn entries<'a>(commits: &'a [Commit], tags: &'a [(String, String)]) -> Vec<Entry<'a>> {
        let mut entries: Vec<Entry<'_>> = commits.iter().map(entry).collect();
        if let Some(first) = entries.first_mut() {
            (first.hits, first.tags) = (1234, tags);
        }
        if let Some(last) = entries.last_mut() {
            last.evicted = true;
        }
        entries
    }

    fn tags() -> Vec<(String, String)> {
        vec![("stage".to_owned(), "train".to_owned()), ("keep".to_owned(), String::new())]
    }

    #[test]
    fn the_table_at_three_widths() {
        let (commits, tags) = (commits(), tags());
        let entries = entries(&commits, &tags);
        let table = |width: usize| {
            let mut listing = Listing::new();
            for entry in &entries {
                listing.push(entry, &look(width));
            }
            listing.rest(&look(width))
        };
        insta::assert_snapshot!(table(140), @r"
        RUN           AGE         STATUS       FUNCTION                       ARGUMENTS                       TOOK     SIZE   HITS  TAGS
        6ff0be830a35  2 min ago   ok           train.py                       --lr 0.01 --name $'a\x1b[31…  12.3 s  1.2 KiB  1,234  stage=train keep
        fe2c5ddb0a99  1 h ago     exit 1       train.py                       --lr 0.1                      12.3 s  1.2 KiB
        860dc529a75c  2 d ago     ok, network  https://example.com/a/rather…                                12.3 s  1.2 KiB
        27a156cff2ef  2025-08-16  ok, evicted  make                                                         12.3 s  1.2 KiB
        ");
        insta::assert_snapshot!(table(80), @r"
        RUN           AGE         STATUS       FUNCTION          ARGUMENTS          TOOK
        6ff0be830a35  2 min ago   ok           train.py          --lr 0.01 --na…  12.3 s
        fe2c5ddb0a99  1 h ago     exit 1       train.py          --lr 0.1         12.3 s
        860dc529a75c  2 d ago     ok, network  https://example…                   12.3 s
        27a156cff2ef  2025-08-16  ok, evicted  make                               12.3 s
        ");
        insta::assert_snapshot!(table(60), @r"
        RUN           STATUS       FUNCTION          ARGUMENTS
        6ff0be830a35  ok           train.py          --lr 0.01 --na…
        fe2c5ddb0a99  exit 1       train.py          --lr 0.1
        860dc529a75c  ok, network  https://example…
        27a156cff2ef  ok, evicted  make
        ");
    }

    #[test]
    fn one_line_each_and_lanes() {
        let (commits, tags) = (commits(), tags());
        let entries = entries(&commits, &tags);
        let lines: Vec<String> = entries.iter().map(|entry| line(entry, &look(60))).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        6ff0be830a35  train.py --lr 0.01 --name $'a\x1b[31mb'
        fe2c5ddb0a99  train.py --lr 0.1  (exit 1)
        860dc529a75c  https://example.com/a/rather/l…  (ok, network)
        27a156cff2ef  make  (ok, evicted)
        ");
        let mut listing = Listing::new();
        for entry in &entries {
            listing.push_line(entry, &look(80));
        }
        insta::assert_snapshot!(listing.graph(&look(80)), @r"
        ●  2 min ago  6ff0be830a35  train.py --lr 0.01 --name $'a\x1b[31mb'
        ●    1 h ago  fe2c5ddb0a99  train.py --lr 0.1  (exit 1)
        ●    2 d ago  860dc529a75c  https://example.com/a/rather/long/ad…  (ok, network)
        ● 2025-08-16  27a156cff2ef  make  (ok, evicted)
        ");
    }

    #[test]
    fn json_tells_all_in_full() {
        let commits = commits();
        let entry = entry(&commits[1]);
        let value = serde_json::Value::from(entry.json());
        assert_eq!(value["commit"], entry.id.to_string());
        assert_eq!(value["termination"]["exit"], 1);
        assert_eq!(value["reason"], "failed");
        assert_eq!(value["wall_ns"], 12_345_678_900_u64);
        assert_eq!(value["words"][1], "train.py");
    }

    #[test]
    fn arguments_follow_what_names_the_function() {
        let shown = |line: &str, function: &str| {
            let mut commit = commit(line, 0);
            commit.function = function.into();
            command(&commit)
        };
        assert_eq!(shown("python3 -u train.py --lr 1", "train.py"), "train.py --lr 1");
        assert_eq!(shown("./a.sh x", "a.sh"), "a.sh x");
        assert_eq!(shown("python3 a.py x", "sub/a.py"), "sub/a.py x");
        assert_eq!(shown("sort -n", "sort"), "sort -n");
        assert_eq!(shown("/bin/sh -c exit x", "-c"), "sh -c exit x");
        assert_eq!(shown("/usr/bin/sort -n", "sort"), "sort -n");
    }
}
