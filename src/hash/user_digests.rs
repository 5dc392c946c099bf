//! Digests of files outside of projects, and of large ones anywhere, remembered for all stores of a user, so that the first hit in
//! a new clone does not read interpreter and libraries again.
//!
//! A file of fixed slots, each with a check of its own: several processes read and write it without locks, and a slot that is
//! torn or damaged is empty. The name of a slot is made of the path, of what `stat` says of the file, and of the boot of the
//! machine, so a slot is used under the same conditions as evidence in a store, and does not outlive the numbers of devices.

use super::files::LARGEST_DIGESTED;
use crate::digest::{DIGEST_LENGTH, Digest};
use crate::encode::Encoder;
use crate::record::{Evidence, Timestamp};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Name of the file. No store of a user has such a name.
const NAME: &str = ".digests";

/// Bytes of a slot: its name, the digest, when it was written (seconds), a check of these.
const SLOT: usize = TAG + DIGEST_LENGTH + TIME + CHECK;
const TAG: usize = 20;
const TIME: usize = 4;
const CHECK: usize = 8;

/// What the group and others may do.
const OTHERS: u32 = 0o077;

/// So many slots may hold one digest.
const WAYS: usize = 4;
const BUCKET: usize = SLOT * WAYS;

/// The file has at most as many buckets: 8 MiB, most of it never written.
const BUCKETS: u64 = 1 << 15;

/// The memory of this process, once a call has named its place.
static OF_USER: OnceLock<UserDigests> = OnceLock::new();

/// Sets the directory of the table: `cashet` in the user's cache directory. Files below `root` are not remembered, unless they are
/// large. `allowed` is called before the first look: a watched process has to read what it depends on.
pub fn keep_in(directory: &Path, root: &Path, allowed: fn() -> bool) {
    let _ = OF_USER.set(UserDigests {
        directory: directory.to_path_buf(),
        root: root.to_path_buf(),
        allowed,
        table: OnceLock::new(),
        learned: Mutex::default(),
    });
}

/// The digest of what is at `path`, which looks as `evidence` says, if it is remembered.
pub(super) fn find(path: &Path, evidence: &Evidence) -> Option<Digest> {
    OF_USER.get()?.find(path, evidence)
}

/// Remembers a digest until [`write_down`]; `evidence` must be one that can be trusted.
pub(super) fn learn(path: &Path, evidence: &Evidence, digest: &Digest) {
    if let Some(memory) = OF_USER.get() {
        memory.learn(path, evidence, digest);
    }
}

/// Writes what this process learned. To be called after an answer was recorded or replayed: a call that is refused and one that
/// only predicts write nothing.
pub fn write_down() {
    if let Some(memory) = OF_USER.get() {
        memory.write_down();
    }
}

struct UserDigests {
    directory: PathBuf,
    root: PathBuf,
    allowed: fn() -> bool,
    table: OnceLock<Option<Table>>,
    learned: Mutex<Vec<(PathBuf, Evidence, Digest)>>,
}

struct Table {
    file: File,
    boot: Vec<u8>,
}

impl UserDigests {
    fn find(&self, path: &Path, evidence: &Evidence) -> Option<Digest> {
        let table = self.table_for(path, evidence)?;
        let (place, tag) = table.slot_of(path, evidence);
        let bucket = table.read(place)?;
        let mut slots = bucket.chunks_exact(SLOT).filter_map(Slot::parse);
        slots.find(|slot| slot.tag == tag).map(|slot| slot.digest())
    }

    fn learn(&self, path: &Path, evidence: &Evidence, digest: &Digest) {
        if self.may_say(path, evidence) {
            self.learned().push((path.to_path_buf(), *evidence, *digest));
        }
    }

    fn learned(&self) -> MutexGuard<'_, Vec<(PathBuf, Evidence, Digest)>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_down(&self) {
        let learned = std::mem::take(&mut *self.learned());
        if learned.is_empty() || !(self.allowed)() {
            return;
        }
        let Some(table) = self.create() else { return };
        for (path, evidence, digest) in learned {
            table.write(&path, &evidence, &digest);
        }
    }

    /// The table, if it may say anything of this file.
    fn table_for(&self, path: &Path, evidence: &Evidence) -> Option<&Table> {
        if self.may_say(path, evidence) { self.table.get_or_init(|| self.open()).as_ref() } else { None }
    }

    fn may_say(&self, path: &Path, evidence: &Evidence) -> bool {
        evidence.size != 0
            && path.is_absolute()
            && (evidence.size > LARGEST_DIGESTED || !path.starts_with(&self.root))
            && !self.directory.starts_with(&self.root)
    }

    /// The table that is there.
    fn open(&self) -> Option<Table> {
        if !(self.allowed)() {
            return None;
        }
        Self::table(&self.directory, OpenOptions::new().read(true))
    }

    /// The same to write to it; it is made where it is missing.
    fn create(&self) -> Option<Table> {
        // The cache directory itself is not made: commands look whether there is one.
        if !self.directory.is_dir() {
            DirBuilder::new().mode(0o700).create(&self.directory).ok()?;
        }
        Self::table(&self.directory, OpenOptions::new().read(true).write(true).create(true).mode(0o600))
    }

    fn table(directory: &Path, options: &mut OpenOptions) -> Option<Table> {
        let boot = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
        let options = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(directory.join(NAME)).ok()?;
        let metadata = file.metadata().ok()?;
        // What somebody else could have written says nothing.
        let is_own = metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & OTHERS == 0;
        (metadata.is_file() && is_own).then_some(Table { file, boot })
    }
}

