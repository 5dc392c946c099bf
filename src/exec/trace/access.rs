//! What a run did with one path.

/// What a run did with a path before its own first change: whether the earlier state can have affected the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prior {
    /// Nothing.
    #[default]
    Nothing,
    /// It asked whether the path exists and for metadata, and did not read the content.
    Looked,
    /// It opened it for reading, asked whether it may, moved or linked it elsewhere: found or not.
    Consulted,
}

/// How a run changed a path first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstChange {
    /// It did not change it, or removed a path that did not exist.
    #[default]
    None,
    /// Opened and emptied in one call, or emptied before anything else.
    Emptied,
    /// Opened for writing with its content.
    InPlace,
    /// Opened for appending alone.
    Appended,
    /// Attributes, or another name for the same file.
    Altered,
    /// Another file was moved to the path.
    Put,
    /// Created by a call that fails if the path exists.
    Created,
    /// Removed or moved away, or an attempt to remove a path that did not exist.
    Removed,
}

/// The accesses of one path. All `false` means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// A regular file was opened for reading, or executed, or loaded by the kernel for that, before the run
    /// itself had made or truncated it.
    pub read: bool,
    /// A file was executed, or loaded by the kernel for that (interpreter, loader).
    pub executed: bool,
    /// Looked at, following links (`stat`, `access`).
    pub looked: bool,
    /// Looked at without following the last link (`lstat`, `readlink`).
    pub looked_at_link: bool,
    /// A look-up found nothing, and cashet found nothing at that time.
    pub absent: bool,
    /// A directory was opened.
    pub opened: bool,
    /// The entries of a directory were read.
    pub listed: bool,
    /// The run created, wrote, truncated, renamed, linked, removed it, or changed its attributes.
    pub changed: bool,
    /// The first change was to open it with `O_TRUNC`, or to create it where nothing existed: later reads see the run's own
    /// content.
    pub made: bool,
    /// The earlier state affects the result. False only if the first change was to open it with `O_CREAT|O_TRUNC` and without
    /// `O_EXCL`, and the path was absent or had the mode with which it would have been created.
    pub kept_on_change: bool,
    /// The run tried to remove, move or replace it: paths below it are the run's own from then on, even if the call failed.
    pub given_up: bool,
    /// It was read, and afterwards changed in place.
    pub read_then_changed: bool,
    /// Its entries were read by a program that looks there for more than settings and packages with known names.
    pub listed_for_more: bool,
    /// A directory that was opened by another program than the one that runs the function.
    pub listed_by_another: bool,
    /// A directory that the program which runs the function opened in another way than Python's importer does.
    pub listed_by_code: bool,
    /// A directory that such a program opened as the importer does, though it knew it as it was: once, as the search for
    /// installed packages does.
    pub listed_again: bool,
    /// A system table that was opened in another way than by the C library for a look-up.
    pub as_data: bool,
    /// A table of users or groups that a program opened which may have looked up those of its own process.
    pub own_user_looked_up: bool,
    /// Opened by a program that shows modes.
    pub mode_shown: bool,
    /// The rights to read (4), write (2) and execute (1) it that the run asked for by `access`.
    pub rights_asked: u8,
    /// Looked at or opened by a program that shows times.
    pub times_shown: bool,
    /// Kinds of state (see [`super::Nature::keeps`]) that do not belong to a process with one of these accesses.
    pub strangers: u64,
    /// The same for the processes that changed it.
    pub changed_by_strangers: u64,
    /// Looked at by name by a program that may compare modification times.
    pub times_compared: bool,
    /// The use before the first change.
    pub prior: Prior,
    /// The first change.
    pub first_change: FirstChange,
    /// The run tried to create a directory there.
    pub asked_to_make: bool,
    /// A directory that a program created which accepts one that is there (`mkdir -p`).
    pub made_where_missing: bool,
    /// Looked at by a program that would create its output inside an existing directory.
    pub may_be_entered: bool,
    /// Its mode, times or other attributes were set.
    pub altered: bool,
    /// A directory that the run created and then listed.
    pub listed_own: bool,
    /// It was changed again in another way.
    pub changed_otherwise: bool,
    /// After the run had made it, the run added to it, or read it and changed it again.
    pub reworked: bool,
    /// After the run had made it, the run appended to it.
    pub added_to: bool,
    /// A thread other than the one that first changed it had looked at it, or for it.
    pub looked_by_another: bool,
    /// Before its first change, a program looked at it, or asked to create it, that may leave what it finds as it is.
    pub may_be_left: bool,
    /// Nothing was there, the run looked for it, and then asked to remove it.
    pub tested_then_removed: bool,
    /// The same, where only programs looked for it that may leave what they find.
    pub tested_by_those_alone: bool,
    /// It was read, executed or looked at after its first change was to append to it.
    pub used_after_appending: bool,
    /// It was opened for appending by a program that is not an interpreter, and may have asked for its offset.
    pub appended_by_programs: bool,
    /// The programs that had listed its directory before the first change.
    pub listed_around: Listers,
}

