//! Writes a recorded run to a shared cache: blobs first, then the result, then its questions.

use super::{alike, by_content};
use crate::digest::CommitId;
use crate::encode::{Decode, Encode};
use crate::error::Error;
use crate::hash::environment::looks_secret;
use crate::hash::manifest::{Manifest, Part, Value};
use crate::record::questions::{self, Split};
use crate::record::{Commit, Observation, Places, StoredPath};
use crate::remote::carrier::{Blob, Failure};
use crate::remote::keys::SigningKey;
use crate::remote::records::{self, Body, Kind, LARGEST_INLINE, Shared};
use crate::remote::toolchain::Token;
use crate::remote::{Opened, portable};
use crate::store::{BlobStore, LocalStore, QuestionSet, ResultIndex};
use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;

/// How writing a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is there.
    Done,
    /// It is not shared, for this reason.
    Private(String),
    /// It is not in the store any more, or is not to be replayed.
    Gone,
}

/// Why a run could not be written.
#[derive(Debug)]
pub enum Unpublished {
    /// The cache.
    Cache(Failure),
    /// Our own store.
    Store(Error),
}

impl From<Failure> for Unpublished {
    fn from(failure: Failure) -> Self {
        Self::Cache(failure)
    }
}

impl From<Error> for Unpublished {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Writes the run `id` to a shared cache, signed if there is a key. A token replaces the system files that the run used.
/// `places` are those of the project: large files that the run only looked at are read now.
///
/// # Errors
/// [`Unpublished`]: nothing that refers to what is missing was written.
pub fn publish(
    store: &LocalStore,
    id: &CommitId,
    opened: &mut Opened,
    (key, token): (Option<&SigningKey>, Option<&Token>),
    places: &Places,
) -> Result<Published, Unpublished> {
    let Some(whole) = store.whole(id)? else { return Ok(Published::Gone) };
    let Ok(manifest) = Manifest::from_bytes(&whole.manifest) else { return Ok(Published::Gone) };
    if let Some(why) = kept_here(&whole.commit, &manifest, token, places) {
        return Ok(Published::Private(why));
    }
    let mut commit = whole.commit.clone();
    let local = commit.key;
    commit.observations = match by_content::read(&commit, token, places) {
        Ok(observations) => observations,
        Err(why) => return Ok(Published::Private(why)),
    };
    if let Some(token) = token {
        commit.key = alike::key(&manifest, whole.commit.observations.iter(), token);
        commit.observations = token.instead(&commit.observations).unwrap_or_default();
    }
    let id = if commit.observations == whole.commit.observations { *id } else { commit.id() };
    let split = questions::split_all(&commit.observations, &commit.products);
    let (set, answers) = questions::digests(&split);
    let name = records::result_name(&commit.key, &set, &answers);
    let (inline, blobs) = store.parted(&whole.blobs, LARGEST_INLINE, LARGEST_INLINE)?;
    let blobs: Vec<Blob> =
        blobs.iter().map(|content| Blob { digest: *content.blob.0.as_bytes(), size: content.size }).collect();
    let shared = Shared {
        id,
        commit: Commit { observations: Vec::new(), ..commit.clone() }.to_bytes(),
        left: split.iter().flat_map(|part| part.left.iter().copied()).collect(),
        inline,
    };
    let Some(record) = records::write_result(&name, &shared, &blobs, key) else {
        return Ok(Published::Private("its record is too large".to_owned()));
    };
    let list = records::questions_name(&commit.key);
    let body = |parts: Vec<&[u8]>| {
        Body::new(Kind::Questions, &list, records::questions_body(parts.into_iter()), key)
    };
    let mut bodies = vec![body(split.iter().map(|part| part.questions.as_slice()).collect())];
    if records::write_list(&bodies).is_none() {
        return Ok(Published::Private("its questions are too many".to_owned()));
    }
    for blob in opened.carrier().missing(&blobs)? {
        opened.carrier().add_blob(&blob, &file_of(store, &blob)?)?;
    }
    if let Some(states) = questions::states(&commit.products, |product| Some(product.before.clone())) {
        let name = records::found_name(&commit.key, &set, &answers, &states);
        if let Some(record) = records::write_result(&name, &shared, &blobs, key) {
            opened.carrier().add_result(&name, &record, &blobs)?;
        }
    }
    opened.carrier().add_result(&name, &record, &blobs)?;
    // A writer adds the questions that another writer left out.
    for known in store.look_up(&local)?.sets {
        if let Some(split) = shared_set(&known, token) {
            let other = body(split.iter().map(|part| part.questions.as_slice()).collect());
            if bodies.iter().all(|body| body.bytes != other.bytes) {
                bodies.push(other);
            }
        }
    }
    opened.add(Kind::Questions, &list, &bodies)?;
    let sources: Vec<StoredPath> = manifest
        .facts()
        .filter_map(|(part, _)| match part {
            Part::Source(path) => Some(path.clone()),
            _ => None,
        })
        .collect();
    if !sources.is_empty() {
        let name = records::sources_name(&commit.lineage);
        let body = Body::new(Kind::Sources, &name, records::sources_body(&sources), key);
        opened.add(Kind::Sources, &name, &[body])?;
    }
    Ok(Published::Done)
}

/// Why a run is of use to this machine alone, if it is: it is not written to shared caches. `token` is the name that replaces the
/// toolchain there.
#[must_use]
pub fn kept_here(
    commit: &Commit,
    manifest: &Manifest,
    token: Option<&Token>,
    places: &Places,
) -> Option<String> {
    let hidden = manifest.facts().find_map(|(part, value)| match (part, value) {
        (Part::Word(_), Value::Digest(_)) => Some("a word of it is redacted".to_owned()),
        (Part::Variable(name), Value::Digest(_)) if is_secret(name) => {
            Some(format!("it depends on {}", String::from_utf8_lossy(name)))
        }
        _ => None,
    });
    hidden.or_else(|| match by_content::check(commit, token, places) {
        Ok(observations) => {
            portable::private(&observations, None, &is_secret, token).map(|why| why.to_string())
        }
        Err(why) => Some(why),
    })
}

/// What other machines may be asked of a set; `None` where that is not all that its results depend on.
fn shared_set(known: &QuestionSet, token: Option<&Token>) -> Option<Vec<Split>> {
    let observations = by_content::asked(&known.observations);
    if portable::private(&observations, None, &is_secret, token).is_some() {
        return None;
    }
    let Some(token) = token else {
        let is_own = |number: usize| known.own.binary_search(&number).is_ok();
        return Some(questions::split_all_by(&observations, &is_own));
    };
    let kept = token.instead(&observations)?;
    let own: Vec<&Observation> = known.own.iter().filter_map(|number| observations.get(*number)).collect();
    let is_own = |number: usize| kept.get(number).is_some_and(|observation| own.contains(&observation));
    Some(questions::split_all_by(&kept, &is_own))
}

/// Whether the digest of a variable's value is one that this store alone can make.
fn is_secret(name: &[u8]) -> bool {
    let value = env::var_os(OsStr::from_bytes(name)).unwrap_or_default();
    looks_secret(name, value.as_bytes())
}

/// A file that holds the bytes of a blob.
fn file_of(store: &LocalStore, blob: &Blob) -> Result<File, Unpublished> {
    let id = crate::digest::BlobId(crate::digest::Digest::from_bytes(blob.digest));
    if let Some((file, _)) = store.open_raw(&id)? {
        return Ok(file);
    }
    let mut file = store.scratch()?;
    let copied = io::copy(&mut store.read(&id)?, &mut file);
    copied.map_err(|source| Error::io("read", store.directory(), source))?;
    Ok(file)
}
