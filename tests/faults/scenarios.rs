//! Scenarios for faults: a miss, a hit, a collection, a removal, an import; and the conditions afterwards.

use crate::project::Project;
use std::process::Output;
use std::thread;
use std::time::Duration;

/// A call of cashet on a store with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Miss,
    Unwatched,
    Refresh,
    Hit,
    Gc,
    Rm,
    Import,
    Tag,
    Stats,
    Repair,
}

/// The long ones last.
pub(crate) const ALL: &[Scenario] = &[
    Scenario::Hit,
    Scenario::Unwatched,
    Scenario::Rm,
    Scenario::Import,
    Scenario::Tag,
    Scenario::Stats,
    Scenario::Gc,
    Scenario::Repair,
    Scenario::Miss,
    Scenario::Refresh,
];

/// A project whose store has results of `keep` (exempt from collection), `old` and `other`, and an archive with one of
/// `far`.
pub(crate) struct Stage {
    pub(crate) project: Project,
    /// Their commits.
    keep: String,
    old: String,
    other: String,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let project = Project::new();
        // Younger files would be read again by each call.
        thread::sleep(Duration::from_millis(100));
        let newest = |words: &[&str]| {
            project.must(words);
            project.log().unwrap().remove(0)
        };
        let far = newest(&["exec", "--", "./job", "far"]);
        let archive = project.outside("archive");
        project.must(&["export", archive.to_str().unwrap(), &far]);
        project.must(&["rm", &far]);
        project.must(&["gc"]);
        let keep = newest(&["exec", "-t", "keep", "--", "./job", "keep"]);
        let old = newest(&["exec", "--", "./job", "old"]);
        let other = newest(&["exec", "--", "./job", "other"]);
        project.clear();
        // One hit each, so that captures and hot entries reach their final state; this also creates a log of hits.
        for word in ["keep", "old", "other"] {
            thread::sleep(Duration::from_millis(30));
            project.must(&["exec", "--mode", "replay", "--", "./job", word]);
        }
        project.save();
        Self { project, keep, old, other }
    }

    /// The words of the call.
    pub(crate) fn words(&self, scenario: Scenario) -> Vec<String> {
        let archive = self.project.outside("archive");
        let words: &[&str] = match scenario {
            Scenario::Miss => &["exec", "--", "./job", "new"],
            Scenario::Unwatched => &[
                "exec", "--trace", "off", "-i", "in", "-i", "big", "-o", "out.new", "-o", "d.new", "--",
                "./job", "new",
            ],
            Scenario::Refresh => &["exec", "-f", "--", "./job", "old"],
            Scenario::Hit => &["exec", "--", "./job", "old"],
            Scenario::Gc => &["gc", "--older-than", "0s"],
            Scenario::Rm => &["rm", &self.old],
            Scenario::Import => &["import", archive.to_str().unwrap()],
            Scenario::Tag => &["tag", &self.old, "a=b"],
            Scenario::Stats => &["stats"],
            Scenario::Repair => &["fsck", "--repair"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// Restores everything.
    pub(crate) fn prepare(&self, scenario: Scenario) {
        self.project.restore();
        if scenario == Scenario::Repair {
            // The result of `old` cannot be trusted: its hot entry is removed, its blobs stay.
            let hot = self.project.store().join("hot/k");
            for file in crate::project::files_below(&hot) {
                let mut bytes = std::fs::read(&file).unwrap();
                bytes.truncate(100);
                std::fs::write(&file, bytes).unwrap();
            }
        }
    }

    /// The word of the job that the call is about.
    pub(crate) const fn word(scenario: Scenario) -> &'static str {
        match scenario {
            Scenario::Miss | Scenario::Unwatched => "new",
            Scenario::Import => "far",
            _ => "old",
        }
    }

    /// Whether the call runs a command.
    pub(crate) const fn is_exec(scenario: Scenario) -> bool {
        matches!(scenario, Scenario::Miss | Scenario::Unwatched | Scenario::Refresh | Scenario::Hit)
    }

    /// Checks the state after a fault; returns what is wrong: the store is damaged, an earlier result is lost, or the
    /// next call has another result. `done` is whether the call itself reported success.
    pub(crate) fn wrong_after(&self, scenario: Scenario, done: bool) -> Option<String> {
        let project = &self.project;
        let check = project.run(&["fsck"]);
        if scenario != Scenario::Repair || done {
            let text = String::from_utf8_lossy(&check.stdout).into_owned();
            if !check.status.success() {
                return Some(format!("fsck: {text}{}", String::from_utf8_lossy(&check.stderr)));
            }
        }
        let found = match project.log() {
            Ok(found) => found,
            Err(error) => return Some(error),
        };
        let kept: &[&String] = match scenario {
            Scenario::Gc => &[&self.keep],
            Scenario::Rm => &[&self.keep, &self.other],
            _ => &[&self.keep, &self.old, &self.other],
        };
        if let Some(lost) = kept.iter().find(|id| !found.contains(id)) {
            return Some(format!("{lost} is lost"));
        }
        if done && scenario == Scenario::Rm && found.contains(&self.old) {
            return Some("it is said to be removed and is still there".to_owned());
        }
        let before = project.executions();
        let kept = project.run(&["exec", "--mode", "replay", "--", "./job", "keep"]);
        if let Some(wrong) = project.wrong_answer("keep", &kept) {
            return Some(format!("what was kept: {wrong}"));
        }
        if project.executions() != before {
            return Some("replay mode ran the command".to_owned());
        }
        self.wrong_next(scenario, done)
    }

    /// The next call, twice: it is right; and the second time nothing runs.
    fn wrong_next(&self, scenario: Scenario, done: bool) -> Option<String> {
        let project = &self.project;
        let word = Self::word(scenario);
        let words = match scenario {
            Scenario::Unwatched => self.words(scenario),
            _ => Self::words_of(word),
        };
        let mut ran = Vec::new();
        for _ in 0..2 {
            project.clear();
            let before = project.executions();
            let next: Output = project.run(&words);
            if let Some(wrong) = project.wrong_answer(word, &next) {
                return Some(format!("the next call: {wrong}"));
            }
            ran.push(project.executions() - before);
        }
        let first = u64::from(!(done && scenario == Scenario::Import));
        (ran[0] > first || ran[1] != 0).then(|| format!("the next calls ran {ran:?} times"))
    }

    fn words_of(word: &str) -> Vec<String> {
        ["exec", "--", "./job", word].map(str::to_owned).into()
    }
}
