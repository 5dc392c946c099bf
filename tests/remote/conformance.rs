//! What every carrier does, one function for each property. `dir:` is always tried; `CASHET_TEST_REMOTE_URLS` names others,
//! separated by spaces, each of which may be written to.

use cashet::exec::start_helper;
use cashet::remote::carrier::{Blob, Carrier, Failure, LARGEST_RECORD, Name};
use cashet::remote::client::Settings;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls `property` with the address of each shared cache.
fn each(property: impl Fn(&str)) {
    let directory = tempfile::tempdir().unwrap();
    property(&format!("dir:{}", directory.path().display()));
    let others = std::env::var("CASHET_TEST_REMOTE_URLS").unwrap_or_default();
    for url in others.split_whitespace() {
        property(url);
    }
}

fn open(url: &str) -> Box<dyn Carrier + Send> {
    cashet::remote::open(url, &Settings::new(start_helper))
        .unwrap_or_else(|failure| panic!("{url}: {failure}"))
}

/// A name that no other test uses, in this process or another one.
fn name() -> Name {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let time = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    Name(*blake3::hash(format!("{next} {time} {}", std::process::id()).as_bytes()).as_bytes())
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn blob_of(bytes: &[u8]) -> Blob {
    Blob { digest: *blake3::hash(bytes).as_bytes(), size: bytes.len() as u64 }
}

fn fetched(carrier: &mut dyn Carrier, blob: &Blob) -> Option<Vec<u8>> {
    let mut file = tempfile::tempfile().unwrap();
    if !carrier.fetch(blob, &file).unwrap() {
        return None;
    }
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

#[test]
fn what_is_not_there_is_not_an_error() {
    each(|url| {
        let mut carrier = open(url);
        assert_eq!(carrier.questions(&name()).unwrap(), None, "{url}");
        assert_eq!(carrier.results(&[name(), name()]).unwrap(), [None, None], "{url}");
        let blob = blob_of(format!("{:?}", name()).as_bytes());
        assert_eq!(fetched(&mut *carrier, &blob), None, "{url}");
        assert_eq!(carrier.missing(&[blob]).unwrap(), [blob], "{url}");
    });
}

#[test]
fn the_first_record_of_a_result_stays() {
    each(|url| {
        let (mut carrier, mut other) = (open(url), open(url));
        let (first, absent, second) = (name(), name(), name());
        carrier.add_result(&first, b"first", &[]).unwrap();
        other.add_result(&first, b"another", &[]).unwrap();
        other.add_result(&second, b"second", &[]).unwrap();
        let found = carrier.results(&[second, absent, first]).unwrap();
        assert_eq!(found, [Some(b"second".to_vec()), None, Some(b"first".to_vec())], "{url}");
    });
}

#[test]
fn questions_are_merged_and_left_alone_where_nothing_is_new() {
    each(|url| {
        let (mut carrier, key) = (open(url), name());
        carrier.merge_questions(&key, &mut |before| before.is_none().then(|| b"one".to_vec())).unwrap();
        carrier.merge_questions(&key, &mut |before| before.is_none().then(|| b"other".to_vec())).unwrap();
        assert_eq!(carrier.questions(&key).unwrap(), Some(b"one".to_vec()), "{url}");
        let both = |before: Option<&[u8]>| Some([before.unwrap_or_default(), b" two"].concat());
        open(url).merge_questions(&key, &mut |before| both(before)).unwrap();
        assert_eq!(carrier.questions(&key).unwrap(), Some(b"one two".to_vec()), "{url}");
    });
}

#[test]
fn eight_writers_of_one_record_lose_nothing() {
    each(|url| {
        // Where there is no condition on a write, the last one wins.
        let conditional = !url.starts_with("grpc") && !url.starts_with("http");
        let key = name();
        std::thread::scope(|scope| {
            for writer in 0..8_u8 {
                scope.spawn(move || {
                    let mut merge = |before: Option<&[u8]>| {
                        let mut all = before.unwrap_or_default().to_vec();
                        (!all.contains(&writer)).then(|| {
                            all.push(writer);
                            all
                        })
                    };
                    open(url).merge_questions(&key, &mut merge).unwrap();
                });
            }
        });
        let mut found = open(url).questions(&key).unwrap().unwrap();
        found.sort_unstable();
        if conditional {
            assert_eq!(found, [0, 1, 2, 3, 4, 5, 6, 7], "{url}");
        } else {
            assert!(!found.is_empty(), "{url}");
        }
    });
}

#[test]
fn blobs_come_back_as_they_were() {
    each(|url| {
        let mut carrier = open(url);
        for size in [0, 1, 4096, 65_537, 5 << 20] {
            let seed = format!("{:?}", name());
            let mut bytes: Vec<u8> = seed.bytes().cycle().take(size).collect();
            if let Some(first) = bytes.first_mut() {
                *first = 0;
            }
            let blob = blob_of(&bytes);
            let known = carrier.missing(&[blob]).unwrap();
            assert!(known == [blob] || size == 0, "{url}");
            match carrier.add_blob(&blob, &file_of(&bytes)) {
                // A carrier of small values may say so.
                Err(Failure::Full(_)) if size > 1 << 20 => continue,
                other => other.unwrap(),
            }
            carrier.add_blob(&blob, &file_of(&bytes)).unwrap();
            assert_eq!(fetched(&mut *open(url), &blob).as_deref(), Some(bytes.as_slice()), "{url} {size}");
        }
    });
}

#[test]
fn a_blob_of_another_length_is_refused() {
    each(|url| {
        let mut carrier = open(url);
        let bytes = format!("{:?}", name()).into_bytes();
        let blob = Blob { size: bytes.len() as u64 + 1, ..blob_of(&bytes) };
        assert!(carrier.add_blob(&blob, &file_of(&bytes)).is_err(), "{url}");
        assert_eq!(fetched(&mut *carrier, &blob), None, "{url}");
    });
}

#[test]
fn a_record_that_is_too_large_is_refused() {
    each(|url| {
        let (mut carrier, key) = (open(url), name());
        let large = vec![7; 5 * LARGEST_RECORD];
        let refused = |result: Result<(), Failure>| matches!(result, Err(Failure::Invalid(_)));
        assert!(refused(carrier.add_result(&key, &large, &[])), "{url}");
        assert!(refused(carrier.merge_questions(&key, &mut |_| Some(large.clone()))), "{url}");
        assert_eq!(carrier.results(&[key]).unwrap(), [None], "{url}");
        assert_eq!(carrier.questions(&key).unwrap(), None, "{url}");
    });
}
