//! How cmake uses the times of files: where it configures a project, only where code of cmake says so.

use memchr::memmem;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Options by which cmake does something else: it installs, runs scripts, or compares what a build has made.
const OTHERWISE: &[&str] = &["-E", "-P", "--install", "--check-build-system", "--find-package", "--workflow"];
/// Text, in small letters and without spaces, by which code of cmake compares or shows times, or copies what is newer.
const ASKS: &[&str] = &["newer", "timestamp", "file(copy", "file(install", "fetchcontent", "externalproject"];

/// Whether cmake with these words configures a project, or starts the tool that builds it.
#[must_use]
pub fn configures(words: &[OsString]) -> bool {
    let is_other =
        |word: &OsString| OTHERWISE.iter().any(|option| word.as_bytes().starts_with(option.as_bytes()));
    !words.iter().skip(1).any(is_other)
}

/// Whether cmake runs a file of this name where it configures a project.
#[must_use]
pub fn is_code(path: &Path) -> bool {
    let is_named = |name: &str| path.file_name() == Some(OsStr::new(name));
    let is_module = path.extension() == Some(OsStr::new("cmake")) && !is_named("cmake_install.cmake");
    is_module || is_named("CMakeLists.txt")
}

/// Whether a file is one of the modules of cmake itself: `share/cmake-3.25/Modules/…`.
#[must_use]
pub fn is_own_module(path: &Path) -> bool {
    let names: Vec<&[u8]> = path.iter().map(OsStrExt::as_bytes).collect();
    names.windows(2).any(|pair| matches!(pair, [above, b"Modules"] if above.starts_with(b"cmake-")))
}

/// The list of the files whose times cmake compares before make builds, in the directory of the build.
pub const CHECKED: &str = "CMakeFiles/Makefile.cmake";

/// The files in this list, with the text of the list.
pub fn checked(build: &Path, text: &[u8]) -> impl Iterator<Item = PathBuf> {
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let names = lines.filter_map(|line| line.strip_prefix(b"\"")?.strip_suffix(b"\""));
    names.map(|name| build.join(OsStr::from_bytes(name)))
}

/// Whether code of cmake may decide by times.
#[must_use]
pub fn asks_for_times(text: &[u8]) -> bool {
    let mut text = text.to_ascii_lowercase();
    text.retain(|byte| !byte.is_ascii_whitespace());
    ASKS.iter().any(|ask| memmem::find(&text, ask.as_bytes()).is_some())
}

/// Whether code of cmake shows times of files, or packs files with their times.
#[must_use]
pub fn shows_times(code: &[u8]) -> bool {
    let code = code.to_ascii_lowercase();
    [&b"file(timestamp"[..], b"archive_create", b"-e tar", b"tar c"]
        .iter()
        .any(|name| memmem::find(&code, name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_by_times_is_known_by_words_and_text() {
        for (line, expected) in [
            ("cmake -S . -B build -DX=1", true),
            ("cmake --build build -j2", true),
            ("cmake -E cmake_depends x", false),
            ("cmake -P cmake_install.cmake", false),
            ("cmake --install build", false),
            ("cmake -S. -Bbuild --check-build-system x 0", false),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(configures(&words), expected, "{line}");
        }
        for (text, expected) in [
            ("add_executable(a a.c)\ninstall(TARGETS a)", false),
            ("configure_file(a b COPYONLY)", false),
            ("if(a IS_NEWER_THAN b)", true),
            ("file (\n COPY a DESTINATION b)", true),
            ("File(TimeStamp a b)", true),
            ("include(FetchContent)", true),
        ] {
            assert_eq!(asks_for_times(text.as_bytes()), expected, "{text}");
        }
        let list = b"set(CMAKE_MAKEFILE_DEPENDS\n  \"CMakeCache.txt\"\n  \"/p/CMakeLists.txt\"\n  )\n";
        let files: Vec<PathBuf> = checked(Path::new("/p/build"), list).collect();
        assert_eq!(files, ["/p/build/CMakeCache.txt", "/p/CMakeLists.txt"].map(PathBuf::from));
        assert!(is_code(Path::new("a/CMakeLists.txt")) && is_code(Path::new("a/b.cmake")));
        assert!(!is_code(Path::new("build/cmake_install.cmake")));
        assert!(is_own_module(Path::new("/usr/share/cmake-3.25/Modules/FetchContent.cmake")));
        assert!(!is_own_module(Path::new("cmake/Modules/a.cmake")));
    }
}
