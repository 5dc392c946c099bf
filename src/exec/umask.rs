//! The mode bits that new files of ours and of a child do not get.

use nix::sys::stat::{self, Mode};

/// The file mode creation mask of this process.
#[must_use]
pub fn umask() -> u32 {
    reported().unwrap_or_else(exchanged)
}

/// As the kernel reports it, which disturbs nobody.
fn reported() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(field.trim(), 8).ok()
}

/// As it is returned when another one is set: for a moment, new files of other threads would have no rights.
fn exchanged() -> u32 {
    let mask = stat::umask(Mode::from_bits_truncate(0o777));
    stat::umask(mask);
    #[expect(clippy::useless_conversion, reason = "the type is not the same on every system")]
    u32::from(mask.bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_the_one_that_a_child_gets() {
        let shell = std::process::Command::new("sh").args(["-c", "umask"]).output().unwrap();
        let told = u32::from_str_radix(String::from_utf8(shell.stdout).unwrap().trim(), 8).unwrap();
        assert_eq!(umask(), told);
        if cfg!(target_os = "linux") {
            assert_eq!(reported(), Some(told));
        }
    }
}
