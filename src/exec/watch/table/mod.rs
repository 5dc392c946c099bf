//! The system calls that are watched: their numbers, when the kernel hands them to us, and what they mean.
//!
//! Data only. Knows nothing about how a call is stopped or observed.

mod call;
mod trap;

pub(super) use call::{Argument, At, Call, Follow};
pub(super) use trap::{ASK_MODES, ASK_READABLE, ASK_SIZE, ASK_STDIN, EVERYDAY_FAMILIES, SET_MODES, Trap};

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
    each("readlink", 89, NONE, Call::LinkText(path(A0), A2)),
    each("readlinkat", 267, 78, Call::LinkText(at(A0, A1), A3)),
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
    each("fchdir", 81, 50, Call::EnterOpen(A0)),
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
