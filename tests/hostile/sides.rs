//! Two equal trees, neither below `/tmp`: calls go through cashet in one, and run bare in the other.

use crate::trees::{settle, tree};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;
use tempfile::TempDir;

const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

pub(crate) struct Sides {
    base: TempDir,
}

/// Modification time of each file and directory of a side, except those of cashet and git.
type Times = BTreeMap<PathBuf, SystemTime>;

fn times(side: &Path) -> Times {
    let own = |entry: &walkdir::DirEntry| entry.file_name() == ".cashet" || entry.file_name() == ".git";
    let entries = walkdir::WalkDir::new(side).into_iter().filter_entry(|entry| !own(entry)).flatten();
    let found = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        let path = entry.path().strip_prefix(side).ok()?.to_path_buf();
        (metadata.is_file() || metadata.is_dir()).then(|| Some((path, metadata.modified().ok()?)))?
    });
    found.collect()
}

/// How one call was answered on both sides.
pub(crate) struct Answer {
    call: String,
    /// The report of cashet.
    pub(crate) told: serde_json::Value,
    differences: Vec<String>,
}

impl Answer {
    pub(crate) fn is_hit(&self) -> bool {
        self.told.get("outcome").is_some_and(|outcome| outcome == "hit")
    }

    /// What is wrong with it, independent of the expectation.
    pub(crate) fn wrong(&self) -> Option<String> {
        let kind = if self.is_hit() { "WRONG REPLAY" } else { "other than bare" };
        (!self.differences.is_empty())
            .then(|| format!("{kind} of {}: {}", self.call.trim(), self.differences.join("; ")))
    }
}

impl Sides {
    pub(crate) fn new() -> Self {
        let base =
            tempfile::Builder::new().prefix("hostile-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for side in ["a", "b"] {
            for directory in ["project/.git", "project/.cashet", "home", "tmp"] {
                fs::create_dir_all(base.path().join(side).join(directory)).unwrap();
            }
        }
        Self { base }
    }

    fn side(&self, through: bool) -> PathBuf {
        self.base.path().join(if through { "a" } else { "b" })
    }

    fn bash(&self, through: bool, text: &str) -> Output {
        let side = self.side(through);
        let mut command = Command::new("/bin/bash");
        command.args(["-c", text]).current_dir(side.join("project")).env_clear().stdin(Stdio::null());
        command.env("PATH", PATH).env("LANG", "C.UTF-8");
        command.env("HOME", side.join("home")).env("TMPDIR", side.join("tmp"));
        command.output().unwrap()
    }

    /// Runs a step in both trees, which must succeed.
    #[track_caller]
    pub(crate) fn both(&self, text: &str) {
        let before = [true, false].map(|through| times(&self.side(through)));
        for through in [true, false] {
            let ran = self.bash(through, &format!("set -e; {text}"));
            assert!(ran.status.success(), "{text}: {}", String::from_utf8_lossy(&ran.stderr));
        }
        self.even_out(&before);
        settle();
    }

    /// Makes new files of both sides equal in time: the files of the second side get the times of the first side's,
    /// and, where their content differs (an archive contains times), that too, unless it contains the path of its
    /// side.
    fn even_out(&self, before: &[Times; 2]) {
        let [ours, theirs] = [true, false].map(|through| self.side(through));
        let mut changed: Vec<(PathBuf, SystemTime)> = times(&ours)
            .into_iter()
            .filter(|(path, time)| before[0].get(path) != Some(time))
            .filter(|(path, _)| {
                let now = theirs.join(path).symlink_metadata().and_then(|metadata| metadata.modified()).ok();
                now.is_some() && before[1].get(path) != now.as_ref()
            })
            .collect();
        // The content of a directory before the directory itself.
        changed.sort_by(|one, other| other.cmp(one));
        for (path, time) in changed {
            let (from, to) = (ours.join(&path), theirs.join(&path));
            let is_file = |path: &Path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
            if is_file(&from) && is_file(&to) {
                let (Ok(wanted), Ok(found)) = (fs::read(&from), fs::read(&to)) else { continue };
                let names = |bytes: &[u8], side: &Path| {
                    let side = side.as_os_str().as_encoded_bytes();
                    bytes.windows(side.len()).any(|part| part == side)
                };
                if wanted != found && !names(&wanted, &ours) && !names(&found, &theirs) {
                    let _ = fs::write(&to, &wanted);
                }
            }
            // A file that cannot be changed here cannot be compared by time either.
            let _ = fs::File::open(&to).and_then(|file| file.set_modified(time));
        }
    }

    /// Makes a call in both trees and compares all results.
    pub(crate) fn call(&self, text: &str) -> Answer {
        let report = self.base.path().join("report");
        let _ = fs::remove_file(&report);
        let program = std::env::var("CASHET_TEST_PROGRAM");
        let program = program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_cashet").to_owned());
        let with = |run: &str| format!("RUN={run:?}\n{text}");
        let ours = self.bash(true, &with(&format!("{program} exec --report {} --", report.display())));
        let theirs = self.bash(false, &with(""));
        let told = fs::read(&report).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (from_ours, from_theirs) = (self.placeless(true, &ours), self.placeless(false, &theirs));
        let mut differences: Vec<String> = from_ours
            .iter()
            .zip(&from_theirs)
            .filter(|(ours, theirs)| ours != theirs)
            .map(|(ours, theirs)| format!("{ours:?} instead of {theirs:?}"))
            .collect();
        let [ours, theirs] = [true, false].map(|through| {
            let own = [".git", ".cashet", "__pycache__"];
            tree(&self.side(through).join("project"), &own, |_| "link".to_owned())
        });
        if ours != theirs {
            let other = |path: &&PathBuf| ours.get(*path) != theirs.get(*path);
            let paths: Vec<String> = ours
                .keys()
                .chain(theirs.keys())
                .filter(other)
                .map(|path| {
                    format!("{}: {:?} instead of {:?}", path.display(), ours.get(path), theirs.get(path))
                })
                .collect();
            differences.push(paths.join(", "));
        }
        settle();
        Answer { call: text.to_owned(), told: told.unwrap_or_default(), differences }
    }

    /// Both streams and the status, without the path of the side and without messages of cashet.
    fn placeless(&self, through: bool, ran: &Output) -> [String; 3] {
        let side = self.side(through);
        let place = side.to_str().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(place, "/SIDE");
        let stderr = text(&ran.stderr);
        let stderr: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("cashet: ")).collect();
        [text(&ran.stdout), stderr.join("\n"), ran.status.to_string()]
    }
}
