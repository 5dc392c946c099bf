//! The table of calls against the system's own, and the filter against the table.

use super::super::filter::{HOST_ARCHITECTURE, Numbers, OTHER_ABI, program};
use super::super::table::{NONE, ROWS, Trap, find};
use super::*;
use std::collections::BTreeMap;

/// The numbers in a kernel header: `#define __NR_name 12`, or `__NR3264_name`.
fn header(path: &str) -> Option<BTreeMap<String, u32>> {
    let text = fs::read_to_string(path).ok()?;
    let mut numbers = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some("#define"), Some(name), Some(number)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let name = name.strip_prefix("__NR_").or_else(|| name.strip_prefix("__NR3264_"));
        if let (Some(name), Ok(number)) = (name, number.parse()) {
            numbers.entry(name.to_owned()).or_insert(number);
        }
    }
    Some(numbers)
}

#[test]
fn every_number_is_the_kernels() {
    let headers = ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h"];
    for (path, native) in headers.into_iter().zip([true, false]) {
        let Some(numbers) = header(path) else {
            let _ = writeln!(std::io::stderr(), "SKIPPED: {path} is not installed");
            continue;
        };
        let newest = numbers.values().max().copied().unwrap();
        let mut checked = 0;
        for row in ROWS {
            let ours = if native { row.x86_64 } else { row.aarch64 };
            // The generic table spells some calls of a 64-bit system another way.
            let name = match row.name {
                "newfstatat" if !native => "fstatat",
                name => name,
            };
            match numbers.get(name) {
                Some(number) => {
                    // The generic header lists calls that only other architectures have.
                    let absent = !native && ours == NONE && name.starts_with("renameat");
                    assert!(ours == *number || absent, "{} in {path}", row.name);
                    checked += 1;
                }
                None => assert!(ours == NONE || ours > newest, "{} is not in {path}", row.name),
            }
        }
        assert!(checked > 80, "only {checked} calls were found in {path}");
    }
}

#[test]
fn every_call_that_has_a_path_is_in_the_table() {
    // By what the kernel's own list of calls for audit classes (read, write, change of attributes, directories) names.
    let named = [
        "open",
        "openat",
        "openat2",
        "creat",
        "stat",
        "lstat",
        "newfstatat",
        "statx",
        "access",
        "faccessat",
        "faccessat2",
        "readlink",
        "readlinkat",
        "statfs",
        "execve",
        "execveat",
        "rename",
        "renameat",
        "renameat2",
        "unlink",
        "unlinkat",
        "rmdir",
        "mkdir",
        "mkdirat",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
        "mknod",
        "mknodat",
        "truncate",
        "chmod",
        "fchmod",
        "fchmodat",
        "fchmodat2",
        "chown",
        "fchown",
        "lchown",
        "fchownat",
        "utime",
        "utimes",
        "utimensat",
        "futimesat",
        "setxattr",
        "lsetxattr",
        "fsetxattr",
        "getxattr",
        "lgetxattr",
        "listxattr",
        "llistxattr",
        "removexattr",
        "lremovexattr",
        "fremovexattr",
        "chdir",
        "chroot",
        "pivot_root",
        "mount",
        "umount2",
        "name_to_handle_at",
        "open_by_handle_at",
        "inotify_add_watch",
        "bind",
        "connect",
        "open_tree",
        "move_mount",
        "setxattrat",
        "getxattrat",
        "listxattrat",
        "removexattrat",
    ];
    for name in named {
        assert!(ROWS.iter().any(|row| row.name == name), "{name}");
    }
    let mut listed: Vec<_> = ROWS.iter().map(|row| row.name).collect();
    listed.sort_unstable();
    let all = listed.len();
    listed.dedup();
    assert_eq!(listed.len(), all, "a call is listed twice");
}

