//! Words for a shell.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A word as a shell reads it: as it is where that is safe, else in single quotes.
#[must_use]
pub fn quoted(word: &OsStr) -> Vec<u8> {
    let bytes = word.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./+,:@%".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return bytes.to_vec();
    }
    let mut quoted = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_word_back() {
        for word in ["plain/path-1.0", "", "two words", "it's", "$HOME `x` \"y\" \\", "a=b", "*", "ü"] {
            let mut line = b"printf %s ".to_vec();
            line.extend(quoted(OsStr::new(word)));
            let line = OsStr::from_bytes(&line).to_owned();
            let output = std::process::Command::new("/bin/sh").arg("-c").arg(line).output().unwrap();
            assert_eq!(output.stdout, word.as_bytes(), "{word}");
        }
        assert_eq!(quoted(OsStr::new("/a/b")), b"/a/b");
    }
}
