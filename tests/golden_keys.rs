//! Keys never change by accident: golden vectors for the encoding of manifests, and properties that no two of them share
//! one. A vector that must change means a new [`SCHEME`] and an entry in docs/cache-key.md.

use cashet::digest::Digest;
use cashet::encode::{Decode, Encode};
use cashet::hash::environment::{environment_digest, variable_digest};
use cashet::hash::manifest::{Manifest, Part, SCHEME, Value};
use cashet::record::{Places, StoredPath};
use proptest::collection::vec;
use proptest::prelude::*;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn path(text: &str) -> StoredPath {
    let places = Places { root: "/home/user/project".into(), home: Some("/home/user".into()) };
    places.store(Path::new(text))
}

/// One fact for every part, with each value at least once.
fn facts() -> Vec<(Part, Value)> {
    let source = Value::Source { form: "python 1".to_owned(), digest: digest("source") };
    let file = |executable| Value::File { executable, digest: digest("file") };
    vec![
        (Part::Platform, Value::Bytes(b"linux-x86_64".to_vec())),
        (Part::Directory, Value::Bytes(b"./sub".to_vec())),
        (Part::Word(0), Value::Bytes(b"python3".to_vec())),
        (Part::Word(1), Value::Bytes(b"a\xff b".to_vec())),
        (Part::Word(2), Value::Present),
        (Part::Program(0), Value::Digest(digest("program"))),
        (Part::Source(path("/home/user/project/train.py")), source),
        (Part::Shadow(path("/home/user/project/json.py")), Value::Absent),
        (Part::Package("python".to_owned(), "numpy".to_owned()), Value::Version("2.1.0".to_owned())),
        (Part::Setting(path("/home/user/project/.venv/pyvenv.cfg")), file(false)),
        (Part::Variable(b"TZ".to_vec()), Value::Digest(digest("UTC"))),
        (Part::Variable(b"LR".to_vec()), Value::Absent),
        (Part::Input(path("/home/user/project/data")), Value::Directory),
        (Part::Input(path("/home/user/project/data/x")), file(true)),
        (Part::Input(path("/home/user/data/y")), Value::Symlink(b"x".to_vec())),
        (Part::Input(path("/srv/z")), file(false)),
        (Part::Tool(b"gcc".to_vec()), Value::Digest(digest("gcc"))),
        (Part::Stdin, Value::Digest(digest("stdin"))),
        (Part::Output(b"dist/**".to_vec()), Value::Present),
        (Part::Salt, Value::Bytes(b"1".to_vec())),
        (Part::Flag("env-strict".to_owned()), Value::Present),
    ]
}

fn manifest(facts: &[(Part, Value)]) -> Manifest {
    let mut manifest = Manifest::default();
    for (part, value) in facts {
        manifest.set(part.clone(), value.clone());
    }
    manifest
}

#[test]
fn keys_are_what_they_were() {
    assert_eq!(SCHEME, 2);
    let whole = manifest(&facts());
    let small = manifest(&facts()[..3]);
    let keys = [Manifest::default().key(), small.key(), whole.key()].map(|key| key.to_string());
    assert_eq!(
        keys,
        [
            "cd60d75282bae1f9754e8cbc7590d8b3ed2f4c93e47b12748c4cc8b273a87945",
            "64e646ea8de593b193cc457ac746e59569c4c40f1605029ac914fce9a4cbcfcb",
            "694c6658b2ab35f849fdbe463b8453609539ed34a8655062673fd2b50378ec54",
        ]
    );
}

#[test]
fn digests_of_variables_are_what_they_were() {
    let secret = [7; 32];
    let environment =
        [("B", "2"), ("A_TOKEN", "1")].map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let places = Places { root: PathBuf::from("/w/p"), home: None };
    let found = [
        variable_digest(b"LANG", b"C.UTF-8", &places, &secret),
        variable_digest(b"A_TOKEN", b"1", &places, &secret),
        environment_digest(&environment, &places, &secret),
        variable_digest(b"PYTHONPATH", b"/w/p/src:/w/p/lib", &places, &secret),
    ];
    assert_eq!(
        found.map(Digest::to_hex),
        [
            "8e8e2146aaf0c0424bea545426df4dd9416e1ce492e6e8e9c437f0b737aae0cf",
            "72ef4a138584787291698b9bb4dfb86c58b5a57ae822fcb5ccdf536e6d62f632",
            "735b5e3c5e67de6f0b3963bd51e3f63d2088e9a7e5c5e9ba635774cebcbd1b83",
            "fb2a7eaa87f74b8996610cb9e006e623f8f169d0c24874f2837b6de20fc1e261",
        ]
    );
}

