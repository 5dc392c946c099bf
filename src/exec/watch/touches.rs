//! Every look and opening of a few paths, with the process that made it. Only this distinguishes what an interpreter does to run
//! a source from what the program does with it.

use super::process::{link, to_path};
use crate::exec::{Touch, Touched};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Maximum number of touches of one path that are reported; no interpreter makes as many.
const MOST: usize = 16;

/// A program as one process executes it. A process that executes another program is another image.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Image {
    process: Vec<u8>,
    program: Vec<u8>,
}

/// Touches of the paths that are followed.
#[derive(Debug)]
pub(super) struct Touches {
    by_path: FxHashMap<Vec<u8>, Vec<Touch>>,
    images: Vec<Image>,
    /// The thread that is stopped.
    pub(super) caller: libc::pid_t,
}

impl Touches {
    pub(super) fn new(followed: &[PathBuf]) -> Self {
        let paths = followed.iter().map(|path| (path.as_os_str().as_bytes().to_vec(), Vec::new()));
        Self { by_path: paths.collect(), images: Vec::new(), caller: 0 }
    }

    /// The thread that is stopped touches `path`.
    pub(super) fn note(&mut self, path: &[u8], how: Touched) {
        if self.by_path.is_empty() {
            return;
        }
        let Some(touches) = self.by_path.get_mut(path).filter(|touches| touches.len() < MOST) else { return };
        let image =
            Image { process: process_of(self.caller), program: link(self.caller, "exe").unwrap_or_default() };
        let known = self.images.iter().position(|known| *known == image);
        let image = known.unwrap_or_else(|| {
            self.images.push(image);
            self.images.len() - 1
        });
        touches.push(Touch { image, how });
    }

    /// Discards all touches until now.
    pub(super) fn forget(&mut self) {
        self.by_path.values_mut().for_each(Vec::clear);
        self.images.clear();
    }

    /// The touches by path, and the programs.
    pub(super) fn into_parts(self) -> (BTreeMap<PathBuf, Vec<Touch>>, Vec<PathBuf>) {
        let touched = self.by_path.into_iter().filter(|(_, touches)| !touches.is_empty());
        let touched = touched.map(|(path, touches)| (to_path(path), touches)).collect();
        (touched, self.images.into_iter().map(|image| to_path(image.program)).collect())
    }
}

/// The number of the process of thread `tid`; `None` if it has ended.
pub(super) fn process_number(tid: libc::pid_t) -> Option<libc::pid_t> {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// The process of thread `tid` with its start time, since numbers are reused. Empty if it has ended; then its calls are not
/// answered either.
pub(super) fn process_of(tid: libc::pid_t) -> Vec<u8> {
    let status = std::fs::read(format!("/proc/{tid}/status")).unwrap_or_default();
    let line = status.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"Tgid:"));
    let process = line.and_then(|line| line.split(|byte| *byte == b'\t').nth(1)).unwrap_or_default();
    let stat = std::fs::read(format!("/proc/{}/stat", String::from_utf8_lossy(process))).unwrap_or_default();
    // The name of the program may hold anything; the last parenthesis ends it. The 22nd word is the start.
    let after =
        stat.iter().rposition(|byte| *byte == b')').and_then(|at| stat.get(at + 2..)).unwrap_or_default();
    let began = after.split(|byte| *byte == b' ').nth(19).unwrap_or_default();
    [process, b" ", began].concat()
}
