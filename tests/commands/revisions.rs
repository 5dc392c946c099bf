//! Revisions on real stores.

use super::support::{HOUR, NOON, Run, SECOND, Sandbox, recorded};
use cashet::digest::CommitId;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

fn shown(sandbox: &Sandbox, revision: &str) -> String {
    sandbox.run(&["show", revision, "--json"]).json()[0]["commit"].as_str().unwrap().to_owned()
}

#[test]
fn every_form_finds_its_commit() {
    let (sandbox, ids) = recorded();
    let id = |place: usize| ids[place].to_string();
    for (revision, place) in [
        ("@", 5),
        ("@{1}", 5),
        ("@{2}", 4),
        ("@{6}", 0),
        ("@{2}~1", 3),
        ("@{2}~~", 2),
        ("train.py --lr 0.01", 4),
        ("train.py --lr 0.01~2", 2),
        ("python3 train.py --lr 0.01", 4),
        ("sh report.sh \"'weekly'\"", 5),
    ] {
        assert_eq!(shown(&sandbox, revision), id(place), "{revision}");
    }
    for place in 0..6 {
        let hex = id(place);
        for digits in [4, 8, 12, 64] {
            assert_eq!(shown(&sandbox, &hex[..digits]), hex);
            assert_eq!(shown(&sandbox, &hex[..digits].to_uppercase()), hex);
        }
    }
}

#[test]
fn what_names_no_commit_is_refused_in_one_line() {
    let (sandbox, ids) = recorded();
    let endless = "f".repeat(100_000);
    let unknown = if ids.iter().any(|id| id.to_string().starts_with("0000")) { "1111" } else { "0000" };
    let no_prefix = format!("no run begins with '{unknown}'");
    for (revision, message, status) in [
        ("@{7}", "there is no run '@{7}'", 1),
        ("@~1", "there is no run '@~1': its lineage has 1 run", 1),
        (unknown, &no_prefix, 1),
        ("abc", "'abc' is too short for a hash", 2),
        ("%", "no run of the command '%'", 1),
        ("_", "no run of the command '_'", 1),
        ("*", "no run of the command '*'", 1),
        ("../", "no run of the command '../'", 1),
        ("", "'' is not a revision", 2),
        ("train.py", "no run of the command 'train.py'", 1),
        (&endless, &format!("'{}…' is too long for a hash", "f".repeat(59)), 2),
    ] {
        for command in ["show", "get", "history", "graph", "tag", "rm"] {
            let error = sandbox.run(&[command, revision]).ended.unwrap_err();
            assert_eq!(error.to_string(), message, "{command}");
            assert_eq!(error.command_status(), status, "{command} {revision:.20}");
        }
    }
    let bytes = OsString::from_vec(vec![0xff, 0xfe]);
    let error = sandbox.call(Some(80), NOON, &["show".into(), bytes]).ended.unwrap_err();
    assert_eq!(error.to_string(), "no run of the command '\\xff\\xfe'");
    assert_eq!(sandbox.run(&["log", "--json"]).json().len(), 6);
}

#[test]
fn an_ambiguous_prefix_lists_its_candidates() {
    let sandbox = Sandbox::new();
    let mut ids: Vec<CommitId> = Vec::new();
    // Among a few hundred commits, two share their first four digits.
    let shared = loop {
        let id = sandbox.record(&Run::new(&format!("job {}", ids.len()), HOUR));
        let prefix = id.to_string()[..4].to_owned();
        let twin = ids.iter().find(|other| other.to_string().starts_with(&prefix)).copied();
        ids.push(id);
        if let Some(twin) = twin {
            break (prefix, [twin, id]);
        }
    };
    let (prefix, twins) = shared;
    let error = sandbox.run(&["show", &prefix]).ended.unwrap_err();
    assert_eq!(error.to_string(), format!("'{prefix}' is ambiguous"));
    assert_eq!(error.command_status(), 1);
    for twin in twins {
        assert!(error.hint().unwrap().contains(&twin.short()), "{:?}", error.hint());
    }
}

#[test]
fn a_command_line_means_its_newest_commit_here() {
    let sandbox = Sandbox::new();
    let here = sandbox.record(&Run::new("python3 a.py x", 2 * HOUR));
    let mut elsewhere = Run::new("python3 a.py x", 20 * SECOND);
    elsewhere.stdout = b"another\n".to_vec();
    let same_place = sandbox.record(&elsewhere);
    assert_ne!(here, same_place);
    assert_eq!(shown(&sandbox, "a.py x"), same_place.to_string());
    assert_eq!(shown(&sandbox, "a.py x~"), here.to_string());
}
