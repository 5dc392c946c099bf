//! Machines of one toolchain: files of the system are not compared between them.

use super::servers::skipped;
use super::team::{Machine, Team};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Places whose files are never files of the system.
const OF_USERS: &[&str] = &["/tmp", "/var/tmp", "/dev", "/run", "/home", "/root", "/mnt", "/media", "/srv"];

/// A directory for files of the system; `None` if this user cannot create one outside of the places of users.
fn system_of(team: &Team) -> Option<TempDir> {
    let base = team.base.path();
    let parent = if OF_USERS.iter().any(|place| base.starts_with(place)) { Path::new("/opt") } else { base };
    let made = tempfile::Builder::new().prefix("cashet-test-").tempdir_in(parent).ok();
    if made.is_none() {
        skipped("toolchains: no directory for files of the system can be created");
    }
    made
}

/// A tool outside of all projects, with a file that it reads; what it prints says which version of both has run.
fn install(team: &Team, system: &Path, version: &str) -> PathBuf {
    fs::write(system.join("table"), format!("table {version}\n")).unwrap();
    let tool = system.join("tool");
    let body = format!("#!/bin/sh\necho x >> '{}'\n", team.counter().display());
    let body = format!("{body}echo tool {version}; cat '{}' data.txt\n", system.join("table").display());
    fs::write(&tool, body).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    tool
}

fn machine(team: &Team, name: &str, toolchain: Option<&str>) -> Machine {
    let named = toolchain.map(|name| format!("toolchain = \"{name}\"\n")).unwrap_or_default();
    let machine = team.machine(name, &format!("write = true\nupload = \"wait\"\n{named}"));
    machine.write("data.txt", "data\n");
    machine
}

const FIRST: &str = "tool 1\ntable 1\ndata\n";
const SECOND: &str = "tool 2\ntable 2\ndata\n";

#[test]
fn a_token_stands_for_files_of_the_system_and_is_never_mixed() {
    let team = Team::new();
    let Some(system) = system_of(&team) else { return };
    let system = system.path();
    let tool = install(&team, system, "1");
    let tool = [tool.to_str().unwrap()];
    let first = machine(&team, "first", Some("image-7"));
    assert_eq!(first.exec(&tool).0, FIRST);
    install(&team, system, "2");
    // Other system files, the same token.
    let second = machine(&team, "second", Some("image-7"));
    let (stdout, status) = second.exec(&tool);
    assert!(status.contains("hit") && status.contains("from dir:"), "{status}");
    assert_eq!((stdout.as_str(), team.executions()), (FIRST, 1));
    let show = |words: &[&str]| String::from_utf8(second.cashet(words).stdout).unwrap();
    for shown in [show(&["show", "@"]), show(&["show", "--all", "@"])] {
        let line = shown.lines().find(|line| line.starts_with("toolchain")).unwrap_or_default();
        assert!(line.contains("image-7"), "{shown}");
        assert!(!shown.lines().any(|line| line.starts_with("read") && line.contains("table")), "{shown}");
    }
    assert!(show(&["show", "--json", "@"]).contains("\"kind\":\"toolchain\",\"name\":\"image-7\""));
    // From now on the store answers, while the settings say the same.
    let local = |words: &[&str]| {
        let output =
            second.cashet(&[&["exec", "-v", "--no-remote", "--mode", "replay", "--"], words].concat());
        output.status.code()
    };
    assert_eq!(local(&tool), Some(0));
    second.write("data.txt", "other\n");
    assert_eq!(local(&tool), Some(121), "the project is compared");
    second.write("data.txt", "data\n");
    let settings = fs::read_to_string(second.project.join("cashet.toml")).unwrap();
    second.write("cashet.toml", &settings.replace("image-7", "image-8"));
    assert_eq!(local(&tool), Some(121), "another toolchain");
    // What rests on a token is written neither as strict nor under another one.
    let pushed = String::from_utf8(second.cashet(&["remote", "push"]).stdout).unwrap();
    assert!(pushed.contains("not shared: it depends on the toolchain image-7"), "{pushed}");
    second.write("cashet.toml", &settings.replace("toolchain = \"image-7\"\n", ""));
    assert_eq!(local(&tool), Some(121), "strict again");
    let pushed = String::from_utf8(second.cashet(&["remote", "push"]).stdout).unwrap();
    assert!(pushed.contains("not shared"), "{pushed}");
    // Another token, and none: each of them runs.
    for (name, toolchain) in [("other", Some("image-8")), ("strict", None)] {
        let executed = team.executions();
        let (stdout, status) = machine(&team, name, toolchain).exec(&tool);
        assert!(status.contains("miss"), "{name}: {status}");
        assert_eq!((stdout.as_str(), team.executions()), (SECOND, executed + 1));
    }
    // A strict machine with the very files of the first finds none of its results; one with the files of the strict one does.
    let executed = team.executions();
    let (stdout, status) = machine(&team, "like", None).exec(&tool);
    assert!(status.contains("from dir:"), "{status}");
    assert_eq!((stdout.as_str(), team.executions()), (SECOND, executed));
    install(&team, system, "1");
    let (stdout, status) = machine(&team, "as-first", None).exec(&tool);
    assert!(status.contains("miss"), "{status}");
    assert_eq!((stdout.as_str(), team.executions()), (FIRST, executed + 1));
}

