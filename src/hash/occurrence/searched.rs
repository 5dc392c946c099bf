//! What is remembered of the files that were searched for names: for each its evidence and which names it holds.

use super::NameSearch;
use crate::digest::{Digest, RequestId};
use crate::encode::{Decode, DecodeError, Decoder, Encoder};
use crate::record::Evidence;
use rustc_hash::FxHashMap;

/// First field of the remembered table.
const VERSION: u64 = 1;

/// By the bytes of the path: what the file was, and the places of the names that it holds.
pub(super) type Table = FxHashMap<Vec<u8>, (Evidence, Vec<usize>)>;

impl NameSearch {
    /// Under which name the table is remembered: one for each set of names.
    pub(super) fn table(&self) -> RequestId {
        let mut encoder = Encoder::new();
        encoder.text("cashet: files searched for names").list(&self.names);
        RequestId(Digest::of(&encoder.finish()))
    }
}

/// The table that [`write()`] wrote, of a search for so many names.
pub(super) fn read(bytes: &[u8], names: usize) -> Result<Table, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.unsigned()?;
    if version != VERSION {
        return Err(DecodeError::UnknownTag(version));
    }
    let mut table = Table::default();
    for _ in 0..decoder.length()? {
        let path = decoder.bytes()?.to_vec();
        let evidence = Evidence::decode(&mut decoder)?;
        let mut places = Vec::new();
        for _ in 0..decoder.length()? {
            let place = usize::try_from(decoder.unsigned()?).map_err(|_| DecodeError::NotCanonical)?;
            if place >= names {
                return Err(DecodeError::NotCanonical);
            }
            places.push(place);
        }
        table.insert(path, (evidence, places));
    }
    decoder.finish()?;
    Ok(table)
}

pub(super) fn write(table: &Table) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.unsigned(VERSION).length(table.len());
    for (path, (evidence, places)) in table {
        encoder.bytes(path).value(evidence).length(places.len());
        for place in places {
            encoder.length(*place);
        }
    }
    encoder.finish()
}
