//! What processes ask for, path by path, becomes a [`Trace`]: reads, looks, absences, listings, changes.
//!
//! Every rule works before the call that it is told of goes on: it looks for itself at what the call will find.
//! Knows nothing of system calls, nor of how a process is held.

use super::descriptors::Inherited;
use super::paths::{Found, Named, Physical, Resolver, look, split, upwards};
use super::process::{as_path, to_path};
use super::program::{self, Program};
use crate::exec::watch::Surroundings;
use crate::exec::{Access, Hazard, Trace, Witness};
use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// As many hazards of one kind are told apart.
const HAZARDS_OF_A_KIND: usize = 8;
/// A script may name a script as its interpreter; the kernel goes no deeper.
const MAX_INTERPRETERS: u8 = 5;
/// The clock that stamps files lags behind by at most as many nanoseconds.
const COARSE_CLOCK: i128 = 20_000_000;

/// Devices that decide nothing, or cannot be observed.
const IGNORED_DEVICES: &[&[u8]] =
    &[b"null", b"zero", b"full", b"random", b"urandom", b"ptmx", b"stdin", b"stdout", b"stderr"];

/// Whose a path's content is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Own {
    /// As it was when the run began.
    #[default]
    No,
    /// Changed by the run, on top of what was there.
    Partly,
    /// Of the run's own making, or gone by its doing.
    Wholly,
}

#[derive(Debug, Default)]
struct Entry {
    access: Access,
    own: Own,
    told: bool,
    /// How often it was opened for reading.
    opens: u32,
}

/// How a path changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Made where nothing was, by a call that does another thing where something is.
    Made,
    /// A file opened empty, whether or not it was there: what was there makes no difference.
    Truncated,
    /// A file emptied in place, where it makes a difference that it was there, or which mode it had.
    Emptied,
    /// A file opened for writing with its content.
    Opened,
    /// Attributes, or another name for the same file.
    Altered,
    /// Something else takes its place.
    Replaced,
    /// Removed or moved away.
    Removed,
}

/// Gathers what a run does.
pub(super) struct Observer<'a> {
    witness: &'a mut dyn Witness,
    unobserved: &'a [PathBuf],
    /// The program that a version manager's shim starts in the end; `None` once it was started.
    behind_shim: Option<&'a std::path::Path>,
    entries: HashMap<Vec<u8>, Entry>,
    /// Directories and links of the run's own making or removal: what is below them is its own too.
    own_directories: HashSet<Vec<u8>>,
    resolver: Resolver,
    hazards: Vec<Hazard>,
    programs: Vec<PathBuf>,
    executed: HashSet<Vec<u8>>,
    lost_privileges: bool,
    started: i128,
    pub(super) descriptors: Inherited,
}

impl<'a> Observer<'a> {
    /// Begins to observe a run. With `lost_privileges` a program that gains rights by being started does not.
    pub(super) fn new(
        witness: &'a mut dyn Witness,
        (unobserved, behind_shim): Surroundings<'a>,
        descriptors: Inherited,
        lost_privileges: bool,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self {
            witness,
            unobserved,
            behind_shim,
            entries: HashMap::new(),
            own_directories: HashSet::new(),
            resolver: Resolver::default(),
            hazards: Vec::new(),
            programs: Vec::new(),
            executed: HashSet::new(),
            lost_privileges,
            started: i128::try_from(now).unwrap_or(i128::MAX) - COARSE_CLOCK,
            descriptors,
        }
    }

    /// All that was seen.
    pub(super) fn into_trace(self) -> Trace {
        let reopened = self.entries.iter().filter(|(_, entry)| entry.access.read && entry.opens > 1);
        let reopened = reopened.map(|(path, entry)| (to_path(path.clone()), entry.opens)).collect();
        let seen = self.entries.into_iter().filter(|(_, entry)| entry.access != Access::default());
        let mut hazards = self.hazards;
        hazards.sort();
        Trace {
            accesses: seen.map(|(path, entry)| (to_path(path), entry.access)).collect(),
            reopened,
            hazards,
            stdin: self.descriptors.stdin_use(),
            descriptors: self.descriptors.other_uses(),
            programs: self.programs,
        }
    }

