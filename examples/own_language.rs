//! A language of one's own: scripts of `sed`, in which a line that begins with `#` is a comment. Editing comments then does
//! not matter; everything else does.
//!
//! `cargo run --example own_language` writes such a script, edits it twice, and says what happened each time.

use cashet::hash::language::{Language, NormalForm, Parsed, Piece};
use cashet::{
    Context, Languages, LocalStore, Outcome, Policy, Project, Request, StoreOptions, Unix, memoize,
};
use std::error::Error;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

struct Sed;

impl Language for Sed {
    /// The name is part of the key: whoever changes the form, changes the name.
    fn form(&self) -> &'static str {
        "sed 1"
    }

    fn parse(&self, source: &[u8]) -> Parsed {
        // What cannot be read has no normal form, and may do anything.
        let Ok(text) = str::from_utf8(source) else { return Parsed::unknown() };
        // The first line acts (`#!`, `#n`), and after a line that ends in `\` a `#` is text.
        let mut counts = true;
        let mut kept = Vec::new();
        for line in text.lines() {
            if counts || !line.trim_start().starts_with('#') {
                kept.push(line);
                counts = line.ends_with('\\');
            }
        }
        let bytes = kept.join("\n").into_bytes();
        Parsed { normal: Some(NormalForm { bytes, without_docstrings: None }), ..Parsed::default() }
    }

    /// The named parts of a source, so that a miss can say which of them changed: here there are none.
    fn pieces(&self, _source: &[u8]) -> Vec<Piece> {
        Vec::new()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    std::env::set_current_dir(folder.path())?;
    fs::create_dir(".git")?;
    fs::write("names", "ada\ngrace\n")?;

    let project = Project::find(std::env::current_dir()?, None, None);
    let store = LocalStore::open(&project.store, &StoreOptions { create: true, ..StoreOptions::default() })?;
    let words = ["./greet.sed", "names"].map(Into::into).to_vec();
    let request = Request {
        languages: Languages::default().with("sed", Sed),
        ..Request::new(words, project.directory, project.places, std::env::vars_os().collect())
    };
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let context = Context {
        store: Some(&store),
        no_store: None,
        recall: &store,
        executor: &Unix,
        observer: &(),
        remotes: &[],
        stdin: stdin.as_fd(),
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
    };
    for code in ["s/^/hello /", "# politely\ns/^/hello /", "# politely\ns/^/good day /"] {
        fs::write("greet.sed", format!("#!/bin/sed -f\n{code}\n"))?;
        fs::set_permissions("greet.sed", Permissions::from_mode(0o755))?;
        let answer = memoize(&context, &request, None, &Policy::default())?;
        let how = match answer.outcome {
            Outcome::Hit { .. } => "replayed".to_owned(),
            Outcome::Ran { kept, .. } => format!("ran, kept: {kept:?}"),
            Outcome::Bypassed(why) => format!("ran bare: {}", why.detail()),
        };
        writeln!(io::stdout(), "{how}")?;
    }
    Ok(())
}
