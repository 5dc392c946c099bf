//! Which variables count, and what is stored of their values.

use super::*;

fn places() -> Places {
    Places { root: "/w/p".into(), home: None }
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn session_variables_are_recognized_by_name_and_pattern() {
    for name in [
        "PATH",
        "_",
        "TERM",
        "TERM_PROGRAM",
        "SSH_AUTH_SOCK",
        "TMUX",
        "TMUX_PANE",
        "GITHUB_RUN_ID",
        "CASHET_DIR",
    ] {
        assert!(is_session(OsStr::new(name)), "{name}");
    }
    for name in ["LANG", "GITHUB_SHA", "TERMINFO", "CI", "PATHS", "DATABASE_URL", "XDG_CONFIG_HOME", ""] {
        assert!(!is_session(OsStr::new(name)), "{name}");
    }
}

#[test]
fn patterns_match_as_in_a_shell() {
    for (pattern, name, expected) in [
        ("CUDA_*", "CUDA_X", true),
        ("CUDA_*", "CUDA_", true),
        ("CUDA_*", "CUDA", false),
        ("*_URL", "DB_URL", true),
        ("*_URL", "DB_URLS", false),
        ("A?C", "ABC", true),
        ("A?C", "AC", false),
        ("A*B*C", "AxBxBxC", true),
    ] {
        assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
    }
}

#[test]
fn unset_differs_from_empty_and_all_values_of_a_name_count() {
    let name = OsStr::new("A");
    assert_eq!(lookup(&environment(&[("B", "1")]), name), None);
    assert_eq!(lookup(&environment(&[("A", "")]), name).as_deref(), Some(OsStr::new("")));
    let twice = environment(&[("A", "1"), ("A", "2")]);
    let swapped = environment(&[("A", "2"), ("A", "1")]);
    assert_ne!(lookup(&twice, name), lookup(&swapped, name));
}

#[test]
fn digests_of_secrets_need_the_key_and_others_do_not() {
    let (one, other) = ([1; 32], [2; 32]);
    for (name, value) in [("API_TOKEN", "x"), ("aws_secret_access_key", "x"), ("DB", "pg://u:p@host/db")] {
        let digest = |key| variable_digest(name.as_bytes(), value.as_bytes(), &places(), key);
        assert_ne!(digest(&one), digest(&other), "{name}");
    }
    for (name, value) in [("LANG", "C"), ("DB", "pg://host/db@x")] {
        let digest = |key| variable_digest(name.as_bytes(), value.as_bytes(), &places(), key);
        assert_eq!(digest(&one), digest(&other), "{name}");
    }
    assert_ne!(variable_digest(b"A", b"BC", &places(), &one), variable_digest(b"AB", b"C", &places(), &one));
}

#[test]
fn the_whole_environment_counts_without_its_order() {
    let key = [0; 32];
    let first = environment_digest(&environment(&[("A", "1"), ("B", "2")]), &places(), &key);
    assert_eq!(first, environment_digest(&environment(&[("B", "2"), ("A", "1")]), &places(), &key));
    assert_ne!(first, environment_digest(&environment(&[("A", "1"), ("B", "3")]), &places(), &key));
    assert_ne!(first, environment_digest(&environment(&[("A", "1")]), &places(), &key));
}

#[test]
fn a_strict_environment_is_what_counts_and_what_every_program_needs() {
    let mut selector = Selector::for_language(LanguageKind::Python);
    selector.add(OsStr::new("CUDA_*"));
    selector.add(OsStr::new("UNSET"));
    let all =
        environment(&[("PATH", "/bin"), ("CUDA_X", "1"), ("FOO", "2"), ("PYTHONPATH", "p"), ("LANG", "C")]);
    let kept: Vec<_> = selector.strict(&all).into_iter().map(|(name, _)| name).collect();
    assert_eq!(kept, ["PATH", "CUDA_X", "PYTHONPATH", "LANG"]);
    let selected: Vec<_> =
        selector.select(&all).into_iter().map(|(name, value)| (name.into_owned(), value.is_some())).collect();
    assert_eq!(
        selected,
        [("CUDA_X", true), ("LANG", true), ("PYTHONPATH", true), ("UNSET", false)]
            .map(|(name, set)| (name.as_bytes().to_vec(), set))
    );
}

#[test]
fn the_lists_are_sorted() {
    for list in [ALWAYS, SESSION, SESSION_PATTERNS, CI_RUNS, CI_RUN_PATTERNS, BATCH_RUNS, ESSENTIAL] {
        assert!(list.is_sorted(), "{list:?}");
    }
}

#[test]
fn short_names_and_jobs_need_more_to_speak_for_them() {
    for (name, expected) in [
        ("DATABASE_URL", Weight::Strong),
        ("CI", Weight::Weak),
        ("CXX", Weight::Weak),
        ("GITHUB_SHA", Weight::Weak),
        ("GITHUB_RUN_ID", Weight::Job),
        ("BUILD_NUMBER", Weight::Job),
        ("SLURM_JOB_ID", Weight::Job),
        ("SLURM_NTASKS", Weight::Weak),
        ("USER", Weight::Session),
    ] {
        assert_eq!(weight(name.as_bytes()), expected, "{name}");
    }
    assert!(asked_by_tool(b"make").contains(&"CC") && asked_by_tool(b"cat").is_empty());
}

#[test]
fn a_batch_system_gives_any_devices() {
    let selected = |pairs: &[(&str, &str)]| {
        let environment = environment(pairs);
        let found = Selector::for_language(LanguageKind::Python).select(&environment);
        found.into_iter().map(|(_, value)| value.unwrap().into_owned()).collect::<Vec<_>>()
    };
    let job = ("SLURM_JOB_ID", "1");
    assert_eq!(
        selected(&[("CUDA_VISIBLE_DEVICES", "0,1"), job]),
        selected(&[("CUDA_VISIBLE_DEVICES", "2,3"), job])
    );
    assert_ne!(
        selected(&[("CUDA_VISIBLE_DEVICES", "0"), job]),
        selected(&[("CUDA_VISIBLE_DEVICES", "2,3"), job])
    );
    assert_ne!(selected(&[("CUDA_VISIBLE_DEVICES", "0")]), selected(&[("CUDA_VISIBLE_DEVICES", "1")]));
}
