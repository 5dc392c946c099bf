//! Provenance by content: the commits whose products a run consumed, and those that consumed its products.
//!
//! Consumed content with the digest of an earlier commit's product is an edge to the newest such commit. Empty content makes no edges.

use super::found::{Found, Opened};
use crate::digest::{CommitId, Digest};
use crate::error::Result;
use crate::hash::manifest::{Part, Value};
use crate::record::{Base, FileState, Observation, OutputKind, OutputTree, StdinUse, StoredPath};
use crate::ui::commits;
use crate::ui::escape;
use crate::ui::graph::{Edge, Graph, Node};
use crate::ui::json::{self, Object};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::os::unix::ffi::OsStrExt;

/// Largest graph that is followed, in commits.
const LARGEST: usize = 10_000;

/// One edge of a commit.
#[derive(Clone, Debug)]
pub struct Link {
    /// The consumed product: a path or `stdout`.
    pub label: Vec<u8>,
    /// The commit at the other end.
    pub id: CommitId,
    /// Its command, escaped.
    pub command: String,
}

/// The commits that produced what `found` consumed; `outputs` are its own outputs, where they are known.
///
/// # Errors
/// The store cannot be read.
pub fn used(opened: &Opened, found: &Found, outputs: Option<&OutputTree>) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    let mut seen = BTreeSet::new();
    for (digest, label) in consumed(found, outputs) {
        if let Some(maker) = maker(opened, &digest, found)?
            && seen.insert((maker.id, label.clone()))
        {
            links.push(Link { label, id: maker.id, command: commits::command(&maker.commit) });
        }
    }
    Ok(links)
}

/// The commits that consumed what `found` produced; `outputs` are its own outputs, where they are known.
///
/// # Errors
/// The store cannot be read.
pub fn made(opened: &Opened, found: &Found, outputs: Option<&OutputTree>) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    let mut seen = BTreeSet::new();
    for (digest, label) in products(found, outputs) {
        for id in opened.must()?.consumers(&digest)? {
            let Some(user) = opened.commit(&id)? else { continue };
            // The same bytes may have been produced again before they were consumed.
            let is_ours = maker(opened, &digest, &user)?.is_some_and(|maker| maker.id == found.id);
            if is_ours && seen.insert((id, label.clone())) {
                links.push(Link { label: label.clone(), id, command: commits::command(&user.commit) });
            }
        }
    }
    Ok(links)
}

/// The newest commit that produced these bytes before `user` was recorded.
fn maker(opened: &Opened, digest: &Digest, user: &Found) -> Result<Option<Found>> {
    for (id, _) in opened.must()?.producers(digest)? {
        if id == user.id {
            continue;
        }
        if let Some(maker) = opened.commit(&id)?
            && maker.sequence < user.sequence
        {
            return Ok(Some(maker));
        }
    }
    Ok(None)
}

/// The digests of everything that a commit consumed, with descriptions.
fn consumed(found: &Found, outputs: Option<&OutputTree>) -> Vec<(Digest, Vec<u8>)> {
    let is_output = |path: &StoredPath| {
        path.base() == Base::Root && outputs.is_some_and(|tree| tree.find(path.rest()).is_some())
    };
    let shown = |path: &StoredPath| path.shown().as_os_str().as_bytes().to_vec();
    let mut all = Vec::new();
    for (part, value) in found.manifest().facts() {
        let digest = match value {
            Value::File { digest, .. } | Value::Digest(digest) => *digest,
            _ => continue,
        };
        match part {
            Part::Input(path) | Part::Setting(path) => all.push((digest, shown(path))),
            Part::Stdin => all.push((digest, b"stdin".to_vec())),
            Part::Word(place) => {
                let word = found.commit.words.get(usize::try_from(*place).unwrap_or(usize::MAX));
                all.push((digest, word.cloned().unwrap_or_default()));
            }
            Part::Program(_) | Part::Tool(_) => all.push((digest, b"program".to_vec())),
            _ => {}
        }
    }
    for observation in &found.commit.observations {
        match observation {
            // The earlier content of an output that was not read was not consumed.
            Observation::State { path, .. } if is_output(path) => {}
            Observation::Content { path, digest }
            | Observation::State { path, state: FileState::File { digest, .. }, .. } => {
                all.push((*digest, shown(path)));
            }
            Observation::Stdin(StdinUse::Content { digest, .. }) => all.push((*digest, b"stdin".to_vec())),
            Observation::Descriptor { number, digest, .. } => {
                all.push((*digest, format!("descriptor {number}").into_bytes()));
            }
            _ => {}
        }
    }
    all.extend(found.commit.sources.iter().map(|source| (source.blob.0, shown(&source.path))));
    unique(all)
}

/// The digests of everything that a commit produced.
fn products(found: &Found, outputs: Option<&OutputTree>) -> Vec<(Digest, Vec<u8>)> {
    let mut all = vec![(found.commit.stdout.blob.0, b"stdout".to_vec())];
    for entry in outputs.iter().flat_map(|tree| tree.entries()) {
        if let OutputKind::File { content, .. } = &entry.kind {
            all.push((content.blob.0, entry.path.clone()));
        }
    }
    unique(all)
}

