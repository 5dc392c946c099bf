//! Archives: an import restores exactly what was exported, and rejects anything else.

use crate::support::{Place, Run, files_below, noise, put, text};
use cashet::digest::{CommitId, Digest};
use cashet::encode::Encoder;
use cashet::error::Kind;
use cashet::store::{Filter, LocalStore, Moved, ResultIndex};
use std::fs;
use std::io::{Read, Write};

fn export(store: &LocalStore, ids: &[CommitId]) -> (Vec<u8>, Moved) {
    let mut archive = Vec::new();
    let moved = store.export(ids, &mut archive, &mut |_| {}).unwrap();
    (archive, moved)
}

fn import(store: &LocalStore, archive: &[u8]) -> cashet::error::Result<Moved> {
    store.import(&mut &*archive, &mut |_| {})
}

fn ids(store: &LocalStore) -> Vec<CommitId> {
    store.log(Filter::default()).map(|row| row.unwrap().id).collect()
}

/// Two commits, one made from the other.
fn source() -> (Place, Run, Run) {
    let place = Place::new();
    let store = place.open();
    let mut one = Run::new("one");
    one.files = vec![("data.bin", noise(9 << 20, 1)), ("log.txt", text(50_000)), ("empty", Vec::new())];
    one.tags = vec![("exp".to_owned(), "7".to_owned())];
    let mut two = Run::new("two");
    two.consumed = vec![Digest::of(&one.stdout)];
    one.record(&store);
    two.record(&store);
    (place, one, two)
}

#[test]
fn what_is_exported_arrives_whole() {
    let (from, one, two) = source();
    let (archive, moved) = export(&from.open(), &[]);
    let to = Place::new();
    let store = to.open();
    let imported = import(&store, &archive).unwrap();
    assert_eq!((imported.commits, imported.blobs, imported.bytes), (2, moved.blobs, moved.bytes));
    assert_eq!(ids(&store), ids(&from.open()));
    for run in [&one, &two] {
        assert_eq!(run.replay(&to.open()), run.replay(&from.open()));
    }
    let rows: Vec<_> = store.log(Filter::default()).map(Result::unwrap).collect();
    assert_eq!(rows[1].tags, one.tags);
    assert_eq!(rows[1].manifest, one.manifest);
    assert_eq!(store.consumers(&Digest::of(&one.stdout)).unwrap(), [rows[0].id]);
    assert!(store.check(false, &mut |_| {}).unwrap().damage.is_empty());
    assert_eq!(store.stats().unwrap().blobs, moved.blobs);
}

#[test]
fn small_blobs_are_those_that_have_room_the_smallest_first() {
    let place = Place::new();
    let store = place.open();
    let bytes = [20, 1, 10].map(|size| noise(size, 7));
    let [large, tiny, small] = [0, 1, 2].map(|at| put(&store, &bytes[at]));
    let all = [large, tiny, small];
    for (largest, room, inline, others) in [
        (20, 31, vec![1, 2, 0], vec![]),
        (20, 30, vec![1, 2], vec![large]),
        (10, 31, vec![1, 2], vec![large]),
        (20, 10, vec![1], vec![small, large]),
        (0, 31, vec![], vec![tiny, small, large]),
    ] {
        let inline: Vec<_> = inline.into_iter().map(|at: usize| bytes[at].clone()).collect();
        assert_eq!(store.parted(&all, largest, room).unwrap(), (inline, others), "{largest} {room}");
    }
}

#[test]
fn importing_twice_changes_nothing() {
    let (from, one, _) = source();
    let (archive, _) = export(&from.open(), &[]);
    let to = Place::new();
    import(&to.open(), &archive).unwrap();
    one.find(&to.open());
    let look = || -> Vec<_> {
        let kept = |path: &std::path::PathBuf| {
            path.components().any(|part| part.as_os_str() == "objects" || part.as_os_str() == "hot")
        };
        let files = files_below(&to.path).into_iter().filter(kept);
        files.map(|path| (fs::metadata(&path).unwrap().modified().unwrap(), path)).collect()
    };
    let (files, commits, stats) = (look(), ids(&to.open()), to.open().stats().unwrap());
    let again = import(&to.open(), &archive).unwrap();
    assert_eq!((again.commits, again.skipped), (0, 2));
    assert_eq!((look(), ids(&to.open()), to.open().stats().unwrap()), (files, commits, stats));
    assert!(files_below(&to.path.join("tmp")).is_empty());
}

