//! Writing large blobs: every way of writing stores the same bytes, once.

use super::*;
use crate::buffer::Buffer;
use crate::store::BlobWriter;
use crate::store::layout::tests::empty;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

fn blobs() -> (tempfile::TempDir, Arc<Blobs>) {
    let (directory, layout) = empty();
    (directory, Arc::new(Blobs::new(layout, false)))
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|place| u8::try_from((place * 7 + place / 251) % 256).unwrap()).collect()
}

#[test]
fn large_blobs_that_are_there_and_true_stay_and_others_are_replaced() {
    let (directory, blobs) = blobs();
    let path = directory.path().join("large");
    fs::write(&path, content(SMALL + 1)).unwrap();
    let put = || blobs.put_file(&File::open(&path).unwrap(), &[]).unwrap().0.blob;
    let blob = put();
    let raw = blobs.layout.raw(&blob);
    let inode = || fs::metadata(&raw).unwrap().ino();
    let first = inode();
    assert_eq!((put(), inode()), (blob, first));
    let mut damaged = content(SMALL + 1);
    damaged[SMALL / 2] ^= 1;
    fs::write(&raw, &damaged).unwrap();
    assert_eq!(put(), blob);
    assert_ne!(inode(), first);
    assert!(fs::read(&raw).unwrap() == content(SMALL + 1));
    assert_eq!(fs::read_dir(blobs.layout.temporary()).unwrap().count(), 1, "the list of pending blobs alone");
}

#[test]
fn buffers_and_bytes_arrive_in_their_order_and_buffers_keep_their_length() {
    let (_directory, blobs) = blobs();
    let bytes = content(2 * SMALL + 777);
    let mut writer = Box::new(blobs.write());
    let mut rest = bytes.as_slice();
    let mut buffer = Buffer::new(256 << 10);
    for length in [100_000, 256 << 10, 5001, 32 << 10, 1, 256 << 10, 300_001, 40_000].into_iter().cycle() {
        let (now, later) = rest.split_at(length.min(rest.len()));
        if length % 2 == 0 {
            buffer[..now.len()].copy_from_slice(now);
            writer.write_buffer(&mut buffer, now.len()).unwrap();
            assert_eq!(buffer.len(), 256 << 10);
        } else {
            writer.write_all(now).unwrap();
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    let put = writer.finish().unwrap();
    assert_eq!((put.blob, put.size), (BlobId(Digest::of(&bytes)), bytes.len() as u64));
    assert!(fs::read(blobs.layout.raw(&put.blob)).unwrap() == bytes);
}

#[test]
fn a_copy_is_proven() {
    let (directory, blobs) = blobs();
    let bytes = content(SMALL + 5);
    let path = directory.path().join("large");
    fs::write(&path, &bytes).unwrap();
    let blob = blobs.put_file(&File::open(&path).unwrap(), &[]).unwrap().0.blob;
    let to = || File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    assert!(blobs.copy_to(&blob, &to()).unwrap());
    assert!(fs::read(&path).unwrap() == bytes);
    let raw = blobs.layout.raw(&blob);
    for damage in [&bytes[..SMALL], &[bytes.as_slice(), b"x"].concat(), &vec![0; bytes.len()]] {
        fs::write(&raw, damage).unwrap();
        let error = blobs.copy_to(&blob, &to()).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Damaged);
    }
    let small = blobs.put(&[b'a'; TINY + 1]).unwrap().blob;
    assert!(!blobs.copy_to(&small, &to()).unwrap(), "it is compressed");
}
