//! Servers that are not there, do not answer, or answer wrongly: nothing is delayed beyond the deadlines, nothing grows, and
//! what is wrong is an error and no record.

use crate::network::content;
use crate::servers::{Clients, name};
use cashet::remote::carrier::{Blob, Carrier, Failure};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A server that answers every connection as `act` does, which gets the request's head and what number the request has.
fn fake(act: impl Fn(&mut TcpStream, &str, usize) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (act, count) = (Arc::new(act), Arc::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (act, count, mut stream) = (Arc::clone(&act), Arc::clone(&count), stream.unwrap());
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read(&mut byte).unwrap_or(0) == 0 {
                        return;
                    }
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).to_lowercase();
                // What is left unread when the connection closes would reset it, before the answer is read.
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                let length = length.map_or(0, |length| length.trim().parse().unwrap());
                let _ = std::io::copy(&mut Read::by_ref(&mut stream).take(length), &mut std::io::sink());
                act(&mut stream, &head, count.fetch_add(1, Ordering::Relaxed));
            });
        }
    });
    port
}

/// A bucket of a server that answers so.
fn bucket(
    act: impl Fn(&mut TcpStream, &str, usize) + Send + Sync + 'static,
) -> Option<(Clients, Box<dyn Carrier>)> {
    bucket_within("20", act)
}

/// The same with a factor for the deadlines.
fn bucket_within(
    patience: &str,
    act: impl Fn(&mut TcpStream, &str, usize) + Send + Sync + 'static,
) -> Option<(Clients, Box<dyn Carrier>)> {
    let endpoint = format!("http://127.0.0.1:{}", fake(act));
    let clients = Clients::new(&[
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("CASHET_REMOTE_PATIENCE", patience),
    ])?;
    let carrier = clients.carrier("s3://bucket/prefix");
    Some((clients, carrier))
}

fn answer(stream: &mut TcpStream, status: &str, length: usize) {
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
}

fn fetch(carrier: &mut dyn Carrier, blob: &Blob) -> (Result<bool, Failure>, u64) {
    let file = tempfile::tempfile().unwrap();
    let answer = carrier.fetch(blob, &file);
    (answer, file.metadata().unwrap().len())
}

/// Within the deadline, with room for a machine that does much else.
fn soon<T>(act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let answer = act();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    answer
}

#[test]
fn a_record_that_is_too_long_is_invalid() {
    let long = vec![b'x'; 5 << 20];
    let Some((_clients, mut carrier)) = bucket(move |stream, _, _| {
        answer(stream, "200 OK", long.len());
        let _ = stream.write_all(&long);
    }) else {
        return;
    };
    assert!(matches!(carrier.questions(&name()), Err(Failure::Invalid(_))));
    assert!(matches!(carrier.results(&[name()]), Err(Failure::Invalid(_))));
}

#[test]
fn a_body_without_end_is_invalid() {
    let Some((_clients, mut carrier)) = bucket(|stream, _, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(format!("10000\r\n{}\r\n", "x".repeat(0x10000)).as_bytes()).is_ok() {}
    }) else {
        return;
    };
    let (blob, ..) = content(3 << 20);
    let (answer, length) = fetch(carrier.as_mut(), &blob);
    assert!(matches!(answer, Err(Failure::Invalid(_))), "{answer:?}");
    assert!(length <= blob.size, "{length}");
    assert!(matches!(carrier.questions(&name()), Err(Failure::Invalid(_))));
}

#[test]
fn a_short_or_broken_body_is_not_a_blob() {
    for claimed in [1000, 400] {
        let Some((_clients, mut carrier)) = bucket(move |stream, _, _| {
            answer(stream, "200 OK", claimed);
            let _ = stream.write_all(&[b'x'; 400]);
        }) else {
            return;
        };
        let (answer, _) = fetch(carrier.as_mut(), &content(1000).0);
        assert!(matches!(answer, Err(Failure::Invalid(_) | Failure::Unreachable(_))), "{answer:?}");
        if claimed == 1000 {
            let record = carrier.results(&[name()]);
            assert!(matches!(record, Err(Failure::Invalid(_) | Failure::Unreachable(_))), "{record:?}");
        }
    }
}

#[test]
fn other_bytes_of_the_right_length_are_for_the_caller_to_find() {
    let Some((_clients, mut carrier)) = bucket(|stream, _, _| {
        answer(stream, "200 OK", 1000);
        let _ = stream.write_all(&[b'x'; 1000]);
    }) else {
        return;
    };
    let (blob, ..) = content(1000);
    let bytes = crate::network::fetched(carrier.as_mut(), &blob).unwrap();
    assert_ne!(blake3::hash(&bytes).as_bytes(), &blob.digest);
}

#[test]
fn a_server_that_says_nothing_costs_a_deadline() {
    let hang = |_: &mut TcpStream, _: &str, _: usize| std::thread::sleep(Duration::from_secs(30));
    let Some((_clients, mut carrier)) = bucket_within("2", hang) else { return };
    let answer = soon(|| carrier.questions(&name()));
    assert!(matches!(answer, Err(Failure::Unreachable(_))), "{answer:?}");
    // Other kinds: a listener that takes connections and reads nothing.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let Some(clients) = Clients::new(&[("CASHET_REMOTE_PATIENCE", "2")]) else { return };
    for url in ["redis", "rediss", "http", "https", "grpc", "grpcs"] {
        let answer = soon(|| clients.open(&format!("{url}://127.0.0.1:{port}")).results(&[name()]));
        assert!(matches!(answer, Err(Failure::Unreachable(_))), "{url}: {answer:?}");
    }
}

