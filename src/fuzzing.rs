//! Entry points for fuzzing: every decoder, every normal form, every parser of words. Each takes any bytes and must neither
//! panic nor believe what contradicts itself.
//!
//! `fuzz/` drives them with libFuzzer; the test below with seeded mutations of valid input.

use crate::commands::{cli, options, revision, values};
use crate::encode::{Decode, Encode};
use crate::hash::{fuzzing as hash, language, manifest::Manifest};
use crate::memo::Statuses;
use crate::project::Settings;
use crate::record::{Commit, Observation, OutputTree, StreamOrder, Timestamp};
use crate::store::fuzzing as store;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All entry points by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("manifest", canonical::<Manifest>),
    ("commit", canonical::<Commit>),
    ("tree", canonical::<OutputTree>),
    ("observation", canonical::<Observation>),
    ("order", canonical::<StreamOrder>),
    ("hot", store::hot),
    ("flat", store::flat),
    ("events", store::events),
    ("blob", store::blob),
    ("frame", store::frame),
    ("table", store::table),
    ("archive", store::archive),
    ("capture", hash::capture),
    ("glob", hash::glob),
    ("python", |bytes| source("python", bytes)),
    ("javascript", |bytes| source("javascript", bytes)),
    ("typescript", |bytes| source("typescript", bytes)),
    ("shell", |bytes| source("shell", bytes)),
    ("ruby", |bytes| source("ruby", bytes)),
    ("words", words),
    ("values", text),
];

/// What decodes has exactly one encoding: the bytes that it came from.
fn canonical<T: Decode + Encode>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        assert!(value.to_bytes() == bytes, "two encodings of one value");
    }
}

/// A source has the same normal form each time, and its own layout is not a part of it.
fn source(name: &str, bytes: &[u8]) {
    let Some(language) = language::by_name(name) else { return };
    let parsed = language.parse(bytes);
    assert!(language.parse(bytes) == parsed, "two readings of one source");
    let _ = language.pieces(bytes);
}

/// Words of a command line, separated by line feeds.
fn words(bytes: &[u8]) {
    let words: Vec<OsString> =
        bytes.split(|byte| *byte == b'\n').map(|word| OsStr::from_bytes(word).to_owned()).collect();
    let _ = options::scan(&words);
    let _ = cli::parse(&words);
    for word in &words {
        let _ = revision::parse(word);
        let _ = revision::parse_with_path(word);
    }
}

/// Texts that stand for something.
fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = values::duration(text);
    let _ = values::size(text);
    let _ = values::moment(text, Timestamp(0));
    let _ = values::tag(text);
    let _ = Statuses::parse(text);
    let _ = toml::from_str::<Settings>(text);
}

#[cfg(test)]
mod tests {
    use super::{TARGETS, Target};
    use crate::encode::Encode;
    use crate::hash::manifest::{Manifest, Part, Value};
    use crate::record::{Observation, Stream, StreamOrder};
    use crate::store::fuzzing as store;

    /// Mutations of each target at the small scale, and at the full one.
    const FEW: u64 = 400;
    const MANY: u64 = 100_000;

    fn manifest() -> Vec<u8> {
        let mut manifest = Manifest::default();
        manifest.set(Part::Platform, Value::Bytes(b"linux-x86_64".to_vec()));
        manifest.set(Part::Word(0), Value::Bytes(b"./job".to_vec()));
        manifest.set(Part::Variable(b"LANG".to_vec()), Value::Absent);
        manifest
            .set(Part::Package("python".to_owned(), "numpy".to_owned()), Value::Version("2.1".to_owned()));
        manifest.to_bytes()
    }

    fn order() -> Vec<u8> {
        let mut order = StreamOrder::default();
        order.push(Stream::Stdout, 5);
        order.push(Stream::Stderr, 1 << 40);
        order.to_bytes()
    }

    /// Valid input of a target.
    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        match name {
            "manifest" => vec![manifest()],
            "observation" => {
                vec![Observation::Umask(0o22).to_bytes(), Observation::Root(b"/r".to_vec()).to_bytes()]
            }
            "order" => vec![order()],
            "capture" => crate::hash::fuzzing::seeds(),
            "glob" => texts(&["src/**/*.{js,ts}", "a[!b]?\\*", "{a,{b,c}}d", "../x/./y"]),
            "python" => texts(&[
                "import os\ndef f(a, *b, c=1, **d):\n    '''doc'''\n    return f\"{a!r:>{c}}\" + 'x' * 3\n",
                "match x:\n    case [1, *_] | {'a': b} if b: pass\nasync def g():\n    await h()\n",
            ]),
            "javascript" | "typescript" => texts(&[
                "import {a} from './b'; export const c = `x${a ?? 1}y`; // d\nclass E { #f = 1; get g() { return this.#f } }",
                "let a = <T,>(b: T): T => b as any; enum X { Y = 1 } /* z */",
            ]),
            "shell" | "ruby" => texts(&[
                "#!/bin/sh\n. \"$(dirname \"$0\")/x\" # c\ncat <<E | grep ${A:-b}\n$C\nE\ncase $x in a) ;; esac\n",
                "require_relative 'x'\nputs ENV['A'] # c\n",
            ]),
            "words" => {
                texts(&["exec\n--input\na\n--\n./job\n-x", "diff\n@~2\n@{3}:out", "log\n--since\n1d\n--json"])
            }
            "values" => texts(&["1h", "10G", "0,1,3-5", "k=v", "[exec]\nttl = \"1d\"\n", "2026-01-02"]),
            _ => store::seeds(name),
        }
    }

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(state: &mut u64, end: usize) -> usize {
        usize::try_from(next(state) % (end.max(1) as u64)).unwrap_or(0)
    }

    /// One to four small changes.
    fn mutated(seed: &[u8], state: &mut u64) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=below(state, 4) {
            let place = below(state, bytes.len() + 1);
            match below(state, 7) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, u8::try_from(below(state, 256)).unwrap()),
                2 if place < bytes.len() => {
                    bytes.remove(place);
                }
                3 => {
                    let end = (place + below(state, 40)).min(bytes.len());
                    let piece = bytes[place..end].to_vec();
                    let to = below(state, bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
                // What may be taken for a length.
                4 if place < bytes.len() => bytes[place] = [0, 0x7f, 0x80, 0xff][below(state, 4)],
                _ if place < bytes.len() => bytes[place] ^= 1 << below(state, 8),
                _ => bytes.push(b'{'),
            }
        }
        bytes
    }

    fn drive(name: &str, target: Target) {
        let full = std::env::var_os("CASHET_TEST_SCALE").is_some_and(|scale| scale == "full");
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        target(b"");
        for seed in &seeds {
            target(seed);
        }
        for number in 0..if full { MANY } else { FEW } {
            let mut state = number;
            let seed = &seeds[below(&mut state, seeds.len())];
            target(&mutated(seed, &mut state));
        }
    }

    #[test]
    fn any_bytes_do_no_harm() {
        for (name, target) in TARGETS {
            drive(name, *target);
        }
    }

    #[test]
    fn nesting_is_bounded() {
        for (_, target) in TARGETS {
            for piece in
                [&b"("[..], b"[", b"{", b"$(", b"`", b"f'{", b"x=>", b"-", b"if x:\n ", b"\xff", b"<a>"]
            {
                target(&piece.repeat(3000));
            }
        }
    }
}
