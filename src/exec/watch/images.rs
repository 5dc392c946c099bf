//! The program that each process of a run executes. Some programs show attributes of files beside their content.
//!
//! The witness decides what a program shows. This module finds out which program a process runs, once for each process that
//! accesses files.

use super::process::{link, to_path};
use crate::exec::{Enters, Image, LooksUp, Nature, Shows, Takes, Witness};
use rustc_hash::FxHashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, Instant};

/// What is known of a process is forgotten after this time. The system does not reuse process numbers sooner.
const KNOWN_FOR: Duration = Duration::from_millis(50);

/// The programs that processes run.
#[derive(Debug)]
pub(super) struct Images {
    known: FxHashMap<libc::pid_t, Nature>,
    since: Instant,
    /// A thread that is not the first of its process executed a program. At some later moment, which is not observed, the first
    /// thread runs that program instead of the known one.
    careful: bool,
}

impl Images {
    pub(super) fn new() -> Self {
        Self { known: FxHashMap::default(), since: Instant::now(), careful: false }
    }

    /// What is known of the program that thread `tid` runs.
    pub(super) fn nature(&mut self, tid: libc::pid_t, witness: &mut dyn Witness) -> Nature {
        // A process that cannot be inspected may show anything. One that has ended gets no answer.
        const HIDDEN: Nature = Nature {
            shows: Shows::Times,
            is_function: false,
            is_interpreter: false,
            is_shell: false,
            is_make: false,
            keeps: 0,
            builder: None,
            compares_times: Some(&[]),
            enters: Enters::Any,
            takes: Takes::Anything,
            reads_code: true,
            looks_up: LooksUp::Anybody,
            uses_umask: true,
            is_python: false,
            names_modes: false,
            seeks_settings: false,
            accepts_directories: false,
            removes_trees: false,
            cuts_by_size: false,
            asks_literally: false,
            is_linker: false,
            opens_what_it_removes: false,
            copies_modes: false,
            may_leave_files: true,
        };
        if self.since.elapsed() > KNOWN_FOR {
            self.known.clear();
            self.since = Instant::now();
        }
        if let Some(nature) = self.known.get(&tid) {
            return *nature;
        }
        let Ok(program) = link(tid, "exe") else { return HIDDEN };
        let Ok(words) = read_all(&format!("/proc/{tid}/cmdline")) else { return HIDDEN };
        let words: Vec<OsString> =
            words.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
        let words = words.split_last().map(|(_, words)| words).unwrap_or_default();
        let program = to_path(program);
        let directory = link(tid, "cwd").map(to_path).unwrap_or_default();
        let mut says =
            |name: &OsStr| witness.nature(&Image { program: &program, words, directory: &directory, name });
        let nature = says(OsStr::new(""));
        if nature.shows == Shows::AsNamed {
            // The name that the process gives itself is the only sign of the program that it runs now.
            let Ok(name) = std::fs::read(format!("/proc/{tid}/comm")) else { return HIDDEN };
            return says(OsStr::from_bytes(name.trim_ascii_end()));
        }
        if !self.careful {
            self.known.insert(tid, nature);
        }
        nature
    }

    /// Thread `tid` is about to execute a program. It then gets the number of its process.
    pub(super) fn executes(&mut self, tid: libc::pid_t) {
        self.known.clear();
        self.careful |= !is_first(tid);
    }
}

/// Reads a file of unknown length, with one call where that is enough.
fn read_all(path: &str) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = vec![0; 4096];
    let mut length = 0;
    loop {
        match file.read(bytes.get_mut(length..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length == bytes.len() {
            bytes.resize(2 * length, 0);
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Whether `tid` is the first thread of its process.
#[expect(unsafe_code, reason = "tgkill is not wrapped")]
fn is_first(tid: libc::pid_t) -> bool {
    // SAFETY: takes numbers only; signal 0 is none, it is only asked whether there is such a thread.
    unsafe { libc::syscall(libc::SYS_tgkill, tid, tid, 0) == 0 }
}
