//! What a process does with files according to its program and arguments: which attributes it shows, whether it compares times, and
//! what it copies, moves or packs.

use super::asks::mentions;
use super::session::MAKES;
use crate::exec::{Enters, Image, Shows, Takes};
use crate::hash::interpreters::is_one;
use crate::hash::resume;
use crate::profiles::attributes::{
    ANY_WORDS, ARCHIVES, COPY, DESCRIBE_PACKAGES, INSTALL, MANY_IN_ONE, PACK, PUT_INTO, RUN_OTHERS, SHELLS,
    WITHOUT_EXECUTING, is_of_system, named, shows_modes, shows_times,
};
use crate::profiles::code_names::{ASKS_MODES, ASKS_TIMES, JAVA_ASKS_TIMES};
use crate::profiles::{cmake, updating};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Which attributes a process with this program shows.
pub(super) fn shows(image: &Image<'_>) -> Shows {
    let base = |word: &OsStr| {
        let bytes = word.as_bytes();
        let name = bytes.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        OsStr::from_bytes(name.strip_prefix(b"-").unwrap_or(name)).to_owned()
    };
    let own = base(image.program.as_os_str());
    let rest = |from: usize| image.words.get(from..).unwrap_or_default();
    let mut parts: Vec<(OsString, &[OsString])> = vec![(own.clone(), rest(1))];
    parts.extend(image.words.first().map(|first| (base(first), rest(1))));
    let is_loader = own.as_bytes().starts_with(b"ld-") || own.as_bytes().starts_with(b"ld.so");
    let is_many = named(&own, MANY_IN_ONE);
    if is_loader || is_many {
        let last = if is_loader { image.words.len() } else { 2 };
        for at in 1..last {
            let Some(word) = image.words.get(at) else { break };
            let word = word.as_bytes().strip_prefix(b"--coreutils-prog=").unwrap_or(word.as_bytes());
            parts.push((base(OsStr::from_bytes(word)), rest(at + 1)));
        }
    }
    let any: Vec<OsString> = ANY_WORDS.iter().map(OsString::from).collect();
    if !image.name.is_empty() {
        parts.push((image.name.to_owned(), &any));
    }
    let is_shell = parts.iter().any(|(name, _)| named(name, SHELLS));
    // `.mode csv` is a command of SQLite's shell.
    let is_command = |word: &OsString| own == "sqlite3" && word.as_bytes().starts_with(b".");
    let says = |word: &OsString, needles: &[&str]| !is_command(word) && mentions(word.as_bytes(), needles);
    let asks = |needles: &[&str]| !is_shell && rest(1).iter().any(|word| says(word, needles));
    if parts.iter().any(|(name, words)| shows_times(name, words))
        || asks(ASKS_TIMES)
        || asks(&[".owner()", ".group()"])
    {
        return Shows::Times;
    }
    if own == "java" && source_of_java(image).is_some_and(|source| asks_times(source, image.directory)) {
        return Shows::Times;
    }
    if named(&own, WITHOUT_EXECUTING) && image.name.is_empty() {
        let hides = own == "toybox" && parts.iter().any(|(name, _)| named(name, RUN_OTHERS));
        return if hides { Shows::Times } else { Shows::AsNamed };
    }
    if parts.iter().any(|(name, words)| shows_modes(name, words)) || asks(ASKS_MODES) {
        return Shows::Modes;
    }
    Shows::Nothing
}

/// The files whose modification times a process with this program may compare, as in [`Nature::compares_times`]. Unknown programs may
/// compare all. A shell script with a relative path is searched in `directory`.
///
/// [`Nature::compares_times`]: crate::exec::Nature::compares_times
pub(super) fn compares_times(
    image: &Image<'_>,
    directory: &Path,
    root: &Path,
) -> Option<&'static [&'static str]> {
    let any = |is: bool| is.then_some::<&'static [&'static str]>(&[]);
    let base = |word: &OsStr| Path::new(word).file_name().unwrap_or_default().to_owned();
    let rest = image.words.get(1..).unwrap_or_default();
    let first = image.words.first().map(|first| base(first)).unwrap_or_default();
    let is = |name: &str| base(image.program.as_os_str()) == name || first == name;
    // The script of an interpreter is its first argument that is not an option.
    let script = rest.iter().find(|word| !word.as_bytes().starts_with(b"-"));
    let runs = |name: &str| script.is_some_and(|script| base(script) == name);
    if is("git") || is("terraform") || is("mypy") || runs("mypy") {
        return None;
    }
    // Only with targets of its rules, which are known by name.
    let is_installed = is_of_system(image.program) || !image.program.starts_with(root);
    if is_installed && (MAKES.iter().any(|make| is(make)) || is("ninja")) {
        return None;
    }
    // Where code of cmake says otherwise, the order of all times counts.
    if is_installed && is("cmake") && cmake::configures(image.words) {
        return None;
    }
    // Each of its tests is a separate process.
    if is("node") && rest.iter().any(|word| word == "--test") {
        return None;
    }
    if is("javac") || is("javadoc") {
        return Some(&[".java", ".class", ".jar"]);
    }
    // These compare times only where their words say so.
    if let Some(name) = ["ls", "find", "tree"].into_iter().find(|name| is(name)) {
        return any(shows_times(OsStr::new(name), rest));
    }
    // What it shows of packages is in the files that describe them.
    let tool = rest.iter().find(|word| !word.as_bytes().starts_with(b"+"));
    if is("cargo") && tool.is_some_and(|tool| named(tool, DESCRIBE_PACKAGES)) {
        return None;
    }
    if is("java")
        && let Some(source) = source_of_java(image)
    {
        return any(asks_times(source, directory));
    }
    if SHELLS.iter().any(|shell| is(shell)) {
        let compares = |code: &[u8]| mentions(code, &["-nt", "-ot"]);
        let inline =
            rest.iter().any(|word| word.as_bytes().starts_with(b"-") && word.as_bytes().contains(&b'c'));
        let text = script.filter(|_| !inline).map(|script| std::fs::read(directory.join(script)));
        // A script that cannot be read, or is typed, may do anything.
        let by_script = if inline { false } else { !matches!(text, Some(Ok(text)) if !compares(&text)) };
        return any(by_script || rest.iter().any(|word| compares(word.as_bytes())));
    }
    any(true)
}

