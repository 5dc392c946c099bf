//! Variables that packages name and that decide no result: by which they introduce themselves to servers, and by which they choose
//! colors where the output is a terminal.

use std::path::Path;

/// When the names of a row decide nothing.
enum When {
    /// Always.
    Always,
    /// While there is no terminal, and nothing asks for colors.
    Plain,
    /// While none of these variables is set.
    Without(&'static [&'static str]),
}

/// The end of a module's path, and variables that it names.
struct Row(&'static str, &'static [&'static str], When);

/// Read by `supports-color` after it has returned for a stream that is no terminal.
const COLORS: &[&str] = &[
    "AGENT_NAME",
    "APPVEYOR",
    "BUILDKITE",
    "CI",
    "CIRCLECI",
    "CI_NAME",
    "COLORTERM",
    "DRONE",
    "GITEA_ACTIONS",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
];

const SERVICES: &[&str] = &["CIRCLECI", "GITHUB_ACTIONS", "GITLAB_CI"];

const ROWS: &[Row] = &[
    Row(
        "site-packages/pip/_internal/network/session.py",
        &["CI", "BUILD_BUILDID", "BUILD_ID", "PIP_IS_CI"],
        When::Always,
    ),
    // npm shows a progress bar, asks and tells of a new version at a terminal alone; `CI` gives its user agent no name.
    Row("npm/node_modules/ci-info/index.js", &["CI"], When::Plain),
    Row("npm/node_modules/ci-info/vendors.json", &["CI"], When::Plain),
    Row("npm/node_modules/@npmcli/config/lib/definitions/definitions.js", &["CI"], When::Plain),
    Row("npm/node_modules/libnpmexec/lib/run-script.js", &["CI"], When::Plain),
    Row("npm/node_modules/@sigstore/sign/dist/identity/ci.js", &["CI"], When::Always),
    Row("npm/package.json", &["CI"], When::Always),
    Row("supports-color/index.js", COLORS, When::Plain),
    Row("colorette/index.js", &["CI"], When::Without(SERVICES)),
    Row("colorette/index.cjs", &["CI"], When::Without(SERVICES)),
    Row("webpack/lib/util/terminalColors.js", &["CI"], When::Without(SERVICES)),
];

/// The circumstances in which rows hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Colors {
    /// Whether there may be a terminal, or something asks for colors.
    wanted: bool,
    /// Those of [`SERVICES`] that are set.
    set: Vec<&'static str>,
}

impl Colors {
    /// Circumstances in which each name counts, except those that never do.
    #[must_use]
    pub fn wanted() -> Self {
        Self { wanted: true, set: SERVICES.to_vec() }
    }

    /// Those of a run without a terminal, for which nothing asks for colors, and in whose environment `is_set`.
    #[must_use]
    pub fn plain(is_set: &dyn Fn(&str) -> bool) -> Self {
        Self { wanted: false, set: SERVICES.iter().copied().filter(|name| is_set(name)).collect() }
    }

    /// Whether the module at `path` names a variable without letting it decide anything.
    #[must_use]
    pub fn are_without(&self, path: &Path, name: &[u8]) -> bool {
        let holds = |when: &When| match when {
            When::Always => true,
            When::Plain => !self.wanted,
            When::Without(names) => names.iter().all(|name| !self.set.contains(name)),
        };
        ROWS.iter().any(|Row(end, names, when)| {
            names.iter().any(|known| known.as_bytes() == name) && path.ends_with(end) && holds(when)
        })
    }

    /// Whether a name in the module at `path` may be without effect in some circumstances.
    #[must_use]
    pub fn depend_on(path: &Path) -> bool {
        ROWS.iter().any(|Row(end, ..)| path.ends_with(end))
    }

    /// Bytes that differ between different circumstances.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{} {}", self.wanted, self.set.join(" ")).into_bytes()
    }
}

/// The package by which pip finds the name of the system, for servers.
pub const NAMES_SYSTEM: &str = "distro";

/// Words of a command or in a project that ask for colors.
pub const ASK_FOR_COLORS: &[&[u8]] = &[b"FORCE_COLOR", b"--color", b"--colors"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_without_effect_in_its_module_alone() {
        let none = Colors::wanted();
        let is = |path: &str, name: &str| none.are_without(Path::new(path), name.as_bytes());
        let session = "/usr/lib/python3.11/site-packages/pip/_internal/network/session.py";
        assert!(is(session, "CI"));
        assert!(!is(session, "HTTP_PROXY") && !is("/p/session.py", "CI") && !is("/p/pip/session.py", "CI"));
        assert!(!is("/p/node_modules/supports-color/index.js", "CI"));
        assert!(!is("/p/node_modules/colorette/index.js", "CI"));
    }

    #[test]
    fn colors_are_chosen_at_a_terminal_or_by_a_known_service() {
        let (alone, service) = (Colors::plain(&|_| false), Colors::plain(&|name| name == "GITHUB_ACTIONS"));
        let is = |of: &Colors, path: &str, name: &str| of.are_without(Path::new(path), name.as_bytes());
        for of in [&alone, &service] {
            assert!(is(of, "/p/node_modules/chalk/source/vendor/supports-color/index.js", "CI"));
            assert!(!is(of, "/p/node_modules/supports-color/index.js", "FORCE_COLOR"));
            assert!(!is(of, "/p/node_modules/picocolors/picocolors.js", "CI"));
        }
        assert!(is(&alone, "/p/node_modules/colorette/index.cjs", "CI"));
        assert!(!is(&service, "/p/node_modules/colorette/index.cjs", "CI"));
        assert_ne!(alone.to_bytes(), service.to_bytes());
    }
}
