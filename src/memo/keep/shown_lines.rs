//! Runs that may have shown lines of their sources, or numbers of lines: for these the sources count byte for byte.
//!
//! An uncaught error is printed with the source line that it came from, including a comment. An error that is caught and
//! printed, a warning, a message of a shell and an entry of a log name the file and the number of the line, which a comment
//! above it changes. Whether this happened is known only after the run, so it cannot be part of the key: each source becomes
//! an observation.

use super::super::tee::Streams;
use super::Keeping;
use crate::digest::Digest;
use crate::exec::Finished;
use crate::hash::modules::INLINE;
use crate::record::{Content, Evidence, Observation, OutputEntry, OutputKind, OutputTree, Termination};
use memchr::memmem::Finder;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A stream of errors larger than this, in bytes, is not searched: it counts as containing source lines.
const MOST_SEARCHED: u64 = 4 << 20;

/// A larger stream counts as showing numbers of lines. Of a larger output so many bytes at its start are searched, and as many at its
/// end, where a log grows: what names lines does so often.
const MOST_OF_LINES: u64 = 8 << 20;

/// Where a run leaves more outputs, they count as showing numbers of lines: reading them all would take longer than a second run
/// after an edit of a comment is worth.
const MOST_OUTPUTS: usize = 2000;

impl Keeping<'_> {
    /// Observations of the sources byte for byte, if the run may have shown lines of them or their numbers; otherwise none.
    pub(super) fn shown_sources(
        &self,
        finished: &Finished,
        streams: &Streams,
        tree: &OutputTree,
    ) -> Vec<(Observation, Option<Evidence>)> {
        let files = self.captured.sources.iter().filter(|source| source.absolute != Path::new(INLINE));
        let observed = files.map(|source| {
            let digest = Digest::of(&source.bytes);
            (Observation::Content { path: source.path.clone(), digest }, None)
        });
        let failed = finished.termination != Termination::Exited(0);
        // Any other line that a watched run prints of a source, it has read from the source first.
        let unwatched = finished.trace.is_err();
        // A format among the arguments: `'%(lineno)d %(message)s'`.
        let is_asked_for = self.request.words.iter().any(|word| {
            let lines = [&b"lineno"[..], b"LINENO"];
            lines.iter().any(|line| memchr::memmem::find(word.as_bytes(), line).is_some())
        });
        let shown = failed
            || is_asked_for
            || self.shows_lines(&streams.stderr)
            || (unwatched && self.shows_lines(&streams.stdout))
            || self.shows_numbers(streams, tree);
        if shown { observed.collect() } else { Vec::new() }
    }

    /// Whether a stream or an output names a source with the number of a line.
    fn shows_numbers(&self, streams: &Streams, tree: &OutputTree) -> bool {
        // What is compared byte for byte already need not be looked for.
        let sources = self.captured.sources.iter().filter(|source| source.form != "raw");
        let mut names: Vec<&[u8]> =
            sources.filter_map(|source| source.absolute.file_name()).map(OsStrExt::as_bytes).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return false;
        }
        let names: Vec<Finder<'_>> = names.into_iter().map(Finder::new).collect();
        let in_stream = |stream: &Content| {
            let read = || names_lines(self.store.read(&stream.blob).ok(), &names);
            stream.size > 0 && (stream.size > MOST_OF_LINES || read())
        };
        let is_filled = |entry: &&OutputEntry| matches!(&entry.kind, OutputKind::File { content, .. } if content.size > 0);
        // The files themselves: reading a blob proves all of it first.
        let in_output = |entry: &OutputEntry| {
            let path = self.request.places.root.join(OsStr::from_bytes(&entry.path));
            let at_end = |mut file: File| {
                file.seek(SeekFrom::End(-MOST_OF_LINES.cast_signed())).ok()?;
                Some(file)
            };
            names_lines(File::open(&path).ok(), &names)
                || entry.kind.size().is_none_or(|size| size > MOST_OF_LINES)
                    && names_lines(File::open(&path).ok().and_then(at_end), &names)
        };
        let outputs = || tree.entries().iter().filter(is_filled);
        in_stream(&streams.stdout)
            || in_stream(&streams.stderr)
            || outputs().count() > MOST_OUTPUTS
            || outputs().any(in_output)
    }

    fn shows_lines(&self, stream: &Content) -> bool {
        if stream.size == 0 {
            return false;
        }
        let mut text = Vec::new();
        let blob = self.store.read(&stream.blob);
        let read = blob.is_ok_and(|blob| blob.take(MOST_SEARCHED).read_to_end(&mut text).is_ok());
        // A stream that cannot be read may contain anything.
        !read || stream.size > MOST_SEARCHED || has_shown_line(&text)
    }
}

