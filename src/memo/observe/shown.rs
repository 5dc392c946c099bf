//! What programs show of files besides content: times, owners, attributes, modes. If a process of the run is such a program, this
//! counts for the files that the process looked at. If the function's own code asks for it, it counts for the whole run.

use super::importer::Importer;
use super::session::MAKES;
use super::{Observer, Run, present};
use crate::exec::{Access, Enters, Image, Shows, Takes};
use crate::hash::capture::Captured;
use crate::hash::entry::{LanguageKind, What};
use crate::hash::nature::shows_times;
use crate::memo::reason::NotKept;
use crate::record::{Evidence, Observation};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Programs that copy the mode of the opened file to their output.
const COPY_MODES: &[&str] = &[
    "gzip", "pigz", "bzip2", "pbzip2", "lbzip2", "xz", "lzma", "pixz", "lzip", "plzip", "zstd", "pzstd",
    "lz4", "lzop", "compress", "brotli",
];

/// Programs with several tools; the first or second word names the tool.
const MANY_IN_ONE: &[&str] = &["busybox", "toybox", "coreutils", "uutils", "sbase-box", "ubase-box"];
/// Of those, the ones that run their tools in forked processes, without executing a program.
pub(super) const WITHOUT_EXECUTING: &[&str] = &["busybox", "toybox"];
/// Tools of such programs that run other programs. busybox runs these as its own tools, toybox does not.
const RUN_OTHERS: &[&str] =
    &["sh", "xargs", "find", "env", "nice", "time", "timeout", "nohup", "setsid", "chroot"];
/// Their arguments may contain anything: the programs that they start are examined themselves.
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "hush", "ksh", "mksh", "zsh", "fish"];
/// Arguments with which such a tool shows times, whatever its other arguments are.
const ANY_WORDS: &[&str] = &["-l", "-c", "-r", "-u", "-printf", "--time", "-newer"];

/// Tools of cargo that build nothing.
const DESCRIBE_PACKAGES: &[&str] = &["metadata", "tree", "pkgid", "locate-project", "read-manifest", "fmt"];

/// Names in code that asks for times of files, their owners, links, attributes or disk space.
const ASKS_TIMES: &[&str] = &[
    "mtime",
    ".ctime",
    "getctime",
    "st_ctime",
    "ctimeMs",
    "ctimeNs",
    "st_atime",
    "getatime",
    "atimeMs",
    "birthtime",
    "st_uid",
    "st_gid",
    "st_nlink",
    "st_ino",
    "st_blocks",
    ".owner(",
    ".group(",
    "getxattr",
    "listxattr",
    "tarfile",
    "zipfile",
    "make_archive",
    "copystat",
];
/// Names in code that asks for modes.
const ASKS_MODES: &[&str] = &[
    "st_mode", "fstat", "copymode", ".mode", "filemode", "S_IMODE", "S_IR", "S_IW", "S_IX", "\"st_\"",
    "'st_'",
];
/// Calls that return all attributes of a file.
const ASKS_ALL: &[&str] = &["stat(", "statSync("];
/// Words before a parenthesis that do not make it a call.
const NO_CALLS: &[&[u8]] = &[b"if", b"while", b"return", b"and", b"or", b"not", b"in", b"switch", b"await"];

/// Directories of the system: a program that is loaded from there is not asked for its times.
const SYSTEM: &[&str] = &["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/opt", "/var/lib"];

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
    let asks = |needles: &[&str]| !is_shell && rest(1).iter().any(|word| mentions(word.as_bytes(), needles));
    if parts.iter().any(|(name, words)| shows_times(name, words)) || asks(ASKS_TIMES) {
        return Shows::Times;
    }
    if named(&own, WITHOUT_EXECUTING) && image.name.is_empty() {
        let hides = own == "toybox" && parts.iter().any(|(name, _)| named(name, RUN_OTHERS));
        return if hides { Shows::Times } else { Shows::AsNamed };
    }
    let copies = |name: &OsStr, words: &[OsString]| named(name, COPY_MODES) && !writes_to_stdout(words);
    if parts.iter().any(|(name, words)| copies(name, words) || shows_modes(name, words)) || asks(ASKS_MODES) {
        return Shows::Modes;
    }
    Shows::Nothing
}

