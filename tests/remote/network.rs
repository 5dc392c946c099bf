//! What holds for every shared cache, whatever carries it: one function for each property.

use crate::servers::{Clients, Server, name};
use cashet::remote::carrier::{Blob, Carrier, Failure, LARGEST_RECORD};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Barrier;

/// A kind of shared cache.
pub(crate) struct Kind<'a> {
    /// A new connection, as another process would have.
    pub(crate) open: &'a (dyn Fn() -> Box<dyn Carrier> + Sync),
    /// Whether a record that several write at once loses nothing.
    pub(crate) is_merged: bool,
    /// The largest blob that it takes.
    pub(crate) largest_blob: usize,
    /// Whether it tells by the name alone that a blob is there.
    pub(crate) knows_blobs: bool,
}

pub(crate) fn all(kind: &Kind<'_>) {
    what_is_not_there_is_none(kind);
    what_was_added_is_there(kind);
    the_first_result_stays(kind);
    records_are_changed_by_what_is_there(kind);
    eight_writers_at_once(kind);
    blobs_come_as_they_were(kind);
    missing_names_what_is_not_there(kind);
    a_result_may_refer_to_what_is_gone(kind);
    long_records_are_refused(kind);
}

/// A blob and a file that holds it, whose offset is somewhere.
pub(crate) fn content(size: usize) -> (Blob, File, Vec<u8>) {
    let seed = name().0;
    let mut bytes = vec![0; size];
    blake3::Hasher::new_keyed(&seed).finalize_xof().fill(&mut bytes);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let blob = Blob { digest: *blake3::hash(&bytes).as_bytes(), size: size as u64 };
    (blob, file, bytes)
}

