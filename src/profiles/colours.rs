//! Variables that packages name without letting them decide a result: those by which they choose colours for a terminal, where there
//! is none, and those by which they introduce themselves to servers.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What supports-color asks for after it has found that the stream is a terminal. (`FORCE_COLOR`, `TF_BUILD` and `AGENT_NAME`
/// come before that.)
const OF_TERMINALS: &[&str] = &[
    "CI",
    "GITHUB_ACTIONS",
    "GITEA_ACTIONS",
    "CIRCLECI",
    "TRAVIS",
    "APPVEYOR",
    "GITLAB_CI",
    "BUILDKITE",
    "DRONE",
    "CI_NAME",
    "TEAMCITY_VERSION",
    "COLORTERM",
    "TERM",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
];
/// The modules that ask for them, by the end of their paths.
const CHOOSE_COLOURS: &[&str] =
    &["node_modules/supports-color/index.js", "chalk/source/vendor/supports-color/index.js"];

/// Modules, by the end of their paths, and variables that only tell a server who asks it.
const INTRODUCE_THEMSELVES: &[(&str, &[&str])] =
    &[("site-packages/pip/_internal/network/session.py", &["CI", "BUILD_BUILDID", "BUILD_ID", "PIP_IS_CI"])];

/// Whether the module at `path` names a variable without letting it decide anything; `has_colours` is false where nothing is
/// written to a terminal and nobody asked for colours.
#[must_use]
pub fn names_without_effect(path: &Path, name: &[u8], has_colours: bool) -> bool {
    let is_among = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
    let chooses = || CHOOSE_COLOURS.iter().any(|end| path.ends_with(end));
    !has_colours && is_among(OF_TERMINALS) && chooses()
        || INTRODUCE_THEMSELVES.iter().any(|(end, names)| is_among(names) && path.ends_with(end))
}

/// Whether a call asks for colours although nothing is a terminal.
#[must_use]
pub fn are_asked_for<'w>(
    words: impl IntoIterator<Item = &'w [u8]>,
    environment: &[(OsString, OsString)],
) -> bool {
    environment.iter().any(|(name, _)| name == OsStr::new("FORCE_COLOR"))
        || words.into_iter().any(|word| memchr::memmem::find(word, b"-color").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_without_effect_in_its_module_alone() {
        let is = |path: &str, name: &str, has_colours| {
            names_without_effect(Path::new(path), name.as_bytes(), has_colours)
        };
        let module = "/p/node_modules/supports-color/index.js";
        assert!(
            is(module, "CI", false)
                && is("/p/node_modules/a/node_modules/supports-color/index.js", "TERM", false)
        );
        assert!(
            !is(module, "CI", true) && !is(module, "FORCE_COLOR", false) && !is(module, "TF_BUILD", false)
        );
        assert!(!is("/p/node_modules/picocolors/picocolors.js", "CI", false));
        let session = "/usr/lib/python3.11/site-packages/pip/_internal/network/session.py";
        assert!(
            is(session, "CI", true) && !is(session, "HTTP_PROXY", true) && !is("/p/session.py", "CI", false)
        );
    }

    #[test]
    fn colours_are_asked_for_by_words_and_by_a_variable() {
        let asked = |words: &[&str], name: &str| {
            are_asked_for(
                words.iter().map(|word| word.as_bytes()),
                &[(OsString::from(name), OsString::from("1"))],
            )
        };
        assert!(
            asked(&["eslint", "--color"], "A")
                && asked(&["a", "--no-color"], "A")
                && asked(&[], "FORCE_COLOR")
        );
        assert!(!asked(&["eslint", "x.js"], "CI"));
    }
}
