//! Variables named in the words of a call. A word may be code in any language (`awk`, `find -exec sh -c`, `jq`), and the names
//! in it occur in no file.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Spellings in words that read the whole environment.
const TAKES_ALL: &[&str] = &[
    "/environ",
    "export -p",
    "declare -p",
    "declare -x",
    "typeset -p",
    "typeset -x",
    "compgen -e",
    "compgen -v",
    "set |",
];

/// Programs whose code accesses the environment under these names.
const JQ: &[&str] = &["jq", "gojq", "jaq"];

/// Every name in `words` that a variable may have, whether or not it is set.
pub(in crate::hash) fn mentioned(words: &[OsString]) -> BTreeSet<Vec<u8>> {
    let names = words.iter().flat_map(|word| names(word.as_bytes()));
    // Every shell sets `_` itself.
    names.map(|(name, _)| name.to_vec()).filter(|name| name != b"_").collect()
}

/// Programs whose code accesses the environment as an array.
const TCL: &[&str] = &["tclsh", "wish", "expect"];

/// Whether code in `words`, the words of `program`, reads the whole environment.
pub(crate) fn takes_all(words: &[OsString], program: &[u8]) -> bool {
    let is_one_of = |names: &[&str]| names.iter().any(|name| program.starts_with(name.as_bytes()));
    let (is_jq, is_tcl) = (is_one_of(JQ), is_one_of(TCL));
    words.iter().map(|word| word.as_bytes()).any(|word| {
        let listed =
            TAKES_ALL.iter().any(|part| word.windows(part.len()).any(|window| window == part.as_bytes()));
        listed
            || names(word).any(|(name, after)| match name {
                b"ENVIRON" => !after.starts_with(b"[\""),
                b"env" | b"ENV" if is_jq => !after.starts_with(b"."),
                b"env" if is_tcl => !after.starts_with(b"(") || after.starts_with(b"($"),
                _ => false,
            })
    })
}

/// The names in `word`, each with the text after it.
fn names(word: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| is_part(*byte))?;
        let (_, from) = rest.split_at_checked(start)?;
        let end = from.iter().position(|byte| !is_part(*byte)).unwrap_or(from.len());
        let (name, after) = from.split_at_checked(end)?;
        rest = after;
        Some((name, after))
    })
    .filter(|(name, _)| !name.first().is_some_and(u8::is_ascii_digit))
}

const fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[&str]) -> Vec<OsString> {
        line.iter().map(OsString::from).collect()
    }

    #[test]
    fn names_stand_anywhere_in_a_word() {
        let found = mentioned(&words(&["awk", "BEGIN{print ENVIRON[\"A_1\"] 2x}", "--rate=${B}", "$_"]));
        let found: Vec<_> = found.iter().map(|name| String::from_utf8_lossy(name)).collect();
        assert_eq!(found, ["A_1", "B", "BEGIN", "ENVIRON", "awk", "print", "rate"]);
    }

    #[test]
    fn some_code_takes_all() {
        for (line, program, all) in [
            (&["BEGIN{print ENVIRON[\"A\"]}"][..], "awk", false),
            (&["BEGIN{for (k in ENVIRON) print k}"], "awk", true),
            (&["sh", "-c", "export -p"], "find", true),
            (&["-n", "env.A"], "jq", false),
            (&["-n", "$ENV|length"], "jq", true),
            (&["env"], "grep", false),
        ] {
            assert_eq!(takes_all(&words(line), program.as_bytes()), all, "{line:?}");
        }
    }
}
