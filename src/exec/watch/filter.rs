//! The seccomp program: it decides which calls the kernel passes, hands to us, or refuses.
//!
//! Knows nothing about the meaning of a call.

use super::table::{
    ASK_MODES, ASK_SIZE, ASK_STDIN, Argument, EVERYDAY_FAMILIES, NONE, ROWS, Row, SET_MODES, Trap,
};

/// Descriptor numbers that may stand for something inherited. The calls on all others pass in the kernel.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// Of all inherited objects.
    pub(super) read: Vec<u32>,
    /// Of inherited objects for which writing counts.
    pub(super) write: Vec<u32>,
    /// Of inherited regular files, whose offset may be asked for.
    pub(super) ask: Vec<u32>,
    /// Of inherited regular files and of standard input, whose kind may be asked for.
    pub(super) kind: Vec<u32>,
    /// Of standard input.
    pub(super) stdin: Vec<u32>,
    /// Numbers at which stderr may be, if the order of the streams is recorded.
    pub(super) stderr: Vec<u32>,
    /// The run has a terminal, whose modes it may change.
    pub(super) has_terminal: bool,
}

impl Numbers {
    /// Numbers whose duplicates are followed.
    pub(super) fn copied(&self) -> Vec<u32> {
        [self.read.as_slice(), &self.stderr].concat()
    }

    /// Numbers at which writes are stopped.
    pub(super) fn written(&self) -> Vec<u32> {
        [self.write.as_slice(), &self.stderr].concat()
    }

    /// Numbers whose replacement is observed: stdout, stderr, and those at which stderr may be.
    pub(super) fn replaced(&self) -> Vec<u32> {
        if self.stderr.is_empty() { Vec::new() } else { vec![1, 2] }
    }
}

type Instruction = libc::sock_filter;

/// This architecture, as seccomp names it.
pub(super) const HOST_ARCHITECTURE: u32 =
    if cfg!(target_arch = "aarch64") { 0xc000_00b7 } else { 0xc000_003e };

/// Numbers from here on belong to x32, or are invalid.
pub(super) const OTHER_ABI: u32 = 0x4000_0000;

/// The call waits for the listener.
const SEEN: u32 = libc::SECCOMP_RET_USER_NOTIF;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
/// `read` and `write` have these numbers on every 32-bit architecture that can be met.
const FOREIGN_READ_WRITE: [u32; 2] = [3, 4];

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Builds the program for this architecture.
pub(super) fn program(numbers: &Numbers) -> Vec<Instruction> {
    let mut rows: Vec<(u32, &Row)> = ROWS
        .iter()
        .filter_map(|row| row.number().map(|number| (number, row)))
        .filter(|(_, row)| is_wanted(row.trap, numbers))
        .collect();
    rows.sort_unstable_by_key(|(number, _)| *number);
    let builder = Builder { numbers };
    let native = builder.tree(&rows);
    let mut all = vec![load(ARCH), jump(libc::BPF_JEQ, HOST_ARCHITECTURE, 1, 0), far(native.len() + 3)];
    all.extend([load(NUMBER), jump(libc::BPF_JGE, OTHER_ABI, 0, 1), give(SEEN)]);
    all.extend(native);
    // Calls of another architecture. A single call makes its program a hazard, so only the most frequent calls pass
    // unobserved.
    all.push(load(NUMBER));
    all.extend(any_of(&FOREIGN_READ_WRITE, ALLOW, SEEN));
    all
}

fn is_wanted(trap: Trap, numbers: &Numbers) -> bool {
    match trap {
        Trap::Read(_) | Trap::Map => !numbers.read.is_empty(),
        Trap::Either(..) | Trap::Duplicate | Trap::Copy(_) | Trap::CopyTo(..) => !numbers.copied().is_empty(),
        Trap::Write(_) => !numbers.written().is_empty(),
        Trap::End => !numbers.stderr.is_empty(),
        Trap::Ask(_) => !numbers.ask.is_empty(),
        Trap::Kind(_) => !numbers.kind.is_empty(),
        Trap::Stdin(_) | Trap::SetWithStdin(_) => !numbers.stdin.is_empty(),
        _ => true,
    }
}

