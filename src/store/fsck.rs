//! The check of a whole store: every digest, row, reference and hot entry.

mod confirm;
mod damage;
mod repair;

pub use damage::{Damage, Report};

use super::blobs::{self, Blobs, Stored};
use super::exclusive::{OnProgress, Progress, each_flat};
use super::flat::{self, Area};
use super::index::{Brief, Filter, State};
use super::layout::{FORMAT, digest_of, is_former_fan};
use super::local::LocalStore;
use super::recording::blobs_of;
use super::walking::listed;
use super::{events, recall};
use crate::digest::{BlobId, CommitId, Digest, Key};
use crate::error::{Kind, Result};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

impl LocalStore {
    /// Restores the modes that the owner's own files should have, so that the store can be checked and repaired. A store of a
    /// newer format, or of another user, stays unchanged.
    ///
    /// # Errors
    /// When a mode cannot be changed, or the format cannot be read.
    pub fn regain(&self) -> Result<()> {
        self.layout().regain(true)?;
        if self.layout().stated_format()?.is_some_and(|format| format > FORMAT) {
            return Ok(());
        }
        self.layout().regain(false)
    }

    /// Checks everything and changes nothing. With `quick`, only sizes and headers of blobs and rows are checked, not their
    /// contents. Runs may go on meanwhile: what looks damaged is checked again while no process writes. What is recorded
    /// meanwhile may be reported as an orphan.
    ///
    /// # Errors
    /// When the store cannot be read, or has a newer format.
    pub fn check(&self, quick: bool, progress: OnProgress<'_>) -> Result<Report> {
        let mut report = Report::default();
        match self.layout().stated_format()? {
            Some(FORMAT) => {}
            Some(format) if format > FORMAT => self.ready()?,
            _ => report.damage.push(Damage::Format),
        }
        if self.layout().read_secret().is_none() {
            report.damage.push(Damage::Secret);
        }
        let stored = self.check_blobs(quick, &mut report, progress)?;
        let known = self.check_database(quick, &stored, &mut report, progress)?;
        self.check_hot(known.as_ref(), &mut report)?;
        self.check_log(&mut report);
        self.confirm(&mut report)?;
        Ok(report)
    }

    /// The intact blobs, with their sizes on disk.
    fn check_blobs(
        &self,
        quick: bool,
        report: &mut Report,
        progress: OnProgress<'_>,
    ) -> Result<HashMap<BlobId, u64>> {
        let (fans, strangers) = self.blobs.fans()?;
        report.damage.extend(strangers.into_iter().map(Damage::Stranger));
        let mut files: Vec<Stored> = Vec::new();
        for fan in fans {
            let found = Blobs::fan(&fan)?;
            report.damage.extend(found.strangers.into_iter().map(Damage::Stranger));
            files.extend(found.blobs);
        }
        let mut good: HashMap<BlobId, u64> = HashMap::new();
        let total: u64 = files.iter().map(|stored| stored.bytes).sum();
        let next = AtomicUsize::new(0);
        let (tell, told) = mpsc::channel();
        let work = |tell: mpsc::Sender<(usize, std::io::Result<bool>)>| {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(stored) = files.get(place) else { return };
                let verdict =
                    if quick { Ok(self.blobs.looks_true(stored)) } else { self.blobs.is_true(stored) };
                if tell.send((place, verdict)).is_err() {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            let mut started = 0;
            for _ in 0..blobs::threads() {
                let (work, tell) = (&work, tell.clone());
                let thread = thread::Builder::new().spawn_scoped(scope, move || work(tell));
                started += usize::from(thread.is_ok());
            }
            if started == 0 {
                work(tell.clone());
            }
            drop(tell);
            for (place, verdict) in told {
                let Some(stored) = files.get(place) else { continue };
                report.blobs += 1;
                report.bytes += stored.bytes;
                progress(Progress { step: "reading blobs", done: report.bytes, total });
                let path = || self.blobs.path_of(stored);
                match verdict {
                    Ok(true) => *good.entry(stored.blob).or_default() += stored.bytes,
                    Ok(false) => {
                        report.damage.push(Damage::Blob { blob: stored.blob, path: path() });
                    }
                    // Deleted meanwhile.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(crate::error::Error::io("read", &path(), error)),
                }
            }
            Ok(())
        })?;
        Ok(good)
    }

