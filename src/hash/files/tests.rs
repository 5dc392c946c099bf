//! Digests of files of every size, and when evidence is trusted.

use super::*;
use std::os::unix::fs::symlink;

fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn a_file_digests_as_its_bytes_whatever_its_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let limit = usize::try_from(WORTH_ALL_CORES).unwrap();
    for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, limit, limit + 1, limit + PIECE + 1025, 2 * limit] {
        let content = bytes(size);
        fs::write(&path, &content).unwrap();
        let (digest, evidence) = digest_file(&path).unwrap();
        assert_eq!(digest, Digest::of(&content), "{size} bytes");
        assert_eq!(evidence, Evidence::of(&fs::metadata(&path).unwrap()));
        let (read, same, _) = read_file(&path).unwrap();
        assert!(read == content && same == digest, "{size} bytes");
        let (rest, count) = digest_from(&File::open(&path).unwrap(), 1).unwrap();
        assert_eq!(rest, Digest::of(content.get(1..).unwrap_or_default()), "{size} bytes");
        assert_eq!(count, size.saturating_sub(1) as u64);
    }
}

#[test]
fn many_files_come_in_their_order_whether_they_are_much_or_little() {
    let directory = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for number in 0..20 {
        let path = directory.path().join(number.to_string());
        fs::write(&path, bytes(number * 1000)).unwrap();
        paths.push(path);
    }
    paths.push(directory.path().join("absent"));
    for large in [false, true] {
        if large {
            fs::write(&paths[3], bytes(9 << 20)).unwrap();
        }
        let all = digest_many(&paths);
        assert_eq!(all.len(), paths.len());
        for (path, found) in paths.iter().zip(all) {
            assert_eq!(found.ok().map(|both| both.0), fs::read(path).ok().map(|b| Digest::of(&b)));
        }
    }
}

#[test]
fn what_is_not_a_regular_file_is_neither_read_nor_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(digest_file(&pipe).unwrap_err().to_string().contains("not a regular file"));
    assert!(digest_file(directory.path()).is_err());
    assert!(digest_file(&directory.path().join("absent")).unwrap_err().is_not_found());
}

#[test]
fn a_file_that_is_made_as_it_is_read_is_read_to_its_end() {
    let found = digest_file(Path::new("/proc/version")).unwrap().0;
    assert_eq!(found, Digest::of(&fs::read("/proc/version").unwrap()));
}

#[test]
fn young_and_future_times_prove_nothing() {
    let at = |modified, changed| Evidence {
        device: 1,
        inode: 1,
        size: 1,
        mode: 0o100_644,
        viewer: 0,
        modified: Timestamp(modified),
        changed: Timestamp(changed),
    };
    let now = Timestamp(100_000_000_000);
    assert!(fresh(&at(97_000_000_000, 97_000_000_000), now, false));
    assert!(!fresh(&at(98_500_000_000, 97_000_000_000), now, false));
    assert!(!fresh(&at(97_000_000_000, 98_500_000_000), now, false));
    assert!(fresh(&at(98_500_000_000, 98_500_000_000), now, true));
    assert!(!fresh(&at(99_990_000_000, 0), now, true));
    assert!(!fresh(&at(0, 100_000_000_001), now, true));
    assert!(!fresh(&at(i64::MAX, 0), now, true));
}

#[test]
fn a_listing_tells_names_and_kinds_but_not_caches() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let of = |everything| listing_digest(&entries(root, everything).unwrap());
    let empty = of(false);
    fs::create_dir(root.join("__pycache__")).unwrap();
    fs::write(root.join("a.pyc"), "").unwrap();
    assert_eq!(of(false), empty);
    assert_ne!(of(true), empty);
    fs::create_dir(root.join(".git")).unwrap();
    let with_git = of(false);
    assert_ne!(with_git, empty);
    fs::write(root.join(".git/HEAD"), "").unwrap();
    assert_eq!(of(false), with_git);
    fs::write(root.join("a"), "").unwrap();
    let with_file = of(false);
    assert_ne!(with_file, with_git);
    fs::remove_file(root.join("a")).unwrap();
    symlink("b", root.join("a")).unwrap();
    assert_ne!(of(false), with_file);
}
