//! Names in text, machine code, data and archives; remembered results of a search.

use super::*;
use crate::hash::memory::tests::Memory;
use std::io::Write;
use zip::write::SimpleFileOptions;

fn found(names: &[&str], bytes: &[u8], system: bool) -> Vec<String> {
    let search = NameSearch::new(names.iter().map(|name| name.as_bytes()));
    search.search(bytes, system).into_iter().map(|name| String::from_utf8(name).unwrap()).collect()
}

const ELF: &[u8] = b"\x7fELF\x02\0\0\0";

fn machine_code(text: &str) -> Vec<u8> {
    [ELF, text.as_bytes(), b"\0"].concat()
}

#[test]
fn text_counts_whole_words() {
    for (text, expected) in [
        ("os.environ['LR']", true),
        ("$LR", true),
        ("${LR}", true),
        ("LR", true),
        ("LRRATE", false),
        ("MY_LR", false),
        ("LR2", false),
        ("\u{fc}LR\u{fc}", true),
        ("lr", false),
    ] {
        assert_eq!(!found(&["LR"], text.as_bytes(), false).is_empty(), expected, "{text}");
    }
}

#[test]
fn machine_code_counts_bytes() {
    let packed = machine_code("xxLRRATEEPOCHS_Nyy");
    assert_eq!(found(&["LRRATE", "EPOCHS_N", "OTHER"], &packed, false), ["EPOCHS_N", "LRRATE"]);
    assert_eq!(found(&["LRRATE"], &packed, true), ["LRRATE"]);
}

#[test]
fn short_names_count_where_chance_does_not_make_them() {
    let packed = machine_code("xxCIyy");
    assert_eq!(found(&["CI"], &packed, false), ["CI"]);
    assert_eq!(found(&["CI"], &packed, true), Vec::<String>::new());
    assert_eq!(found(&["CI"], b"data\0CI\0", false), Vec::<String>::new());
    assert_eq!(found(&["CI"], b"if CI:", true), ["CI"]);
}

#[test]
fn comments_ask_for_no_variable_of_a_session() {
    for (text, expected) in [
        ("import os\n# USER is in the environment\nx = 1\n", false),
        ("import os\n    # USER is in the environment\nx = 1\n", false),
        ("import os\nprint(USER)  # in the environment\nx = 1\n", true),
        // It may be in a text.
        ("cat <<E\n# $USER of this env\nE\n", true),
        ("f'''\n# {environ['USER']}\n'''\n", true),
        ("#env USER\n", true),
        // Where the line begins or ends is not known.
        ("# USER env", true),
        ("\n# USER env", true),
    ] {
        assert_eq!(!found(&["USER"], text.as_bytes(), false).is_empty(), expected, "{text}");
    }
}

#[test]
fn leading_parts_count_as_words() {
    for (text, expected) in [
        ("name.startswith('PIP_')", true),
        ("f\"PIP_{name}\"", true),
        ("PIP_NO_INPUT", false),
        ("XPIP_", false),
        ("PIP", false),
    ] {
        assert_eq!(!found(&["PIP_CERT"], text.as_bytes(), false).is_empty(), expected, "{text}");
    }
    assert_eq!(found(&["TF_VAR_region"], b"\"TF_VAR_\"", false), ["TF_VAR_region"]);
    assert_eq!(found(&["PIP_CERT"], &machine_code("\0PIP_\0"), true), ["PIP_CERT"]);
    assert_eq!(found(&["PIP_CERT"], &machine_code("PIP_NO_INPUT"), false), Vec::<String>::new());
    assert_eq!(found(&["_X"], b"_ _", false), Vec::<String>::new());
}

#[test]
fn names_within_names_are_all_found() {
    assert_eq!(found(&["AA_B", "AA_B_CC", "B_CC"], b"AA_B_CC", false), ["AA_B_CC"]);
    assert_eq!(
        found(&["AA_B", "AA_B_CC", "B_CC"], &machine_code("AA_B_CC"), false),
        ["AA_B", "AA_B_CC", "B_CC"]
    );
}

