//! How programs set permission bits, by their names and words.

use crate::exec::Image;
use crate::profiles::attributes::{self, named};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Programs that ask for the umask only to create files with usual modes: parent directories, temporary files, modes given in
/// arguments.
const KEEP_UMASK: &[&str] = &["mkdir", "ginstall", "install", "sed", "gsed", "mktemp", "make", "gmake"];
/// Programs whose arguments contain the modes that they set.
const NAME_MODES: &[&str] = &["chmod", "gchmod", "mkdir", "install", "ginstall", "mkfifo", "mknod"];
/// Linkers, which make their output executable as the umask allows.
const LINKERS: &[&str] = &["ld", "gold", "lld", "mold", "wild"];
/// Programs that do not copy modes from other files, except usual ones.
const ASK_LITERALLY: &[&str] =
    &["go", "gofmt", "compile", "link", "asm", "esbuild", "sqlite3", "tsgo", "hugo"];
fn name<'i>(image: &'i Image<'_>) -> &'i OsStr {
    image.program.file_name().unwrap_or_default()
}

/// Whether the result of a process depends on the umask that it asks for.
pub(super) fn uses_umask(image: &Image<'_>) -> bool {
    let name = name(image);
    if named(name, &["chmod", "gchmod"]) {
        // `+x` applies the umask; `a+x` and `755` do not.
        let says_who = |clause: &[u8]| clause.first().is_some_and(|byte| b"ugoa01234567".contains(byte));
        return !mode_word(image).is_some_and(|mode| mode.split(|byte| *byte == b',').all(says_who));
    }
    if names_modes(image) && is_mode_relative(image.words) {
        return true;
    }
    !named(name, KEEP_UMASK)
        && !is_linker(image)
        && !copies_modes(image)
        && !attributes::is_npm_without_packages(image.words)
}

/// The argument of `chmod` that gives the mode.
fn mode_word<'i>(image: &Image<'i>) -> Option<&'i [u8]> {
    image
        .words
        .iter()
        .skip(1)
        .map(|word| word.as_bytes())
        .find(|word| !word.starts_with(b"-") || word.get(1).is_some_and(|byte| b"rwxXst".contains(byte)))
}

/// Whether the option `-m` applies the umask: `mkdir -m +x` does, `u+x` and `755` do not.
fn is_mode_relative(words: &[OsString]) -> bool {
    let mut words = words.iter().map(|word| word.as_bytes());
    while let Some(word) = words.next() {
        let mode = match word {
            b"-m" | b"--mode" => words.next(),
            _ => word.strip_prefix(b"--mode=").or_else(|| word.strip_prefix(b"-m")),
        };
        if mode.and_then(<[u8]>::first).is_some_and(|byte| b"+-=".contains(byte)) {
            return true;
        }
    }
    false
}

/// Whether the arguments of a program contain the modes that it sets.
pub(super) fn names_modes(image: &Image<'_>) -> bool {
    // `chmod u+x` changes the mode that the file has.
    let is_whole = || {
        mode_word(image).is_some_and(|mode| {
            mode.iter().all(u8::is_ascii_digit) || mode.starts_with(b"a=") || mode.starts_with(b"ugo=")
        })
    };
    named(name(image), NAME_MODES) && (!named(name(image), &["chmod", "gchmod"]) || is_whole())
}

/// Whether a program accepts directories that it finds instead of creating them: `mkdir -p`, `install -d`.
pub(super) fn accepts_directories(image: &Image<'_>) -> bool {
    attributes::accepts_directories(name(image), image.words)
}

/// Whether a program removes whatever there is: `rm -r`.
pub(super) fn removes_trees(image: &Image<'_>) -> bool {
    attributes::removes_trees(name(image), image.words)
}

/// Whether a program sets sizes of files relative to their present ones: `truncate`, unless its size is a plain number.
pub(super) fn cuts_by_size(image: &Image<'_>) -> bool {
    let is_relative = |word: &OsString| word.as_bytes().iter().any(|byte| b"+<>/%".contains(byte));
    named(name(image), &["truncate", "gtruncate"]) && image.words.iter().skip(1).any(is_relative)
}

