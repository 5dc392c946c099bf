//! Every command in the README, run as it stands there, in order, in one project.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "cli/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "other crates of tests use more of it")]
mod support;

use std::fs;
use std::path::Path;
use support::Sandbox;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The text of each block of shell, with the line before its fence.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        if line == "```sh" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push((before, block.join("\n")));
        }
        before = line;
    }
    found
}

#[test]
fn both_commands_of_ci_are_there() {
    let readme = readme();
    let marked: Vec<_> =
        blocks(&readme).into_iter().filter(|(before, _)| before.starts_with("<!-- ci:")).collect();
    let names: Vec<&str> = marked.iter().map(|(before, _)| *before).collect();
    assert_eq!(names, ["<!-- ci: main -->", "<!-- ci: test -->"]);
    for (name, block) in &marked {
        assert!(block.starts_with("cargo ") && block.lines().count() == 1, "{name}: {block}");
    }
}

#[test]
fn every_other_command_works_and_can_be_repeated() {
    let readme = readme();
    let sandbox = Sandbox::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    sandbox.shell(format!("cp -r '{}' . && rm -f examples/out/*.*", examples.display())).may_change("").run();
    let commands: Vec<_> =
        blocks(&readme).into_iter().filter(|(before, _)| !before.starts_with("<!-- ci:")).collect();
    assert!(commands.len() >= 3, "only {} blocks were found", commands.len());
    for (_, block) in commands {
        let run = || sandbox.bare(["bash", "-euo", "pipefail", "-c", &block]).any_stderr().may_change("");
        let first = run().any_stdout().run();
        assert!(!first.stdout.is_empty(), "prints nothing: {block}");
        if !["cashet log", "cashet stats", "cashet show"].iter().any(|command| block.contains(command)) {
            run().stdout(&first.stdout).run();
        }
    }
}

#[test]
fn files_that_the_readme_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in
        ["README.md", "examples/README.md", "docs/architecture.md", "docs/testing.md", "docs/performance.md"]
    {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let directory = root.join(page).parent().unwrap().to_path_buf();
        let mut links = 0;
        for after in text.split("](").skip(1) {
            let target = after.split([')', '#']).next().unwrap();
            if !target.is_empty() && !target.contains("://") {
                assert!(directory.join(target).exists(), "{page} names {target}");
                links += 1;
            }
        }
        assert!(links > 0 || page != "README.md", "{page} has no links");
    }
}
