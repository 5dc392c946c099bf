use super::*;
use proptest::prelude::*;

fn key() -> SigningKey {
    SigningKey::new(&[9; 32], "ci")
}

fn trust() -> Trust {
    Trust::Keys(vec![key().public()])
}

fn name(n: u8) -> Name {
    Name([n; 32])
}

fn body(n: u8) -> Body {
    Body::new(Kind::Questions, &name(1), vec![n; 5], Some(&key()))
}

fn shared() -> Shared {
    Shared {
        id: CommitId(Digest::of(b"id")),
        commit: b"commit".to_vec(),
        left: b"left".to_vec(),
        inline: vec![b"out".to_vec()],
    }
}

fn blobs() -> Vec<Blob> {
    vec![Blob { digest: [1; 32], size: 7 }, Blob { digest: [2; 32], size: 1 << 40 }]
}

#[test]
fn names_are_what_they_were() {
    let digest = Digest::of(b"x");
    let names = [
        questions_name(&Key(digest)),
        sources_name(&LineageId(digest)),
        result_name(&Key(digest), &digest, &digest),
    ];
    let hex: Vec<String> = names.iter().map(|name| Digest::from_bytes(name.0).to_hex()).collect();
    assert_eq!(hex, GOLDEN_NAMES);
}

#[test]
fn bodies_are_encoded_as_they_were() {
    let questions = [&b"part one"[..], b"two"];
    assert_eq!(questions_body(questions.iter().copied()), b"\x02\x08part one\x03two");
    assert_eq!(sources_body(&[StoredPath::in_root("a.py")]), b"\x01\x00\x04a.py");
    let id = Digest::of(b"id");
    let parts = [id.as_bytes(), &b"\x06commit\x04left\x01\x03out"[..]];
    assert_eq!(shared().to_bytes(), parts.concat());
}

#[test]
fn bodies_and_results_go_both_ways() {
    let parts = [&b"part one"[..], b"two"];
    assert_eq!(read_questions(&questions_body(parts.iter().copied())).unwrap(), parts);
    let sources = vec![StoredPath::in_root("a.py"), StoredPath::in_root("b/c.py")];
    assert_eq!(read_sources(&sources_body(&sources)).unwrap(), sources);
    let record = write_result(&name(1), &shared(), &blobs(), Some(&key())).unwrap();
    assert_eq!(read_result(&name(1), &record, &trust()), Ok((shared(), blobs())));
    assert_eq!(blobs_of(&record), blobs());
}

#[test]
fn a_result_counts_under_its_own_name_and_by_a_trusted_key_alone() {
    let record = write_result(&name(1), &shared(), &blobs(), Some(&key())).unwrap();
    let distrusted = |why| Err(Unusable::Distrusted(why));
    let id = key().public().id();
    assert_eq!(read_result(&name(2), &record, &trust()), distrusted(Distrust::Wrong(id)));
    let nobody = Trust::Keys(Vec::new());
    assert_eq!(read_result(&name(1), &record, &nobody), distrusted(Distrust::Unknown(id)));
    let unsigned = write_result(&name(1), &shared(), &blobs(), None).unwrap();
    assert_eq!(read_result(&name(1), &unsigned, &trust()), distrusted(Distrust::Unsigned));
    assert!(read_result(&name(1), &unsigned, &Trust::Any).is_ok());
    // One bit anywhere.
    for place in 0..record.len() {
        let mut forged = record.clone();
        forged[place] ^= 1;
        assert!(read_result(&name(1), &forged, &trust()).is_err(), "{place}");
    }
}

#[test]
fn a_list_keeps_eight_and_the_newest_first() {
    let context = (Kind::Questions, &name(1), &trust());
    let mut record: Option<Vec<u8>> = None;
    for n in 0..12 {
        record = merged((context.0, context.1, context.2), record.as_deref(), &[body(n)]);
    }
    let bodies = read_list(&record.clone().unwrap()).unwrap();
    let kept: Vec<u8> = bodies.iter().map(|body| body.bytes[0]).collect();
    assert_eq!(kept, [11, 10, 9, 8, 7, 6, 5, 4]);
    // What is there is not written again.
    assert_eq!(merged((context.0, context.1, context.2), record.as_deref(), &[body(7), body(11)]), None);
}