/// Whether a program that compresses files is told to write to its standard output, or only to test them.
fn writes_to_stdout(words: &[OsString]) -> bool {
    let is_switches = |word: &[u8]| {
        let known = |byte: &u8| byte.is_ascii_digit() || b"cdfknqtv".contains(byte);
        let letters = word.strip_prefix(b"-").unwrap_or_default();
        letters.iter().all(known) && letters.iter().any(|letter| b"ct".contains(letter))
    };
    let is_long = |word: &OsString| word == "--stdout" || word == "--to-stdout" || word == "--test";
    let options = words.iter().take_while(|word| *word != "--");
    options.into_iter().any(|word| is_long(word) || is_switches(word.as_bytes()))
}

/// Whether a program with these arguments shows modes or selects by them.
fn shows_modes(name: &OsStr, words: &[OsString]) -> bool {
    let begins = |sought: &[&str]| {
        words.iter().any(|word| sought.iter().any(|sought| word.as_bytes().starts_with(sought.as_bytes())))
    };
    if named(name, &["ls", "gls", "dir", "vdir", "tree", "eza", "exa", "lsd", "fd", "fdfind"]) {
        let has_letter = |word: &OsString| {
            let word = word.as_bytes();
            word.starts_with(b"-") && !word.starts_with(b"--") && word.contains(&b'F')
        };
        return begins(&["--color", "--classify", "--indicator-style"]) || words.iter().any(has_letter);
    }
    named(name, &["find", "gfind", "bfs"]) && begins(&["-perm", "-ls", "-fls", "-printf", "-fprintf"])
}

