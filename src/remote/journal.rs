//! What a store notes about its shared caches, in its directory `remote`: results that wait to be written, numbers, and what
//! was said already.

use crate::digest::{CommitId, Digest};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The directory in a store.
pub const NAME: &str = "remote";

/// More results do not wait: the oldest is left out.
const MOST_WAITING: usize = 10_000;

/// Time after which a message is repeated.
const SAID: Duration = Duration::from_hours(24);

/// Number of failures in a row after which a cache is not used for a while.
const FAILURES: u64 = 3;

/// How long.
const PAUSE: Duration = Duration::from_mins(1);

/// The notes of one store.
#[derive(Clone, Debug)]
pub struct Journal {
    directory: PathBuf,
}

/// Numbers of one shared cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Its address, as it may be shown.
    pub url: String,
    /// Calls that it answered.
    pub hits: u64,
    /// Calls that it could not answer.
    pub misses: u64,
    /// Calls in which it failed.
    pub errors: u64,
    /// Results that were written to it.
    pub written: u64,
    /// Time that calls waited for it, in nanoseconds.
    pub waited: u64,
    /// How often it failed since it last answered.
    failures: u64,
    /// When it failed last, in seconds since 1970.
    failed_at: u64,
}

impl Numbers {
    fn values(&self) -> [u64; 7] {
        [self.hits, self.misses, self.errors, self.written, self.waited, self.failures, self.failed_at]
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let url = lines.next()?.to_owned();
        let values: Vec<u64> = lines.map_while(|line| line.parse().ok()).collect();
        let [hits, misses, errors, written, waited, failures, failed_at] = values.try_into().ok()?;
        Some(Self { url, hits, misses, errors, written, waited, failures, failed_at })
    }
}

/// A result that waits to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The run.
    pub commit: CommitId,
    /// The root of the project whose settings say where it goes.
    pub root: PathBuf,
    path: PathBuf,
}

/// How asking a shared cache ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It answered the call.
    Hit,
    /// It did not know the answer.
    Miss,
    /// It failed.
    Error,
    /// A result was written to it.
    Written,
}

impl Journal {
    /// The notes of the store in `store`.
    #[must_use]
    pub fn of(store: &Path) -> Self {
        Self { directory: store.join(NAME) }
    }

    /// Adds a run to the queue. If that fails, another machine runs the command again.
    pub fn add(&self, commit: &CommitId, root: &Path) {
        let queue = self.queue();
        let _ = make(&queue);
        let _ = write_whole(&queue.join(commit.0.to_hex()), root.as_os_str().as_bytes());
    }

