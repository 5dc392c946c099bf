//! Scenarios that try to provoke a wrong replay: nothing is declared, one thing changes between two calls, and the
//! result must equal that of the bare command, at every call.
//!
//! Each row of the tables runs in two equal trees; the test reads the tables at run time.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "tests say what they skip")]

mod row;
mod sides;
#[path = "../support/trees.rs"]
mod trees;

use row::{Row, Verdict};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[test]
fn environments() {
    judge("environments");
}

#[test]
fn files() {
    judge("files");
}

#[test]
fn descriptors() {
    judge("descriptors");
}

#[test]
fn ignored() {
    judge("ignored");
}

#[test]
fn nested() {
    judge("nested");
}

#[test]
fn stdin() {
    judge("stdin");
}

#[test]
fn programs() {
    judge("programs");
}

#[test]
fn leaving() {
    judge("leaving");
}

#[test]
fn spellings() {
    judge("spellings");
}

#[test]
fn positions() {
    judge("positions");
}

#[test]
fn decides() {
    judge("decides");
}

#[test]
fn places() {
    judge("places");
}

#[test]
fn products() {
    judge("products");
}

#[test]
fn accumulating() {
    judge("accumulating");
}

#[test]
fn again() {
    judge("again");
}

#[test]
fn links() {
    judge("links");
}

#[test]
fn made_code() {
    judge("made_code");
}

#[test]
fn sources() {
    judge("sources");
}

#[test]
fn searches() {
    judge("searches");
}

#[test]
fn unseen() {
    judge("unseen");
}

#[test]
fn machine() {
    judge("machine");
}

/// Runs all rows of a table, or those whose name contains `CASHET_TEST_ROW`.
#[track_caller]
fn judge(table: &str) {
    let wanted = std::env::var("CASHET_TEST_ROW").unwrap_or_default();
    let rows: Vec<Row> = Row::of_table(table).into_iter().filter(|row| row.name.contains(&wanted)).collect();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match row.make() {
                        Verdict::Right => {}
                        Verdict::Skipped(why) => println!("SKIPPED {}: {why}", row.name),
                        Verdict::Wrong(what) => {
                            println!("WRONG {}\n  {what}", row.name);
                            found.lock().unwrap().push(format!("{}\n  {what}", row.name));
                        }
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    println!("{table}: {} rows, {} wrong", rows.len(), found.len());
    assert!(
        found.is_empty(),
        "{} of {} rows of {table} are wrong\n{}",
        found.len(),
        rows.len(),
        found.join("\n")
    );
}
