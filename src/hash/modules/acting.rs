//! Comments with an effect, such as the requirements of a script: they count although other comments do not.

use super::super::entry::Entry;

/// The comments with an effect in the entry's source, one per line, in order; empty where there are none.
pub(super) fn comments(source: &[u8], entry: &Entry) -> Vec<u8> {
    let mut acting = Vec::new();
    let launched_by =
        |names: &[&str]| entry.launchers.iter().any(|name| names.iter().any(|known| name == known));
    // `uv run`, `uvx`, `pipx run` read the requirements of PEP 723 in the script.
    let read_block = launched_by(&["uv", "uvx", "pipx", "pdm", "hatch"]);
    let mut in_block = false;
    for (place, line) in source.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii_end();
        let shebang = place == 0 && line.starts_with(b"#!") && entry.executed_directly;
        if read_block && line.starts_with(b"# ///") {
            in_block = line != b"# ///";
            acting.extend_from_slice(line);
            acting.push(b'\n');
        } else if shebang || is_batch_directive(line) || in_block && line.starts_with(b"#") {
            acting.extend_from_slice(line);
            acting.push(b'\n');
        }
    }
    acting
}

/// Directives that batch schedulers read in a job's script.
fn is_batch_directive(line: &[u8]) -> bool {
    [&b"#SBATCH"[..], b"#PBS", b"#BSUB", b"#$ -", b"#COBALT", b"#OAR"]
        .iter()
        .any(|word| line.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::entry::{LanguageKind, What};

    fn entry(launcher: Option<&str>, executed_directly: bool) -> Entry {
        Entry {
            language: LanguageKind::Python,
            what: What::Program,
            interpreter: None,
            options: Vec::new(),
            directory: "/".into(),
            overlay: Vec::new(),
            clears_environment: false,
            executed_directly,
            launchers: launcher.into_iter().map(Into::into).collect(),
            word: None,
        }
    }

    const SCRIPT: &[u8] =
        b"#!/usr/bin/env python3\n# note\n# /// script\n# dependencies = [\"x\"]\n# ///\n# more\nx = 1\n";

    #[test]
    fn the_first_line_acts_where_the_script_is_executed() {
        assert_eq!(comments(SCRIPT, &entry(None, true)), b"#!/usr/bin/env python3\n");
        assert_eq!(comments(SCRIPT, &entry(None, false)), b"");
    }

    #[test]
    fn requirements_act_under_uv() {
        let block = b"# /// script\n# dependencies = [\"x\"]\n# ///\n";
        assert_eq!(comments(SCRIPT, &entry(Some("uv"), false)), block);
        assert_eq!(comments(SCRIPT, &entry(Some("nice"), false)), b"");
    }

    #[test]
    fn schedulers_directives_act() {
        let script = b"#!/bin/sh\n#SBATCH --time=1\n# plain\n#PBS -l x\necho\n";
        assert_eq!(comments(script, &entry(None, false)), b"#SBATCH --time=1\n#PBS -l x\n");
    }
}