    /// The ids of commits that may answer a call, by key; `None` where the database cannot be read.
    fn check_database(
        &self,
        quick: bool,
        stored: &HashMap<BlobId, u64>,
        report: &mut Report,
        progress: OnProgress<'_>,
    ) -> Result<Option<HashMap<CommitId, Key>>> {
        let database = self.layout().database();
        let is_no_file = |name: &PathBuf| fs::symlink_metadata(name).is_ok_and(|found| !found.is_file());
        let beside = ["meta.db", "meta.db-wal", "meta.db-shm"].map(|name| database.with_file_name(name));
        if let Some(odd) = beside.iter().find(|name| is_no_file(name)) {
            // SQLite would report only that it cannot open it.
            report.damage.push(Damage::Database(format!("{} is not a file", odd.display())));
            return Ok(None);
        }
        if !database.exists() {
            count_orphans(stored, &HashSet::new(), report);
            return Ok(Some(HashMap::new()));
        }
        let checked = self.with_index(|index| {
            progress(Progress { step: "checking the database", done: 0, total: 0 });
            let faults = index.check(quick)?;
            let untrue = index.untrue(quick)?;
            let links = if quick { 0 } else { index.untrue_links(true)? };
            let mut briefs: Vec<Brief> = Vec::new();
            index.each_brief(0, |brief| briefs.push(brief))?;
            Ok((faults, untrue, links, briefs))
        });
        let (faults, untrue, links, briefs) = match checked {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), Kind::Damaged | Kind::NewerFormat) => {
                report.damage.push(Damage::Database(error.to_string()));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        report.damage.extend(faults.into_iter().map(Damage::Database));
        let number = |sequence: i64| u64::try_from(sequence).unwrap_or(0);
        report.damage.extend(untrue.into_iter().map(|sequence| Damage::Row(number(sequence))));
        if links > 0 {
            report.damage.push(Damage::Links(links));
        }
        report.commits = briefs.len() as u64;
        let mut needed = HashSet::new();
        let mut known = HashMap::new();
        for brief in &briefs {
            needed.extend(brief.blobs.iter().copied());
            if brief.state == State::REPLAYABLE {
                known.insert(brief.id, brief.key);
            }
            if brief.state.has(State::DISTRUSTED) {
                continue;
            }
            for blob in brief.blobs.iter().filter(|blob| !stored.contains_key(blob)) {
                report.damage.push(Damage::Missing { commit: brief.id, blob: *blob });
            }
        }
        count_orphans(stored, &needed, report);
        if !quick {
            self.check_trees(report, progress)?;
        }
        Ok(Some(known))
    }

    /// Checks that every row names exactly the blobs that its commit and its outputs need.
    fn check_trees(&self, report: &mut Report, progress: OnProgress<'_>) -> Result<()> {
        let (mut before, mut done) = (i64::MAX, 0);
        loop {
            let page = self.with_index(|index| index.list(&Filter::default(), before, 64))?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            before = last.brief.sequence;
            done += page.len() as u64;
            progress(Progress { step: "checking runs", done, total: report.commits });
            for listed in page {
                let gone =
                    listed.brief.state.has(State::EVICTED) || listed.brief.state.has(State::DISTRUSTED);
                let tree = match self.output_tree(&listed.commit) {
                    _ if gone => continue,
                    Ok(tree) => tree,
                    // A missing or damaged blob was reported above; one that is not a tree is reported here.
                    Err(_) => {
                        let there =
                            listed.commit.outputs.is_none_or(|tree| self.blobs.verify(&tree.blob).is_ok());
                        if there {
                            report.damage.push(Damage::Tree(listed.brief.id));
                        }
                        continue;
                    }
                };
                let needed: HashSet<BlobId> = blobs_of(&listed.commit, tree.as_ref()).into_iter().collect();
                let named: HashSet<BlobId> = listed.brief.blobs.iter().copied().collect();
                if needed != named {
                    report.damage.push(Damage::Tree(listed.brief.id));
                }
            }
        }
    }

