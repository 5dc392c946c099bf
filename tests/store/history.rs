//! Read access: listing, revisions, provenance, tags, statistics.

use crate::support::{DAY, Place, Run, TODAY};
use cashet::digest::{CommitId, Digest, Prefix};
use cashet::record::{Replay, Timestamp};
use cashet::store::{Event, Filter, LocalStore, Resolved, ResultIndex, Row, Stats, StatusFilter};
use std::fs::{self, File};

fn log(store: &LocalStore, filter: Filter) -> Vec<Row> {
    store.log(filter).map(Result::unwrap).collect()
}

fn ids(store: &LocalStore, filter: Filter) -> Vec<CommitId> {
    log(store, filter).into_iter().map(|row| row.id).collect()
}

#[test]
fn an_empty_store_answers_every_question() {
    let place = Place::new();
    let store = place.open();
    assert!(log(&store, Filter::default()).is_empty());
    assert_eq!(store.resolve(&Prefix::parse("abcd").unwrap()).unwrap(), Resolved::None);
    assert_eq!(store.nth_newest(0).unwrap(), None);
    assert_eq!(store.stats().unwrap(), Stats::default());
    assert!(store.missed().unwrap().is_empty());
    assert!(store.producers(&Digest::of(b"x")).unwrap().is_empty());
    assert!(!place.path.join("meta.db").exists());
}

#[test]
fn commits_are_listed_newest_first_and_over_pages() {
    let place = Place::new();
    let store = place.open();
    let mut recorded: Vec<CommitId> = (0..150).map(|n| Run::new(&format!("{n}")).record(&store)).collect();
    recorded.reverse();
    assert_eq!(ids(&place.open(), Filter::default()), recorded);
    for n in [0_usize, 1, 77, 149] {
        assert_eq!(store.nth_newest(n as u64).unwrap(), Some(recorded[n]));
    }
    assert_eq!(store.nth_newest(150).unwrap(), None);
}

#[test]
fn filters_let_through_what_they_say() {
    let place = Place::new();
    let store = place.open();
    let mut good = Run::new("good");
    good.tags = vec![("exp".to_owned(), "1".to_owned()), ("keep".to_owned(), String::new())];
    good.started = Timestamp(TODAY.0 - 5 * DAY);
    let mut bad = Run::new("bad");
    bad.status = 3;
    bad.replay = Replay::Never { reason: "failed".to_owned(), detail: String::new() };
    let mut other = Run::new("other");
    other.words[0] = b"tools/100%_[x]*.sh".to_vec();
    let (good, bad, other) = (good.record(&store), bad.record(&store), other.record(&store));
    let named = |part: &[u8]| Filter { function: Some(part.to_vec()), ..Filter::default() };
    assert_eq!(ids(&store, named(b"train")), [bad, good]);
    assert_eq!(ids(&store, named(b"100%_[")), [other]);
    assert!(ids(&store, named(b"%")).contains(&other) && !ids(&store, named(b"*")).contains(&good));
    let tagged = |tags: &[(&str, Option<&str>)]| Filter {
        tags: tags.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect(),
        ..Filter::default()
    };
    assert_eq!(ids(&store, tagged(&[("exp", None)])), [good]);
    assert_eq!(ids(&store, tagged(&[("exp", Some("1")), ("keep", None)])), [good]);
    assert!(ids(&store, tagged(&[("exp", Some("2"))])).is_empty());
    let ended = |status| Filter { status: Some(status), ..Filter::default() };
    assert_eq!(ids(&store, ended(StatusFilter::Failed)), [bad]);
    assert_eq!(ids(&store, ended(StatusFilter::Exited(3))), [bad]);
    assert_eq!(ids(&store, ended(StatusFilter::Succeeded)), [other, good]);
    assert!(ids(&store, ended(StatusFilter::Signaled)).is_empty());
    assert_eq!(ids(&store, Filter { since: Some(TODAY), ..Filter::default() }), [other, bad]);
    assert_eq!(ids(&store, Filter { replayable: Some(false), ..Filter::default() }), [bad]);
    assert_eq!(ids(&store, Filter { replayable: Some(true), ..Filter::default() }), [other, good]);
}

#[test]
fn order_is_that_of_recording_whatever_the_clock_says() {
    let place = Place::new();
    let store = place.open();
    let mut later = Run::new("a");
    later.started = Timestamp(TODAY.0 - 1000 * DAY);
    let first = Run::new("a").record(&store);
    let second = later.record(&store);
    assert_eq!(ids(&store, Filter::default()), [second, first]);
    assert_eq!(store.row(&second).unwrap().unwrap().commit.parent, Some(first));
}

#[test]
fn a_prefix_names_one_commit_or_several() {
    let place = Place::new();
    let store = place.open();
    let recorded: Vec<CommitId> = (0..40).map(|n| Run::new(&format!("{n}")).record(&store)).collect();
    for id in &recorded {
        for digits in [12, 64] {
            let text = id.to_string().to_uppercase();
            let prefix = Prefix::parse(text.get(..digits).unwrap()).unwrap();
            assert_eq!(store.resolve(&prefix).unwrap(), Resolved::One(*id));
        }
    }
    let one_digit = (0..16).map(|digit| Prefix::parse(&format!("{digit:x}")).unwrap());
    let found: usize = one_digit
        .map(|prefix| match store.resolve(&prefix).unwrap() {
            Resolved::None => 0,
            Resolved::One(_) => 1,
            Resolved::Many(ids) => {
                assert!(ids.iter().all(|id| prefix.matches(&id.0)));
                ids.len()
            }
        })
        .sum();
    assert_eq!(found, 40);
}

