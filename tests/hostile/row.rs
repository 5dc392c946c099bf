//! One scenario: the initial state, the call, the change, and the expected answers.

use crate::sides::{Answer, Sides};
use serde::Deserialize;
use std::path::Path;
use std::process::{Command, Stdio};

/// A row of a table. All texts are bash, run in the root of each tree.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Programs that the row needs.
    #[serde(default)]
    needs: Vec<String>,
    /// A check, run in an empty directory, for permissions that the row needs.
    #[serde(default)]
    allowed: String,
    /// Creates the initial state.
    #[serde(default)]
    setup: String,
    /// The call; `$RUN` is cashet in one tree and empty in the other.
    call: String,
    /// The change.
    #[serde(default)]
    change: String,
    /// The call after the change, if it differs.
    then: Option<String>,
    /// Expected answers of the second call, and of the call after the change.
    expect: [Expected; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    /// From the cache.
    Hits,
    /// By running the command, whether or not the result is cached.
    Runs,
}

#[derive(Deserialize)]
struct Table {
    row: Vec<Row>,
}

/// The outcome of a row.
pub(crate) enum Verdict {
    Right,
    Skipped(String),
    Wrong(String),
}

impl Row {
    pub(crate) fn of_table(name: &str) -> Vec<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/hostile/{name}.toml"));
        let table: Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        table.row
    }

    pub(crate) fn make(&self) -> Verdict {
        let path = std::env::split_paths("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").collect::<Vec<_>>();
        let missing = |tool: &&String| !path.iter().any(|directory| directory.join(tool).exists());
        if let Some(tool) = self.needs.iter().find(missing) {
            return Verdict::Skipped(format!("{tool} is not here"));
        }
        if !is_allowed(&self.allowed) {
            return Verdict::Skipped(format!("not allowed: {}", self.allowed));
        }
        let sides = Sides::new();
        sides.both(&self.setup);
        let mut answers = vec![sides.call(&self.call), sides.call(&self.call)];
        sides.both(&self.change);
        let then = self.then.as_ref().unwrap_or(&self.call);
        answers.extend([sides.call(then), sides.call(then)]);
        // Undo the change: the first result may answer again, if it is right.
        if self.then.is_some() {
            answers.push(sides.call(&self.call));
        }
        let mut wrong: Vec<String> = answers.iter().filter_map(Answer::wrong).collect();
        let told = [answers.get(1), answers.get(2)].map(|answer| answer.map(Answer::is_hit));
        for (place, (told, expected)) in told.iter().zip(self.expect).enumerate() {
            if *told != Some(expected == Expected::Hits) {
                let which = if place == 0 { "the second call" } else { "the call after the change" };
                let how = answers.get(place + 1).map(|answer| answer.told.to_string());
                wrong.push(format!(
                    "{which} does not do what it should ({expected:?}): {}",
                    how.unwrap_or_default()
                ));
            }
        }
        if wrong.is_empty() { Verdict::Right } else { Verdict::Wrong(wrong.join("\n  ")) }
    }
}

fn is_allowed(what: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-e", "-c", what]).current_dir(directory.path());
    bash.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}
