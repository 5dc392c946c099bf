//! Fuzzing entry points for what a store reads back: see `crate::fuzzing`. Digest checks are skipped or satisfied, so that the
//! code behind them is reached.

use super::flat::{self, Area};
use super::{LocalStore, StoreOptions, archive, blobs, events as log, recall};
use crate::digest::{Digest, Key};
use std::io::{Cursor, Write};
use std::sync::LazyLock;

/// The key that the seeds use.
pub(crate) fn key() -> Key {
    Key(Digest::of(b"key"))
}

/// The payload of a hot entry.
pub(crate) fn hot(bytes: &[u8]) {
    let _ = recall::parse_hot(bytes, &key(), &|_| None);
}

/// A flat file.
pub(crate) fn flat(bytes: &[u8]) {
    let file = written(bytes);
    let _ = flat::read_file(file.path(), Area::Keys, &key().0);
}

/// The log of hits and misses.
pub(crate) fn events(bytes: &[u8]) {
    let _ = log::parse(bytes);
}

/// The file of a compressed blob, with the digest of its header corrected.
pub(crate) fn blob(bytes: &[u8]) {
    blobs::read_any(bytes);
}

/// A stored frame: it must never decompress to more than the expected length.
pub(crate) fn frame(bytes: &[u8]) {
    for length in [0, 10, 70_000] {
        let mut to = crate::buffer::Buffer::default();
        if blobs::decompress(bytes, length, &mut to).is_ok() {
            assert!(to.len() == length, "a frame of another length");
        }
    }
}

/// The table of an archive, and the entry of a commit.
pub(crate) fn table(bytes: &[u8]) {
    archive::read_any(bytes);
}

/// A whole archive before compression.
pub(crate) fn archive(bytes: &[u8]) {
    static STORE: LazyLock<Option<(tempfile::TempDir, LocalStore)>> = LazyLock::new(|| {
        let directory = tempfile::tempdir().ok()?;
        let options = StoreOptions { create: true, ..StoreOptions::default() };
        let store = LocalStore::open(&directory.path().join("store"), &options).ok()?;
        Some((directory, store))
    });
    let (Some((_, store)), Ok(packed)) = (STORE.as_ref(), zstd::bulk::compress(bytes, 1)) else { return };
    if store.import(&mut Cursor::new(packed), &mut |_| {}).is_ok() {
        let report = store.check(false, &mut |_| {});
        assert!(report.is_ok_and(|report| report.damage.is_empty()), "what was imported is damaged");
    }
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let made = tempfile::NamedTempFile::new().and_then(|mut file| file.write_all(bytes).map(|()| file));
    match made {
        Ok(file) => file,
        Err(error) => unreachable!("no temporary file: {error}"),
    }
}

/// Valid seeds for the targets here.
#[cfg(test)]
pub(crate) fn seeds(name: &str) -> Vec<Vec<u8>> {
    use crate::encode::Encode;
    use crate::record::Recall;
    use crate::store::{BlobStore, ResultIndex};
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions { create: true, ..StoreOptions::default() };
    let store = LocalStore::open(&directory.path().join("store"), &options).unwrap();
    // Creates every part of a store.
    store.fold().unwrap();
    let text = b"some text that compresses well ".repeat(300);
    match name {
        "commit" => vec![recall::tests::candidate(1).commit.to_bytes()],
        "tree" => vec![recall::tests::candidate(1).outputs.unwrap().to_bytes()],
        "hot" => vec![recall::tests::payload(&[recall::tests::candidate(1), recall::tests::candidate(2)])],
        "flat" => {
            let request = crate::digest::RequestId(key().0);
            store.remember(&request, b"facts");
            let path = store.layout().hot("c", &key().0);
            vec![std::fs::read(path).unwrap()]
        }
        "events" => {
            let at = crate::record::Timestamp(5);
            let missed = crate::store::Event::Missed {
                command: b"a".to_vec(),
                reason: "r".into(),
                detail: "d".into(),
                recorded: false,
                at,
            };
            store.note(&missed);
            store.note(&missed);
            vec![std::fs::read(store.layout().hits()).unwrap()]
        }
        "blob" => {
            let mut writer = BlobStore::write(&store).unwrap();
            writer.write_all(&text).unwrap();
            let content = writer.finish().unwrap();
            vec![std::fs::read(store.layout().packed(&content.blob)).unwrap()]
        }
        "frame" => vec![zstd::bulk::compress(&text, 1).unwrap()],
        "table" | "archive" => {
            let mut archive = Vec::new();
            store.export(&[], &mut archive, &mut |_| {}).unwrap();
            vec![zstd::stream::decode_all(archive.as_slice()).unwrap(), archive::table_of_nothing()]
        }
        _ => Vec::new(),
    }
}
