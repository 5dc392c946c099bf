//! The locks of a store in a directory, and its notes about who holds one and who waits.

use crate::digest::Key;
use crate::error::Result;
use crate::record::Timestamp;
use crate::store::LocalStore;
use crate::store::lock::{self, Taken};
use crate::store::{Active, Claim, Claims, Draft, Running, Waiting};

impl Claims for LocalStore {
    fn claim(&self, key: &Key, waiting: &mut dyn FnMut()) -> Result<Claim> {
        let mut is_first = true;
        let claim = self.claim_while(key, &mut |_| {
            if !std::mem::take(&mut is_first) {
                waiting();
            }
            true
        })?;
        Ok(claim.unwrap_or_else(|| Claim::new(*key, None, true)))
    }

    fn claim_while(&self, key: &Key, waits: &mut dyn FnMut(Option<u32>) -> bool) -> Result<Option<Claim>> {
        let claimed = match self.ready() {
            Ok(()) => lock::claim(self.layout(), key, waits)?,
            Err(error) if error.os_error().is_some_and(lock::cannot_write) => lock::Claimed::Unwritable,
            Err(error) => return Err(error),
        };
        Ok(match claimed {
            lock::Claimed::Taken(Taken { file, waited, abandoned }) => Some(Claim {
                key: *key,
                lock: Some(file),
                waited,
                abandoned,
                in_progress: Some(self.blobs.runs.begin()),
            }),
            lock::Claimed::Unwritable => Some(Claim::new(*key, None, false)),
            lock::Claimed::GivenUp => None,
        })
    }

    fn begin(&self, draft: &Draft) -> Option<Running> {
        self.mark_running(draft)
    }

    fn active(&self, key: &Key) -> Option<Active> {
        let of_key = self.all_active().into_iter().filter(|run| run.commit.key == *key);
        of_key.max_by_key(|run| run.commit.started)
    }

    fn wait(&self, key: &Key, since: Timestamp) -> Option<Waiting> {
        self.note_waiting(key, since)
    }
}
