//! Variables by which packages introduce themselves to servers. They decide no result without a network.

use std::path::Path;

/// Modules, by the end of their paths, and the variables that they put into the name by which they ask servers.
const INTRODUCE_THEMSELVES: &[(&str, &[&str])] =
    &[("site-packages/pip/_internal/network/session.py", &["CI", "BUILD_BUILDID", "BUILD_ID", "PIP_IS_CI"])];

/// Whether the module at `path` names a variable without letting it decide anything.
#[must_use]
pub fn names_without_effect(path: &Path, name: &[u8]) -> bool {
    INTRODUCE_THEMSELVES
        .iter()
        .any(|(end, names)| names.iter().any(|known| known.as_bytes() == name) && path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_without_effect_in_its_module_alone() {
        let is = |path: &str, name: &str| names_without_effect(Path::new(path), name.as_bytes());
        let session = "/usr/lib/python3.11/site-packages/pip/_internal/network/session.py";
        assert!(is(session, "CI"));
        assert!(!is(session, "HTTP_PROXY") && !is("/p/session.py", "CI") && !is("/p/pip/session.py", "CI"));
    }
}
