//! What `exec` prints about a call on standard error: the status line, warnings, `--explain`.
//!
//! Knows nothing of how the call was answered, only what the answer says.

use super::miss::{self, Call, MOST_NAMED};
use super::why::{self, Why};
use super::{call_report, escape, human, message};
use crate::error::Result;
use crate::memo::{Answer, Checked, Event, Kept, Observer, Outcome, Parted, Tail, Unawaited};
use crate::record::Timestamp;
use crate::store::LocalStore;
use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How much is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing but errors.
    Silent,
    /// What the user should know without asking: trouble with the store, files that were set aside.
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
            format!("{} is back: a killed run had moved it away", path.display())
        }
        Event::LeftAside { path, copy, why } => {
            format!(
                "what was at {} before --clean-outputs is saved as {}: {why}",
                path.display(),
                copy.display()
            )
        }
        _ => String::new(),
    }
}

/// Prints about one call.
pub struct Status {
    verbosity: Verbosity,
    /// Whether the command's stdout goes where ours goes.
    shows_stdout: bool,
    /// Whether other runs go on, so that a line must say whose it is.
    has_company: Cell<bool>,
    /// Whether the command's last line on the screen was not ended.
    open: Cell<bool>,
    /// How often the event of waiting for another run came, in tenths of a second.
    waited: Cell<u32>,
    /// Whether what another run writes is shown.
    joined: Cell<bool>,
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
            joined: Cell::new(false),
            warnings: RefCell::default(),
        }
    }

    /// The same, of a call whose command's stdout goes nowhere.
    #[must_use]
    pub fn without_stdout(mut self) -> Self {
        self.shows_stdout = false;
        self
    }

    /// Notes whether other calls run at the same time, if anything is printed at all.
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

    /// What was written to the screen ends so.
    fn ended(&self, tail: Tail) {
        use std::io::IsTerminal;
        let both = self.shows_stdout && std::io::stdout().is_terminal();
        self.open.set(tail.is_open(both) && std::io::stderr().is_terminal());
    }

    fn say(&self, text: &str) {
        self.end_line();
        message::status(text);
    }

    /// Tells how far a call is that takes its time.
    pub fn progress(&self, text: &str) {
        if self.verbosity >= Verbosity::Line {
            self.say(&message::fitted(text));
        }
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
            self.say(&line(call, answer).fitted(name.as_deref(), room));
        }
        if self.verbosity == Verbosity::Full {
            for line in why::dependencies(call, &answer.observations, answer.manifest.as_ref()) {
                message::status(&format!("  {line}"));
            }
        }
    }

    /// Tells how a call would be answered.
    pub fn checked(&self, call: &Call<'_>, checked: &Checked) {
        match self.verbosity {
            Verbosity::Silent | Verbosity::Trouble => {}
            Verbosity::Full => {
                Why::of(call, checked).lines(message::room()).iter().for_each(|line| message::status(line));
            }
            Verbosity::Line => message::status(&match checked {
                Checked::Hit { commit, .. } => format!("hit {}", commit.short()),
                Checked::Miss { why, .. } => with_cure(
                    &format!("miss · {}", miss::line(call, why, None)),
                    miss::cure_of(why).as_deref(),
                ),
                Checked::Bypass(bypass) => {
                    with_cure(&format!("bypass · {}", bypass.detail()), bypass.cure().as_deref())
                }
            }),
        }
    }

    /// One JSON object about the call.
    #[must_use]
    pub fn report(&self, call: &Call<'_>, answered: &Result<Answer>) -> String {
        let warnings: serde_json::Value = self.warnings.borrow().iter().map(String::as_str).collect();
        format!(
            "{}\n",
            serde_json::Value::from(call_report::object(call, answered).with("warnings", warnings))
        )
    }
}

/// Why what was shown of another run does not count.
const fn parted(why: Parted) -> &'static str {
    match why {
        Parted::NotKept => "the run that was joined is not cached: running the command",
        Parted::Killed => "the run that was joined was killed: running the command",
        Parted::NotAwaited(Unawaited::Stopped) => "the run that was joined is stopped: running the command",
        Parted::NotAwaited(_) => "the run that was joined makes no progress: running the command",
        Parted::Differs => "the result of the run that was joined does not apply here",
    }
}

