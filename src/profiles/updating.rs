//! Programs that may leave a file as it is where they would put their output, by the options that say so: they copy or unpack only what
//! is newer, or missing.

use super::attributes::named;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Long options of them, in any of the programs.
const LONG: &[&str] = &[
    "--update",
    "--no-clobber",
    "--keep-old-files",
    "--keep-newer-files",
    "--skip-old-files",
    "--ignore-existing",
    "--existing",
    "--ignore-non-existing",
    "--size-only",
    "--freshen",
    "-aos",
    "-nc",
];

/// Whether a program of this name may leave what it finds as it is. `words` begin with that name.
#[must_use]
pub fn may_leave_files(name: &OsStr, words: &[OsString]) -> bool {
    let options = || words.iter().skip(1).map(|word| word.as_bytes()).take_while(|word| *word != b"--");
    let has = |letters: &[u8]| {
        options().any(|word| {
            matches!(word, [b'-', rest @ ..] if rest.first() != Some(&b'-')
                && rest.iter().any(|letter| letters.contains(letter)))
        })
    };
    let has_long = || options().any(|word| LONG.iter().any(|long| word.starts_with(long.as_bytes())));
    if named(name, &["cp", "gcp", "mv", "gmv"]) {
        return has(b"un") || has_long();
    }
    if named(name, &["tar", "gtar", "bsdtar"]) {
        // The letters of the first word need no dash.
        let is_old_style = || {
            words
                .get(1)
                .is_some_and(|first| !first.as_bytes().starts_with(b"-") && first.as_bytes().contains(&b'k'))
        };
        return has(b"k") || has_long() || is_old_style();
    }
    match name.as_bytes() {
        b"unzip" => has(b"nuf"),
        b"rsync" => has(b"u") || has_long(),
        b"ar" | b"gar" => words.get(1).is_some_and(|key| key.as_bytes().contains(&b'u')),
        b"zip" | b"wget" | b"7z" | b"7za" | b"7zr" | b"unrar" => has_long(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_leave_files_as_they_are_are_recognized() {
        for (line, expected) in [
            ("cp -u a b", true),
            ("cp -pu a b", true),
            ("cp --update=older a b", true),
            ("mv -n a b", true),
            ("cp -r a b", false),
            ("cp -- -u b", false),
            ("tar xf a.tar --keep-newer-files -C x", true),
            ("tar xkf a.tar", true),
            ("tar -xkf a.tar", true),
            ("tar xf k.tar", false),
            ("unzip -n a.zip", true),
            ("unzip -oq a.zip", false),
            ("rsync -a --ignore-existing a b", true),
            ("rsync -a a b", false),
            ("ar rcu lib.a x.o", true),
            ("ar rcs lib.a x.o", false),
            ("python3 -u s.py", false),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let name = words.first().cloned().unwrap_or_default();
            assert_eq!(may_leave_files(&name, &words), expected, "{line}");
        }
    }
}