#[test]
fn a_lineage_is_a_chain() {
    let place = Place::new();
    let store = place.open();
    let mut run = Run::new("a");
    let mut chain = Vec::new();
    for n in 0..5 {
        run.manifest = format!("manifest {n}").into_bytes();
        chain.push(run.record(&store));
        Run::new(&format!("other {n}")).record(&store);
    }
    chain.reverse();
    let rows = store.lineage(&run.lineage()).unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), chain);
    let parents: Vec<_> = rows.iter().map(|row| row.commit.parent).collect();
    let expected: Vec<_> = chain.iter().skip(1).copied().map(Some).chain([None]).collect();
    assert_eq!(parents, expected);
    assert_eq!(rows[0].manifest, run.manifest);
}

#[test]
fn what_went_in_leads_to_what_it_came_from() {
    let place = Place::new();
    let store = place.open();
    let mut load = Run::new("load");
    load.files = vec![("data/raw.csv", b"1,2,3".to_vec()), ("data/empty", Vec::new())];
    let mut fit = Run::new("fit");
    fit.consumed = vec![Digest::of(b"1,2,3"), Digest::of(b"no product"), Digest::of(b"")];
    let (load_id, fit_id) = (load.record(&store), fit.record(&store));
    let product = Digest::of(b"1,2,3");
    assert_eq!(store.producers(&product).unwrap(), [(load_id, b"data/raw.csv".to_vec())]);
    assert_eq!(store.consumers(&product).unwrap(), [fit_id]);
    assert_eq!(store.producers(&Digest::of(&fit.stdout)).unwrap(), [(fit_id, Vec::new())]);
    assert!(store.producers(&Digest::of(b"")).unwrap().is_empty());
    assert!(store.consumers(&Digest::of(b"no product")).unwrap().is_empty());
    let row = store.row(&load_id).unwrap().unwrap();
    let tree = store.output_tree(&row.commit).unwrap().unwrap();
    assert!(tree.find(b"data/raw.csv").is_some());
    store.exclusive().unwrap().remove(&[load_id], &mut |_| {}).unwrap();
    assert!(store.producers(&product).unwrap().is_empty());
}

#[test]
fn tags_come_and_go() {
    let place = Place::new();
    let store = place.open();
    let id = Run::new("a").record(&store);
    assert!(store.tag(&id, "b", "2").unwrap());
    assert!(store.tag(&id, "a", "1").unwrap());
    assert!(store.tag(&id, "b", "3").unwrap());
    let tags = |store: &LocalStore| store.row(&id).unwrap().unwrap().tags;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(tags(&place.open()), [pair("a", "1"), pair("b", "3")]);
    assert!(store.untag(&id, "b").unwrap());
    assert!(!store.untag(&id, "b").unwrap());
    assert_eq!(tags(&store), [pair("a", "1")]);
    let nobody = CommitId(Digest::of(b"nobody"));
    assert!(!store.tag(&nobody, "a", "1").unwrap() && !store.untag(&nobody, "a").unwrap());
}

#[test]
fn hits_and_misses_are_counted_once_folded() {
    let place = Place::new();
    let store = place.open();
    let id = Run::new("a").record(&store);
    for n in 1..=3 {
        store.note(&Event::Hit { commit: id, at: Timestamp(TODAY.0 + n) });
    }
    for n in 0..2 {
        store.note(&Event::Missed {
            command: b"curl example.org".to_vec(),
            reason: "network".to_owned(),
            detail: "93.184.216.34:443".to_owned(),
            recorded: false,
            at: Timestamp(TODAY.0 + n),
        });
    }
    store.fold().unwrap();
    store.fold().unwrap();
    let row = store.row(&id).unwrap().unwrap();
    assert_eq!((row.hits, row.last_used), (3, Timestamp(TODAY.0 + 3)));
    let stats = store.stats().unwrap();
    assert_eq!((stats.commits, stats.results, stats.hits, stats.misses), (1, 1, 3, 3));
    assert_eq!((stats.saved, stats.blobs), (3_000_000_000, 1));
    assert_eq!(stats.bytes, Run::new("a").stdout.len() as u64);
    let missed = store.missed().unwrap();
    assert_eq!((missed.len(), missed[0].times, missed[0].newest), (1, 2, Timestamp(TODAY.0 + 1)));
}

#[test]
fn a_log_that_is_folded_twice_counts_once() {
    let place = Place::new();
    let store = place.open();
    let id = Run::new("a").record(&store);
    store.note(&Event::Hit { commit: id, at: TODAY });
    let log = fs::read(place.path.join("hits.log")).unwrap();
    store.fold().unwrap();
    // As if the process had died after updating the database and before removing the log.
    fs::write(place.path.join("hits.folding"), log).unwrap();
    store.fold().unwrap();
    assert_eq!(store.row(&id).unwrap().unwrap().hits, 1);
}

#[test]
fn a_long_database_log_is_written_back_at_the_end() {
    let place = Place::new();
    let store = place.open();
    let log = place.path.join("meta.db-wal");
    for n in 0..60 {
        let mut run = Run::new(&format!("{n}"));
        run.manifest = crate::support::noise(40_000, n);
        run.record(&store);
    }
    let length = fs::metadata(&log).unwrap().len();
    assert!(length > 1 << 20);
    // While a process deletes, that process writes the log back, since its deletions make it long.
    let collection = File::create(place.path.join("locks/log")).unwrap();
    collection.lock().unwrap();
    store.settle();
    assert_eq!(fs::metadata(&log).unwrap().len(), length);
    drop(collection);
    store.settle();
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    assert_eq!(ids(&place.open(), Filter::default()).len(), 60);
}
