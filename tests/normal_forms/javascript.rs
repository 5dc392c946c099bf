//! JavaScript against acorn, TypeScript against the parser of its compiler.

use crate::tally::Tally;
use crate::{full, script, tools};
use cashet::hash::language::{JavaScript, Language};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Installs the parsers, and the packages whose sources are mutated, once; prints a message and returns `None` where
/// that fails.
fn packages() -> Option<&'static PathBuf> {
    static INSTALLED: OnceLock<Option<PathBuf>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        let directory = tools("npm");
        if !directory.join("node_modules/rxjs/package.json").exists() {
            let packages =
                ["acorn@8", "typescript@5", "prettier@3", "rxjs@7", "express@4", "lodash@4", "commander@12"];
            let installed = Command::new("npm")
                .args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
                .arg(&directory)
                .args(packages)
                .status();
            if !installed.is_ok_and(|status| status.success()) {
                eprintln!("SKIPPED: npm cannot install acorn and typescript");
                return None;
            }
        }
        Some(directory)
    });
    installed.as_ref()
}

/// Runs the oracle and compares every source with the first of its group.
fn compare(language: JavaScript, name: &str, mode: &str, count: u32, seed: u32) -> Option<Tally> {
    let packages = packages()?;
    let mut child = Command::new("node")
        .arg(script("oracle.js"))
        .arg(packages)
        .args([mode, name, &count.to_string(), &seed.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut tally = Tally::default();
    let mut original: Option<(String, String, Option<Vec<u8>>)> = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = |name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
        let source = text("source").unwrap();
        let form = language.parse(source.as_bytes()).normal.map(|normal| normal.bytes);
        let kind = text("kind").unwrap();
        if kind == "original" {
            original = Some((source, text("tree").unwrap(), form));
            continue;
        }
        let (first, tree, first_form) = original.as_ref().unwrap();
        if first_form.is_none() {
            tally.exact(&kind);
            continue;
        }
        let equal = form == *first_form;
        tally.pair(&kind, (tree, text("tree").as_deref()), equal, || {
            let (one, other) = differing(first, &source);
            format!("{kind}:\n{one}\n-----\n{other}")
        });
    }
    assert!(child.wait().unwrap().success(), "the oracle failed");
    Some(tally)
}

/// The part of two texts where they differ, with some context.
fn differing(one: &str, other: &str) -> (String, String) {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let start = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let pairs = one.iter().rev().zip(other.iter().rev());
    let end = pairs.take_while(|(one, other)| one == other).count();
    let part = |text: &[char]| {
        let to = (text.len() - end.min(text.len()) + 60).min(text.len());
        let from = start.saturating_sub(60).min(to);
        text.get(from..to).unwrap_or_default().iter().collect::<String>()
    };
    (part(&one), part(&other))
}

fn mutants(language: JavaScript, name: &str) {
    let (count, seeds) = if full() { (6000, vec![1, 2, 3, 4, 5, 6, 7, 8]) } else { (400, vec![3]) };
    for seed in seeds {
        let Some(tally) = compare(language, name, "mutants", count, seed) else { return };
        tally.print(&format!("{name}, {count} mutants, seed {seed}"));
        tally.assert_sound();
        assert!(tally.unequal() > 100, "too few mutants that differ");
        assert!(tally.kept() * 100 >= tally.same() * 80, "kept {} of {}", tally.kept(), tally.same());
    }
}

fn prettier(language: JavaScript, name: &str) {
    let Some(tally) = compare(language, name, "prettier", if full() { 150 } else { 6 }, 1) else { return };
    tally.print(&format!("{name}, prettier"));
    tally.assert_sound();
    assert!(tally.kept() * 100 >= tally.same() * 80, "kept {} of {}", tally.kept(), tally.same());
}

#[test]
fn mutants_of_javascript() {
    mutants(JavaScript::plain(), "javascript");
}

#[test]
fn mutants_of_typescript() {
    mutants(JavaScript::typescript(), "typescript");
}

#[test]
fn prettier_keeps_javascript() {
    prettier(JavaScript::plain(), "javascript");
}

#[test]
fn prettier_keeps_typescript() {
    prettier(JavaScript::typescript(), "typescript");
}