    fn check_hot(&self, known: Option<&HashMap<CommitId, Key>>, report: &mut Report) -> Result<()> {
        let layout = self.layout();
        let damage = &mut report.damage;
        each_flat(layout, Area::Keys, |digest, path| {
            let is_known = |id: &CommitId, key: &Key| known.is_none_or(|known| known.get(id) == Some(key));
            if !is_whole_hot(layout, path, digest, is_known) {
                damage.push(Damage::HotEntry(path.to_owned()));
            }
        })?;
        for area in [Area::Captures, Area::Questions] {
            each_flat(layout, area, |digest, path| {
                if flat::read_file(path, area, &digest).ok().flatten().is_none() {
                    damage.push(Damage::Capture(path.to_owned()));
                }
            })?;
        }
        let hot = layout.hot_directory();
        for area in listed(&hot)? {
            let of_ours = Area::ALL.iter().any(|known| hot.join(known.directory()) == area);
            if !of_ours {
                damage.push(Damage::Stranger(area));
                continue;
            }
            for fan in listed(&area)? {
                damage.extend(strangers_in(&fan)?.into_iter().map(Damage::Stranger));
            }
        }
        Ok(())
    }

    fn check_log(&self, report: &mut Report) {
        let mut bytes = Vec::new();
        let read = File::open(self.layout().hits()).and_then(|mut file| file.read_to_end(&mut bytes));
        if read.is_ok() {
            let (_, skipped) = events::parse(&bytes);
            if skipped > 0 {
                report.damage.push(Damage::Log(skipped as u64));
            }
        }
    }
}

/// Whether `is_known` accepts every candidate of a hot entry.
fn is_whole_hot(
    layout: &super::layout::Layout,
    path: &Path,
    digest: Digest,
    is_known: impl Fn(&CommitId, &Key) -> bool,
) -> bool {
    let key = Key(digest);
    let payload = flat::read_file(path, Area::Keys, &digest).ok().flatten();
    let Some(payload) = payload else { return false };
    // A part that was dropped, or is damaged, is not damage of the entry: it is made again.
    let is_missing = std::cell::Cell::new(false);
    let part = |id: &Digest| {
        let found = flat::read(layout, Area::Questions, id);
        is_missing.set(is_missing.get() || found.is_none());
        found
    };
    match recall::parse_hot(&payload, &key, &part) {
        Some(entry) => entry.results.iter().all(|known| is_known(&known.id, &key)),
        None => is_missing.get(),
    }
}

fn count_orphans(stored: &HashMap<BlobId, u64>, needed: &HashSet<BlobId>, report: &mut Report) {
    for (_, bytes) in stored.iter().filter(|(blob, _)| !needed.contains(blob)) {
        report.orphans += 1;
        report.orphan_bytes += bytes;
    }
}

fn strangers_in(fan: &Path) -> Result<Vec<PathBuf>> {
    let Some(name) = fan.file_name().and_then(|name| name.to_str()).filter(|_| fan.is_dir()) else {
        return Ok(vec![fan.to_owned()]);
    };
    if is_former_fan(name) {
        return Ok(Vec::new());
    }
    let known = |path: &PathBuf| {
        path.file_name().and_then(|rest| rest.to_str()).is_some_and(|rest| digest_of(name, rest).is_some())
    };
    Ok(listed(fan)?.into_iter().filter(|path| !known(path)).collect())
}
