//! The database with many commits: every question that a user waits for is answered from an index.

use super::query::Filter;
use super::write::{NewCommit, Parent};
use super::{Index, State};
use crate::digest::{BlobId, Digest, Key, LineageId};
use crate::record::{
    Commit, Content, Coverage, Observation, Replay, Resources, StoredPath, StreamOrder, Termination,
    Timestamp,
};
use std::time::Instant;

/// A database of `count` commits: 100 functions, ten commits to a lineage.
pub(super) fn filled(directory: &std::path::Path, count: u64) -> Index {
    let mut index = Index::open(&directory.join("meta.db"), false, false, true).unwrap().unwrap();
    let numbers: Vec<u64> = (0..count).collect();
    for part in numbers.chunks(1000) {
        let manifests: Vec<Vec<u8>> =
            part.iter().map(|n| format!("manifest {n}").repeat(20).into_bytes()).collect();
        let commits = part.iter().zip(&manifests).map(|(n, manifest)| new(*n, manifest)).collect();
        index.insert(commits).unwrap();
    }
    index.checkpoint().unwrap();
    index
}

pub(super) fn new(n: u64, manifest: &[u8]) -> NewCommit<'_> {
    let stdout = Content { blob: BlobId(Digest::of(&n.to_le_bytes())), size: 10 };
    let commit = Commit {
        key: Key(Digest::of(manifest)),
        lineage: LineageId(Digest::of(&(n / 10).to_le_bytes())),
        parent: None,
        words: vec![b"python3".to_vec(), format!("{n}").into_bytes()],
        directory: StoredPath::in_root(""),
        function: format!("script{}.py", n % 100).into_bytes(),
        function_id: Digest::of(&(n % 100).to_le_bytes()),
        sources: Vec::new(),
        started: Timestamp(i64::try_from(n).unwrap()),
        resources: Resources { wall: 1, ..Resources::default() },
        termination: Termination::Exited(0),
        stdout,
        stderr: stdout,
        order: StreamOrder::default(),
        terminals: [None; 2],
        outputs: None,
        observations: (0..10)
            .map(|file| Observation::Content {
                path: StoredPath::in_root(format!("data/{file}")),
                digest: Digest::of(&(n + file).to_le_bytes()),
            })
            .collect(),
        products: crate::record::Products::default(),
        irrelevant_env: Vec::new(),
        coverage: Coverage::Watched,
        replay: Replay::Allowed,
        accepted: None,
    };
    NewCommit {
        commit,
        parent: Parent::Newest,
        manifest,
        tags: &[],
        blobs: vec![stdout.blob],
        products: vec![(stdout.blob.0, Vec::new())],
        consumed: &[],
        size: 10,
        stored: 10,
        added: (1, 10),
    }
}

/// The full count is set with `CASHET_TEST_COMMITS`; then the times, which are printed, say something.
#[test]
fn many_commits_are_found_by_every_name() {
    let count = std::env::var("CASHET_TEST_COMMITS").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    let directory = tempfile::tempdir().unwrap();
    drop(filled(directory.path(), count));
    let begun = Instant::now();
    let path = directory.path().join("meta.db");
    let index = Index::open(&path, false, false, false).unwrap().unwrap();
    println!("open {:?}", begun.elapsed());
    let newest = index.list(&Filter::default(), i64::MAX, 20).unwrap();
    println!("log -n 20 {:?}", begun.elapsed());
    let last = newest.first().unwrap();
    assert_eq!(newest.len(), 20);
    assert_eq!(last.commit.words[1], format!("{}", count - 1).into_bytes());
    let totals = index.totals().unwrap();
    println!("stats {:?}", begun.elapsed());
    assert_eq!((totals.commits, totals.results, totals.bytes), (count, count, count * 10));
    assert_eq!(index.commit(&last.brief.id).unwrap().unwrap().commit, last.commit);
    assert_eq!(index.replayable(&last.brief.key, 8).unwrap().len(), 1);
    assert_eq!(index.of_lineage(&last.brief.lineage, 8).unwrap().len(), 8);
    assert_eq!(index.of_function(&last.brief.function, 8).unwrap().len(), 8);
    assert_eq!(index.between(&last.brief.id.0, &last.brief.id.0, 8).unwrap(), [last.brief.id]);
    assert_eq!(index.producers(&last.commit.stdout.blob.0).unwrap().len(), 1);
    println!("six questions {:?}", begun.elapsed());
    let mut seen = 0;
    assert_eq!(index.each_brief(0, |brief| seen += u64::from(brief.state == State::REPLAYABLE)).unwrap(), 0);
    println!("all rows {:?}", begun.elapsed());
    assert_eq!(seen, count);
    // Commits are chained within their lineage of ten.
    let chained = newest.iter().filter(|listed| listed.commit.parent.is_some()).count();
    assert_eq!(chained, 18);
}

#[test]
fn no_question_that_is_waited_for_reads_a_whole_table() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), 10);
    let mut checked = 0;
    for (sql, parameters) in [
        ("SELECT * FROM commits WHERE id = ?1", 1),
        ("SELECT * FROM commits WHERE id BETWEEN ?1 AND ?2 ORDER BY id", 2),
        ("SELECT * FROM commits WHERE key = ?1 AND state = 0 ORDER BY sequence DESC", 1),
        ("SELECT * FROM commits WHERE lineage = ?1 ORDER BY sequence DESC LIMIT 4", 1),
        ("SELECT * FROM commits WHERE function = ?1 ORDER BY sequence DESC", 1),
        (
            "SELECT * FROM commits JOIN bodies ON bodies.sequence = commits.sequence \
             WHERE commits.sequence < ?1 ORDER BY commits.sequence DESC",
            1,
        ),
        ("SELECT 1 FROM products WHERE digest = ?1 LIMIT 1", 1),
        ("SELECT * FROM edges WHERE digest = ?1 ORDER BY sequence DESC", 1),
        ("SELECT * FROM tags WHERE sequence = ?1 ORDER BY name", 1),
        ("SELECT * FROM tags WHERE name = ?1", 1),
        ("SELECT max(sequence) FROM commits", 0),
    ] {
        let mut query = index.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = query.query(rusqlite::params_from_iter(vec![1; parameters])).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            assert!(step.starts_with("SEARCH"), "{sql}: {step}");
            checked += 1;
        }
    }
    assert!(checked >= 11);
}
