//! Sets whose answers nobody knows are answered as they are where the run was.

use super::*;
use crate::record::{Known, Places, Products, StoredPath, Timestamp};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

/// The present answers to what `observations` asked.
fn answers(places: &Places, observations: &[Observation]) -> (Digest, Option<Digest>) {
    let secret = || [7; 32];
    let environment = [("WORD".into(), "value".into())];
    let present = Present {
        places,
        environment: &environment,
        circumstances: &Known::USUAL,
        secret: &secret,
        now: Timestamp::now(),
        seen: None,
    };
    let null = File::open("/dev/null").unwrap();
    let stdin = StdinAtStart::look(null.as_fd());
    let policy = Policy::default();
    let mut asking = Asking::new(&present, &policy, || &stdin);
    let split = questions::split_all(observations, &Products::default());
    let mut set = QuestionSet::unanswered(split.iter().map(|part| part.questions.as_slice())).unwrap();
    let asked = asking.ask(&mut set, false);
    (questions::digests(&split).1, asked.answers)
}

#[test]
fn questions_without_answers_find_what_the_run_found() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let places = Places { root: root.clone(), home: None };
    fs::write(root.join("f"), "content").unwrap();
    fs::create_dir(root.join("d")).unwrap();
    fs::set_permissions(root.join("d"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(root.join("d/one"), "1").unwrap();
    std::os::unix::fs::symlink("f", root.join("link")).unwrap();
    let state = |path: &str| {
        let (state, _) = look::state(&root.join(path), false);
        let state = match state.mode() {
            Some(_) => {
                let rule = crate::record::ModeRule { by_rights: true, ..Default::default() };
                crate::hash::rights::apply(&root.join(path), false, state, rule)
            }
            None => state,
        };
        Observation::State { path: StoredPath::in_root(path), follow: false, state }
    };
    let observe = || {
        vec![
            Observation::Content {
                path: StoredPath::in_root("f"),
                digest: Digest::of(&fs::read(root.join("f")).unwrap()),
            },
            state("d"),
            state("f"),
            state("gone"),
            state("link"),
            Observation::Umask(0o22),
            Observation::Superuser(false),
            Observation::User { digest: Known::USUAL.user },
            Observation::Variable { name: b"UNSET".to_vec(), value: None },
        ]
    };
    let before = observe();
    let (then, now) = answers(&places, &before);
    assert_eq!(now, Some(then));
    // Another mode that allows the same is no other answer.
    fs::set_permissions(root.join("d"), fs::Permissions::from_mode(0o700)).unwrap();
    let (then, now) = answers(&places, &before);
    assert_eq!(now, Some(then));
    fs::write(root.join("f"), "other").unwrap();
    let (then, now) = answers(&places, &before);
    assert!(now.is_some_and(|now| now != then));
    assert_eq!(now, Some(questions::digests(&questions::split_all(&observe(), &Products::default())).1));
    // A directory in place of a file has another form: there is nothing to compare.
    fs::remove_file(root.join("f")).unwrap();
    fs::create_dir(root.join("f")).unwrap();
    assert_eq!(answers(&places, &before).1, None);
}
