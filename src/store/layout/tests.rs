//! The layout of a store: created, found, refused.

use super::*;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// An empty store in a temporary directory.
pub(in crate::store) fn empty() -> (TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::new(directory.path().join("store"));
    layout.create().unwrap();
    (directory, layout)
}

#[test]
fn a_store_is_private_and_says_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::new(directory.path().join("a/.cashet"));
    layout.create().unwrap();
    let mode = fs::metadata(layout.root()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(fs::metadata(layout.secret()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(layout.secret()).unwrap().len(), 32);
    assert_eq!(layout.stated_format().unwrap(), Some(FORMAT));
    let secret = fs::read(layout.secret()).unwrap();
    layout.create().unwrap();
    assert_eq!(fs::read(layout.secret()).unwrap(), secret);
    for name in DIRECTORIES {
        assert!(layout.root().join(name).is_dir(), "{name}");
    }
}

#[test]
fn a_directory_with_other_files_never_becomes_a_store() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.tex"), "x").unwrap();
    let error = Layout::new(directory.path().to_owned()).create().unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(!directory.path().join(".gitignore").exists());
}

#[test]
fn what_has_the_name_is_replaced_unless_it_is_not_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let (tmp, path) = (directory.path().join("tmp"), directory.path().join("a/b"));
    let put = |content: &str| {
        let mut file = new_temporary(&tmp).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        rename_into_place(file.into_temp_path(), &path)
    };
    assert!(put("one").unwrap());
    assert!(!put("two").unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    put("three").unwrap_err();
    assert!(path.is_dir());
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}

#[test]
fn a_format_that_does_not_prove_itself_is_none() {
    assert_eq!(parse_format(format_text(7).as_bytes()), Some(7));
    for place in 0..format_text(1).len() {
        let mut text = format_text(1).into_bytes();
        text[place] ^= 2;
        assert_eq!(parse_format(&text), None, "byte {place}");
    }
    assert_eq!(parse_format(b""), None);
}
