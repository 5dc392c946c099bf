//! The encoding of a result in a hot entry, without its observations: these belong to its question set.

use super::Candidate;
use crate::digest::{BlobId, CommitId};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::record::{Commit, Evidence, OutputTree};

/// Maximum number of commits in a hot entry.
pub(crate) const MOST_CANDIDATES: usize = 8;

/// Encodes a result without its observations.
pub(super) fn encode_candidate(candidate: &Candidate, to: &mut Encoder) {
    to.value(&candidate.id).bytes(&candidate.commit.to_bytes());
    to.option(candidate.outputs.as_ref());
    encode_evidence(&candidate.output_evidence, to);
    to.list(&candidate.irrelevant_env);
    to.length(candidate.inline.len());
    for (blob, bytes) in &candidate.inline {
        to.value(blob).bytes(bytes);
    }
    to.list(&candidate.strict);
}

/// Decodes what [`encode_candidate`] wrote.
pub(super) fn decode_candidate(from: &mut Decoder<'_>) -> Result<Candidate, DecodeError> {
    let id = CommitId::decode(from)?;
    let commit = Commit::from_bytes(from.bytes()?)?;
    let evidence = Vec::new();
    let outputs: Option<OutputTree> = from.option()?;
    let output_evidence = decode_evidence(from)?;
    let irrelevant_env = from.list()?;
    let mut inline = Vec::new();
    for _ in 0..from.length()? {
        inline.push((BlobId::decode(from)?, from.bytes()?.to_vec()));
    }
    let strict = from.list()?;
    let candidate =
        Candidate { id, commit, evidence, outputs, output_evidence, irrelevant_env, inline, strict };
    let entries = candidate.outputs.as_ref().map_or(0, |tree| tree.entries().len());
    let whole = candidate.commit.observations.is_empty() && candidate.output_evidence.len() == entries;
    if whole { Ok(candidate) } else { Err(DecodeError::NotCanonical) }
}

pub(super) fn encode_evidence(list: &[Option<Evidence>], to: &mut Encoder) {
    to.length(list.len());
    for evidence in list {
        to.option(evidence.as_ref());
    }
}

pub(super) fn decode_evidence(from: &mut Decoder<'_>) -> Result<Vec<Option<Evidence>>, DecodeError> {
    let count = from.length()?;
    let mut list = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        list.push(from.option()?);
    }
    Ok(list)
}

/// Evidence for exactly `count` items, padded with `None`.
pub(crate) fn fitted(mut evidence: Vec<Option<Evidence>>, count: usize) -> Vec<Option<Evidence>> {
    evidence.resize(count, None);
    evidence
}