fn with_cure(text: &str, cure: Option<&str>) -> String {
    match cure {
        Some(cure) => format!("{text} ({cure})"),
        None => text.to_owned(),
    }
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
                if self.waited.get() == 10 && self.verbosity >= Verbosity::Line && !self.joined.get() {
                    self.say("waiting for an identical run to end");
                }
            }
            Event::WaitOver => {}
            Event::Joined(started) => {
                self.joined.set(true);
                let age = Timestamp::now().0.saturating_sub(started.0);
                let age = human::duration(u64::try_from(age).unwrap_or(0));
                self.say(&format!("joined a run started {age} ago"));
            }
            Event::Parted(tail, why) => {
                self.joined.set(false);
                self.ended(*tail);
                self.say(&format!("──── {} ────", parted(*why)));
            }
            Event::Ended(tail) => self.ended(*tail),
            Event::Replaced { path, copy } => {
                let text =
                    format!("{} was not written by cashet: saved as {}", path.display(), copy.display());
                self.trouble(&text);
            }
            Event::PutBack { .. } | Event::LeftAside { .. } => self.trouble(&put_right(event)),
            Event::Healed(blob) => {
                self.trouble(&format!("stored bytes {} were damaged: running again", blob.short()));
            }
            Event::StoreTrouble(reason) => self.trouble(&format!("not cached: {reason}")),
            Event::Shared(words) => self.trouble(words),
            Event::Unseeded { path, call } => {
                let path = path.shown();
                let text = format!(
                    "{} draws random numbers without a seed ({call}…): a hit repeats the recorded ones",
                    path.display()
                );
                let text = with_cure(&text, Some("set a seed, or limit the age with --ttl"));
                if self.verbosity >= Verbosity::Line {
                    self.say(&text);
                }
                self.warnings.borrow_mut().push(text);
            }
            Event::NeverSettles { paths, own } => {
                let named: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                let named = human::list(&named, MOST_NAMED);
                let differs = if paths.len() > 1 { "differ" } else { "differs" };
                let text = format!("never settles: {named} {differs} every time");
                let cure = if *own {
                    "declare with --output, or --ignore-write"
                } else {
                    "if that does not matter: --pure, with --input for what does"
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

/// The parts of a status line: what happened, why, and the result.
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

/// A short form of a command. Its end distinguishes it from others as often as its beginning.
fn name(words: &[OsString], room: Option<usize>) -> String {
    let width = room.map_or(40, |room| (room / 3).clamp(16, 40));
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    escape::middle_out(&escape::words(&words), width).into_owned()
}

/// The status line.
fn line(call: &Call<'_>, answer: &Answer) -> Line {
    let commit = answer.commit.map(|commit| commit.short()).unwrap_or_default();
    match &answer.outcome {
        Outcome::Hit { stale, accepted, own_output, from } => {
            let accepted = if *accepted { " · accepted" } else { "" };
            let refresh = if *stale { " · refreshing" } else { "" };
            let own = if *own_output { " · own output kept" } else { "" };
            let from = from.as_ref().map(|from| format!(" · from {from}")).unwrap_or_default();
            let saved = human::duration(answer.resources.wall);
            Line::new(
                "",
                String::new(),
                format!("hit {commit} · saved {saved}{own}{accepted}{from}{refresh}"),
            )
        }
        Outcome::Ran { why, kept } => {
            let reason = miss::line(call, why, answer.commit);
            let (reason, kept) = match kept {
                Kept::Yes => (with_cure(&reason, miss::cure_of(why).as_deref()), format!("cached {commit}")),
                // What to do about this comes first.
                Kept::No(not) => {
                    (reason, with_cure(&format!("not cached: {}", not.detail()), not.cure().as_deref()))
                }
            };
            Line::new("miss", reason, kept)
        }
        Outcome::Bypassed(bypass) => {
            Line::new("bypass", with_cure(&bypass.detail(), bypass.cure().as_deref()), String::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_the_screen_and_keeps_what_came_of_it() {
        let why = format!("train.py changed ({})", "function x, ".repeat(30));
        let line = || Line::new("miss", why.clone(), "cached 3f2a9c41d07e".to_owned());
        assert_eq!(line().fitted(None, None), format!("miss · {why} · cached 3f2a9c41d07e"));
        for room in [40, 72, 120] {
            let shown = line().fitted(None, Some(room));
            assert!(escape::columns(&shown) <= room, "{shown}");
            assert!(
                shown.starts_with("miss · train.py") && shown.ends_with("… · cached 3f2a9c41d07e"),
                "{shown}"
            );
        }
        let named = line().fitted(Some("train.py --lr 0.1"), Some(72));
        assert!(named.starts_with("train.py --lr 0.1 · miss · train.py"), "{named}");
        assert!(named.ends_with("… · cached 3f2a9c41d07e") && escape::columns(&named) <= 72, "{named}");
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
