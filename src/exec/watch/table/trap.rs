//! When the kernel hands a system call to us: conditions on its arguments, which the filter and its tests evaluate.

use super::call::Argument::{self, A0, A1, A3, A4};
use crate::exec::watch::linux::filter::Numbers;

/// `TIOCGWINSZ`, the same number on both architectures.
pub(in crate::exec::watch) const ASK_SIZE: u32 = 0x5413;

/// `TCGETS`, which tells a terminal from anything else, `FIONREAD`, and `TCGETS2`; the same on both architectures.
pub(in crate::exec::watch) const ASK_STDIN: [u32; 3] = [0x5401, ASK_READABLE, 0x802c_542a];

/// `FIONREAD`: how much can be read.
pub(in crate::exec::watch) const ASK_READABLE: u32 = 0x541b;

/// `TCGETS` and `TCGETS2`.
pub(in crate::exec::watch) const ASK_MODES: [u32; 2] = [0x5401, 0x802c_542a];

/// `TCSETS`, `TCSETSW`, `TCSETSF` and the same for `TCSETS2`, which change what a terminal does; the same on both architectures.
pub(in crate::exec::watch) const SET_MODES: [u32; 6] =
    [0x5402, 0x5403, 0x5404, 0x402c_542b, 0x402c_542c, 0x402c_542d];

/// The families of sockets whose addresses show what is reached.
pub(in crate::exec::watch) const EVERYDAY_FAMILIES: [u32; 4] = [
    libc::AF_UNIX.cast_unsigned(),
    libc::AF_INET.cast_unsigned(),
    libc::AF_INET6.cast_unsigned(),
    libc::AF_NETLINK.cast_unsigned(),
];

/// When the kernel hands a call to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec::watch) enum Trap {
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
    /// If the first may be an inherited one or stderr, or the second may be stdout or stderr.
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
    pub(in crate::exec::watch) fn applies(self, arguments: &[u64; 6], numbers: &Numbers) -> bool {
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