/// The source that Java compiles and runs: `java S.java`.
fn source_of_java<'i>(image: &'i Image<'_>) -> Option<&'i Path> {
    let source = image.words.iter().skip(1).find(|word| !word.as_bytes().starts_with(b"-"))?;
    source.as_bytes().ends_with(b".java").then(|| Path::new(source))
}

/// Whether a source of Java asks for times, owners or modes of files. One that cannot be read may.
fn asks_times(source: &Path, directory: &Path) -> bool {
    std::fs::read(directory.join(source)).map_or(true, |text| mentions(&text, JAVA_ASKS_TIMES))
}

/// Whether the program is GNU make.
pub(super) fn is_make(image: &Image<'_>) -> bool {
    let name = image.program.file_name().unwrap_or_default();
    is_of_system(image.program) && ["make", "gmake", "gnumake"].iter().any(|make| name == *make)
}

/// Which directories a program may find in the place of what it makes, and put that into: the last of its words.
pub(super) fn enters(image: &Image<'_>) -> Enters {
    let names = image.words.iter().take(2).map(|word| Path::new(word).file_name().unwrap_or_default());
    if !names.into_iter().any(|name| named(name, PUT_INTO)) {
        return Enters::None;
    }
    let last = image.words.iter().skip(2).next_back().map(Path::new);
    match last.and_then(Path::file_name) {
        Some(name) if !last.is_some_and(|last| last.as_os_str().as_bytes().starts_with(b"-")) => {
            Enters::named(name)
        }
        _ => Enters::Any,
    }
}

/// What a program copies, moves or packs: its words but the last, which says where to. (A program that opens what it is given
/// is seen to do so, whether or not it is there.)
pub(super) fn takes(image: &Image<'_>) -> Takes {
    let names = image.words.iter().take(2).map(|word| Path::new(word).file_name().unwrap_or_default());
    if image.program.file_name().is_some_and(|name| named(name, &["readlink", "greadlink"])) {
        // The text of a link that is missing is asked for; a real path may be that of a new file.
        let is_real = |word: &OsString| {
            let word = word.as_bytes();
            word.starts_with(b"--canon")
                || (word.starts_with(b"-") && word.iter().any(|byte| b"fem".contains(byte)))
        };
        return if image.words.iter().any(is_real) { Takes::Nothing } else { Takes::Anything };
    }
    let (mut copies, mut packs) = (false, false);
    for name in names.chain(image.program.file_name()) {
        copies |= named(name, PUT_INTO) || named(name, COPY);
        packs |= named(name, PACK);
    }
    let makes_directories = |word: &OsString| {
        let word = word.as_bytes();
        word.starts_with(b"-d") || word == b"--directory"
    };
    let is_install = image.program.file_name().is_some_and(|name| named(name, INSTALL));
    if !(copies || packs) || (is_install && image.words.iter().any(makes_directories)) {
        return Takes::Nothing;
    }
    let is_target =
        |word: &OsString| word.as_bytes().starts_with(b"-t") || word.as_bytes().starts_with(b"--target");
    let is_option = |word: &&OsString| word.as_bytes().starts_with(b"-");
    let mut words: Vec<&OsString> = image.words.iter().skip(1).filter(|word| !is_option(word)).collect();
    let archive = words.iter().position(|word| ARCHIVES.iter().any(|end| word.as_bytes().ends_with(end)));
    if let Some(place) = archive.filter(|_| packs) {
        words.remove(place);
    }
    let sources = match words.split_last() {
        // What follows the directory that they go to is a source, too.
        _ if packs || image.words.iter().any(is_target) => words.as_slice(),
        Some((_, sources)) => sources,
        None => return Takes::Nothing,
    };
    if image.directory.as_os_str().is_empty() {
        return Takes::Anything;
    }
    let path = |word: &&OsString| image.directory.join(word).components().collect::<PathBuf>();
    Takes::named(sources.iter().map(path))
}

