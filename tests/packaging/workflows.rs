//! The action and the workflows, as far as they can be tested without their service: they and their shell scripts are
//! well-formed, the files that they name exist, and scripts that work in a plain shell are run.

use super::root;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn files() -> Vec<PathBuf> {
    ["action.yml", "examples/ci.yml", ".github/workflows/ci.yml", ".github/workflows/release.yml"]
        .map(|name| root().join(name))
        .to_vec()
}

/// The scripts of `run:`, one line or a block.
fn scripts(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        // The value of a key is indented more deeply than the key.
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        let Some(script) = line.trim_start().trim_start_matches("- ").strip_prefix("run: ") else { continue };
        if script == "|" {
            let block = lines[place + 1..].iter();
            let block = block
                .take_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() > indent);
            found.push(block.map(|line| line.trim_start()).collect::<Vec<_>>().join("\n"));
        } else {
            found.push(script.to_owned());
        }
    }
    found
}

#[test]
fn the_shell_in_them_is_well_formed() {
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let scripts = scripts(&text);
        assert!(!scripts.is_empty(), "{}", file.display());
        for script in scripts {
            // Values are passed as variables: a value inserted into the text of a script could be code.
            assert!(!script.contains("${{"), "{}: {script}", file.display());
            let checked = Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
            assert!(checked.status.success(), "{script}: {}", String::from_utf8_lossy(&checked.stderr));
        }
    }
}

#[test]
fn what_they_call_is_there() {
    let mut named = 0;
    for file in files() {
        for word in fs::read_to_string(&file).unwrap().split_whitespace() {
            let word = word.trim_matches(|sign: char| "\"'()$".contains(sign));
            let ours = ["packaging/", "examples/", ".ci/"].iter().any(|place| word.starts_with(place));
            if ours && !word.contains('*') {
                assert!(root().join(word).exists(), "{}: {word}", file.display());
                named += 1;
            }
        }
    }
    assert!(named >= 6, "{named}");
}

#[test]
fn actions_are_pinned_to_a_version() {
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        for used in
            text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("uses: "))
        {
            assert!(used == "./" || used.contains("@v"), "{}: {used}", file.display());
        }
    }
}

#[test]
fn a_release_has_notes() {
    let text = fs::read_to_string(root().join(".github/workflows/release.yml")).unwrap();
    let line = text.lines().find(|line| line.contains("awk -v")).unwrap().trim();
    let script = format!("version={}; {}", env!("CARGO_PKG_VERSION"), line.replace(" > notes.md", ""));
    let notes = Command::new("bash").args(["-euc", &script]).current_dir(root()).output().unwrap();
    assert!(notes.status.success() && notes.stdout.len() > 500, "{script}");
    assert!(!String::from_utf8_lossy(&notes.stdout).contains("\n## "));
}

#[test]
fn they_are_well_formed() {
    // PyYAML is not part of Python: where it is missing, only indentation and tabs are checked.
    let code = "import sys, yaml\nfor name in sys.argv[1:]:\n    assert yaml.safe_load(open(name)), name\n";
    let has = Command::new("python3").args(["-c", "import yaml"]).output().unwrap().status.success();
    if has {
        let read = Command::new("python3").args(["-c", code]).args(files()).output().unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            assert!(!line.contains('\t') && indent % 2 == 0, "{}:{}", file.display(), number + 1);
        }
    }
}

#[test]
fn the_action_names_a_shared_cache() {
    let text = fs::read_to_string(root().join("action.yml")).unwrap();
    let script = scripts(&text).into_iter().find(|script| script.contains("CASHET_REMOTE=")).unwrap();
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| place.path().join(name);
    for directory in ["shared", "home", "temp", "one/.git", "two/.git"] {
        fs::create_dir_all(path(directory)).unwrap();
    }
    let cashet = env!("CARGO_BIN_EXE_cashet");
    let keys = Command::new(cashet).args(["remote", "keygen", "main-ci"]).output().unwrap();
    let keys = String::from_utf8(keys.stdout).unwrap();
    let (public, secret) = keys.trim().split_once('\n').unwrap();
    // What the step leaves for the steps after it.
    let step = |write: &str, key: &str| -> Vec<(String, String)> {
        let _ = fs::remove_file(path("env"));
        let ended = Command::new("bash")
            .args(["-eo", "pipefail", "-c", &script])
            .env("PROGRAM", cashet)
            .env("REMOTE", format!("dir:{}", path("shared").display()))
            .envs([("REMOTE_WRITE", write), ("REMOTE_TRUST", public), ("SIGNING_KEY", key)])
            .env("GITHUB_ENV", path("env"))
            .env("RUNNER_TEMP", path("temp"))
            .env("HOME", path("home"))
            .env_remove("XDG_CONFIG_HOME")
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let text = fs::read_to_string(path("env")).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let job = |project: &str, environment: Vec<(String, String)>| {
        fs::write(path(project).join("run.sh"), "#!/bin/sh\ncat data\n").unwrap();
        fs::write(path(project).join("data"), "data\n").unwrap();
        let mut command = Command::new(cashet);
        command.args(["exec", "-v", "--", "sh", "run.sh"]).current_dir(path(project)).env_clear();
        command.envs([("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")]).env("HOME", path("home"));
        let ended = command.envs(environment).output().unwrap();
        assert!(ended.status.success());
        String::from_utf8(ended.stderr).unwrap()
    };
    let said = job("one", step("true", secret));
    assert!(said.contains("miss"), "{said}");
    let key = path("temp").join("cashet-signing-key");
    assert_eq!(fs::read_to_string(&key).unwrap().trim(), secret);
    // A job that only reads has no key.
    fs::remove_file(key).unwrap();
    let reader = step("false", "");
    assert!(!reader.iter().any(|(name, _)| name.contains("KEY") || name.contains("WRITE")), "{reader:?}");
    let said = job("two", reader);
    assert!(said.contains("hit") && said.contains("from dir:"), "{said}");
}
