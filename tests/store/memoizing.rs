//! Recording and lookup, as in running a command.

use crate::support::{Place, Run, files_below, get, noise, put, text};
use cashet::digest::{BlobId, Digest, Key, RequestId};
use cashet::error::Kind;
use cashet::record::{Evidence, Recall, Replay, Timestamp};
use cashet::store::{BlobStore, Claims, Event, LocalStore, ResultIndex, StoreOptions};
use std::fs;
use std::io::{Read, Write};

#[test]
fn blobs_of_any_size_come_back() {
    let place = Place::new();
    let store = place.open();
    for size in [0, 1, 4095, 4096, 4097, 100_000, 1 << 20, (1 << 20) + 1, 5 << 20, (8 << 20) + 1, 20 << 20] {
        for bytes in [noise(size, 1), text(size)] {
            let content = put(&store, &bytes);
            assert_eq!((content.blob, content.size), (BlobId(Digest::of(&bytes)), size as u64));
            assert!(get(&store, &content.blob) == bytes, "{size}");
            assert!(get(&place.open(), &content.blob) == bytes, "{size}");
            let raw = store.open_raw(&content.blob).unwrap().map(|(mut file, size)| {
                let mut raw = Vec::new();
                file.read_to_end(&mut raw).unwrap();
                assert_eq!(raw.len() as u64, size);
                raw
            });
            assert!(raw.is_none_or(|raw| raw == bytes), "{size}");
        }
    }
}

#[test]
fn what_shrinks_and_is_small_is_compressed_and_the_rest_is_raw() {
    let place = Place::new();
    let store = place.open();
    let is_raw = |bytes: &[u8]| store.open_raw(&put(&store, bytes).blob).unwrap().is_some();
    assert!(!is_raw(&text(100_000)));
    assert!(is_raw(&noise(100_000, 2)));
    assert!(is_raw(&text(1000)));
    assert!(is_raw(&text(9 << 20)));
}

#[test]
fn a_file_is_stored_whatever_its_offset() {
    let place = Place::new();
    let store = place.open();
    for size in [0, 10, 9 << 20] {
        let bytes = noise(size, 3);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let content = store.take_file(&file, b"").unwrap().0;
        assert_eq!(content.size, size as u64);
        assert!(get(&store, &content.blob) == bytes);
        assert_eq!(std::io::Seek::stream_position(&mut file).unwrap(), size as u64);
    }
}

#[test]
fn the_same_bytes_are_stored_once_and_nothing_is_left_in_tmp() {
    let place = Place::new();
    let store = place.open();
    for bytes in [noise(100, 1), noise(9 << 20, 1)] {
        put(&store, &bytes);
        put(&store, &bytes);
        put(&place.open(), &bytes);
    }
    assert_eq!(files_below(&place.path.join("objects")).len(), 2);
    let mut abandoned = store.write().unwrap();
    abandoned.write_all(&noise(10 << 20, 9)).unwrap();
    drop(abandoned);
    drop(store);
    assert_eq!(files_below(&place.path.join("tmp")), [] as [std::path::PathBuf; 0]);
}

#[test]
fn what_is_recorded_is_found_again() {
    let place = Place::new();
    let mut run = Run::new("a");
    run.files = vec![("out/model.bin", noise(50_000, 4)), ("out/empty", Vec::new())];
    run.stderr = text(6000);
    let evidence = Evidence {
        device: 1,
        inode: 2,
        size: 3,
        mode: 4,
        viewer: 0,
        modified: Timestamp(5),
        changed: Timestamp(6),
    };
    run.evidence = vec![None, Some(evidence)];
    assert!(run.find(&place.open()).is_empty());
    let id = run.record(&place.open());
    let store = place.open();
    let found = run.find(&store);
    assert_eq!(found.len(), 1);
    let candidate = &found[0];
    assert_eq!((candidate.id, candidate.commit.id()), (id, id));
    assert_eq!(candidate.evidence, run.evidence);
    assert_eq!(candidate.output_evidence, [None, None]);
    assert_eq!(candidate.inline, [(candidate.commit.stdout.blob, run.stdout.clone())]);
    let tree = candidate.outputs.as_ref().unwrap();
    assert_eq!(tree.entries().len(), 2);
    assert_eq!(get(&store, &candidate.commit.stderr.blob), run.stderr);
    assert_eq!(run.replay(&store), Some((run.stdout.clone(), vec![Vec::new(), noise(50_000, 4)])));
}

