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
    let entries = outputs.as_ref().map_or(0, |tree| tree.entries().len());
    let mut output_evidence = Vec::new();
    decode_evidence(from, entries, &mut output_evidence)?;
    let irrelevant_env = from.list()?;
    let mut inline = Vec::new();
    for _ in 0..from.length()? {
        inline.push((BlobId::decode(from)?, from.bytes()?.to_vec()));
    }
    let strict = from.list()?;
    let candidate =
        Candidate { id, commit, evidence, outputs, output_evidence, irrelevant_env, inline, strict };
    if candidate.commit.observations.is_empty() { Ok(candidate) } else { Err(DecodeError::NotCanonical) }
}

/// How evidence of a list is encoded: none, its own, or that of the item before, which is usual for absent names of a directory.
const NONE: u64 = 0;
const OWN: u64 = 1;
const AS_BEFORE: u64 = 2;

pub(super) fn encode_evidence(list: &[Option<Evidence>], to: &mut Encoder) {
    to.length(list.len());
    let mut before = None;
    for evidence in list {
        match evidence {
            None => to.unsigned(NONE),
            Some(evidence) if before == Some(evidence) => to.unsigned(AS_BEFORE),
            Some(evidence) => to.unsigned(OWN).value(evidence),
        };
        before = evidence.as_ref().or(before);
    }
}

/// Appends what [`encode_evidence`] wrote, which must be of `count` items.
pub(super) fn decode_evidence(
    from: &mut Decoder<'_>,
    count: usize,
    list: &mut Vec<Option<Evidence>>,
) -> Result<(), DecodeError> {
    if from.length()? != count {
        return Err(DecodeError::NotCanonical);
    }
    list.reserve(count);
    let mut before = None;
    for _ in 0..count {
        let evidence = match from.unsigned()? {
            NONE => None,
            OWN => {
                let own = Some(Evidence::decode(from)?);
                if own == before {
                    return Err(DecodeError::NotCanonical);
                }
                before = own;
                own
            }
            AS_BEFORE if before.is_some() => before,
            tag => return Err(DecodeError::UnknownTag(tag)),
        };
        list.push(evidence);
    }
    Ok(())
}

/// Evidence for exactly `count` items, padded with `None`.
pub(crate) fn fitted(mut evidence: Vec<Option<Evidence>>, count: usize) -> Vec<Option<Evidence>> {
    evidence.resize(count, None);
    evidence
}
