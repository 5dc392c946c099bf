//! Any file of a store is damaged in any way: the bytes are never wrong, and the store almost always recovers without
//! a repair. The check finds the damage, and the repair leaves a working store.

use crate::project::{Project, files_below, remove};
use crate::scale::{Random, Tally, scaled, seed, shared};
use crate::scenarios::Stage;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The damage to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    /// One bit is flipped.
    Flipped,
    /// Some bytes are overwritten.
    Scribbled,
    Truncated,
    Emptied,
    Deleted,
    Extended,
    /// Its content is swapped with another file's.
    Swapped,
    /// No user can open it.
    Unreadable,
}

const HARMS: &[Harm] = &[
    Harm::Flipped,
    Harm::Flipped,
    Harm::Scribbled,
    Harm::Truncated,
    Harm::Emptied,
    Harm::Deleted,
    Harm::Extended,
    Harm::Swapped,
    Harm::Unreadable,
];

#[test]
fn any_damage_of_any_file() {
    let trials = scaled(120, 5000);
    let tally = Tally::default();
    let healed = AtomicUsize::new(0);
    shared(trials, Stage::new, |stage, number| {
        if !tally.is_hopeless() {
            trial(stage, number, &tally, &healed);
        }
    });
    let healed = healed.into_inner();
    println!("damage: {healed} of {} healed by themselves", tally.trials());
    assert!(healed * 100 >= tally.trials() * 95, "only {healed} of {} healed", tally.trials());
    tally.judge("damage");
}

fn trial(stage: &Stage, number: usize, tally: &Tally, healed: &AtomicUsize) {
    let mut random = Random::new(seed().wrapping_add(number as u64));
    let project = &stage.project;
    project.restore();
    let files = files_below(&project.store());
    let path = random.pick(&files).clone();
    let harm = *random.pick(HARMS);
    let other = random.pick(&files).clone();
    let changed = apply(harm, &path, &other, &mut random);
    let relative = path.strip_prefix(project.store()).unwrap().to_path_buf();
    let changes_input = random.chance(1, 4);
    let complain = |what: String| {
        let input = if changes_input { "changed input" } else { "same input" };
        let with = if harm == Harm::Swapped { format!(" with {}", other.display()) } else { String::new() };
        tally.wrong(format!("trial {number}: {harm:?} {}{with} ({input}): {what}", relative.display()));
    };
    tally.trial();
    let check = project.run(&["fsck"]);
    if changed && must_be_found(&relative, harm) && !matches!(check.status.code(), Some(1 | 2)) {
        complain(format!("not found: {}", String::from_utf8_lossy(&check.stdout)));
    }
    if changes_input {
        project.write("in", "2\n");
    }
    let mut ran = Vec::new();
    for _ in 0..3 {
        project.clear();
        let before = project.executions();
        let output = project.run(&["exec", "--", "./job", "old"]);
        if let Some(wrong) = project.wrong_answer("old", &output) {
            complain(format!("wrong: {wrong}"));
        }
        if String::from_utf8_lossy(&output.stderr).contains("panicked") {
            complain(format!("panic: {}", String::from_utf8_lossy(&output.stderr)));
        }
        ran.push(project.executions() - before);
    }
    if ran.iter().any(|times| *times > 1) {
        complain(format!("ran {ran:?} times"));
    }
    if ran[2] == 0 {
        healed.fetch_add(1, Ordering::Relaxed);
    } else {
        println!("trial {number}: {harm:?} {} is not healed", relative.display());
    }
    if random.chance(1, 4)
        && let Some(wrong) = wrong_repair(project)
    {
        complain(wrong);
    }
    if changes_input {
        project.write("in", "1\n");
    }
}

/// Checks the store after a repair; returns what is wrong.
fn wrong_repair(project: &Project) -> Option<String> {
    let repair = project.run(&["fsck", "--repair"]);
    if !repair.status.success() {
        let told = [repair.stdout, repair.stderr].concat();
        return Some(format!("not repaired: {}", String::from_utf8_lossy(&told)));
    }
    let check = project.run(&["fsck"]);
    if !check.status.success() {
        return Some(format!("found after the repair: {}", String::from_utf8_lossy(&check.stdout)));
    }
    let mut ran = 0;
    for _ in 0..2 {
        project.clear();
        let before = project.executions();
        let output = project.run(&["exec", "--", "./job", "old"]);
        if let Some(wrong) = project.wrong_answer("old", &output) {
            return Some(format!("after the repair: {wrong}"));
        }
        ran = project.executions() - before;
    }
    (ran != 0).then(|| "nothing is kept after the repair".to_owned())
}

/// Damages the file; returns whether its content changed.
fn apply(harm: Harm, path: &Path, other: &Path, random: &mut Random) -> bool {
    let whole = fs::read(path).unwrap();
    let mut bytes = whole.clone();
    match harm {
        Harm::Flipped => {
            if !bytes.is_empty() {
                let place = random.below(bytes.len());
                bytes[place] ^= 1 << random.below(8);
            }
        }
        Harm::Scribbled => {
            let from = random.below(bytes.len() + 1);
            let to = (from + 1 + random.below(64)).min(bytes.len());
            let scribble = random.bytes(to - from);
            bytes[from..to].copy_from_slice(&scribble);
        }
        Harm::Truncated => bytes.truncate(random.below(whole.len().max(1))),
        Harm::Emptied => bytes.clear(),
        Harm::Extended => {
            let count = 1 + random.below(100);
            bytes.extend(random.bytes(count));
        }
        Harm::Swapped => {
            let others = fs::read(other).unwrap();
            fs::write(other, &whole).unwrap();
            bytes = others;
        }
        Harm::Deleted => {
            fs::remove_file(path).unwrap();
            return true;
        }
        Harm::Unreadable => {
            remove(path);
            // A link to itself: even the superuser cannot open it.
            symlink(path.file_name().unwrap(), path).unwrap();
            return true;
        }
    }
    fs::write(path, &bytes).unwrap();
    bytes != whole
}

/// Whether the check must find the damage: in everything that a result consists of, and in self-verifying files. In
/// the database it finds changes of rows. A lost hot entry, a lock, and notes for other programs do not count as
/// damage.
fn must_be_found(relative: &Path, harm: Harm) -> bool {
    let start = relative.components().next().map(|first| PathBuf::from(first.as_os_str()));
    match start.as_deref().and_then(Path::to_str) {
        Some("objects" | "FORMAT") => true,
        Some("hot") => harm != Harm::Deleted,
        _ => false,
    }
}
