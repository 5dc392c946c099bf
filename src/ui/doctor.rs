//! What `doctor` found, one line each.

use super::colour::Role;
use super::escape;
use super::json::{self, Object};
use super::page::Look;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Good,
    /// It works, and could do better.
    Slow,
    /// It keeps results from being cached.
    Bad,
}

impl State {
    /// A word for it; stable.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Slow => "poor",
            Self::Bad => "bad",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found, in words.
    pub about: String,
    /// What to do about it.
    pub cure: Option<String>,
}

impl Finding {
    /// Something found, without a cure.
    #[must_use]
    pub const fn new(what: &'static str, state: State, about: String) -> Self {
        Self { what, state, about, cure: None }
    }

    /// The same with a cure.
    #[must_use]
    pub fn with_cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// The finding in one line, which gives way before its cure does.
    #[must_use]
    pub fn line(&self, look: &Look) -> String {
        let role = match self.state {
            State::Good => Role::Good,
            State::Slow => Role::Changed,
            State::Bad => Role::Bad,
        };
        let about = escape::line(self.about.as_bytes());
        let cure = self
            .cure
            .as_ref()
            .map(|cure| format!(" ({})", escape::line(cure.as_bytes())))
            .unwrap_or_default();
        let room = look.width.map(|width| width.saturating_sub(START));
        let about = match room {
            Some(room) => {
                escape::cut(&about, room.saturating_sub(escape::columns(&cure)).max(SHORTEST)).into_owned()
            }
            None => about.into_owned(),
        };
        let rest = format!("{about}{cure}");
        let rest = room.map_or(rest.clone(), |room| escape::cut(&rest, room).into_owned());
        let state = format!("{:<5}", self.state.word());
        format!("{:<10}{}{rest}", self.what, look.paint(&state, role))
    }
}

/// Columns before what was found.
const START: usize = 15;

/// Columns that what was found keeps at least.
const SHORTEST: usize = 12;

/// All findings for programs.
#[must_use]
pub fn json(findings: &[Finding]) -> Object {
    let shape = |finding: &Finding| {
        let cure = finding.cure.as_deref().map_or(serde_json::Value::Null, Into::into);
        serde_json::Value::from(
            Object::part()
                .with("what", finding.what)
                .with("state", finding.state.word())
                .with("about", json::text(finding.about.as_bytes()))
                .with("cure", cure),
        )
    };
    Object::whole()
        .with("caches", !findings.iter().any(|finding| finding.state == State::Bad))
        .with("findings", findings.iter().map(shape).collect::<serde_json::Value>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::page::tests::look;

    #[test]
    fn one_line_each_at_three_widths() {
        let findings = [
            Finding::new("kernel", State::Good, "Linux 6.8.0-45-generic, x86_64".to_owned()),
            Finding::new("watching", State::Slow, "by ptrace, several times slower".to_owned())
                .with_cure("run it outside of other tracers"),
            Finding::new(
                "store",
                State::Bad,
                "/a/rather/long/path/to/a/project/.cashet cannot be made".to_owned(),
            )
            .with_cure("--store names another"),
        ];
        let shown = |width| {
            let lines: Vec<String> = findings.iter().map(|finding| finding.line(&look(width))).collect();
            assert!(lines.iter().all(|line| escape::columns(line) <= width), "{lines:#?}");
            lines.join("\n")
        };
        insta::assert_snapshot!(shown(140), @r"
        kernel    ok   Linux 6.8.0-45-generic, x86_64
        watching  poor by ptrace, several times slower (run it outside of other tracers)
        store     bad  /a/rather/long/path/to/a/project/.cashet cannot be made (--store names another)
        ");
        insta::assert_snapshot!(shown(80), @r"
        kernel    ok   Linux 6.8.0-45-generic, x86_64
        watching  poor by ptrace, several times slower (run it outside of other tracers)
        store     bad  /a/rather/long/path/to/a/project/.cashet… (--store names another)
        ");
        insta::assert_snapshot!(shown(60), @r"
        kernel    ok   Linux 6.8.0-45-generic, x86_64
        watching  poor by ptrace, … (run it outside of other tracer…
        store     bad  /a/rather/long/path/… (--store names another)
        ");
    }
}
