//! Which system calls are watched: their numbers, when the kernel hands them to us, and what they mean.
//!
//! Data only. Nothing here knows how a call is stopped or what is done with what it says.

use super::filter::Numbers;
use Argument::{A0, A1, A2, A3, A4};
use Follow::{Always, Never, Only, Unless};

/// A number that a call does not have on an architecture.
pub(super) const NONE: u32 = u32::MAX;

/// The `CLONE_NEW*` flags, `CLONE_NEWTIME` (which shares its bit with a signal number) excepted.
pub(super) const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET)
    .cast_unsigned();

/// `CLONE_NEWTIME`, which only `unshare`, `setns` and `clone3` know.
pub(super) const NEW_TIME: u32 = 0x80;

/// `TIOCGWINSZ`, the same number on both architectures.
pub(super) const ASK_SIZE: u32 = 0x5413;

/// `TCGETS`, which tells a terminal from anything else, `FIONREAD`, and `TCGETS2`; the same on both architectures.
pub(super) const ASK_STDIN: [u32; 3] = [0x5401, ASK_READABLE, 0x802c_542a];

/// `FIONREAD`: how much can be read.
pub(super) const ASK_READABLE: u32 = 0x541b;

/// `TCGETS` and `TCGETS2`.
pub(super) const ASK_MODES: [u32; 2] = [0x5401, 0x802c_542a];

/// `TCSETS`, `TCSETSW`, `TCSETSF` and the same for `TCSETS2`, which change what a terminal does; the same on both architectures.
pub(super) const SET_MODES: [u32; 6] = [0x5402, 0x5403, 0x5404, 0x402c_542b, 0x402c_542c, 0x402c_542d];

/// The families of sockets whose addresses tell all.
pub(super) const EVERYDAY_FAMILIES: [u32; 4] = [
    libc::AF_UNIX.cast_unsigned(),
    libc::AF_INET.cast_unsigned(),
    libc::AF_INET6.cast_unsigned(),
    libc::AF_NETLINK.cast_unsigned(),
];

/// Which of its six arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    A0,
    A1,
    A2,
    A3,
    A4,
}

/// When the kernel hands a call to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trap {
    /// Every time.
    Each,
    /// If this descriptor number may be an inherited one.
    Read(Argument),
    /// If one of these two descriptor numbers may be an inherited one.
    Either(Argument, Argument),
    /// If this descriptor number may be an inherited one, and something is written to it.
    Write(Argument),
    /// If this descriptor number may be that of an inherited regular file.
    Ask(Argument),
    /// If this descriptor number may be that of an inherited regular file or of standard input.
    Kind(Argument),
    /// If this descriptor number is that of standard input.
    Stdin(Argument),
    /// If it is not zero, and standard input is inherited.
    SetWithStdin(Argument),
    /// If this descriptor number may be an inherited one, or stderr.
    Copy(Argument),
    /// As that, or if this other number may be that of stdout or stderr.
    CopyTo(Argument, Argument),
    /// If the order of the streams is wanted.
    End,
    /// `mmap` of a descriptor that may be an inherited one.
    Map,
    /// `fcntl` that duplicates what may be an inherited descriptor.
    Duplicate,
    /// Unless it looks at an open descriptor: the descriptor, the flags with `AT_EMPTY_PATH`.
    UnlessEmpty(Argument, Argument),
    /// If any of these bits is set.
    Bits(Argument, u32),
    /// If it is not zero.
    Set(Argument),
    /// `ioctl` that asks for the size of a terminal, or what standard input is.
    Terminal,
    /// `socket` of another than the everyday families.
    Family,
    /// Never: the call is answered with `ENOSYS`.
    Refuse,
}

