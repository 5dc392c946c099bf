//! The dynamic loader's cache: which paths it holds for the base name of a library.
//!
//! Bytes in, entries out. Only the present format of glibc is read; of another one nothing is known.

use crate::digest::Digest;
use crate::encode::Encoder;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where the loader looks for its cache.
pub const CACHE: &str = "/etc/ld.so.cache";

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// Set in the high half of an entry's capabilities where the low half is the number of a name.
const IS_NAMED: u32 = 1 << 30;
const EXTENSIONS: u32 = 0xEAA4_2174;
const CAPABILITY_NAMES: u32 = 1;

/// One entry of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry<'a> {
    name: &'a [u8],
    path: &'a [u8],
    flags: u32,
    /// What the machine must be capable of, by name or as bits: numbers of names differ from cache to cache.
    needs: Vec<u8>,
}

/// The digest of all entries of `names` (sorted), in their order; `None` where the format is not known.
#[must_use]
pub fn digest(cache: &[u8], names: &[Vec<u8>]) -> Option<Digest> {
    let entries = entries(cache)?;
    let mut encoder = Encoder::new();
    for entry in entries {
        if names.binary_search_by(|name| name.as_slice().cmp(entry.name)).is_ok() {
            encoder.bytes(entry.name).bytes(entry.path).unsigned(u64::from(entry.flags)).bytes(&entry.needs);
        }
    }
    Some(Digest::of(&encoder.finish()))
}

/// The directories whose libraries the cache holds; `None` where the format is not known.
#[must_use]
pub fn directories(cache: &[u8]) -> Option<BTreeSet<PathBuf>> {
    let parents = entries(cache)?
        .into_iter()
        .filter_map(|entry| Path::new(OsStr::from_bytes(entry.path)).parent().map(Path::to_path_buf));
    Some(parents.collect())
}

fn entries(cache: &[u8]) -> Option<Vec<Entry<'_>>> {
    if !cache.starts_with(MAGIC) {
        return None;
    }
    let count = usize::try_from(word(cache, 20)?).ok()?;
    // A cache of a million libraries is none.
    if count > cache.len() / ENTRY {
        return None;
    }
    let capabilities = capabilities(cache);
    let mut entries = Vec::with_capacity(count);
    for number in 0..count {
        let at = HEADER + number * ENTRY;
        let (low, high) = (word(cache, at + 16)?, word(cache, at + 20)?);
        let needs = if high & IS_NAMED != 0 {
            let place = usize::try_from(low).ok()?;
            capabilities.as_ref()?.get(place)?.to_vec()
        } else {
            [low.to_le_bytes(), high.to_le_bytes()].concat()
        };
        entries.push(Entry {
            flags: word(cache, at)?,
            name: text(cache, word(cache, at + 4)?)?,
            path: text(cache, word(cache, at + 8)?)?,
            needs,
        });
    }
    Some(entries)
}

/// The names of capabilities, by number.
fn capabilities(cache: &[u8]) -> Option<Vec<&[u8]>> {
    let at = usize::try_from(word(cache, 32)?).ok().filter(|at| *at > 0)?;
    if word(cache, at)? != EXTENSIONS {
        return None;
    }
    let count = usize::try_from(word(cache, at + 4)?).ok()?;
    for number in 0..count.min(64) {
        let section = at + 8 + number * 16;
        if word(cache, section)? == CAPABILITY_NAMES {
            let offset = usize::try_from(word(cache, section + 8)?).ok()?;
            let size = usize::try_from(word(cache, section + 12)?).ok()?;
            return (0..size / 4)
                .map(|name| text(cache, word(cache, offset.checked_add(name * 4)?)?))
                .collect();
        }
    }
    None
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn text(bytes: &[u8], at: u32) -> Option<&[u8]> {
    bytes.get(usize::try_from(at).ok()?..)?.split(|byte| *byte == 0).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache as `ldconfig` writes it, without capabilities.
    fn cache(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::try_from(entries.len()).unwrap().to_le_bytes());
        bytes.resize(HEADER, 0);
        let mut strings = Vec::new();
        let start = HEADER + entries.len() * ENTRY;
        for (name, path) in entries {
            let mut put = |text: &str| {
                let at = u32::try_from(start + strings.len()).unwrap();
                strings.extend_from_slice(text.as_bytes());
                strings.push(0);
                at
            };
            let (name, path) = (put(name), put(path));
            for word in [0x303, name, path, 0, 0, 0] {
                bytes.extend(word.to_le_bytes());
            }
        }
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn only_the_entries_of_the_names_count() {
        let names = [b"libm.so.6".to_vec(), b"libx.so.1".to_vec()];
        let before = cache(&[("libm.so.6", "/lib/libm.so.6"), ("libc.so.6", "/lib/libc.so.6")]);
        let other = cache(&[("libq.so", "/opt/libq.so"), ("libm.so.6", "/lib/libm.so.6")]);
        let appeared = cache(&[("libm.so.6", "/lib/libm.so.6"), ("libx.so.1", "/opt/libx.so.1")]);
        let moved = cache(&[("libm.so.6", "/opt/libm.so.6"), ("libm.so.6", "/lib/libm.so.6")]);
        let digest = |cache: &[u8]| digest(cache, &names).unwrap();
        assert_eq!(digest(&before), digest(&other));
        assert_ne!(digest(&before), digest(&appeared));
        assert_ne!(digest(&before), digest(&moved));
        assert_eq!(directories(&appeared).unwrap().len(), 2);
    }

    #[test]
    fn what_is_not_a_cache_tells_nothing() {
        let whole = cache(&[("libm.so.6", "/lib/libm.so.6")]);
        for bytes in [&b""[..], b"ld.so-1.7.0", whole.get(..60).unwrap()] {
            assert_eq!(digest(bytes, &[]), None);
        }
        if let Ok(bytes) = std::fs::read(CACHE)
            && bytes.starts_with(MAGIC)
        {
            assert!(digest(&bytes, &[b"libc.so.6".to_vec()]).is_some());
        }
    }
}
