//! What programs show of files besides content (times, owners, attributes, modes), by the names and arguments of the programs; and
//! the names in source code that asks for the same.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Programs that copy the mode of the opened file to their output.
const COPY_MODES: &[&str] = &[
    "gzip", "pigz", "bzip2", "pbzip2", "lbzip2", "xz", "lzma", "pixz", "lzip", "plzip", "zstd", "pzstd",
    "lz4", "lzop", "compress", "brotli",
];

/// Programs that set no other modes than those of the files that they work on.
pub const COPY_ONE_MODE: &[&str] = &["patch", "gpatch", "sed", "gsed", "strip", "objcopy"];

/// Programs with several tools; the first or second word names the tool.
pub const MANY_IN_ONE: &[&str] = &["busybox", "toybox", "coreutils", "uutils", "sbase-box", "ubase-box"];
/// Of those, the ones that run their tools in forked processes, without executing a program.
pub const WITHOUT_EXECUTING: &[&str] = &["busybox", "toybox"];
/// Tools of such programs that run other programs. busybox runs these as its own tools, toybox does not.
pub const RUN_OTHERS: &[&str] =
    &["sh", "xargs", "find", "env", "nice", "time", "timeout", "nohup", "setsid", "chroot"];
/// Their arguments may contain anything: the programs that they start are examined themselves.
pub const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "hush", "ksh", "mksh", "zsh", "fish"];
/// Arguments with which such a tool shows times, whatever its other arguments are.
pub const ANY_WORDS: &[&str] = &["-l", "-c", "-r", "-u", "-printf", "--time", "-newer"];

/// Tools of cargo that build nothing.
pub const DESCRIBE_PACKAGES: &[&str] =
    &["metadata", "tree", "pkgid", "locate-project", "read-manifest", "fmt"];

/// Programs that look for the files among their words before they pack them.
pub const PACK: &[&str] = &["tar", "gtar", "bsdtar", "zip", "7z", "7za", "7zr", "pax", "jar", "ar"];

/// Ends of the names of what they make.
pub const ARCHIVES: &[&[u8]] =
    &[b"ar", b"gz", b"bz2", b"xz", b"zst", b".zip", b".7z", b".a", b".pax", b".whl"];

/// Programs that copy, move or link files into a directory, if that is what their last argument names.
pub const PUT_INTO: &[&str] = &["cp", "mv", "ln", "gcp", "gmv", "gln", "install", "ginstall"];
/// Of those, the ones that can create directories instead.
pub const INSTALL: &[&str] = &["install", "ginstall"];
/// Other programs that copy files.
pub const COPY: &[&str] = &["rsync", "scp"];

/// Directories of the system: a program that is loaded from there is not asked for its times.
const SYSTEM: &[&str] = &["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/opt", "/var/lib"];

/// Whether `path` is in a directory of the system.
#[must_use]
pub fn is_of_system(path: &Path) -> bool {
    SYSTEM.iter().any(|system| path.starts_with(system))
}

/// Whether `name` is one of `names`.
#[must_use]
pub fn named(name: &OsStr, names: &[&str]) -> bool {
    names.iter().any(|known| name == OsStr::new(known))
}

/// Whether a program with these words, the first of which is its name, accepts directories that it finds instead of creating
/// them: `mkdir -p`, `install -d`.
#[must_use]
pub fn accepts_directories(name: &OsStr, words: &[OsString]) -> bool {
    let options = || words.iter().skip(1).take_while(|word| *word != "--");
    let letter = |letter: u8| options().any(|word| has_letter(word.as_bytes(), letter));
    let has = |long: &str| options().any(|word| word == long);
    match name.as_bytes() {
        b"mkdir" => letter(b'p') || has("--parents"),
        b"install" | b"ginstall" => letter(b'd') || letter(b'D') || has("--directory"),
        b"cp" | b"mv" | b"rsync" | b"tar" | b"make" | b"ninja" | b"cmake" | b"unzip" => true,
        _ => false,
    }
}

/// Whether these are the words of an npm that unpacks no packages. It asks for the umask as the default of the setting by which it
/// would.
#[must_use]
pub fn is_npm_without_packages(words: &[OsString]) -> bool {
    const COMMANDS: &[&str] = &["exec", "x", "ls", "list", "pkg", "run", "run-script", "start", "test", "t"];
    // npm puts its command in the place of its words, to be shown by `ps`.
    let title = words.first().and_then(|word| word.to_str()?.strip_prefix("npm "));
    if let Some(title) = title {
        return title.split(' ').next().is_some_and(|command| COMMANDS.contains(&command));
    }
    let is_node = words.first().is_some_and(|word| Path::new(word).ends_with("node"));
    let mut rest = words.iter().skip(1).filter(|word| !word.as_bytes().starts_with(b"-"));
    let script = rest.next().and_then(|script| Path::new(script).file_name());
    let is_named = |names: &[&str]| script.is_some_and(|script| named(script, names));
    is_node
        && (is_named(&["npx", "npx-cli.js"])
            || is_named(&["npm", "npm-cli.js"])
                && rest.next().is_some_and(|command| named(command, COMMANDS)))
}

