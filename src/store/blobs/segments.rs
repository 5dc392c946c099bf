//! The BLAKE3 digest of content that can be loaded in segments, on all cores.
//!
//! BLAKE3 is a tree hash: segments whose size is a power of two can be digested independently and joined. So reading and
//! decompressing run on all cores too, and memory use does not grow with the size.

use crate::buffer::Buffer;
use crate::digest::Digest;
use blake3::hazmat::merge_subtrees_root;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Content up to this size, in bytes, is digested on the calling thread: starting threads would cost more than it saves.
pub(crate) const ONE_THREAD: u64 = 8 << 20;

/// Maximum number of threads; each one holds a segment in memory.
const MOST_THREADS: usize = 8;

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The segment's bytes.
    pub(crate) bytes: Buffer,
    /// A buffer for the loader, for example for stored bytes.
    pub(crate) stored: Buffer,
}

/// The digest of `size` bytes. `load` fills [`Scratch::bytes`] with one segment, given the segment's index and length.
/// `segment` is a power of two and at least 1 KiB.
pub(crate) fn digest<F>(size: u64, segment: u64, load: F) -> io::Result<Digest>
where
    F: Fn(u64, usize, &mut Scratch) -> io::Result<()> + Sync,
{
    digest_behind(size, segment, || Ok(()), load)
}

/// Like [`digest`]; the calling thread runs `first` before it joins the others, which may wait for it in `load`.
pub(super) fn digest_behind<F>(
    size: u64,
    segment: u64,
    first: impl FnOnce() -> io::Result<()>,
    load: F,
) -> io::Result<Digest>
where
    F: Fn(u64, usize, &mut Scratch) -> io::Result<()> + Sync,
{
    let count = size.div_ceil(segment).max(1);
    let length_of = |index: u64| {
        usize::try_from(size.saturating_sub(index.saturating_mul(segment)).min(segment)).unwrap_or(0)
    };
    if count == 1 {
        first()?;
        let mut scratch = Scratch::default();
        load(0, length_of(0), &mut scratch)?;
        return Ok(Digest::of(&scratch.bytes));
    }
    let count = usize::try_from(count).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let one = |index: usize, scratch: &mut Scratch| {
        let index = u64::try_from(index).unwrap_or(u64::MAX);
        load(index, length_of(index), scratch)?;
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(index.saturating_mul(segment)).update(&scratch.bytes);
        Ok(hasher.finalize_non_root())
    };
    let threads = if size <= ONE_THREAD { 1 } else { threads().min(count) };
    let values = on_threads(threads, count, first, &one)?;
    Ok(join(&values, size, segment))
}

/// Number of threads to use.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MOST_THREADS)
}

type One<'a> = dyn Fn(usize, &mut Scratch) -> io::Result<ChainingValue> + Sync + 'a;

fn on_threads(
    threads: usize,
    count: usize,
    first: impl FnOnce() -> io::Result<()>,
    one: &One<'_>,
) -> io::Result<Vec<ChainingValue>> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let work = || {
        let mut scratch = Scratch::default();
        let mut values = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count || failed.load(Ordering::Relaxed) {
                return Ok(values);
            }
            match one(index, &mut scratch) {
                Ok(value) => values.push((index, value)),
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let mut values: Vec<(usize, ChainingValue)> = thread::scope(|scope| {
        // If a thread cannot be started, the remaining threads do its share.
        let others: Vec<_> =
            (1..threads).filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        let begun = first();
        failed.fetch_or(begun.is_err(), Ordering::Relaxed);
        let mut all = begun.and_then(|()| work());
        for other in others {
            let part = other.join().unwrap_or_else(|_| Err(io::Error::other("a digesting thread died")));
            all = all.and_then(|mut all| {
                part.map(|part| {
                    all.extend(part);
                    all
                })
            });
        }
        all
    })?;
    values.sort_unstable_by_key(|(index, _)| *index);
    Ok(values.into_iter().map(|(_, value)| value).collect())
}

/// Joins the chaining values of at least two segments into the digest of the whole.
fn join(values: &[ChainingValue], size: u64, segment: u64) -> Digest {
    let (left, right) = halves(values, size, segment);
    Digest::from_bytes(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes())
}

fn halves(values: &[ChainingValue], size: u64, segment: u64) -> (ChainingValue, ChainingValue) {
    let left_size = left_subtree_len(size);
    let left_count = usize::try_from(left_size / segment).unwrap_or(0);
    let (left, right) = values.split_at_checked(left_count).unwrap_or((values, &[]));
    (subtree(left, left_size, segment), subtree(right, size - left_size, segment))
}

fn subtree(values: &[ChainingValue], size: u64, segment: u64) -> ChainingValue {
    match values {
        [one] => *one,
        // Unreachable, since the size determines the number of values. A wrong digest is reported as damage; it does not panic.
        [] => ChainingValue::default(),
        _ => {
            let (left, right) = halves(values, size, segment);
            merge_subtrees_non_root(&left, &right, Mode::Hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|place| u8::try_from((place * 7 + place / 251) % 256).unwrap()).collect()
    }

    #[test]
    fn segments_digest_as_the_whole() {
        for segment in [1024_u64, 4096] {
            for size in [0, 1, 1023, 1024, 1025, 2048, 4096, 4097, 12_288, 12_289, 65_536, 100_000] {
                let bytes = content(size);
                let found = digest(size as u64, segment, |index, length, scratch| {
                    let from = usize::try_from(index * segment).unwrap();
                    scratch.bytes.resize(length);
                    scratch.bytes.copy_from_slice(&bytes[from..from + length]);
                    Ok(())
                });
                assert_eq!(found.unwrap(), Digest::of(&bytes), "{size} in {segment}");
            }
        }
    }

    #[test]
    fn many_threads_digest_as_one() {
        let bytes = content(9 << 20);
        let segment = 1_u64 << 18;
        let found = digest(bytes.len() as u64, segment, |index, length, scratch| {
            let from = usize::try_from(index * segment).unwrap();
            scratch.bytes.resize(length);
            scratch.bytes.copy_from_slice(&bytes[from..from + length]);
            Ok(())
        });
        assert_eq!(found.unwrap(), Digest::of(&bytes));
    }

    #[test]
    fn one_segment_that_fails_fails_the_whole() {
        let found = digest(20 << 20, 1 << 20, |index, length, scratch| {
            scratch.bytes.resize(length);
            if index == 13 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
        });
        assert_eq!(found.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