/// What a carrier fetches; `None`: it is not there.
pub(crate) fn fetched(carrier: &mut dyn Carrier, blob: &Blob) -> Option<Vec<u8>> {
    let mut file = tempfile::tempfile().unwrap();
    if !carrier.fetch(blob, &file).unwrap() {
        return None;
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

fn what_is_not_there_is_none(kind: &Kind<'_>) {
    let mut carrier = (kind.open)();
    assert_eq!(carrier.questions(&name()).unwrap(), None);
    assert_eq!(carrier.results(&[name(), name()]).unwrap(), [None, None]);
    assert_eq!(carrier.results(&[]).unwrap(), Vec::<Option<Vec<u8>>>::new());
    let (blob, ..) = content(1000);
    assert_eq!(fetched(carrier.as_mut(), &blob), None);
    assert_eq!(carrier.missing(&[blob]).unwrap(), [blob]);
}

fn what_was_added_is_there(kind: &Kind<'_>) {
    let (mut one, mut other) = ((kind.open)(), (kind.open)());
    let (key, names) = (name(), [(); 11].map(|()| name()));
    let record: Vec<u8> = (0..=255).cycle().take(3000).collect();
    one.merge_questions(&key, &mut |found| found.is_none().then(|| record.clone())).unwrap();
    for (number, name) in names.iter().enumerate().filter(|(number, _)| number % 3 != 1) {
        one.add_result(name, format!("result {number}").as_bytes(), &[]).unwrap();
    }
    assert_eq!(other.questions(&key).unwrap().as_ref(), Some(&record));
    let results = other.results(&names).unwrap();
    for (number, result) in results.iter().enumerate() {
        let expected = (number % 3 != 1).then(|| format!("result {number}").into_bytes());
        assert_eq!(*result, expected, "{number}");
    }
}

fn the_first_result_stays(kind: &Kind<'_>) {
    let (mut one, mut other, name) = ((kind.open)(), (kind.open)(), name());
    one.add_result(&name, b"first", &[]).unwrap();
    other.add_result(&name, b"second", &[]).unwrap();
    assert_eq!(one.results(&[name]).unwrap(), [Some(b"first".to_vec())]);
}

fn records_are_changed_by_what_is_there(kind: &Kind<'_>) {
    let (mut one, mut other, key) = ((kind.open)(), (kind.open)(), name());
    for number in 1..=3_u8 {
        let carrier = if number % 2 == 0 { &mut one } else { &mut other };
        carrier
            .merge_questions(&key, &mut |found| {
                Some([found.unwrap_or_default(), [number].as_slice()].concat())
            })
            .unwrap();
    }
    assert_eq!(one.questions(&key).unwrap(), Some(vec![1, 2, 3]));
    let mut calls = 0;
    one.merge_questions(&key, &mut |found| {
        calls += 1;
        assert_eq!(found, Some([1, 2, 3].as_slice()));
        None
    })
    .unwrap();
    assert_eq!(calls, 1);
    assert_eq!(other.questions(&key).unwrap(), Some(vec![1, 2, 3]));
}

fn eight_writers_at_once(kind: &Kind<'_>) {
    let (key, start) = (name(), Barrier::new(8));
    std::thread::scope(|scope| {
        for number in 0..8_u8 {
            let (key, start) = (&key, &start);
            scope.spawn(move || {
                let mut carrier = (kind.open)();
                carrier.questions(key).unwrap();
                start.wait();
                carrier
                    .merge_questions(key, &mut |found| {
                        let mut all: BTreeSet<u8> = found.unwrap_or_default().iter().copied().collect();
                        all.insert(number).then(|| all.into_iter().collect())
                    })
                    .unwrap();
            });
        }
    });
    let found = (kind.open)().questions(&key).unwrap().unwrap();
    if kind.is_merged {
        assert_eq!(found, [0, 1, 2, 3, 4, 5, 6, 7]);
    } else {
        assert!(!found.is_empty() && found.iter().all(|number| *number < 8), "{found:?}");
    }
}

fn blobs_come_as_they_were(kind: &Kind<'_>) {
    let (mut one, mut other) = ((kind.open)(), (kind.open)());
    let sizes = [0, 1, 70_000, 1 << 20, (4 << 20) - 1, 9 << 20];
    let all: Vec<_> = sizes.into_iter().filter(|size| *size <= kind.largest_blob).map(content).collect();
    let blobs: Vec<Blob> = all.iter().map(|(blob, ..)| *blob).collect();
    for (blob, file, _) in &all {
        // Another writer may come with the same one.
        one.add_blob(blob, file).unwrap();
        other.add_blob(blob, file).unwrap();
        one.add_blob(blob, file).unwrap();
    }
    let result = name();
    one.add_result(&result, b"result", &blobs).unwrap();
    let mut third = (kind.open)();
    assert_eq!(third.results(&[result]).unwrap(), [Some(b"result".to_vec())]);
    for (blob, _, bytes) in &all {
        assert_eq!(fetched(third.as_mut(), blob).as_ref(), Some(bytes), "{} bytes", blob.size);
    }
    if sizes.iter().any(|size| *size > kind.largest_blob) {
        let (blob, file, _) = content(kind.largest_blob + 1);
        assert!(matches!(one.add_blob(&blob, &file), Err(Failure::Full(_))));
        assert_eq!(fetched(third.as_mut(), &blob), None);
    }
}

fn missing_names_what_is_not_there(kind: &Kind<'_>) {
    let (mut one, mut other) = ((kind.open)(), (kind.open)());
    let there = [(); 9].map(|()| content(500));
    let absent = [(); 3].map(|()| content(500).0);
    for (blob, file, _) in &there {
        one.add_blob(blob, file).unwrap();
    }
    let mut all = vec![absent[0], absent[1]];
    all.extend(there.iter().map(|(blob, ..)| *blob));
    all.push(absent[2]);
    let missing = other.missing(&all).unwrap();
    if kind.knows_blobs {
        assert_eq!(missing, absent);
    } else {
        assert!(absent.iter().all(|blob| missing.contains(blob)), "{missing:?}");
    }
    assert_eq!(other.missing(&[]).unwrap(), []);
}

fn a_result_may_refer_to_what_is_gone(kind: &Kind<'_>) {
    let (mut carrier, name) = ((kind.open)(), name());
    let (blob, ..) = content(700);
    // A server may refuse that, or hide such a record, or give it: then the blob is not there.
    if carrier.add_result(&name, b"result", &[blob]).is_ok() {
        let found = carrier.results(&[name]).unwrap();
        assert!(found == [None] || found == [Some(b"result".to_vec())], "{found:?}");
    }
    assert_eq!(fetched(carrier.as_mut(), &blob), None);
}

fn long_records_are_refused(kind: &Kind<'_>) {
    let mut carrier = (kind.open)();
    let (name, key) = (name(), name());
    let longest = vec![7; LARGEST_RECORD];
    let long = [longest.as_slice(), &[7]].concat();
    assert!(matches!(carrier.add_result(&name, &long, &[]), Err(Failure::Invalid(_))));
    assert!(matches!(carrier.merge_questions(&key, &mut |_| Some(long.clone())), Err(Failure::Invalid(_))));
    assert_eq!(carrier.results(&[name]).unwrap(), [None]);
    assert_eq!(carrier.questions(&key).unwrap(), None);
    carrier.add_result(&name, &longest, &[]).unwrap();
    carrier.merge_questions(&key, &mut |_| Some(longest.clone())).unwrap();
    assert!(carrier.results(&[name]).unwrap() == [Some(longest.clone())]);
    assert!(carrier.questions(&key).unwrap() == Some(longest));
}

/// A client that may only read reads what is there, and gets an error when it writes.
pub(crate) fn who_may_read_may_not_write(writer: &mut dyn Carrier, reader: &mut dyn Carrier) {
    let (key, result, (blob, file, bytes)) = (name(), name(), content(500));
    writer.add_blob(&blob, &file).unwrap();
    writer.add_result(&result, b"result", &[blob]).unwrap();
    writer.merge_questions(&key, &mut |_| Some(b"questions".to_vec())).unwrap();
    assert_eq!(reader.questions(&key).unwrap(), Some(b"questions".to_vec()));
    assert_eq!(reader.results(&[result]).unwrap(), [Some(b"result".to_vec())]);
    assert_eq!(fetched(reader, &blob), Some(bytes));
    let refused = |answer: Result<(), Failure>| {
        assert!(matches!(answer, Err(Failure::Refused(_))), "{answer:?}");
    };
    refused(reader.add_result(&name(), b"other", &[]));
    refused(reader.merge_questions(&key, &mut |_| Some(b"other".to_vec())));
    refused(reader.merge_questions(&name(), &mut |_| Some(b"other".to_vec())));
    let (blob, file, _) = content(500);
    refused(reader.add_blob(&blob, &file));
    assert_eq!(writer.questions(&key).unwrap(), Some(b"questions".to_vec()));
    assert_eq!(reader.results(&[result]).unwrap(), [Some(b"result".to_vec())]);
}

/// A bucket `cashet` of a server of its own.
pub(crate) fn bucket() -> Option<(Clients, Server)> {
    let server = Server::start("s3", 4, None)?;
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    let keys = [("AWS_ACCESS_KEY_ID", "rwkey"), ("AWS_SECRET_ACCESS_KEY", "rwsecret")];
    let clients = Clients::new(&[("AWS_ENDPOINT_URL", endpoint.as_str()), keys[0], keys[1]])?;
    let until = std::time::Instant::now() + std::time::Duration::from_mins(2);
    loop {
        let mut command = std::process::Command::new("curl");
        command.args([
            "-sSf",
            "-o",
            "/dev/null",
            "--aws-sigv4",
            "aws:amz:us-east-1:s3",
            "--user",
            "rwkey:rwsecret",
        ]);
        command.args(["-X", "PUT", &format!("{endpoint}/cashet")]);
        if command.output().is_ok_and(|ran| ran.status.success()) {
            return Some((clients, server));
        }
        assert!(std::time::Instant::now() < until, "the bucket is not made");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// A server that knows blobs by their SHA-256, and no conditions.
fn by_sha256(open: &(dyn Fn() -> Box<dyn Carrier> + Sync)) -> Kind<'_> {
    Kind { open, is_merged: false, largest_blob: usize::MAX, knows_blobs: false }
}

#[test]
fn redis() {
    let (Some(clients), Some(server)) = (Clients::new(&[]), Server::start("redis", 1, None)) else { return };
    let url = |user: &str| format!("redis://{user}:{user}pass@127.0.0.1:{}/0", server.port);
    let open = || clients.carrier(&url("rw"));
    all(&Kind { open: &open, is_merged: true, largest_blob: 1 << 20, knows_blobs: true });
    who_may_read_may_not_write(open().as_mut(), clients.carrier(&url("ro")).as_mut());
    let wrong = clients.carrier(&url("no")).questions(&name());
    assert!(matches!(wrong, Err(Failure::Refused(_))), "{wrong:?}");
}

#[test]
fn s3() {
    let Some((clients, server)) = bucket() else { return };
    let open = || clients.carrier("s3://cashet/some/prefix");
    all(&Kind { open: &open, is_merged: true, largest_blob: usize::MAX, knows_blobs: true });
    all(&Kind {
        open: &|| clients.carrier("s3://cashet"),
        is_merged: true,
        largest_blob: usize::MAX,
        knows_blobs: true,
    });
    // A profile in files, and keys that may only read.
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    let readers =
        Clients::new(&[("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_PROFILE", "reader")]).unwrap();
    let directory = readers.sockets.path().join(".aws");
    std::fs::create_dir(&directory).unwrap();
    let text = "[reader]\naws_access_key_id = rokey\naws_secret_access_key = rosecret\n";
    std::fs::write(directory.join("credentials"), text).unwrap();
    who_may_read_may_not_write(open().as_mut(), readers.carrier("s3://cashet/some/prefix").as_mut());
}

#[test]
fn http() {
    let (Some(mut writers), Some(mut readers)) =
        (Clients::new(&[("CASHET_REMOTE_TOKEN", "rw")]), Clients::new(&[("CASHET_REMOTE_TOKEN", "ro")]))
    else {
        return;
    };
    let Some(server) = Server::start("http", 3, None) else { return };
    let url = format!("http://127.0.0.1:{}/team", server.port);
    all(&by_sha256(&|| writers.carrier(&url)));
    who_may_read_may_not_write(writers.carrier(&url).as_mut(), readers.carrier(&url).as_mut());

    // A record whose blob the server has lost.
    let (result, (blob, file, _)) = (name(), content(500));
    let mut carrier = writers.carrier(&url);
    carrier.add_blob(&blob, &file).unwrap();
    carrier.add_result(&result, b"result", &[blob]).unwrap();
    std::fs::remove_dir_all(server.directory.path().join("data/team/cas")).unwrap();
    assert_eq!(carrier.results(&[result]).unwrap(), [Some(b"result".to_vec())]);
    assert_eq!(fetched(carrier.as_mut(), &blob), None);
    assert_eq!(carrier.missing(&[blob]).unwrap(), [blob]);

    let url = format!("https://localhost:{}", server.port + 1);
    // Nobody has said that this certificate is to be trusted.
    let unknown = writers.carrier(&url).questions(&name());
    assert!(matches!(unknown, Err(Failure::Unreachable(_))), "{unknown:?}");
    let certificate = server.directory.path().join("ca.pem");
    writers.settings.ca = Some(certificate.clone());
    all(&by_sha256(&|| writers.carrier(&url)));
    // The same by the variable that OpenSSL reads, and the token in a file.
    let token = readers.sockets.path().join("token");
    std::fs::write(&token, "rw\n").unwrap();
    readers.settings.variables.retain(|(name, _)| name != "CASHET_REMOTE_TOKEN");
    readers.settings.variables.push(("CASHET_REMOTE_TOKEN_FILE".into(), token.into()));
    readers.settings.variables.push(("SSL_CERT_FILE".into(), certificate.into()));
    readers.carrier(&url).add_result(&name(), b"record", &[]).unwrap();
}

#[test]
fn grpc() {
    let Some(writers) = Clients::new(&[("CASHET_REMOTE_TOKEN", "rw")]) else { return };
    let Some(server) = Server::start("reapi", 1, None) else { return };
    let url = format!("grpc://127.0.0.1:{}", server.port);
    all(&by_sha256(&|| writers.carrier(&url)));

    let Some(front) = Server::start("http", 3, Some(server.port)) else { return };
    let certificate = front.directory.path().join("ca.pem");
    let with = |token: &str| {
        let mut clients = Clients::new(&[("CASHET_REMOTE_TOKEN", token)]).unwrap();
        clients.settings.ca = Some(certificate.clone());
        clients
    };
    let (writers, readers, others) = (with("rw"), with("ro"), with("no"));
    let url = format!("grpcs://localhost:{}", front.port + 2);
    all(&by_sha256(&|| writers.carrier(&url)));
    let (mut writer, mut reader) = (writers.carrier(&url), readers.carrier(&url));
    let (key, result) = (name(), name());
    writer.add_result(&result, b"result", &[]).unwrap();
    assert_eq!(reader.results(&[result]).unwrap(), [Some(b"result".to_vec())]);
    assert!(matches!(reader.add_result(&name(), b"other", &[]), Err(Failure::Refused(_))));
    assert!(matches!(reader.merge_questions(&key, &mut |_| Some(b"x".to_vec())), Err(Failure::Refused(_))));
    let other = others.carrier(&url).questions(&key);
    assert!(matches!(other, Err(Failure::Refused(_))), "{other:?}");
}
