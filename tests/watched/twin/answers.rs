//! Reading reports and standard error of calls.

use super::Outcome;

/// How a call was answered, from its report.
pub(super) fn outcome_of(told: &serde_json::Value) -> Outcome {
    let text = |name: &str| told.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let reason = told.get("not_kept").and_then(|why| why.get("reason")).and_then(serde_json::Value::as_str);
    match (text("outcome"), reason) {
        ("hit", _) => Outcome::Hit,
        ("miss", None) => Outcome::Kept,
        ("miss", Some(reason)) => Outcome::NotKept(reason.to_owned()),
        ("bypass" | "bypassed", _) => Outcome::Bypass,
        (other, _) => panic!("{other}: {told}"),
    }
}

/// Sorts the bytes of standard error: the processes of a pipeline write in parallel, a few bytes at a time, in a different
/// order in each run.
pub(super) fn mixed(stderr: &[u8]) -> Vec<u8> {
    let mut bytes = stderr.to_vec();
    bytes.sort_unstable();
    bytes
}

/// Standard error without messages of cashet.
pub(super) fn without_ours(stderr: &[u8]) -> Vec<u8> {
    let lines = stderr.split_inclusive(|byte| *byte == b'\n');
    let mut lines: Vec<&[u8]> = lines.filter(|line| !line.starts_with(b"cashet: ")).collect();
    lines.sort_unstable();
    lines.concat()
}