struct Builder<'a> {
    numbers: &'a Numbers,
}

impl Builder<'_> {
    /// A balanced tree of comparisons. Every path through it ends in an answer.
    fn tree(&self, rows: &[(u32, &Row)]) -> Vec<Instruction> {
        match rows {
            [] => vec![give(ALLOW)],
            [(number, row)] => {
                let mut leaf = vec![jump(libc::BPF_JEQ, *number, 1, 0), give(ALLOW)];
                leaf.extend(self.leaf(row.trap));
                leaf
            }
            _ => {
                let (low, high) = rows.split_at(rows.len() / 2);
                let pivot = high.first().map_or(NONE, |(number, _)| *number);
                let low = self.tree(low);
                let mut node = match u8::try_from(low.len()) {
                    Ok(over) => vec![jump(libc::BPF_JGE, pivot, over, 0)],
                    Err(_) => vec![jump(libc::BPF_JGE, pivot, 0, 1), far(low.len())],
                };
                node.extend(low);
                node.extend(self.tree(high));
                node
            }
        }
    }

    fn leaf(&self, trap: Trap) -> Vec<Instruction> {
        let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
        match trap {
            Trap::Each | Trap::End => vec![give(SEEN)],
            Trap::Refuse => vec![give(refuse)],
            Trap::Read(fd) => number(fd, &self.numbers.read),
            Trap::Write(fd) => number(fd, &self.numbers.written()),
            Trap::Copy(fd) => number(fd, &self.numbers.copied()),
            Trap::CopyTo(from, to) => either((from, &self.numbers.copied()), (to, &self.numbers.replaced())),
            Trap::Ask(fd) => number(fd, &self.numbers.ask),
            Trap::Kind(fd) => number(fd, &self.numbers.kind),
            Trap::Stdin(fd) => number(fd, &self.numbers.stdin),
            Trap::Either(from, to) => either((from, &self.numbers.read), (to, &self.numbers.copied())),
            Trap::Map => {
                let anonymous = libc::MAP_ANONYMOUS.cast_unsigned();
                let mut code = vec![low(Argument::A3), jump(libc::BPF_JSET, anonymous, 0, 1), give(ALLOW)];
                code.extend(number(Argument::A4, &self.numbers.read));
                code
            }
            Trap::Duplicate => {
                let mut code = vec![low(Argument::A1)];
                code.push(jump(libc::BPF_JEQ, libc::F_DUPFD.cast_unsigned(), 2, 0));
                code.push(jump(libc::BPF_JEQ, libc::F_DUPFD_CLOEXEC.cast_unsigned(), 1, 0));
                code.push(give(ALLOW));
                code.extend(number(Argument::A0, &self.numbers.copied()));
                code
            }
            Trap::UnlessEmpty(fd, flags) => {
                let empty = libc::AT_EMPTY_PATH.cast_unsigned();
                let mut code = vec![low(flags), jump(libc::BPF_JSET, empty, 1, 0), give(SEEN)];
                // AT_FDCWD is negative, so it is not an open descriptor.
                code.extend([low(fd), jump(libc::BPF_JGE, 1 << 31, 0, 1), give(SEEN)]);
                code.extend(any_of(&self.numbers.kind, SEEN, ALLOW));
                code
            }
            Trap::Bits(argument, bits) => {
                vec![low(argument), jump(libc::BPF_JSET, bits, 0, 1), give(SEEN), give(ALLOW)]
            }
            Trap::Set(argument) | Trap::SetWithStdin(argument) => {
                let zero = |then| jump(libc::BPF_JEQ, 0, then, 0);
                vec![low(argument), zero(1), give(SEEN), high(argument), zero(1), give(SEEN), give(ALLOW)]
            }
            Trap::Terminal => {
                let mut code = vec![low(Argument::A1), jump(libc::BPF_JEQ, ASK_SIZE, 0, 1), give(SEEN)];
                if self.numbers.has_terminal {
                    code.extend(branches(&SET_MODES));
                    code.extend([far(1), give(SEEN)]);
                    // Also questions whether stdout and stderr are terminals.
                    let sees = number(Argument::A0, &[&self.numbers.stdin[..], &[1, 2]].concat());
                    code.extend(branches(&ASK_MODES));
                    code.push(far(sees.len()));
                    code.extend(sees);
                }
                code.extend(branches(&ASK_STDIN));
                code.push(give(ALLOW));
                code.extend(number(Argument::A0, &self.numbers.stdin));
                code
            }
            Trap::Family => {
                let mut code = vec![low(Argument::A0)];
                code.extend(any_of(&EVERYDAY_FAMILIES, ALLOW, SEEN));
                code
            }
        }
    }
}