    /// Notes something that breaks the view or reaches outside.
    pub(super) fn hazard(&mut self, hazard: Hazard) {
        let kind = std::mem::discriminant(&hazard);
        let alike = self.hazards.iter().filter(|known| std::mem::discriminant(*known) == kind).count();
        if alike < HAZARDS_OF_A_KIND && !self.hazards.contains(&hazard) {
            self.hazards.push(hazard);
        }
    }

    /// Cleans an absolute path; what stands before a `..` is looked at.
    pub(super) fn clean(&mut self, asked: &[u8]) -> Named {
        let mut crossed = Vec::new();
        let named = self.resolver.clean(asked, &mut crossed);
        for (path, is_link) in crossed {
            if is_link {
                self.look(&Named { path, as_directory: false }, false);
            } else {
                self.look(&Named { path, as_directory: false }, true);
            }
        }
        named
    }

    /// Asked what is at `named`, without opening it.
    pub(super) fn look(&mut self, named: &Named, follow: bool) {
        let follow = follow || named.as_directory;
        let path = &named.path;
        if let Some(Entry { access, own, .. }) = self.entries.get(path) {
            let known = if follow { access.looked } else { access.looked_at_link };
            if known || access.absent || *own == Own::Wholly && !follow {
                return;
            }
        }
        if self.is_ignored(path) {
            return;
        }
        if self.is_own(path) {
            for real in self.behind_own(path, follow) {
                self.look(&Named { path: real, as_directory: named.as_directory }, follow);
            }
            return;
        }
        match look(path, follow) {
            Found::Missing => self.missing(path),
            Found::NotDirectory => self.not_directory(path),
            _ if follow => self.access(path).looked = true,
            _ => self.access(path).looked_at_link = true,
        }
    }

    /// Opens without `O_PATH`. A file that is made has the permission bits `mode`.
    pub(super) fn open(&mut self, named: &Named, flags: i32, mode: u32) {
        if is_terminal(&named.path) {
            return self.open_terminal(&named.path, flags);
        }
        let reads = flags & libc::O_ACCMODE != libc::O_WRONLY;
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0;
        let exclusive = flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0;
        let follow = flags & libc::O_NOFOLLOW == 0 && !exclusive;
        if flags & libc::O_TMPFILE == libc::O_TMPFILE {
            self.look(named, true);
        } else if writes || flags & libc::O_CREAT != 0 {
            self.open_for_writing(named, (flags, mode), reads, writes, follow || named.as_directory);
        } else {
            self.open_for_reading(named, follow || named.as_directory);
        }
    }

    fn open_for_reading(&mut self, named: &Named, follow: bool) {
        let path = &named.path;
        if let Some(Entry { access, opens, .. }) = self.entries.get_mut(path)
            && (access.read || access.listed || access.absent)
        {
            *opens += 1;
            return;
        }
        if self.is_ignored(path) {
            return;
        }
        if self.is_own(path) {
            for real in self.behind_own(path, follow) {
                self.open_for_reading(&Named { path: real, as_directory: named.as_directory }, follow);
            }
            return;
        }
        match look(path, follow) {
            Found::Missing => self.missing(path),
            Found::NotDirectory => self.not_directory(path),
            Found::File(metadata) if self.is_own_by_another_name(path, &metadata) => {}
            Found::File(_) if named.as_directory => self.access(path).looked = true,
            Found::File(_) => {
                self.access(path).read = true;
                self.entries.entry(path.clone()).or_default().opens += 1;
            }
            Found::Directory(metadata) if self.is_own_by_another_name(path, &metadata) => {}
            Found::Directory(_) => {
                self.witness.about_to_list(as_path(path));
                self.access(path).listed = true;
            }
            Found::Link(_) => self.access(path).looked_at_link = true,
            Found::Hidden => self.access(path).looked = true,
            Found::Special(metadata) => self.open_special(path, &metadata, true),
        }
    }

