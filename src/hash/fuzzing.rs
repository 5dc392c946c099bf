//! Entry points for fuzzing what `hash` reads back: see `crate::fuzzing`.

use super::globs::Patterns;
use super::remembered;
use crate::record::Places;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A remembered capture.
pub(crate) fn capture(bytes: &[u8]) {
    let _ = remembered::facts(bytes);
}

/// A declared pattern.
pub(crate) fn glob(bytes: &[u8]) {
    let word = OsStr::from_bytes(bytes).to_owned();
    let places = Places { root: "/root".into(), home: None };
    if let Ok(patterns) = Patterns::outputs(&[word], Path::new("/root/here"), &places) {
        assert!(!patterns.matches(Path::new("/elsewhere")), "an output outside of the root");
        let _ = patterns.matches(Path::new("/root/here/src/a.js"));
    }
}

/// A remembered capture with one fact of each kind.
#[cfg(test)]
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    use crate::digest::{Digest, Key, LineageId};
    use crate::record::{Evidence, FileState, Observation, StoredPath, Timestamp};
    let summary = remembered::Summary {
        key: Key(Digest::of(b"key")),
        lineage: LineageId(Digest::of(b"lineage")),
        volatile: Some("date".to_owned()),
        program: "/bin/date".into(),
        selector: super::environment::Selector::default(),
        asked: [b"LANG".to_vec()].into(),
    };
    let path = |name: &str| StoredPath::in_root(name);
    let seen = Evidence {
        device: 1,
        inode: 2,
        size: 3,
        mode: 4,
        viewer: 0,
        modified: Timestamp(5),
        changed: Timestamp(-6),
    };
    let facts = [
        (Observation::Content { path: path("a/b"), digest: Digest::of(b"1") }, Some(seen)),
        (Observation::State { path: path("a/c"), follow: true, state: FileState::Absent }, None),
        (Observation::Listing { path: path("a"), everything: true, digest: Digest::of(b"2") }, None),
    ];
    let rests = [(path("a"), seen)].into();
    vec![remembered::encode(&summary, &facts, &rests, &[], &|| [7; 32])]
}
