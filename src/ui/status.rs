//! What `exec` tells of a call: the status line, `--explain`, `--report`.
//!
//! Knows nothing of how the call was answered, only what the answer says.

use super::changes::{self, Background};
use super::json::{self, Object};
use super::{escape, facts, human, message, pieces, seen};
use crate::digest::CommitId;
use crate::error::{Error, Result};
use crate::hash::manifest::{Change, Manifest, Value};
use crate::memo::{Answer, Checked, Difference, Event, Kept, MissReason, Observer, Outcome};
use crate::record::{Interleaving, Observation, Places, StoredPath};
use crate::store::LocalStore;
use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How many differences the status line names; `--explain` names all.
const MOST_NAMED: usize = 3;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing but errors.
    Silent,
    /// What the user should know although nobody asked: trouble with the store, files that were put aside.
    Trouble,
    /// The status line.
    Line,
    /// Everything.
    Full,
}

/// What became of the user's files that a run had put aside, in words.
#[must_use]
pub fn put_right(event: &Event) -> String {
    match event {
        Event::PutBack { path } => {
            format!("{} is back: a run that was killed had put it aside", path.display())
        }
        Event::LeftAside { path, copy, why } => {
            format!(
                "what was at {} before --clean-outputs is kept as {}: {why}",
                path.display(),
                copy.display()
            )
        }
        _ => String::new(),
    }
}

/// What a call was about.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The words of the command.
    pub words: &'a [OsString],
    /// Where its paths are.
    pub places: &'a Places,
    /// The store, if there is one.
    pub store: Option<&'a LocalStore>,
}

/// Tells of one call.
pub struct Status {
    verbosity: Verbosity,
    /// Whether the command's stdout goes where ours goes.
    shows_stdout: bool,
    /// Whether other runs go on, so that a line must say whose it is.
    has_company: Cell<bool>,
    /// Whether the command's last line on the screen was not ended.
    open: Cell<bool>,
    /// How often the wait for another run was told, in tenths of a second.
    waited: Cell<u32>,
    warnings: RefCell<Vec<String>>,
}

impl Status {
    /// Tells so much.
    #[must_use]
    pub fn new(verbosity: Verbosity) -> Self {
        Self {
            verbosity,
            shows_stdout: true,
            has_company: Cell::new(false),
            open: Cell::new(false),
            waited: Cell::new(0),
            warnings: RefCell::default(),
        }
    }

    /// The same, of a call whose command's stdout goes nowhere.
    #[must_use]
    pub fn without_stdout(mut self) -> Self {
        self.shows_stdout = false;
        self
    }

    /// Takes note whether other calls go on beside this one, if anything is told at all.
    pub fn look_around(&self, store: Option<&LocalStore>) {
        if self.verbosity >= Verbosity::Line && !self.has_company.get() {
            let others = store.is_some_and(LocalStore::is_running) || crate::exec::has_siblings();
            self.has_company.set(others);
        }
    }

    /// A line of ours begins on a line of its own.
    fn end_line(&self) {
        if self.open.replace(false) {
            message::raw("\n");
        }
    }

    fn say(&self, text: &str) {
        self.end_line();
        message::status(text);
    }

    /// A store was made at `path`, the first of this project.
    pub fn created(&self, path: &Path) {
        if self.verbosity >= Verbosity::Line {
            self.say(&format!("created the store {}", path.display()));
        }
    }

    /// Something went wrong that does not keep the command from running.
    pub fn trouble(&self, text: &str) {
        let new = !self.warnings.borrow().iter().any(|told| told == text);
        if new {
            self.warnings.borrow_mut().push(text.to_owned());
            if self.verbosity >= Verbosity::Trouble {
                self.end_line();
                message::warning(text);
            }
        }
    }

    /// What the store has to tell: a damaged database set aside, and the like.
    pub fn notices(&self, store: &LocalStore) {
        store.notices().iter().for_each(|notice| self.trouble(notice));
    }

    /// Tells how the call was answered.
    pub fn answered(&self, call: &Call<'_>, answer: &Answer) {
        if self.verbosity >= Verbosity::Line {
            self.look_around(call.store);
            let room = if self.verbosity == Verbosity::Full { None } else { message::room() };
            let name = self.has_company.get().then(|| name(call.words, room));
            self.say(&line(call, answer, self.verbosity).fitted(name.as_deref(), room));
        }
        if self.verbosity == Verbosity::Full {
            watched(call, &answer.observations, answer.manifest.as_ref());
        }
    }

