//! `rm`, `gc`, `fsck`, `export`, `import`.

use super::support::{DAY, HOUR, NOON, Run, Sandbox, recorded};
use cashet::commands::Exit;
use cashet::record::Timestamp;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

fn commits(sandbox: &Sandbox) -> usize {
    sandbox.run(&["log", "--json"]).json().len()
}

#[test]
fn rm_deletes_what_it_names_and_nothing_if_one_is_wrong() {
    let (sandbox, _) = recorded();
    assert_eq!(sandbox.run(&["rm", "@", "@{9}"]).refused(), "there is no run '@{9}'");
    assert_eq!(commits(&sandbox), 6);
    insta::assert_snapshot!(sandbox.run(&["rm", "@", "@{1}", "load.py day1.csv"]).ok(), @r#"
    cacea4f111db  report.sh "'weekly'"
    be93a9b84deb  load.py day1.csv
    2 runs removed, 184 B freed in 6 blobs
    "#);
    assert_eq!(commits(&sandbox), 4);
    assert_eq!(sandbox.run(&["rm", "--tag", "stage=test"]).refused(), "no run has these tags");
    sandbox.run(&["rm", "--tag", "stage=train"]).ok();
    assert_eq!(commits(&sandbox), 3);
    let text = sandbox.run(&["rm", "--all"]).ok();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(commits(&sandbox), 0);
    assert_eq!(sandbox.run(&["fsck"]).ok(), "clean: 0 runs, 0 B in 0 blobs\n");
}

#[test]
fn of_many_commits_a_hundred_are_listed_and_a_dry_run_lists_all() {
    let sandbox = Sandbox::new();
    for number in 0..103 {
        sandbox.record(&Run::new(&format!("python3 job.py {number}"), 40 * DAY));
    }
    sandbox.record(&Run::new("python3 recent.py", 2 * DAY));
    let plan = sandbox.run(&["gc", "--dry-run"]).ok();
    assert_eq!(plan.lines().filter(|line| line.contains("remove  ")).count(), 103, "{plan}");
    let done = sandbox.run(&["gc"]).ok();
    assert_eq!(done.lines().filter(|line| line.contains("removed  ")).count(), 100, "{done}");
    assert!(done.contains("… and 3 runs more; cashet gc --dry-run lists all\n103 runs removed"), "{done}");
    assert_eq!(commits(&sandbox), 1);
}

#[test]
fn a_dry_run_and_a_real_run_report_the_same() {
    let sandbox = Sandbox::new();
    for days in [40, 35, 3, 2] {
        sandbox.record(&Run::new(&format!("python3 job.py {days}"), days * DAY).writing(
            "out",
            &vec![7; 100_000],
            0o644,
        ));
    }
    sandbox.record(&Run::new("python3 kept.py", 50 * DAY).tagged("keep", ""));
    let plan = sandbox.run(&["gc", "--dry-run", "--max-size", "0"]).ok();
    insta::assert_snapshot!(without_sizes_on_disk(&plan), @r"
    RUN           WHAT    LAST USED      SIZE  COMMAND
    a7aed14bd458  remove  5 wk ago   97.6 KiB  job.py 40
    e623d1fa0bd2  remove  5 wk ago   97.6 KiB  job.py 35
    d76f2f130b0e  evict   3 d ago    97.6 KiB  job.py 3
    f5c93b4f2b00  evict   2 d ago    97.6 KiB  job.py 2
    2 runs would be removed and 2 results evicted; 6 blobs (264 B) would be deleted
    ");
    assert_eq!(commits(&sandbox), 5);
    let done = sandbox.run(&["gc", "--max-size", "0"]).ok();
    let past = |line: &str| line.replace("remove ", "removed ").replace("evict ", "evicted ");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let rows = |text: &str| {
        text.lines()
            .filter(|line| line.contains(".py"))
            .map(past)
            .map(|line| words(&line))
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(&done), rows(&plan));
    assert!(done.contains("2 runs removed, 2 results evicted; 6 blobs ("), "{done}");
    assert_eq!(commits(&sandbox), 3);
    insta::assert_snapshot!(sandbox.run(&["log"]).ok(), @r"
    RUN           AGE       STATUS       FUNCTION  ARGUMENTS    TOOK      SIZE  TAGS
    2c7c97f4dce7  7 wk ago  ok           kept.py              12.3 s      26 B  keep
    f5c93b4f2b00  2 d ago   ok, evicted  job.py    2          12.3 s  97.6 KiB
    d76f2f130b0e  3 d ago   ok, evicted  job.py    3          12.3 s  97.6 KiB
    ");
    assert_eq!(
        sandbox.run(&["get", "job.py 2"]).refused(),
        format!("the result of {} was dropped to save room", &hash_of(&sandbox, "job.py 2")[..12])
    );
    sandbox.run(&["show", "job.py 2"]).ok();
    sandbox.run(&["diff", "job.py 2", "job.py 3"]).ok();
}

/// The text without the line about the size of the store, which depends on the file system.
fn without_sizes_on_disk(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.contains("the store takes ")).collect()
}

fn hash_of(sandbox: &Sandbox, revision: &str) -> String {
    sandbox.run(&["show", revision, "--json"]).json()[0]["commit"].as_str().unwrap().to_owned()
}

#[test]
fn a_size_in_the_settings_counts_and_must_be_one() {
    let sandbox = Sandbox::new();
    sandbox.record(&Run::new("make", 2 * DAY));
    fs::write(sandbox.path("cashet.toml"), "[store]\nmax-size = \"1X\"\n").unwrap();
    assert_eq!(sandbox.run(&["gc"]).refused(), "max-size in cashet.toml: '1X' has an unknown unit");
    fs::write(sandbox.path("cashet.toml"), "[store]\nmax-size = \"0\"\n").unwrap();
    assert!(sandbox.run(&["gc"]).ok().contains("1 result evicted"));
}

#[test]
fn an_age_counts_from_the_last_use() {
    let sandbox = Sandbox::new();
    sandbox.record(&Run::new("make", 2 * HOUR));
    assert!(sandbox.run(&["gc", "--older-than", "3h"]).ok().starts_with("0 runs removed"));
    assert!(sandbox.run(&["gc", "--older-than", "1h"]).ok().contains("1 run removed"));
    assert_eq!(commits(&sandbox), 0);
}

#[test]
fn damage_is_found_reported_and_repaired() {
    let (sandbox, ids) = recorded();
    assert!(sandbox.run(&["fsck"]).ok().starts_with("clean: 6 runs, "));
    let objects = sandbox.path(".cashet/objects");
    let blob = fs::read_dir(objects)
        .unwrap()
        .flat_map(|fan| fs::read_dir(fan.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .find(|path| fs::read(path).unwrap() == b"# Report\n");
    fs::write(blob.unwrap(), "# Rep0rt\n").unwrap();
    assert!(sandbox.run(&["fsck", "--quick"]).ended.is_ok());
    let shown = sandbox.run(&["fsck"]);
    assert_eq!(shown.ended.unwrap(), Exit::Status(1));
    assert!(shown.text.contains("damage: /project/.cashet/objects/"), "{}", shown.text);
    assert!(shown.text.contains(&ids[5].short()), "{}", shown.text);
    let text = sandbox.run(&["fsck", "--repair"]).ok();
    assert!(text.ends_with("the rest is valid\n"), "{text}");
    assert!(sandbox.run(&["fsck"]).ok().starts_with("clean: "));
    assert_eq!(commits(&sandbox), 6);
}

#[test]
fn an_archive_carries_everything_to_another_store() {
    let (desk, ids) = recorded();
    let elsewhere = Sandbox::new();
    let file = desk.path("all.cashet");
    let file = file.to_str().unwrap();
    desk.run(&["export", file]).ok();
    assert!(elsewhere.run(&["import", file]).ok().starts_with("6 runs imported, "));
    assert_eq!(elsewhere.run(&["log", "--json"]).text, desk.run(&["log", "--json"]).text);
    assert_eq!(elsewhere.run(&["get", &ids[5].short()]).ok(), desk.run(&["get", "@"]).ok());
    assert_eq!(elsewhere.run(&["graph", "@"]).ok(), desk.run(&["graph", "@"]).ok());
    assert!(elsewhere.run(&["import", file]).ok().starts_with("0 runs imported, 6 known already"));
    assert_eq!(commits(&elsewhere), 6);
    let third = Sandbox::new();
    desk.run(&["export", file, "@{2}"]).ok();
    third.run(&["import", file]).ok();
    assert_eq!(commits(&third), 1);
}

#[test]
fn an_archive_goes_where_the_name_leads_and_replaces_no_pipe() {
    let (desk, _) = recorded();
    let file = desk.path("all.cashet");
    desk.run(&["export", file.to_str().unwrap()]).ok();
    let bytes = fs::read(&file).unwrap();
    let (link, pipe) = (desk.path("link"), desk.path("pipe"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("all.cashet", &link).unwrap();
    desk.run(&["export", link.to_str().unwrap()]).ok();
    assert!(link.is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&file).unwrap(), bytes);
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    desk.run(&["export", pipe.to_str().unwrap()]).ok();
    assert_eq!(reader.join().unwrap(), bytes);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn a_damaged_archive_is_refused_whole() {
    let (desk, _) = recorded();
    let file = desk.path("all.cashet");
    desk.run(&["export", file.to_str().unwrap()]).ok();
    let bytes = fs::read(&file).unwrap();
    let elsewhere = Sandbox::new();
    let broken = desk.path("broken");
    for end in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&broken, &bytes[..end]).unwrap();
        let error = elsewhere.run(&["import", broken.to_str().unwrap()]).ended.unwrap_err();
        assert!(!error.to_string().contains('\n'), "{error}");
        assert_eq!(commits(&elsewhere), 0);
    }
    let error = elsewhere.run(&["import", "/nonexistent/archive"]).refused();
    assert_eq!(error, "cannot read /nonexistent/archive: No such file or directory");
    let error = desk.run(&["export", "/nonexistent/archive"]).refused();
    assert!(error.starts_with("cannot write /nonexistent/archive"), "{error}");
}

#[test]
fn a_clock_that_jumped_ahead_drops_nothing() {
    let (sandbox, _) = recorded();
    let words: Vec<OsString> = ["gc"].iter().map(OsString::from).collect();
    let jumped = Timestamp(NOON.0 + 4000 * DAY);
    let shown = sandbox.call(Some(80), jumped, &words);
    assert!(shown.text.starts_with("0 runs removed"), "{}", shown.text);
}

#[test]
fn an_export_of_everything_leaves_out_what_is_damaged() {
    let (sandbox, ids) = recorded();
    let blob = hex_of(b"# Report\n");
    let path = sandbox.path(".cashet/objects").join(&blob[..2]).join(&blob[2..]);
    fs::write(path, "# Reporx\n").unwrap();
    let archive = sandbox.path("all.cashet");
    let words = ["export", archive.to_str().unwrap()];
    let shown = sandbox.run(&words);
    assert_eq!((shown.text.as_str(), shown.ended.unwrap()), ("", Exit::Status(1)));
    let other = Sandbox::new();
    assert!(other.run(&["import", archive.to_str().unwrap()]).ok().starts_with("5 runs imported"));
    assert_eq!(other.run(&["fsck"]).ok().lines().next().unwrap().split(':').next(), Some("clean"));
    let there = other.run(&["log", "--json"]).json();
    assert!(
        there
            .iter()
            .all(|commit| commit["commit"].as_str() != ids.last().map(ToString::to_string).as_deref())
    );
    // A commit that is named explicitly must be exported.
    let named = sandbox.run(&["export", archive.to_str().unwrap(), "@"]).refused();
    assert!(named.contains("damaged"), "{named}");
}

fn hex_of(content: &[u8]) -> String {
    cashet::digest::Digest::of(content).to_hex()
}

#[test]
fn copies_that_no_command_uses_go_and_the_users_files_only_where_that_is_asked_for() {
    let (sandbox, _) = recorded();
    let store = sandbox.path(".cashet");
    let old = |name: &str, ago: i64| {
        let path = store.join("view").join(name);
        fs::write(&path, [7; 2048]).unwrap();
        let time = u64::try_from(NOON.0 - ago).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(time);
        let file = fs::File::open(&path).unwrap();
        file.set_modified(time).unwrap();
        file
    };
    let in_use = old("used.csv", 3 * DAY);
    in_use.lock_shared().unwrap();
    drop(old("unused.csv", 3 * DAY));
    drop(old("young.csv", HOUR));
    fs::write(store.join("replaced/1-mine"), "mine").unwrap();
    fs::create_dir_all(store.join("replaced/outputs-1")).unwrap();
    fs::write(store.join("replaced/outputs-1/0"), "of a run").unwrap();
    let views = || {
        let mut names: Vec<String> = fs::read_dir(store.join("view"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let plan = sandbox.run(&["gc", "--dry-run"]).ok();
    insta::assert_snapshot!(without_sizes_on_disk(&plan), @r"
    0 runs would be removed and 0 results evicted; 0 blobs (0 B) would be deleted
    1 read-only copy (2.0 KiB) would be removed from view/
    2 files (12 B) of your own stay in replaced/
    ");
    assert_eq!(views(), ["unused.csv", "used.csv", "young.csv"]);
    assert!(sandbox.run(&["gc"]).ok().contains("1 read-only copy (2.0 KiB) removed from view/"));
    assert_eq!(views(), ["used.csv", "young.csv"]);
    assert!(store.join("replaced/1-mine").exists());
    // The time of setting aside comes from the system: nothing is deleted within a day of it.
    let at = |days: i64, words: &[&str]| {
        let now = Timestamp(Timestamp::now().0.max(NOON.0) + days * DAY);
        sandbox.call(Some(80), now, &words.iter().map(OsString::from).collect::<Vec<_>>()).ok()
    };
    at(0, &["gc", "--older-than", "1s"]);
    at(20, &["gc"]);
    assert!(store.join("replaced/1-mine").exists());
    let told = at(20, &["gc", "--older-than", "1d"]);
    assert!(told.contains("1 file (4 B) removed from replaced/"), "{told}");
    assert!(!store.join("replaced/1-mine").exists());
    assert!(store.join("replaced/outputs-1/0").exists());
    assert_eq!(views(), ["used.csv"]);
}