/// What is changed on a machine.
type Change<'a> = &'a dyn Fn(&Machine);

#[test]
fn the_project_home_and_variables_count_beside_a_token() {
    let team = Team::new();
    let first = machine(&team, "first", Some("x")).with("MODE", "a");
    let body = "cat data.txt ~/settings 2>/dev/null; echo $MODE";
    let prepare = |machine: &Machine| _ = machine.script("run.sh", body);
    prepare(&first);
    fs::write(first.home.join("settings"), "s\n").unwrap();
    first.exec(&["./run.sh"]);
    let differing: [(&str, Change<'_>); 3] = [
        ("home", &|machine| fs::write(machine.home.join("settings"), "t\n").unwrap()),
        ("project", &|machine| _ = machine.write("data.txt", "t\n")),
        ("source", &|machine| _ = machine.script("run.sh", "echo other")),
    ];
    for (name, change) in differing {
        let other = machine(&team, name, Some("x")).with("MODE", "a");
        prepare(&other);
        fs::write(other.home.join("settings"), "s\n").unwrap();
        change(&other);
        let (_, status) = other.exec(&["./run.sh"]);
        assert!(status.contains("miss"), "{name}: {status}");
    }
    let variable = machine(&team, "variable", Some("x")).with("MODE", "b");
    let same = machine(&team, "same", Some("x")).with("MODE", "a");
    for (machine, word) in [(&variable, "miss"), (&same, "from dir:")] {
        prepare(machine);
        fs::write(machine.home.join("settings"), "s\n").unwrap();
        let (_, status) = machine.exec(&["./run.sh"]);
        assert!(status.contains(word), "{status}");
    }
}

#[test]
fn installed_packages_stand_for_their_files_alone() {
    let team = Team::new();
    let Some(system) = system_of(&team) else { return };
    let system = system.path();
    let tool = install(&team, system, "1");
    let tool = [tool.to_str().unwrap()];
    let first = machine(&team, "first", Some("auto"));
    first.exec(&tool);
    let status = String::from_utf8(first.cashet(&["remote", "status"]).stdout).unwrap();
    if status.contains("no table of packages") {
        eprintln!("SKIPPED: no table of packages is known here");
        return;
    }
    assert!(status.contains("the toolchain auto (auto:"), "{status}");
    let (_, said) = machine(&team, "second", Some("auto")).exec(&tool);
    assert!(said.contains("from dir:"), "{said}");
    // What no package brings is compared.
    install(&team, system, "2");
    let (stdout, said) = machine(&team, "third", Some("auto")).exec(&tool);
    assert!(said.contains("miss"), "{said}");
    assert_eq!((stdout.as_str(), team.executions()), (SECOND, 2));
}