#[test]
fn chosen_commits_come_alone_and_unknown_ones_are_an_error() {
    let (from, one, two) = source();
    let store = from.open();
    let (archive, moved) = export(&store, &[ids(&store)[0]]);
    assert_eq!(moved.commits, 1);
    let to = Place::new();
    import(&to.open(), &archive).unwrap();
    assert!(one.find(&to.open()).is_empty());
    assert_eq!(two.replay(&to.open()).unwrap().0, two.stdout);
    let nobody = CommitId(Digest::of(b"nobody"));
    let error = store.export(&[nobody], &mut Vec::new(), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::NoSuchRevision);
}

#[test]
fn an_import_gives_back_what_was_lost() {
    let (from, _, two) = source();
    let store = from.open();
    let (archive, _) = export(&store, &[]);
    let (id, key) = (ids(&store)[0], two.key());
    store.distrust(&key, &id);
    assert!(two.find(&store).is_empty());
    assert_eq!(import(&store, &archive).unwrap().commits, 1);
    assert_eq!(two.replay(&store).unwrap().0, two.stdout);
    assert_eq!(store.stats().unwrap().results, 2);
}

#[test]
fn what_an_import_gives_back_survives_a_collection_that_is_under_way() {
    let (from, _, two) = source();
    let store = from.open();
    let (archive, _) = export(&store, &[]);
    let evict = cashet::store::Plan { evict: ids(&store), ..Default::default() };
    let now = crate::support::TODAY;
    store.exclusive().unwrap().apply(&evict, now, false, &mut |_| {}).unwrap();
    assert!(files_below(&from.path.join("objects")).is_empty());
    put(&from.open(), b"an orphan, so that there is something to sweep");
    let mut imported = false;
    let nothing = cashet::store::Plan::default();
    // The rows have been read when the sweep begins.
    store
        .exclusive()
        .unwrap()
        .apply(&nothing, now, false, &mut |progress| {
            if progress.step == "sweeping" && !imported {
                imported = true;
                assert_eq!(import(&from.open(), &archive).unwrap().commits, 2);
            }
        })
        .unwrap();
    assert!(imported);
    assert_eq!(two.replay(&from.open()).unwrap().0, two.stdout);
    let report = store.check(false, &mut |_| {}).unwrap();
    assert_eq!((report.damage, report.orphans), (vec![], 0));
}

#[test]
fn a_damaged_archive_changes_nothing() {
    let place = Place::new();
    let store = place.open();
    let mut run = Run::new("a");
    run.files = vec![("x", noise(3000, 1))];
    run.record(&store);
    let (archive, _) = export(&store, &[]);
    let mut plain = Vec::new();
    zstd::Decoder::new(&archive[..]).unwrap().read_to_end(&mut plain).unwrap();
    let to = Place::new();
    let target = to.open();
    let mut refused = 0;
    let mut attempt = |bytes: &[u8]| {
        let packed = zstd::encode_all(bytes, 1).unwrap();
        if import(&target, &packed).is_err() {
            refused += 1;
            assert!(ids(&target).is_empty());
        } else {
            // A change without an effect on the content (a checksum's padding, a time) may pass.
            let id = ids(&target);
            assert_eq!(id, ids(&store));
            assert_eq!(run.replay(&target), run.replay(&store));
            target.exclusive().unwrap().remove(&id, &mut |_| {}).unwrap();
        }
    };
    for place in (0..plain.len()).step_by(61) {
        let mut damaged = plain.clone();
        damaged[place] ^= 4;
        attempt(&damaged);
    }
    for length in (0..plain.len() - 1024).step_by(509) {
        attempt(&plain[..length]);
    }
    assert!(refused > 100, "only {refused} were refused");
    for length in (0..archive.len()).step_by(97) {
        assert!(import(&target, &archive[..length]).is_err());
    }
    for junk in [b"".as_slice(), b"junk", &noise(5000, 9)] {
        assert_eq!(import(&target, junk).unwrap_err().kind(), Kind::Damaged);
    }
    assert!(ids(&target).is_empty());
    drop(target);
    assert!(files_below(&to.path.join("tmp")).is_empty());
}