/// Of which files a process with this program may compare modification times, as in [`Nature::compares_times`]. Unknown programs
/// may compare all. A shell script with a relative path is searched in `directory`.
///
/// [`Nature::compares_times`]: crate::exec::Nature::compares_times
pub(super) fn compares_times(image: &Image<'_>, directory: &Path) -> Option<&'static [&'static str]> {
    let any = |is: bool| is.then_some::<&'static [&'static str]>(&[]);
    let base = |word: &OsStr| Path::new(word).file_name().unwrap_or_default().to_owned();
    let rest = image.words.get(1..).unwrap_or_default();
    let first = image.words.first().map(|first| base(first)).unwrap_or_default();
    let is = |name: &str| base(image.program.as_os_str()) == name || first == name;
    // The script of an interpreter is its first argument that is not an option.
    let script = rest.iter().find(|word| !word.as_bytes().starts_with(b"-"));
    let runs = |name: &str| script.is_some_and(|script| base(script) == name);
    if is("git") || is("mypy") || runs("mypy") || runs("vite") || runs("vite.js") {
        return None;
    }
    // Only with targets of its rules, which are known by name.
    if is_of_system(image.program) && (MAKES.iter().any(|make| is(make)) || is("ninja")) {
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
    if let Some(name) = ["ls", "find"].into_iter().find(|name| is(name)) {
        return any(shows_times(OsStr::new(name), rest));
    }
    // What it shows of packages is in the files that describe them.
    let tool = rest.iter().find(|word| !word.as_bytes().starts_with(b"+"));
    if is("cargo") && tool.is_some_and(|tool| named(tool, DESCRIBE_PACKAGES)) {
        return None;
    }
    if is("java") && script.is_some_and(|script| script.as_bytes().ends_with(b".java")) {
        return None;
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

/// Which directories a program may find in the place of what it makes, and put that into: the last of its words.
pub(super) fn enters(image: &Image<'_>) -> Enters {
    let names = image.words.iter().take(2).map(|word| Path::new(word).file_name().unwrap_or_default());
    let programs = ["cp", "mv", "ln", "gcp", "gmv", "gln", "install", "ginstall"];
    if !names.into_iter().any(|name| named(name, &programs)) {
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

/// Programs that look for the files among their words before they pack them.
const PACK: &[&str] = &["tar", "gtar", "bsdtar", "zip", "7z", "7za", "7zr", "pax", "jar", "ar"];

/// Ends of the names of what they make.
const ARCHIVES: &[&[u8]] = &[b"ar", b"gz", b"bz2", b"xz", b"zst", b".zip", b".7z", b".a", b".pax", b".whl"];

/// What a program copies, moves or packs: its words but the last, which says where to. (A program that opens what it is given
/// is seen to do so, whether or not it is there.)
pub(super) fn takes(image: &Image<'_>) -> Takes {
    let names = image.words.iter().take(2).map(|word| Path::new(word).file_name().unwrap_or_default());
    let (mut copies, mut packs) = (false, false);
    for name in names.chain(image.program.file_name()) {
        copies |=
            named(name, &["cp", "mv", "ln", "gcp", "gmv", "gln", "install", "ginstall", "rsync", "scp"]);
        packs |= named(name, PACK);
    }
    let makes_directories = |word: &OsString| {
        let word = word.as_bytes();
        word.starts_with(b"-d") || word == b"--directory"
    };
    let is_install = image.program.file_name().is_some_and(|name| named(name, &["install", "ginstall"]));
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

/// Whether `path` is in a directory of the system.
pub(super) fn is_of_system(path: &Path) -> bool {
    SYSTEM.iter().any(|system| path.starts_with(system))
}

fn named(name: &OsStr, names: &[&str]) -> bool {
    names.iter().any(|known| name == OsStr::new(known))
}

fn mentions(code: &[u8], needles: &[&str]) -> bool {
    needles.iter().any(|needle| memchr::memmem::find(code, needle.as_bytes()).is_some())
}

/// Shell tests for the owner, the group, or whether a file was read since it was changed.
const SHELL_ASKS: &[&str] =
    &[" -ef ", "[ -O ", "[ ! -O ", "test -O ", "[ -G ", "[ ! -G ", "test -G ", "[ -N ", "test -N "];

/// The attributes that the function's own code asks for, by the names in it. (A shell itself asks for little besides the order of
/// times.)
pub(super) fn asked_by(captured: &Captured) -> Shows {
    let entry = &captured.command.entry;
    // Other languages use other names for this.
    let (times, modes): (&[&str], &[&str]) = match entry.language {
        LanguageKind::Shell => (SHELL_ASKS, &[]),
        LanguageKind::Perl => (&["stat", "-M", "-C"], &[]),
        LanguageKind::R => (&["file.info", "mtime"], &["file.mode"]),
        LanguageKind::Lua => (&["lfs", "io.popen"], &[]),
        _ => (ASKS_TIMES, ASKS_MODES),
    };
    let inline = match &entry.what {
        What::Inline { code, .. } => code.as_slice(),
        // Python's standard modules are not sources: `-m zipfile`.
        What::Module(name) => name.as_bytes(),
        _ => &[],
    };
    let is_python = entry.language == LanguageKind::Python && !matches!(entry.what, What::Module(_));
    let asks_times = |code: &[u8]| {
        times.iter().any(|name| mentions(code, &[name]) && !(*name == "zipfile" && is_python && !packs(code)))
    };
    let codes = || captured.sources.iter().map(|source| source.bytes.as_slice()).chain([inline]);
    let takes_all = |code: &[u8]| !matches!(entry.language, LanguageKind::Shell) && takes_whole(code);
    if codes().any(|code| asks_times(code) || takes_all(code)) {
        Shows::Times
    } else if codes().any(|code| mentions(code, modes)) {
        Shows::Modes
    } else {
        Shows::Nothing
    }
}

/// Whether Python's code that names zip files may put files into one, with their times.
fn packs(code: &[u8]) -> bool {
    let writes = memchr::memmem::find_iter(code, b"write").any(|at| {
        let rest = code.get(at..).unwrap_or_default();
        !rest.starts_with(b"writestr(")
    });
    writes || mentions(code, &["from_file", "getattr", "caller", "__import__", "import_module"])
}

/// Whether code passes on all attributes of a file, or reads one by number: `print(os.stat(f))`, `s = stat(f)` and `s[0]`.
fn takes_whole(code: &[u8]) -> bool {
    ASKS_ALL.iter().any(|call| {
        memchr::memmem::find_iter(code, call.as_bytes()).any(|at| {
            let end = at.saturating_add(call.len());
            let rest = code.get(end..).unwrap_or_default();
            let Some(length) = closed(rest) else { return false };
            let arguments = rest.get(..length).unwrap_or_default();
            let is_callback = mentions(arguments, &["=>", "function"]);
            let after = rest.get(length.saturating_add(1)..).unwrap_or_default();
            let line_begin = code.get(..at).and_then(|before| before.iter().rposition(|byte| *byte == b'\n'));
            let before =
                code.get(line_begin.map_or(0, |place| place.saturating_add(1))..at).unwrap_or_default();
            let next = after.iter().find(|byte| !matches!(byte, b' ' | b'\t')).copied();
            !is_callback
                && match next {
                    Some(b'[' | b')' | b',') => true,
                    Some(b'.') => false,
                    _ => assigned(before).is_some_and(|name| is_taken_whole(code, name)),
                }
        })
    })
}

/// The distance to the matching closing parenthesis.
fn closed(code: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    code.iter().position(|byte| match byte {
        b'(' => {
            depth = depth.saturating_add(1);
            false
        }
        b')' if depth == 0 => true,
        b')' => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => false,
    })
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// The name to which a line with this beginning assigns.
fn assigned(line: &[u8]) -> Option<&[u8]> {
    let sign = line.iter().position(|byte| *byte == b'=')?;
    let left = line.get(..sign)?.trim_ascii_end();
    let left = left.strip_suffix(b":").unwrap_or(left).trim_ascii_end();
    let begin = left.iter().rposition(|byte| !is_of_name(*byte)).map_or(0, |place| place.saturating_add(1));
    left.get(begin..).filter(|name| !name.is_empty())
}

/// Whether code passes on the variable of this name, or reads a part of it by number.
fn is_taken_whole(code: &[u8], name: &[u8]) -> bool {
    memchr::memmem::find_iter(code, name).any(|at| {
        let (before, after) = code.split_at_checked(at).unwrap_or_default();
        let after = after.get(name.len()..).unwrap_or_default();
        let is_spread = before.ends_with(b"...");
        if !is_spread && before.last().is_some_and(|byte| is_of_name(*byte) || *byte == b'.') {
            return false;
        }
        match after.first() {
            Some(b'[') => true,
            Some(b')' | b',' | b'}') => {
                let before = before.trim_ascii_end();
                let opened = before.strip_suffix(b"(").unwrap_or_default();
                let begin = opened
                    .iter()
                    .rposition(|byte| !is_of_name(*byte))
                    .map_or(0, |place| place.saturating_add(1));
                let call = opened.get(begin..).unwrap_or_default();
                (!call.is_empty() && !NO_CALLS.contains(&call))
                    || before.ends_with(b",")
                    || before.ends_with(b"...")
            }
            _ => false,
        }
    })
}

impl Observer<'_> {
    /// Observes the times of files that were looked at or opened, if a program may show them.
    pub(super) fn exact_times(&mut self) -> Result<(), NotKept> {
        let by_function = self.run.captured.shows_times || self.asked == Shows::Times;
        if !by_function && !self.trace.accesses.values().any(|access| access.times_shown) {
            return Ok(());
        }
        let importer = Importer::new(self.run, self.trace, &self.watcher.made);
        for (path, access) in &self.trace.accesses {
            let shown = access.times_shown || self.run.captured.shows_times || self.function_asks(path);
            if !shown || access.absent || self.is_ignored(path, *access) {
                continue;
            }
            // The importer looks at directories for imports; this does not show what the code asks for.
            if access.listed && !access.times_shown && importer.lists(path, *access) {
                continue;
            }
            if access.looked || (access.read && self.opening_counts(path, *access, &importer)) {
                self.times(path, true, *access)?;
            }
            if access.looked_at_link {
                self.times(path, false, *access)?;
            }
        }
        Ok(())
    }

    /// Whether the function's own code may ask for the times, the owner, the links or the size of `path`. (An interpreter looks
    /// at the directories above the root for other reasons.)
    fn function_asks(&self, path: &Path) -> bool {
        let Run { captured, places, directory, words, .. } = self.run;
        // A module outside of the function is searched in the directory of the call, which does not show what the code asks for.
        let is_module = matches!(captured.command.entry.what, What::Module(_)) && captured.sources.is_empty();
        let goes_up = || words.iter().any(|word| mentions(word.as_bytes(), &[".."]));
        let is_sought = is_module && path == *directory && !self.is_word(path) && !goes_up();
        self.asked == Shows::Times
            && !is_sought
            && !(places.root.starts_with(path) && path != places.root.as_path())
    }

    /// Whether the attributes of an opened file count: it was not opened to be run.
    pub(super) fn opening_counts(&self, path: &Path, access: Access, importer: &Importer) -> bool {
        let is_of_system = is_of_system(path) && !self.is_word(path);
        !access.executed && !is_of_system && !importer.loads(path)
    }

    /// Whether an argument of the command is this path.
    fn is_word(&self, path: &Path) -> bool {
        self.run.words.iter().any(|word| self.run.directory.join(word) == path)
    }

    /// The times of `path` at the first look: if the run changed them, they will differ next time.
    fn times(&mut self, path: &Path, follow: bool, access: Access) -> Result<(), NotKept> {
        let at_first = if access.changed {
            self.watcher.before.get(path).and_then(|before| before.evidence)
        } else if follow {
            self.watcher.first(path)
        } else {
            let now = present(path)?;
            let first = self.watcher.first(path);
            let is_link = |now: &Evidence| now.mode & libc::S_IFMT == libc::S_IFLNK;
            if now.as_ref().is_some_and(is_link) { now } else { first.or(now) }
        };
        if let Some(Evidence { modified: time, changed, .. }) = at_first {
            let path = self.stored(path);
            self.observe(Observation::Modified { path, follow, time, changed }, None);
        }
        Ok(())
    }

    /// Whether the mode of a file that was read, and that nothing looked at by name, counts nevertheless.
    pub(super) fn opening_shows_mode(&self, path: &Path, access: Access, importer: &Importer) -> bool {
        let shown = access.mode_shown || self.asked == Shows::Modes;
        shown && self.opening_counts(path, access, importer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_takes_all_that_is_known_of_a_file_is_told_apart() {
        for code in [
            "print(os.stat('f'))",
            "x = os.stat('f')[0]",
            "s = os.stat(f)\nprint(s[0])",
            "s = p.stat()\nshow(1, s)",
            "getattr(p.stat(), name)",
            "const s = fs.statSync(f)\nconsole.log(s)",
            "const s = await fs.stat(f);\nshow({...s})",
            "console.log(Object.values(fs.statSync(name(f))))",
        ] {
            assert!(takes_whole(code.as_bytes()), "{code}");
        }
        for code in [
            "n = os.stat('f').st_size",
            "s = os.stat(f)\nprint(s.st_size)",
            "os.stat(f)\n",
            "const s = fs.statSync(f)\nif (s) console.log(s.size)",
            "fs.stat(f, (error, s) => show(s.size))",
            "files.filter(f => fs.statSync(f).isFile())",
        ] {
            assert!(!takes_whole(code.as_bytes()), "{code}");
        }
    }

    #[test]
    fn code_that_packs_files_is_told_from_code_that_packs_texts() {
        assert!(!packs(b"z.writestr(zipfile.ZipInfo('a'), open('a').read())"));
        for code in ["z.write('a')", "add = z.write", "zipfile.PyZipFile(f).writepy(d)", "getattr(z, n)(f)"] {
            assert!(packs(code.as_bytes()), "{code}");
        }
    }

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
        assert_eq!(says("/bin/busybox", "sh -c x", "ls"), Shows::Times);
        assert_eq!(says("/bin/busybox", "sh -c x", "sh"), Shows::Nothing);
    }
}
