//! A random tree, twice; and the second oracle for a run's own products.
//!
//! A hit equals the bare command; or, where the result replaces the products of an earlier run, it equals the bare
//! command in a tree where those paths are as they were when that run began.

use super::program::Program;
use super::random::Random;
use crate::twin::{Call, Given, Outcome, Twin};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) struct World {
    pub(super) twin: Twin,
    /// For each recorded run: the bare tree as it was when the run began.
    began: BTreeMap<String, PathBuf>,
    copies: usize,
}

/// How a step compared.
pub(super) struct Compared {
    pub(super) outcome: Outcome,
    pub(super) differences: Vec<String>,
    /// The hit differs from the bare command only because of the run's own products.
    pub(super) on_own_products: bool,
}

impl World {
    pub(super) fn new(random: &mut Random) -> Self {
        let twin = Twin::new();
        // Bytecode does not count as an input, but it appears in listings.
        twin.directory("d1/d3").directory("__pycache__");
        for name in ["f0", "f1", "f2", "d0/f3", "d0/f4", "d1/f5"] {
            twin.write(name, random.pick(&["alpha\n", "gamma\nalpha\n", "", "beta", "alpha\nbeta\n"]));
        }
        // Used only for their times.
        twin.write("t0", "").touch("t0", 4).write("t1", "").touch("t1", 6);
        if random.chance(2, 3) {
            twin.link("f1", "l0").link("d0", "l1");
        }
        Self { twin, began: BTreeMap::new(), copies: 0 }
    }

    pub(super) fn write_program(&self, program: &Program) {
        for (name, text) in &program.files {
            self.twin.write(name, text).mode(name, if name == "tool" { 0o755 } else { 0o644 });
        }
    }

    /// Makes the call on both sides.
    pub(super) fn compare(&mut self, program: &Program) -> Compared {
        let [_, bare] = self.twin.roots();
        self.copies += 1;
        let before = bare.with_file_name(format!("before-{}", self.copies));
        copy(&bare, &before);
        let mut call = self.twin.call(&program.words).umask(program.umask);
        if program.exact_state {
            call = call.with(&["--exact-state"]);
        }
        for (name, value) in &program.variables {
            call = call.env(name, value);
        }
        let (outcome, differences, ours) = call.compare_and_give();
        let told = call.told();
        let commit = told.get("commit").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let mut compared = Compared { outcome, differences, on_own_products: false };
        if compared.outcome == Outcome::Kept {
            self.began.insert(commit, before);
        } else if compared.outcome == Outcome::Hit
            && !compared.differences.is_empty()
            && program.meets_its_own()
            && let Some(began) = self.began.get(&commit)
        {
            compared.differences = again(&self.twin, &call, &ours, &before, began, &commit);
            compared.on_own_products = compared.differences.is_empty();
        }
        compared
    }
}

/// Repeats the bare call on the tree `before`, with the products of the run as they were when it `began`.
fn again(
    twin: &Twin,
    call: &Call<'_>,
    ours: &Given,
    before: &Path,
    began: &Path,
    commit: &str,
) -> Vec<String> {
    let [through, bare] = twin.roots();
    fs::remove_dir_all(&bare).unwrap();
    copy(before, &bare);
    let shown =
        Command::new(crate::twin::CASHET).args(["show", "--json", commit]).current_dir(&through).output();
    let shown: serde_json::Value = serde_json::from_slice(&shown.unwrap().stdout).unwrap();
    let outputs = shown.get("outputs").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    // What was added to a file is added to what is there.
    let is_whole =
        |output: &&serde_json::Value| output.get("appended") != Some(&serde_json::Value::Bool(true));
    let mut products: Vec<PathBuf> = outputs
        .iter()
        .filter(is_whole)
        .filter_map(|output| Some(PathBuf::from(output.get("path")?.as_str()?)))
        .collect();
    products.sort_by_key(|path| std::cmp::Reverse(path.as_os_str().as_bytes().to_vec()));
    for product in &products {
        let place = bare.join(product);
        match place.symlink_metadata() {
            // Other entries of a directory stay.
            Ok(there) if there.is_dir() => drop(fs::remove_dir(&place)),
            Ok(_) => fs::remove_file(&place).unwrap(),
            Err(_) => {}
        }
    }
    for product in products.iter().rev() {
        let (from, to) = (began.join(product), bare.join(product));
        if let Ok(there) = from.symlink_metadata() {
            let shallow = if there.is_dir() { vec!["-d"] } else { Vec::new() };
            if there.is_dir() {
                drop(fs::create_dir(&to));
            } else {
                let copied = Command::new("cp").args(["-a"]).args(shallow).arg(&from).arg(&to).status();
                assert!(copied.unwrap().success());
            }
        }
    }
    call.compare_bare(ours)
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}
