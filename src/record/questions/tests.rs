//! Splitting goes both ways, and equal answers are equal digests.

use super::*;
use crate::encode::Encode;
use crate::record::{BothEnds, FoundProgram, Product, ProductClass};
use crate::record::{StdinKind, Timestamp};
use proptest::prelude::*;

fn path() -> impl Strategy<Value = StoredPath> {
    "[a-c]{1,2}(/[a-c]{1,2}){0,2}".prop_map(StoredPath::in_root)
}

fn digest() -> impl Strategy<Value = Digest> {
    (0_u8..3).prop_map(|byte| Digest::of(&[byte]))
}

fn state() -> impl Strategy<Value = FileState> {
    let states = prop_oneof![
        Just(FileState::Absent),
        (0_u32..3, digest()).prop_map(|(mode, digest)| FileState::File { mode, digest }),
        (0_u32..3, 0_u64..3).prop_map(|(mode, size)| FileState::LargeFile {
            mode,
            size,
            modified: Timestamp(7)
        }),
        (0_u32..3).prop_map(|mode| FileState::Directory { mode }),
        "[a-c]{0,2}".prop_map(|text| FileState::Symlink { text: text.into_bytes() }),
        (0_u32..3).prop_map(|mode| FileState::Special { mode }),
        (-1_i32..3).prop_map(|errno| FileState::Unreadable { errno }),
    ];
    let rule = (any::<bool>(), 0_u8..8, any::<bool>(), any::<bool>());
    (states, rule, 0_u32..3).prop_map(|(state, (by_rights, asked, fresh, passed), rights)| {
        let bits = state.mode().unwrap_or_default();
        state.with_rule(ModeRule { by_rights, asked, fresh, passed }, bits, rights)
    })
}

fn names() -> impl Strategy<Value = Names> {
    prop::collection::vec("[a-c]{0,2}".prop_map(String::into_bytes), 0..3).prop_map(|names| Names::of(&names))
}

/// Of every kind.
fn observation() -> impl Strategy<Value = Observation> {
    let of_path = prop_oneof![
        (path(), digest()).prop_map(|(path, digest)| Observation::Content { path, digest }),
        (path(), any::<bool>(), state()).prop_map(|(path, follow, state)| Observation::State {
            path,
            follow,
            state
        }),
        (path(), any::<bool>(), digest()).prop_map(|(path, everything, digest)| Observation::Listing {
            path,
            everything,
            digest
        }),
        (path(), names(), digest()).prop_map(|(path, names, digest)| Observation::Importable {
            path,
            names,
            digest
        }),
        (path(), names(), digest()).prop_map(|(path, aside, digest)| Observation::Entries {
            path,
            aside,
            digest
        }),
        (path(), digest()).prop_map(|(path, digest)| Observation::Index { path, digest }),
        (path(), digest()).prop_map(|(path, digest)| Observation::Modules { path, digest }),
        (path(), digest()).prop_map(|(path, digest)| Observation::Distributions { path, digest }),
        (path(), names(), digest()).prop_map(|(path, names, digest)| Observation::Loader {
            path,
            names,
            digest
        }),
        (path(), prop::collection::vec(0_u32..3, 0..3), digest())
            .prop_map(|(path, ids, digest)| Observation::Accounts { path, ids, digest }),
        (path(), any::<bool>(), 0_i64..3, 0_i64..3).prop_map(|(path, follow, time, changed)| {
            Observation::Modified { path, follow, time: Timestamp(time), changed: Timestamp(changed) }
        }),
        path().prop_map(|path| Observation::Exists { path }),
    ];
    let of_else = prop_oneof![
        ("[a-c]", prop::option::of(digest()))
            .prop_map(|(name, value)| Observation::Variable { name: name.into_bytes(), value }),
        digest().prop_map(|digest| Observation::Environment { digest }),
        (0_u32..3).prop_map(Observation::Umask),
        any::<bool>().prop_map(Observation::Superuser),
        digest().prop_map(|digest| Observation::User { digest }),
        "[a-c]".prop_map(|name| Observation::NotInHome { name: name.into_bytes() }),
        "[a-c]{0,2}".prop_map(|path| Observation::Root(path.into_bytes())),
        "[a-c]{0,2}".prop_map(|name| Observation::RootName(name.into_bytes())),
        (0_u64..2, digest(), 0_u64..2).prop_map(|(offset, digest, left_at)| {
            Observation::Stdin(StdinUse::Content { offset, digest, left_at })
        }),
        (0_u64..2).prop_map(|left_at| {
            Observation::Stdin(StdinUse::Content { offset: 0, digest: Digest::of(b""), left_at })
        }),
        (0_u64..2, 0_u64..2).prop_map(|(size, offset)| Observation::Stdin(StdinUse::Place { size, offset })),
        (0_u64..3).prop_map(|device| Observation::StdinKind(StdinKind::Device(device))),
        any::<bool>().prop_map(Observation::StdinTerminal),
        "[a-c]".prop_map(|name| Observation::StdinName(name.into_bytes())),
        prop::collection::vec(prop::collection::vec(path(), 0..3), 0..3)
            .prop_map(|groups| Observation::TimeOrder { groups }),
        (path(), state(), state()).prop_map(|(path, before, after)| Observation::Settled {
            states: vec![BothEnds { path, before, after }]
        }),
        (digest(), path(), any::<bool>()).prop_map(|(digest, path, moved)| Observation::Search {
            path: digest,
            programs: vec![FoundProgram { name: b"a".to_vec(), program: Some(path) }],
            moved,
        }),
        Just(Observation::Network),
        "[a-c]".prop_map(|token| Observation::Toolchain { token: token.into_bytes() }),
        names().prop_map(|names| Observation::Unset { names }),
        ("[a-c]", prop::option::of(path()))
            .prop_map(|(name, found)| Observation::Upward { name: name.into_bytes(), found }),
        path().prop_map(|path| Observation::Around {
            written: vec![path],
            older: Vec::new(),
            same: Vec::new(),
            newer: Vec::new()
        }),
        digest().prop_map(|digest| Observation::Descriptor { number: 3, offset: 0, digest }),
    ];
    prop_oneof![of_path, of_else]
}