    fn open_for_writing(
        &mut self,
        named: &Named,
        (flags, mode): (i32, u32),
        reads: bool,
        writes: bool,
        follow: bool,
    ) {
        let empties = flags & libc::O_TRUNC != 0;
        let creates = flags & libc::O_CREAT != 0;
        if self.is_ignored(&named.path) {
            return;
        }
        let there = self.resolve(&named.path, follow);
        let Some(there) = there else { return };
        let path = there.path;
        match there.found {
            Found::Missing if !creates => self.missing(&path),
            Found::Missing if empties && flags & libc::O_EXCL == 0 => self.change(&path, How::Truncated),
            Found::Missing => self.change(&path, How::Made),
            _ if flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0 => {
                self.look(&Named { path, as_directory: false }, false);
            }
            Found::File(_) if named.as_directory => self.look(named, true),
            Found::File(_) if !writes => self.open_for_reading(named, follow),
            // One that would be made with the same mode if it were not there leaves the same behind.
            Found::File(there) if empties && creates && there.mode() & 0o7777 == mode => {
                self.change(&path, How::Truncated);
            }
            Found::File(_) if empties => self.change(&path, How::Emptied),
            Found::File(_) => {
                if reads {
                    self.open_for_reading(named, follow);
                    self.open_for_reading(&Named { path: path.clone(), as_directory: false }, false);
                }
                self.change(&path, How::Opened);
            }
            Found::Special(metadata) => self.open_special(&path, &metadata, reads),
            Found::Link(_) => self.look(named, false),
            _ => self.look(named, true),
        }
    }

    /// What is typed at the terminal is standard input, by whichever name it is read.
    fn open_terminal(&mut self, path: &[u8], flags: i32) {
        if flags & libc::O_ACCMODE != libc::O_WRONLY
            && let Found::Special(metadata) = look(path, true)
        {
            self.descriptors.device_opened(path, &metadata);
        }
    }

    /// A FIFO may carry data from and to processes that we do not see. What comes from a device cannot be known.
    fn open_special(&mut self, path: &[u8], metadata: &Metadata, reads: bool) {
        if metadata.mode() & libc::S_IFMT == libc::S_IFCHR && reads {
            self.descriptors.device_opened(path, metadata);
        }
        if metadata.mode() & libc::S_IFMT == libc::S_IFIFO && !self.is_own(path) {
            self.access(path).looked = true;
            if !self.descriptors.is_jobserver(path) {
                let shown = as_path(path).display();
                self.hazard(Hazard::Incomplete(format!("{shown} is a pipe that others can use")));
            }
        } else {
            self.access(path).looked = true;
        }
    }

    /// Executes; `first` is false for what the kernel loads for another file. A relative interpreter is looked
    /// for in `directory`.
    pub(super) fn execute(&mut self, named: &Named, follow: bool, directory: &[u8]) {
        self.leave_shim(&named.path);
        if self.load(named, follow, directory, 0) && self.executed.insert(named.path.clone()) {
            self.programs.push(to_path(named.path.clone()));
        }
    }

    /// Where a version manager's shim starts the real program, what it read to find it is forgotten: that it leads
    /// there is known before the run.
    fn leave_shim(&mut self, path: &[u8]) {
        let real = |path: &std::path::Path| std::fs::canonicalize(path).ok();
        if let Some(behind) = self.behind_shim
            && real(as_path(path)).is_some_and(|started| Some(started) == real(behind))
        {
            self.behind_shim = None;
            let untouched = self.entries.values_mut().filter(|entry| !entry.access.changed);
            untouched.for_each(|entry| (entry.access, entry.opens) = (Access::default(), 0));
            self.programs.clear();
            self.executed.clear();
        }
    }