#[test]
fn a_record_that_drips_costs_a_deadline() {
    let Some((_clients, mut carrier)) = bucket_within("2", |stream, _, _| {
        answer(stream, "200 OK", 1000);
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }) else {
        return;
    };
    let answer = soon(|| carrier.questions(&name()));
    assert!(matches!(answer, Err(Failure::Unreachable(_))), "{answer:?}");
}

#[test]
fn a_blob_that_drips_is_given_up() {
    let Some((_clients, mut carrier)) = bucket(|stream, _, _| {
        answer(stream, "200 OK", 3 << 20);
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }) else {
        return;
    };
    let start = Instant::now();
    let (answer, _) = fetch(carrier.as_mut(), &content(3 << 20).0);
    assert!(matches!(answer, Err(Failure::Unreachable(_))), "{answer:?}");
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
}

#[test]
fn a_server_that_is_not_there_costs_little() {
    let Some(clients) = Clients::new(&[("CASHET_REMOTE_PATIENCE", "2")]) else { return };
    // A queue that is full: connections to it come to nothing, as where packets are dropped.
    let full = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&full, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    listen(&full, 0).unwrap();
    let address: std::net::SocketAddr = getsockname(&full).unwrap().try_into().unwrap();
    let _kept: Vec<_> =
        (0..3).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(300))).collect();
    for port in [address.port(), crate::servers::free_port(1)] {
        for scheme in ["redis", "http", "grpc", "https", "grpcs", "rediss"] {
            let answer = soon(|| clients.open(&format!("{scheme}://127.0.0.1:{port}")).questions(&name()));
            assert!(matches!(answer, Err(Failure::Unreachable(_))), "{scheme}: {answer:?}");
        }
    }
}

#[test]
fn refusals_and_troubles_are_told_apart() {
    let statuses =
        ["403 Forbidden", "401 Unauthorized", "507 Insufficient Storage", "503 Busy", "400 Bad Request"];
    for (number, status) in statuses.into_iter().enumerate() {
        let Some((_clients, mut carrier)) = bucket(move |stream, _, _| answer(stream, status, 0)) else {
            return;
        };
        let (blob, file, _) = content(500);
        let answers = [
            carrier.questions(&name()).map(drop),
            carrier.add_result(&name(), b"record", &[]),
            carrier.add_blob(&blob, &file),
        ];
        for answer in answers {
            let is_right = match number {
                2 => matches!(answer, Err(Failure::Full(_))),
                3 => matches!(answer, Err(Failure::Unreachable(_) | Failure::Paused)),
                _ => matches!(answer, Err(Failure::Refused(_))),
            };
            assert!(is_right, "{status}: {answer:?}");
        }
    }
}

#[test]
fn what_is_not_an_answer_is_an_error() {
    let Some((_clients, mut carrier)) = bucket(|stream, _, _| {
        let _ = stream.write_all(b"\0\0\0 what is this\r\n\r\n");
    }) else {
        return;
    };
    assert!(carrier.questions(&name()).is_err());
    let redirect = |stream: &mut TcpStream, _: &str, _: usize| {
        let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
    };
    let Some((_clients, mut carrier)) = bucket(redirect) else { return };
    assert!(soon(|| carrier.questions(&name())).is_err());
    // A record of the Bazel layout that is none.
    let port = fake(|stream, _, _| {
        answer(stream, "200 OK", 7);
        let _ = stream.write_all(b"\xff\xff\xff\xff\xff\xff\xff");
    });
    let Some(clients) = Clients::new(&[]) else { return };
    let found = clients.open(&format!("http://127.0.0.1:{port}")).questions(&name());
    assert!(matches!(found, Err(Failure::Invalid(_))), "{found:?}");
}

#[test]
fn a_redis_that_announces_too_much_takes_no_memory() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let chunk = vec![b'x'; 1 << 20];
                let _ = stream.write_all(b"+OK\r\n+OK\r\n$100000000000\r\n");
                while stream.write_all(&chunk).is_ok() {}
            });
        }
    });
    let Some(clients) = Clients::new(&[]) else { return };
    let mut client = clients.open(&format!("redis://127.0.0.1:{port}"));
    assert!(client.questions(&name()).is_err());
}

#[test]
fn a_helper_that_is_killed_while_it_fetches_is_started_again() {
    let (blob, _, bytes) = content(1 << 20);
    let sent = bytes.clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let Some((clients, mut carrier)) = bucket(move |stream, _, number| {
        answer(stream, "200 OK", sent.len());
        seen.store(number + 1, Ordering::SeqCst);
        let half = sent.len() / 2;
        let _ = stream.write_all(&sent[..half]);
        if number == 0 {
            std::thread::sleep(Duration::from_secs(20));
        }
        let _ = stream.write_all(&sent[half..]);
    }) else {
        return;
    };
    let fetched = std::thread::scope(|scope| {
        scope.spawn(|| {
            while asked.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            crate::helper::kill_all(&clients);
        });
        crate::network::fetched(carrier.as_mut(), &blob)
    });
    assert!(fetched == Some(bytes));
}
