//! Concurrency: threads, processes, dead processes, and collection in parallel.

use crate::support::{DAY, Place, Run, TODAY, files_below, noise, open};
use cashet::record::Timestamp;
use cashet::store::{BlobStore, Claims, Filter, Policy, ResultIndex};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Variable with the role of a child process of this program.
const ROLE: &str = "CASHET_TEST_ROLE";

/// Starts this program again in a role, with the store at `path`.
fn start(role: &str, path: &Path, number: usize) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["together::a_role_in_another_process", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, format!("{role} {number} {}", path.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Waits until a started process prints `word`.
fn wait_for(child: &mut Child, word: &str) {
    let stdout = child.stdout.take().unwrap();
    let mut lines = BufReader::new(stdout);
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "ended before it said {word}");
    }
    child.stdout = Some(lines.into_inner());
}

/// Not a test: the code that the child processes run.
#[test]
fn a_role_in_another_process() {
    let Ok(role) = env::var(ROLE) else { return };
    let (role, rest) = role.split_once(' ').unwrap();
    let (number, path) = rest.split_once(' ').unwrap();
    let store = open(Path::new(path));
    match role {
        "record" => {
            for n in 0..20 {
                let mut run = Run::new(&format!("{number}.{n}"));
                run.stdout = noise(6000, number.parse::<u64>().unwrap() * 1000 + n);
                run.files = vec![("shared", noise(5000, n))];
                run.record(&store);
                assert_eq!(run.replay(&store).unwrap().0, run.stdout);
                store.settle();
            }
        }
        "hold" => {
            let run = Run::new("held");
            let _claim = store.claim(&run.key(), &mut || {}).unwrap();
            let _draft = run.draft(&store);
            let mut large = store.write().unwrap();
            large.write_all(&noise(9 << 20, 1)).unwrap();
            println!("holding");
            std::io::stdout().flush().unwrap();
            thread::sleep(Duration::from_mins(10));
        }
        other => panic!("no role {other}"),
    }
}

#[test]
fn eight_processes_record_at_once_in_a_fresh_store() {
    let place = Place::new();
    let children: Vec<Child> = (0..8).map(|number| start("record", &place.path, number)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let store = place.open();
    assert_eq!(store.log(Filter::default()).count(), 160);
    assert_eq!(store.notices(), [] as [String; 0]);
    let report = store.check(false, &mut |_| {}).unwrap();
    assert_eq!((report.damage, report.orphans), (vec![], 0));
    assert_eq!(store.stats().unwrap().commits, 160);
    assert_eq!(store.stats().unwrap().blobs, report.blobs);
}

#[test]
fn threads_share_one_store() {
    let place = Place::new();
    let store = place.open();
    thread::scope(|scope| {
        for number in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..10 {
                    let run = Run::new(&format!("{number}.{n}"));
                    run.record(store);
                    assert_eq!(run.replay(store).unwrap().0, run.stdout);
                }
            });
        }
    });
    assert_eq!(store.log(Filter::default()).count(), 80);
}

#[test]
fn the_dead_let_go_of_their_key_at_once() {
    let place = Place::new();
    place.open();
    let mut child = start("hold", &place.path, 0);
    wait_for(&mut child, "holding");
    let store = place.open();
    let run = Run::new("held");
    let mut told = 0;
    let mut killed = None;
    let claim = store
        .claim(&run.key(), &mut || {
            told += 1;
            if told == 2 {
                child.kill().unwrap();
                killed = Some(Instant::now());
            }
        })
        .unwrap();
    assert!(claim.is_locked());
    assert!(killed.unwrap().elapsed() < Duration::from_secs(1));
    child.wait().unwrap();
    let draft = run.draft(&store);
    store.commit(claim, draft).unwrap();
    assert_eq!(run.replay(&store).unwrap().0, run.stdout);
    // What the dead process had put in place and was writing belongs to no process now.
    let now = Timestamp(TODAY.0 + 100 * 365 * DAY);
    let plan = store.plan(&Policy::default(), now).unwrap();
    store.exclusive().unwrap().apply(&plan, now, false, &mut |_| {}).unwrap();
    let report = store.check(false, &mut |_| {}).unwrap();
    assert_eq!((report.damage, report.orphans, report.commits), (vec![], 0, 1));
}

