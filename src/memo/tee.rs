//! Records the output of a run: both streams as blobs, their order, and whether they contain the path of the root.
//!
//! If the store fails, recording stops and the run continues.

use super::place_search::{PlaceSearch, SearchState};
use crate::buffer::Buffer;
use crate::exec::Recorder;
use crate::hash::environment;
use crate::record::Places;
use crate::record::{Content, Interleaving, Stream, StreamOrder};
use crate::store::{BlobStore, BlobWriter};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Maximum number of switches between the streams that are recorded.
const MOST_CHUNKS: usize = 1 << 20;

/// The recorded streams of a run.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) stdout: Content,
    pub(super) stderr: Content,
    pub(super) order: StreamOrder,
    pub(super) contains_root: bool,
    pub(super) contains_root_name: bool,
    /// Names of variables whose values are directories, and whether the output contains such a path.
    pub(super) places: Vec<(&'static str, bool)>,
    /// For each stream, whether it contains only plain text: no escape sequence, carriage return or backspace.
    pub(super) plain: [bool; 2],
}

/// Records two streams.
pub(super) struct Tee<'a> {
    store: Option<&'a dyn BlobStore>,
    stdout: Side,
    stderr: Side,
    order: StreamOrder,
    root: PlaceSearch,
    places: Vec<(&'static str, PlaceSearch)>,
    trouble: Option<String>,
}

#[derive(Default)]
struct Side {
    writer: Option<Box<dyn BlobWriter>>,
    root: SearchState,
    places: [SearchState; 2],
    moves: bool,
}

impl<'a> Tee<'a> {
    /// Writes to `store`, or nothing without one. The output is searched for the place of the project and for the directories that HOME and TMPDIR
    /// of `environment` name.
    pub(super) fn new(
        store: Option<&'a dyn BlobStore>,
        root: Option<&Places>,
        environment: &[(OsString, OsString)],
    ) -> Self {
        let place = |name: &'static str, otherwise: &str| {
            let value = environment::lookup(environment, OsStr::new(name));
            let place =
                value.map_or_else(|| otherwise.as_bytes().to_vec(), |value| value.as_bytes().to_vec());
            (name, PlaceSearch::path(&place))
        };
        Self {
            places: vec![place("HOME", ""), place("TMPDIR", "/tmp")],
            store,
            stdout: Side::default(),
            stderr: Side::default(),
            order: StreamOrder::default(),
            root: root.map_or_else(PlaceSearch::none, PlaceSearch::root),
            trouble: None,
        }
    }

    /// Stores both blobs. `interleaving` says whether their order is exact.
    ///
    /// # Errors
    /// Why they could not be recorded, in words.
    pub(super) fn finish(mut self, interleaving: Interleaving) -> Result<Streams, String> {
        self.order.interleaving = interleaving;
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        let Some(store) = self.store else { return Err("nothing was taken down".to_owned()) };
        let contains_root = [&self.stdout, &self.stderr].iter().any(|side| side.root.path);
        let contains_root_name = [&self.stdout, &self.stderr].iter().any(|side| side.root.name);
        let found = |number: usize| {
            [&self.stdout, &self.stderr]
                .iter()
                .any(|side| side.places.get(number).is_some_and(|state| state.path))
        };
        let places =
            self.places.iter().enumerate().map(|(number, (name, _))| (*name, found(number))).collect();
        let plain = [!self.stdout.moves, !self.stderr.moves];
        let finish = |side: Side| {
            let writer = side.writer.map_or_else(|| store.write(), Ok);
            writer.and_then(BlobWriter::finish).map_err(|error| error.to_string())
        };
        Ok(Streams {
            stdout: finish(self.stdout)?,
            stderr: finish(self.stderr)?,
            order: self.order,
            contains_root,
            contains_root_name,
            places,
            plain,
        })
    }

    /// Passes new output to the writer of its stream by `write`, which can also show it to the searches.
    fn take(
        &mut self,
        stream: Stream,
        length: usize,
        write: impl FnOnce(&mut dyn FnMut(&[u8]), &mut dyn BlobWriter) -> io::Result<()>,
    ) -> Result<(), String> {
        let Some(store) = self.store else { return Ok(()) };
        let side = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let writer = match &mut side.writer {
            Some(writer) => writer,
            None => side.writer.insert(store.write().map_err(|error| error.to_string())?),
        };
        let mut look = |bytes: &[u8]| {
            side.moves |= memchr::memchr3(0x1b, b'\r', 0x08, bytes).is_some();
            self.root.look(&mut side.root, bytes);
            for ((_, search), state) in self.places.iter().zip(&mut side.places) {
                search.look(state, bytes);
            }
        };
        write(&mut look, writer.as_mut()).map_err(|error| format!("cannot record its output: {error}"))?;
        self.order.push(stream, u64::try_from(length).unwrap_or(u64::MAX));
        if self.order.chunks().len() > MOST_CHUNKS {
            return Err("its two streams alternate too often".to_owned());
        }
        Ok(())
    }

    fn taken(&mut self, taken: Result<(), String>) {
        if let Err(trouble) = taken {
            self.trouble = Some(trouble);
            // The temporary files go at once: the disk may be full.
            self.stdout.writer = None;
            self.stderr.writer = None;
        }
    }
}

impl Recorder for Tee<'_> {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        if self.trouble.is_none() {
            let taken = self.take(stream, bytes.len(), |look, writer| {
                look(bytes);
                writer.write_all(bytes)
            });
            self.taken(taken);
        }
    }

    fn buffer(&mut self, stream: Stream, buffer: &mut Buffer, length: usize) {
        if self.trouble.is_none() {
            let taken = self.take(stream, length, |look, writer| {
                look(buffer.get(..length).unwrap_or_default());
                writer.write_buffer(buffer, length)
            });
            self.taken(taken);
        }
    }
}
