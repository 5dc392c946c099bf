//! The umask of this process and of its children.

use super::startup::initial;

/// The file mode creation mask of this process, which never changes it.
#[must_use]
pub fn umask() -> u32 {
    initial().umask
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
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let reported = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
            assert_eq!(u32::from_str_radix(reported.trim(), 8), Ok(told));
        }
    }
}