/// Each digest once, without that of empty content.
fn unique(all: Vec<(Digest, Vec<u8>)>) -> Vec<(Digest, Vec<u8>)> {
    let mut seen = BTreeSet::from([Digest::of(b"")]);
    all.into_iter().filter(|(digest, _)| seen.insert(*digest)).collect()
}

/// A commit with everything upstream or downstream of it.
#[derive(Debug)]
pub struct Provenance {
    /// The commits, the one asked for first.
    nodes: Vec<Found>,
    /// Edges by indices in `nodes`: from the nearer node to the further one.
    edges: Vec<(usize, usize, Vec<u8>)>,
    down: bool,
    /// Whether the graph continues beyond the largest size that is followed.
    pub cut: bool,
}

/// Follows the edges from `root`: upstream to what it was made from, or downstream to what was made from it.
///
/// # Errors
/// The store cannot be read.
pub fn of(opened: &Opened, root: Found, down: bool) -> Result<Provenance> {
    let mut places = BTreeMap::from([(root.id, 0)]);
    let mut provenance = Provenance { nodes: vec![root], edges: Vec::new(), down, cut: false };
    let mut next = 0;
    while let Some(found) = provenance.nodes.get(next) {
        let outputs = opened.outputs(found).ok();
        let links = if down {
            made(opened, found, outputs.as_ref())?
        } else {
            used(opened, found, outputs.as_ref())?
        };
        for link in links {
            let place = match places.get(&link.id) {
                Some(place) => *place,
                None if provenance.nodes.len() >= LARGEST => {
                    provenance.cut = true;
                    continue;
                }
                None => {
                    let Some(other) = opened.commit(&link.id)? else { continue };
                    provenance.nodes.push(other);
                    places.insert(link.id, provenance.nodes.len() - 1);
                    provenance.nodes.len() - 1
                }
            };
            provenance.edges.push((next, place, link.label));
        }
        next += 1;
    }
    Ok(provenance)
}

/// Everything upstream of several runs as one graph, with the function of each node; the runs come first. Each digest is queried
/// once, since runs of one script read mostly the same.
///
/// # Errors
/// The store cannot be read.
pub fn of_all(opened: &Opened, roots: Vec<Found>) -> Result<(Graph, Vec<Vec<u8>>)> {
    let mut places: BTreeMap<CommitId, usize> =
        roots.iter().enumerate().map(|(place, found)| (found.id, place)).collect();
    let mut nodes = roots;
    let mut makers: BTreeMap<Digest, Vec<(CommitId, u64)>> = BTreeMap::new();
    let mut edges = Vec::new();
    let mut next = 0;
    while let Some(found) = nodes.get(next) {
        let outputs = opened.outputs(found).ok();
        let (id, sequence) = (found.id, found.sequence);
        let mut links = Vec::new();
        for (digest, label) in consumed(found, outputs.as_ref()) {
            let of_digest = match makers.entry(digest) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let mut all = Vec::new();
                    for (id, _) in opened.must()?.producers(&digest)? {
                        all.extend(opened.commit(&id)?.map(|maker| (id, maker.sequence)));
                    }
                    unknown.insert(all)
                }
            };
            let maker = of_digest.iter().find(|(maker, made)| *maker != id && *made < sequence);
            links.extend(maker.map(|(maker, _)| (*maker, label)));
        }
        for (maker, label) in links {
            let place = match places.get(&maker) {
                Some(place) => *place,
                None if nodes.len() >= LARGEST => continue,
                None => {
                    let Some(other) = opened.commit(&maker)? else { continue };
                    nodes.push(other);
                    places.insert(maker, nodes.len() - 1);
                    nodes.len() - 1
                }
            };
            edges.push((next, place, label));
        }
        next += 1;
    }
    let functions = nodes.iter().map(|found| found.commit.function.clone()).collect();
    let provenance = Provenance { nodes, edges, down: false, cut: false };
    Ok((provenance.graph(), functions))
}

impl Provenance {
    /// The graph to be drawn.
    #[must_use]
    pub fn graph(&self) -> Graph {
        let nodes = self
            .nodes
            .iter()
            .map(|found| Node { name: found.id.short(), label: commits::command(&found.commit) });
        let edges = self.edges.iter().map(|(from, to, label)| Edge {
            from: *from,
            to: *to,
            label: escape::line(label).into_owned(),
        });
        Graph { nodes: nodes.collect(), edges: edges.collect() }
    }

    /// The graph as JSON: edges lead from the producer to the consumer.
    #[must_use]
    pub fn json(&self) -> Object {
        let hash = |place: &usize| self.nodes.get(*place).map(|found| json::digest(&found.id.0));
        let nodes = self.nodes.iter().map(|found| {
            Json::from(
                Object::part()
                    .with("commit", json::digest(&found.id.0))
                    .with("function", json::text(&found.commit.function))
                    .with("words", json::texts(&found.commit.words))
                    .with("started", json::moment(found.commit.started)),
            )
        });
        let edges = self.edges.iter().map(|(near, far, label)| {
            let (maker, user) = if self.down { (near, far) } else { (far, near) };
            Json::from(
                Object::part()
                    .with("maker", hash(maker))
                    .with("user", hash(user))
                    .with("path", json::text(label)),
            )
        });
        Object::whole()
            .with("root", hash(&0))
            .with("down", self.down)
            .with("nodes", nodes.collect::<Json>())
            .with("edges", edges.collect::<Json>())
    }
}