impl Access {
    /// Merges accesses of the same path by another name.
    pub fn merge(&mut self, other: Self) {
        self.read |= other.read;
        self.executed |= other.executed;
        self.looked |= other.looked;
        self.looked_at_link |= other.looked_at_link;
        self.absent |= other.absent;
        self.opened |= other.opened;
        self.listed |= other.listed;
        self.changed |= other.changed;
        self.made |= other.made;
        self.kept_on_change |= other.kept_on_change;
        self.given_up |= other.given_up;
        self.read_then_changed |= other.read_then_changed;
        self.listed_for_more |= other.listed_for_more;
        self.listed_by_another |= other.listed_by_another;
        self.listed_by_code |= other.listed_by_code;
        self.listed_again |= other.listed_again;
        self.as_data |= other.as_data;
        self.own_user_looked_up |= other.own_user_looked_up;
        self.mode_shown |= other.mode_shown;
        self.times_shown |= other.times_shown;
        self.rights_asked |= other.rights_asked;
        self.strangers |= other.strangers;
        self.changed_by_strangers |= other.changed_by_strangers;
        self.times_compared |= other.times_compared;
        self.prior = self.prior.max(other.prior);
        if self.first_change == FirstChange::None {
            self.first_change = other.first_change;
        }
        self.asked_to_make |= other.asked_to_make;
        self.made_where_missing |= other.made_where_missing;
        self.may_be_entered |= other.may_be_entered;
        self.altered |= other.altered;
        self.listed_own |= other.listed_own;
        self.changed_otherwise |= other.changed_otherwise;
        self.reworked |= other.reworked;
        self.added_to |= other.added_to;
        self.looked_by_another |= other.looked_by_another;
        self.tested_by_those_alone = match (self.tested_then_removed, other.tested_then_removed) {
            (true, true) => self.tested_by_those_alone && other.tested_by_those_alone,
            _ => self.tested_by_those_alone || other.tested_by_those_alone,
        };
        self.tested_then_removed |= other.tested_then_removed;
        self.may_be_left |= other.may_be_left;
        self.used_after_appending |= other.used_after_appending;
        self.appended_by_programs |= other.appended_by_programs;
        self.listed_around.merge(other.listed_around);
    }
}

/// Which programs listed a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listers {
    /// A shell.
    pub shells: bool,
    /// Another interpreter.
    pub interpreters: bool,
    /// make, which asks by a listing what exists.
    pub makes: bool,
    /// Another program.
    pub others: bool,
    /// Tools that never take for input what they made, one bit each ([`super::Nature::builder`]). They do not count above.
    pub builders: u64,
}

impl Listers {
    /// Merges with `other`.
    pub fn merge(&mut self, more: Self) {
        self.shells |= more.shells;
        self.interpreters |= more.interpreters;
        self.makes |= more.makes;
        self.others |= more.others;
        self.builders |= more.builders;
    }

    /// The bit of a tool in `builders`.
    #[must_use]
    pub fn bit(builder: Option<u8>) -> u64 {
        builder.map_or(0, |number| 1 << (number & 63))
    }

    /// The same as it concerns what the tool `builder` makes: the other tools count as interpreters or as programs.
    #[must_use]
    pub fn around_product_of(self, builder: Option<u8>) -> Self {
        let own = self.builders & Self::bit(builder);
        let others = self.builders != own;
        Self {
            interpreters: self.interpreters || others,
            others: self.others || others,
            builders: own,
            ..self
        }
    }
}
