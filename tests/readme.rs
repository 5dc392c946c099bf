//! Every command in the README, run unchanged, in order, in one project.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that cannot go on has failed"
)]

#[path = "cli/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "other crates of tests use more of it")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
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

/// A copy of the files that pages name, in a git repository.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    let line = format!(
        "cp -r '{}' . && rm -rf examples/out/*.* examples/own_*.rs examples/penguins/__pycache__ .git && git init -q . && \
         git add -A && git -c user.name=x -c user.email=x@x commit -qm all",
        root().join("examples").display()
    );
    sandbox.shell(line).may_change("").run();
    sandbox
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a block twice: it prints something, and the same the second time, unless it shows the history.
fn works_and_can_be_repeated(sandbox: &Sandbox, block: &str) {
    let run = || {
        let bash = sandbox.bare(["bash", "-euo", "pipefail", "-c", block]);
        bash.any_stderr().may_change("").may_change("../home/.cache")
    };
    let first = run().any_stdout().run();
    assert!(!first.stdout.is_empty(), "prints nothing: {block}");
    let of_history = ["cashet log", "cashet stats", "cashet show", "cashet export", "cashet runs"];
    if !of_history.iter().any(|command| block.contains(command)) {
        run().stdout(&first.stdout).run();
    }
}

#[test]
fn every_other_command_works_and_can_be_repeated() {
    let readme = readme();
    let sandbox = project();
    let commands: Vec<_> =
        blocks(&readme).into_iter().filter(|(before, _)| !before.starts_with("<!-- ci:")).collect();
    assert!(commands.len() >= 2, "only {} blocks were found", commands.len());
    for (_, block) in commands {
        works_and_can_be_repeated(&sandbox, &block);
    }
}

#[test]
fn every_recipe_works_and_can_be_repeated() {
    let recipes = fs::read_to_string(root().join("docs/recipes.md")).unwrap();
    let sandbox = project();
    let found = blocks(&recipes);
    assert!(found.len() >= 12, "only {} blocks were found", found.len());
    for (_, block) in found {
        works_and_can_be_repeated(&sandbox, &block);
    }
}

/// CI services, pre-commit and fzf are not available here: a shell runs the commands that they would run. Commands
/// that install cashet are skipped.
#[test]
fn commands_for_other_tools_work() {
    let recipes = fs::read_to_string(root().join("docs/recipes.md")).unwrap();
    let sandbox = project();
    let mut commands = Vec::new();
    for line in recipes.lines().map(str::trim_start) {
        let called =
            line.strip_prefix("- run: ").or_else(|| line.strip_prefix("- cashet").map(|_| &line[2..]));
        let called = called.filter(|called| called.starts_with("cashet ")).map(str::to_owned);
        // pre-commit adds the names of files; fzf puts one in place of {}.
        let hook =
            line.strip_prefix("entry: ").map(|entry| format!("{entry} examples/load.py examples/clean.py"));
        let preview = line
            .split_once("--preview '")
            .map(|(_, rest)| rest.trim_end_matches('\'').replace("{}", "'examples/load.py'"));
        commands.extend(called.or(hook).or(preview));
    }
    assert_eq!(commands.len(), 4, "{commands:?}");
    for command in commands {
        let run = || sandbox.shell(&command).any_stdout().any_stderr().may_change("");
        run().run();
        let call = command.replacen("cashet exec", "cashet check", 1);
        sandbox.shell(call).any_stdout().any_stderr().run();
    }
}

/// The settings on a page exist.
#[test]
fn the_settings_of_the_recipes_are_understood() {
    let recipes = fs::read_to_string(root().join("docs/recipes.md")).unwrap();
    let settings: Vec<&str> =
        recipes.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(settings.len() > 3, "{settings:?}");
    for settings in settings {
        let sandbox = Sandbox::new();
        sandbox.write("cashet.toml", settings).script("job", "echo made");
        let run = || sandbox.exec(["./job"]).stdout("made\n").may_change("../home/.cache");
        run().executes(1).run();
        run().executes(0).run();
    }
}

/// The anchors of a page: its headings as GitHub names them.
fn anchors(text: &str) -> Vec<String> {
    let headings =
        text.lines().filter(|line| line.starts_with('#') && line.trim_start_matches('#').starts_with(' '));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
        kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
    };
    headings.map(anchor).collect()
}

fn pages() -> Vec<PathBuf> {
    let in_folder = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "md")).collect::<Vec<_>>()
    };
    ["", "docs", "examples"].iter().flat_map(|folder| in_folder(folder)).collect()
}

#[test]
fn links_and_anchors_lead_somewhere() {
    let (mut links, mut anchored) = (0, 0);
    assert!(pages().len() >= 14);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for after in text.split("](").skip(1) {
            let target = after.split(')').next().unwrap();
            if target.contains("://") {
                assert!(
                    target.starts_with("https://") && !target.contains(' '),
                    "{}: {target}",
                    page.display()
                );
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(file.exists(), "{} names {target}", page.display());
            links += 1;
            if !anchor.is_empty() {
                let there = anchors(&fs::read_to_string(&file).unwrap());
                assert!(there.iter().any(|found| found == anchor), "{} names {target}", page.display());
                anchored += 1;
            }
        }
    }
    assert!(links >= 30 && anchored >= 2, "{links} links, {anchored} anchors");
}

/// Paths in backquotes on pages exist.
#[test]
fn paths_that_pages_name_are_there() {
    let mut named = 0;
    for page in pages() {
        for word in fs::read_to_string(&page).unwrap().split('`').skip(1).step_by(2) {
            let ours = ["src/", "tests/", "docs/", "packaging/", "examples/own"]
                .iter()
                .any(|place| word.starts_with(place));
            if ours && !word.contains(['*', ' ', '{', '$', '<']) {
                assert!(root().join(word).exists(), "{} names {word}", page.display());
                named += 1;
            }
        }
    }
    assert!(named >= 30, "{named}");
}
