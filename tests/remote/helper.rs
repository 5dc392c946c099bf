//! The helper program: absent, started by several at once, killed, hung, of another release, idle; and what it holds.

use crate::servers::{Clients, Server, name};
use cashet::remote::carrier::{Carrier, Failure};
use cashet::remote::protocol::greeting;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Processes of helpers that these clients started and that are not zombies.
fn helpers(clients: &Clients) -> Vec<Pid> {
    let ours = format!("CASHET_REMOTE_SOCKET={}", clients.sockets.path().display());
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let numbers = processes.filter_map(|name| name.parse().ok());
    let is_ours = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
        program.as_deref() == clients.settings.helper.as_deref()
            && environment.windows(ours.len()).any(|window| window == ours.as_bytes())
    };
    numbers.filter(is_ours).map(Pid::from_raw).collect()
}

/// Kills all helpers of these clients.
pub(crate) fn kill_all(clients: &Clients) {
    for pid in helpers(clients) {
        // It may have ended meanwhile.
        let killed = kill(pid, Signal::SIGKILL);
        assert!(matches!(killed, Ok(()) | Err(nix::errno::Errno::ESRCH)), "{killed:?}");
    }
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn redis(variables: &[(&str, &str)]) -> Option<(Clients, Server, String)> {
    let (clients, server) = (Clients::new(variables)?, Server::start("redis", 1, None)?);
    let url = format!("redis://rw:rwpass@127.0.0.1:{}", server.port);
    Some((clients, server, url))
}

/// The only socket of these clients.
fn socket(clients: &Clients) -> PathBuf {
    let files = fs::read_dir(clients.settings.sockets.as_ref().unwrap()).unwrap();
    files.map(|entry| entry.unwrap().path()).find(|path| path.extension().is_none()).unwrap()
}

#[test]
fn one_helper_serves_all_and_holds_nothing() {
    let Some((clients, _server, url)) =
        redis(&[("AWS_SECRET_ACCESS_KEY", "a secret"), ("OTHER_SECRET", "b")])
    else {
        return;
    };
    // A descriptor that this process would hand on.
    let (inherited, _writer) = nix::unistd::pipe().unwrap();
    let barrier = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = clients.open(&url);
                barrier.wait();
                assert_eq!(client.questions(&name()).unwrap(), None);
            });
        }
    });
    let [pid] = helpers(&clients)[..] else { panic!("{:?}", helpers(&clients)) };
    let of = |name: &str| PathBuf::from(format!("/proc/{pid}/{name}"));
    assert_eq!(fs::read_link(of("cwd")).unwrap(), PathBuf::from("/"));
    for entry in fs::read_dir(of("fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
        let target = target.to_str().unwrap();
        let is_its_own =
            target == "/dev/null" || target.starts_with("socket:") || target.starts_with("anon_inode:");
        assert!(is_its_own, "{target}");
    }
    drop(inherited);
    let environment = fs::read(of("environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("AWS_SECRET_ACCESS_KEY=a secret"));
    assert!(!environment.contains("OTHER_SECRET"));
    let words = fs::read(of("cmdline")).unwrap();
    assert!(!String::from_utf8_lossy(&words).contains("rwpass"));
    let status = fs::read_to_string(of("stat")).unwrap();
    let fields: Vec<&str> = status.rsplit(')').next().unwrap().split_whitespace().collect();
    let session: i32 = fields[3].parse().unwrap();
    assert_ne!(session, nix::unistd::getsid(None).unwrap().as_raw());
    assert_ne!(fields[1], std::process::id().to_string(), "it is our child");
    let directory = fs::metadata(clients.settings.sockets.as_ref().unwrap()).unwrap();
    assert_eq!(directory.mode() & 0o777, 0o700);
}

#[test]
fn other_credentials_get_another_helper() {
    let Some((mut clients, _server, url)) = redis(&[("CASHET_REMOTE_TOKEN", "one")]) else { return };
    let mut client = clients.open(&url);
    client.questions(&name()).unwrap();
    clients.settings.variables.retain(|(name, _)| name != "CASHET_REMOTE_TOKEN");
    clients.settings.variables.push(("CASHET_REMOTE_TOKEN".into(), "two".into()));
    clients.open(&url).questions(&name()).unwrap();
    assert_eq!(helpers(&clients).len(), 2);
    // What decides nothing does not count.
    clients.settings.variables.push(("LANG".into(), "C".into()));
    clients.open(&url).questions(&name()).unwrap();
    assert_eq!(helpers(&clients).len(), 2);
}

#[test]
fn a_killed_helper_is_started_again() {
    let Some((clients, _server, url)) = redis(&[]) else { return };
    let (mut client, result) = (clients.open(&url), name());
    client.add_result(&result, b"result", &[]).unwrap();
    for _ in 0..2 {
        kill_all(&clients);
        eventually("the helper is gone", || helpers(&clients).is_empty());
        assert_eq!(client.results(&[result]).unwrap(), [Some(b"result".to_vec())]);
        assert_eq!(clients.open(&url).results(&[result]).unwrap(), [Some(b"result".to_vec())]);
    }
}

#[test]
fn a_hung_helper_costs_a_deadline_once() {
    let Some((clients, _server, url)) = redis(&[("CASHET_REMOTE_PATIENCE", "4")]) else { return };
    let (mut old, result) = (clients.open(&url), name());
    old.add_result(&result, b"result", &[]).unwrap();
    // On a busy machine a second one may have been started before the first one listened.
    let hung = helpers(&clients);
    for pid in &hung {
        kill(*pid, Signal::SIGSTOP).unwrap();
    }
    let start = Instant::now();
    let answer = old.results(&[result]);
    assert!(matches!(&answer, Err(Failure::Unreachable(why)) if why.contains("no answer")), "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    // The next request goes to a new one.
    assert_eq!(old.results(&[result]).unwrap(), [Some(b"result".to_vec())]);
    assert_eq!(helpers(&clients).len(), hung.len() + 1);
    for pid in &hung {
        kill(*pid, Signal::SIGCONT).unwrap();
    }
    eventually("the ones that hung end", || !helpers(&clients).iter().any(|pid| hung.contains(pid)));
    // The helper in its place continues.
    assert_eq!(old.results(&[result]).unwrap(), [Some(b"result".to_vec())]);

    // Who connects to one that hangs learns that as soon.
    let hung = helpers(&clients)[0];
    kill(hung, Signal::SIGSTOP).unwrap();
    let answer = clients.open(&url).results(&[result]);
    assert!(
        matches!(&answer, Err(Failure::Unreachable(why)) if why.contains("does not answer")),
        "{answer:?}"
    );
    kill(hung, Signal::SIGKILL).unwrap();
    assert_eq!(clients.open(&url).results(&[result]).unwrap(), [Some(b"result".to_vec())]);
}

#[test]
fn an_idle_helper_ends_and_the_next_request_starts_one() {
    let Some((clients, _server, url)) = redis(&[("CASHET_REMOTE_IDLE", "1")]) else { return };
    let mut client = clients.open(&url);
    assert_eq!(client.questions(&name()).unwrap(), None);
    eventually("it ends", || helpers(&clients).is_empty());
    // The connection that was open is of no use any more.
    assert_eq!(client.questions(&name()).unwrap(), None);
}

#[test]
fn an_absent_helper_is_named_with_the_cure() {
    let Some(mut clients) = Clients::new(&[]) else { return };
    clients.settings.helper = Some(clients.sockets.path().join("nothing"));
    let answer = clients.open("redis://127.0.0.1:1").questions(&name());
    assert!(
        matches!(&answer, Err(Failure::Unreachable(why)) if why.contains("was not started")),
        "{answer:?}"
    );
    // Neither beside this test nor on PATH.
    clients.settings.helper = None;
    for _ in 0..4 {
        let answer = clients.open("redis://127.0.0.2:1").questions(&name());
        assert!(matches!(&answer, Err(Failure::Refused(why)) if why.contains("install it")), "{answer:?}");
    }
}

/// Greets `count` connections as another release does.
fn old_helper(at: &Path, count: usize) -> std::thread::JoinHandle<()> {
    let listener = UnixListener::bind(at).unwrap();
    std::thread::spawn(move || {
        for _ in 0..count {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut vec![0; greeting().len()]).unwrap();
            stream.write_all(b"cashet-r\x01\0\0\0\x050.0.9").unwrap();
        }
    })
}

#[test]
fn a_helper_of_another_release_is_replaced_or_refused() {
    let Some((mut clients, _server, url)) = redis(&[]) else { return };
    assert_ne!(greeting(), b"cashet-r\x01\0\0\0\x050.0.9");
    clients.open(&url).questions(&name()).unwrap();
    let socket = socket(&clients);
    kill_all(&clients);
    fs::remove_file(&socket).unwrap();
    // Twice: the second look is taken under the lock.
    let old = old_helper(&socket, 2);
    assert_eq!(clients.open(&url).questions(&name()).unwrap(), None);
    old.join().unwrap();
    assert_eq!(helpers(&clients).len(), 1);

    // One that is installed beside a newer cashet.
    let program = clients.sockets.path().join("old-remote");
    let words =
        "#!/bin/sh\nexec > /dev/null 2>&1\nmv \"$CASHET_REMOTE_SOCKET.old\" \"$CASHET_REMOTE_SOCKET\"\n";
    fs::write(&program, words).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    kill_all(&clients);
    let _ = fs::remove_file(&socket);
    let listens = old_helper(&socket.with_extension("old"), 1);
    clients.settings.helper = Some(program);
    let answer = clients.open(&url).questions(&name());
    let Err(Failure::Unreachable(why)) = answer else { panic!("{answer:?}") };
    assert!(why.contains("release 0.0.9") && why.contains("install both"), "{why}");
    listens.join().unwrap();
}

#[test]
fn a_directory_of_others_is_not_used() {
    let Some(clients) = Clients::new(&[]) else { return };
    let directory = clients.settings.sockets.clone().unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let answer = clients.open("redis://127.0.0.1:1").questions(&name());
    assert!(matches!(&answer, Err(Failure::Unreachable(why)) if why.contains("you alone")), "{answer:?}");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    let link = clients.sockets.path().join("link");
    std::os::unix::fs::symlink(&directory, &link).unwrap();
    let mut settings = clients.settings.clone();
    settings.sockets = Some(link);
    let mut client = cashet::remote::client::Client::new("redis://127.0.0.1:1", &settings);
    let answer = client.questions(&name());
    assert!(matches!(&answer, Err(Failure::Unreachable(why)) if why.contains("you alone")), "{answer:?}");
}

#[test]
fn a_server_that_fails_three_times_is_not_asked_for_a_minute() {
    let Some(clients) = Clients::new(&[]) else { return };
    // Nobody listens on a port that was free just now.
    let url = format!("redis://127.0.0.1:{}", crate::servers::free_port(1));
    for number in 1..=3 {
        let answer = clients.open(&url).questions(&name());
        let Err(Failure::Unreachable(why)) = answer else { panic!("{answer:?}") };
        assert_eq!(why.contains("not asked for the next minute"), number == 3, "{why}");
    }
    for _ in 0..3 {
        assert!(matches!(clients.open(&url).questions(&name()), Err(Failure::Paused)));
    }
}

#[test]
fn an_address_of_no_kind_is_refused() {
    let Some(clients) = Clients::new(&[]) else { return };
    for url in ["gopher://host", "nothing", "s3://", "redis://"] {
        let answer = clients.open(url).questions(&name());
        assert!(matches!(answer, Err(Failure::Refused(_) | Failure::Unreachable(_))), "{url}: {answer:?}");
    }
}
