//! The key of a call from the capture that an earlier call remembered.

use crate::digest::{Key, RequestId};
use crate::hash::environment::Environment;
use crate::hash::gather::child_environment;
use crate::hash::naming::request_id;
use crate::hash::nature::names_descriptor;
use crate::hash::remembered::{self, Rests, Summary, Valid};
use crate::hash::request::Request;
use crate::hash::stat_cache::StatCache;
use crate::record::{Evidence, Recall, Timestamp};
use std::borrow::Cow;
use std::ffi::OsString;

/// What is known about a call whose remembered capture is still valid.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// The key.
    pub key: Key,
    /// The newest modification time of a file in the root whose content is in the key.
    pub newest: Timestamp,
    /// The environment that the child would get.
    pub environment: Cow<'a, Environment>,
    /// As in [`super::Captured`].
    pub sensitive: Option<OsString>,
    /// As in [`super::Captured`].
    pub volatile: Option<String>,
    /// Everything that was looked at.
    pub seen: StatCache,
}

/// The key without a full capture, if everything that the last capture looked at is unchanged. Reads only files whose evidence
/// cannot be trusted.
#[must_use]
pub fn recall<'a>(request: &'a Request, recall: &dyn Recall, now: Timestamp) -> Option<Known<'a>> {
    let id = request_id(request, &|| recall.secret());
    let bytes = recall.find(&id)?;
    let secret = || recall.secret();
    let (glance, newest, seen) = match remembered::check(&bytes, request, &secret, now) {
        Ok(Some(Valid { glance, newest, renewed, rests, seen })) => {
            if !renewed.is_empty() || !rests.is_empty() {
                renew(&id, &bytes, &glance.summary(), (renewed, rests), request, recall);
            }
            (glance, newest, seen)
        }
        Ok(None) => return None,
        Err(_) => {
            recall.forget(&id);
            return None;
        }
    };
    Some(Known {
        key: glance.key,
        newest,
        environment: if request.env_strict || !request.ignored.variables.is_empty() {
            Cow::Owned(request.ignored.counted(&child_environment(request, &glance.selector())))
        } else {
            Cow::Borrowed(&request.environment)
        },
        sensitive: names_descriptor(&request.words).cloned(),
        volatile: glance.volatile,
        seen,
    })
}

/// Remembers that the files of `request` now lead to another key, since it is known which sources count.
pub fn rekey(request: &Request, key: &Key, recall: &dyn Recall) {
    let id = request_id(request, &|| recall.secret());
    let Some(bytes) = recall.find(&id) else { return };
    let secret = || recall.secret();
    match remembered::check(&bytes, request, &secret, Timestamp::now()) {
        Ok(Some(Valid { glance, renewed, rests, .. })) => {
            let summary = Summary { key: *key, ..glance.summary() };
            renew(&id, &bytes, &summary, (renewed, rests), request, recall);
        }
        _ => recall.forget(&id),
    }
}

fn renew(
    id: &RequestId,
    bytes: &[u8],
    summary: &Summary,
    (renewed, new_rests): (Vec<(usize, Option<Evidence>)>, Rests),
    request: &Request,
    recall: &dyn Recall,
) {
    let Ok((mut facts, mut rests)) = remembered::facts(bytes) else {
        return;
    };
    rests.extend(new_rests);
    for (number, evidence) in renewed {
        if let Some(fact) = facts.get_mut(number) {
            fact.1 = evidence;
        }
    }
    let secret = || recall.secret();
    recall.remember(id, &remembered::encode(summary, &facts, &rests, &request.environment, &secret));
}
