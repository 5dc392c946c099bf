//! Writing to a file that the user names: under a temporary name that is then renamed, or directly into an existing pipe or device.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How a named file is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// Write a temporary file and rename it to this path, so that no reader sees a partial file.
    Whole(PathBuf),
    /// Write directly to the opened file: a pipe, a device, or a file without a name. It is never replaced.
    AsItStands,
}

impl Destination {
    /// Follows links, as a shell's redirection does.
    pub(super) fn of(file: &Path) -> Self {
        let Ok(standing) = fs::metadata(file) else {
            // The target of a dangling link is created.
            let is_link = fs::symlink_metadata(file).is_ok_and(|found| found.is_symlink());
            return if is_link { Self::AsItStands } else { Self::Whole(file.to_owned()) };
        };
        let is_it = |place: &Path| {
            fs::metadata(place)
                .is_ok_and(|there| (there.dev(), there.ino()) == (standing.dev(), standing.ino()))
        };
        match fs::canonicalize(file) {
            Ok(place) if standing.is_file() && is_it(&place) => Self::Whole(place),
            _ => Self::AsItStands,
        }
    }
}

/// Opens `file` for writing and truncates it, as a shell's redirection does.
///
/// # Errors
/// The system's.
pub(super) fn open_as_it_stands(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).open(file)
}

/// The directory of `file`.
pub(super) fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_regular_files_that_have_a_name_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let path = |name: &str| root.join(name);
        fs::write(path("file"), "x").unwrap();
        symlink("file", path("link")).unwrap();
        symlink("none", path("dangling")).unwrap();
        let unnamed = tempfile::tempfile().unwrap();
        let descriptor = PathBuf::from(format!("/proc/self/fd/{}", unnamed.as_raw_fd()));
        symlink(&descriptor, path("stdout")).unwrap();
        symlink("/dev/null", path("null")).unwrap();
        for (name, expected) in [
            ("new", Destination::Whole(path("new"))),
            ("file", Destination::Whole(path("file"))),
            ("link", Destination::Whole(path("file"))),
            ("dangling", Destination::AsItStands),
            ("stdout", Destination::AsItStands),
            ("null", Destination::AsItStands),
        ] {
            assert_eq!(Destination::of(&path(name)), expected, "{name}");
        }
        assert_eq!(Destination::of(Path::new("/dev/null")), Destination::AsItStands);
    }
}