/// Whether a text has the marks that interpreters print around a source line: carets below it, its position before it.
fn has_shown_line(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| {
        let line = line.trim_ascii();
        let carets = line.contains(&b'^') && line.iter().all(|byte| b"^~ \t".contains(byte));
        let has = |words: &[u8]| line.windows(words.len()).any(|window| window == words);
        carets || line.starts_with(b"File \"") && has(b"\", line ") || has(b"Warning: ")
    })
}

/// Whether a text names a source with the number of a line. What cannot be read may contain anything.
fn names_lines(from: Option<impl Read>, names: &[Finder<'_>]) -> bool {
    let mut text = Vec::new();
    let Some(Ok(_)) = from.map(|from| from.take(MOST_OF_LINES).read_to_end(&mut text)) else { return true };
    let is_text = memchr::memchr(0, text.get(..1 << 13).unwrap_or(&text)).is_none();
    if memchr::memchr(ESCAPE, &text).is_some() {
        text = without_colors(&text);
    }
    is_text && names.iter().any(|name| names_line(&text, name))
}

/// Whether a text has this name of a file, followed by the number of a line: `x.py:3`, `x.py", line 3`, `x.sh: line 3:`,
/// `x.pl line 3.`, `x.py(3)`, `x.py', lineno : 3`.
fn names_line(text: &[u8], name: &Finder<'_>) -> bool {
    name.find_iter(text).any(|place| {
        let before = place.checked_sub(1).and_then(|place| text.get(place));
        let is_name = before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"_-.".contains(byte));
        let after = text.get(place + name.needle().len()..).unwrap_or_default();
        is_name && begins_with_line(after)
    })
}

/// Begins a sequence for the terminal.
const ESCAPE: u8 = 0x1b;

/// Text without the sequences that color it (`ESC [ 36 m`).
fn without_colors(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if let Some(colors) = after.strip_prefix(b"[").filter(|_| *first == ESCAPE) {
            let end = colors.iter().position(u8::is_ascii_alphabetic).map_or(colors.len(), |end| end + 1);
            rest = colors.get(end..).unwrap_or_default();
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    plain
}

fn begins_with_line(after: &[u8]) -> bool {
    let skip = |bytes: &[u8], chars: &[u8]| bytes.iter().take_while(|byte| chars.contains(byte)).count();
    let marks = skip(after, b"\"')]>:,( \t");
    let (marks, rest) = after.split_at_checked(marks).unwrap_or((after, &[]));
    if marks.is_empty() {
        return false;
    }
    let word = rest.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'_').count();
    let (word, rest) = rest.split_at_checked(word).unwrap_or((rest, &[]));
    let rest = match word {
        // A number after blanks alone may count anything.
        b"" if marks.iter().any(|byte| b":,(".contains(byte)) => rest,
        b"line" | b"Line" | b"lines" | b"lineno" | b"line_number" | b"lineNumber" | b"ln" | b"L" => {
            rest.get(skip(rest, b"\"' :=#\t")..).unwrap_or_default()
        }
        _ => return false,
    };
    rest.first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_lines_are_recognized_by_their_marks() {
        for text in [
            "/p/s.js:3\nthrow new Error('x') // why\n^\n\nError: x\n",
            "Traceback (most recent call last):\n  File \"/p/s.py\", line 1, in <module>\n    f()  # why\n",
            "    a / b\n    ~~^~~\n",
            "/p/s.py:3: UserWarning: old\n  warn('old')  # why\n",
        ] {
            assert!(has_shown_line(text.as_bytes()), "{text}");
        }
        for text in ["", "2 ^ 3\n", "epoch 1: loss 0.3\n", "File missing, line noise\n"] {
            assert!(!has_shown_line(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_source_with_a_number_of_a_line_is_recognized_in_any_tool_s_words() {
        let found = |text: &str| names_lines(Some(text.as_bytes()), &[Finder::new("s.py")]);
        for text in [
            "at f (/p/s.py:3:9)",
            "s.py:12 message",
            "  File \"/p/s.py\", line 1, in f",
            "./s.py: line 3: nosuch: not found",
            "died at s.py line 3.",
            "s.py(7): note",
            "filename : '/p/s.py', lineno : 4, line : None",
            "{\"file\": \"s.py\", \"line\": 8}",
            "x.py s.py:1",
            "\x1b[36ms.py\x1b[39m\x1b[0m\x1b[2m:3:5\x1b[22m",
        ] {
            assert!(found(text), "{text}");
        }
        for text in
            ["", "s.py", "s.py 3 epochs", "s.py: done 3", "s.py::test_1", "this.py:3", "my-s.py:3", "s.pyc:3"]
        {
            assert!(!found(text), "{text}");
        }
    }
}