    /// Tells how a call would be answered.
    pub fn checked(&self, call: &Call<'_>, checked: &Checked) {
        if self.verbosity < Verbosity::Line {
            return;
        }
        match checked {
            Checked::Hit { commit, observations } => {
                message::status(&format!("hit {}", commit.short()));
                if self.verbosity == Verbosity::Full {
                    watched(call, observations, None);
                }
            }
            Checked::Miss { why, manifest } => {
                message::status(&format!("miss · {}", miss(call, why, None, self.verbosity)));
                if self.verbosity == Verbosity::Full {
                    watched(call, &[], manifest.as_ref());
                }
            }
            Checked::Bypass(bypass) => message::status(&with_cure(
                &format!("bypass · {}", bypass.detail()),
                bypass.cure().as_deref(),
            )),
        }
    }

    /// One JSON object about the call.
    #[must_use]
    pub fn report(&self, call: &Call<'_>, answered: &Result<Answer>) -> String {
        let object = Object::whole().with("command", json::texts(&words(call.words)));
        let object = match answered {
            Ok(answer) => report(object, call, answer),
            Err(error) => failed(object, error),
        };
        let warnings: serde_json::Value = self.warnings.borrow().iter().map(String::as_str).collect();
        format!("{}\n", serde_json::Value::from(object.with("warnings", warnings)))
    }
}