fn products() -> Products {
    Products::new(vec![Product::new(b"a".to_vec(), ProductClass::Blind, FileState::Absent)], false)
}

fn joined(split: &[Split]) -> Vec<Observation> {
    split
        .iter()
        .flat_map(|part| join(&part.questions, &part.answers, &part.left).unwrap().observations)
        .collect()
}

proptest! {
    #[test]
    fn observations_are_split_and_put_together_again(observations in prop::collection::vec(observation(), 0..12)) {
        prop_assert_eq!(joined(&split_all(&observations, &products())), observations);
    }

    /// The heart of the matter: where the questions are the same, the digests of the answers are equal exactly if the
    /// observations are, but for where a run left standard input and modes of which only what they allow counts.
    #[test]
    fn equal_answers_are_equal_digests(
        one in prop::collection::vec(observation(), 0..3),
        other in prop::collection::vec(observation(), 0..3),
    ) {
        let split = |observations: &[Observation]| split_all(observations, &products());
        let (ours, theirs) = (split(&one), split(&other));
        let same_left = ours.iter().map(|part| &part.left).eq(theirs.iter().map(|part| &part.left));
        prop_assert_eq!(digests(&ours) == digests(&theirs) && same_left, one == other);
        let same_questions = ours.iter().map(|part| &part.questions).eq(theirs.iter().map(|part| &part.questions));
        prop_assert_eq!(digests(&ours).0 == digests(&theirs).0, same_questions);
    }

    /// Another answer to the same question: a digest, a state of the same kind, a mask.
    #[test]
    fn another_answer_leaves_the_questions_as_they_are(
        mut observations in prop::collection::vec(observation(), 1..6),
        number in 0_usize..6,
    ) {
        let before = split_all(&observations, &products());
        let place = number % observations.len();
        let changed = match &mut observations[place] {
            Observation::Content { digest, .. }
            | Observation::Entries { digest, .. }
            | Observation::Environment { digest }
            | Observation::State { state: FileState::File { digest, .. }, .. } => {
                *digest = Digest::of(b"another");
                true
            }
            Observation::Umask(mask) => {
                *mask += 1;
                true
            }
            _ => false,
        };
        let after = split_all(&observations, &products());
        prop_assert_eq!(digests(&before).0, digests(&after).0);
        prop_assert_eq!(digests(&before).1 != digests(&after).1, changed);
    }

    /// What was asked is known without the answers.
    #[test]
    fn questions_alone_are_observations(observations in prop::collection::vec(observation(), 0..12)) {
        let parts = split_all(&observations, &products());
        let unanswered: Vec<Joined> = parts.iter().map(|part| unanswered(&part.questions).unwrap()).collect();
        let own: Vec<usize> = unanswered.iter().flat_map(|part| part.own.iter().copied()).collect();
        let is_own = |number: usize| own.contains(&number);
        let asked: Vec<Observation> = unanswered.into_iter().flat_map(|part| part.observations).collect();
        prop_assert_eq!(digests(&split_all_by(&asked, &is_own)).0, digests(&parts).0);
    }

    /// A result keeps what is left of its observations while those of its set are others.
    #[test]
    fn what_is_left_is_put_back(mut observations in prop::collection::vec(observation(), 0..12), mode in 0_u32..3) {
        let then = observations.clone();
        let left = |all: &[Observation]| -> Vec<u8> {
            split_all(all, &products()).into_iter().flat_map(|part| part.left).collect()
        };
        for observation in &mut observations {
            if let Observation::State { state, .. } = observation {
                *state = state.clone().with_bits(mode);
            }
        }
        prop_assert_eq!(digests(&split_all(&observations, &products())), digests(&split_all(&then, &products())));
        put_back(&left(&then), &mut observations);
        prop_assert_eq!(observations, then);
    }

    #[test]
    fn any_bytes_are_put_together_or_not(questions: Vec<u8>, answers: Vec<u8>, left: Vec<u8>) {
        let _ = join(&questions, &answers, &left);
    }

    #[test]
    fn damaged_parts_are_put_together_or_not(
        observations in prop::collection::vec(observation(), 0..6),
        place in 0_usize..200,
        byte: u8,
    ) {
        for part in split_all(&observations, &products()) {
            let [mut questions, mut answers] = [part.questions.clone(), part.answers.clone()];
            for bytes in [&mut questions, &mut answers] {
                if let Some(slot) = bytes.get_mut(place) {
                    *slot = byte;
                }
            }
            let _ = join(&questions, &part.answers, &part.left);
            let _ = join(&part.questions, &answers, &part.left);
        }
    }
}

