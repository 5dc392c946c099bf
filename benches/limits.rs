//! What a look at the same bytes costs at least, for `compare.sh`: BLAKE3 of a file on all cores, and a walk that
//! looks at each entry of a tree once, in one thread.
//!
//! usage: limits blake3 FILE | limits walk DIRECTORY…

#![expect(clippy::print_stdout, reason = "a program that answers on standard output")]

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Each thread reads and hashes pieces of this size; a power of two, so that BLAKE3 can join them.
const PIECE: usize = 1 << 18;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [job, path] if job == "blake3" => println!("{}", hash(Path::new(path))?),
        [job, paths @ ..] if job == "walk" => {
            for path in paths {
                println!("{}", walk(Path::new(path))?);
            }
        }
        // cargo bench passes flags of its own: there is nothing to measure then.
        _ => println!("usage: limits blake3 FILE | limits walk DIRECTORY…"),
    }
    Ok(())
}

/// Each thread takes the next piece, reads it by `pread` and hashes it while it is in the core's cache; the pieces
/// are joined as BLAKE3's tree is. A mapping would be slower.
fn hash(path: &Path) -> io::Result<blake3::Hash> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size <= PIECE as u64 {
        let mut bytes = vec![0; PIECE];
        let length = read_piece(&file, &mut bytes, 0)?;
        return Ok(blake3::hash(bytes.get(..length).unwrap_or_default()));
    }
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let hash_some = || -> io::Result<Vec<(u64, ChainingValue)>> {
        let (mut piece, mut values) = (vec![0; PIECE], Vec::new());
        loop {
            let offset = next.fetch_add(PIECE as u64, Ordering::Relaxed);
            if offset >= size {
                return Ok(values);
            }
            let length = read_piece(&file, &mut piece, offset)?;
            let mut hasher = blake3::Hasher::new();
            hasher.set_input_offset(offset).update(piece.get(..length).unwrap_or_default());
            values.push((offset, hasher.finalize_non_root()));
        }
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(hash_some)).collect();
        let failed = || Err(io::Error::other("a thread failed"));
        started.into_iter().map(|thread| thread.join().unwrap_or_else(|_| failed())).collect()
    });
    let mut values = Vec::new();
    for part in parts {
        values.extend(part?);
    }
    values.sort_unstable_by_key(|(offset, _)| *offset);
    let values: Vec<ChainingValue> = values.into_iter().map(|(_, value)| value).collect();
    let (left, right) = values.split_at(left_pieces(values.len()));
    Ok(merge_subtrees_root(&joined(left), &joined(right), Mode::Hash))
}

/// How many of `count` pieces are left of the root: the largest power of two below it.
const fn left_pieces(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn joined(values: &[ChainingValue]) -> ChainingValue {
    match values {
        [] => ChainingValue::default(),
        [value] => *value,
        _ => {
            let (left, right) = values.split_at(left_pieces(values.len()));
            merge_subtrees_non_root(&joined(left), &joined(right), Mode::Hash)
        }
    }
}

fn read_piece(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// How many entries there are, each looked at once without following links.
fn walk(directory: &Path) -> io::Result<u64> {
    let mut entries = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        entries += 1;
        if entry.metadata()?.is_dir() {
            entries += walk(&entry.path())?;
        }
    }
    Ok(entries)
}
