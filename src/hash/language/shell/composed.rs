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

/// Whether a shell composes a name in capitals (`${n}_PORT`) where that may be the name of a variable: on a line that evaluates such
/// names, or anywhere if the script expands text as a prompt, or has arithmetic on several lines.
pub(super) fn composes(code: &[u8]) -> bool {
    let has = |text: &[u8], part: &str| memmem::find(text, part.as_bytes()).is_some();
    let mut lines = code.split(|byte| *byte == b'\n');
    let anywhere = has(code, "@P}") || lines.clone().any(|line| has(line, "((") && !has(line, "))"));
    puts_together(code)
        && (anywhere
            || lines.any(|line| EVALUATES.iter().any(|place| has(line, place)) && puts_together(line)))
}

/// Whether a name in capitals is put together from the value of a variable, and is no part of a path.
fn puts_together(code: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_capital =
        |word: &[u8]| word.iter().any(u8::is_ascii_uppercase) && !word.iter().any(u8::is_ascii_lowercase);
    let is_of_path = |byte: Option<&u8>| byte.is_some_and(|byte| b"./-".contains(byte));
    memmem::find_iter(code, b"${").any(|at| {
        let (before, rest) = code.split_at_checked(at).unwrap_or_default();
        let name = rest.get(2..).unwrap_or_default().iter().take_while(|byte| is_part(byte)).count();
        let Some(after) = rest.get(2 + name..).and_then(|after| after.strip_prefix(b"}")) else {
            return false;
        };
        let length = before.iter().rev().take_while(|byte| is_part(byte)).count();
        let (outside, before) = before.split_at_checked(before.len() - length).unwrap_or_default();
        let length = after.iter().take_while(|byte| is_part(byte)).count();
        let (after, outside_after) = after.split_at_checked(length).unwrap_or_default();
        (is_capital(before) || is_capital(after))
            && !is_of_path(outside.last())
            && !is_of_path(outside_after.first())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_names_count_where_they_are_evaluated() {
        for (code, expected) in [
            ("let \"n=${p}_PORT+1\"", true),
            ("t=\"\\$${n}_PORT\"\necho \"${t@P}\"", true),
            ("x=$((\n${n}_PORT + 1))", true),
            ("[[ $# -gt 1 ]] || exit\necho \"${name}_ID\"", false),
            ("[[ $n -gt 5 ]] && cp ${n}_PORT.txt out/${n}_A", false),
            ("echo ${n}_PORT", false),
        ] {
            assert_eq!(composes(code.as_bytes()), expected, "{code}");
        }
    }
}