impl Trap {
    /// Whether a call with these arguments is one that the kernel hands to us.
    pub(super) fn applies(self, arguments: &[u64; 6], numbers: &Numbers) -> bool {
        let long = |which: Argument| arguments.get(which as usize).copied().unwrap_or(0);
        let low = |which| (long(which) & 0xffff_ffff) as u32;
        let [empty, anonymous] = [libc::AT_EMPTY_PATH, libc::MAP_ANONYMOUS].map(i32::cast_unsigned);
        match self {
            Self::Each | Self::Refuse => true,
            Self::End => !numbers.stderr.is_empty(),
            Self::Read(fd) => numbers.read.contains(&low(fd)),
            Self::Either(from, to) => {
                numbers.read.contains(&low(from)) || numbers.copied().contains(&low(to))
            }
            Self::Write(fd) => numbers.written().contains(&low(fd)),
            Self::Copy(fd) => numbers.copied().contains(&low(fd)),
            Self::CopyTo(from, to) => {
                numbers.copied().contains(&low(from)) || numbers.replaced().contains(&low(to))
            }
            Self::Ask(fd) => numbers.ask.contains(&low(fd)),
            Self::Kind(fd) => numbers.kind.contains(&low(fd)),
            Self::Stdin(fd) => numbers.stdin.contains(&low(fd)),
            Self::SetWithStdin(which) => !numbers.stdin.is_empty() && long(which) != 0,
            Self::Map => low(A3) & anonymous == 0 && numbers.read.contains(&low(A4)),
            Self::Duplicate => {
                let command = low(A1).cast_signed();
                let duplicates = command == libc::F_DUPFD || command == libc::F_DUPFD_CLOEXEC;
                duplicates && numbers.copied().contains(&low(A0))
            }
            Self::UnlessEmpty(fd, flags) => {
                low(flags) & empty == 0 || low(fd).cast_signed() < 0 || numbers.kind.contains(&low(fd))
            }
            Self::Bits(which, bits) => low(which) & bits != 0,
            Self::Set(which) => long(which) != 0,
            Self::Terminal => {
                let asks_stdin = ASK_STDIN.contains(&low(A1)) && numbers.stdin.contains(&low(A0));
                let asks = numbers.has_terminal && ASK_MODES.contains(&low(A1)) && [1, 2].contains(&low(A0));
                let sets = asks || numbers.has_terminal && SET_MODES.contains(&low(A1));
                low(A1) == ASK_SIZE || asks_stdin || sets
            }
            Self::Family => !EVERYDAY_FAMILIES.contains(&low(A0)),
        }
    }
}

/// Whether a last symbolic link is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
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
pub(super) struct At {
    pub(super) directory: Option<Argument>,
    pub(super) text: Argument,
}

/// What a call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
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
    /// Makes a directory the working directory.
    Enter(At),
    /// As that, by a descriptor.
    EnterOpen,
    /// Executes; with `AT_EMPTY_PATH` and `AT_SYMLINK_NOFOLLOW` in the flags, if it has any.
    Execute(At, Option<Argument>),
    /// Moves; with flags, if it has any.
    Move(At, At, Option<Argument>),
    /// Removes a name that is no directory, or one if `AT_REMOVEDIR` is in the flags.
    Remove(At, Option<Argument>),
    /// Removes a directory.
    RemoveDirectory(At),
    /// Makes something that must not be there yet.
    Make(At),
    /// Makes a directory; with the mode.
    MakeDirectory(At, Argument),
    /// Asks whether something may be used; with the mode.
    MayUse(At, Argument),
    /// As that, with flags.
    MayUseBy(At, Argument, Argument),
    /// Cuts a file to a size, by its descriptor.
    Cut(Argument, Argument),
    /// Makes another name.
    Link(At, At, Follow),
    /// Changes attributes of what is there.
    Alter(At, Follow),
    /// Sets the permission bits of what is there.
    SetMode(At, Follow, Argument),
    /// As that, of what a descriptor stands for.
    SetModeOpen(Argument, Argument),
    /// Sets the umask, and asks for it.
    Umask,
    /// Changes the size of what is there.
    Resize(At),
    /// Changes attributes of what a descriptor stands for.
    AlterOpen(Argument),
    /// Changes to whom something belongs: the user, the group.
    Own(At, Follow, Argument, Argument),
    /// As that, of what a descriptor stands for.
    OwnOpen(Argument, Argument, Argument),
    /// `utimensat`, whose path may be null.
    Times(At, Follow),
    /// Reads the entries of the directory that a descriptor stands for.
    List(Argument),
    /// Reads, maps or moves on from a descriptor.
    Read(Argument),
    /// Writes to a descriptor.
    Write(Argument),
    /// Moves data from the one descriptor to the other.
    Transfer(Argument, Argument),
    /// Asks kind and size of a descriptor.
    Ask(Argument),
    /// Asks its offset.
    AskPlace(Argument),
    /// Asks which of some descriptors (array, number) something can be read from.
    Poll(Argument, Argument),
    /// As that, by a set of numbers.
    Select(Argument),
    /// As that, of one descriptor.
    PollOne(Argument),
    /// Asks for something, or for size and place of an open descriptor.
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
    /// Becomes the users that its first arguments say, as many.
    BecomeUser(usize),
    /// Reaches objects that have no path.
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
    pub(super) const fn may_order(self) -> bool {
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

/// One system call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) x86_64: u32,
    pub(super) aarch64: u32,
    pub(super) trap: Trap,
    pub(super) call: Call,
}

