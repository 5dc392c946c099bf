//! Opening and executing: what is read, listed, loaded.

use super::access::{How, Observer};
use super::ignored::is_terminal;
use super::listings::Lister;
use super::modes::Creating;
use super::paths::{Found, Named};
use super::process::{as_path, to_path};
use super::program::{self, Program};
use super::touches::process_of;
use crate::error::means_absent;
use crate::exec::{FirstChange, Hazard, LooksUp, Prior, Shows};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// How deep the kernel follows scripts whose interpreters are scripts.
const MAX_INTERPRETERS: u8 = 5;

impl Observer<'_> {
    /// Opens without `O_PATH`. A file that is created gets the permission bits of `creating`.
    pub(super) fn open(&mut self, named: &Named, flags: i32, creating: Creating) {
        if is_terminal(&named.path) {
            return self.open_terminal(&named.path, flags);
        }
        self.reads_environment(&named.path);
        self.open_table(&named.path, flags);
        let reads = flags & libc::O_ACCMODE != libc::O_WRONLY;
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0;
        let exclusive = flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0;
        let follow = flags & libc::O_NOFOLLOW == 0 && !exclusive;
        if flags & libc::O_TMPFILE == libc::O_TMPFILE {
            self.look(named, true);
        } else if writes || flags & libc::O_CREAT != 0 {
            self.open_for_writing(named, (flags, creating), reads, writes, follow || named.as_directory);
        } else {
            self.may_be_opened_to_remove(&named.path);
            self.open_for_reading(named, follow || named.as_directory);
        }
    }

    /// Notes how a table of the system is opened. The loader, and the library for users and groups, open theirs with
    /// `O_CLOEXEC`, and the library reads its settings first.
    fn open_table(&mut self, path: &[u8], flags: i32) {
        let is_closed = flags & libc::O_CLOEXEC != 0;
        match path {
            b"/etc/nsswitch.conf" => {
                let process = process_of(self.called_by());
                self.name_services.insert(process);
            }
            b"/etc/ld.so.cache" => self.access(path).as_data |= !is_closed,
            b"/etc/passwd" | b"/etc/group" => {
                let program = self.caller().looks_up;
                let looks_up = is_closed && matches!(program, LooksUp::Own | LooksUp::Owners);
                let looks_up = looks_up && self.name_services.contains(&process_of(self.called_by()));
                let access = self.access(path);
                access.as_data |= !looks_up;
                access.own_user_looked_up |= matches!(program, LooksUp::Own | LooksUp::Anybody);
            }
            _ => {}
        }
    }

    pub(super) fn open_for_reading(&mut self, named: &Named, follow: bool) {
        self.open_to_read(named, follow);
        self.touched(&named.path);
    }

    fn open_to_read(&mut self, named: &Named, follow: bool) {
        let path = &named.path;
        self.opened(path);
        self.appended_is_used(path, follow);
        self.own_is_read(path);
        if self.is_own(path) {
            if self.is_new(path) {
                self.missing_below_new(path);
                return self.is_read(path);
            }
            self.own_is_shown();
            for real in self.behind_own(path, follow) {
                self.open_for_reading(&Named { path: real, as_directory: named.as_directory }, follow);
            }
            return;
        }
        if self.is_ignored(path) {
            return;
        }
        if self.is_opened(path) {
            self.is_read(path);
            return self.shown_open(path);
        }
        let found = self.resolver.look(path, follow);
        if let Found::File(metadata) = &found {
            self.reads_file(path, metadata);
        }
        match &found {
            Found::Missing => self.missing(path),
            Found::NotDirectory => self.not_directory(path),
            Found::File(metadata) if self.is_own_by_another_name(path, metadata) => {
                self.follows(path);
                self.own_is_read_as(path);
            }
            Found::File(_) if named.as_directory => self.access_seen(path, found.seen()).looked = true,
            Found::File(metadata) if self.process_files == Some(metadata.dev()) => {
                // Through a link, which means another process there than here.
                let real = self.resolver.physical(path, follow).path;
                self.reads_environment(&real);
                self.look(&Named { path: path.clone(), as_directory: false }, false);
            }
            Found::File(_) => {
                self.access_seen(path, found.seen()).read = true;
                self.shown_open(path);
            }
            Found::Directory(metadata) if self.is_own_by_another_name(path, metadata) => self.follows(path),
            Found::Directory(_) => {
                let real = self.resolver.physical(path, true).path;
                self.listings.opened(real, path);
                self.access_seen(path, found.seen()).opened = true;
                self.shown_open(path);
            }
            Found::Link => self.access(path).looked_at_link = true,
            Found::Hidden => self.access(path).looked = true,
            Found::Special(metadata) => self.open_special(path, metadata, true),
        }
        self.is_read(path);
    }

    /// `path` is opened for reading, whether or not something is there. Opening a directory counts as a look: its entries have
    /// names of their own.
    fn is_read(&mut self, path: &[u8]) {
        let how = if self.access_known(path).opened { Prior::Looked } else { Prior::Consulted };
        self.used(path, how);
    }

    /// The run asks whether it may read a path that it has looked at.
    pub(super) fn asked_to_read(&mut self, named: &Named) {
        self.appended_is_used(&named.path, true);
        let is_directory = matches!(self.resolver.look(&named.path, true), Found::Directory(_));
        if !is_directory && (!self.is_own(&named.path) || self.is_new(&named.path)) {
            self.used(&named.path, Prior::Consulted);
        }
    }

    /// Asked whether we have these rights on what is at `path`, links followed.
    pub(super) fn asked_for_rights(&mut self, path: &[u8], rights: u8) {
        if self.is_known(path) {
            self.access(path).rights_asked |= rights;
        }
    }

    /// The run can learn mode and times of the open file at `path`, or the entries of a directory, without a call that is
    /// stopped.
    fn shown_open(&mut self, path: &[u8]) {
        let nature = self.caller();
        let is_list = self.access(path).opened;
        let lister = (is_list && nature.is_function).then(|| self.listings.lister(self.called_by(), path));
        let access = self.access(path);
        if access.opened {
            // Such a program asks for its times by name.
            access.listed_by_another |= !nature.is_function;
            access.listed_by_code |= lister == Some(Lister::Code);
            access.listed_again |= lister == Some(Lister::Again);
        } else if access.read {
            access.times_shown |= nature.shows == Shows::Times;
            access.mode_shown |= nature.shows == Shows::Modes;
        }
    }

    fn open_for_writing(
        &mut self,
        named: &Named,
        (flags, creating): (i32, Creating),
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
        let appends = flags & libc::O_APPEND != 0 && !reads;
        let in_place = if appends { FirstChange::Appended } else { FirstChange::InPlace };
        if creates && matches!(there.found, Found::Missing) {
            self.modes.created(&path, creating);
        }
        match there.found {
            Found::Missing if !creates && reads => self.would_be_taken(&path),
            Found::Missing if !creates => self.missing(&path),
            Found::Missing if flags & libc::O_EXCL != 0 => self.change(&path, How::Made),
            Found::Missing if empties => self.change(&path, How::Truncated),
            Found::Missing => self.change_first(&path, How::Made, in_place),
            _ if flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0 => {
                self.look(&Named { path, as_directory: false }, false);
            }
            Found::File(_) if named.as_directory => self.look(named, true),
            Found::File(_) if !writes => self.open_for_reading(named, follow),
            // If the file did not exist, it would be created with the same mode, so the result is the same.
            Found::File(there) if empties && creates && there.mode() & 0o7777 == creating.mode() => {
                self.modes.created_anew(&path, creating);
                self.change(&path, How::Truncated);
            }
            Found::File(_) if empties => {
                if creates {
                    self.modes.kept(&path, creating);
                }
                self.change(&path, How::Emptied);
            }
            Found::File(_) => {
                if creates {
                    self.modes.kept(&path, creating);
                }
                if reads {
                    self.open_for_reading(named, follow);
                    self.open_for_reading(&Named { path: path.clone(), as_directory: false }, false);
                }
                self.change_first(&path, How::Opened, in_place);
            }
            Found::Special(metadata) => self.open_special(&path, &metadata, reads),
            Found::Link => self.look(named, false),
            _ => self.look(named, true),
        }
    }

    /// Typed input is standard input, by whichever name the terminal is opened.
    fn open_terminal(&mut self, path: &[u8], flags: i32) {
        if flags & libc::O_ACCMODE != libc::O_WRONLY
            && let Found::Special(metadata) = self.resolver.look(path, true)
        {
            let waits = flags & libc::O_NONBLOCK == 0;
            // bash opens the terminal in this way at its start, and closes it.
            if waits || !self.caller().is_interpreter {
                self.descriptors.device_opened(path, &metadata, waits);
            }
        }
    }

    /// A FIFO may carry data from and to processes outside of the run. What a device delivers cannot be known.
    fn open_special(&mut self, path: &[u8], metadata: &Metadata, reads: bool) {
        if metadata.mode() & libc::S_IFMT == libc::S_IFCHR && reads {
            self.descriptors.device_opened(path, metadata, true);
            // The kind alone does not distinguish devices.
            self.look_along(&Named { path: path.to_vec(), as_directory: false }, 0);
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

    /// A program is executed. A relative interpreter is looked for in `directory`.
    pub(super) fn execute(&mut self, named: &Named, follow: bool, directory: &[u8]) {
        if self.load(named, follow, directory, 0) {
            self.started(&named.path);
        }
    }

    fn load(&mut self, named: &Named, follow: bool, directory: &[u8], depth: u8) -> bool {
        let path = &named.path;
        self.appended_is_used(path, follow);
        let own = self.is_own(path);
        if !own && self.is_executed(path) && (depth > 0 || !self.is_in_shim()) {
            return true;
        }
        let metadata = match self.resolver.look(path, follow) {
            Found::File(metadata) if !named.as_directory => metadata,
            _ => {
                self.look(named, follow);
                return false;
            }
        };
        if depth == 0 {
            self.leave_shim(path, &metadata);
            self.look_along(&Named { path: path.clone(), as_directory: false }, 0);
        }
        if own || self.is_changed(path) {
            self.own_is_executed(path);
        }
        if own {
            for real in self.behind_own(path, follow) {
                self.load(&Named { path: real, as_directory: false }, follow, directory, depth);
            }
        } else if !self.is_ignored(path) && !self.is_own_by_another_name(path, &metadata) {
            let access = self.access(path);
            access.executed = true;
            access.read = true;
            self.used(path, Prior::Consulted);
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
            Ok(Program::Foreign) => return self.hazard(Hazard::ForeignProgram(to_path(path.to_vec()))),
            Ok(Program::Unknown) if program::others_may_run_it(path) => {
                return self.hazard(Hazard::ForeignProgram(to_path(path.to_vec())));
            }
            Err(error) if !means_absent(&error) => {
                let shown = as_path(path).display();
                return self.hazard(Hazard::Incomplete(format!("cannot read the program {shown}")));
            }
            Ok(Program::Native(None) | Program::Unknown) | Err(_) => return,
        };
        if depth < MAX_INTERPRETERS {
            let asked = if loaded.starts_with(b"/") { loaded } else { [directory, b"/", &loaded].concat() };
            let named = self.clean(&asked);
            self.load(&named, true, directory, depth + 1);
        }
    }
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