/// Builds an archive by hand.
fn archive_of(entries: &[(tar::EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
    for (kind, name, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o777);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn table_of(format: u64, blobs: &[(&[u8], u64)]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.unsigned(format).length(0).length(blobs.len());
    for (bytes, size) in blobs {
        encoder.digest(&Digest::of(bytes)).unsigned(*size);
    }
    let mut table = encoder.finish();
    let check = Digest::of(&table);
    table.extend_from_slice(check.as_bytes());
    table
}

#[test]
fn names_links_and_bombs_lead_nowhere() {
    use tar::EntryType;
    let place = Place::new();
    let store = place.open();
    let blob_name = format!("blobs/{}", Digest::of(b"x"));
    let table = table_of(1, &[(b"x", 1)]);
    let refused = |entries: &[(EntryType, &str, &[u8])]| {
        assert_eq!(import(&store, &archive_of(entries)).unwrap_err().kind(), Kind::Damaged);
    };
    let first = (EntryType::Regular, "cashet-archive", table.as_slice());
    import(&store, &archive_of(&[first, (EntryType::Regular, &blob_name, b"x")])).unwrap();
    refused(&[first]);
    refused(&[first, (EntryType::Regular, "../../outside", b"x")]);
    refused(&[first, (EntryType::Regular, "/tmp/outside", b"x")]);
    refused(&[first, (EntryType::Symlink, &blob_name, b"")]);
    refused(&[first, (EntryType::Link, &blob_name, b"")]);
    refused(&[
        first,
        (EntryType::GNULongName, "././@LongLink", b"x"),
        (EntryType::Regular, &blob_name, b"x"),
    ]);
    refused(&[first, (EntryType::Regular, &blob_name, b"y")]);
    refused(&[first, (EntryType::Regular, &blob_name, b"xx")]);
    refused(&[first, (EntryType::Regular, &blob_name, b"x"), (EntryType::Regular, &blob_name, b"x")]);
    refused(&[(EntryType::Regular, &blob_name, b"x")]);
    // A table that lists more than it contains, and an impossible size.
    refused(&[(EntryType::Regular, "cashet-archive", &table[..table.len() - 1])]);
    let huge = table_of(1, &[(b"x", u64::MAX)]);
    refused(&[(EntryType::Regular, "cashet-archive", &huge), (EntryType::Regular, &blob_name, b"x")]);
    let newer = archive_of(&[(EntryType::Regular, "cashet-archive", &table_of(2, &[]))]);
    assert_eq!(import(&store, &newer).unwrap_err().kind(), Kind::NewerFormat);
    assert!(!place.path.parent().unwrap().join("outside").exists());
}

/// A table with one commit of this size, which is missing in the archive.
fn table_with_commit(size: u64) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.unsigned(1).length(1);
    encoder.digest(&Digest::of(b"commit")).digest(&Digest::of(b"record")).unsigned(size);
    encoder.length(0);
    let mut table = encoder.finish();
    let check = Digest::of(&table);
    table.extend_from_slice(check.as_bytes());
    table
}

#[test]
fn sizes_of_commits_are_believed_only_so_far() {
    let place = Place::new();
    for size in [u64::MAX, 1 << 40, (256 << 20) + 1] {
        let table = table_with_commit(size);
        let archive = archive_of(&[(tar::EntryType::Regular, "cashet-archive", &table)]);
        let error = import(&place.open(), &archive).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        assert!(error.to_string().ends_with("its runs are too large"), "{error}");
    }
    // An acceptable size, with a missing entry.
    let table = table_with_commit(5);
    let archive = archive_of(&[(tar::EntryType::Regular, "cashet-archive", &table)]);
    assert!(import(&place.open(), &archive).unwrap_err().to_string().ends_with("it ends too early"));
    assert!(files_below(&place.path.join("tmp")).is_empty());
}

#[test]
fn an_archive_that_cannot_be_written_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (from, ..) = source();
    let error = from.open().export(&[], &mut Full, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::Io(std::io::ErrorKind::StorageFull));
}