/// Whether a program with these words removes whatever there is, directories included: `rm -r`.
#[must_use]
pub fn removes_trees(name: &OsStr, words: &[OsString]) -> bool {
    let mut options = words.iter().skip(1).take_while(|word| *word != "--").map(|word| word.as_bytes());
    let is_recursive =
        |word: &[u8]| has_letter(word, b'r') || has_letter(word, b'R') || word == b"--recursive";
    named(name, &["rm", "grm"]) && options.any(is_recursive)
}

/// Whether `word` is a group of short options with this letter.
fn has_letter(word: &[u8], letter: u8) -> bool {
    matches!(word, [b'-', rest @ ..] if rest.first() != Some(&b'-') && rest.contains(&letter))
}

/// Whether all words after the first, the name of the program, are options.
#[must_use]
pub fn has_options_alone(words: &[OsString]) -> bool {
    words.iter().skip(1).all(|word| word.as_bytes().starts_with(b"-"))
}

/// Whether this program with these arguments shows times of files.
#[must_use]
pub fn shows_times(name: &OsStr, words: &[OsString]) -> bool {
    let letters = |wanted: &[u8]| {
        let mut options = words.iter().map(|word| word.as_bytes()).take_while(|word| *word != b"--");
        options.any(|word| wanted.iter().any(|letter| has_letter(word, *letter)))
    };
    let long = |starts: &[&str]| {
        words.iter().any(|word| starts.iter().any(|start| word.as_bytes().starts_with(start.as_bytes())))
    };
    match name.as_bytes() {
        b"ls" | b"dir" | b"vdir" | b"gls" => {
            name == "vdir" || letters(b"lgnotucis") || long(&["--format", "--full-time", "--time", "--sort"])
        }
        b"exa" | b"eza" | b"lsd" => letters(b"lts") || long(&["--long", "--sort", "--time"]),
        b"stat" | b"gstat" => !shows_content_alone(words),
        b"du" | b"rsync" | b"zip" | b"jar" | b"cpio" | b"pax" | b"ar" | b"7z" | b"7za" | b"mksquashfs"
        | b"genisoimage" | b"mkisofs" | b"xorriso" | b"bsdcpio" | b"dpkg-deb" | b"lzop" | b"rar"
        | b"star" | b"7zr" | b"7zz" | b"pr" | b"namei" | b"getfacl" | b"getfattr" | b"getcap" | b"lsattr"
        | b"exiftool" | b"convert" | b"magick" | b"identify" | b"mogrify" | b"borg" | b"restic"
        | b"unison" => true,
        b"date" | b"gdate" | b"touch" => letters(b"r") || long(&["--reference"]),
        b"diff" | b"gdiff" | b"colordiff" => letters(b"uUcC") || long(&["--unified", "--context"]),
        b"tar" | b"gtar" | b"bsdtar" => {
            let first = words.first().map(|word| word.as_bytes()).unwrap_or_default();
            let old_style = !first.starts_with(b"-") && first.iter().any(|byte| b"cru".contains(byte));
            old_style || letters(b"cru") || long(&["--create", "--append", "--update"])
        }
        b"find" | b"gfind" => long(&[
            "-printf",
            "-fprintf",
            "-ls",
            "-fls",
            "-newer",
            "-mtime",
            "-mmin",
            "-ctime",
            "-cmin",
            "-atime",
            "-amin",
            "-anewer",
            "-cnewer",
            "-used",
            "-user",
            "-uid",
            "-nouser",
            "-group",
            "-gid",
            "-nogroup",
            "-links",
            "-inum",
            "-samefile",
        ]),
        b"cp" | b"gcp" => letters(b"pau") || long(&["--preserve", "--archive", "--update"]),
        b"mv" | b"gmv" => letters(b"u") || long(&["--update"]),
        b"install" => letters(b"p") || long(&["--preserve-timestamps"]),
        b"tree" => letters(b"Dtcrpugs") || long(&["--sort", "--timefmt", "--inodes", "--device", "--du"]),
        b"test" | b"[" => long(&["-O", "-G", "-N", "-nt", "-ot", "-ef"]),
        b"gzip" | b"pigz" => !letters(b"nd") && !long(&["--no-name", "--decompress"]),
        _ => false,
    }
}

