//! Installed Node packages: the version of each, and its dependencies, found in the `node_modules` of parent directories.

use super::super::world::{Kind, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// Maximum number of packages; programs use fewer. The packages already found then stand for the rest.
const MOST_PACKAGES: usize = 5000;

/// The directory of the package that a file below a `node_modules` belongs to.
pub(in super::super) fn package_of(file: &Path) -> Option<PathBuf> {
    let parts: Vec<_> = file.iter().collect();
    let at = parts.iter().rposition(|part| *part == "node_modules")?;
    let scoped = parts.get(at + 1)?.as_encoded_bytes().starts_with(b"@");
    let end = at + if scoped { 3 } else { 2 };
    // A file directly below `node_modules` belongs to no package.
    (end < parts.len()).then(|| parts.iter().take(end).collect())
}

/// The packages that a program uses.
#[derive(Default)]
pub(in super::super) struct Packages {
    used: BTreeSet<PathBuf>,
}

impl Packages {
    /// Adds the package in `directory`; `false` where there is none with a version.
    pub(in super::super) fn note(&mut self, world: &mut dyn World, directory: &Path) -> bool {
        if self.used.contains(directory) {
            return true;
        }
        let described = describe(world, directory).is_some();
        if described {
            self.used.insert(directory.to_path_buf());
        }
        described
    }

    /// Name and version of every added package and of its installed dependencies. Several versions of one name are joined into
    /// one text, in order.
    pub(in super::super) fn with_dependencies(self, world: &mut dyn World) -> Vec<(String, String)> {
        let mut queue: VecDeque<PathBuf> = self.used.into_iter().collect();
        let mut seen = BTreeSet::new();
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        while let Some(directory) = queue.pop_front() {
            if seen.len() >= MOST_PACKAGES || !seen.insert(directory.clone()) {
                continue;
            }
            let Some(package) = describe(world, &directory) else { continue };
            for dependency in &package.dependencies {
                queue.extend(installed(world, &directory, dependency));
            }
            found.entry(package.name).or_default().insert(package.version);
        }
        let joined = |versions: BTreeSet<String>| versions.into_iter().collect::<Vec<_>>().join(", ");
        found.into_iter().map(|(name, versions)| (name, joined(versions))).collect()
    }
}

struct Package {
    name: String,
    version: String,
    dependencies: Vec<String>,
}

fn describe(world: &mut dyn World, directory: &Path) -> Option<Package> {
    let value: Value = serde_json::from_slice(&world.read(&directory.join("package.json"))?).ok()?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let lists = ["dependencies", "optionalDependencies", "peerDependencies"];
    let dependencies = lists.iter().filter_map(|list| value.get(list)?.as_object());
    Some(Package {
        name: text("name")?,
        version: text("version")?,
        dependencies: dependencies.flat_map(|list| list.keys().cloned()).collect(),
    })
}

/// The directory of a dependency: in the nearest `node_modules` of the parent directories.
fn installed(world: &mut dyn World, package: &Path, name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.split('/').any(|part| part == ".." || part.is_empty()) {
        return None;
    }
    let above = package.ancestors().filter(|directory| !directory.ends_with("node_modules"));
    for directory in above {
        let candidate = directory.join("node_modules").join(name);
        if world.kind(&candidate.join("package.json")) == Kind::File {
            return Some(follow(world, candidate));
        }
    }
    None
}

/// Follows the links of package managers with a shared store: the dependencies of a package lie beside its real directory.
fn follow(world: &mut dyn World, mut path: PathBuf) -> PathBuf {
    for _ in 0..40 {
        let Some(target) = world.link(&path) else { break };
        let joined = path.parent().unwrap_or(Path::new("/")).join(target);
        let mut tidy = PathBuf::new();
        for part in joined.components() {
            if part == std::path::Component::ParentDir {
                tidy.pop();
            } else {
                tidy.push(part);
            }
        }
        path = tidy;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_innermost_package() {
        for (file, package) in [
            ("/a/node_modules/b/lib/c.js", Some("/a/node_modules/b")),
            ("/a/node_modules/@s/b/c.js", Some("/a/node_modules/@s/b")),
            ("/a/node_modules/b/node_modules/c/d.js", Some("/a/node_modules/b/node_modules/c")),
            ("/a/node_modules/b.js", None),
            ("/a/b.js", None),
        ] {
            assert_eq!(package_of(Path::new(file)).as_deref(), package.map(Path::new), "{file}");
        }
    }
}
