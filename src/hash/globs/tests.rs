//! What patterns mean, and what of it is there.

use super::*;
use std::fs;

fn shown(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[test]
fn a_pattern_means_what_it_matches_and_all_below() {
    let places = Places { root: "/r".into(), home: None };
    for (pattern, path, expected) in [
        ("out.txt", "out.txt", true),
        ("out.txt", "out.txt2", false),
        ("dist", "dist/a/b.js", true),
        ("./dist/", "dist/a", true),
        ("*.txt", "a.txt", true),
        ("*.txt", "d/a.txt", false),
        ("**/*.txt", "a.txt", true),
        ("**/*.txt", "d/e/a.txt", true),
        ("dist/**/*.js", "dist/a.js", true),
        ("dist/**/*.js", "dist/a/b.css", false),
        ("dist/**", "dist/a/b", true),
        ("{a,b/c}/x?", "b/c/x1", true),
        ("{a,b/c}/x?", "c/x1", false),
        ("a[0-9]", "a7", true),
        ("a\\*", "a*", true),
        ("a\\*", "ab", false),
        ("[x].txt", "[x].txt", true),
        ("../r/a", "a", true),
    ] {
        let patterns = Patterns::outputs(&shown(&[pattern]), Path::new("/r"), &places).unwrap();
        assert_eq!(patterns.matches(&Path::new("/r").join(path)), expected, "{pattern} {path}");
    }
}

#[test]
fn the_name_of_a_directory_is_never_a_pattern() {
    for directory in ["/r/app [old]", "/r/v?", "/r/*", "/r/a\\", "/r/{a,b}", "/r/[", "/r/**"] {
        let directory = Path::new(directory);
        let below = directory.join("[id]");
        let places = Places { root: directory.into(), home: None };
        // Relative, from below, and absolute as a shell writes it.
        let from_root = ["out*", "./out*", "{out,x}*"].map(OsString::from);
        let from_below = ["../out*", "../[id]/../out?txt"].map(OsString::from);
        let absolute = [directory.join("out*").into_os_string()];
        for (words, at) in [(&from_root[..], directory), (&from_below, &below), (&absolute, &below)] {
            for word in words {
                let patterns = Patterns::outputs(std::slice::from_ref(word), at, &places).unwrap();
                assert!(
                    patterns.matches(&directory.join("out.txt")),
                    "{} in {}",
                    word.display(),
                    at.display()
                );
                assert!(
                    !patterns.matches(&directory.join("in.txt")),
                    "{} in {}",
                    word.display(),
                    at.display()
                );
            }
        }
        // Another directory, which the name as a pattern would match.
        let patterns = Patterns::inputs(&shown(&["*", "**"]), directory).unwrap();
        for other in ["/r/app o/x", "/r/v1/x", "/r/z/x", "/r/a/x"] {
            assert!(!patterns.matches(Path::new(other)), "{} {other}", directory.display());
        }
    }
    // What is written is a pattern, whatever the directory is called.
    let patterns = Patterns::inputs(&shown(&["v?/x"]), Path::new("/r/v?")).unwrap();
    assert!(patterns.matches(Path::new("/r/v?/v1/x")) && !patterns.matches(Path::new("/r/v1/v1/x")));
}

#[test]
fn outputs_outside_of_the_root_and_wrong_patterns_are_refused() {
    let places = Places { root: "/r/s".into(), home: None };
    for pattern in ["../x", "/tmp/x", "/r/*/x", "**/../../../x", "", "a[", "{x,../../y}"] {
        let found = Patterns::outputs(&shown(&[pattern]), Path::new("/r/s"), &places);
        assert!(found.is_err(), "{pattern}");
    }
    let many = "{a,b}".repeat(20);
    assert!(Patterns::outputs(&shown(&[&many]), Path::new("/r/s"), &places).is_err());
}

#[test]
fn the_paths_that_are_there_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let places = Places { root: root.into(), home: None };
    for name in ["a/x.js", "a/b/y.js", "a/z.css", ".git/h.js", "a/__pycache__/q.js", "c[1].js"] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    for (pattern, expected) in [
        ("**/*.js", &["a/b/y.js", "a/x.js", "c[1].js"][..]),
        ("a/*.js", &["a/x.js"]),
        ("a/*", &["a/b", "a/b/y.js", "a/x.js", "a/z.css"]),
        ("c[1].js", &["c[1].js"]),
        (".git/h.js", &[".git/h.js"]),
        ("nothing*", &[]),
        ("a/b/**", &["a/b", "a/b/y.js"]),
    ] {
        let patterns = Patterns::outputs(&shown(&[pattern]), root, &places).unwrap();
        let found = patterns.present().unwrap();
        assert_eq!(patterns.missing().unwrap().is_some(), expected.is_empty(), "{pattern}");
        let expected: Vec<PathBuf> = expected.iter().map(|name| root.join(name)).collect();
        assert_eq!(found, expected, "{pattern}");
    }
}