/// What the kernel does with a filter.
fn judge(program: &[libc::sock_filter], architecture: u32, number: u32, arguments: &[u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_le_bytes());
    data.extend(architecture.to_le_bytes());
    data.extend(0_u64.to_le_bytes());
    for argument in arguments {
        data.extend(argument.to_le_bytes());
    }
    let (mut at, mut accumulator) = (0, 0_u32);
    loop {
        let instruction = &program[at];
        at += 1;
        let code = u32::from(instruction.code);
        let jump = |met: bool| usize::from(if met { instruction.jt } else { instruction.jf });
        match code {
            _ if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                let from = instruction.k as usize;
                accumulator = u32::from_le_bytes(data[from..from + 4].try_into().unwrap());
            }
            _ if code == libc::BPF_RET | libc::BPF_K => return instruction.k,
            _ if code == libc::BPF_JMP | libc::BPF_JA => at += instruction.k as usize,
            _ if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => {
                at += jump(accumulator == instruction.k);
            }
            _ if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => {
                at += jump(accumulator >= instruction.k);
            }
            _ if code == libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K => {
                at += jump(accumulator > instruction.k);
            }
            _ if code == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K => {
                at += jump(accumulator & instruction.k != 0);
            }
            other => panic!("an instruction that was not expected: {other:#x}"),
        }
    }
}

#[test]
fn the_filter_judges_as_the_table_says() {
    let cases = [
        Numbers::default(),
        Numbers {
            read: vec![0, 10, 11, 12, 13, 14, 15],
            write: vec![0],
            ask: vec![],
            kind: vec![0],
            stdin: vec![0],
            stderr: vec![],
            has_terminal: false,
        },
        Numbers {
            read: vec![0],
            write: vec![],
            ask: vec![],
            kind: vec![0],
            stdin: vec![0],
            ..Numbers::default()
        },
        Numbers {
            ask: vec![1],
            kind: vec![1],
            stderr: vec![2, 10, 11, 12, 13, 14, 15],
            has_terminal: true,
            ..Numbers::default()
        },
        Numbers {
            read: vec![0, 7, 9, 10, 11, 12, 13, 14, 15, 63],
            write: vec![7, 9, 63, 10, 11, 12, 13, 14, 15],
            ask: vec![0, 63],
            kind: vec![0, 63],
            stdin: vec![0],
            stderr: vec![2, 10, 11, 12, 13, 14, 15],
            has_terminal: true,
        },
    ];
    let values = [
        0,
        1,
        2,
        3,
        4,
        7,
        9,
        10,
        15,
        16,
        63,
        64,
        1030,
        0x20,
        0x22,
        0x5401,
        0x5402,
        0x5413,
        0x541b,
        0x1000,
        0x1100,
        0x0002_0000,
        0x4000_0000,
        0xffff_ff9c,
        0xffff_ffff,
        0xffff_ffff_ffff_ff9c,
        0x7fff_0000_0000,
    ];
    for numbers in cases {
        let filter = program(&numbers);
        assert!(filter.len() < 4096);
        for number in (0..512).chain([OTHER_ABI, OTHER_ABI + 2, u32::MAX]) {
            for first in values {
                for other in values {
                    // All pairs for the arguments that are looked at together.
                    let arguments = [first, other, other, other, first, other];
                    let expected = match find(number) {
                        _ if number >= OTHER_ABI => libc::SECCOMP_RET_USER_NOTIF,
                        Some(row) if row.trap == Trap::Refuse => {
                            libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()
                        }
                        Some(row) if row.trap.applies(&arguments, &numbers) => libc::SECCOMP_RET_USER_NOTIF,
                        _ => libc::SECCOMP_RET_ALLOW,
                    };
                    let judged = judge(&filter, HOST_ARCHITECTURE, number, &arguments);
                    assert_eq!(judged, expected, "call {number} with {arguments:x?}");
                }
            }
        }
        let foreign = judge(&filter, 0x4000_0003, 5, &[0; 6]);
        assert_eq!(foreign, libc::SECCOMP_RET_USER_NOTIF);
        assert_eq!(judge(&filter, 0x4000_0003, 3, &[0; 6]), libc::SECCOMP_RET_ALLOW);
    }
}
