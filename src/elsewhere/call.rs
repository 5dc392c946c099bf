//! What a job runs, as it is in the store.

use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::error::Result;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What a job runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// A name that no other job has, by which the engine knows it.
    pub token: String,
    /// The executor.
    pub executor: String,
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// The words after `cashet exec`.
    pub words: Vec<OsString>,
    /// The encoded manifest of the call when it was submitted, whose digest is the key; none for a call that is never
    /// recorded.
    pub manifest: Option<Vec<u8>>,
    /// `--latest`: what is there when the job begins is run, whatever the manifest says.
    pub latest: bool,
    /// `--snapshot`: the directory of the copied tree that is run.
    pub snapshot: Option<PathBuf>,
    /// The umask of the caller. Outputs get their modes from it, not from that of the other machine.
    pub umask: u32,
}

impl Encode for Call {
    fn encode(&self, to: &mut Encoder) {
        to.text(&self.token).text(&self.executor).bytes(self.directory.as_os_str().as_bytes());
        to.length(self.words.len());
        for word in &self.words {
            to.bytes(word.as_bytes());
        }
        to.option(self.manifest.as_ref()).flag(self.latest);
        to.option(self.snapshot.as_ref().map(|path| path.as_os_str().as_bytes().to_vec()).as_ref());
        to.unsigned(u64::from(self.umask));
    }
}

/// A umask. Other bits cannot be set: a worker that got them would start itself again for ever.
///
/// # Errors
/// It is not one.
pub(super) fn umask(from: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    let mask = from.unsigned32()?;
    if mask <= 0o777 { Ok(mask) } else { Err(DecodeError::NotCanonical) }
}

impl Decode for Call {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (token, executor) = (from.text()?.to_owned(), from.text()?.to_owned());
        let directory = OsString::from_vec(from.bytes()?.to_vec()).into();
        let words = from.list::<Vec<u8>>()?.into_iter().map(OsString::from_vec).collect();
        let (manifest, latest) = (from.option()?, from.flag()?);
        let snapshot = from.option::<Vec<u8>>()?.map(|path| OsString::from_vec(path).into());
        let umask = umask(from)?;
        Ok(Self { token, executor, directory, words, manifest, latest, snapshot, umask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_umask_has_no_other_bits() {
        let decoded = |mask: u64| {
            let mut encoder = Encoder::new();
            encoder.unsigned(mask);
            umask(&mut Decoder::new(&encoder.finish()))
        };
        for (mask, expected) in [(0, true), (0o777, true), (0o1000, false), (1 << 33, false)] {
            assert_eq!(decoded(mask).is_ok(), expected, "{mask:o}");
        }
    }
}
