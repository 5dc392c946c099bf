//! Results that other machines recorded: asked for where none of ours holds, and taken into the store. From there they are
//! replayed as our own are.

use super::alike;
use super::asked::Asking;
use super::stdin::StdinAtStart;
use super::{Context, Event, Policy};
use crate::digest::{BlobId, Digest, Key};
use crate::encode::{Decode, Encode};
use crate::error::Error;
use crate::exec::start_helper;
use crate::hash::capture::{self, Captured};
use crate::hash::holds::{self, Present};
use crate::hash::request::Request;
use crate::record::{Commit, Content, FileState, Observation, OutputKind, OutputTree, Recall, questions};
use crate::remote::carrier::{Blob, Failure, Name};
use crate::remote::journal::{Asked, Journal};
use crate::remote::keys::PublicKey;
use crate::remote::records::{self, Kind, MOST_BODIES, Shared};
use crate::remote::toolchain::Token;
use crate::remote::{Opened, Remote, portable, tier};
use crate::store::{Arrival, Foreign, QuestionSet, Store};
use std::cell::OnceCell;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

/// Most questions of a set.
const MOST_QUESTIONS: usize = 20_000;

/// Largest encoded list of outputs, in bytes.
const LARGEST_TREE: u64 = 256 << 20;

/// The tag of a run that says which shared cache it came from.
pub const FROM: &str = "remote";

/// A result that was taken in.
pub(super) struct Taken {
    /// Which cache it came from, as that may be shown.
    pub(super) from: String,
    /// What was captured, where other sources count than before.
    pub(super) captured: Option<Box<Captured>>,
}

/// A call for which none of our own results holds.
pub(super) struct Seeking<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) request: &'a Request,
    pub(super) store: &'a dyn Store,
    pub(super) policy: &'a Policy,
    pub(super) captured: &'a Captured,
    pub(super) recall: &'a dyn Recall,
}

/// The digest of the states in which a run found what it read and rewrote.
fn earlier_states(commit: &Commit) -> Option<Digest> {
    questions::states(&commit.products, |product| Some(product.before.clone()))
}

