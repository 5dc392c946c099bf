//! `--report`: one JSON object about a call.

use super::escape;
use super::json::{self, Object};
use super::miss::{self, Call};
use crate::error::{Error, Result};
use crate::hash::manifest::{Manifest, Part, Value};
use crate::memo::{Answer, Kept, Outcome};
use crate::record::{Observation, StoredPath};

/// What is reported of a call that was answered, or failed.
#[must_use]
pub fn object(call: &Call<'_>, answered: &Result<Answer>) -> Object {
    let object = Object::whole().with("command", json::texts(&call.words()));
    match answered {
        Ok(answer) => report(object, call, answer),
        Err(error) => failed(object, error),
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
        Outcome::Ran { why, kept } => ("miss", miss::reasons(call, why, answer.commit), Some(kept)),
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
    let remote = match &answer.outcome {
        Outcome::Hit { from: Some(from), .. } => from.as_str().into(),
        _ => serde_json::Value::Null,
    };
    object
        .with("exit", json::termination(answer.termination))
        .with("wall_ns", answer.resources.wall)
        .with("user_ns", answer.resources.user)
        .with("system_ns", answer.resources.system)
        .with("outputs", answer.outputs)
        .with("inputs", inputs(answer))
        .with("remote", remote)
        .with("own_output_kept", matches!(answer.outcome, Outcome::Hit { own_output: true, .. }))
}

/// Paths of everything that went in, declared or seen.
fn inputs(answer: &Answer) -> serde_json::Value {
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
