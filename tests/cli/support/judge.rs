//! Comparing streams and messages with what a test expects.

use super::run::Expected;

/// Compares a stream with its expected content.
pub(super) fn compare(name: &str, expected: &Expected, found: &[u8], wrong: &mut Vec<String>) {
    match expected {
        Expected::Anything => {}
        Expected::Exactly(bytes) if bytes == found => {}
        Expected::Exactly(bytes) => wrong.push(format!("expected {name} {}", shown(bytes))),
        Expected::Containing(words) => {
            let text = String::from_utf8_lossy(found).into_owned();
            let mut rest = text.as_str();
            for word in words {
                match rest.split_once(word.as_str()) {
                    Some((_, after)) => rest = after,
                    None => wrong.push(format!("{name} does not hold {word:?} (in this order)")),
                }
            }
        }
    }
}

/// A message is one line, `cashet: …` or `error: …`, with at most one line `hint: …` after it.
pub(super) fn judge_message(stderr: &[u8], wrong: &mut Vec<String>) {
    let text = String::from_utf8_lossy(stderr).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let well_formed = match lines.as_slice() {
        [first] => is_message(first),
        [first, second] => is_message(first) && second.starts_with("hint: "),
        _ => false,
    };
    if !well_formed || !text.ends_with('\n') {
        wrong.push("stderr is not one line, with at most one hint".to_owned());
    }
}

fn is_message(line: &str) -> bool {
    let ends_well = !line.ends_with('.') || line.ends_with("...");
    ends_well && ["cashet: ", "error: "].iter().any(|start| line.starts_with(start))
}

/// Bytes for the message of a failure, shortened to a readable length.
pub(super) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 4000;
    let text = bytes.get(..MOST).unwrap_or(bytes).escape_ascii().to_string().replace("\\n", "\n");
    if bytes.len() > MOST { format!("{text}… ({} bytes)", bytes.len()) } else { text }
}
