//! The floors of the house: imports go down only, and siblings never import each other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its subject has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules of one floor each, lowest first. A module may import what is on lower floors.
const FLOORS: &[&[&str]] = &[
    &["digest", "encode", "error"],
    &["record"],
    &["project", "profiles"],
    &["hash", "store", "exec"],
    &["memo"],
    &["ui"],
    &["commands"],
    &["fuzzing"],
];

/// What a module may import of its own floor: only the lowest floor's small ones know each other.
fn may_import_sideways(floor: usize) -> bool {
    floor == 0
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Top-level modules that the code of `text` names after `crate::`; documentation may name any.
fn imported(text: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for after in line.split("crate::").skip(1) {
            modules.push(after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    modules
}

/// Every import of `module`'s code that the floors forbid.
fn violations(module: &str, text: &str) -> Vec<String> {
    let floor = floor_of(module).unwrap_or_else(|| panic!("{module} is on no floor"));
    let forbidden = imported(text).into_iter().filter(|other| {
        other != module
            && match floor_of(other) {
                Some(below) if below == floor => !may_import_sideways(floor),
                Some(below) => below > floor,
                None => true,
            }
    });
    forbidden.collect()
}

#[test]
fn imports_go_down_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut checked = 0;
    for file in files {
        let inside = file.strip_prefix(&source).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if ["main", "lib"].contains(&module) {
            continue;
        }
        let found = violations(module, &fs::read_to_string(&file).unwrap());
        assert!(found.is_empty(), "{} imports {found:?}", inside.display());
        checked += 1;
    }
    assert!(checked > 10, "only {checked} files were found");
}

#[test]
fn an_upward_or_sideways_import_would_be_found() {
    assert_eq!(violations("store", "use crate::hash::manifest::Manifest;"), ["hash"]);
    assert_eq!(violations("digest", "use crate::record::Commit;"), ["record"]);
    assert_eq!(violations("exec", "let x = crate::memo::memoize();"), ["memo"]);
    assert!(violations("memo", "use crate::store::Store; use crate::memo::reason::Kept;").is_empty());
}
