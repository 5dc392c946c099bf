//! Completion in the shells themselves, where they are installed.

use super::support::{Sandbox, recorded};
use std::path::Path;
use std::process::Command;

fn directory_of_cashet() -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_cashet"));
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", program.parent().unwrap().display())
}

fn shell(sandbox: &Sandbox, program: &str, script: &str) -> Option<String> {
    let output = Command::new(program)
        .args(["-c", script])
        .env("PATH", directory_of_cashet())
        .env("HOME", sandbox.root())
        .current_dir(sandbox.root())
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Bash's completions for the words of `line`; the last one is being typed.
fn bash(sandbox: &Sandbox, line: &[&str]) -> Vec<String> {
    let words: Vec<String> = line.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source <(cashet completions bash); compopt() {{ :; }}; COMP_WORDS=({}); COMP_CWORD={}; _cashet; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        line.len() - 1
    );
    let mut offered: Vec<String> =
        shell(sandbox, "bash", &script).unwrap().lines().map(str::to_owned).collect();
    offered.sort();
    offered
}

#[test]
fn bash_completes_commands_revisions_and_the_wrapped_command() {
    let (sandbox, ids) = recorded();
    let short = ids[5].short();
    std::fs::write(sandbox.path("notes.txt"), "").unwrap();
    assert_eq!(bash(&sandbox, &["cashet", "hi"]), ["history"]);
    assert_eq!(bash(&sandbox, &["cashet", "show", &short[..6]]), [short.as_str()]);
    assert_eq!(bash(&sandbox, &["cashet", "log", "--tag", "st"]), ["stage=train"]);
    // As bash splits `--mode=re` and `cashet:3f2a`.
    assert_eq!(bash(&sandbox, &["cashet", "exec", "--mode", "=", "re"]), ["read", "refresh", "replay"]);
    assert_eq!(bash(&sandbox, &["cashet", "exec", "wc", "cashet", ":", &short[..6]]), [short.as_str()]);
    assert_eq!(bash(&sandbox, &["cashet", "get", &short, ":", "out"]), ["out/report.md"]);
    assert_eq!(bash(&sandbox, &["cashet", "exec", "--input", "no"]), ["notes.txt"]);
    assert!(bash(&sandbox, &["cashet", "exec", "--", "sor"]).contains(&"sort".to_owned()));
    assert_eq!(bash(&sandbox, &["cashet", "exec", "cat", "no"]), ["notes.txt"]);
}

#[test]
fn fish_completes_the_same() {
    let (sandbox, ids) = recorded();
    let offered = |line: &str| {
        let script =
            format!("cashet completions fish | source; complete -C '{line}' | string replace -r '\\t.*' ''");
        shell(&sandbox, "fish", &script)
    };
    let Some(commands) = offered("cashet hi") else { return };
    assert_eq!(commands, "history\n");
    assert_eq!(offered(&format!("cashet show {}", &ids[5].short()[..6])).unwrap().trim(), ids[5].short());
    assert!(offered("cashet exec -- sor").unwrap().lines().any(|line| line == "sort"));
}

#[test]
fn every_script_is_well_formed() {
    let sandbox = Sandbox::new();
    for (program, check) in [
        ("bash", "cashet completions bash | bash -n"),
        ("zsh", "cashet completions zsh | zsh -n"),
        ("fish", "cashet completions fish | fish --no-execute"),
    ] {
        if shell(&sandbox, program, "true").is_some() {
            shell(&sandbox, program, check);
        }
    }
}

#[test]
fn graphviz_accepts_the_graph() {
    let (sandbox, _) = recorded();
    if shell(&sandbox, "sh", "command -v dot || true").is_some_and(|found| found.is_empty()) {
        return;
    }
    let drawn = shell(&sandbox, "sh", "cashet graph @ --dot | dot -Tplain").unwrap();
    assert_eq!(drawn.lines().filter(|line| line.starts_with("node ")).count(), 4, "{drawn}");
}
