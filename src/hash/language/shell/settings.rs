//! Whether a script may set shell options that print its lines or change how they are read.

use super::{Script, arguments};
use tree_sitter::Node;

/// Options by name that change neither how lines are read nor how they are shown.
const BY_NAME: &[&[u8]] = &[
    b"allexport",
    b"braceexpand",
    b"errexit",
    b"errtrace",
    b"functrace",
    b"hashall",
    b"monitor",
    b"noclobber",
    b"noglob",
    b"notify",
    b"nounset",
    b"physical",
    b"pipefail",
    b"xtrace",
];

/// The same options by letter.
const BY_LETTER: &[u8] = b"abBCeEfhmPTuxp";

/// Harmless options of `shopt`.
const OF_SHOPT: &[&[u8]] = &[
    b"checkjobs",
    b"dotglob",
    b"execfail",
    b"extglob",
    b"failglob",
    b"globasciiranges",
    b"globskipdots",
    b"globstar",
    b"huponexit",
    b"inherit_errexit",
    b"lastpipe",
    b"nocaseglob",
    b"nocasematch",
    b"nullglob",
    b"xpg_echo",
];

/// Commands that set shell options, or run their arguments as code.
const SETTERS: &[&[u8]] = &[b"alias", b"eval", b"fc", b"history", b"set", b"shopt", b"source"];

/// Whether the script may print its lines, or have them read differently from the parser: anything not listed as harmless.
pub(super) fn may_show_lines(script: &Script<'_>) -> bool {
    script.nodes().into_iter().any(|node| match node.kind() {
        "command" => command(script, node),
        // `builtin set`, `c=set`: under another name they may receive any arguments.
        "word" | "string_content" => SETTERS.contains(&script.text(node)) && !is_name(node),
        "raw_string" => {
            let text = script.text(node);
            let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
            SETTERS.contains(&inside) || sets(text)
        }
        // The shell has the script itself open under a high descriptor number.
        "file_redirect" => has_high_descriptor(script.text(node)),
        _ => false,
    }) || script.nodes().into_iter().any(|node| {
        ["word", "string_content", "string", "concatenation"].contains(&node.kind()) && {
            let text = script.text(node);
            let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
            has(b"/proc/") || sets(text) || opens_high_descriptor(text)
        }
    })
}

fn command(script: &Script<'_>, node: Node<'_>) -> bool {
    let given: Vec<&[u8]> = arguments(node).into_iter().map(|argument| script.text(argument)).collect();
    match script.command_name(node) {
        b"set" => !sets_harmless(&given),
        b"shopt" => !given
            .iter()
            .all(|word| OF_SHOPT.contains(word) || matches!(*word, b"-s" | b"-u" | b"-q" | b"-p")),
        b"alias" | b"fc" | b"history" => true,
        // Composed code may set anything.
        b"eval" => given.iter().any(|word| is_computed(word) || sets(word)),
        b"source" | b"." => given.first().is_none_or(|word| is_unknown_file(word)),
        _ => false,
    }
}

/// `set -eu -o pipefail -- "$@"`
fn sets_harmless(given: &[&[u8]]) -> bool {
    let mut words = given.iter();
    while let Some(word) = words.next() {
        let Some((b'-' | b'+', letters)) = word.split_first() else {
            // Arguments follow; a computed word could still be an option.
            return !is_computed(word);
        };
        if letters == b"-" || letters.is_empty() {
            return true;
        }
        for letter in letters {
            let harmless = match letter {
                b'o' => words.next().is_some_and(|name| BY_NAME.contains(name)),
                letter => BY_LETTER.contains(letter),
            };
            if !harmless {
                return false;
            }
        }
    }
    true
}

fn is_computed(word: &[u8]) -> bool {
    word.iter().any(|byte| b"$`".contains(byte))
}

/// A sourced file that is not read here may set anything; `$(dirname "$0")/x` and `$DIR/x` are found and read.
fn is_unknown_file(word: &[u8]) -> bool {
    let has = |text: &[u8]| word.windows(text.len()).any(|window| window == text);
    word.starts_with(b"<(") || (is_computed(word) && !word.contains(&b'/') && !has(b"dirname"))
}

/// Whether a text that may be run contains a command that sets shell options.
fn sets(text: &[u8]) -> bool {
    [&b"set -"[..], b"set +", b"set $", b"alias ", b"shopt "].iter().any(|command| {
        text.windows(command.len()).enumerate().any(|(at, window)| {
            let before = at.checked_sub(1).and_then(|before| text.get(before)).copied().unwrap_or(b' ');
            window == *command && !before.is_ascii_alphanumeric() && before != b'-' && before != b'_'
        })
    })
}

fn is_name(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| parent.kind() == "command_name")
}

/// `<&255`, `<&$fd`
fn has_high_descriptor(redirect: &[u8]) -> bool {
    let Some(at) = redirect.iter().position(|byte| *byte == b'&') else { return false };
    let target = redirect.get(at + 1..).unwrap_or_default().trim_ascii();
    let digits = target.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 1 || (redirect.contains(&b'<') && is_computed(target))
}

/// `/dev/fd/255`
fn opens_high_descriptor(word: &[u8]) -> bool {
    let place = b"/dev/fd/";
    let at = word.windows(place.len()).position(|window| window == place);
    at.is_some_and(|at| {
        !matches!(word.get(at + place.len()..), Some([b'0'..=b'9'] | [b'0'..=b'9', b'"' | b'\'']))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Shell;
    use crate::hash::language::Language;

    #[test]
    fn only_known_settings_are_harmless() {
        for script in [
            "set -v",
            "set -$o",
            "set $o",
            "set -o verbose",
            "set -o history",
            "set -o \"$x\"",
            "builtin set -v",
            "c=set; $c -v",
            "eval 'set -v'",
            "eval \"$x\"",
            "trap 'set -v' USR1",
            "alias a='echo \"'",
            "shopt -s expand_aliases",
            "shopt -s $x",
            "history",
            "cat <&255",
            "cat /proc/$$/fd/255",
            "cat /dev/fd/255",
            ". \"$x\"",
            "fc -l",
        ] {
            assert!(Shell.parse(script.as_bytes()).exact, "{script}");
        }
        for script in [
            "set -euo pipefail",
            "set +e",
            "set -o errexit -o nounset",
            "set -- a \"$b\"",
            "set a b",
            "shopt -s nullglob",
            "eval 'echo a'",
            "source ./x.sh",
            ". \"$DIR/x\"",
            "cat <&3",
            "exec 2>&1",
            "echo 'reset - all' set-up",
            "git remote set-url a b",
        ] {
            assert!(!Shell.parse(script.as_bytes()).exact, "{script}");
        }
    }
}
