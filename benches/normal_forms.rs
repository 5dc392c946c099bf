//! How quickly sources are brought to their normal form, in megabytes a second, beside the parser alone.
//!
//! usage: `normal_forms FILE-OR-DIRECTORY…` (by extension: py, js mjs cjs, ts mts cts, sh)

#![expect(clippy::print_stdout, reason = "a program that answers on standard output")]

use cashet::hash::language::{Language, by_name};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

/// Each source is read so often; the quickest counts.
const ROUNDS: usize = 5;

/// Larger sources count byte for byte.
const LARGEST: usize = 4 << 20;

fn main() {
    let roots: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if roots.is_empty() {
        println!("usage: normal_forms FILE-OR-DIRECTORY…");
    }
    for (name, extensions) in [
        ("python", &["py"][..]),
        ("javascript", &["js", "mjs", "cjs"]),
        ("typescript", &["ts", "mts", "cts"]),
        ("shell", &["sh"]),
    ] {
        let sources = sources(&roots, extensions);
        if let (false, Some(language)) = (sources.is_empty(), by_name(name)) {
            measure(name, &*language, &sources);
        }
    }
}

/// What the files of these extensions hold.
fn sources(roots: &[String], extensions: &[&str]) -> Vec<Vec<u8>> {
    let entries = roots.iter().flat_map(|root| walkdir::WalkDir::new(root).sort_by_file_name());
    let wanted = |path: &Path| {
        path.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension))
    };
    let paths = entries.filter_map(Result::ok).map(walkdir::DirEntry::into_path).filter(|path| wanted(path));
    paths
        .filter_map(|path| std::fs::read(path).ok())
        .filter(|source| (1..=LARGEST).contains(&source.len()))
        .collect()
}

fn measure(name: &str, language: &dyn Language, sources: &[Vec<u8>]) {
    let mut raw = 0;
    let (mut bytes, mut took, mut parsed) = (0, Duration::ZERO, Duration::ZERO);
    for source in sources {
        let normal = |source| language.parse(black_box(source)).normal;
        if normal(source).is_none() {
            raw += 1;
            continue;
        }
        bytes += source.len();
        took += quickest(|| drop(black_box(normal(source))));
        parsed += quickest(|| alone(name, source));
    }
    // Bytes in a microsecond are megabytes in a second.
    let rate = |took: Duration| u128::try_from(bytes).unwrap_or_default() / took.as_micros().max(1);
    println!(
        "{name}: {} kB in {} files ({raw} byte for byte): {} MB/s; the parser alone {} MB/s",
        bytes / 1000,
        sources.len() - raw,
        rate(took),
        rate(parsed),
    );
}

fn quickest(mut work: impl FnMut()) -> Duration {
    let mut timed = || {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    (0..ROUNDS).map(|_| timed()).min().unwrap_or_default()
}

/// The parser without the rest; nothing for shells.
fn alone(name: &str, source: &[u8]) {
    let Ok(text) = str::from_utf8(source) else { return };
    match name {
        "python" => drop(black_box(ruff_python_parser::parse_module(text))),
        "javascript" | "typescript" => {
            let allocator = oxc_allocator::Allocator::default();
            let kind = match name {
                "javascript" => oxc_span::SourceType::script(),
                _ => oxc_span::SourceType::ts(),
            };
            black_box(oxc_parser::Parser::new(&allocator, text, kind).parse());
        }
        _ => {}
    }
}