impl Row {
    /// Its number on this architecture, if it has one.
    pub(super) const fn number(&self) -> Option<u32> {
        let number = if cfg!(target_arch = "x86_64") {
            self.x86_64
        } else if cfg!(target_arch = "aarch64") {
            self.aarch64
        } else {
            NONE
        };
        if number == NONE { None } else { Some(number) }
    }
}

/// The call with this number on this architecture.
pub(super) fn find(number: u32) -> Option<&'static Row> {
    use std::sync::LazyLock;
    static BY_NUMBER: LazyLock<Vec<Option<&'static Row>>> = LazyLock::new(|| {
        let mut rows = vec![None; 512];
        for row in ROWS {
            let index = row.number().and_then(|number| usize::try_from(number).ok());
            if let Some(slot) = index.and_then(|index| rows.get_mut(index)) {
                *slot = Some(row);
            }
        }
        rows
    });
    BY_NUMBER.get(usize::try_from(number).ok()?).copied().flatten()
}

const fn path(text: Argument) -> At {
    At { directory: None, text }
}

const fn at(directory: Argument, text: Argument) -> At {
    At { directory: Some(directory), text }
}

const fn row(name: &'static str, x86_64: u32, aarch64: u32, trap: Trap, call: Call) -> Row {
    Row { name, x86_64, aarch64, trap, call }
}

/// A call that is always seen.
const fn each(name: &'static str, x86_64: u32, aarch64: u32, call: Call) -> Row {
    row(name, x86_64, aarch64, Trap::Each, call)
}