#[test]
fn what_others_wrote_stays_and_what_cannot_be_read_is_written_anew() {
    let (name, trust) = (name(1), trust());
    let context = || (Kind::Questions, &name, &trust);
    let stranger = SigningKey::new(&[8; 32], "");
    let theirs = Body::new(Kind::Questions, &name, vec![1; 5], Some(&stranger));
    let other = Body::new(Kind::Questions, &name, vec![2; 5], Some(&stranger));
    let before = write_list(&[theirs, other.clone()]).unwrap();
    // The same said by a trusted key takes the place of what is not trusted.
    let after = merged(context(), Some(&before), &[body(1)]).unwrap();
    assert_eq!(read_list(&after).unwrap(), [body(1), other]);
    for damaged in [&b""[..], b"nonsense", &before[..before.len() - 1]] {
        let after = merged(context(), Some(damaged), &[body(1)]).unwrap();
        assert_eq!(read_list(&after).unwrap(), [body(1)]);
    }
}

#[test]
fn bounds_hold() {
    let mut random = 7_u64;
    let mut noise = |size: usize| {
        let byte = |_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u8::try_from(random >> 56).unwrap()
        };
        (0..size).map(byte).collect::<Vec<u8>>()
    };
    let bodies: Vec<Body> =
        (0..8).map(|_| Body::new(Kind::Questions, &name(1), noise(60 << 10), None)).collect();
    let record = write_list(&bodies).unwrap();
    assert!(record.len() <= LARGEST_LIST);
    assert_eq!(read_list(&record).unwrap(), bodies[..4]);
    assert_eq!(write_list(&[Body::new(Kind::Questions, &name(1), noise(300 << 10), None)]), None);
    assert!(read_list(&vec![0; 5 << 20]).is_err());
    let mut large = shared();
    large.inline = vec![noise(2 << 20)];
    assert_eq!(write_result(&name(1), &large, &[], None), None);
    let many = vec![blobs()[0]; MOST_BLOBS + 1];
    assert_eq!(write_result(&name(1), &shared(), &many, None), None);
    // What unpacks to more than it may is refused before it is held.
    let bomb = zstd::encode_all(std::io::repeat(0).take(1 << 30), 1).unwrap();
    let mut outer = Encoder::new();
    outer.unsigned(VERSION).bytes(&bomb);
    assert!(outer.finish().len() < LARGEST_LIST && unpack(&bomb).is_err());
}

proptest! {
    #[test]
    fn nothing_that_is_read_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_list(&bytes);
        let _ = read_result(&name(1), &bytes, &Trust::Any);
        let _ = blobs_of(&bytes);
        let _ = read_questions(&bytes);
        let _ = read_sources(&bytes);
    }

    #[test]
    fn what_is_read_is_what_was_written(
        id: [u8; 32],
        commit in proptest::collection::vec(any::<u8>(), 0..50),
        left in proptest::collection::vec(any::<u8>(), 0..9),
        inline in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..4),
    ) {
        let id = CommitId(Digest::from_bytes(id));
        let shared = Shared { id, commit, left, inline };
        let record = write_result(&name(3), &shared, &blobs(), Some(&key())).unwrap();
        prop_assert_eq!(read_result(&name(3), &record, &trust()), Ok((shared, blobs())));
    }
}

const GOLDEN_NAMES: [&str; 3] = [
    "434e5b5743b20dcf7604799cd9dc0b151824246eeaa97df5ee3e1292a7daf3ab",
    "333bcf785597d4e1a5dff34e08940506edd7540c9b5c14f80f798ce573b651e7",
    "c394c7b57ec8c2f33c4389f09188a1749d33462f5201e6fa60473c88b4a1320d",
];
