//! The options of `exec`, `check` and `audit`: one table, from which both the quick scanner and clap's parser are made.
//!
//! Building clap's command tree takes more than half of the time of a hit, so a scanner reads the words first. It gives up at
//! anything unusual, and then clap decides. All error messages and help texts are clap's.

mod parser;
mod table;

pub use parser::{from_matches, json, with_options, with_options_but, with_options_of_call};
pub use table::Flag;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use table::{TABLE, Takes};

/// The options of a call and the words of its command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Options with their values. Options are in the order of the table; several values of one are in their own order.
    given: Vec<(Flag, Option<OsString>)>,
    /// The words of the command.
    pub words: Vec<OsString>,
    /// Whether `--json` was given, which only `audit` has.
    pub json: bool,
}

impl Scanned {
    /// Whether `flag` was given.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.given.iter().any(|(given, _)| *given == flag)
    }

    /// Whether `flag` was given twice.
    #[must_use]
    pub fn has_twice(&self, flag: Flag) -> bool {
        self.given.iter().filter(|(given, _)| *given == flag).count() > 1
    }

    /// The name of the first of these options that was given.
    #[must_use]
    pub fn first_of(&self, flags: &[Flag]) -> Option<&'static str> {
        let (given, _) = self.given.iter().find(|(given, _)| flags.contains(given))?;
        TABLE.iter().find(|row| row.flag == *given).map(|row| row.long)
    }

    /// The last value given for `flag`.
    #[must_use]
    pub fn last(&self, flag: Flag) -> Option<&OsStr> {
        self.all(flag).last()
    }

    /// All values given for `flag`, in order.
    pub fn all(&self, flag: Flag) -> impl Iterator<Item = &OsStr> {
        let of_flag = self.given.iter().filter(move |(given, _)| *given == flag);
        of_flag.filter_map(|(_, value)| value.as_deref())
    }

    /// The words of the call, without some of its options.
    #[must_use]
    pub fn to_words(&self, without: &[Flag]) -> Vec<OsString> {
        let mut words = Vec::new();
        for (flag, value) in self.given.iter().filter(|(flag, _)| !without.contains(flag)) {
            let Some(row) = TABLE.iter().find(|row| row.flag == *flag) else { continue };
            let mut word = OsString::from(format!("--{}", row.long));
            if let Some(value) = value {
                word.push("=");
                word.push(value);
            }
            words.push(word);
        }
        words.push("--".into());
        words.extend(self.words.iter().cloned());
        words
    }

    /// The same options with other values, and other words.
    ///
    /// # Errors
    /// Those of `value`.
    pub fn replaced<E>(
        &self,
        words: Vec<OsString>,
        mut value: impl FnMut(Flag, &OsStr) -> Result<OsString, E>,
    ) -> Result<Self, E> {
        let mut given = Vec::with_capacity(self.given.len());
        for (flag, old) in &self.given {
            given.push((*flag, old.as_deref().map(|old| value(*flag, old)).transpose()?));
        }
        Ok(Self { given, words, json: self.json })
    }

    /// Adds an option.
    pub fn give(&mut self, flag: Flag, value: Option<OsString>) {
        self.given.push((flag, value));
        self.given.sort_by_key(|(flag, _)| *flag);
    }

    /// Sorts the options in the order of the table and removes repetitions without effect.
    fn sorted(mut self) -> Self {
        self.given.sort_by_key(|(flag, _)| *flag);
        let counts = |flag| TABLE.iter().any(|row| row.flag == flag && row.takes == Takes::Twice);
        let mut before = (None, 0);
        self.given.retain(|(flag, value)| {
            before = if before.0 == Some(*flag) { (before.0, before.1 + 1) } else { (Some(*flag), 1) };
            value.is_some() || before.1 <= if counts(*flag) { 2 } else { 1 }
        });
        self
    }
}

