//! Figures, printed and not judged: `cargo test --test remote figures -- --ignored --nocapture`, with the release build of the
//! helper.

use crate::network::fetched;
use crate::servers::{Clients, Server, free_port, name};
use cashet::remote::carrier::Blob;
use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::time::Instant;

fn milliseconds(act: impl FnOnce()) -> f64 {
    let start = Instant::now();
    act();
    start.elapsed().as_secs_f64() * 1000.0
}

/// The middle of so many times.
fn middle(count: usize, mut act: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..count).map(|_| milliseconds(&mut act)).collect();
    times.sort_by(f64::total_cmp);
    times[count / 2]
}

fn released(variables: &[(&str, &str)]) -> Option<Clients> {
    let mut clients = Clients::new(variables)?;
    let helper = clients.settings.helper.clone().unwrap();
    let release = helper.parent().unwrap().with_file_name("release").join("cashet-remote");
    if release.is_file() {
        clients.settings.helper = Some(release);
    }
    eprintln!("{}", clients.settings.helper.as_ref().unwrap().display());
    Some(clients)
}

/// What a hit asks for: question sets, eight candidates of which one is there, a small blob.
fn hit(clients: &Clients, url: &str) -> f64 {
    let mut carrier = clients.carrier(url);
    let (blob, file, bytes) = crate::network::content(10_000);
    let (key, names) = (name(), [(); 8].map(|()| name()));
    carrier.add_blob(&blob, &file).unwrap();
    carrier.add_result(&names[3], &vec![b'x'; 5000], &[blob]).unwrap();
    carrier.merge_questions(&key, &mut |_| Some(vec![b'x'; 3000])).unwrap();
    middle(200, || {
        // As a new process: it connects to the helper.
        let mut carrier = clients.carrier(url);
        assert!(carrier.questions(&key).unwrap().is_some());
        assert!(carrier.results(&names).unwrap()[3].is_some());
        assert!(fetched(carrier.as_mut(), &blob).as_ref() == Some(&bytes));
    })
}

#[test]
#[ignore = "prints figures"]
fn figures_of_look_ups() {
    if let (Some(clients), Some(server)) = (released(&[]), Server::start("redis", 1, None)) {
        let url = format!("redis://rw:rwpass@127.0.0.1:{}", server.port);
        let first = milliseconds(|| drop(clients.carrier(&url).questions(&name()).unwrap()));
        eprintln!(
            "redis: first look-up, which starts the helper: {first:.1} ms; hit {:.2} ms",
            hit(&clients, &url)
        );
    }
    if let (Some(clients), Some(reapi)) = (released(&[]), Server::start("reapi", 1, None)) {
        eprintln!("grpc: hit {:.2} ms", hit(&clients, &format!("grpc://127.0.0.1:{}", reapi.port)));
    }
    if let (Some(mut clients), Some(server)) =
        (released(&[("CASHET_REMOTE_TOKEN", "rw")]), Server::start("http", 3, None))
    {
        eprintln!("http: hit {:.2} ms", hit(&clients, &format!("http://127.0.0.1:{}", server.port)));
        let url = format!("https://localhost:{}", server.port + 1);
        clients.settings.ca = Some(server.directory.path().join("ca.pem"));
        let first = milliseconds(|| drop(clients.carrier(&url).questions(&name()).unwrap()));
        eprintln!(
            "https: first look-up, which starts the helper: {first:.1} ms; hit {:.2} ms",
            hit(&clients, &url)
        );
    }
    if let Some((clients, _server)) = crate::network::bucket() {
        eprintln!("s3: hit {:.2} ms", hit(&clients, "s3://cashet/figures"));
    }
    let Some(clients) = released(&[("CASHET_REMOTE_PATIENCE", "1")]) else { return };
    let dead = format!("redis://127.0.0.1:{}", free_port(1));
    for _ in 0..4 {
        let time = milliseconds(|| drop(clients.carrier(&dead).questions(&name())));
        eprintln!("nobody listens: {time:.1} ms");
    }
}

#[test]
#[ignore = "prints figures"]
fn figures_of_a_large_blob() {
    const SIZE: usize = 1 << 30;
    let (Some(clients), Some(server)) =
        (released(&[("CASHET_REMOTE_TOKEN", "rw")]), Server::start("http", 3, None))
    else {
        return;
    };
    let mut file = tempfile::tempfile().unwrap();
    let mut hasher = blake3::Hasher::new();
    let chunk: Vec<u8> =
        (0..1 << 20).map(|number: u32| number.to_le_bytes()[1] ^ number.to_le_bytes()[0]).collect();
    for _ in 0..SIZE / chunk.len() {
        file.write_all(&chunk).unwrap();
        hasher.update(&chunk);
    }
    let blob = Blob { digest: *hasher.finalize().as_bytes(), size: SIZE as u64 };
    let mut carrier = clients.carrier(&format!("http://127.0.0.1:{}", server.port));
    eprintln!("http: 1 GiB added in {:.0} ms", milliseconds(|| carrier.add_blob(&blob, &file).unwrap()));
    let stored =
        std::fs::read_dir(server.directory.path().join("data/cas")).unwrap().next().unwrap().unwrap();
    let url = format!("http://127.0.0.1:{}/cas/{}", server.port, stored.file_name().to_str().unwrap());
    let place = server.directory.path().join("fetched");
    for _ in 0..3 {
        let ours = milliseconds(|| assert!(carrier.fetch(&blob, &File::create(&place).unwrap()).unwrap()));
        let curl = milliseconds(|| {
            let words = ["-sS", "-o", place.to_str().unwrap(), &url];
            assert!(Command::new("curl").args(words).status().unwrap().success());
        });
        eprintln!("http: 1 GiB fetched in {ours:.0} ms, by curl in {curl:.0} ms");
    }
}
