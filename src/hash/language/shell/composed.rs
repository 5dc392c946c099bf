//! Names of variables that a shell script composes (`${n}_PORT`).

use memchr::memmem;

/// Where a shell takes a name for a variable without a `$` before it, or keeps code for later.
const EVALUATES: &[&str] = &[
    "let ",
    "((",
    "declare -i",
    "typeset -i",
    "local -i",
    "@P}",
    "trap ",
    "alias ",
    "PS4",
    "mapfile",
    "readarray",
    "-eq ",
    "-ne ",
    "-lt ",
    "-le ",
    "-gt ",
    "-ge ",
    "-v ",
    "[$",
    "[\"$",
    ":$",
];

/// Whether a shell composes a name in capitals (`${n}_PORT`) and has a place where that may be the name of a variable.
pub(super) fn composes(code: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_capital =
        |word: &[u8]| word.iter().any(u8::is_ascii_uppercase) && !word.iter().any(u8::is_ascii_lowercase);
    let is_of_path = |byte: Option<&u8>| byte.is_some_and(|byte| b"./-".contains(byte));
    let puts_together = || {
        memmem::find_iter(code, b"${").any(|at| {
            let (before, rest) = code.split_at_checked(at).unwrap_or_default();
            let name = rest.get(2..).unwrap_or_default().iter().take_while(|byte| is_part(byte)).count();
            let Some(after) = rest.get(2 + name..).and_then(|after| after.strip_prefix(b"}")) else {
                return false;
            };
            let before_length = before.iter().rev().take_while(|byte| is_part(byte)).count();
            let (outside, before) = before.split_at_checked(before.len() - before_length).unwrap_or_default();
            let (after, outside_after) = after
                .split_at_checked(after.iter().take_while(|byte| is_part(byte)).count())
                .unwrap_or_default();
            (is_capital(before) || is_capital(after))
                && !is_of_path(outside.last())
                && !is_of_path(outside_after.first())
        })
    };
    EVALUATES.iter().any(|place| memmem::find(code, place.as_bytes()).is_some()) && puts_together()
}
