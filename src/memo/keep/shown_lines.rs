//! Runs that may have printed lines of their sources: for these the sources count byte for byte.
//!
//! An uncaught error is printed with the source line that it came from, including a comment. Whether this happened is known
//! only after the run, so it cannot be part of the key: each source becomes an observation.

use super::super::tee::Streams;
use super::Keeping;
use crate::digest::Digest;
use crate::exec::Finished;
use crate::hash::modules::INLINE;
use crate::record::{Content, Evidence, Observation, Termination};
use std::io::Read;
use std::path::Path;

/// A stream larger than this, in bytes, is not searched: it counts as containing source lines.
const MOST_SEARCHED: u64 = 4 << 20;

impl Keeping<'_> {
    /// Observations of the sources byte for byte, if the run may have printed lines of them; otherwise none.
    pub(super) fn shown_sources(
        &self,
        finished: &Finished,
        streams: &Streams,
    ) -> Vec<(Observation, Option<Evidence>)> {
        let failed = finished.termination != Termination::Exited(0);
        // Anything else that a watched run prints of a source, it has read from the source first.
        let unwatched = finished.trace.is_err();
        let shown =
            failed || self.shows_lines(&streams.stderr) || (unwatched && self.shows_lines(&streams.stdout));
        if !shown {
            return Vec::new();
        }
        let files = self.captured.sources.iter().filter(|source| source.absolute != Path::new(INLINE));
        let observed = files.map(|source| {
            let digest = Digest::of(&source.bytes);
            (Observation::Content { path: source.path.clone(), digest }, None)
        });
        observed.collect()
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

#[cfg(test)]
mod tests {
    use super::has_shown_line;

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
}
