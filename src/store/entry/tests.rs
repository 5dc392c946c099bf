//! Sets of questions and results in one entry.

use super::super::recall::tests::candidate;
use super::*;
use crate::digest::Digest;
use crate::record::StoredPath;

fn key() -> Key {
    Key(Digest::of(b"key"))
}

/// A result that read these files, each with what it holds.
fn reading(n: u8, files: &[(&str, u8)]) -> Candidate {
    let mut candidate = candidate(n);
    let read = |(path, byte): &(&str, u8)| Observation::Content {
        path: StoredPath::in_root(*path),
        digest: Digest::of(&[*byte]),
    };
    candidate.commit.observations = files.iter().map(read).collect();
    candidate.evidence = vec![None; files.len()];
    candidate.id = candidate.commit.id();
    candidate
}

fn observed(entry: &Entry, place: usize) -> Option<Vec<Observation>> {
    entry.candidate(place).map(|candidate| candidate.commit.observations)
}

#[test]
fn results_share_a_set_and_the_last_one_says_what_is_there() {
    let mut entry = Entry::default();
    for (n, byte) in [(1, 7), (2, 8), (3, 7)] {
        entry.add(reading(n, &[("f", byte)]), 0);
    }
    entry.add(reading(4, &[("f", 7), ("g", 1)]), 0);
    assert_eq!((entry.sets.len(), entry.results.len()), (2, 4));
    let present: Vec<bool> = (0..4).map(|place| observed(&entry, place).is_some()).collect();
    assert_eq!(present, [true, true, false, true]);
    assert_eq!(observed(&entry, 1), Some(reading(3, &[("f", 7)]).commit.observations));
    // One that is used is told behind the newest, with what is there now.
    entry.put_in(reading(9, &[("f", 8)]));
    let present: Vec<bool> = (0..5).map(|place| observed(&entry, place).is_some()).collect();
    assert_eq!(present, [true, true, false, true, false]);
    let (payload, shared) = encode(&entry);
    assert!(shared.is_empty());
    let again = parse_strictly(&payload, &key(), &|_| None).unwrap();
    let ids = |entry: &Entry| entry.results.iter().map(|result| result.id).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&entry));
}

#[test]
fn an_entry_that_left_something_out_says_so() {
    let mut entry = Entry { is_whole: true, ..Entry::default() };
    for n in 0..8 {
        entry.add(reading(n, &[("f", n)]), 0);
    }
    assert!(entry.is_whole);
    entry.add(reading(8, &[("f", 8)]), 0);
    assert!(!entry.is_whole && entry.results.len() == 8);
    let mut entry = Entry { is_whole: true, ..Entry::default() };
    for n in 0..9 {
        entry.add(reading(n, &[(&format!("f{n}"), n)]), 0);
        assert_eq!(entry.is_whole, n < 8);
    }
    assert_eq!((entry.sets.len(), entry.results.len()), (8, 8));
    assert!((0..8).all(|place| observed(&entry, place).is_some()));
}

#[test]
fn parts_of_large_sets_lie_beside_the_entry() {
    let names: Vec<String> = (0..2000).map(|n| format!("d{}/f{n}", n / 10)).collect();
    let files = |byte: u8| -> Vec<(&str, u8)> {
        names.iter().enumerate().map(|(n, name)| (name.as_str(), if n == 1000 { byte } else { 0 })).collect()
    };
    let mut entry = Entry::default();
    entry.add(reading(1, &files(1)), 0);
    entry.add(reading(2, &files(2)), 0);
    let (payload, shared) = encode(&entry);
    assert!(payload.len() < 10_000 && shared.len() > 2, "{} {}", payload.len(), shared.len());
    let part = |id: &Digest| shared.iter().find(|part| part.id == *id).map(|part| part.payload.clone());
    let again = parse_strictly(&payload, &key(), &part).unwrap();
    assert_eq!(observed(&again, 0), Some(reading(2, &files(2)).commit.observations));
    assert_eq!(observed(&again, 1), None);
    assert!(parse(&payload, &key(), &|_| None).is_none());
    // Another entry that shares all parts has seen what the first result saw.
    let mut other = Entry::default();
    other.add(reading(3, &files(1)), 0);
    let (_, newer) = encode(&other);
    let part = |id: &Digest| newer.iter().find(|part| part.id == *id).map(|part| part.payload.clone());
    let again = parse(&payload, &key(), &part).unwrap();
    assert_eq!(observed(&again, 0), None);
    assert_eq!(observed(&again, 1), Some(reading(1, &files(1)).commit.observations));
}

#[test]
fn a_set_of_which_no_answer_is_known_is_the_same_set() {
    let names: Vec<String> = (0..600).map(|n| format!("d{}/f{n}", n / 10)).collect();
    let files: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut entry = Entry::default();
    entry.add(reading(1, &files), 0);
    let [set] = entry.sets.try_into().unwrap();
    let parts = set.split();
    assert!(parts.len() > 1);
    let asked = QuestionSet::unanswered(parts.iter().map(|part| part.questions.as_slice())).unwrap();
    assert_eq!((asked.id, asked.evidence.len()), (set.id, 600));
    assert_ne!(asked.answers, set.answers);
    assert!(QuestionSet::unanswered([b"x".as_slice()]).is_err());
}

#[test]
fn an_entry_that_claims_many_parts_takes_no_room_for_them() {
    let (parts, part) = (1 << 20, vec![0; 1 << 20]);
    let mut payload = Encoder::new();
    payload.flag(true).length(1).digest(&Digest::of(b"id")).digest(&Digest::of(b"answers"));
    payload.flag(true).length(parts);
    let mut payload = payload.finish();
    payload.resize(payload.len() + parts, 0);
    assert!(parse(&payload, &key(), &|_| Some(part.clone())).is_none());
}
