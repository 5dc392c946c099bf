//! Statements in files of ninja: what is made from what.

use super::replaced;
use super::text::{is_like, words};
use std::collections::BTreeSet;

/// Variables by which a rule or statement names inputs that are known only when it has run.
const DISCOVER: &[&[u8]] = &[b"depfile", b"deps", b"dyndep"];

/// The statements of all files that were read.
#[derive(Debug, Default)]
pub(super) struct Statements {
    all: Vec<Statement>,
    /// Rules that find more inputs when they run.
    discovering: BTreeSet<Vec<u8>>,
}

/// `build OUTPUTS: RULE INPUTS`.
#[derive(Debug)]
struct Statement {
    outputs: Vec<Vec<u8>>,
    rule: Vec<u8>,
    inputs: Vec<Vec<u8>>,
    discovers: bool,
}

/// What is made from which inputs, as patterns of base names.
#[derive(Debug)]
pub(super) struct Made {
    outputs: Vec<Vec<u8>>,
    inputs: Vec<Vec<u8>>,
}

impl Made {
    pub(super) fn may_make(&self, name: &[u8]) -> bool {
        self.outputs.iter().any(|pattern| is_like(pattern, name))
    }

    pub(super) fn is_made_from(&self, name: &[u8]) -> bool {
        self.inputs.iter().any(|pattern| is_like(pattern, name))
    }
}

impl Statements {
    /// Adds the statements and rules of a file.
    pub(super) fn add(&mut self, text: &[u8]) {
        let text = replaced(&replaced(text, b"\r\n", b"\n"), b"$\n", b" ");
        let mut rule: Option<&[u8]> = None;
        for line in text.split(|byte| *byte == b'\n') {
            if line.first() == Some(&b' ') {
                let name = line.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
                if !DISCOVER.contains(&name) {
                    continue;
                }
                match (rule, self.all.last_mut()) {
                    (Some(rule), _) => drop(self.discovering.insert(rule.to_vec())),
                    (None, Some(statement)) => statement.discovers = true,
                    (None, None) => {}
                }
            } else if let Some(name) = line.strip_prefix(b"rule ") {
                rule = Some(name.trim_ascii());
            } else if let Some(rest) = line.strip_prefix(b"build ") {
                rule = None;
                self.all.push(Statement::of(rest));
            }
        }
    }

    /// The base names of all outputs.
    pub(super) fn outputs(&self) -> BTreeSet<Vec<u8>> {
        let made = self.all.iter().filter(|statement| statement.rule != b"phony");
        let names = made.flat_map(|statement| &statement.outputs);
        names.map(|path| path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec()).collect()
    }

    /// What is made from known inputs, and the outputs of which not all inputs are known.
    pub(super) fn made(&self) -> (Vec<Made>, Vec<&[u8]>) {
        let is_phony = |statement: &Statement| statement.rule == b"phony";
        let phony = self.all.iter().filter(|statement| is_phony(statement) && !statement.inputs.is_empty());
        let names: BTreeSet<&[u8]> =
            phony.flat_map(|statement| &statement.outputs).map(Vec::as_slice).collect();
        let (mut made, mut unknown) = (Vec::new(), Vec::new());
        for statement in &self.all {
            // It says that these files may be missing.
            if is_phony(statement) && statement.inputs.is_empty() {
                continue;
            }
            let Statement { outputs, rule, inputs, discovers } = statement;
            // Such an input stands for others.
            let stands = inputs.iter().any(|input| names.contains(input.as_slice()));
            if *discovers || stands || self.discovering.contains(rule) {
                unknown.extend(outputs.iter().map(Vec::as_slice));
            } else {
                let patterns = |names: &[Vec<u8>]| names.iter().map(|name| pattern(name)).collect();
                made.push(Made { outputs: patterns(outputs), inputs: patterns(inputs) });
            }
        }
        (made, unknown)
    }
}

impl Statement {
    fn of(text: &[u8]) -> Self {
        let text = replaced(&replaced(text, b"$:", b"*"), b"$ ", b"*");
        let colon = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
        let (outputs, rest) = text.split_at_checked(colon).unwrap_or_default();
        let is_name = |word: &&[u8]| *word != b"|";
        let mut words_after = words(rest.get(1..).unwrap_or_default()).into_iter();
        let rule = words_after.next().unwrap_or_default().to_vec();
        // The times of what comes after `||` and `|@` decide nothing.
        let inputs = words_after.take_while(|word| !matches!(*word, b"||" | b"|@"));
        Self {
            outputs: words(outputs).into_iter().filter(is_name).map(<[u8]>::to_vec).collect(),
            rule,
            inputs: inputs.filter(is_name).map(<[u8]>::to_vec).collect(),
            discovers: false,
        }
    }
}

/// The base name of a path. What a variable stands for may be anything.
fn pattern(path: &[u8]) -> Vec<u8> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if name.contains(&b'$') { b"*".to_vec() } else { name.to_vec() }
}
