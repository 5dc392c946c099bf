//! System calls of this machine: their names, and the errors that they may return.

use crate::tracer::Call;
use nix::libc::{self, EACCES, EAGAIN, EINTR, EINVAL, EIO, EMFILE, ENOLCK, ENOMEM, ENOSPC, EPERM};

macro_rules! table {
    ($($name:ident: $($error:ident)*;)*) => {
        /// Number, name, and errors of each call that can fail through no fault of its caller.
        const TABLE: &[(i64, &str, &[i32])] = &[$((libc::$name, stringify!($name), &[$($error),*])),*];
    };
}

table! {
    SYS_open: ENOSPC EIO EMFILE EINTR EACCES;
    SYS_openat: ENOSPC EIO EMFILE EINTR EACCES;
    SYS_openat2: EIO EMFILE EINTR EAGAIN;
    SYS_creat: ENOSPC EIO EMFILE EINTR;
    SYS_read: EIO EINTR;
    SYS_pread64: EIO EINTR;
    SYS_readv: EIO EINTR;
    SYS_write: ENOSPC EIO EINTR;
    SYS_pwrite64: ENOSPC EIO EINTR;
    SYS_writev: ENOSPC EIO EINTR;
    SYS_close: EIO EINTR;
    SYS_fsync: EIO ENOSPC;
    SYS_fdatasync: EIO ENOSPC;
    SYS_ftruncate: ENOSPC EIO EINTR;
    SYS_fallocate: ENOSPC EIO EINTR;
    SYS_rename: ENOSPC EIO EACCES;
    SYS_renameat: ENOSPC EIO EACCES;
    SYS_renameat2: ENOSPC EIO EACCES;
    SYS_link: ENOSPC EIO;
    SYS_linkat: ENOSPC EIO;
    SYS_symlink: ENOSPC EIO;
    SYS_symlinkat: ENOSPC EIO;
    SYS_unlink: EIO EACCES;
    SYS_unlinkat: EIO EACCES;
    SYS_rmdir: EIO EACCES;
    SYS_mkdir: ENOSPC EIO EACCES;
    SYS_mkdirat: ENOSPC EIO EACCES;
    SYS_stat: EIO ENOMEM;
    SYS_lstat: EIO ENOMEM;
    SYS_fstat: EIO ENOMEM;
    SYS_newfstatat: EIO ENOMEM;
    SYS_statx: EIO ENOMEM;
    SYS_access: EIO EACCES;
    SYS_faccessat: EIO EACCES;
    SYS_faccessat2: EIO EACCES;
    SYS_readlink: EIO ENOMEM;
    SYS_readlinkat: EIO ENOMEM;
    SYS_getdents64: EIO;
    SYS_getcwd: ENOMEM;
    SYS_statfs: EIO;
    SYS_fstatfs: EIO;
    SYS_lseek: EIO;
    SYS_flock: EINTR ENOLCK;
    SYS_fcntl: ;
    SYS_pipe2: EMFILE;
    SYS_dup: EMFILE;
    SYS_dup3: EMFILE;
    SYS_eventfd2: EMFILE;
    SYS_memfd_create: EMFILE;
    SYS_socketpair: EMFILE;
    SYS_signalfd4: EMFILE;
    SYS_pidfd_open: EMFILE;
    SYS_pidfd_getfd: EMFILE EPERM;
    SYS_clone: EAGAIN;
    SYS_clone3: EAGAIN;
    SYS_fork: EAGAIN;
    SYS_vfork: EAGAIN;
    SYS_seccomp: EINVAL;
    SYS_prctl: EINVAL;
    SYS_ioctl: EINTR EIO;
    SYS_poll: EINTR;
    SYS_ppoll: EINTR;
    SYS_wait4: EINTR;
    SYS_waitid: EINTR;
    SYS_copy_file_range: ENOSPC EIO EINTR;
    SYS_sendfile: EIO EINTR;
    SYS_splice: EIO EINTR;
    SYS_chmod: EIO EPERM;
    SYS_fchmod: EIO EPERM;
    SYS_fchmodat: EIO EPERM;
    SYS_utimensat: EIO EPERM;
    SYS_process_vm_readv: EPERM ENOMEM;
    SYS_getrandom: EINTR;
    SYS_setrlimit: EPERM;
    SYS_prlimit64: EPERM;
}

/// The name of a call.
pub(crate) fn name(number: i64) -> String {
    let row = TABLE.iter().find(|(other, ..)| *other == number);
    row.map_or_else(|| format!("call {number}"), |(_, name, _)| name.trim_start_matches("SYS_").to_owned())
}

/// The errors that a call may return; none where it cannot fail, or where its failure is out of scope.
pub(crate) fn errors(call: &Call) -> &'static [i32] {
    let number = call.number;
    if number == libc::SYS_fcntl {
        return match i32::try_from(call.arguments[1]) {
            Ok(libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) => &[EMFILE],
            Ok(libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_SETLK | libc::F_OFD_SETLKW) => &[EINTR, ENOLCK],
            _ => &[],
        };
    }
    TABLE.iter().find(|(other, ..)| *other == number).map_or(&[], |(.., errors)| errors)
}

/// Whether a call writes more than a page; a shorter write happens completely or not at all.
pub(crate) fn is_long_write(call: &Call) -> bool {
    matches!(call.number, libc::SYS_write | libc::SYS_pwrite64) && call.arguments[2] > 4096
}