/// Whether the arguments of `stat` ask only for size, name and kind.
fn shows_content_alone(words: &[OsString]) -> bool {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut formats = words.iter().enumerate().filter_map(|(place, word)| match *word {
        b"-c" | b"--format" | b"--printf" => Some(words.get(place + 1).copied().unwrap_or_default()),
        word => [&b"--format="[..], b"--printf="].iter().find_map(|start| word.strip_prefix(*start)),
    });
    let (Some(format), None) = (formats.next(), formats.next()) else { return false };
    let is_plain = |word: &&[u8]| {
        !word.starts_with(b"-")
            || matches!(*word, b"-c" | b"-L" | b"--dereference" | b"--format" | b"--printf")
            || word.starts_with(b"--format=")
            || word.starts_with(b"--printf=")
    };
    words.iter().all(is_plain)
        && format
            .split(|byte| *byte == b'%')
            .skip(1)
            .all(|rest| matches!(rest.first(), None | Some(b's' | b'n' | b'N' | b'F')))
}

/// Whether a program with these arguments shows modes of files, selects by them or copies them.
#[must_use]
pub fn shows_modes(name: &OsStr, words: &[OsString]) -> bool {
    if named(name, COPY_MODES) {
        return !writes_to_stdout(words);
    }
    let begins = |sought: &[&str]| {
        words.iter().any(|word| sought.iter().any(|sought| word.as_bytes().starts_with(sought.as_bytes())))
    };
    if named(name, &["chmod", "gchmod"]) {
        // It takes the mode of another file.
        return begins(&["--ref"]);
    }
    if named(name, &["ls", "gls", "dir", "vdir", "tree", "eza", "exa", "lsd", "fd", "fdfind"]) {
        return begins(&["--color", "--classify", "--indicator-style"])
            || words.iter().any(|word| has_letter(word.as_bytes(), b'F'));
    }
    named(name, &["find", "gfind", "bfs"]) && begins(&["-perm", "-ls", "-fls", "-printf", "-fprintf"])
}

/// Whether all arguments name something at or below the present directory: what has another place may be another's.
#[must_use]
pub fn names_what_is_here(arguments: &[OsString]) -> bool {
    arguments.iter().all(|word| {
        let word = word.as_bytes();
        !word.starts_with(b"/") && memchr::memmem::find(word, b"..").is_none()
    })
}

/// Whether the options of a compression program make it write to standard output, or only test files.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_show_times_are_told_by_their_words() {
        for (line, expected) in [
            ("ls -l", true),
            ("ls -la x", true),
            ("ls -A", false),
            ("ls -- -l", false),
            ("stat x", true),
            ("stat -c %s,%n x", false),
            ("stat --printf=%s/%F x y", false),
            ("stat -c %s%Y x", true),
            ("stat -c %a x", true),
            ("stat -c %10s x", true),
            ("stat -fc %s x", true),
            ("stat -f -c %s x", true),
            ("tar cf x t", true),
            ("tar -czf x t", true),
            ("tar xf x", false),
            ("find . -printf x", true),
            ("find . -name x", false),
            ("diff -ru a b", true),
            ("diff a b", false),
            ("date -r a", true),
            ("rsync a b", true),
            ("cp -a a b", true),
            ("cp a b", false),
            ("python -l", false),
        ] {
            let mut all: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let name = all.remove(0);
            assert_eq!(shows_times(&name, &all), expected, "{line}");
        }
    }

    #[test]
    fn programs_that_remove_trees_are_told_by_their_words() {
        for (line, expected) in [
            ("rm -rf a", true),
            ("rm -f -R a", true),
            ("rm --recursive a", true),
            ("rm -f a", false),
            ("rm -- -r", false),
            ("rmdir -r", false),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let name = words.first().cloned().unwrap_or_default();
            assert_eq!(removes_trees(&name, &words), expected, "{line}");
        }
    }

    #[test]
    fn programs_that_accept_directories_are_told_by_their_words() {
        for (line, expected) in [
            ("mkdir -p a", true),
            ("mkdir -vp a", true),
            ("mkdir --parents a", true),
            ("mkdir a", false),
            ("mkdir -- -p", false),
            ("install -d a", true),
            ("install -m 644 a b", false),
            ("cp a b", true),
            ("python3 -p a", false),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let name = words.first().cloned().unwrap_or_default();
            assert_eq!(accepts_directories(&name, &words), expected, "{line}");
        }
    }
}