/// As many observations as a program with many packages makes.
fn many() -> Vec<Observation> {
    let mut all: Vec<Observation> = (0..60)
        .flat_map(|directory| (0..40).map(move |file| (directory, file)))
        .map(|(directory, file)| {
            let path = StoredPath::in_root(format!("lib/d{directory}/f{file}"));
            Observation::Content { path, digest: Digest::of(&[directory, file]) }
        })
        .collect();
    all.sort_by(|one, other| one.place().cmp(&other.place()));
    all
}

#[test]
fn a_change_in_one_directory_leaves_the_other_parts_as_they_are() {
    let before = many();
    let parts: Vec<usize> = parts(&before).iter().map(|part| part.len()).collect();
    assert!(parts.len() > 4 && parts.iter().all(|length| *length <= LARGEST), "{parts:?}");
    assert_eq!(parts.iter().sum::<usize>(), before.len());
    let mut after = before.clone();
    let new = StoredPath::in_root("lib/d30/new");
    after.push(Observation::Content { path: new, digest: Digest::of(b"new") });
    after.sort_by(|one, other| one.place().cmp(&other.place()));
    let (before, after) = [before, after].map(|all| split_all(&all, &products())).into();
    let shared = after.iter().filter(|part| before.contains(part)).count();
    assert_eq!((shared + 1, after.len()), (before.len(), before.len()));
    // Another answer changes one list of answers, and no questions.
    let mut other = many();
    if let Some(Observation::Content { digest, .. }) = other.get_mut(1000) {
        *digest = Digest::of(b"other");
    }
    let other = split_all(&other, &products());
    let differing = before.iter().zip(&other).filter(|(one, other)| one != other).count();
    assert_eq!((differing, digests(&before).0), (1, digests(&other).0));
}

#[test]
fn a_list_of_names_is_there_once() {
    let names = Names::of(&(0..500).map(|n| format!("module{n}").into_bytes()).collect::<Vec<_>>());
    let all: Vec<Observation> = (0..100)
        .map(|n| Observation::Importable {
            path: StoredPath::in_root(format!("d{n}")),
            names: names.clone(),
            digest: Digest::of(b""),
        })
        .collect();
    let [part] = split_all(&all, &products()).try_into().unwrap();
    assert!(part.questions.len() < names.to_bytes().len() + 1000);
}

#[test]
fn the_encoding_is_the_documented_one() {
    let listing = |path: &str| Observation::Entries {
        path: StoredPath::in_root(path),
        aside: Names::of(&[b"x".to_vec()]),
        digest: Digest::of(b"1"),
    };
    let by_rights = ModeRule { by_rights: true, ..ModeRule::default() };
    let directory = |path: &str, mode: u32| Observation::State {
        path: StoredPath::in_root(path),
        follow: true,
        state: FileState::Directory { mode }.with_rule(by_rights, mode, 7),
    };
    let observations = [
        Observation::Content { path: StoredPath::in_root("f"), digest: Digest::of(b"2") },
        Observation::State { path: StoredPath::in_root("g"), follow: true, state: FileState::Absent },
        directory("h", 0o755),
        directory("i", 0o755),
        directory("j", 0o700),
        listing("a"),
        listing("b"),
        Observation::Umask(0o22),
        Observation::Network,
    ];
    let [part] = split_all(&observations, &products()).try_into().unwrap();
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
            text
        })
    };
    let questions = [
        "01",
        "01",
        "01",
        "0178",
        "09",
        "00000166",
        "010001670102",
        "010001680102",
        "010001690102",
        "0100016a0102",
        "040001610001",
        "040001620000",
        "0d",
        "3f0d",
    ];
    assert_eq!(hex(&part.questions), questions.concat());
    let allowed = "0380803c".to_owned();
    let [one, two] = [b"1", b"2"].map(|bytes| Digest::of(bytes).to_hex());
    assert_eq!(
        hex(&part.answers),
        [two, "00".to_owned(), allowed.repeat(3), one.clone(), one, "12".to_owned()].concat()
    );
    // Twice 0755, once 0700.
    assert_eq!(hex(&part.left), "02ed0301c003");
    assert_eq!(join(&part.questions, &part.answers, &part.left).unwrap().own, [5]);
    let (asked, found) = digests(&[part]);
    assert_eq!(
        (asked.to_hex().get(..16).unwrap(), found.to_hex().get(..16).unwrap()),
        ("85f1756f6893744f", "5d09bd3861094b11")
    );
}