impl Table {
    fn write(&self, path: &Path, evidence: &Evidence, digest: &Digest) {
        let (place, tag) = self.slot_of(path, evidence);
        let bucket = self.read(place).unwrap_or([0; BUCKET]);
        let known: Vec<Option<Slot>> = bucket.chunks_exact(SLOT).map(Slot::parse).collect();
        let is_own = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.tag == tag);
        // The slot of this name, an empty one, or the oldest.
        let way = known.iter().position(is_own).or_else(|| known.iter().position(Option::is_none));
        let oldest = || (0..WAYS).min_by_key(|way| known.get(*way)?.as_ref().map(|slot| slot.time));
        let Some(way) = way.or_else(oldest) else { return };
        let seconds = u32::try_from(Timestamp::now().0 / 1_000_000_000).unwrap_or(u32::MAX);
        let bytes = Slot { tag, digest: *digest.as_bytes(), time: seconds }.to_bytes();
        let offset = place.saturating_add(u64::try_from(way.saturating_mul(SLOT)).unwrap_or(0));
        // A failure costs time only.
        let _ = self.file.write_all_at(&bytes, offset);
    }

    /// Where the bucket of a file begins, and the name of its slot.
    fn slot_of(&self, path: &Path, evidence: &Evidence) -> (u64, [u8; TAG]) {
        let mut encoder = Encoder::new();
        encoder.text("cashet digests of a user 1").bytes(&self.boot);
        encoder.bytes(path.as_os_str().as_bytes()).value(evidence);
        let digest = *Digest::of(&encoder.finish()).as_bytes();
        let (tag, rest) =
            digest.split_first_chunk::<TAG>().map_or(([0; TAG], &[][..]), |(tag, rest)| (*tag, rest));
        let number = rest.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        ((number % BUCKETS).saturating_mul(BUCKET as u64), tag)
    }

    fn read(&self, place: u64) -> Option<[u8; BUCKET]> {
        let mut bucket = [0; BUCKET];
        let mut done = 0;
        while let Some(rest) = bucket.get_mut(done..).filter(|rest| !rest.is_empty()) {
            // What lies behind the end is empty.
            match self.file.read_at(rest, place.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(count) => done = done.saturating_add(count),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(bucket)
    }
}

struct Slot {
    tag: [u8; TAG],
    digest: [u8; DIGEST_LENGTH],
    time: u32,
}

impl Slot {
    /// A slot that is whole.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first_chunk::<TAG>()?;
        let (digest, rest) = rest.split_first_chunk::<DIGEST_LENGTH>()?;
        let (time, check) = rest.split_first_chunk::<TIME>()?;
        let slot = Self { tag: *tag, digest: *digest, time: u32::from_le_bytes(*time) };
        (check == slot.check()).then_some(slot)
    }

    fn digest(&self) -> Digest {
        Digest::from_bytes(self.digest)
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&self.tag[..], &self.digest, &self.time.to_le_bytes(), &self.check()].concat()
    }

    fn check(&self) -> [u8; CHECK] {
        let all = [&b"cashet slot"[..], &self.tag, &self.digest, &self.time.to_le_bytes()].concat();
        Digest::of(&all).as_bytes().first_chunk().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn memory(directory: &Path) -> UserDigests {
        let _ = fs::create_dir(directory.join("cache"));
        UserDigests {
            directory: directory.join("cache/cashet"),
            root: directory.join("project"),
            allowed: || true,
            table: OnceLock::new(),
            learned: Mutex::default(),
        }
    }

    /// Remembers a digest as a process does that ends then.
    fn learn(memory: &UserDigests, path: &Path, inode: u64, digest: &Digest) {
        memory.learn(path, &evidence(inode), digest);
        memory.write_down();
    }

    #[test]
    fn what_is_not_written_down_leaves_no_trace() {
        let directory = tempfile::tempdir().unwrap();
        let memory = memory(directory.path());
        memory.learn(Path::new("/usr/lib/x"), &evidence(1), &Digest::of(b"x"));
        assert_eq!(memory.find(Path::new("/usr/lib/x"), &evidence(1)), None);
        assert!(!directory.path().join("cache/cashet").exists());
        let homeless = UserDigests { directory: directory.path().join("no/.cache/cashet"), ..memory };
        homeless.write_down();
        assert!(!directory.path().join("no").exists());
    }

    fn evidence(inode: u64) -> Evidence {
        Evidence {
            device: 1,
            inode,
            size: 10,
            mode: 0o100_644,
            viewer: 0,
            modified: Timestamp(5),
            changed: Timestamp(6),
        }
    }

    #[test]
    fn what_was_learned_is_found_by_the_next_process_and_by_the_same_evidence_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (path, digest) = (Path::new("/usr/lib/x"), Digest::of(b"x"));
        learn(&memory(directory.path()), path, 1, &digest);
        let again = memory(directory.path());
        assert_eq!(again.find(path, &evidence(1)), Some(digest));
        assert_eq!(again.find(Path::new("/usr/lib/y"), &evidence(1)), None);
        let changes: [fn(&mut Evidence); 6] = [
            |other| other.device += 1,
            |other| other.inode += 1,
            |other| other.size += 1,
            |other| other.mode ^= 1,
            |other| other.modified.0 += 1,
            |other| other.changed.0 += 1,
        ];
        for change in changes {
            let mut other = evidence(1);
            change(&mut other);
            assert_eq!(again.find(path, &other), None);
        }
        learn(&again, path, 1, &Digest::of(b"corrected"));
        assert_eq!(again.find(path, &evidence(1)), Some(Digest::of(b"corrected")));
        let inside = directory.path().join("project/file");
        learn(&again, &inside, 1, &digest);
        assert_eq!(again.find(&inside, &evidence(1)), None);
        let large = Evidence { size: LARGEST_DIGESTED + 1, ..evidence(1) };
        again.learn(&inside, &large, &digest);
        again.write_down();
        assert_eq!(memory(directory.path()).find(&inside, &large), Some(digest));
    }

    #[test]
    fn damage_is_an_empty_slot_wherever_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let (path, digest) = (Path::new("/usr/lib/x"), Digest::of(b"x"));
        let first = memory(directory.path());
        learn(&first, path, 1, &digest);
        let (place, _) = first.create().unwrap().slot_of(path, &evidence(1));
        let file = directory.path().join("cache/cashet").join(NAME);
        let whole = fs::read(&file).unwrap();
        let place = usize::try_from(place).unwrap();
        for byte in place..place + SLOT {
            let mut damaged = whole.clone();
            damaged[byte] ^= 1;
            fs::write(&file, damaged).unwrap();
            assert_eq!(memory(directory.path()).find(path, &evidence(1)), None, "{byte}");
        }
        for rest in [&whole[..place + SLOT - 1], &[], b"nonsense"] {
            fs::write(&file, rest).unwrap();
            let memory = memory(directory.path());
            assert_eq!(memory.find(path, &evidence(1)), None);
            learn(&memory, path, 1, &digest);
            assert_eq!(memory.find(path, &evidence(1)), Some(digest));
        }
    }

    #[test]
    fn what_others_may_write_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (path, digest) = (Path::new("/usr/lib/x"), Digest::of(b"x"));
        learn(&memory(directory.path()), path, 1, &digest);
        let file = directory.path().join("cache/cashet").join(NAME);
        for mode in [0o620, 0o602, 0o644] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(memory(directory.path()).find(path, &evidence(1)), None, "{mode:o}");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(memory(directory.path()).find(path, &evidence(1)), Some(digest));
        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        assert_eq!(memory(directory.path()).find(path, &evidence(1)), None);
        let watched = UserDigests { allowed: || false, ..memory(directory.path()) };
        assert_eq!(watched.find(path, &evidence(1)), None);
    }

    #[test]
    fn its_size_is_bounded_and_the_newest_stay() {
        let directory = tempfile::tempdir().unwrap();
        let memory = memory(directory.path());
        let path = Path::new("/usr/lib/x");
        for inode in 0..2000 {
            learn(&memory, path, inode, &Digest::of(&inode.to_le_bytes()));
        }
        let file = directory.path().join("cache/cashet").join(NAME);
        assert!(fs::metadata(file).unwrap().len() <= BUCKETS * BUCKET as u64);
        let found = (0..2000)
            .filter(|inode| {
                let found = memory.find(path, &evidence(*inode));
                assert!(found.is_none_or(|found| found == Digest::of(&inode.to_le_bytes())));
                found.is_some()
            })
            .count();
        assert!(found > 1990, "{found}");
    }

    #[test]
    fn several_write_at_once_and_nothing_wrong_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = Path::new("/usr/lib/x");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let memory = memory(directory.path());
                    for inode in 0..500 {
                        learn(&memory, path, inode, &Digest::of(&inode.to_le_bytes()));
                        let found = memory.find(path, &evidence(inode));
                        assert!(found.is_none_or(|found| found == Digest::of(&inode.to_le_bytes())));
                    }
                });
            }
        });
    }

    #[test]
    fn without_a_place_nothing_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("cache"), "a file").unwrap();
        let memory = memory(directory.path());
        learn(&memory, Path::new("/usr/lib/x"), 1, &Digest::of(b"x"));
        assert_eq!(memory.find(Path::new("/usr/lib/x"), &evidence(1)), None);
    }
}