#[test]
fn no_piece_of_a_file_cuts_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("text");
    let search = NameSearch::new([&b"SOME_LONG_NAME"[..], b"OTHER"]);
    for place in (PIECE - 20)..(PIECE + 3) {
        let mut text = vec![b' '; PIECE * 2];
        text[place..place + 14].copy_from_slice(b"SOME_LONG_NAME");
        fs::write(&path, &text).unwrap();
        assert_eq!(search.search_files(std::slice::from_ref(&path)), [b"SOME_LONG_NAME".to_vec()], "{place}");
        // As a part of a longer word it does not count, at any boundary of pieces.
        text[place + 14] = b'X';
        fs::write(&path, &text).unwrap();
        assert!(search.search_files(std::slice::from_ref(&path)).is_empty(), "{place}");
        text[place + 14] = b' ';
        text[place - 1] = b'X';
        fs::write(&path, &text).unwrap();
        assert!(search.search_files(std::slice::from_ref(&path)).is_empty(), "{place}");
    }
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn members_of_archives_are_searched() {
    let directory = tempfile::tempdir().unwrap();
    let code = "import os\nprint(os.environ['DEEP_NAME'])\n".repeat(50);
    let inner = archive(&[("a.py", code.as_bytes())]);
    let script = [b"#!/usr/bin/env python3\n", inner.as_slice()].concat();
    let nested = archive(&[("lib/x.jar", inner.as_slice())]);
    let damaged = b"PK\x03\x04 and nothing more".to_vec();
    let other = archive(&[("a.py", b"nothing")]);
    let search = NameSearch::new([&b"DEEP_NAME"[..]]);
    for (name, bytes, expected) in [
        ("a.whl", &inner, true),
        ("zipapp", &script, true),
        ("b.jar", &nested, true),
        ("damaged.zip", &damaged, true),
        ("other.zip", &other, false),
    ] {
        assert!(!inner.windows(9).any(|window| window == b"DEEP_NAME"), "it is packed");
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        assert_eq!(!search.search_files(&[path]).is_empty(), expected, "{name}");
    }
}

#[test]
fn what_cannot_be_read_holds_every_name() {
    let search = NameSearch::new([&b"A"[..], b"B"]);
    assert_eq!(search.search_files(&["/nonexistent".into()]).len(), 2);
}

#[test]
fn a_search_is_remembered_for_files_that_hold_still() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| directory.path().join(name));
    fs::write(&paths[0], "FOO").unwrap();
    fs::write(&paths[1], "BAR").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let memory = Memory::default();
    let search = |names: &[&str]| {
        let found = NameSearch::new(names.iter().map(|name| name.as_bytes()))
            .search_files_remembered(&paths, &memory);
        (found.len(), *memory.written.borrow())
    };
    assert_eq!(search(&["FOO", "BAR", "BAZ"]), (2, 1));
    assert_eq!(search(&["FOO", "BAR", "BAZ"]), (2, 1));
    assert_eq!(search(&["FOO"]), (1, 2));
    fs::write(&paths[1], "BAZ BAR").unwrap();
    assert_eq!(search(&["FOO", "BAR", "BAZ"]), (3, 3));
    // Too recent to be trusted: searched again.
    fs::write(&paths[1], "xxx").unwrap();
    assert_eq!(search(&["FOO", "BAR", "BAZ"]).0, 1);
}

proptest::proptest! {
    #[test]
    fn few_bytes_are_searched_as_many_are(
        names in proptest::collection::vec("[AB_]{1,4}", 0..12),
        text in "[AB_ab \u{fc}\0]{0,60}",
        code: bool,
        system: bool,
    ) {
        let search = NameSearch::new(names.iter().map(String::as_bytes));
        let bytes = if code { machine_code(&text) } else { text.into_bytes() };
        let occurrences = || {
            let mut all = Vec::new();
            search.each_occurrence(&bytes, |pattern, start, end| {
                all.push((pattern, start, end));
                true
            });
            all.sort_unstable();
            all
        };
        let (little, few) = (occurrences(), search.search(&bytes, system));
        proptest::prop_assert!(search.finder.get().is_none());
        search.without.store(usize::MAX / 2, Ordering::Relaxed);
        proptest::prop_assert_eq!(little, occurrences());
        proptest::prop_assert_eq!(few, search.search(&bytes, system));
    }
}
