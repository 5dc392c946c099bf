//! What processes ask for, path by path, becomes a [`Trace`]: reads, looks, absences, listings, changes.
//!
//! Every rule works before the call that it is told of goes on: it looks for itself at what the call will find.
//! Knows nothing of system calls, nor of how a process is held.

use super::descriptors::Inherited;
use super::images::Images;
use super::listings::Listings;
use super::modes::Modes;
use super::ordering::Ordering;
use super::paths::{Found, Named, Resolver, upwards};
use super::process::{as_path, link, to_path};
use super::touches::{Touches, process_number};
use super::working::Working;
use crate::error::cannot_look;
use crate::exec::watch::Surroundings;
use crate::exec::{
    Access, Askers, DescriptorUse, Executed, Fate, FirstChange, Hazard, Listers, Nature, Prior, Seen, Shows,
    Touched, Trace, Upward, Witness,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// As many hazards of one kind are told apart.
const HAZARDS_OF_A_KIND: usize = 8;
/// The clock that stamps files lags behind by at most as many nanoseconds.
const COARSE_CLOCK: i128 = 20_000_000;

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
}

/// How a path changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
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
    pub(super) unobserved: &'a [PathBuf],
    /// The program that a version manager's shim starts in the end, and which file that was; `None` once it was started.
    behind_shim: Option<(&'a Path, Option<(u64, u64)>)>,
    entries: FxHashMap<Vec<u8>, Entry>,
    touches: Touches,
    images: Images,
    pub(super) working: Working,
    pub(super) listings: Listings,
    /// Directories and links of the run's own making or removal: what is below them is its own too.
    own_directories: FxHashSet<Vec<u8>>,
    /// Who listed which directories, by their real paths.
    listed_by: FxHashMap<Vec<u8>, Listers>,
    /// Files that were opened for appending, by their real paths.
    appended: FxHashSet<Vec<u8>>,
    pub(super) resolver: Resolver,
    hazards: Vec<Hazard>,
    programs: Vec<PathBuf>,
    executed: FxHashSet<Vec<u8>>,
    pub(super) lost_privileges: bool,
    /// The run asked for another owner of something.
    pub(super) owners_set: bool,
    pub(super) modes: Modes,
    pub(super) umask_used: bool,
    own_shown: bool,
    started: i128,
    blind: bool,
    pub(super) moved: bool,
    /// Processes that read the settings of name services.
    pub(super) name_services: FxHashSet<Vec<u8>>,
    environment_read: bool,
    /// Threads that are calls of cashet, what their stores are, and variables that their answers depend on.
    pub(super) nested: FxHashSet<libc::pid_t>,
    pub(super) nested_stores: Vec<PathBuf>,
    pub(super) nested_variables: BTreeSet<Vec<u8>>,
    /// The device of `/proc`.
    pub(super) process_files: Option<u64>,
    upward: FxHashMap<Vec<u8>, (Vec<u8>, bool)>,
    pub(super) descriptors: Inherited,
    pub(super) ordering: Ordering,
    /// The file that the run read while its own output went there.
    own_output: Option<PathBuf>,
}

impl<'a> Observer<'a> {
    /// Begins to observe a run. With `lost_privileges` a program that gains rights by being started does not.
    pub(super) fn new(
        witness: &'a mut dyn Witness,
        surroundings: Surroundings<'a>,
        descriptors: Inherited,
        lost_privileges: bool,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self {
            witness,
            unobserved: surroundings.unobserved,
            behind_shim: surroundings.behind_shim.map(|path| (path, identity(path))),
            entries: FxHashMap::default(),
            touches: Touches::new(surroundings.followed),
            images: Images::new(),
            working: Working::new(),
            listings: Listings::default(),
            own_directories: FxHashSet::default(),
            listed_by: FxHashMap::default(),
            appended: FxHashSet::default(),
            resolver: Resolver::default(),
            hazards: Vec::new(),
            programs: Vec::new(),
            executed: FxHashSet::default(),
            lost_privileges,
            owners_set: false,
            modes: Modes::default(),
            umask_used: false,
            own_shown: false,
            started: i128::try_from(now).unwrap_or(i128::MAX) - COARSE_CLOCK,
            blind: false,
            moved: false,
            name_services: FxHashSet::default(),
            environment_read: false,
            nested: FxHashSet::default(),
            nested_stores: Vec::new(),
            nested_variables: BTreeSet::new(),
            process_files: std::fs::metadata("/proc").ok().map(|found| found.dev()),
            upward: FxHashMap::default(),
            ordering: Ordering::new(surroundings.order.cloned(), descriptors.has_stdin()),
            own_output: None,
            descriptors,
        }
    }

