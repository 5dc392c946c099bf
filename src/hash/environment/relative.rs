//! Values of search paths that contain the path of the project: in a clone elsewhere they contain the path of that clone.

use memchr::memmem;
use std::path::Path;

use std::os::unix::ffi::OsStrExt;

/// A value without the path of the root, and the offsets at which that path was left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Relative {
    pub(super) rest: Vec<u8>,
    pub(super) offsets: Vec<usize>,
}

/// Variables by which tools search for files. Code that takes the value of another variable apart may do anything with it.
const SEARCH_PATHS: &[&str] = &[
    "ACLOCAL_PATH",
    "CFLAGS",
    "CLASSPATH",
    "CMAKE_PREFIX_PATH",
    "CPATH",
    "CPLUS_INCLUDE_PATH",
    "CPPFLAGS",
    "CXXFLAGS",
    "C_INCLUDE_PATH",
    "LDFLAGS",
    "LD_LIBRARY_PATH",
    "LIBRARY_PATH",
    "MANPATH",
    "MYPYPATH",
    "NODE_PATH",
    "PERL5LIB",
    "PKG_CONFIG_PATH",
    "PYTHONPATH",
    "RUBYLIB",
    "TCLLIBPATH",
    "VIRTUAL_ENV",
];

/// Leaves out of `value` each path of `root` that is not a part of another path: `PYTHONPATH=/root/src:/root/lib`. `None` where
/// there is none.
///
/// A result that contains the path counts it by itself, like a result that contains the working directory.
pub(super) fn relative(name: &[u8], value: &[u8], root: &Path) -> Option<Relative> {
    if SEARCH_PATHS.iter().all(|known| known.as_bytes() != name) {
        return None;
    }
    let root = root.as_os_str().as_bytes();
    if root.len() < 2 {
        return None;
    }
    let (mut rest, mut offsets, mut done) = (Vec::new(), Vec::new(), 0);
    for at in memmem::find_iter(value, root) {
        let (before, after) = (value.get(..at).unwrap_or_default(), value.get(at + root.len()));
        if begins_path(before) && after.is_none_or(|byte| *byte == b'/' || is_between(*byte)) {
            rest.extend_from_slice(value.get(done..at).unwrap_or_default());
            offsets.push(rest.len());
            done = at + root.len();
        }
    }
    if offsets.is_empty() {
        return None;
    }
    rest.extend_from_slice(value.get(done..).unwrap_or_default());
    Some(Relative { rest, offsets })
}

/// Whether an absolute path can begin after `text`: at a separator, at the value of an option (`-I/p`), after `file://` and
/// `sqlite:///`.
fn begins_path(text: &[u8]) -> bool {
    let at = text.iter().rposition(|byte| is_between(*byte));
    let word = text.get(at.map_or(0, |at| at + 1)..).unwrap_or_default();
    let after_scheme = || at.and_then(|at| text.get(at)) == Some(&b':') && matches!(word, b"//" | b"///");
    word.is_empty() || (word.first() == Some(&b'-') && !word.contains(&b'/')) || after_scheme()
}

/// Whether a byte is between paths, options and quoted texts.
fn is_between(byte: u8) -> bool {
    matches!(byte, 0 | b':' | b';' | b',' | b'=' | b'"' | b'\'' | b'(' | b')' | b' ' | b'\t' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_left_out_where_it_stands_alone() {
        let root = Path::new("/w/p");
        for (value, rest, offsets) in [
            ("/w/p", "", &[0][..]),
            ("/w/p/src:/w/p/lib", "/src:/lib", &[0, 5]),
            ("--rcfile=/w/p/x", "--rcfile=/x", &[9]),
            ("a,/w/p", "a,", &[2]),
            ("-O2 -I/w/p/include", "-O2 -I/include", &[6]),
            ("file:///w/p", "file://", &[7]),
            ("sqlite:////w/p/db", "sqlite:////db", &[10]),
        ] {
            let expected = Relative { rest: rest.as_bytes().to_vec(), offsets: offsets.to_vec() };
            assert_eq!(relative(b"CFLAGS", value.as_bytes(), root), Some(expected), "{value}");
        }
        for value in [
            "",
            "x",
            "/w/pp",
            "/w/p-old/src",
            "/v/w/p",
            "-I/x/w/p/include",
            "I/w/p",
            "/w/p.bak",
            "https://h/w/p",
        ] {
            assert_eq!(relative(b"CFLAGS", value.as_bytes(), root), None, "{value}");
        }
        assert_eq!(relative(b"CFLAGS", b"/x", Path::new("/")), None);
        assert_eq!(relative(b"DATA", b"/w/p", root), None);
        assert!(SEARCH_PATHS.is_sorted());
    }
}