/// Reads the words after `exec`. `None` where anything is unusual: a mistake, `--help`, a value attached to a short option. Then clap
/// decides.
#[must_use]
pub fn scan(words: &[OsString]) -> Option<Scanned> {
    let mut scanned = Scanned::default();
    let mut rest = words.iter();
    loop {
        let word = rest.as_slice().first()?.as_bytes();
        if word == b"--" {
            rest.next();
            break;
        }
        if !word.starts_with(b"-") || word == b"-" {
            break;
        }
        rest.next();
        let (name, glued) = match word.iter().position(|byte| *byte == b'=') {
            Some(place) => (word.get(..place)?, Some(word.get(place + 1..)?)),
            None => (word, None),
        };
        let row = match name {
            [b'-', b'-', long @ ..] => TABLE.iter().find(|row| row.long.as_bytes() == long)?,
            [b'-', short] if glued.is_none() => TABLE.iter().find(|row| row.short == Some(*short))?,
            [b'-', short, again] if glued.is_none() && short == again => {
                let row = TABLE.iter().find(|row| row.short == Some(*short) && row.takes == Takes::Twice)?;
                scanned.given.push((row.flag, None));
                row
            }
            _ => return None,
        };
        let value = match (row.takes, glued) {
            (Takes::Nothing | Takes::Twice | Takes::OptionalValue(_), None) => None,
            (Takes::Nothing | Takes::Twice, Some(_)) => return None,
            (_, Some(glued)) => Some(OsString::from_vec(glued.to_vec())),
            (Takes::Value(_), None) => {
                // clap does not accept a word that looks like an option as a value.
                let value = rest.next()?;
                if value.as_bytes().starts_with(b"-") && value.as_bytes() != b"-" {
                    return None;
                }
                Some(value.clone())
            }
        };
        // clap reports an empty attached value.
        if value.as_ref().is_some_and(|value| value.is_empty()) {
            return None;
        }
        if row.takes != Takes::Nothing || !scanned.has(row.flag) {
            scanned.given.push((row.flag, value));
        }
    }
    scanned.words = rest.cloned().collect();
    (!scanned.words.is_empty()).then(|| scanned.sorted())
}

/// Options that say where a command runs, and with which resources.
pub const ELSEWHERE: &[Flag] = &[
    Flag::On,
    Flag::Detach,
    Flag::Latest,
    Flag::Snapshot,
    Flag::Gpus,
    Flag::Cpus,
    Flag::Mem,
    Flag::Time,
    Flag::Partition,
    Flag::Sbatch,
    Flag::Ship,
];

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Command;
    use proptest::prelude::*;

    fn by_clap(words: &[OsString]) -> Option<Scanned> {
        let command = with_options(Command::new("exec").no_binary_name(true));
        command.try_get_matches_from(words).ok().map(|matches| from_matches(&matches))
    }

    fn split(line: &str) -> Vec<OsString> {
        line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect()
    }

    #[test]
    fn the_usual_forms_are_scanned() {
        for (line, words) in [
            ("true", "true"),
            ("-- true -f", "true -f"),
            ("--input a -i b --output=c -f true --force x", "true --force x"),
            ("--stdin --id -q sort -n", "sort -n"),
            ("--stdin=file -t a=b -t c - x", "- x"),
            ("--ttl 1h -- -- x", "-- x"),
            ("-f --force -q -f x", "x"),
            ("-q -q x", "x"),
            ("-qq x", "x"),
            ("--quiet -qq -q x", "x"),
        ] {
            let scanned = scan(&split(line)).unwrap();
            assert_eq!(scanned.words, split(words), "{line}");
            assert_eq!(Some(scanned), by_clap(&split(line)), "{line}");
        }
    }

    #[test]
    fn a_call_becomes_words_again() {
        let scanned = scan(&split("-i a --stdin=b --id -q sort -n")).unwrap();
        assert_eq!(scanned.to_words(&[Flag::Id]), split("--input=a --stdin=b --quiet -- sort -n"));
    }

    #[test]
    fn the_unusual_is_left_to_clap() {
        for line in [
            "",
            "--",
            "--nonsense true",
            "--input",
            "--help",
            "-h",
            "-fq true",
            "-ia true",
            "--force=1 true",
            "--ttl= true",
            "-Z -- true",
        ] {
            assert_eq!(scan(&split(line)), None, "{line}");
        }
    }

    #[test]
    fn mistakes_are_refused_and_never_taken_for_the_command() {
        for line in
            ["--nonsense true", "-Z -- true", "--ttl= true", "--input= true", "--force=1 true", "--input"]
        {
            assert_eq!(by_clap(&split(line)), None, "{line}");
        }
        assert_eq!(by_clap(&split("true -Z --nonsense")).unwrap().words, split("true -Z --nonsense"));
        assert_eq!(by_clap(&split("-- -Z")).unwrap().words, split("-Z"));
    }

    fn word() -> impl Strategy<Value = String> {
        let long = (0..TABLE.len()).prop_map(|place| format!("--{}", TABLE[place].long));
        let glued = (0..TABLE.len()).prop_map(|place| format!("--{}=x", TABLE[place].long));
        let short = "-[a-z]{1,2}";
        let other = prop::sample::select(vec!["--", "-", "true", "1h", "a=b", "", "--x", "-1", "--="])
            .prop_map(str::to_owned);
        prop_oneof![long, glued, short, other]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// What the scanner understands, clap understands alike.
        #[test]
        fn the_scanner_never_contradicts_clap(line in prop::collection::vec(word(), 0..7)) {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            if let Some(scanned) = scan(&words) {
                prop_assert_eq!(Some(scanned), by_clap(&words));
            }
        }
    }
}