    /// From now on paths may mean another thing, or lead to a file system that the run itself serves: looking at one
    /// might wait for a process that waits for us.
    pub(super) fn close_eyes(&mut self) {
        self.blind = true;
        self.ordering.lost();
    }

    /// Whether nothing is to be looked at any more.
    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    /// All that was seen.
    pub(super) fn into_trace(mut self) -> Trace {
        if self.working.was_moved_by_others() {
            self.hazard(Hazard::Incomplete("a working directory was moved by others".to_owned()));
        }
        if let Some((path, error)) = self.resolver.failed() {
            self.hazard(Hazard::Incomplete(cannot_look(as_path(&path), &error)));
        }
        let stdin = self.descriptors.stdin_use();
        let reads_own = stdin.read && self.ordering.reads_own_output();
        let (touches, images) = self.touches.into_parts();
        let seen = self.entries.into_iter().filter(|(_, entry)| entry.access != Access::default());
        let mut seen: Vec<(Vec<u8>, Entry)> = seen.collect();
        // In the order of paths, which is costly to compare: name by name, so that what separates names comes first.
        let separated = |path: &[u8]| path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect();
        seen.sort_by_cached_key(|(path, _)| -> Vec<u8> { separated(path) });
        let mut hazards = self.hazards;
        hazards.sort();
        Trace {
            accesses: seen.into_iter().map(|(path, entry)| (to_path(path), entry.access)).collect(),
            touches,
            images,
            hazards,
            own_output: self.own_output.or_else(|| reads_own.then(|| PathBuf::from("standard input"))),
            stdin,
            environment_read: self.environment_read,
            nested_variables: self.nested_variables,
            descriptors: self.descriptors.other_uses(),
            programs: self.programs,
            moved: self.moved,
            upward: { self.upward }
                .into_iter()
                .map(|(path, (from, by_dots))| (to_path(path), Upward { from: to_path(from), by_dots }))
                .collect(),
            owners_set: self.owners_set,
            modes: self.modes.into_parts(),
            umask_used: self.umask_used,
            own_shown: self.own_shown,
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
        // A directory that becomes a link, to an equal one even, leads elsewhere.
        for path in crossed {
            self.look(&Named { path, as_directory: false }, false);
        }
        named
    }

    /// `path` was asked for as `asked`, which is not clean, by a name that counts from `base` if there is one.
    pub(super) fn asked_as(&mut self, path: &[u8], asked: &[u8], base: Option<&[u8]>) {
        let up = asked.windows(4).position(|part| part == b"/../");
        let up = up.or_else(|| asked.len().checked_sub(3).filter(|_| asked.ends_with(b"/..")));
        let from = match (up.and_then(|up| asked.get(..up)), base) {
            (Some(from), _) => match self.upward.get(from) {
                Some((from, _)) => (from.clone(), true),
                None => (from.to_vec(), true),
            },
            (None, Some(base)) => match self.upward.get(base) {
                Some(from) => from.clone(),
                None => return,
            },
            (None, None) => return,
        };
        self.upward.entry(path.to_vec()).or_insert(from);
    }

    /// The stopped thread goes to the directory `path`.
    pub(super) fn enters(&mut self, path: &[u8]) {
        let Ok(before) = self.working.of(self.touches.caller) else { return };
        let is_below = path
            .strip_prefix(before.as_slice())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
        if !is_below {
            let from =
                self.upward.get(&before).map_or_else(|| (before, false), |(from, _)| (from.clone(), false));
            self.upward.entry(path.to_vec()).or_insert(from);
        }
    }

    /// The thread `tid` is stopped at a call: what follows is its doing.
    pub(super) fn is_called_by(&mut self, tid: libc::pid_t) {
        self.touches.caller = tid;
        if self.working.called(tid) {
            self.resolver.forget();
        }
    }

    /// The thread that is stopped.
    pub(super) fn called_by(&self) -> libc::pid_t {
        self.touches.caller
    }

    /// Asked what is at `named`, without opening it.
    pub(super) fn look(&mut self, named: &Named, follow: bool) {
        self.look_at(named, follow);
        self.touched(&named.path);
    }

    /// What is at `path` is used: where it was appended to before, that decides.
    pub(super) fn appended_is_used(&mut self, path: &[u8], follow: bool) {
        if self.appended.is_empty() {
            return;
        }
        let real = self.resolver.physical(path, follow).path;
        if self.appended.contains(&real)
            && let Some(entry) = self.entries.get_mut(&real)
        {
            entry.access.used_after_appending = true;
        }
    }

    fn look_at(&mut self, named: &Named, follow: bool) {
        let follow = follow || named.as_directory;
        let path = &named.path;
        self.appended_is_used(path, follow);
        self.touches.note(path, if follow { Touched::Looked } else { Touched::LookedAtLink });
        // Before all else: a link of the run's own making may stand where nothing was.
        if self.is_own(path) {
            self.own_is_shown();
            for real in self.behind_own(path, follow) {
                self.look(&Named { path: real, as_directory: named.as_directory }, follow);
            }
            return;
        }
        let known = self.access_known(path);
        let is_known = if follow { known.looked } else { known.looked_at_link };
        if known.absent || self.is_ignored(path) {
            return;
        }
        if !is_known {
            match self.resolver.look(path, follow) {
                Found::Missing if !follow => return self.nothing_at(path),
                Found::Missing => return self.missing(path),
                Found::NotDirectory => return self.not_directory(path),
                found if follow => self.access_seen(path, found.seen()).looked = true,
                found => self.access_seen(path, found.seen()).looked_at_link = true,
            }
        }
        if !known.times_shown || !known.times_compared {
            let nature = self.caller();
            let compared = nature.compares(path);
            let access = self.access(path);
            access.times_shown |= nature.shows == Shows::Times;
            access.mode_shown |= nature.shows == Shows::Modes;
            access.times_compared |= compared;
            access.may_be_entered |= nature.enters_directories;
        }
        self.used(path, Prior::Looked);
    }

    /// `path` was used so; what was done before its first change is remembered.
    pub(super) fn used(&mut self, path: &[u8], how: Prior) {
        let entry = self.entries.get_mut(path).map(|entry| &mut entry.access);
        if let Some(access) = entry.filter(|access| access.first_change == FirstChange::None) {
            access.prior = access.prior.max(how);
        }
    }

    /// A file or link was to be removed, found or not: from then on what was there makes no difference, unless it was
    /// consulted before.
    pub(super) fn is_to_go(&mut self, path: &[u8]) {
        let around = self.listed_around(path);
        let Some(Entry { access, .. }) = self.entries.get_mut(path) else { return };
        if access.first_change == FirstChange::None && access.prior != Prior::Consulted {
            access.prior = Prior::Nothing;
            access.first_change = FirstChange::Removed;
            access.listed_around = around;
        }
    }

    /// The file at `path` was emptied through a descriptor. Where that came first after opening it, nothing of what was in it
    /// was used.
    pub(super) fn emptied(&mut self, path: &[u8]) {
        if let Some(Entry { access, .. }) = self.entries.get_mut(path)
            && access.first_change == FirstChange::InPlace
        {
            access.first_change = FirstChange::Emptied;
        }
    }

    /// Learns the way to `named` too: which links led there, and that none stands at its last `last` names. A process can
    /// ask for the real path of where it works, or of what it runs, without a call that is seen.
    pub(super) fn look_along(&mut self, named: &Named, last: usize) {
        let there = self.resolver.physical(&named.path, true);
        let at = upwards(&named.path).take(last).map(<[u8]>::to_vec);
        for path in there.links.into_iter().chain(at) {
            self.look(&Named { path, as_directory: false }, false);
        }
    }

    /// What the run itself made is looked at: its owner and mode depend on who runs it, and on the umask.
    pub(super) fn own_is_shown(&mut self) {
        self.own_shown |= self.caller().shows != Shows::Nothing;
    }

    /// What the run itself made or changed at `path` is read, if it did.
    pub(super) fn own_is_read(&mut self, path: &[u8]) {
        if self.is_own(path) || self.is_changed(path) {
            self.own_is_read_as(path);
        }
    }

    /// What the run itself made is read by the name `path`.
    pub(super) fn own_is_read_as(&mut self, path: &[u8]) {
        if self.caller().reads_code {
            self.witness.about_to_read_own(as_path(path), false);
        }
    }

    /// What the run itself made or changed is executed.
    pub(super) fn own_is_executed(&mut self, path: &[u8]) {
        self.witness.about_to_read_own(as_path(path), true);
    }

    /// A program is about to be executed, with these words.
    pub(super) fn about_to_execute(&mut self, program: &[u8], words: &[OsString], directory: &[u8]) {
        let tid = self.touches.caller;
        let descriptors = std::cell::RefCell::new(&mut self.descriptors);
        let is_pipe = |number: i32| {
            let is_one = |target: Vec<u8>| target.starts_with(b"pipe:") || target.starts_with(b"socket:");
            link(tid, &format!("fd/{number}")).is_ok_and(is_one)
                && !descriptors.borrow_mut().is_inherited(tid, number)
        };
        let (program, directory) = (as_path(program), as_path(directory));
        self.witness.about_to_execute(&Executed { program, words, directory, is_pipe: &is_pipe });
    }

    /// Whether what is at `path` was changed by the run.
    pub(super) fn is_changed(&self, path: &[u8]) -> bool {
        self.entries.get(path).is_some_and(|entry| entry.access.changed)
    }

    /// What the program is that the stopped thread runs.
    pub(super) fn caller(&mut self) -> Nature {
        self.images.nature(self.touches.caller, self.witness)
    }

    /// Notes of what is known of `path` that it is the stopped thread that asks for it.
    pub(super) fn touched(&mut self, path: &[u8]) {
        if self.entries.contains_key(path) {
            let nature = self.caller();
            let access = self.access(path);
            access.strangers |= !nature.keeps;
            access.may_be_entered |= nature.enters_directories;
        }
    }

    /// The stopped thread asks something of what its descriptor `number` stands for; `what` says where that is noted.
    pub(super) fn ask(
        &mut self,
        tid: libc::pid_t,
        number: RawFd,
        what: fn(&mut DescriptorUse) -> &mut Askers,
    ) {
        // A call of cashet says what its answer depends on.
        if !self.is_nested(tid) && self.descriptors.is_inherited(tid, number) {
            let by = self.asker();
            self.descriptors.ask(tid, number, by, what);
        }
    }

    /// Whether the thread is one of a call of cashet that has said so.
    fn is_nested(&self, tid: libc::pid_t) -> bool {
        !self.nested.is_empty()
            && (self.nested.contains(&tid)
                || process_number(tid).is_some_and(|process| self.nested.contains(&process)))
    }

    /// The stopped thread waits for what its descriptor `number` stands for.
    pub(super) fn polled(&mut self, tid: libc::pid_t, number: RawFd) {
        if !self.is_nested(tid) {
            self.descriptors.polled(tid, number);
        }
    }

    /// The stopped thread duplicates its descriptor `from` to `to`, or to the lowest free number from `least` on.
    pub(super) fn duplicate(&mut self, tid: libc::pid_t, from: RawFd, to: Option<RawFd>, least: RawFd) {
        if !self.is_nested(tid)
            && self.descriptors.leads_out_of_sight(tid, to, least)
            && self.descriptors.is_inherited(tid, from)
        {
            let by = self.asker();
            self.descriptors.duplicated(tid, from, by);
        }
    }

    fn asker(&mut self) -> Askers {
        let interpreters = self.caller().is_interpreter;
        Askers { interpreters, others: !interpreters }
    }

    /// The stopped thread is about to execute a program.
    pub(super) fn is_to_execute(&mut self) {
        self.nested.remove(&self.touches.caller);
        self.images.executes(self.touches.caller);
    }

    /// Whether the witness wants the command to end.
    pub(super) fn must_end(&self) -> bool {
        self.witness.must_end()
    }

    /// `path`, which is real, changes: the witness is told before the first time.
    pub(super) fn change(&mut self, path: &[u8], how: How) {
        let first = match how {
            How::Truncated | How::Emptied => FirstChange::Emptied,
            How::Opened => FirstChange::InPlace,
            How::Altered => FirstChange::Altered,
            How::Made => FirstChange::Created,
            How::Replaced => FirstChange::Put,
            How::Removed => FirstChange::Removed,
        };
        self.change_first(path, how, first);
    }

    /// As [`Observer::change`], where the kind of the first change is known better.
    pub(super) fn change_first(&mut self, path: &[u8], how: How, first: FirstChange) {
        if self.is_ignored(path) {
            return;
        }
        let Nature { keeps, is_interpreter, .. } = self.caller();
        let strangers = !keeps;
        let around = self.listed_around(path);
        let entry = self.entries.entry(path.to_vec()).or_default();
        entry.access.strangers |= strangers;
        entry.access.changed_by_strangers |= strangers;
        if !entry.told {
            entry.told = true;
            let overwrites = matches!(how, How::Truncated | How::Emptied | How::Opened);
            let fate = if overwrites { Fate::Lost } else { Fate::Kept };
            self.witness.about_to_change(as_path(path), fate);
        }
        let Entry { access, own, .. } = entry;
        if matches!(how, How::Truncated | How::Emptied | How::Opened) && access.read && *own != Own::Wholly {
            access.read_then_changed = true;
        }
        if access.first_change == FirstChange::None {
            access.first_change = first;
            access.listed_around = around;
        } else {
            access.changed_otherwise |= access.first_change != first;
        }
        if first == FirstChange::Appended {
            access.appended_by_programs |= !is_interpreter;
            self.appended.insert(path.to_vec());
        }
        access.altered |= how == How::Altered;
        let wholly = *own == Own::Wholly;
        access.made |= !access.changed && matches!(how, How::Made | How::Truncated | How::Emptied);
        // Once it was emptied, another file in its place is not the one that others may know by another name.
        let anew = matches!(how, How::Made | How::Replaced | How::Removed);
        access.kept_on_change |= how != How::Truncated && (anew || !wholly);
        access.given_up |= matches!(how, How::Replaced | How::Removed);
        access.changed = true;
        *own = match how {
            How::Opened | How::Altered => (*own).max(Own::Partly),
            _ => Own::Wholly,
        };
    }

    /// Who has listed the directory that `path` lies in.
    fn listed_around(&self, path: &[u8]) -> Listers {
        let directory = as_path(path).parent().map(|directory| directory.as_os_str().as_bytes());
        directory.and_then(|directory| self.listed_by.get(directory)).copied().unwrap_or_default()
    }

    /// Nothing is at `path`; or it is a link that leads nowhere.
    pub(super) fn missing(&mut self, path: &[u8]) {
        if self.is_ignored(path) || self.is_own(path) {
            return;
        }
        match self.resolver.look(path, false) {
            Found::Link => {
                let access = self.access(path);
                access.looked = true;
                access.looked_at_link = true;
                self.used(path, Prior::Looked);
            }
            Found::Missing => self.nothing_at(path),
            _ => self.access(path).absent = true,
        }
    }

    /// Nothing is at `path`, which is not of the run's own making; not even a link.
    fn nothing_at(&mut self, path: &[u8]) {
        self.access_seen(path, Seen::Nothing).absent = true;
        self.touched(path);
        self.used(path, Prior::Looked);
    }

    /// A name before the last of `path` is no directory: that is what was learned.
    pub(super) fn not_directory(&mut self, path: &[u8]) {
        let blocking = upwards(path)
            .find(|above| !matches!(self.resolver.look(above, true), Found::NotDirectory | Found::Missing))
            .map(<[u8]>::to_vec);
        if let Some(above) = blocking {
            self.look(&Named { path: above, as_directory: false }, true);
        }
    }

    /// `path` is opened for reading, perhaps not for the first time.
    pub(super) fn opened(&mut self, path: &[u8]) {
        self.touches.note(path, Touched::Opened);
    }

    /// The entries of the directory that is really at `real` are read: it counts by every name by which it was opened.
    pub(super) fn list(&mut self, real: &[u8]) {
        if !self.is_ignored(real) {
            let nature = self.caller();
            let listers = self.listed_by.entry(real.to_vec()).or_default();
            listers.merge(Listers {
                shells: nature.is_shell,
                interpreters: nature.is_interpreter && !nature.is_shell,
                others: !nature.is_interpreter,
            });
        }
        let names = self.listings.names_of(real);
        if names.is_empty() {
            // It came from another process, or was opened under a name that is the run's own.
            return self.list_as(real, true);
        }
        for name in names {
            self.list_as(&name, false);
        }
    }

    fn list_as(&mut self, path: &[u8], is_unexpected: bool) {
        if self.is_ignored(path) {
            return;
        }
        self.touched(path);
        if self.is_own(path) {
            if let Some(entry) = self.entries.get_mut(path) {
                entry.access.listed_own = true;
            }
            return;
        }
        let nature = self.caller();
        let is_function = nature.is_function;
        if !self.entries.get(path).is_some_and(|entry| entry.access.listed) {
            self.witness.about_to_list(as_path(path));
        }
        let access = self.access(path);
        access.listed = true;
        access.listed_by_another |= is_unexpected && !is_function;
        access.listed_by_code |= is_unexpected && is_function;
        self.touched(path);
    }

    /// `directory` is a call's own: what is done there, and was, is nobody's input or output.
    pub(super) fn does_not_count(&mut self, directory: &[u8]) {
        let is_below = |path: &[u8]| {
            path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        self.entries.retain(|path, _| !is_below(path));
        self.nested_stores.push(to_path(directory.to_vec()));
    }

    /// `path` is about to be opened. Where it is the environment that a process was started with, that counts.
    pub(super) fn reads_environment(&mut self, path: &[u8]) {
        self.environment_read |= path.starts_with(b"/proc/") && path.ends_with(b"/environ");
    }

    /// The file `path` is about to be opened for reading: is it one that the run's own output goes to?
    pub(super) fn reads_file(&mut self, path: &[u8], file: &Metadata) {
        if self.ordering.opened(file) && self.own_output.is_none() {
            self.own_output = Some(to_path(path.to_vec()));
        }
    }

    /// Whether a version manager's shim has yet to start the real program.
    pub(super) fn is_in_shim(&self) -> bool {
        self.behind_shim.is_some()
    }

    /// Where a version manager's shim starts the real program, what it read to find it is forgotten: that it leads
    /// there is known before the run. `there` is what `path` leads to.
    pub(super) fn leave_shim(&mut self, path: &[u8], there: &Metadata) {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let Some((behind, identity)) = self.behind_shim else { return };
        // What is not the same file has not the same real path, which takes longer to find out.
        if identity == Some((there.dev(), there.ino()))
            && real(as_path(path)).is_some_and(|started| Some(started) == real(behind))
        {
            self.behind_shim = None;
            let untouched = self.entries.values_mut().filter(|entry| !entry.access.changed);
            untouched.for_each(|entry| entry.access = Access::default());
            self.touches.forget();
            self.programs.clear();
            self.executed.clear();
        }
    }

    /// What is known of `path`, which need not have been asked for.
    pub(super) fn access_known(&self, path: &[u8]) -> Access {
        self.entries.get(path).map(|entry| entry.access).unwrap_or_default()
    }

    /// What is known of `path`.
    pub(super) fn access(&mut self, path: &[u8]) -> &mut Access {
        self.access_seen(path, Seen::Unknown)
    }

    /// As [`Observer::access`], where `path` has just been looked at.
    pub(super) fn access_seen(&mut self, path: &[u8], seen: Seen<'_>) -> &mut Access {
        if !self.entries.contains_key(path) {
            self.witness.about_to_look(as_path(path), seen);
        }
        &mut self.entries.entry(path.to_vec()).or_default().access
    }

    /// What is below `path` from now on is of the run's own making.
    pub(super) fn own_below(&mut self, path: Vec<u8>) {
        if !self.listed_by.is_empty() {
            // What is made there now was in no listing of what was there before.
            self.listed_by.retain(|listed, _| {
                !listed
                    .strip_prefix(path.as_slice())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            });
        }
        self.own_directories.insert(path);
        self.resolver.forget();
        self.working.moves(self.touches.caller);
    }

    /// A program was started.
    pub(super) fn started(&mut self, path: &[u8]) {
        if self.executed.insert(path.to_vec()) {
            self.programs.push(to_path(path.to_vec()));
        }
    }

    /// Whether anything was asked of `path`, by this name.
    pub(super) fn is_known(&self, path: &[u8]) -> bool {
        self.entries.contains_key(path)
    }

    /// Whether what is at `path` was opened for reading, or found absent, already: another time says nothing new.
    pub(super) fn is_opened(&self, path: &[u8]) -> bool {
        let known = self.access_known(path);
        known.read || known.opened || known.absent
    }

    /// Whether what is at `path` was executed already.
    pub(super) fn is_executed(&self, path: &[u8]) -> bool {
        self.entries.get(path).is_some_and(|entry| entry.access.executed)
    }

    /// Whether what is at `path` is of the run's own making (or gone by its doing).
    pub(super) fn is_own(&self, path: &[u8]) -> bool {
        self.entries.get(path).is_some_and(|entry| entry.own == Own::Wholly)
            || !self.own_directories.is_empty()
                && upwards(path).skip(1).any(|above| self.own_directories.contains(above))
    }

    /// Where a path of the run's own making leads through links to what is not.
    pub(super) fn behind_own(&mut self, path: &[u8], follow: bool) -> Vec<Vec<u8>> {
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
    pub(super) fn is_own_by_another_name(&mut self, path: &[u8], metadata: &Metadata) -> bool {
        let changed = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
        if changed < self.started {
            return false;
        }
        let there = self.resolver.physical(path, true);
        there.path != path && self.is_own(&there.path)
    }
}

/// Device and number of the file that `path` leads to.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|there| (there.dev(), there.ino()))
}
