//! The helper is killed at its n-th system call while a client writes and takes: what it answers is right or a failure, what is
//! in the cache is whole, and the next attempt, with another helper, finishes the work.

use crate::network::content;
use crate::servers::{Clients, Server, name};
use crate::tracer::{Deed, trace};
use cashet::remote::carrier::{Blob, Carrier, Failure, Name};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Kill points at the small scale.
const FEW: usize = 6;

/// The call at which the next helper is killed; 0 for none.
static NTH: AtomicUsize = AtomicUsize::new(0);

/// How many calls helpers have made that ended, and how many were killed.
static ENDED: Mutex<Vec<(usize, bool)>> = Mutex::new(Vec::new());

/// Starts a helper below a tracer; only the first one is killed.
#[expect(clippy::unnecessary_wraps, reason = "the library asks for a function that may fail")]
fn start(command: &mut Command) -> io::Result<()> {
    let nth = NTH.swap(0, Ordering::SeqCst);
    let mut own = Command::new(command.get_program());
    let set = command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    // What the program that is called starts.
    own.arg("serve").env_clear().envs(set.collect::<Vec<_>>()).current_dir("/");
    thread::spawn(move || {
        let traced = trace(&own, &mut |call| if call.nth == nth { Deed::Kill } else { Deed::Go });
        ENDED.lock().unwrap().push((traced.calls, traced.met.is_some()));
    });
    Ok(())
}

/// What is written: a list, a result, and two blobs, one of which is large.
struct Content {
    key: Name,
    result: Name,
    blobs: [(Blob, File, Vec<u8>); 2],
}

impl Content {
    fn new() -> Self {
        Self { key: name(), result: name(), blobs: [content(10_000), content(700_000)] }
    }

    /// As the publisher writes.
    fn write(&self, carrier: &mut dyn Carrier) -> Result<(), Failure> {
        let blobs = [self.blobs[0].0, self.blobs[1].0];
        for blob in carrier.missing(&blobs)? {
            let (_, file, _) = self.blobs.iter().find(|(known, ..)| *known == blob).unwrap();
            carrier.add_blob(&blob, file)?;
        }
        carrier.add_result(&self.result, b"result", &blobs)?;
        carrier.merge_questions(&self.key, &mut |found| found.is_none().then(|| b"questions".to_vec()))
    }

    /// What there is of it is as it was written; whether it is all there.
    fn read(&self, carrier: &mut dyn Carrier) -> Result<bool, Failure> {
        let mut is_all = true;
        match carrier.questions(&self.key)? {
            Some(found) => assert_eq!(found, b"questions"),
            None => is_all = false,
        }
        match &carrier.results(&[self.result])?[..] {
            [Some(found)] => {
                assert_eq!(found, b"result");
                // Blobs come before what names them.
                for (blob, _, bytes) in &self.blobs {
                    let mut file = tempfile::tempfile().unwrap();
                    if !carrier.fetch(blob, &file)? {
                        // Bazel's names of blobs are known to the helper that has read the result: this is another one.
                        carrier.results(&[self.result])?;
                        assert!(carrier.fetch(blob, &file)?, "a result without its blob");
                    }
                    let mut found = Vec::new();
                    file.seek(SeekFrom::Start(0)).unwrap();
                    file.read_to_end(&mut found).unwrap();
                    assert!(found == *bytes, "another blob");
                }
            }
            _ => is_all = false,
        }
        Ok(is_all)
    }
}

/// Writes and reads with a helper that is killed at its `nth` call, and then once more.
fn trial(clients: &Clients, url: &str, nth: usize) {
    NTH.store(nth, Ordering::SeqCst);
    let content = Content::new();
    let _ = content.write(clients.carrier(url).as_mut());
    let _ = content.read(clients.carrier(url).as_mut());
    NTH.store(0, Ordering::SeqCst);
    // The helper may be killed in the second attempt; then the third one has another.
    let finished = (0..3).any(|_| {
        // The pause after failures is over.
        for entry in std::fs::read_dir(clients.settings.sockets.as_ref().unwrap()).unwrap().flatten() {
            if entry.path().extension().is_some_and(|end| end == "failed") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        content.write(clients.carrier(url).as_mut()).is_ok()
    });
    assert!(finished, "killed at call {nth}");
    let mut carrier = clients.carrier(url);
    assert!(content.read(carrier.as_mut()).unwrap(), "killed at call {nth}");
    drop(carrier);
    crate::helper::kill_all(clients);
}

fn of(kind: &str, clients: Option<Clients>, server: Option<Server>, url: &dyn Fn(u16) -> String) {
    let (Some(mut clients), Some(server)) = (clients, server) else { return };
    clients.settings.start = start;
    let url = url(server.port);
    ENDED.lock().unwrap().clear();
    trial(&clients, &url, usize::MAX);
    let ended = || ENDED.lock().unwrap().first().copied();
    for _ in 0..600 {
        if ended().is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let (calls, _) = ended().unwrap();
    let every =
        std::env::var_os("CASHET_TEST_SCALE").is_some_and(|scale| scale == "every" || scale == "full");
    let step = if every { 1 } else { (calls / FEW).max(1) };
    for nth in (1..=calls).step_by(step) {
        trial(&clients, &url, nth);
    }
    eprintln!("{kind}: killed at {} of {calls} calls", calls.div_ceil(step));
    drop(server);
}

#[test]
fn a_helper_killed_at_any_call() {
    let usual = || Clients::new(&[]);
    of("redis", usual(), Server::start("redis", 1, None), &|port| {
        format!("redis://rw:rwpass@127.0.0.1:{port}")
    });
    let with_token = Clients::new(&[("CASHET_REMOTE_TOKEN", "rw")]);
    of("http", with_token, Server::start("http", 3, None), &|port| format!("http://127.0.0.1:{port}"));
}
