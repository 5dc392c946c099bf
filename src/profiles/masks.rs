//! Modules that ask for the umask to set the mode that it would leave of a usual one: what they make has that mode under any umask.

use std::path::Path;

/// A module, by its package and its name, and what it makes: the ending of a file's name, or the whole name of a directory.
struct Row {
    package: &'static str,
    module: &'static str,
    makes: &'static [&'static str],
}

const ROWS: &[Row] = &[
    Row { package: "dbm", module: "dumb", makes: &[".dat", ".dir", ".bak"] },
    Row { package: "_pytest", module: "cacheprovider", makes: &[".pytest_cache"] },
];

/// Usual modes.
const USUAL: [u32; 2] = [0o666, 0o777];

/// The modules among them that a run loaded.
#[derive(Default)]
pub struct Masked(Vec<&'static Row>);

impl Masked {
    /// Those among the files that a run read.
    pub fn of<'p>(read: impl Iterator<Item = &'p Path>) -> Self {
        let mut rows: Vec<&'static Row> = Vec::new();
        for path in read {
            let is_one = |row: &&Row| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.split('.').next() == Some(row.module) && path.iter().any(|part| part == row.package)
            };
            rows.extend(ROWS.iter().filter(is_one));
        }
        rows.dedup_by_key(|row| row.module);
        Self(rows)
    }

    /// Whether there is one.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether one of the modules may have made what is at `path`.
    #[must_use]
    pub fn makes(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.0.iter().any(|row| row.makes.iter().any(|end| name.ends_with(end)))
    }

    /// Whether other code may give files names that end like theirs.
    #[must_use]
    pub fn are_named_alike(&self) -> bool {
        self.0.iter().any(|row| row.package == "dbm")
    }

    /// The usual mode of which `mask` leaves `mode`, if one of the modules set that at `path`.
    #[must_use]
    pub fn usual(&self, path: &Path, mode: u32, mask: u32) -> Option<u32> {
        let usual = || USUAL.into_iter().find(|usual| usual & !mask == mode);
        self.makes(path).then(usual).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_set_by_known_modules_are_those_that_the_umask_leaves() {
        let bytecode = Path::new("/usr/lib/python3.11/dbm/__pycache__/dumb.cpython-311.pyc");
        let masked = Masked::of([bytecode, bytecode].into_iter());
        assert_eq!(masked.usual(Path::new("/p/shelf.dat"), 0o644, 0o022), Some(0o666));
        assert_eq!(masked.usual(Path::new("/p/shelf.dat"), 0o600, 0o022), None);
        assert_eq!(masked.usual(Path::new("/p/.pytest_cache"), 0o755, 0o022), None);
        assert!(
            !Masked::of([Path::new("/p/dumb.py"), Path::new("/usr/lib/dbm/ndbm.py")].into_iter()).is_any()
        );
    }
}
