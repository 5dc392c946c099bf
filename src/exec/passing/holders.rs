//! Who holds the other end of a pipe after the command has ended: a process that only sleeps was left behind, one that is about to
//! end may merely not have had the processor yet.

use crate::exec::activity;
use nix::sys::stat::{SFlag, fstat};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether a process that holds the other end of `pipe` waits for the processor or for a disk, or whether nobody holds it any
/// more. False where this is not to be found out, also where `pipe` is a terminal.
///
/// Looks through all processes of `/proc` that we may look into: to be asked only after a pipe was silent for long.
pub(super) fn is_busy(pipe: impl AsFd) -> bool {
    let Ok(pipe) = fstat(pipe) else { return false };
    if pipe.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFIFO.bits() {
        return false;
    }
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    let mut is_held = false;
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if number == std::process::id() || !holds(&process.path(), pipe.st_dev, pipe.st_ino) {
            continue;
        }
        is_held = true;
        if activity::is_busy(number) {
            return true;
        }
    }
    !is_held
}

/// Whether a process holds the pipe with this number.
fn holds(process: &Path, device: u64, inode: u64) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.flatten().any(|descriptor| {
        fs::metadata(descriptor.path()).is_ok_and(|held| held.dev() == device && held.ino() == inode)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    /// Whether that becomes so.
    fn becomes(expected: bool, pipe: &impl AsFd) -> bool {
        let began = Instant::now();
        while is_busy(pipe) != expected {
            if began.elapsed() > Duration::from_mins(1) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    #[test]
    fn a_holder_that_computes_is_told_from_one_that_sleeps() {
        let (pipe, end) = std::io::pipe().unwrap();
        let of = |script: &str, end| {
            Command::new("sh").args(["-c", script]).stdin(Stdio::null()).stdout(end).spawn().unwrap()
        };
        let mut sleeper = of("exec sleep 1000", end.try_clone().unwrap());
        assert!(becomes(false, &pipe), "a sleeping process is taken for a busy one");
        let mut computing = of("while :; do :; done", end);
        assert!(becomes(true, &pipe), "a computing process is taken for one that was left behind");
        computing.kill().unwrap();
        computing.wait().unwrap();
        assert!(becomes(false, &pipe));
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(is_busy(&pipe), "nobody holds it any more");
    }

    #[test]
    fn what_is_no_pipe_is_not_looked_for() {
        assert!(!is_busy(fs::File::open("/dev/null").unwrap()));
    }
}
