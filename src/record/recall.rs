//! The memory that capture is handed, so that it need not know that a store exists.

use crate::digest::{DIGEST_LENGTH, RequestId};

/// Remembers what capture looked at. Losing an entry costs time, never an answer.
pub trait Recall {
    /// What was remembered for `request`, if it is there and whole.
    fn find(&self, request: &RequestId) -> Option<Vec<u8>>;

    /// Remembers `bytes` for `request`; a failure is not worth a word.
    fn remember(&self, request: &RequestId, bytes: &[u8]);

    /// Forgets `request`.
    fn forget(&self, request: &RequestId);

    /// The key for digests of values that look like secrets. It never leaves the store.
    fn secret(&self) -> [u8; DIGEST_LENGTH];
}

/// No memory: every capture looks at everything.
impl Recall for () {
    fn find(&self, _: &RequestId) -> Option<Vec<u8>> {
        None
    }

    fn remember(&self, _: &RequestId, _: &[u8]) {}

    fn forget(&self, _: &RequestId) {}

    fn secret(&self) -> [u8; DIGEST_LENGTH] {
        [0; DIGEST_LENGTH]
    }
}