fn words(words: &[OsString]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

impl Observer for Status {
    fn wants_tail(&self) -> bool {
        self.verbosity >= Verbosity::Line
    }

    fn on(&self, event: &Event) {
        match event {
            Event::Waiting => {
                self.waited.set(self.waited.get().saturating_add(1));
                // A second of it is worth a word.
                if self.waited.get() == 10 && self.verbosity >= Verbosity::Line {
                    self.say("waiting for the same command to end");
                }
            }
            Event::WaitOver => {}
            Event::Ended(tail) => {
                use std::io::IsTerminal;
                let both = self.shows_stdout && std::io::stdout().is_terminal();
                self.open.set(tail.is_open(both) && std::io::stderr().is_terminal());
            }
            Event::Replaced { path, copy } => {
                let text = format!("{} was not made by cashet: kept as {}", path.display(), copy.display());
                self.trouble(&text);
            }
            Event::PutBack { .. } | Event::LeftAside { .. } => self.trouble(&put_right(event)),
            Event::Healed(blob) => {
                self.trouble(&format!("stored bytes {} were damaged: running again", blob.short()));
            }
            Event::StoreTrouble(reason) => self.trouble(&format!("not kept: {reason}")),
            Event::NeverSettles { paths, own } => {
                let more = paths.len().saturating_sub(MOST_NAMED);
                let named = paths.iter().take(MOST_NAMED).map(|path| path.display().to_string());
                let mut named = named.collect::<Vec<_>>().join(", ");
                if more > 0 {
                    named = format!("{named} and {} more", human::number(number(more)));
                }
                let differs = if paths.len() > 1 { "differ" } else { "differs" };
                let text = format!("never settles: {named} {differs} every time");
                let cure = if *own {
                    "declare with --output, or --ignore-write"
                } else {
                    "if that decides nothing: --pure, with --input for what does"
                };
                let text = with_cure(&text, Some(cure));
                if self.verbosity >= Verbosity::Line {
                    self.say(&text);
                }
                self.warnings.borrow_mut().push(text);
            }
        }
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn with_cure(text: &str, cure: Option<&str>) -> String {
    match cure {
        Some(cure) => format!("{text} ({cure})"),
        None => text.to_owned(),
    }
}

/// A status line in its parts: what happened, why, and what came of it.
struct Line {
    what: &'static str,
    why: String,
    outcome: String,
}

impl Line {
    fn new(what: &'static str, why: String, outcome: String) -> Self {
        Self { what, why, outcome }
    }

    /// In one line of at most `room` columns, with the name of the run before it: the reasons give way first.
    fn fitted(&self, name: Option<&str>, room: Option<usize>) -> String {
        let whole = |why: &str| {
            let parts = [name.unwrap_or_default(), self.what, why, &self.outcome];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
        };
        // What a message shows is escaped: only then its width is known.
        let why = escape::line(self.why.as_bytes());
        let text = whole(&why);
        let text = escape::line(text.as_bytes());
        let Some(room) = room.filter(|room| escape::columns(&text) > *room) else { return text.into_owned() };
        let others = escape::columns(&text) - escape::columns(&why);
        let shortest = escape::columns(&why).min(SHORTEST);
        let why = escape::cut(&why, room.saturating_sub(others).max(shortest));
        escape::cut(&escape::line(whole(&why).as_bytes()), room).into_owned()
    }
}

/// Columns that the reasons of a status line keep at least.
const SHORTEST: usize = 8;

/// A short form of a command: its end tells it from others as often as its beginning.
fn name(words: &[OsString], room: Option<usize>) -> String {
    let width = room.map_or(40, |room| (room / 3).clamp(16, 40));
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    escape::middle_out(&escape::words(&words), width).into_owned()
}

/// The status line.
fn line(call: &Call<'_>, answer: &Answer, verbosity: Verbosity) -> Line {
    let commit = answer.commit.map(|commit| commit.short()).unwrap_or_default();
    match &answer.outcome {
        Outcome::Hit { stale } => {
            let refresh = if *stale { " · refreshing" } else { "" };
            let saved = human::duration(answer.resources.wall);
            Line::new("", String::new(), format!("hit {commit} · saved {saved}{refresh}"))
        }
        Outcome::Ran { why, kept } => {
            let kept = match kept {
                Kept::Yes => format!("kept {commit}"),
                Kept::No(reason) => {
                    with_cure(&format!("not kept: {}", reason.detail()), reason.cure().as_deref())
                }
            };
            Line::new("miss", miss(call, why, answer.commit, verbosity), kept)
        }
        Outcome::Bypassed(bypass) => {
            Line::new("bypass", with_cure(&bypass.detail(), bypass.cure().as_deref()), String::new())
        }
    }
}

/// Why nothing was replayed; `made` is what the run was recorded as.
fn miss(call: &Call<'_>, why: &MissReason, made: Option<CommitId>, verbosity: Verbosity) -> String {
    match why {
        MissReason::First => "first run".to_owned(),
        MissReason::Forced => "asked for".to_owned(),
        MissReason::Evicted => "its result was dropped".to_owned(),
        MissReason::Order(Interleaving::Merged) => {
            "its record does not tell the two streams apart".to_owned()
        }
        MissReason::Order(_) => "its record does not tell the order of the two streams".to_owned(),
        MissReason::Expired(age) => format!("{} old", human::duration(*age)),
        MissReason::Damaged(blob) => format!("stored bytes {} were damaged", blob.short()),
        MissReason::NotRestored(reason) => reason.clone(),
        MissReason::NeverKept { since, reason } => format!("{} was not kept ({reason})", since.short()),
        MissReason::Changed { since, changes } => {
            let phrases = differences(call, changes, since, made);
            let most = if verbosity == Verbosity::Full { phrases.len() } else { MOST_NAMED };
            let more = phrases.len().saturating_sub(most);
            let named = phrases.into_iter().take(most).collect::<Vec<_>>().join(", ");
            if more > 0 { format!("{named} and {} more", human::number(number(more))) } else { named }
        }
    }
}

/// Differences from the commit `since` in words.
fn differences(
    call: &Call<'_>,
    differences: &[Difference],
    since: &CommitId,
    made: Option<CommitId>,
) -> Vec<String> {
    let known: Vec<Change> = differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Known(change) => Some(change.clone()),
            Difference::Seen { .. } => None,
        })
        .collect();
    let words = words(call.words);
    let pieces = |path: &StoredPath, form: &str| match (call.store, &made) {
        (Some(store), Some(made)) => pieces::changed_between(store, (since, made), path, form),
        _ => Vec::new(),
    };
    let there = |path: &StoredPath| Some(call.places.resolve(path).symlink_metadata().is_ok());
    let background = Background { words: &words, pieces: &pieces, there: &there };
    let mut phrases = changes::phrases(&known, background);
    phrases.extend(differences.iter().filter_map(|difference| match difference {
        Difference::Seen { then, now } => Some(seen::observed(Some(then), Some(now))),
        Difference::Known(_) => None,
    }));
    phrases.dedup();
    phrases
}

/// Lists what decides the result: one line for each fact.
fn watched(call: &Call<'_>, observations: &[Observation], manifest: Option<&Manifest>) {
    let words = words(call.words);
    let known =
        manifest.into_iter().flat_map(Manifest::facts).map(|(part, value)| facts::fact(part, value, &words));
    for fact in known.chain(observations.iter().map(facts::observation)) {
        message::status(&format!("  {} {} {}", fact.kind, fact.subject, fact.value));
    }
}

fn failed(object: Object, error: &Error) -> Object {
    let object = object.with("outcome", "error").with("error", escape::readable(&error.to_string()).as_ref());
    match error.hint() {
        Some(hint) => object.with("hint", hint),
        None => object,
    }
}

fn report(object: Object, call: &Call<'_>, answer: &Answer) -> Object {
    let (outcome, reasons, kept) = match &answer.outcome {
        Outcome::Hit { .. } => ("hit", Vec::new(), None),
        Outcome::Ran { why, kept } => {
            let reasons = match why {
                MissReason::Changed { since, changes } => differences(call, changes, since, answer.commit),
                other => vec![miss(call, other, answer.commit, Verbosity::Full)],
            };
            ("miss", reasons, Some(kept))
        }
        Outcome::Bypassed(bypass) => ("bypass", vec![bypass.detail()], None),
    };
    let object = object
        .with("outcome", outcome)
        .with("key", answer.key.map_or(serde_json::Value::Null, |key| json::digest(&key.0)))
        .with("commit", answer.commit.map_or(serde_json::Value::Null, |commit| json::digest(&commit.0)))
        .with("reasons", reasons.iter().map(String::as_str).collect::<serde_json::Value>());
    let object = match kept {
        Some(Kept::Yes) => object.with("kept", true),
        Some(Kept::No(reason)) => object
            .with("kept", false)
            .with("not_kept", Object::part().with("reason", reason.code()).with("detail", reason.detail())),
        None => object,
    };
    object
        .with("exit", json::termination(answer.termination))
        .with("wall_ns", answer.resources.wall)
        .with("user_ns", answer.resources.user)
        .with("system_ns", answer.resources.system)
        .with("outputs", answer.outputs)
        .with("inputs", inputs(answer))
}

/// Paths of everything that went in, declared or seen.
fn inputs(answer: &Answer) -> serde_json::Value {
    use crate::hash::manifest::Part;
    let declared = answer.manifest.iter().flat_map(Manifest::facts).filter_map(|(part, value)| match part {
        Part::Input(path) | Part::Source(path) if *value != Value::Absent => Some(path.clone()),
        _ => None,
    });
    let seen = answer.observations.iter().filter_map(|observation| match observation {
        Observation::Content { path, .. } => Some(path.clone()),
        _ => None,
    });
    let mut paths: Vec<StoredPath> = declared.chain(seen).collect();
    paths.sort();
    paths.dedup();
    paths.iter().map(json::path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_the_screen_and_keeps_what_came_of_it() {
        let why = format!("train.py changed ({})", "function x, ".repeat(30));
        let line = || Line::new("miss", why.clone(), "kept 3f2a9c41d07e".to_owned());
        assert_eq!(line().fitted(None, None), format!("miss · {why} · kept 3f2a9c41d07e"));
        for room in [40, 72, 120] {
            let shown = line().fitted(None, Some(room));
            assert!(escape::columns(&shown) <= room, "{shown}");
            assert!(
                shown.starts_with("miss · train.py") && shown.ends_with("… · kept 3f2a9c41d07e"),
                "{shown}"
            );
        }
        let named = line().fitted(Some("train.py --lr 0.1"), Some(72));
        assert!(named.starts_with("train.py --lr 0.1 · miss · train.py"), "{named}");
        assert!(named.ends_with("… · kept 3f2a9c41d07e") && escape::columns(&named) <= 72, "{named}");
        // What has no room at all is cut where it is.
        assert!(escape::columns(&line().fitted(Some("train.py --lr 0.1"), Some(20))) <= 20);
        let short = Line::new("", String::new(), "hit 3f2a9c41d07e · saved 2 s".to_owned());
        assert_eq!(short.fitted(Some("make"), Some(72)), "make · hit 3f2a9c41d07e · saved 2 s");
        let odd = Line::new("miss", "a\x1b[31mb 東京".to_owned(), String::new());
        assert_eq!(odd.fitted(None, Some(72)), "miss · a\\x1b[31mb 東京");
    }

    #[test]
    fn a_name_is_short_and_keeps_its_end() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(name(&words("./train.sh 0.1"), None), "./train.sh 0.1");
        let long = name(&words("python3 train.py --data set/one/two/three --lr 0.25"), None);
        assert!(long.starts_with("python3 train.py") && long.ends_with("--lr 0.25"), "{long}");
        assert!(escape::columns(&long) <= 40);
        assert!(escape::columns(&name(&words(&"x".repeat(100_000)), Some(30))) <= 16);
    }
}