/// What keeps a result from being taken in.
enum Trouble {
    /// The cache.
    Cache(Failure),
    /// Our own store.
    Store(Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Cache(failure)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Seeking<'_> {
    /// Asks the shared caches in order; takes the first result in that holds here.
    pub(super) fn take(&self) -> Option<Taken> {
        if self.context.remotes.is_empty() || crate::exec::nested::is_watched() {
            return None;
        }
        // A store that is not there yet has no place for what is noted of caches.
        let _ = self.store.scratch();
        let journal = Journal::of(self.store.workspace().root());
        let keys = self.user_keys();
        self.context.remotes.iter().find_map(|remote| self.take_from(remote, &keys, &journal))
    }

    fn user_keys(&self) -> Vec<PublicKey> {
        let Some(path) = tier::trusted_keys_path() else { return Vec::new() };
        tier::read_keys(&path).unwrap_or_else(|error| {
            self.say(&format!("{}: {error}", path.display()));
            Vec::new()
        })
    }

    fn take_from(&self, remote: &Remote, keys: &[PublicKey], journal: &Journal) -> Option<Taken> {
        if journal.pauses(&remote.url) {
            return None;
        }
        let (began, shown) = (Instant::now(), remote.shown());
        let token = remote.token().unwrap_or_else(|why| {
            if journal.says(&remote.url, "no-packages") {
                self.say(&why);
            }
            None
        });
        // The uploading process reports an invalid key.
        let own = tier::signing_key().ok().flatten();
        let asked =
            remote.open(start_helper, keys, own.as_ref()).map_err(Trouble::from).and_then(|mut opened| {
                let found = self.ask(&mut opened, &shown, token.as_ref());
                for why in &opened.distrusted {
                    if journal.says(&remote.url, &why.code()) {
                        self.say(&why.said(remote));
                    }
                }
                found
            });
        let (ended, fetched) = match asked {
            Ok(Some(captured)) => (Asked::Hit, Some(Taken { from: shown.clone(), captured })),
            Ok(None) => (Asked::Miss, None),
            Err(Trouble::Cache(Failure::Paused)) => return None,
            Err(Trouble::Cache(failure)) => {
                if journal.says(&remote.url, "failed") {
                    self.say(&format!("{shown}: {failure}"));
                }
                (Asked::Error, None)
            }
            Err(Trouble::Store(error)) => {
                self.context.observer.on(&Event::StoreTrouble(error.to_string()));
                (Asked::Miss, None)
            }
        };
        journal.count(&remote.url, &shown, ended, began.elapsed());
        fetched
    }

    fn say(&self, words: &str) {
        self.context.observer.on(&Event::Shared(words.to_owned()));
    }

    /// Whether a result was taken in; with what was captured, where other sources count.
    #[expect(clippy::option_option, reason = "whether, and then with what")]
    fn ask(
        &self,
        opened: &mut Opened,
        shown: &str,
        token: Option<&Token>,
    ) -> Result<Option<Option<Box<Captured>>>, Trouble> {
        if self.by_key(opened, self.captured, shown, token)? {
            return Ok(Some(None));
        }
        if self.captured.sources.len() < 2 {
            return Ok(None);
        }
        // Of a function in several files those count that its runs loaded: other machines know which.
        let mut tried = vec![self.captured.key];
        for body in opened.bodies(Kind::Sources, &records::sources_name(&self.captured.lineage))? {
            let Ok(sources) = records::read_sources(&body) else { continue };
            let Some(other) = capture::counting(self.captured, self.request, &sources, self.recall) else {
                continue;
            };
            if tried.contains(&other.key) {
                continue;
            }
            tried.push(other.key);
            if self.by_key(opened, &other, shown, token)? {
                other.loaded.remember(&other.lineage, self.recall);
                capture::rekey(self.request, &other.key, self.recall);
                return Ok(Some(Some(Box::new(other))));
            }
        }
        Ok(None)
    }

    /// Asks by one key.
    fn by_key(
        &self,
        opened: &mut Opened,
        captured: &Captured,
        shown: &str,
        token: Option<&Token>,
    ) -> Result<bool, Trouble> {
        let seen = captured.facts.iter().map(|(fact, _)| fact);
        let there = token.map_or(captured.key, |token| alike::key(&captured.manifest, seen, token));
        let bodies = opened.bodies(Kind::Questions, &records::questions_name(&there))?;
        let mut sets: Vec<QuestionSet> = bodies.iter().filter_map(|body| self.set_of(body, token)).collect();
        let secret = || self.context.recall.secret();
        let present = super::present(self.context, self.request, &captured.environment, &secret, None);
        let names = self.answered(&mut sets, (&captured.key, &there), &present)?;
        if names.is_empty() {
            return Ok(false);
        }
        let only: Vec<Name> = names.iter().map(|(_, _, name)| *name).collect();
        let results = opened.results(&only)?;
        let (mut fitting, mut others) = (Vec::new(), Vec::new());
        for ((set, answers, _), result) in names.iter().zip(results) {
            let (Some(set), Some(result)) = (sets.get(*set), result) else { continue };
            match self.other_states(&result.0) {
                None => fitting.push((set, result)),
                Some(now) => {
                    let name = records::found_name(&there, &set.id, answers, &now);
                    fitting.extend(opened.results(&[name])?.pop().flatten().map(|result| (set, result)));
                    // It may be as this one left it.
                    others.push((set, result));
                }
            }
        }
        for (set, result) in fitting.into_iter().chain(others) {
            if self.take_in(opened, (captured, &there), set, result, shown)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The digest of the present states of files that a run read and rewrote, where `result` was made from others.
    fn other_states(&self, result: &Shared) -> Option<Digest> {
        let commit = Commit::from_bytes(&result.commit).ok()?;
        self.present_states(&commit).filter(|now| earlier_states(&commit).as_ref() != Some(now))
    }

    /// The digest of the present states of what a run read and rewrote.
    fn present_states(&self, commit: &Commit) -> Option<Digest> {
        let root = &self.request.places.root;
        questions::states(&commit.products, |product| {
            holds::state_like(&root.join(OsStr::from_bytes(&product.path)), &product.before)
        })
    }

    /// Questions that may be asked.
    fn set_of(&self, body: &[u8], token: Option<&Token>) -> Option<QuestionSet> {
        let parts = records::read_questions(body).ok()?;
        let set = QuestionSet::unanswered(parts.iter().map(Vec::as_slice)).ok()?;
        let is_private =
            portable::private(&set.observations, Some(&self.request.places), &|_| false, token).is_some();
        let rests_on =
            |token: &Token| token.instead(&set.observations).is_some_and(|same| same == set.observations);
        let is_whole = token.is_none_or(rests_on);
        (set.observations.len() <= MOST_QUESTIONS && !is_private && is_whole).then_some(set)
    }

    /// Answers the questions; where the results are that other machines had with these answers, and that we do not have.
    fn answered(
        &self,
        sets: &mut [QuestionSet],
        (key, there): (&Key, &Key),
        present: &Present<'_>,
    ) -> Result<Vec<(usize, Digest, Name)>, Trouble> {
        let stdin = OnceCell::new();
        let stdin = || stdin.get_or_init(|| StdinAtStart::look(self.context.stdin));
        let mut asking = Asking::new(present, self.policy, stdin);
        let several = sets.len() > 1;
        let mut names = Vec::new();
        for (number, set) in sets.iter_mut().enumerate().take(MOST_BODIES) {
            let Some(answers) = asking.ask(set, several).answers else { continue };
            // One of ours with these answers was looked at already, and something else stands against it: another earlier state of
            // what it rewrote, or what no other result helps.
            let own = self.store.answering(key, &set.id, &answers)?;
            let name = match own.first() {
                None => Some(records::result_name(there, &set.id, &answers)),
                Some(latest) => self
                    .present_states(&latest.commit)
                    .filter(|now| own.iter().all(|known| earlier_states(&known.commit).as_ref() != Some(now)))
                    .map(|now| records::found_name(there, &set.id, &answers, &now)),
            };
            names.extend(name.map(|name| (number, answers, name)));
        }
        Ok(names)
    }

    /// Takes one result in, once all that belongs to it is here and verified.
    fn take_in(
        &self,
        opened: &mut Opened,
        (captured, there): (&Captured, &Key),
        set: &QuestionSet,
        (shared, blobs): (Shared, Vec<Blob>),
        shown: &str,
    ) -> Result<bool, Trouble> {
        let wrong = |words: &str| Trouble::Cache(Failure::Invalid(words.to_owned()));
        let mut commit = Commit::from_bytes(&shared.commit)
            .map_err(|error| wrong(&format!("the record of a run {error}")))?;
        if commit.key != *there || !commit.observations.is_empty() || !commit.is_replayable() {
            return Err(wrong("a record of another run"));
        }
        if !self.policy.kept_statuses.keep(commit.termination) {
            return Ok(false);
        }
        commit.observations.clone_from(&set.observations);
        questions::put_back(&shared.left, &mut commit.observations);
        if commit.id() != shared.id {
            return Err(wrong("a record of another run"));
        }
        if *there != captured.key {
            (commit.key, commit.lineage) = (captured.key, captured.lineage);
            commit.function_id = captured.function_id;
        }
        for bytes in &shared.inline {
            self.store.put(bytes)?;
        }
        // The list of outputs first: it says which blobs become files.
        let (lists, others): (Vec<&Blob>, Vec<&Blob>) = blobs
            .iter()
            .partition(|blob| commit.outputs.is_some_and(|tree| tree.blob.0.as_bytes() == &blob.digest));
        for blob in lists {
            if !self.fetch(opened, blob, false)? {
                return Ok(false);
            }
        }
        let outputs = self.tree_of(&commit)?;
        for blob in others {
            if !self.fetch(opened, blob, self.becomes_file(outputs.as_ref(), blob))? {
                return Ok(false);
            }
        }
        let foreign = Foreign {
            manifest: captured.manifest.to_bytes(),
            tags: vec![(FROM.to_owned(), shown.to_owned())],
            consumed: consumed(&commit),
            outputs,
            commit,
        };
        self.store.admit(foreign)?;
        Ok(true)
    }

    /// Whether a blob is in the store, now at the latest.
    fn fetch(&self, opened: &mut Opened, blob: &Blob, becomes_file: bool) -> Result<bool, Trouble> {
        let content = Content { blob: BlobId(Digest::from_bytes(blob.digest)), size: blob.size };
        if self.store.has(&content) {
            return Ok(true);
        }
        let (carrier, mut fetched) = (opened.carrier(), Ok(false));
        let received = self.store.receive(blob.size, becomes_file, &mut |file| {
            let restarts = carrier.restarts();
            fetched = carrier.fetch(blob, file);
            Arrival::of(matches!(fetched, Ok(true)), carrier.restarts() != restarts)
        });
        if !fetched? {
            return Ok(false);
        }
        if received? == Some(content) {
            Ok(true)
        } else {
            let words = format!("the bytes of blob {} are others", content.blob.short());
            Err(Trouble::Cache(Failure::Invalid(words)))
        }
    }

    /// Whether a replay will write a file with these bytes: it is an output, and no file of this size is there.
    fn becomes_file(&self, outputs: Option<&OutputTree>, blob: &Blob) -> bool {
        let root = &self.request.places.root;
        outputs.is_some_and(|tree| {
            tree.entries().iter().any(|entry| {
                let OutputKind::File { content, sparse: false, .. } = &entry.kind else { return false };
                let there = || std::fs::symlink_metadata(root.join(OsStr::from_bytes(&entry.path)));
                content.blob.0.as_bytes() == &blob.digest
                    && !there().is_ok_and(|there| there.len() == blob.size)
            })
        })
    }

    fn tree_of(&self, commit: &Commit) -> Result<Option<OutputTree>, Trouble> {
        let Some(content) = commit.outputs else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = self.store.read(&content.blob)?.take(LARGEST_TREE).read_to_end(&mut bytes);
        read.map_err(|source| Error::io("read", self.store.workspace().root(), source))?;
        let tree = OutputTree::from_bytes(&bytes);
        tree.map(Some).map_err(|error| Trouble::Cache(Failure::Invalid(format!("a list of outputs {error}"))))
    }
}

/// Digests of what a run was seen to read.
pub(super) fn consumed(commit: &Commit) -> Vec<Digest> {
    let mut digests: Vec<Digest> = commit
        .observations
        .iter()
        .filter_map(|observation| match observation {
            Observation::Content { digest, .. }
            | Observation::State { state: FileState::File { digest, .. }, .. } => Some(*digest),
            _ => None,
        })
        .collect();
    digests.sort_unstable();
    digests.dedup();
    digests
}