    fn load(&mut self, named: &Named, follow: bool, directory: &[u8], depth: u8) -> bool {
        let path = &named.path;
        let own = self.is_own(path);
        if !own && self.entries.get(path).is_some_and(|entry| entry.access.executed) {
            return true;
        }
        let metadata = match look(path, follow) {
            Found::File(metadata) if !named.as_directory => metadata,
            _ => {
                self.look(named, follow);
                return false;
            }
        };
        if own {
            for real in self.behind_own(path, follow) {
                self.load(&Named { path: real, as_directory: false }, follow, directory, depth);
            }
        } else if !self.is_ignored(path) && !self.is_own_by_another_name(path, &metadata) {
            let access = self.access(path);
            access.executed = true;
            access.read = true;
        }
        if self.lost_privileges && gains_rights(path, &metadata) {
            self.hazard(Hazard::Privileged(to_path(path.clone())));
        }
        self.load_for(path, directory, depth);
        true
    }

    /// What the kernel loads by itself when `path` is executed.
    fn load_for(&mut self, path: &[u8], directory: &[u8], depth: u8) {
        let loaded = match program::inspect(path) {
            Ok(Program::Script(interpreter)) => interpreter,
            Ok(Program::Native(Some(loader))) => loader,
            Ok(Program::Native(None)) => return,
            Ok(Program::Foreign) => return self.hazard(Hazard::ForeignProgram(to_path(path.to_vec()))),
            Ok(Program::Unknown) if program::others_may_run_it(path) => {
                return self.hazard(Hazard::ForeignProgram(to_path(path.to_vec())));
            }
            Ok(Program::Unknown) => return,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                let shown = as_path(path).display();
                return self.hazard(Hazard::Incomplete(format!("cannot read the program {shown}")));
            }
            Err(_) => return,
        };
        if depth < MAX_INTERPRETERS {
            let asked = if loaded.starts_with(b"/") { loaded } else { [directory, b"/", &loaded].concat() };
            let named = self.clean(&asked);
            self.load(&named, true, directory, depth + 1);
        }
    }

    /// Makes a directory, link, node or socket, which must not be there yet.
    pub(super) fn make(&mut self, named: &Named) {
        if self.is_ignored(&named.path) {
            return;
        }
        let Some(there) = self.resolve(&named.path, false) else { return };
        match there.found {
            Found::Missing => {
                self.change(&there.path, How::Made);
                self.own_directories.insert(there.path);
                self.resolver.forget();
            }
            _ => self.look(&Named { path: there.path, as_directory: false }, false),
        }
    }

    /// Removes a name.
    pub(super) fn remove(&mut self, named: &Named, directory: bool) {
        if self.is_ignored(&named.path) {
            return;
        }
        let Some(there) = self.resolve(&named.path, false) else { return };
        match there.found {
            Found::Missing => self.missing(&there.path),
            Found::Directory(_) if directory => {
                // Only an empty one goes.
                self.open_for_reading(&Named { path: there.path.clone(), as_directory: true }, false);
                if is_empty(&there.path) {
                    self.gone(there.path);
                }
            }
            Found::Directory(_) => self.look(&Named { path: there.path, as_directory: false }, false),
            _ if directory => self.look(&Named { path: there.path, as_directory: false }, false),
            _ => self.gone(there.path),
        }
    }

    fn gone(&mut self, path: Vec<u8>) {
        self.change(&path, How::Removed);
        self.own_directories.insert(path);
        self.resolver.forget();
    }

    /// Moves, or exchanges, or moves only where nothing is.
    pub(super) fn rename(&mut self, from: &Named, to: &Named, exchange: bool, no_replace: bool) {
        if self.is_ignored(&from.path) && self.is_ignored(&to.path) {
            return;
        }
        let Some(old) = self.resolve(&from.path, false) else { return };
        if matches!(old.found, Found::Missing) {
            return self.missing(&old.path);
        }
        let Some(new) = self.resolve(&to.path, false) else { return };
        let missing = matches!(new.found, Found::Missing);
        if exchange && missing {
            return self.missing(&new.path);
        }
        if no_replace && !missing {
            self.look(&Named { path: old.path, as_directory: false }, false);
            return self.look(&Named { path: new.path, as_directory: false }, false);
        }
        if matches!(new.found, Found::Directory(_)) {
            // Only an empty directory is replaced.
            self.open_for_reading(&Named { path: new.path.clone(), as_directory: true }, false);
        }
        self.change(&old.path, if exchange { How::Replaced } else { How::Removed });
        self.change(&new.path, if missing { How::Made } else { How::Replaced });
        self.own_directories.insert(old.path);
        self.own_directories.insert(new.path);
        self.resolver.forget();
    }

    /// Makes another name for a file.
    pub(super) fn link(&mut self, from: &Named, to: &Named, follow: bool) {
        let Some(old) = self.resolve(&from.path, follow) else { return };
        if matches!(old.found, Found::Missing) {
            return self.missing(&old.path);
        }
        let Some(new) = self.resolve(&to.path, false) else { return };
        if matches!(new.found, Found::Missing) {
            self.change(&old.path, How::Altered);
            self.change(&new.path, How::Made);
        } else {
            self.look(&Named { path: old.path, as_directory: false }, false);
            self.look(&Named { path: new.path, as_directory: false }, false);
        }
    }

    /// A new name for a file that had none (`O_TMPFILE`), or whose old name is not known.
    pub(super) fn appear(&mut self, to: &Named) {
        let Some(new) = self.resolve(&to.path, false) else { return };
        if matches!(new.found, Found::Missing) {
            self.change(&new.path, How::Made);
        } else {
            self.look(&Named { path: new.path, as_directory: false }, false);
        }
    }

    /// Changes attributes or size of what is there.
    pub(super) fn alter(&mut self, named: &Named, follow: bool) {
        if self.is_ignored(&named.path) {
            return;
        }
        let Some(there) = self.resolve(&named.path, follow || named.as_directory) else { return };
        match there.found {
            Found::Missing => self.missing(&there.path),
            Found::Special(_) | Found::Hidden => self.look(named, follow),
            _ => self.change(&there.path, How::Altered),
        }
    }

    /// Where a path that is to change leads. `None`, and what stands in the way is noted, if it leads nowhere.
    pub(super) fn resolve(&mut self, path: &[u8], follow: bool) -> Option<Physical> {
        let there = self.resolver.physical(path, follow);
        for link in &there.links {
            self.look(&Named { path: link.clone(), as_directory: false }, false);
        }
        if !there.cut {
            return Some(there);
        }
        match there.found {
            Found::Missing => self.missing(&there.path),
            _ => self.look(&Named { path: there.path, as_directory: false }, true),
        }
        None
    }

    fn change(&mut self, path: &[u8], how: How) {
        if self.is_ignored(path) {
            return;
        }
        let entry = self.entries.entry(path.to_vec()).or_default();
        if !entry.told {
            entry.told = true;
            self.witness.about_to_change(as_path(path));
        }
        let Entry { access, own, .. } = entry;
        if matches!(how, How::Truncated | How::Emptied | How::Opened) && access.read && *own != Own::Wholly {
            access.read_then_changed = true;
        }
        let wholly = *own == Own::Wholly;
        access.made |= !access.changed && matches!(how, How::Made | How::Truncated | How::Emptied);
        // Once it was emptied, another file in its place is not the one that others may know by another name.
        let anew = matches!(how, How::Made | How::Replaced | How::Removed);
        access.kept_on_change |= how != How::Truncated && (anew || !wholly);
        access.changed = true;
        *own = match how {
            How::Opened | How::Altered => (*own).max(Own::Partly),
            _ => Own::Wholly,
        };
    }

    /// Nothing is at `path`; or it is a link that leads nowhere.
    fn missing(&mut self, path: &[u8]) {
        if self.is_ignored(path) || self.is_own(path) {
            return;
        }
        if let Found::Link(_) = look(path, false) {
            let access = self.access(path);
            access.looked = true;
            access.looked_at_link = true;
        } else {
            self.access(path).absent = true;
        }
    }

    /// A name before the last of `path` is no directory: that is what was learned.
    fn not_directory(&mut self, path: &[u8]) {
        let blocking = upwards(path)
            .find(|above| !matches!(look(above, true), Found::NotDirectory | Found::Missing))
            .map(<[u8]>::to_vec);
        if let Some(above) = blocking {
            self.look(&Named { path: above, as_directory: false }, true);
        }
    }

    fn access(&mut self, path: &[u8]) -> &mut Access {
        if !self.entries.contains_key(path) {
            self.witness.about_to_look(as_path(path));
            self.entries.insert(path.to_vec(), Entry::default());
        }
        &mut self.entries.entry(path.to_vec()).or_default().access
    }

    /// Whether what is at `path` is of the run's own making (or gone by its doing).
    pub(super) fn is_own(&self, path: &[u8]) -> bool {
        self.entries.get(path).is_some_and(|entry| entry.own == Own::Wholly)
            || !self.own_directories.is_empty()
                && upwards(path).skip(1).any(|above| self.own_directories.contains(above))
    }

    /// Where a path of the run's own making leads through links to what is not.
    fn behind_own(&mut self, path: &[u8], follow: bool) -> Vec<Vec<u8>> {
        let there = self.resolver.physical(path, follow);
        if there.links.is_empty() {
            return Vec::new();
        }
        for link in &there.links {
            if !self.is_own(link) {
                self.look(&Named { path: link.clone(), as_directory: false }, false);
            }
        }
        if there.path == path || self.is_own(&there.path) { Vec::new() } else { vec![there.path] }
    }

    /// Whether what was found at `path` moved since the run began, and by the run, under its real name.
    fn is_own_by_another_name(&mut self, path: &[u8], metadata: &Metadata) -> bool {
        let changed = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
        if changed < self.started {
            return false;
        }
        let there = self.resolver.physical(path, true);
        there.path != path && self.is_own(&there.path)
    }

    /// Whether `path` is nobody's input or output.
    pub(super) fn is_ignored(&self, path: &[u8]) -> bool {
        if path.starts_with(b"/proc") || path.starts_with(b"/sys") || path.starts_with(b"/dev") {
            let rest = path.get(1..).unwrap_or_default();
            let mut names = rest.splitn(2, |byte| *byte == b'/');
            let (top, below) = (names.next(), names.next());
            match top {
                Some(b"proc" | b"sys") => return true,
                Some(b"dev") => {
                    let below = below.unwrap_or_default();
                    return IGNORED_DEVICES.contains(&below)
                        || below == b"fd"
                        || below.starts_with(b"fd/")
                        || is_terminal(path);
                }
                _ => {}
            }
        }
        let is_below = |directory: &PathBuf| {
            let rest = path.strip_prefix(directory.as_os_str().as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        self.unobserved.iter().any(is_below)
    }
}

fn is_terminal(path: &[u8]) -> bool {
    path == b"/dev/tty" || path.starts_with(b"/dev/pts/")
}

fn is_empty(path: &[u8]) -> bool {
    std::fs::read_dir(as_path(path)).is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether the file gives the process that executes it rights that it did not have.
#[expect(unsafe_code, reason = "extended attributes are not wrapped")]
pub(super) fn gains_rights(path: &[u8], metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    let own = rustix::process::geteuid().as_raw();
    if mode & libc::S_ISUID != 0 && metadata.uid() != own {
        return true;
    }
    let runs_as_group = libc::S_ISGID | libc::S_IXGRP;
    if mode & runs_as_group == runs_as_group && metadata.gid() != rustix::process::getegid().as_raw() {
        return true;
    }
    let Ok(path) = std::ffi::CString::new(path) else { return false };
    // SAFETY: both names end with a zero byte; with no room given only the size is answered.
    let size =
        unsafe { libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), std::ptr::null_mut(), 0) };
    size > 0
}

/// The directory part of a path.
pub(super) fn directory_of(path: &[u8]) -> &[u8] {
    split(path).map_or(b"/", |(directory, _)| directory)
}
