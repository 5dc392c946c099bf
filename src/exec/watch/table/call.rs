//! What a system call means, with the places of its arguments.

/// Which of its six arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec::watch) enum Argument {
    A0,
    A1,
    A2,
    A3,
    A4,
}

/// Whether a last symbolic link is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec::watch) enum Follow {
    /// It is.
    Always,
    /// It is not.
    Never,
    /// Unless `AT_SYMLINK_NOFOLLOW` is in this argument.
    Unless(Argument),
    /// Only if `AT_SYMLINK_FOLLOW` is in this argument.
    Only(Argument),
}

/// Where a call names a path: the directory's descriptor, if it has one, and the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec::watch) struct At {
    pub(in crate::exec::watch) directory: Option<Argument>,
    pub(in crate::exec::watch) text: Argument,
}

/// What a call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec::watch) enum Call {
    /// Opens; with the flags and the mode.
    Open(At, Argument, Argument),
    /// `creat`; with the mode.
    Create(At, Argument),
    /// `openat2`; with the structure.
    OpenHow(At, Argument),
    /// `open_tree`.
    OpenTree(At, Argument),
    /// `open_by_handle_at`.
    OpenHandle,
    /// Asks for something.
    Look(At, Follow),
    /// Reads the text of a link into a buffer of this size.
    LinkText(At, Argument),
    /// Makes a directory the working directory.
    Enter(At),
    /// Makes the directory behind a descriptor the working directory.
    EnterOpen(Argument),
    /// Executes; the flags, if it has any, may contain `AT_EMPTY_PATH` and `AT_SYMLINK_NOFOLLOW`.
    Execute(At, Option<Argument>),
    /// Moves; with flags, if it has any.
    Move(At, At, Option<Argument>),
    /// Removes a name that is not a directory, or one if `AT_REMOVEDIR` is in the flags.
    Remove(At, Option<Argument>),
    /// Removes a directory.
    RemoveDirectory(At),
    /// Makes something that must not be there yet.
    Make(At),
    /// Makes a directory; with the mode.
    MakeDirectory(At, Argument),
    /// Asks for access rights to a path; with the mode.
    MayUse(At, Argument),
    /// Asks for access rights to a path; with the mode and flags.
    MayUseBy(At, Argument, Argument),
    /// Cuts a file to a size, by its descriptor.
    Cut(Argument, Argument),
    /// Makes another name.
    Link(At, At, Follow),
    /// Changes attributes of what is there.
    Alter(At, Follow),
    /// Sets the permission bits of a path.
    SetMode(At, Follow, Argument),
    /// Sets the permission bits of the file behind a descriptor.
    SetModeOpen(Argument, Argument),
    /// Sets the umask, and asks for it.
    Umask,
    /// Changes the size of the file at a path.
    Resize(At),
    /// Changes attributes of the file behind a descriptor.
    AlterOpen(Argument),
    /// Changes the owner of a path: user and group.
    Own(At, Follow, Argument, Argument),
    /// Changes the owner of the file behind a descriptor.
    OwnOpen(Argument, Argument, Argument),
    /// `utimensat`, whose path may be null.
    Times(At, Follow),
    /// Reads the entries of the directory behind a descriptor.
    List(Argument),
    /// Reads, maps or moves on from a descriptor.
    Read(Argument),
    /// Writes to a descriptor.
    Write(Argument),
    /// Moves data from the one descriptor to the other.
    Transfer(Argument, Argument),
    /// Asks for kind and size of the file behind a descriptor.
    Ask(Argument),
    /// Asks for the offset of a descriptor.
    AskPlace(Argument),
    /// Asks which of some descriptors (array, count) are readable.
    Poll(Argument, Argument),
    /// Asks which descriptors of a set are readable.
    Select(Argument),
    /// Asks whether one descriptor is readable.
    PollOne(Argument),
    /// Looks at a path, or with `AT_EMPTY_PATH` at the file behind a descriptor.
    LookOrAsk(At, Argument),
    /// Duplicates a descriptor to the lowest free number.
    Duplicate,
    /// Duplicates a descriptor to a given number.
    DuplicateTo,
    /// `fcntl` that duplicates.
    DuplicateFrom,
    /// A process ends.
    End,
    /// `connect`.
    Connect,
    /// `bind`.
    Bind,
    /// `sendto`.
    SendTo,
    /// `sendmsg`.
    SendMessage,
    /// `sendmmsg`.
    SendMessages,
    /// `socket` of an unusual family.
    Socket,
    /// `clone3`, whose flags are in memory.
    Clone,
    /// Changes what paths mean.
    Namespace,
    /// Changes the user; so many first arguments are user numbers.
    BecomeUser(usize),
    /// Reaches objects of the kernel that have no path.
    Shared,
    /// Takes a descriptor from another process.
    TakeDescriptor,
    /// Asks something of a terminal (descriptor, request).
    AskTerminal(Argument, Argument),
    /// Refused in the kernel.
    Refused,
}

impl Call {
    /// Whether the order of the streams may depend on it.
    pub(in crate::exec::watch) const fn may_order(self) -> bool {
        matches!(
            self,
            Self::Write(_)
                | Self::Transfer(..)
                | Self::Duplicate
                | Self::DuplicateTo
                | Self::DuplicateFrom
                | Self::End
        )
    }
}