    /// What waits, the oldest first.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let entries = fs::read_dir(self.queue()).into_iter().flatten().flatten();
        let mut found: Vec<(SystemTime, Waiting)> = entries
            .filter_map(|entry| {
                let commit = CommitId(Digest::from_hex(entry.file_name().to_str()?)?);
                let (path, since) = (entry.path(), entry.metadata().ok()?.modified().ok()?);
                let root = PathBuf::from(std::ffi::OsString::from_vec(fs::read(&path).ok()?));
                Some((since, Waiting { commit, root, path }))
            })
            .collect();
        found.sort_by_key(|(since, waiting)| (*since, waiting.commit));
        let surplus = found.len().saturating_sub(MOST_WAITING);
        for (_, waiting) in found.drain(..surplus) {
            waiting.done();
        }
        found.into_iter().map(|(_, waiting)| waiting).collect()
    }

    /// The right to write what waits; `None` where another process has it.
    #[must_use]
    pub fn claim(&self) -> Option<File> {
        make(&self.directory).ok()?;
        let file = open(&self.directory.join("lock")).ok()?;
        file.try_lock().is_ok().then_some(file)
    }

    /// Whether the message `code` about a cache is due: at most once a day.
    #[must_use]
    pub fn says(&self, url: &str, code: &str) -> bool {
        let path = self.directory.join(format!("said-{}", short(&[url, code])));
        let is_known = fs::metadata(&path)
            .and_then(|known| known.modified())
            .is_ok_and(|since| since.elapsed().is_ok_and(|age| age < SAID));
        if !is_known {
            let _ = make(&self.directory);
            let _ = write_whole(&path, code.as_bytes());
        }
        !is_known
    }

    /// Whether a cache is not used at present, since it failed several times in a row.
    #[must_use]
    pub fn pauses(&self, url: &str) -> bool {
        let known = fs::read_to_string(self.numbers_path(url)).ok().and_then(|text| Numbers::parse(&text));
        known.is_some_and(|known| {
            known.failures >= FAILURES && now().saturating_sub(known.failed_at) < PAUSE.as_secs()
        })
    }

    /// Counts how asking a cache ended, and how long it took. `shown` is the address as it may be shown.
    pub fn count(&self, url: &str, shown: &str, asked: Asked, took: Duration) {
        let _ = make(&self.directory);
        let Ok(mut file) = open(&self.numbers_path(url)) else { return };
        // Numbers are worth no wait.
        if file.lock().is_err() {
            return;
        }
        let mut text = String::new();
        let _ = file.read_to_string(&mut text);
        let mut numbers = Numbers::parse(&text).unwrap_or_default();
        shown.clone_into(&mut numbers.url);
        let counter = match asked {
            Asked::Hit => &mut numbers.hits,
            Asked::Miss => &mut numbers.misses,
            Asked::Error => &mut numbers.errors,
            Asked::Written => &mut numbers.written,
        };
        *counter = counter.saturating_add(1);
        if asked == Asked::Error {
            numbers.failures = numbers.failures.saturating_add(1);
            numbers.failed_at = now();
        } else {
            numbers.failures = 0;
        }
        if asked != Asked::Written {
            let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            numbers.waited = numbers.waited.saturating_add(took);
        }
        let lines: Vec<String> = numbers.values().iter().map(u64::to_string).collect();
        let text = format!("{}\n{}\n", numbers.url, lines.join("\n"));
        let _ = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(text.as_bytes()));
    }

    /// The numbers of every cache that was asked, by address.
    #[must_use]
    pub fn numbers(&self) -> Vec<Numbers> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut all: Vec<Numbers> = entries
            .filter(|entry| entry.file_name().as_bytes().starts_with(b"numbers-"))
            .filter_map(|entry| Numbers::parse(&fs::read_to_string(entry.path()).ok()?))
            .collect();
        all.sort_by(|left, right| left.url.cmp(&right.url));
        all
    }

    fn queue(&self) -> PathBuf {
        self.directory.join("queue")
    }

    fn numbers_path(&self, url: &str) -> PathBuf {
        self.directory.join(format!("numbers-{}", short(&[url])))
    }
}

impl Waiting {
    /// It is written, or never will be.
    pub fn done(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map(|since| since.as_secs()).unwrap_or_default()
}

fn short(words: &[&str]) -> String {
    let mut hex = Digest::of(words.join("\0").as_bytes()).to_hex();
    hex.truncate(16);
    hex
}

/// Makes a directory of a store that is there.
fn make(directory: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    for directory in [directory.parent().filter(|parent| parent.ends_with(NAME)), Some(directory)] {
        match directory.map(|directory| builder.create(directory)) {
            Some(Err(error)) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(path);
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|refused| refused.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_there_until_it_is_done() {
        let store = tempfile::tempdir().unwrap();
        let journal = Journal::of(store.path());
        assert!(journal.waiting().is_empty());
        let commit = CommitId(Digest::of(b"a"));
        journal.add(&commit, Path::new("/root/project"));
        journal.add(&commit, Path::new("/root/project"));
        let [waiting] = journal.waiting().try_into().unwrap();
        assert_eq!((waiting.commit, waiting.root.as_path()), (commit, Path::new("/root/project")));
        let held = journal.claim().unwrap();
        assert!(journal.claim().is_none());
        drop(held);
        waiting.done();
        assert!(journal.waiting().is_empty());
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let store = tempfile::tempdir().unwrap();
        let journal = Journal::of(store.path());
        assert!(journal.says("dir:/a", "unsigned"));
        assert!(!journal.says("dir:/a", "unsigned"));
        assert!(journal.says("dir:/b", "unsigned") && journal.says("dir:/a", "unknown"));
    }

    #[test]
    fn a_cache_that_fails_is_left_alone_until_it_answers() {
        let store = tempfile::tempdir().unwrap();
        let journal = Journal::of(store.path());
        let count = |asked| journal.count("dir:/a", "dir:/a", asked, Duration::from_nanos(5));
        for _ in 0..3 {
            assert!(!journal.pauses("dir:/a"));
            count(Asked::Error);
        }
        assert!(journal.pauses("dir:/a") && !journal.pauses("dir:/b"));
        for asked in [Asked::Hit, Asked::Miss, Asked::Written] {
            count(asked);
        }
        assert!(!journal.pauses("dir:/a"));
        let [numbers] = journal.numbers().try_into().unwrap();
        assert_eq!((numbers.hits, numbers.misses, numbers.errors, numbers.written), (1, 1, 3, 1));
        assert_eq!(numbers.waited, 25);
    }
}
