//! The remembered table of files that were searched for names: their evidence, and the names that they contain.

use super::NameSearch;
use crate::digest::{Digest, RequestId};
use crate::encode::{Decode, DecodeError, Decoder, Encoder};
use crate::record::Evidence;
use rustc_hash::FxHashMap;
use std::os::unix::ffi::OsStrExt;

/// First field of the remembered table.
const VERSION: u64 = 4;

/// By path: the file's evidence, and the indices of the names that it contains.
pub(super) type Table = FxHashMap<Vec<u8>, (Evidence, Vec<usize>)>;

impl NameSearch {
    /// The id under which the table is remembered: one for each set of names and each root.
    pub(super) fn table(&self) -> RequestId {
        let mut encoder = Encoder::new();
        let root = self.root.as_deref().map(|root| root.as_os_str().as_bytes().to_vec());
        encoder
            .text("cashet: files searched for names")
            .unsigned(VERSION)
            .option(root.as_ref())
            .bytes(&self.colors.to_bytes())
            .list(&self.names);
        RequestId(Digest::of(&encoder.finish()))
    }
}

/// Decodes the table that [`write()`] wrote, for a search with this number of names.
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
