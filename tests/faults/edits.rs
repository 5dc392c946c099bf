//! Files are edited so that size and modification time stay the same: the result always matches their content.

use crate::project::Project;
use crate::scale::{Random, Tally, scaled, seed, shared};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

/// Number of edits per project, which bounds the size of its store.
const EDITS: usize = 100;

/// The program that reads the file, and how cashet learns of it.
const READERS: &[(&str, &[&str])] = &[
    ("data", &["exec", "--", "cat", "data"]),
    ("data", &["exec", "--trace", "off", "-i", "data", "--", "cat", "data"]),
    ("script", &["exec", "--", "sh", "script"]),
    ("sourced", &["exec", "--", "sh", "-c", ". ./sourced"]),
    ("below/data", &["exec", "--trace", "off", "-i", "below", "--", "cat", "below/data"]),
];

#[test]
fn edits_that_leave_size_and_time() {
    let edits = scaled(400, 10_000);
    let tally = Tally::default();
    shared(
        edits / EDITS,
        || (),
        |(), number| {
            if !tally.is_hopeless() {
                project(number, &tally);
            }
        },
    );
    assert!(tally.trials() >= edits);
    tally.judge("racy edits");
}

fn project(number: usize, tally: &Tally) {
    let mut random = Random::new(seed().wrapping_add(number as u64));
    let project = Project::new();
    fs::create_dir(project.path("below")).unwrap();
    let time = SystemTime::now() - Duration::from_secs(random.next() % 3);
    for (file, _) in READERS {
        edit(&project.path(file), &content(file, 0), time, &mut random);
    }
    for step in 0..EDITS {
        let (file, words) = random.pick(READERS);
        // Few different contents, so that some calls are hits.
        let value = random.below(4);
        edit(&project.path(file), &content(file, value), time, &mut random);
        if random.chance(1, 3) {
            thread::sleep(Duration::from_millis(random.next() % 30));
        }
        let output = project.run(words);
        tally.trial();
        let expected = if file.ends_with("data") { content(file, value) } else { format!("{value}\n") };
        if output.stdout != expected.as_bytes() || !output.status.success() {
            let (found, told) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            tally.wrong(format!(
                "project {number} edit {step}, {words:?}: {found:?} for {expected:?}; {told}"
            ));
        }
    }
}

fn content(file: &str, value: usize) -> String {
    if file.ends_with("data") { format!("value {value}\n") } else { format!("echo {value}\n") }
}

/// Writes the text, in place or by renaming, and restores the modification time.
fn edit(path: &Path, text: &str, time: SystemTime, random: &mut Random) {
    match random.below(3) {
        0 => fs::write(path, text).unwrap(),
        1 if path.exists() => {
            OpenOptions::new().write(true).open(path).unwrap().write_all_at(text.as_bytes(), 0).unwrap();
        }
        _ => {
            // Outside of what the readers look at.
            let other = path.with_file_name(".git").with_extension("new");
            File::create(&other).unwrap().write_all(text.as_bytes()).unwrap();
            File::open(&other).unwrap().set_modified(time).unwrap();
            fs::rename(&other, path).unwrap();
        }
    }
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}
