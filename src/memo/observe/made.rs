//! Code that a run creates, unpacks or pipes and then runs. It is gone when the run ends, so it is searched for names while the
//! process that reads it is stopped.

use crate::exec::{Executed, Image};
use crate::hash::environment::{composed, takes_all};
use crate::hash::grammar::Word;
use crate::hash::interpreters::{Asked, interpreter};
use crate::hash::occurrence::NameSearch;
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Larger files are not searched. If one is executed, it may use every variable.
const LARGEST: u64 = 64 << 20;
/// Maximum number of names; with more, all count.
const MOST_NAMES: usize = 8192;

/// Programs other than interpreters that run what they read. (m4 asks for no variable itself: a shell that it starts is seen.)
const READ_CODE: &[&str] = &[
    "awk", "gawk", "mawk", "nawk", "make", "gmake", "bmake", "remake", "ninja", "jq", "gojq", "jaq", "tclsh",
    "wish", "expect", "java", "busybox", "toybox", "sed", "gdb", "envsubst", "R",
];

/// The names in code that the run created.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Variables that are set.
    pub(super) named: BTreeSet<Vec<u8>>,
    /// Possible names of variables, set or not.
    pub(super) references: BTreeSet<Vec<u8>>,
    /// Whether it may use any variable.
    pub(super) whole: bool,
    /// Inline Python code and its directory.
    pub(super) python: Vec<(PathBuf, Vec<u8>)>,
    /// Files that were searched, with their state.
    seen: FxHashSet<(u64, u64, i64, i64, u64)>,
    /// Whether the command itself has started: its arguments are in the key.
    started: bool,
    search: Option<NameSearch>,
}

/// Whether a process with this program may run what it reads.
pub(super) fn reads_code(image: &Image<'_>) -> bool {
    let name = image.program.file_name().unwrap_or_default();
    runs_code(name) || name.as_bytes().starts_with(b"ld-") || name.as_bytes().starts_with(b"ld.so")
}

fn runs_code(name: &OsStr) -> bool {
    let is_listed = READ_CODE.iter().any(|known| name == OsStr::new(known));
    is_listed || interpreter(name).is_some() || composed::of_program(name.as_bytes()).is_some()
}

impl Made {
    /// An interpreter reads, or a process executes, a file that the run created or changed.
    pub(super) fn file(&mut self, path: &Path, executed: bool, environment: &[(OsString, OsString)]) {
        let Ok(found) = fs::metadata(path) else { return };
        if found.file_type().is_fifo() {
            self.whole = true;
        }
        let identity = (found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.size());
        if self.whole || !found.is_file() || !self.seen.insert(identity) {
            return;
        }
        if found.size() > LARGEST {
            self.whole |= executed;
            return;
        }
        let mut bytes = Vec::new();
        if fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).is_err() {
            self.whole = true;
            return;
        }
        let search = self.search.get_or_insert_with(|| search(environment));
        self.named.extend(search.search_files(&[path.to_path_buf()]));
        let is_text = !bytes.iter().take(8 << 10).any(|byte| *byte == 0);
        let language = composed::of_file(path, &bytes);
        if is_text && (language.is_some() || executed || self.references.len() <= MOST_NAMES / 2) {
            let before = self.references.len();
            self.code(&bytes, language);
            if language.is_none() && !executed && self.references.len() > MOST_NAMES {
                // So large a file is data.
                self.references = self.references.iter().take(before).cloned().collect();
            }
        } else if executed {
            let texts = bytes.split(|byte| *byte == 0).filter(|text| (3..64).contains(&text.len()));
            let is_name = |text: &[u8]| {
                text.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
            };
            let names: Vec<Vec<u8>> = texts.filter(|text| is_name(text)).map(<[u8]>::to_vec).collect();
            self.references.extend(names);
        }
        self.bound();
    }

    /// A process is about to execute a program.
    pub(super) fn executes(&mut self, executed: &Executed<'_>, environment: &[(OsString, OsString)]) {
        let is_command = !std::mem::replace(&mut self.started, true);
        let first = executed.words.first().map(|word| Path::new(word).file_name().unwrap_or_default());
        let names = [executed.program.file_name(), first].into_iter().flatten();
        let real = fs::canonicalize(executed.program).unwrap_or_default();
        let mut names = names.chain(real.file_name());
        let Some(name) = names.find(|name| runs_code(name)).map(OsStr::to_owned) else { return };
        let rest = executed.words.get(1..).unwrap_or_default();
        let words: Vec<Word> = rest.iter().map(|text| Word { text: text.clone(), place: None }).collect();
        let asked = interpreter(&name).map(|interpreter| interpreter.asked(&words).0);
        let is_pipe = |text: &OsStr| {
            let text = text.as_bytes();
            let number =
                [&b"/dev/fd/"[..], b"/proc/self/fd/"].iter().find_map(|start| text.strip_prefix(*start));
            match number.and_then(|number| std::str::from_utf8(number).ok()?.parse().ok()) {
                Some(number) => (executed.is_pipe)(number),
                None => text == b"/dev/stdin" && (executed.is_pipe)(0),
            }
        };
        let code = match asked {
            Some(Asked::Script(word)) => {
                self.whole |= is_pipe(&word.text);
                return;
            }
            Some(Asked::Code(word)) => word.text,
            Some(Asked::Module(_)) => return,
            // Without a script it may run its input.
            Some(Asked::Else) => {
                let asks = |word: &OsString| [&b"--version"[..], b"-V", b"--help"].contains(&word.as_bytes());
                self.whole |= !rest.iter().any(asks) && (executed.is_pipe)(0);
                return;
            }
            None => {
                let reads = rest.iter().any(|word| word == "-" || is_pipe(word));
                self.whole |= reads && (executed.is_pipe)(0) || rest.iter().any(|word| is_pipe(word));
                rest.join(OsStr::new("\n"))
            }
        };
        if composed::of_program(name.as_bytes())
            .is_some_and(|language| language.is_run_by(&BTreeSet::from([&b"python3"[..]])))
        {
            self.python.push((executed.directory.to_path_buf(), code.as_bytes().to_vec()));
        }
        if is_command {
            return;
        }
        self.whole |= takes_all(std::slice::from_ref(&code), name.as_bytes());
        let search = self.search.get_or_insert_with(|| search(environment));
        self.named.extend(search.search(code.as_bytes(), false));
        self.code(code.as_bytes(), composed::of_program(name.as_bytes()));
        self.bound();
    }

    fn code(&mut self, code: &[u8], language: Option<&composed::Composing>) {
        self.whole |= language.is_some_and(|language| language.takes_any(code));
        for name in composed::references(code) {
            if !self.references.contains(name) {
                self.references.insert(name.to_vec());
            }
        }
    }

    fn bound(&mut self) {
        self.whole |= self.references.len() > MOST_NAMES;
    }
}

fn search(environment: &[(OsString, OsString)]) -> NameSearch {
    NameSearch::new(environment.iter().map(|(name, _)| name.as_bytes()))
}