/// Every watched call.
pub(super) const ROWS: &[Row] = &[
    // Opening.
    each("open", 2, NONE, Call::Open(path(A0), A1, A2)),
    each("openat", 257, 56, Call::Open(at(A0, A1), A2, A3)),
    each("creat", 85, NONE, Call::Create(path(A0), A1)),
    each("openat2", 437, 437, Call::OpenHow(at(A0, A1), A2)),
    each("open_tree", 428, 428, Call::OpenTree(at(A0, A1), A2)),
    each("open_tree_attr", 467, 467, Call::OpenTree(at(A0, A1), A2)),
    each("open_by_handle_at", 304, 265, Call::OpenHandle),
    // Looking.
    each("stat", 4, NONE, Call::Look(path(A0), Always)),
    each("lstat", 6, NONE, Call::Look(path(A0), Never)),
    row("newfstatat", 262, 79, Trap::UnlessEmpty(A0, A3), Call::LookOrAsk(at(A0, A1), A3)),
    row("statx", 332, 291, Trap::UnlessEmpty(A0, A2), Call::LookOrAsk(at(A0, A1), A2)),
    each("access", 21, NONE, Call::MayUse(path(A0), A1)),
    each("faccessat", 269, 48, Call::MayUse(at(A0, A1), A2)),
    each("faccessat2", 439, 439, Call::MayUseBy(at(A0, A1), A2, A3)),
    each("readlink", 89, NONE, Call::Look(path(A0), Never)),
    each("readlinkat", 267, 78, Call::Look(at(A0, A1), Never)),
    each("statfs", 137, 43, Call::Look(path(A0), Always)),
    each("getxattr", 191, 8, Call::Look(path(A0), Always)),
    each("lgetxattr", 192, 9, Call::Look(path(A0), Never)),
    each("listxattr", 194, 11, Call::Look(path(A0), Always)),
    each("llistxattr", 195, 12, Call::Look(path(A0), Never)),
    each("getxattrat", 464, 464, Call::LookOrAsk(at(A0, A1), A2)),
    each("listxattrat", 465, 465, Call::LookOrAsk(at(A0, A1), A2)),
    each("file_getattr", 468, 468, Call::LookOrAsk(at(A0, A1), A4)),
    each("name_to_handle_at", 303, 264, Call::Look(at(A0, A1), Only(A4))),
    each("inotify_add_watch", 254, 27, Call::Look(path(A1), Always)),
    each("chdir", 80, 49, Call::Enter(path(A0))),
    each("fchdir", 81, 50, Call::EnterOpen),
    each("getdents", 78, NONE, Call::List(A0)),
    each("getdents64", 217, 61, Call::List(A0)),
    // Running.
    each("execve", 59, 221, Call::Execute(path(A0), None)),
    each("execveat", 322, 281, Call::Execute(at(A0, A1), Some(A4))),
    // Changing.
    each("rename", 82, NONE, Call::Move(path(A0), path(A1), None)),
    each("renameat", 264, 38, Call::Move(at(A0, A1), at(A2, A3), None)),
    each("renameat2", 316, 276, Call::Move(at(A0, A1), at(A2, A3), Some(A4))),
    each("unlink", 87, NONE, Call::Remove(path(A0), None)),
    each("unlinkat", 263, 35, Call::Remove(at(A0, A1), Some(A2))),
    each("rmdir", 84, NONE, Call::RemoveDirectory(path(A0))),
    each("mkdir", 83, NONE, Call::MakeDirectory(path(A0), A1)),
    each("mkdirat", 258, 34, Call::MakeDirectory(at(A0, A1), A2)),
    each("link", 86, NONE, Call::Link(path(A0), path(A1), Never)),
    each("linkat", 265, 37, Call::Link(at(A0, A1), at(A2, A3), Only(A4))),
    each("symlink", 88, NONE, Call::Make(path(A1))),
    each("symlinkat", 266, 36, Call::Make(at(A1, A2))),
    each("mknod", 133, NONE, Call::Make(path(A0))),
    each("mknodat", 259, 33, Call::Make(at(A0, A1))),
    each("truncate", 76, 45, Call::Resize(path(A0))),
    each("chmod", 90, NONE, Call::SetMode(path(A0), Always, A1)),
    each("fchmod", 91, 52, Call::SetModeOpen(A0, A1)),
    each("fchmodat", 268, 53, Call::SetMode(at(A0, A1), Always, A2)),
    each("fchmodat2", 452, 452, Call::SetMode(at(A0, A1), Unless(A3), A2)),
    each("umask", 95, 166, Call::Umask),
    each("chown", 92, NONE, Call::Own(path(A0), Always, A1, A2)),
    each("fchown", 93, 55, Call::OwnOpen(A0, A1, A2)),
    each("lchown", 94, NONE, Call::Own(path(A0), Never, A1, A2)),
    each("fchownat", 260, 54, Call::Own(at(A0, A1), Unless(A4), A2, A3)),
    each("utime", 132, NONE, Call::Alter(path(A0), Always)),
    each("utimes", 235, NONE, Call::Alter(path(A0), Always)),
    each("futimesat", 261, NONE, Call::Times(at(A0, A1), Always)),
    each("utimensat", 280, 88, Call::Times(at(A0, A1), Unless(A3))),
    each("setxattr", 188, 5, Call::Alter(path(A0), Always)),
    each("lsetxattr", 189, 6, Call::Alter(path(A0), Never)),
    each("fsetxattr", 190, 7, Call::AlterOpen(A0)),
    each("removexattr", 197, 14, Call::Alter(path(A0), Always)),
    each("lremovexattr", 198, 15, Call::Alter(path(A0), Never)),
    each("fremovexattr", 199, 16, Call::AlterOpen(A0)),
    each("setxattrat", 463, 463, Call::Alter(at(A0, A1), Unless(A2))),
    each("removexattrat", 466, 466, Call::Alter(at(A0, A1), Unless(A2))),
    each("file_setattr", 469, 469, Call::Alter(at(A0, A1), Unless(A4))),
    // Inherited descriptors.
    row("read", 0, 63, Trap::Read(A0), Call::Read(A0)),
    row("pread64", 17, 67, Trap::Read(A0), Call::Read(A0)),
    row("readv", 19, 65, Trap::Read(A0), Call::Read(A0)),
    row("preadv", 295, 69, Trap::Read(A0), Call::Read(A0)),
    row("preadv2", 327, 286, Trap::Read(A0), Call::Read(A0)),
    row("recvfrom", 45, 207, Trap::Read(A0), Call::Read(A0)),
    row("recvmsg", 47, 212, Trap::Read(A0), Call::Read(A0)),
    row("recvmmsg", 299, 243, Trap::Read(A0), Call::Read(A0)),
    row("mmap", 9, 222, Trap::Map, Call::Read(A4)),
    row("splice", 275, 76, Trap::Either(A0, A2), Call::Transfer(A0, A2)),
    row("tee", 276, 77, Trap::Either(A0, A1), Call::Transfer(A0, A1)),
    row("sendfile", 40, 71, Trap::Either(A1, A0), Call::Transfer(A1, A0)),
    row("copy_file_range", 326, 285, Trap::Either(A0, A2), Call::Transfer(A0, A2)),
    row("write", 1, 64, Trap::Write(A0), Call::Write(A0)),
    row("pwrite64", 18, 68, Trap::Write(A0), Call::Write(A0)),
    row("writev", 20, 66, Trap::Write(A0), Call::Write(A0)),
    row("pwritev", 296, 70, Trap::Write(A0), Call::Write(A0)),
    row("pwritev2", 328, 287, Trap::Write(A0), Call::Write(A0)),
    row("vmsplice", 278, 75, Trap::Write(A0), Call::Write(A0)),
    each("ftruncate", 77, 46, Call::Cut(A0, A1)),
    row("fallocate", 285, 47, Trap::Write(A0), Call::Write(A0)),
    row("fstat", 5, 80, Trap::Kind(A0), Call::Ask(A0)),
    row("lseek", 8, 62, Trap::Ask(A0), Call::AskPlace(A0)),
    row("poll", 7, NONE, Trap::SetWithStdin(A1), Call::Poll(A0, A1)),
    row("ppoll", 271, 73, Trap::SetWithStdin(A1), Call::Poll(A0, A1)),
    row("select", 23, NONE, Trap::SetWithStdin(A1), Call::Select(A1)),
    row("pselect6", 270, 72, Trap::SetWithStdin(A1), Call::Select(A1)),
    row("epoll_ctl", 233, 21, Trap::Stdin(A2), Call::PollOne(A2)),
    row("dup", 32, 23, Trap::Copy(A0), Call::Duplicate),
    row("dup2", 33, NONE, Trap::CopyTo(A0, A1), Call::DuplicateTo),
    row("dup3", 292, 24, Trap::CopyTo(A0, A1), Call::DuplicateTo),
    row("fcntl", 72, 25, Trap::Duplicate, Call::DuplicateFrom),
    row("exit_group", 231, 94, Trap::End, Call::End),
    row("ioctl", 16, 29, Trap::Terminal, Call::AskTerminal(A0, A1)),
    // Reaching out.
    each("connect", 42, 203, Call::Connect),
    each("bind", 49, 200, Call::Bind),
    row("sendto", 44, 206, Trap::Set(A4), Call::SendTo),
    each("sendmsg", 46, 211, Call::SendMessage),
    each("sendmmsg", 307, 269, Call::SendMessages),
    row("socket", 41, 198, Trap::Family, Call::Socket),
    row("shmget", 29, 194, Trap::Set(A0), Call::Shared),
    row("semget", 64, 190, Trap::Set(A0), Call::Shared),
    row("msgget", 68, 186, Trap::Set(A0), Call::Shared),
    each("mq_open", 240, 180, Call::Shared),
    each("mq_unlink", 241, 181, Call::Shared),
    each("add_key", 248, 217, Call::Shared),
    each("request_key", 249, 218, Call::Shared),
    each("keyctl", 250, 219, Call::Shared),
    each("pidfd_getfd", 438, 438, Call::TakeDescriptor),
    row("io_uring_setup", 425, 425, Trap::Refuse, Call::Refused),
    // Who looks.
    each("setuid", 105, 146, Call::BecomeUser(1)),
    each("setreuid", 113, 145, Call::BecomeUser(2)),
    each("setresuid", 117, 147, Call::BecomeUser(3)),
    each("setfsuid", 122, 151, Call::BecomeUser(1)),
    // What paths mean.
    row("clone", 56, 220, Trap::Bits(A0, NEW_NAMESPACES), Call::Namespace),
    each("clone3", 435, 435, Call::Clone),
    row("unshare", 272, 97, Trap::Bits(A0, NEW_NAMESPACES | NEW_TIME), Call::Namespace),
    each("setns", 308, 268, Call::Namespace),
    each("chroot", 161, 51, Call::Namespace),
    each("pivot_root", 155, 41, Call::Namespace),
    each("mount", 165, 40, Call::Namespace),
    each("umount2", 166, 39, Call::Namespace),
    each("move_mount", 429, 429, Call::Namespace),
    each("fsmount", 432, 432, Call::Namespace),
    each("mount_setattr", 442, 442, Call::Namespace),
];