/// Stops the call if one of two descriptor numbers is in its own list.
fn either(one: (Argument, &[u32]), other: (Argument, &[u32])) -> Vec<Instruction> {
    let mut code = vec![low(one.0)];
    code.extend(branches(one.1));
    code.extend([far(1), give(SEEN)]);
    code.extend(number(other.0, other.1));
    code
}

/// Stops the call if the descriptor number is one of `numbers`.
fn number(fd: Argument, numbers: &[u32]) -> Vec<Instruction> {
    let mut code = vec![low(fd)];
    code.extend(any_of(numbers, SEEN, ALLOW));
    code
}

/// Answers `found` if the accumulator is one of `numbers`, else `otherwise`.
fn any_of(numbers: &[u32], found: u32, otherwise: u32) -> Vec<Instruction> {
    let mut code = branches(numbers);
    code.extend([give(otherwise), give(found)]);
    code
}

/// Jumps over the one instruction that follows if the accumulator is one of `numbers`, else goes on with it.
fn branches(numbers: &[u32]) -> Vec<Instruction> {
    let ranges = ranges(numbers);
    let total: usize = ranges.iter().map(|(first, last)| if first == last { 1 } else { 2 }).sum();
    let mut code: Vec<Instruction> = Vec::new();
    for (first, last) in ranges {
        let over = |done: usize| u8::try_from(total - done).unwrap_or(u8::MAX);
        if first == last {
            code.push(jump(libc::BPF_JEQ, first, over(code.len()), 0));
        } else {
            code.push(jump(libc::BPF_JGE, first, 0, 1));
            code.push(jump(libc::BPF_JGT, last, 0, over(code.len())));
        }
    }
    code
}

/// Sorted numbers as ranges of consecutive ones. More ranges than a short jump spans become one.
fn ranges(numbers: &[u32]) -> Vec<(u32, u32)> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in sorted {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    match (ranges.first(), ranges.last()) {
        (Some((first, _)), Some((_, last))) if ranges.len() > 100 => vec![(*first, *last)],
        _ => ranges,
    }
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code: u16::try_from(code).unwrap_or(u16::MAX), jt, jf, k }
}

fn load(offset: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

/// The low half of an argument; both architectures are little-endian.
fn low(argument: Argument) -> Instruction {
    load(ARGUMENTS + 8 * argument as u32)
}

fn high(argument: Argument) -> Instruction {
    load(ARGUMENTS + 8 * argument as u32 + 4)
}

fn jump(condition: u32, value: u32, then: u8, otherwise: u8) -> Instruction {
    instruction(libc::BPF_JMP | condition | libc::BPF_K, then, otherwise, value)
}

fn far(over: usize) -> Instruction {
    instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, u32::try_from(over).unwrap_or(u32::MAX))
}

fn give(answer: u32) -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, answer)
}
