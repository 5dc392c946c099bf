//! `[store] dir = "user"`: one store for all clones and work trees, outside of them.

use crate::support::{CASHET, Sandbox};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(sandbox: &Sandbox, directory: &Path, program: &str, words: &[&str]) -> Output {
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", Path::new(CASHET).parent().unwrap().display());
    let mut command = Command::new(program);
    command.args(words).current_dir(directory).env_clear().env("HOME", sandbox.home("")).env("PATH", path);
    command.env("TMPDIR", sandbox.base().join("tmp"));
    for (name, value) in [("NAME", "me"), ("EMAIL", "me@example.com")] {
        command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    command.output().unwrap()
}

#[track_caller]
fn done(sandbox: &Sandbox, directory: &Path, program: &str, words: &[&str]) -> String {
    let output = run(sandbox, directory, program, words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The stores in the user's cache directory.
fn stores(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.home(".cache/cashet")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    // Digests are remembered beside the stores.
    names.retain(|name| name != ".digests");
    names.sort();
    names
}

/// A repository with one commit: a job and the settings.
fn repository(settings: &str) -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat data").write("data", "data\n").write("cashet.toml", settings);
    let root = sandbox.path("");
    for words in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "first"]] {
        done(&sandbox, &root, "git", words);
    }
    (sandbox, root)
}

const USER: &str = "[store]\ndir = \"user\"\n";

#[test]
fn clones_and_work_trees_share_one_store_and_nothing_of_it_is_in_them() {
    let (sandbox, root) = repository(USER);
    let (clone, tree) = (sandbox.base().join("clone"), sandbox.base().join("tree"));
    assert_eq!(done(&sandbox, &root, CASHET, &["exec", "./job"]), "data\n");
    assert_eq!(sandbox.executions(), 1);
    done(&sandbox, sandbox.base(), "git", &["clone", "-q", "project", "clone"]);
    done(&sandbox, &root, "git", &["worktree", "add", "-q", "../tree", "HEAD"]);
    for place in [&clone, &tree, &root] {
        assert_eq!(done(&sandbox, place, CASHET, &["exec", "./job"]), "data\n", "{place:?}");
        assert!(!place.join(".cashet").exists());
        assert_eq!(done(&sandbox, place, CASHET, &["log", "--json"]).lines().count(), 1);
    }
    assert_eq!(sandbox.executions(), 1);
    // A new commit does not change the project's identity.
    done(&sandbox, &root, "git", &["commit", "-q", "--allow-empty", "-m", "second"]);
    done(&sandbox, &root, CASHET, &["exec", "./job"]);
    done(&sandbox, sandbox.base(), "git", &["clone", "-q", "project", "again"]);
    done(&sandbox, &sandbox.base().join("again"), CASHET, &["exec", "./job"]);
    assert_eq!(sandbox.executions(), 1);
    let names = stores(&sandbox);
    assert!(names.len() == 1 && names[0].starts_with("repo-"), "{names:?}");
}

#[test]
fn commands_that_walk_the_tree_do_not_meet_it() {
    let (sandbox, root) = repository(USER);
    for words in [
        &["grep", "-rc", "data", "--exclude-dir=.git", "."][..],
        &["find", ".", "-not", "-path", "./.git*"],
        &["ls", "-A"],
        &["sh", "-c", "tar c --exclude=.git . | tar t"],
    ] {
        let call = [&["exec", "--"][..], words].concat();
        let first = done(&sandbox, &root, CASHET, &call);
        assert!(!first.contains(".cashet"), "{first}");
        assert_eq!(done(&sandbox, &root, CASHET, &call), first);
    }
    let hits = done(&sandbox, &root, CASHET, &["stats", "--json"]);
    assert!(hits.contains("\"hits\":4"), "{hits}");
}

#[test]
fn other_repositories_and_other_places_in_one_have_their_own() {
    let (sandbox, root) = repository(USER);
    done(&sandbox, &root, CASHET, &["exec", "./job"]);
    sandbox.write("inner/cashet.toml", USER).write("inner/data", "inner\n");
    done(&sandbox, &sandbox.path("inner"), CASHET, &["exec", "cat", "data"]);
    let (other, _) = repository(USER);
    done(&other, &other.path(""), "git", &["commit", "-q", "--amend", "-m", "another"]);
    done(&other, &other.path(""), CASHET, &["exec", "./job"]);
    let (ours, theirs) = (stores(&sandbox), stores(&other));
    assert_eq!((ours.len(), theirs.len()), (2, 1));
    assert!(ours[1].starts_with(&format!("{}-", ours[0])), "{ours:?}");
    assert!(!ours.contains(&theirs[0]));
    // Without a commit, or without its history, a project is known by its path.
    let empty = Sandbox::new();
    empty.script("job", "echo made").write("cashet.toml", USER);
    done(&empty, &empty.path(""), CASHET, &["exec", "./job"]);
    assert!(stores(&empty)[0].starts_with("path-"));
    let url = format!("file://{}", root.display());
    done(&sandbox, sandbox.base(), "git", &["clone", "-q", "--depth", "1", &url, "shallow"]);
    done(&sandbox, &root, "git", &["commit", "-q", "--allow-empty", "-m", "second"]);
    done(&sandbox, sandbox.base(), "git", &["clone", "-q", "--depth", "1", &url, "cut"]);
    done(&sandbox, &sandbox.base().join("cut"), CASHET, &["exec", "./job"]);
    assert_eq!(stores(&sandbox).iter().filter(|name| name.starts_with("path-")).count(), 1);
}

#[test]
fn a_name_serves_where_there_is_no_repository() {
    let named = format!("{USER}name = \"mine\"\n");
    let (sandbox, root) = repository(&named);
    done(&sandbox, &root, CASHET, &["exec", "./job"]);
    let elsewhere = sandbox.base().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for name in ["job", "data", "cashet.toml"] {
        fs::copy(root.join(name), elsewhere.join(name)).unwrap();
    }
    assert_eq!(done(&sandbox, &elsewhere, CASHET, &["exec", "./job"]), "data\n");
    assert_eq!((sandbox.executions(), stores(&sandbox)), (1, vec!["mine".to_owned()]));
    // A store named for the call takes precedence.
    done(&sandbox, &root, CASHET, &["exec", "--store", "own", "./job"]);
    assert!(root.join("own/meta.db").exists());
}

#[test]
fn invalid_settings_are_reported() {
    for (settings, told) in [
        ("[store]\ndir = \"elsewhere\"\n", "neither"),
        ("[store]\nname = \"x\"\n", "needs dir"),
        ("[store]\ndir = \"user\"\nname = \"../x\"\n", "not a valid name"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.script("job", "echo made").write("cashet.toml", settings);
        sandbox.exec(["./job"]).refused(125, &[told]).run();
        sandbox.cashet(["log"]).status(2).stderr_with(&[told]).run();
    }
}

#[test]
fn without_a_home_the_command_runs() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo made").write("cashet.toml", USER);
    let call = sandbox.exec(["-v", "./job"]).unset("HOME").stdout("made\n").executes(1);
    call.stderr_with(&["bypass", "needs HOME or XDG_CACHE_HOME"]).run();
}