/// Whether a program may leave what it finds at the place of its output as it is: its options say so, or it is compiled code of the
/// project, which is not searched for tests.
pub(super) fn may_leave_files(image: &Image<'_>, root: &Path) -> bool {
    let base = |word: &OsStr| Path::new(word).file_name().unwrap_or_default().to_owned();
    let by_options = (0..2).any(|place| {
        let words = image.words.get(place..).unwrap_or_default();
        words.first().is_some_and(|first| updating::may_leave_files(&base(first), words))
    });
    let name = image.program.file_name().unwrap_or_default();
    let is_own = image.program.strip_prefix(root).is_ok_and(|relative| !resume::is_of_package(relative));
    by_options || (is_own && !is_one(name)) || (name == "java" && runs_own_classes(image.words, root))
}

/// Whether the words of Java do not name classes that are elsewhere than below `root`.
fn runs_own_classes(words: &[OsString], root: &Path) -> bool {
    let is_option =
        |word: &OsString| ["-cp", "-classpath", "--class-path", "-jar"].iter().any(|option| word == option);
    let places = words.iter().zip(words.iter().skip(1)).filter(|(option, _)| is_option(option));
    let mut parts = places.flat_map(|(_, places)| places.as_bytes().split(|byte| *byte == b':'));
    let first = parts.next().map(|part| Path::new(OsStr::from_bytes(part)));
    first.is_none_or(|first| first.is_relative() || first.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(program: &str, line: &str, name: &str) -> Shows {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let (program, directory) = (Path::new(program), Path::new("/"));
        shows(&Image { program, words: &words, directory, name: OsStr::new(name) })
    }

    #[test]
    fn programs_are_told_by_file_and_words() {
        for (program, line, expected) in [
            ("/usr/bin/ls", "ls -l data", Shows::Times),
            ("/usr/bin/ls", "ls data", Shows::Nothing),
            ("/usr/bin/stat", "/usr/bin/stat x", Shows::Times),
            ("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "ld.so /bin/ls -l x", Shows::Times),
            ("/usr/bin/coreutils", "ls -l", Shows::Times),
            ("/usr/bin/coreutils", "coreutils --coreutils-prog=ls -l", Shows::Times),
            ("/usr/bin/busybox", "busybox ls -l", Shows::Times),
            ("/usr/bin/busybox", "cat x", Shows::AsNamed),
            ("/usr/bin/busybox", "sh -c x", Shows::AsNamed),
            ("/usr/bin/toybox", "xargs ls", Shows::Times),
            ("/usr/bin/gzip", "gzip -kn x", Shows::Modes),
            ("/usr/bin/gzip", "gzip x", Shows::Times),
            ("/usr/bin/gzip", "gzip -nc x", Shows::Nothing),
            ("/usr/bin/gzip", "gzip -dc x", Shows::Nothing),
            ("/usr/bin/gzip", "gzip -n -S.c x", Shows::Modes),
            ("/usr/bin/xz", "xz -kCcrc32 x", Shows::Modes),
            ("/usr/bin/xz", "xz --stdout x", Shows::Nothing),
            ("/usr/bin/python3", "python3 -c print(os.stat('f').st_mtime)", Shows::Times),
            ("/usr/bin/dash", "sh -c echo mtime; ls -l", Shows::Nothing),
            ("/usr/bin/cat", "cat x", Shows::Nothing),
        ] {
            assert_eq!(says(program, line, ""), expected, "{line}");
        }
        for (program, line, expected) in [
            ("/p/prog", "./prog", true),
            ("/p/node_modules/esbuild/bin/esbuild", "esbuild a.js", false),
            ("/usr/bin/cc", "cc a.c", false),
            ("/usr/bin/cp", "cp -u a b", true),
            ("/bin/busybox", "busybox cp -u a b", true),
            ("/usr/lib/jvm/bin/java", "java S.java", true),
            ("/usr/lib/jvm/bin/java", "java -cp out:lib/x.jar Main", true),
            ("/usr/lib/jvm/bin/java", "java -cp /usr/share/maven/boot.jar Main", false),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let (program, directory, name) = (Path::new(program), Path::new("/p"), OsStr::new(""));
            let image = Image { program, words: &words, directory, name };
            assert_eq!(may_leave_files(&image, Path::new("/p")), expected, "{line}");
        }
        assert_eq!(says("/bin/busybox", "sh -c x", "ls"), Shows::Times);
        assert_eq!(says("/bin/busybox", "sh -c x", "sh"), Shows::Nothing);
    }
}
