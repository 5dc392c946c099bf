//! An executor of one's own: it hands the command to the one of cashet and counts. One that runs commands
//! elsewhere (in a container, on another machine) has the same shape: it gives what the command writes to the recorder, and
//! says of what it cannot see that it was not watched. Then a result is kept only where the call declares what decides it.
//!
//! `cargo run --example own_executor` runs a command twice; the executor is asked once.

use cashet::exec::{Finished, Recorder, Spec, Unwatched, WatchMode, Witness};
use cashet::{
    Context, Executor, LocalStore, Policy, Project, Request, Result, StoreOptions, Unix, Watching, memoize,
};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs commands unwatched, and counts them.
#[derive(Default)]
struct Counting {
    runs: AtomicUsize,
}

impl Executor for Counting {
    fn run(
        &self,
        spec: Spec<'_>,
        recorder: &mut dyn Recorder,
        witness: &mut dyn Witness,
    ) -> Result<Finished> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let finished = Unix.run(Spec { watch: WatchMode::Off, ..spec }, recorder, witness)?;
        let reason = "it ran where nothing is seen".to_owned();
        Ok(Finished { trace: Err(Unwatched::Unavailable(reason)), ..finished })
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let named = folder.path().join("store");
    let project = Project::find(std::env::current_dir()?, None, Some(named.as_os_str()));
    let store = LocalStore::open(&project.store, &StoreOptions { create: true, ..StoreOptions::default() })?;
    let words = ["sh", "-c", "echo a slow answer"].map(Into::into).to_vec();
    let request = Request::new(words, project.directory, project.places, std::env::vars_os().collect());
    let executor = Counting::default();
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let context = Context {
        store: Some(&store),
        no_store: None,
        recall: &store,
        executor: &executor,
        observer: &(),
        remotes: &[],
        stdin: stdin.as_fd(),
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
    };
    // What decides the result is declared: nothing but the words.
    let policy = Policy { watching: Watching::Off, pure: true, ..Policy::default() };
    for _ in 0..2 {
        memoize(&context, &request, None, &policy)?;
    }
    writeln!(io::stdout(), "the executor was asked {} time", executor.runs.load(Ordering::Relaxed))?;
    Ok(())
}
