//! `show`, and bytes that must not reach a terminal.

use super::support::{HOUR, Run, Sandbox, recorded};
use cashet::record::{OutputEntry, OutputKind, Replay};

#[test]
fn show_prints_everything_about_a_run() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.at(80, &["show", "@{3}"]).ok(), @r#"
    run         8dd5b059e7684003a9eabc9eb90aed504e2cc83e498aa4f9242079a7d07d1e3d
    command     python3 train.py --lr 0.01
    parameters  lr=0.01
    function    train.py
    directory   .
    status      ok
    started     2026-11-22 08:00:00 +00:00 (4 h ago)
    took        12.3 s (6.1 s user, 1.0 ms system)
    memory      50.0 MiB at most
    hits        none
    watched     the whole run
    stdout      18 B
    stderr      0 B
    tags        keep stage=train
    parent      268557f0855d
    key         41835c75a972d54981afcdfe8d2af2bed757c6149606c9b970c464c7df59f0c5
    lineage     86f0ca0dd149523c974bb55d0083696baaa003871f7f6cdb91c3d65ebc4c34ff

    outputs
    755  11 B  model.bin

    made from
    data/clean.csv  84927b79fb46  clean.py data/raw.csv

    went into
    model.bin  cacea4f111db  report.sh "'weekly'"

    known before the run (and 1 package: --all)
    program   python3   6f4f6ac7aa45
    source    train.py  dc770fff53f5 python-1
    variable  LR_DECAY  absent

    seen during the run
    read  data/clean.csv  6c703dc4a0fb

    source train.py
    def train(lr):
        return lr * 2

    print(train(0.01))
    "#);
}

#[test]
fn show_fits_a_narrow_page() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.at(60, &["show", "@{2}"]).ok(), @r"
    run         610ec63f37f52cab61c8f17b03b83d15e9f158c10527775…
    command     python3 train.py --lr 0.01
    parameters  lr=0.01
    function    train.py
    directory   .
    status      exit 1
    started     2026-11-22 09:00:00 +00:00 (3 h ago)
    took        12.3 s (6.1 s user, 1.0 ms system)
    memory      50.0 MiB at most
    hits        none
    watched     the whole run
    stdout      37 B
    stderr      44 B
    parent      8dd5b059e768
    key         0c3ea250ee70d2c31e93e84847bf1a437323822d4c5ad46…
    lineage     86f0ca0dd149523c974bb55d0083696baaa003871f7f6cd…

    outputs
    644  10 B  model.bin

    errors
    warning: \x1b[31mdecay\x1b[0m
    Traceback: no decay

    made from
    data/clean.csv  84927b79fb46  clean.py data/raw.csv

    known before the run (and 1 package: --all)
    program   python3   6f4f6ac7aa45
    source    train.py  dc770fff53f5 python-1
    variable  LR_DECAY  d63bd9a826af

    seen during the run
    read  data/clean.csv  6c703dc4a0fb

    source train.py
    def train(lr):
        return lr * 2

    print(train(0.01))
    ");
}

#[test]
fn show_on_a_wide_page_and_for_programs() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.at(140, &["show", "@"]).ok(), @r#"
    run         cacea4f111db0ca21f2417f1f8f55818fdb664af42a369e35780ba3842fa2589
    command     sh report.sh "'weekly'"
    parameters  arg1="'weekly'"
    function    report.sh
    directory   .
    status      ok
    started     2026-11-22 11:57:50 +00:00 (2 min ago)
    took        12.3 s (6.1 s user, 1.0 ms system)
    memory      50.0 MiB at most
    hits        none
    watched     the whole run
    stdout      32 B
    stderr      0 B
    key         6de0aefc4bbdd3180faecbea2886cf1eff2011b3a67a237ab9628e9f650e9b47
    lineage     341216d2bb4764de8c6e13d6fe90056ace1b958b76b54f34a1bb3651d5d18fb7

    outputs
    644  9 B  out/report.md

    made from
    model.bin       8dd5b059e768  train.py --lr 0.01
    data/clean.csv  84927b79fb46  clean.py data/raw.csv

    known before the run
    program  sh  83c092532c37

    seen during the run
    read  model.bin       06fb33cc671e
    read  data/clean.csv  6c703dc4a0fb
    "#);
    let shown = sandbox.run(&["show", "@", "--json"]).json();
    assert_eq!(shown[0]["made_from"].as_array().unwrap().len(), 2);
    assert_eq!(shown[0]["outputs"][0]["path"], "out/report.md");
}

#[test]
fn odd_bytes_are_escaped_in_text_and_complete_in_json() {
    let sandbox = Sandbox::new();
    let mut run = Run::new("x", HOUR);
    run.words = vec![b"\xff\x1b[2J.py".to_vec(), b"a\nb".to_vec()];
    run.function = run.words[0].clone();
    run.stderr = b"\x1b]0;title\x07\xfe".to_vec();
    run.replay = Replay::Never { reason: "network".to_owned(), detail: "evil\x1b[31m:80".to_owned() };
    run.others = vec![
        OutputEntry::new(b"l\xff", OutputKind::Symlink { text: b"\x1bx".to_vec() }),
        OutputEntry::new(b"d", OutputKind::Directory { mode: 0o755 }),
        OutputEntry::new(b"gone", OutputKind::Removed),
    ];
    sandbox.record(&run);
    for words in [
        &["log"][..],
        &["show", "@"],
        &["history", "@"],
        &["graph", "@"],
        &["diff", "@", "@"],
        &["log", "--graph"],
    ] {
        let text = sandbox.run(words).ok();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
    let shown = sandbox.run(&["show", "@", "--json"]).json();
    assert_eq!(shown[0]["words"][0]["b64"], "/xtbMkoucHk=");
    assert_eq!(shown[0]["outputs"][2]["path"]["b64"], "bP8=");
}
