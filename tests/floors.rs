//! The floors of the code: imports go down only, and modules of one floor never import each other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its subject has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules of one floor each, lowest first. A module may import what is on lower floors.
const FLOORS: &[&[&str]] = &[
    &["buffer", "digest", "encode", "error"],
    &["record"],
    &["project", "profiles", "sweep"],
    &["hash", "store", "exec", "remote", "elsewhere"],
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

/// What modules directly inside `floor` import of each other. `files` are the path below the floor's directory and the text
/// of each; a module is its file and all that is below the directory of its name.
fn imports_inside(floor: &str, files: &[(PathBuf, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let module_of = |path: &Path| {
        let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
        first.trim_end_matches(".rs").to_owned()
    };
    let names: BTreeSet<String> =
        files.iter().map(|(path, _)| module_of(path)).filter(|name| name != "mod").collect();
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files {
        let module = module_of(path);
        if module == "mod"
            || path.components().any(|part| part.as_os_str().to_str().unwrap().starts_with("tests"))
        {
            continue;
        }
        // The rest is for tests.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        let is_directory = path.file_name().is_some_and(|name| name == "mod.rs");
        let depth = path.components().count() - usize::from(is_directory);
        let supers = "super::".repeat(depth);
        for prefix in [supers.as_str(), &format!("crate::{floor}::")] {
            for (place, _) in code.match_indices(prefix) {
                let before = code.get(..place).unwrap();
                if before.ends_with("super::") || before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                {
                    continue;
                }
                let after = code.get(place + prefix.len()..).unwrap();
                let imported = match after.strip_prefix('{') {
                    Some(list) => first_names(list),
                    None => vec![leading_word(after)],
                };
                let of_floor = imported.into_iter().filter(|name| names.contains(name) && *name != module);
                imports.entry(module.clone()).or_default().extend(of_floor);
            }
        }
    }
    imports
}

fn leading_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first name of each entry of a list in braces, of which `list` is what follows the first brace.
fn first_names(list: &str) -> Vec<String> {
    let (mut depth, mut begins, mut names) = (1, 0, Vec::new());
    for (place, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || depth == 0 {
            names.push(leading_word(list.get(begins..place).unwrap()));
            begins = place + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Modules that import each other, however long the way round is: each circle once.
fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<BTreeSet<String>> {
    let reached = |from: &String| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            for other in imports.get(module).into_iter().flatten() {
                if reached.insert(other.clone()) {
                    next.push(other);
                }
            }
        }
        reached
    };
    let all: BTreeMap<&String, BTreeSet<String>> = imports.keys().map(|name| (name, reached(name))).collect();
    let circle = |name: &String| -> BTreeSet<String> {
        let others = all
            .iter()
            .filter(|(other, reached)| all.get(name).unwrap().contains(**other) && reached.contains(name));
        others.map(|(other, _)| (*other).clone()).collect()
    };
    imports.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}

fn files_below(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    rust_files(directory, &mut files);
    let text = |file: &PathBuf| fs::read_to_string(file).unwrap();
    files.iter().map(|file| (file.strip_prefix(directory).unwrap().to_owned(), text(file))).collect()
}

#[test]
fn modules_of_one_floor_import_each_other_in_no_circle() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut edges = 0;
    for floor in FLOORS.iter().copied().flatten().filter(|floor| source.join(floor).is_dir()) {
        let imports = imports_inside(floor, &files_below(&source.join(floor)));
        edges += imports.values().map(BTreeSet::len).sum::<usize>();
        let circles = circles(&imports);
        assert!(circles.is_empty(), "modules of {floor} import each other in a circle: {circles:?}");
    }
    assert!(edges > 100, "only {edges} imports were found");
}

#[test]
fn a_planted_circle_would_be_found() {
    let file = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
    let found = |files: &[(PathBuf, String)]| circles(&imports_inside("hash", files));
    let mut files = vec![
        file("mod.rs", "mod one;\nmod two;\nmod three;\n"),
        file("one.rs", "use super::two::Thing;\n"),
        file("two.rs", "use super::{\n    three::{self, Other},\n};\n"),
        file("three.rs", "// use super::one::Thing;\n"),
        file("three/inner.rs", "use super::one_of_its_own;\n"),
    ];
    assert_eq!(found(&files), BTreeSet::new());
    // In a module below, by each way of naming it; what tests import does not count.
    for text in [
        "use super::super::one::Thing;",
        "use crate::hash::one::Thing;",
        "fn f() { crate::hash::one::f() }",
        "use crate::hash::{two, one};",
    ] {
        files[4].1 = text.to_owned();
        let circle = ["one", "two", "three"].map(str::to_owned).into();
        assert_eq!(found(&files), [circle].into(), "{text}");
        files[4].1 = format!("#[cfg(test)]\nmod tests {{\n    {text}\n}}\n");
        assert_eq!(found(&files), BTreeSet::new(), "{text}");
    }
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