#[test]
fn every_part_and_every_value_changes_the_key() {
    let facts = facts();
    let whole = manifest(&facts);
    let values: Vec<&Value> = facts.iter().map(|(_, value)| value).collect();
    for (place, (part, value)) in facts.iter().enumerate() {
        let mut without = facts.clone();
        without.remove(place);
        assert_ne!(manifest(&without).key(), whole.key(), "{part:?} left out");
        for other in values.iter().filter(|other| **other != value) {
            let mut changed = facts.clone();
            changed[place].1 = (*other).clone();
            let changed = manifest(&changed);
            assert_ne!(changed.key(), whole.key(), "{part:?} as {other:?}");
            let differences = changed.diff(&whole);
            assert_eq!(differences.len(), 1);
            assert_eq!(&differences[0].part, part, "the difference is named");
        }
    }
}

fn any_path() -> impl Strategy<Value = StoredPath> {
    prop_oneof![
        "[a/]{0,4}".prop_map(|rest| path(&format!("/home/user/project/{rest}"))),
        "[a/]{0,4}".prop_map(|rest| path(&format!("/home/user/{rest}"))),
        "[a/]{0,4}".prop_map(|rest| path(&format!("/{rest}"))),
    ]
}

fn any_part() -> impl Strategy<Value = Part> {
    let bytes = || vec(0_u8..3, 0..3);
    prop_oneof![
        Just(Part::Platform),
        Just(Part::Directory),
        (0_u32..300).prop_map(Part::Word),
        (0_u32..300).prop_map(Part::Program),
        any_path().prop_map(Part::Source),
        any_path().prop_map(Part::Shadow),
        ("[ab]{0,2}", "[ab]{0,2}").prop_map(|(ecosystem, name)| Part::Package(ecosystem, name)),
        any_path().prop_map(Part::Setting),
        bytes().prop_map(Part::Variable),
        any_path().prop_map(Part::Input),
        bytes().prop_map(Part::Tool),
        Just(Part::Stdin),
        bytes().prop_map(Part::Output),
        Just(Part::Salt),
        "[ab]{0,2}".prop_map(Part::Flag),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let bytes = || vec(0_u8..3, 0..3);
    let digests = || (0_u8..3).prop_map(|byte| Digest::from_bytes([byte; 32]));
    prop_oneof![
        Just(Value::Present),
        Just(Value::Absent),
        bytes().prop_map(Value::Bytes),
        digests().prop_map(Value::Digest),
        ("[ab]{0,2}", digests()).prop_map(|(form, digest)| Value::Source { form, digest }),
        (any::<bool>(), digests()).prop_map(|(executable, digest)| Value::File { executable, digest }),
        Just(Value::Directory),
        bytes().prop_map(Value::Symlink),
        "[ab]{0,2}".prop_map(Value::Version),
    ]
}

fn any_manifest() -> impl Strategy<Value = Manifest> {
    vec((any_part(), any_value()), 0..6).prop_map(|facts| manifest(&facts))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn equal_keys_mean_equal_manifests(first in any_manifest(), second in any_manifest()) {
        prop_assert_eq!(first.key() == second.key(), first == second);
        prop_assert_eq!(first.diff(&second).is_empty(), first == second);
        prop_assert_eq!(Manifest::from_bytes(&first.to_bytes()).unwrap(), first);
    }

    #[test]
    fn no_damaged_manifest_passes_for_another_or_panics(manifest in any_manifest(), place: usize, byte: u8, cut: bool) {
        let mut bytes = manifest.to_bytes();
        let place = place % bytes.len();
        if cut {
            bytes.truncate(place);
        } else {
            bytes[place] ^= byte;
        }
        if let Ok(read) = Manifest::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes, "one encoding for one manifest");
        }
    }
}