#[test]
fn a_hit_reads_one_flat_file_and_no_database() {
    let place = Place::new();
    let run = Run::new("a");
    run.record(&place.open());
    for name in ["meta.db", "meta.db-wal", "meta.db-shm", "FORMAT", "objects", "locks", "tmp"] {
        let path = place.path.join(name);
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir_all(&path);
    }
    let store = LocalStore::open(&place.path, &StoreOptions::default()).unwrap();
    assert_eq!(run.replay(&store).unwrap().0, run.stdout);
    assert!(!place.path.join("meta.db").exists());
    assert!(!place.path.join("tmp").exists());
}

#[test]
fn a_missing_or_damaged_hot_entry_is_rebuilt() {
    let place = Place::new();
    let mut run = Run::new("a");
    run.files = vec![("x", b"file".to_vec())];
    run.evidence = vec![None, None];
    run.record(&place.open());
    let hot = files_below(&place.path.join("hot"));
    assert_eq!(hot.len(), 1);
    let whole = fs::read(&hot[0]).unwrap();
    for content in [None, Some(b"".as_slice()), Some(b"nonsense"), whole.get(..whole.len() - 1)] {
        match content {
            None => fs::remove_file(&hot[0]).unwrap(),
            Some(content) => fs::write(&hot[0], content).unwrap(),
        }
        let found = run.find(&place.open());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].outputs.as_ref().unwrap().entries().len(), 1);
        assert_eq!(fs::read(&hot[0]).unwrap(), whole);
    }
}

#[test]
fn the_eight_newest_that_may_be_replayed_come_newest_first() {
    let place = Place::new();
    let store = place.open();
    let mut ids = Vec::new();
    for n in 0..11 {
        let mut run = Run::new("a");
        run.stdout = format!("{n}").into_bytes();
        if n == 9 {
            run.replay = Replay::Never { reason: "network".to_owned(), detail: String::new() };
        }
        ids.push(run.record(&store));
    }
    let expected: Vec<_> = [10, 8, 7, 6, 5, 4, 3, 2].iter().map(|n| ids[*n]).collect();
    let found = |store: &LocalStore| -> Vec<_> {
        Run::new("a").find(store).iter().map(|candidate| candidate.id).collect()
    };
    assert_eq!(found(&store), expected);
    fs::remove_dir_all(place.path.join("hot")).unwrap();
    assert_eq!(found(&place.open()), expected);
}

#[test]
fn a_commit_follows_the_newest_of_its_lineage() {
    let place = Place::new();
    let store = place.open();
    let mut run = Run::new("a");
    let first = run.record(&store);
    Run::new("other").record(&store);
    run.manifest = b"another".to_vec();
    run.record(&store);
    assert_eq!(run.find(&store)[0].commit.parent, Some(first));
}

#[test]
fn the_nearest_commit_is_of_the_lineage_else_of_the_function() {
    let place = Place::new();
    let store = place.open();
    let function = Digest::of(b"train.py");
    let near = |words: &[&str]| {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let mut run = Run::new("x");
        run.words.clone_from(&words);
        store.nearest(&run.lineage(), &function, &words).unwrap().map(|(commit, manifest)| {
            assert_eq!(Key(Digest::of(&manifest)), commit.key);
            commit.words
        })
    };
    assert_eq!(near(&["train.py"]), None);
    for words in [["train.py", "1", "2"], ["train.py", "1", "3"], ["train.py", "5", "5"]] {
        let mut run = Run::new(&words.join(" "));
        run.words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        run.record(&store);
    }
    assert_eq!(near(&["train.py", "1", "2"]).unwrap()[2], b"2");
    assert_eq!(near(&["train.py", "1", "4"]).unwrap()[2], b"3");
    assert_eq!(near(&["train.py", "9", "5"]).unwrap()[1], b"5");
}

#[test]
fn a_draft_that_contradicts_itself_is_refused() {
    let place = Place::new();
    let store = place.open();
    let run = Run::new("a");
    let refused = |change: &dyn Fn(&mut cashet::store::Draft)| {
        let mut draft = run.draft(&store);
        change(&mut draft);
        let claim = store.claim(&run.key(), &mut || {}).unwrap();
        store.commit(claim, draft).unwrap_err()
    };
    refused(&|draft| draft.manifest.push(0));
    refused(&|draft| draft.commit.key = Key(Digest::of(b"other")));
    refused(&|draft| draft.outputs = Some(cashet::record::OutputTree::default()));
    refused(&|draft| draft.commit.stdout.blob = BlobId(Digest::of(b"never stored")));
    assert!(run.find(&store).is_empty());
    run.record(&store);
    assert_eq!(run.find(&store).len(), 1);
}

#[test]
fn distrusted_commits_are_not_found_until_they_are_recorded_again() {
    let place = Place::new();
    let store = place.open();
    let run = Run::new("a");
    let id = run.record(&store);
    store.distrust(&run.key(), &id);
    assert!(run.find(&store).is_empty());
    assert!(run.find(&place.open()).is_empty());
    let again = run.record(&store);
    let found = run.find(&place.open());
    assert_eq!(found.iter().map(|candidate| candidate.id).collect::<Vec<_>>(), [again]);
}

