//! A language of one's own: scripts whose name ends in `.list` hold a command a line, and what follows a `;` is a
//! comment. Edited comments and empty lines then do not matter; everything else does.
//!
//! `cargo run --example own_language` writes such a script, edits it, and says what happened each time.

use cashet::hash::language::{Language, NormalForm, Parsed, Piece};
use cashet::{
    Context, Languages, LocalStore, Outcome, Policy, Project, Request, StoreOptions, Unix, memoize,
};
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

struct List;

impl Language for List {
    /// The name is part of the key: whoever changes the form, changes the name.
    fn form(&self) -> &'static str {
        "list 1"
    }

    fn parse(&self, source: &[u8]) -> Parsed {
        // What cannot be read has no normal form, and may do anything.
        let Ok(text) = str::from_utf8(source) else { return Parsed::unknown() };
        let code = |line: &str| line.split(';').next().unwrap_or_default().trim().to_owned();
        let lines: Vec<String> = text.lines().map(code).filter(|line| !line.is_empty()).collect();
        let bytes = lines.join("\n").into_bytes();
        Parsed { normal: Some(NormalForm { bytes, without_docstrings: None }), ..Parsed::default() }
    }

    fn pieces(&self, _source: &[u8]) -> Vec<Piece> {
        Vec::new()
    }
}

/// The interpreter: does what the lines say.
const INTERPRETER: &str = "#!/bin/sh\nsed 's/;.*//' \"$1\" | grep -v '^#!' | sh\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    std::env::set_current_dir(folder.path())?;
    let directory = std::env::current_dir()?;
    fs::create_dir(".git")?;
    let executable = |name: &str, text: String| {
        fs::write(name, text)?;
        fs::set_permissions(name, Permissions::from_mode(0o755))
    };
    executable("run-list", INTERPRETER.to_owned())?;
    let first_line = format!("#!{}/run-list\n", directory.display());

    let project = Project::find(directory, None, None);
    let store = LocalStore::open(&project.store, &StoreOptions { create: true, ..StoreOptions::default() })?;
    let environment = std::env::vars_os().collect();
    let request = Request {
        languages: Languages::default().with("list", List),
        ..Request::new(vec!["./job.list".into()], project.directory, project.places, environment)
    };
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let context = Context {
        store: Some(&store),
        no_store: None,
        recall: &store,
        executor: &Unix,
        observer: &(),
        stdin: stdin.as_fd(),
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
    };
    for body in ["echo one\n", "echo one ; the first\n\n", "echo two\n"] {
        executable("job.list", format!("{first_line}{body}"))?;
        let answer = memoize(&context, &request, None, &Policy::default())?;
        let how = match answer.outcome {
            Outcome::Hit { .. } => "replayed".to_owned(),
            Outcome::Ran { kept, why } => format!("ran, {kept:?} {why:?}"),
            Outcome::Bypassed(why) => format!("ran bare: {}", why.detail()),
        };
        writeln!(io::stdout(), "{how}")?;
    }
    Ok(())
}
