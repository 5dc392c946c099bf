//! Variables that packages name and that decide no result: by which they introduce themselves to servers, and by which they choose
//! colors where the output is a terminal.

use std::path::Path;

/// When the names of a row decide nothing.
enum When {
    /// Always.
    Always,
    /// While there is no terminal, and nothing asks for colors.
    Plain,
    /// While one of [`SILENT`] prints nothing: it colors only what it prints.
    Silent,
    /// While none of these variables is set.
    Without(&'static [&'static str]),
}

/// The end of the path of a module, or of its directory, and variables that it names.
struct Row(&'static str, &'static [&'static str], When);

/// Read by `supports-color` after it has returned for a stream that is no terminal.
const COLORS: &[&str] = &[
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
    "TRAVIS",
];

const SERVICES: &[&str] =
    &["APPVEYOR", "BUILDKITE", "CIRCLECI", "DRONE", "GITHUB_ACTIONS", "GITLAB_CI", "TRAVIS"];

/// Tools that write no colored text to files.
const SILENT: &[&str] = &["babel", "postcss"];

const ROWS: &[Row] = &[
    Row(
        "site-packages/pip/_internal/network/session.py",
        &["CI", "BUILD_BUILDID", "BUILD_ID", "PIP_IS_CI"],
        When::Always,
    ),
    // npm shows a progress bar, asks and tells of a new version at a terminal alone; `CI` gives its user agent no name.
    Row("node_modules/npm/node_modules/ci-info/index.js", &["CI"], When::Plain),
    Row("node_modules/npm/node_modules/ci-info/vendors.json", &["CI"], When::Plain),
    Row("node_modules/npm/node_modules/@npmcli/config/lib/definitions/definitions.js", &["CI"], When::Plain),
    Row("node_modules/npm/node_modules/libnpmexec/lib/run-script.js", &["CI"], When::Plain),
    Row("node_modules/npm/node_modules/@sigstore/sign/dist/identity/ci.js", &["CI"], When::Always),
    Row("node_modules/npm/package.json", &["CI"], When::Always),
    Row("supports-color/index.js", COLORS, When::Plain),
    Row("picocolors/picocolors.js", &["CI"], When::Silent),
    // They ask only where the platform is another one.
    Row("postcss-reporter/lib/util.js", &["CI"], When::Always),
    Row("is-unicode-supported/index.js", &["CI"], When::Always),
    Row("node_modules/tsx/dist", &["CI"], When::Without(SERVICES)),
    Row("colorette/index.js", &["CI"], When::Without(SERVICES)),
    Row("colorette/index.cjs", &["CI"], When::Without(SERVICES)),
    Row("webpack/lib/util/terminalColors.js", &["CI"], When::Without(SERVICES)),
];

/// The circumstances in which rows hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Colors {
    /// Whether there may be a terminal, or something asks for colors.
    wanted: bool,
    /// Whether one of [`SILENT`] ran and printed nothing.
    silent: bool,
    /// Those of [`SERVICES`] that are set.
    set: Vec<&'static str>,
}

impl Colors {
    /// Circumstances in which each name counts, except those that never do.
    #[must_use]
    pub fn wanted() -> Self {
        Self { wanted: true, silent: false, set: SERVICES.to_vec() }
    }

    /// Those of a run without a terminal, for which nothing asks for colors, and in whose environment `is_set`.
    #[must_use]
    pub fn plain(is_set: &dyn Fn(&str) -> bool) -> Self {
        Self {
            wanted: false,
            silent: false,
            set: SERVICES.iter().copied().filter(|name| is_set(name)).collect(),
        }
    }

    /// The same for a run of `program` that printed nothing.
    #[must_use]
    pub fn silent(self, program: &Path) -> Self {
        let silent = SILENT.iter().any(|name| program.file_name().is_some_and(|program| program == *name));
        Self { silent, ..self }
    }

    /// Whether the module at `path` names a variable without letting it decide anything.
    #[must_use]
    pub fn ignores(&self, path: &Path, name: &[u8]) -> bool {
        let holds = |when: &When| match when {
            When::Always => true,
            When::Plain => !self.wanted,
            When::Silent => self.silent,
            When::Without(names) => names.iter().all(|name| !self.set.contains(name)),
        };
        ROWS.iter().any(|Row(end, names, when)| {
            names.iter().any(|known| known.as_bytes() == name) && is_at(path, end) && holds(when)
        })
    }

    /// Whether a name in the module at `path` may be without effect in some circumstances.
    #[must_use]
    pub fn concerns(path: &Path) -> bool {
        ROWS.iter().any(|Row(end, ..)| is_at(path, end))
    }

    /// Bytes that differ between different circumstances.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{} {} {}", self.wanted, self.silent, self.set.join(" ")).into_bytes()
    }
}

/// Whether a path, or its directory, ends so.
fn is_at(path: &Path, end: &str) -> bool {
    path.ends_with(end) || path.parent().is_some_and(|above| above.ends_with(end))
}

/// The package by which pip finds the name of the system, for servers.
pub const NAMES_SYSTEM: &str = "distro";

/// Values of `CI` that name no service.
pub const NAMELESS: &[&str] = &["", "1", "true"];

/// Words of a command or in a project that ask for colors, or how they are chosen.
pub const ASK_FOR_COLORS: &[&[u8]] =
    &[b"FORCE_COLOR", b"--color", b"--colors", b"isTTY", b"supportsColor", b"supports-color", b"picocolors"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_without_effect_in_its_module_alone() {
        let none = Colors::wanted();
        let is = |path: &str, name: &str| none.ignores(Path::new(path), name.as_bytes());
        let session = "/usr/lib/python3.11/site-packages/pip/_internal/network/session.py";
        assert!(is(session, "CI"));
        assert!(!is(session, "HTTP_PROXY") && !is("/p/session.py", "CI") && !is("/p/pip/session.py", "CI"));
        assert!(!is("/p/node_modules/supports-color/index.js", "CI"));
        assert!(!is("/p/node_modules/colorette/index.js", "CI"));
    }

    #[test]
    fn colors_are_chosen_at_a_terminal_or_by_a_known_service() {
        let (alone, service) = (Colors::plain(&|_| false), Colors::plain(&|name| name == "GITHUB_ACTIONS"));
        let is = |of: &Colors, path: &str, name: &str| of.ignores(Path::new(path), name.as_bytes());
        for of in [&alone, &service] {
            assert!(is(of, "/p/node_modules/chalk/source/vendor/supports-color/index.js", "CI"));
            assert!(!is(of, "/p/node_modules/supports-color/index.js", "FORCE_COLOR"));
            assert!(!is(of, "/p/node_modules/picocolors/picocolors.js", "CI"));
        }
        assert!(is(&alone, "/p/node_modules/colorette/index.cjs", "CI"));
        assert!(!is(&service, "/p/node_modules/colorette/index.cjs", "CI"));
        assert_ne!(alone.to_bytes(), service.to_bytes());
        let picocolors = "/p/node_modules/picocolors/picocolors.js";
        let silent = |program: &str| Colors::plain(&|_| false).silent(Path::new(program));
        assert!(is(&silent("node_modules/.bin/babel"), picocolors, "CI"));
        assert!(!is(&silent("node_modules/.bin/stylelint"), picocolors, "CI"));
        assert!(is(&alone, "/p/node_modules/tsx/dist/index-Bqjv9TxC.mjs", "CI"));
    }
}