#[test]
fn renewed_evidence_is_found_and_touches_nothing_else() {
    let place = Place::new();
    let store = place.open();
    let run = Run::new("a");
    run.record(&store);
    let mut candidate = run.find(&store).remove(0);
    candidate.irrelevant_env = vec![b"EDITOR".to_vec()];
    store.renew(&run.key(), &candidate);
    let found = run.find(&place.open());
    assert_eq!((found.len(), &found[0].irrelevant_env), (1, &candidate.irrelevant_env));
    // A process that is recording is not disturbed.
    let claim = store.claim(&run.key(), &mut || {}).unwrap();
    candidate.irrelevant_env.clear();
    store.renew(&run.key(), &candidate);
    drop(claim);
    assert_eq!(run.find(&store)[0].irrelevant_env, [b"EDITOR"]);
}

#[test]
fn captures_are_remembered_and_forgotten() {
    let place = Place::new();
    let store = place.open();
    let request = RequestId(Digest::of(b"request"));
    assert_eq!(Recall::find(&store, &request), None);
    store.remember(&request, b"facts");
    assert_eq!(Recall::find(&place.open(), &request), Some(b"facts".to_vec()));
    store.remember(&request, &noise(100_000, 5));
    assert_eq!(Recall::find(&place.open(), &request), Some(noise(100_000, 5)));
    store.forget(&request);
    assert_eq!(Recall::find(&store, &request), None);
}

#[test]
fn the_secret_stays_and_differs_between_stores() {
    let (one, other) = (Place::new(), Place::new());
    let store = one.open();
    let secret = store.secret();
    assert!(!one.path.exists(), "asking for the secret made the store");
    Run::new("a").record(&store);
    assert_eq!(one.open().secret(), secret);
    assert_ne!(other.open().secret(), secret);
    fs::write(one.path.join("secret"), b"short").unwrap();
    let renewed = one.open().secret();
    assert_ne!(renewed, secret);
    assert_eq!(one.open().secret(), renewed);
}

#[test]
fn a_store_that_is_not_there_is_a_clear_error_unless_it_may_be_made() {
    let place = Place::new();
    let error = LocalStore::open(&place.path, &StoreOptions::default()).unwrap_err();
    assert!(error.is_not_found());
    assert!(!place.path.exists());
    let store = place.open();
    assert!(Run::new("a").find(&store).is_empty());
    assert!(!place.path.exists(), "opening or reading made the store");
    Run::new("a").record(&store);
    LocalStore::open(&place.path, &StoreOptions::default()).unwrap();
}

#[test]
fn a_newer_store_is_never_changed() {
    let place = Place::new();
    let run = Run::new("a");
    run.record(&place.open());
    let line = "cashet store format 3";
    let check = Digest::of(line.as_bytes()).to_hex();
    fs::write(place.path.join("FORMAT"), format!("{line}\ncheck {check}\n")).unwrap();
    fs::remove_dir_all(place.path.join("hot")).unwrap();
    let before: Vec<_> = files_below(&place.path).iter().map(|path| fs::read(path).unwrap()).collect();
    let store = place.open();
    assert_eq!(ResultIndex::find(&store, &run.key()).unwrap_err().kind(), Kind::NewerFormat);
    assert_eq!(store.claim(&run.key(), &mut || {}).unwrap_err().kind(), Kind::NewerFormat);
    assert_eq!(store.write().err().unwrap().kind(), Kind::NewerFormat);
    assert_eq!(store.fold().unwrap_err().kind(), Kind::NewerFormat);
    store.remember(&RequestId(Digest::of(b"r")), b"facts");
    let missed = Event::Missed {
        command: b"x".to_vec(),
        reason: "network".to_owned(),
        detail: String::new(),
        recorded: false,
        at: Timestamp(0),
    };
    store.note(&missed);
    store.settle();
    drop(store);
    let after: Vec<_> = files_below(&place.path).iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(before == after);
}

#[test]
fn an_older_store_is_migrated() {
    let place = Place::new();
    let run = Run::new("a");
    run.record(&place.open());
    let line = "cashet store format 0";
    let check = Digest::of(line.as_bytes()).to_hex();
    fs::write(place.path.join("FORMAT"), format!("{line}\ncheck {check}\n")).unwrap();
    let store = place.open();
    store.fold().unwrap();
    assert!(fs::read_to_string(place.path.join("FORMAT")).unwrap().starts_with("cashet store format 2\n"));
    assert_eq!(run.find(&store).len(), 1);
}
