//! Normal forms against the languages' own parsers: no two different programs may have the same digest.
//!
//! A few seconds by default; `CASHET_TEST_SCALE=full` runs all of it. A missing requirement of an oracle is reported
//! on standard error.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on has failed")]

mod javascript;
mod python;
mod shell;
mod tally;

/// Whether the suites run in full.
fn full() -> bool {
    std::env::var_os("CASHET_TEST_SCALE").is_some_and(|scale| scale == "full")
}

/// A persistent directory of this test crate, for installed tools.
fn tools(name: &str) -> std::path::PathBuf {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/normal-forms").join(name);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// The path of a script beside this file.
fn script(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/normal_forms").join(name)
}
