//! Executors, one line each.

use super::doctor::State;
use super::json::{self, Object};
use super::page::Look;
use super::{colour::Role, escape};
use serde_json::Value;

/// An executor and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executor {
    /// Its name.
    pub name: String,
    /// `slurm` or `launcher`; empty where its settings are wrong.
    pub kind: String,
    /// Its state.
    pub state: State,
    /// The details, in words.
    pub about: String,
    /// Advice, if something is wrong.
    pub cure: Option<String>,
    /// The machine on which a test job ran.
    pub machine: Option<String>,
    /// Time from the submission of the job to its end, in nanoseconds.
    pub took: Option<u64>,
}

impl Executor {
    /// An executor of unknown state.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: String::new(),
            state: State::Good,
            about: String::new(),
            cure: None,
            machine: None,
            took: None,
        }
    }

    /// As one line.
    #[must_use]
    pub fn line(&self, look: &Look) -> String {
        let role = if self.state == State::Bad { Role::Bad } else { Role::Good };
        let state = format!("{:<5}", self.state.word());
        let state = look.paint(&state, role);
        let cure = self.cure.as_ref().map(|cure| format!(" ({cure})")).unwrap_or_default();
        let about = format!("{}{cure}", self.about);
        let about = escape::line(about.as_bytes());
        format!("{:<12}{:<9} {state}{about}", escape::line(self.name.as_bytes()), self.kind)
    }
}

/// All executors, as JSON.
#[must_use]
pub fn json(executors: &[Executor]) -> Object {
    let shape = |executor: &Executor| {
        let text = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::from);
        Value::from(
            Object::part()
                .with("name", executor.name.as_str())
                .with("kind", executor.kind.as_str())
                .with("state", executor.state.word())
                .with("about", json::text(executor.about.as_bytes()))
                .with("cure", text(&executor.cure))
                .with("machine", text(&executor.machine))
                .with("took_ns", executor.took.map_or(Value::Null, Value::from)),
        )
    };
    Object::whole().with("executors", executors.iter().map(shape).collect::<Value>())
}