/// Whether a program always sets the same modes.
pub(super) fn asks_literally(image: &Image<'_>) -> bool {
    named(name(image), ASK_LITERALLY)
}

/// Whether a program is a linker.
pub(super) fn is_linker(image: &Image<'_>) -> bool {
    named(own_name(image), LINKERS)
}

/// The name of a program without the machine that it works for, and without what follows a dot.
fn own_name<'i>(image: &'i Image<'_>) -> &'i OsStr {
    let last = name(image).as_bytes().rsplit(|byte| *byte == b'-').next().unwrap_or_default();
    OsStr::from_bytes(last.split(|byte| *byte == b'.').next().unwrap_or_default())
}

/// Whether a program sets no other modes than those of the files that it works on: also Perl, where it edits files in place
/// and its code is in its words and has nothing else in mind.
pub(super) fn copies_modes(image: &Image<'_>) -> bool {
    let edits = || {
        let mut words = image.words.iter().skip(1).map(|word| word.as_bytes());
        let is_switch = |word: &[u8]| {
            word.starts_with(b"-i")
                || word.strip_prefix(b"-").is_some_and(|letters| {
                    letters.iter().take_while(|letter| b"pnlw".contains(letter)).count() > 0
                        && letters.iter().find(|letter| !b"pnlw".contains(letter)) == Some(&b'i')
                })
        };
        let (mut in_place, mut inline) = (false, false);
        words.all(|word| {
            in_place |= is_switch(word);
            inline |= word.starts_with(b"-") && word.ends_with(b"e");
            ["chmod", "umask", "use", "require", "do", "open", "-M", "-m"]
                .iter()
                .all(|part| memchr::memmem::find(word, part.as_bytes()).is_none())
        }) && in_place
            && inline
    };
    if !attributes::names_what_is_here(image.words.get(1..).unwrap_or_default()) {
        return false;
    }
    named(own_name(image), attributes::COPY_ONE_MODE)
        || (name(image).as_bytes().starts_with(b"perl") && edits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn programs_that_accept_directories_are_told_apart() {
        let accepts = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let program = Path::new(line.split(' ').next().unwrap()).to_path_buf();
            let directory = Path::new("/");
            accepts_directories(&Image { program: &program, words: &words, directory, name: OsStr::new("") })
        };
        for line in [
            "mkdir -p d",
            "mkdir -vp d",
            "mkdir --parents d",
            "install -d d",
            "install -Dm644 f d/f",
            "cp -r d e",
        ] {
            assert!(accepts(line), "{line}");
        }
        for line in ["mkdir d", "mkdir -m 700 d", "mkdir --mode=700 d", "install f d", "python3 -p d"] {
            assert!(!accepts(line), "{line}");
        }
    }

    #[test]
    fn programs_that_ask_for_the_umask_are_told_apart() {
        let uses = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let program = Path::new(line.split(' ').next().unwrap()).to_path_buf();
            let directory = Path::new("/");
            uses_umask(&Image { program: &program, words: &words, directory, name: OsStr::new("") })
        };
        for line in ["chmod +x f", "chmod -R +x,u+w d", "chmod -x f", "sh x", "tar xf a", "chmod"] {
            assert!(uses(line), "{line}");
        }
        for line in ["node /usr/bin/npm install", "node /usr/bin/npm --silent ci", "node s.js npx", "node"] {
            assert!(uses(line), "{line}");
        }
        for line in [
            "chmod 755 f",
            "node /usr/bin/npx tsc",
            "/usr/bin/node /usr/lib/node_modules/npm/bin/npm-cli.js --silent ls",
            "chmod -R a+x d",
            "chmod u+x,g-w f",
            "mkdir -p a/b",
            "x86_64-linux-gnu-ld.bfd -o x",
        ] {
            assert!(!uses(line), "{line}");
        }
    }
}