#[test]
fn collection_and_removal_beside_recording_break_nothing() {
    let place = Place::new();
    place.open();
    let ended = AtomicBool::new(false);
    let (mut collections, mut removed) = (0, 0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|number| {
                let place = &place;
                scope.spawn(move || {
                    let store = place.open();
                    for n in 0..60 {
                        let mut run = Run::new(&format!("{number}.{}", n % 7));
                        run.stdout = noise(6000, n % 7);
                        if run.replay(&store).is_none_or(|found| {
                            assert!(found.0 == run.stdout);
                            n % 3 == 0
                        }) {
                            run.record(&store);
                        }
                    }
                })
            })
            .collect();
        let collector = scope.spawn(|| {
            let store = place.open();
            while !ended.load(Ordering::SeqCst) {
                let plan = store.plan(&Policy { max_size: Some(0), ..Policy::default() }, TODAY).unwrap();
                store.exclusive().unwrap().apply(&plan, TODAY, true, &mut |_| {}).unwrap();
                collections += 1;
            }
        });
        let deleter = scope.spawn(|| {
            let store = place.open();
            while !ended.load(Ordering::SeqCst) {
                let oldest = store.log(Filter::default()).last();
                if let Some(row) = oldest {
                    let id = row.unwrap().id;
                    removed += store.exclusive().unwrap().remove(&[id], &mut |_| {}).unwrap().commits;
                }
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        ended.store(true, Ordering::SeqCst);
        collector.join().unwrap();
        deleter.join().unwrap();
    });
    assert!(collections > 0 && removed > 0);
    let report = place.open().check(false, &mut |_| {}).unwrap();
    assert_eq!(report.damage, []);
}

/// Two runs of one process that share a store and an output, begun in this order.
fn two_runs() -> [Run; 2] {
    ["a", "b"].map(|name| {
        let mut run = Run::new(name);
        run.files = vec![("shared", noise(9000, 7)), ("own", noise(9000, u64::from(name.as_bytes()[0])))];
        run
    })
}

#[test]
fn each_of_two_runs_in_one_process_protects_what_it_wrote_whichever_ends_first() {
    for is_in_order in [true, false] {
        let place = Place::new();
        let store = place.open();
        let mut begun = two_runs().map(|run| {
            let claim = store.claim(&run.key(), &mut || {}).unwrap();
            let draft = run.draft(&store);
            (run, claim, draft)
        });
        if !is_in_order {
            begun.reverse();
        }
        let [(_, first_claim, first_draft), (second, second_claim, second_draft)] = begun;
        let first = store.commit(first_claim, first_draft).unwrap();
        // Another process removes the first result, and all blobs that nothing needs.
        let other = place.open();
        other.exclusive().unwrap().remove(&[first], &mut |_| {}).unwrap();
        let later = Timestamp(TODAY.0 + 100 * 365 * DAY);
        let plan = other.plan(&Policy::default(), later).unwrap();
        other.exclusive().unwrap().apply(&plan, later, false, &mut |_| {}).unwrap();
        store.commit(second_claim, second_draft).unwrap();
        let files = second.files.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>();
        let mut replayed = second.replay(&place.open()).unwrap().1;
        replayed.reverse();
        assert_eq!(replayed, files);
        // Nothing is protected any more, while the process lives.
        assert!(
            files_below(&place.path.join("tmp")).is_empty(),
            "{:?}",
            files_below(&place.path.join("tmp"))
        );
    }
}

#[test]
fn a_run_that_is_given_up_leaves_the_blobs_of_another_run_in_its_process() {
    let place = Place::new();
    let store = place.open();
    let [given_up, kept] = two_runs();
    let claim = store.claim(&given_up.key(), &mut || {}).unwrap();
    let draft = given_up.draft(&store);
    let kept_claim = store.claim(&kept.key(), &mut || {}).unwrap();
    let kept_draft = kept.draft(&store);
    drop((claim, draft));
    let other = place.open();
    let later = Timestamp(TODAY.0 + 100 * 365 * DAY);
    let plan = other.plan(&Policy::default(), later).unwrap();
    other.exclusive().unwrap().apply(&plan, later, false, &mut |_| {}).unwrap();
    store.commit(kept_claim, kept_draft).unwrap();
    assert!(kept.replay(&place.open()).is_some());
    let report = place.open().check(false, &mut |_| {}).unwrap();
    assert_eq!((report.damage, report.commits), (vec![], 1));
}

#[test]
fn a_check_beside_recording_and_removal_reports_no_damage() {
    let place = Place::new();
    let store = place.open();
    Run::new("first").record(&store);
    let mut children: Vec<Child> = (0..2).map(|number| start("record", &place.path, number)).collect();
    let mut rounds = 0;
    loop {
        let report = place.open().check(rounds % 2 == 0, &mut |_| {}).unwrap();
        assert_eq!(report.damage, []);
        // Recording processes use the newest ones.
        let oldest: Vec<_> = store.log(Filter::default()).skip(8).map(|row| row.unwrap().id).collect();
        store.exclusive().unwrap().remove(&oldest[oldest.len().saturating_sub(1)..], &mut |_| {}).unwrap();
        rounds += 1;
        let ended = children.iter_mut().all(|child| child.try_wait().unwrap().is_some());
        if ended && rounds > 20 {
            break;
        }
    }
}

#[test]
fn a_commit_that_was_removed_or_evicted_is_not_called_damaged() {
    let place = Place::new();
    let store = place.open();
    let (gone, there) = (Run::new("gone"), Run::new("there"));
    let (gone_id, there_id) = (gone.record(&store), there.record(&store));
    store.exclusive().unwrap().remove(&[gone_id], &mut |_| {}).unwrap();
    assert!(!store.distrust(&gone.key(), &gone_id));
    let policy = Policy { max_size: Some(0), ..Policy::default() };
    let plan = store.plan(&policy, Timestamp(TODAY.0 + 5 * DAY)).unwrap();
    assert_eq!(plan.evict, [there_id]);
    store.exclusive().unwrap().apply(&plan, Timestamp(TODAY.0 + 5 * DAY), false, &mut |_| {}).unwrap();
    assert!(!store.distrust(&there.key(), &there_id));
    let damaged = Run::new("damaged");
    let id = damaged.record(&store);
    assert!(store.distrust(&damaged.key(), &id));
    assert!(damaged.find(&store).is_empty());
}
