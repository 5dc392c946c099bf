//! Two machines that share a cache: what one has run, the other one does not run again.

use super::team::{CASHET, Machine, Team, keygen, simple};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The files of a project, each with what is in it, and the words of a command.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

/// Projects of several kinds.
const PROJECTS: &[Case] = &[
    (&[("data.txt", "1\n2\n3\n")], &["./count.sh"]),
    (&[("data.txt", "b\na\n")], &["sort", "data.txt"]),
    (&[("a/one.txt", "1"), ("a/two.txt", "2")], &["sh", "-c", "ls a > list.txt; cat a/*.txt"]),
    (
        &[
            ("train.py", "import helper\nprint(helper.x)\nopen('out.txt', 'w').write('o')\n"),
            ("helper.py", "x = 42\n"),
            ("unused.py", "y = 1\n"),
        ],
        &["/usr/bin/python3", "train.py"],
    ),
];

fn prepare(machine: &Machine) {
    machine.script("count.sh", "wc -l < data.txt");
    for (files, _) in PROJECTS {
        for (name, text) in *files {
            machine.write(name, text);
        }
    }
}

fn each_command(machine: &Machine) -> Vec<(String, String)> {
    PROJECTS
        .iter()
        .map(|(files, words)| {
            files.iter().for_each(|(name, text)| _ = machine.write(name, text));
            machine.exec(words)
        })
        .collect()
}

#[test]
fn the_second_machine_executes_nothing() {
    let team = Team::new();
    let (first, second) = (team.writer("first"), team.writer("second").with("CI", "true"));
    prepare(&first);
    let recorded = each_command(&first);
    assert!(recorded.iter().all(|(_, status)| status.contains("miss")), "{recorded:?}");
    let executed = team.executions();
    prepare(&second);
    // Another checkout has other times.
    for name in ["count.sh", "helper.py", "unused.py"] {
        let old = std::time::SystemTime::now() - std::time::Duration::from_hours(24);
        fs::File::open(second.project.join(name)).unwrap().set_modified(old).unwrap();
    }
    let replayed = each_command(&second);
    for ((recorded, _), (replayed, status)) in recorded.iter().zip(&replayed) {
        assert_eq!(recorded, replayed);
        assert!(status.contains("hit") && status.contains("from dir:"), "{status}");
    }
    assert_eq!(team.executions(), executed);
    assert_eq!(fs::read(second.project.join("out.txt")).unwrap(), b"o");
    // From now on it is the machine's own, and no other is asked.
    fs::rename(team.shared(), team.base.path().join("gone")).unwrap();
    for (_, status) in each_command(&second) {
        assert!(status.contains("hit") && !status.contains("from"), "{status}");
    }
}

#[test]
fn semaphores_are_shared_and_their_names_are_no_questions() {
    let team = Team::new();
    let (first, second) = (team.writer("first"), team.writer("second"));
    for machine in [&first, &second] {
        let code = "import multiprocessing\nwith multiprocessing.Lock(): print(open('data.txt').read())\n";
        machine.script("run.sh", "exec python3 lock.py").write("lock.py", code);
    }
    let lists = || {
        let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
        team.files("w").iter().map(size).sum::<u64>()
    };
    first.write("data.txt", "one\n").exec(&["./run.sh"]);
    let size = lists();
    first.write("data.txt", "two\n").exec(&["./run.sh"]);
    assert_eq!((team.executions(), team.files("s").len(), lists()), (2, 2, size));
    for text in ["one\n", "two\n"] {
        let (stdout, status) = second.write("data.txt", text).exec(&["./run.sh"]);
        assert!(status.contains("from dir:"), "{status}");
        assert_eq!(stdout, format!("{text}\n"));
    }
    assert_eq!(team.executions(), 2);
}

/// Each run of a command that rewrites a file begins where the run before ended. The shared cache has all of them.
#[test]
fn a_file_that_is_rewritten_in_place_is_found_by_its_earlier_content() {
    let team = Team::new();
    let (first, second) = (team.writer("first"), team.writer("second"));
    for machine in [&first, &second] {
        machine
            .script("raise.sh", "read n < n.txt; echo $((n + 1)) > n.txt; echo was $n")
            .write("n.txt", "1\n");
    }
    for run in 1..=3 {
        assert_eq!(first.exec(&["./raise.sh"]).0, format!("was {run}\n"));
    }
    assert_eq!(team.executions(), 3);
    for run in 1..=3 {
        let (stdout, status) = second.exec(&["./raise.sh"]);
        assert_eq!(stdout, format!("was {run}\n"));
        assert!(status.contains("from dir:"), "{status}");
    }
    assert_eq!(team.executions(), 3);
    assert_eq!(fs::read(second.project.join("n.txt")).unwrap(), b"4\n");
    let (stdout, _) = second.write("n.txt", "9\n").exec(&["./raise.sh"]);
    assert_eq!((stdout.as_str(), team.executions()), ("was 9\n", 4));
}

#[test]
fn another_umask_and_another_user_share_too() {
    use std::os::unix::process::CommandExt;
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: two users need root");
        return;
    }
    let team = Team::new();
    let key = keygen(&team);
    fs::set_permissions(team.shared(), fs::Permissions::from_mode(0o2777)).unwrap();
    fs::set_permissions(team.counter(), fs::Permissions::from_mode(0o666)).unwrap();
    let settings = format!("write = true\nupload = \"wait\"\ntrust = [\"{}\"]\n", key.0);
    let first = team.machine("first", &settings).with("CASHET_SIGNING_KEY", &key.1);
    let second = team.machine("second", &settings);
    let made = |machine: &Machine| {
        machine
            .script("make.sh", "read line < data.txt; echo $line; echo made > made.txt")
            .write("data.txt", "1\n");
    };
    made(&first);
    first.exec(&["./make.sh"]);
    made(&second);
    let nobody = 65_534;
    let chown = |path: &Path| {
        let status = Command::new("chown").arg("-R").arg("nobody").arg(path).status().unwrap();
        assert!(status.success());
    };
    chown(second.project.parent().unwrap());
    let reachable = second.project.ancestors().all(|above| {
        fs::metadata(above)
            .is_ok_and(|found| above == second.project || found.permissions().mode() & 0o1 != 0)
    });
    let program = fs::metadata(CASHET).unwrap().permissions().mode() & 0o1 != 0;
    if !reachable
        || !program
        || !Path::new(CASHET)
            .ancestors()
            .skip(1)
            .all(|above| fs::metadata(above).is_ok_and(|found| found.permissions().mode() & 0o1 != 0))
    {
        eprintln!("SKIPPED: another user cannot reach {}", second.project.display());
        return;
    }
    let shell = format!("umask 002; exec '{CASHET}' exec -v -- ./make.sh");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &shell]).current_dir(&second.project).stdin(Stdio::null()).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("HOME", &second.home).env("LANG", "C.UTF-8");
    let output = command.uid(nobody).gid(nobody).output().unwrap();
    let status = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(status.contains("from dir:"), "{status}");
    assert_eq!(team.executions(), 1);
    assert_eq!(fs::read(second.project.join("made.txt")).unwrap(), b"made\n");
}

#[test]
fn what_is_different_is_run_and_every_state_is_found_again() {
    let team = Team::new();
    let (first, second) = (team.writer("first"), team.writer("second"));
    simple(&first);
    first.exec(&["./run.sh"]);
    first.write("data.txt", "other\n").exec(&["./run.sh"]);
    assert_eq!(team.executions(), 2);
    // New content makes new results, and no new questions.
    assert_eq!(team.files("s").len(), 2);
    simple(&second);
    for text in ["data\n", "other\n"] {
        let (stdout, status) = second.write("data.txt", text).exec(&["./run.sh"]);
        assert_eq!(stdout, text);
        assert!(status.contains("from dir:"), "{status}");
    }
    assert_eq!(team.executions(), 2);
    let (stdout, _) = second.write("data.txt", "third\n").exec(&["./run.sh"]);
    assert_eq!((stdout.as_str(), team.executions()), ("third\n", 3));
}

#[test]
fn large_results_come_as_blobs_and_a_lost_blob_is_a_miss() {
    let team = Team::new();
    let (first, second, third) = (team.writer("first"), team.writer("second"), team.writer("third"));
    let large = |machine: &Machine| {
        machine.script("large.sh", "head -c 3000000 /dev/zero | tr '\\0' 'a' > large.txt; echo done");
    };
    large(&first);
    first.exec(&["./large.sh"]);
    let [blob] = team.files("cas").try_into().unwrap();
    assert_eq!(fs::metadata(&blob).unwrap().permissions().mode() & 0o7777, 0o444);
    large(&second);
    let (_, status) = second.exec(&["./large.sh"]);
    assert!(status.contains("from dir:"), "{status}");
    assert_eq!(fs::read(second.project.join("large.txt")).unwrap(), vec![b'a'; 3_000_000]);
    // Bytes that are others are not taken, and nothing of the result is seen.
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, vec![b'b'; 3_000_000]).unwrap();
    large(&third);
    let (_, status) = third.exec(&["./large.sh"]);
    assert!(status.contains("miss"), "{status}");
    assert_eq!(fs::read(third.project.join("large.txt")).unwrap(), vec![b'a'; 3_000_000]);
    assert_eq!(team.executions(), 2);
}

#[test]
fn only_what_trusted_keys_signed_is_used_and_the_cure_is_said_once() {
    let team = Team::new();
    fs::set_permissions(team.shared(), fs::Permissions::from_mode(0o777)).unwrap();
    let (public, secret) = keygen(&team);
    let (_, stranger) = keygen(&team);
    let trusting = format!("write = true\nupload = \"wait\"\ntrust = [\"{public}\"]\n");
    let unsigned = team.machine("unsigned", &trusting);
    simple(&unsigned);
    let (_, status) = unsigned.exec(&["./run.sh"]);
    assert!(status.contains("nothing is written to it: there is no CASHET_SIGNING_KEY"), "{status}");
    assert!(team.files("s").is_empty());
    // A stranger's results are there, and of no use.
    let forger = team.machine("forger", "write = true\nupload = \"wait\"\ntrust = \"any\"\n");
    let forger = forger.with("CASHET_SIGNING_KEY", &stranger);
    simple(&forger);
    forger.exec(&["./run.sh"]);
    assert_eq!(team.files("s").len(), 1);
    let reader = team.machine("reader", &format!("trust = [\"{public}\"]\n"));
    simple(&reader);
    let (_, status) = reader.exec(&["./run.sh"]);
    assert!(status.contains("miss") && status.contains("signed by the key"), "{status}");
    let (_, status) = reader.write("data.txt", "again\n").exec(&["./run.sh"]);
    assert!(status.contains("miss") && !status.contains("signed by the key"), "{status}");
    // The trusted one heals the list, and is used.
    let writer = team.machine("writer", &trusting).with("CASHET_SIGNING_KEY", &secret);
    simple(&writer);
    writer.write("data.txt", "signed\n").exec(&["./run.sh"]);
    let executed = team.executions();
    let (stdout, status) = reader.write("data.txt", "signed\n").exec(&["./run.sh"]);
    assert!(status.contains("from dir:"), "{status}");
    assert_eq!((stdout.as_str(), team.executions()), ("signed\n", executed));
    // So is one whose key the user trusts everywhere.
    let user = team.machine("user", "");
    simple(&user);
    let words: Vec<&str> = ["remote", "trust"].into_iter().chain(public.split(' ')).collect();
    assert!(user.cashet(&words).status.success());
    let (_, status) = user.write("data.txt", "signed\n").exec(&["./run.sh"]);
    assert!(status.contains("from dir:"), "{status}");
}

#[test]
fn a_job_for_a_proposed_change_writes_nothing() {
    let team = Team::new();
    let job = team.writer("job").with("GITHUB_EVENT_NAME", "pull_request_target");
    simple(&job);
    let (_, status) = job.exec(&["./run.sh"]);
    assert!(status.contains("proposed change"), "{status}");
    assert!(team.files("s").is_empty() && team.files("w").is_empty());
}

#[test]
fn what_must_not_leave_does_not() {
    let team = Team::new();
    let machine = team.writer("machine").with("MY_TOKEN", "hunter2").with("PLAIN", "value");
    machine.script("token.sh", "echo ${#MY_TOKEN}").script("secret.sh", "cat ~/.ssh/config");
    fs::create_dir_all(machine.home.join(".ssh")).unwrap();
    fs::write(machine.home.join(".ssh/config"), "Host x\n").unwrap();
    machine.exec(&["./token.sh"]);
    machine.exec(&["./secret.sh"]);
    let redacted = machine.cashet(&["exec", "--redact", "hunter2", "--", "echo", "hunter2"]);
    assert!(redacted.status.success());
    assert!(team.files("s").is_empty(), "{:?}", team.files("s"));
    let pushed = machine.cashet(&["remote", "push"]);
    let text = String::from_utf8_lossy(&pushed.stdout).into_owned();
    assert_eq!(text.matches("not shared").count(), 3, "{text}");
    let reasons =
        [("token.sh", "it depends on MY_TOKEN"), ("secret.sh", "may hold secrets"), ("@", "redacted")];
    for (revision, why) in reasons {
        let shown = String::from_utf8(machine.cashet(&["show", revision]).stdout).unwrap();
        let line = shown.lines().find(|line| line.starts_with("sharing")).unwrap_or_default();
        assert!(line.contains("kept here alone: ") && line.contains(why), "{revision}: {shown}");
        let json = String::from_utf8(machine.cashet(&["show", "--json", revision]).stdout).unwrap();
        assert!(json.contains("\"kept_here\":\"") && json.contains(why), "{json}");
    }
    assert!(team.files("w").is_empty());
    machine.script("plain.sh", "cat data.txt").write("data.txt", "data\n").exec(&["./plain.sh"]);
    let shown = String::from_utf8(machine.cashet(&["show", "plain.sh"]).stdout).unwrap();
    assert!(!shown.contains("kept here alone"), "{shown}");
    let json = String::from_utf8(machine.cashet(&["show", "--json", "plain.sh"]).stdout).unwrap();
    assert!(json.contains("\"kept_here\":null"), "{json}");
}

#[test]
fn the_background_writes_and_what_waits_is_written_later() {
    let team = Team::new();
    let machine = team.machine("machine", "write = true\n");
    simple(&machine);
    let away = team.base.path().join("away");
    fs::rename(team.shared(), &away).unwrap();
    let (stdout, status) = machine.exec(&["./run.sh"]);
    assert_eq!(stdout, "data\n");
    assert!(status.contains("not reached"), "{status}");
    // Told once.
    let (_, status) = machine.write("data.txt", "more\n").exec(&["./run.sh"]);
    assert!(!status.contains("not reached"), "{status}");
    fs::rename(&away, team.shared()).unwrap();
    // A cache that failed is left alone for a minute: forget that.
    for entry in fs::read_dir(machine.project.join(".cashet/remote")).unwrap().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b"numbers-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let written = || team.files("s").len() == 2;
    for _ in 0..600 {
        let flushed = machine.cashet(&["remote", "flush"]);
        if written() && flushed.status.success() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(written(), "{:?}", team.files("s"));
    machine.write("data.txt", "third\n").exec(&["./run.sh"]);
    for _ in 0..600 {
        if team.files("s").len() == 3 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("nothing was written in the background");
}

#[test]
fn a_call_asks_or_does_not_as_it_says() {
    let team = Team::new();
    let (first, second) = (team.writer("first"), team.writer("second"));
    simple(&first);
    first.exec(&["./run.sh"]);
    simple(&second);
    let ended = |words: &[&str]| second.cashet(words).status.code();
    assert_eq!(ended(&["check", "--no-remote", "--", "./run.sh"]), Some(1));
    assert_eq!(ended(&["exec", "--no-remote", "--mode", "replay", "--", "./run.sh"]), Some(121));
    assert_eq!(ended(&["exec", "--mode", "replay", "--", "./run.sh"]), Some(0));
    assert_eq!(ended(&["check", "--no-remote", "--", "./run.sh"]), Some(0));
    assert_eq!(team.executions(), 1);
    let third = team.writer("third");
    simple(&third);
    let report = third.project.parent().unwrap().join("report.json");
    let report = report.to_str().unwrap();
    assert!(third.cashet(&["exec", "--report", report, "--", "./run.sh"]).status.success());
    let text = fs::read_to_string(report).unwrap();
    assert!(text.contains("\"remote\":\"dir:"), "{text}");
    let shown = third.cashet(&["show", "@"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("remote=dir:"), "{shown:?}");
    let numbers = String::from_utf8(third.cashet(&["stats"]).stdout).unwrap();
    assert!(numbers.contains("1 hits, 0 misses, 0 errors"), "{numbers}");
    let planned = |words: &[&str]| {
        let plan = team.writer("planned");
        simple(&plan);
        let words = [&["map", "--json", "--dry-run"], words, &["-p", "a=run", "--", "./{a}.sh"]].concat();
        let output = plan.cashet(&words);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(planned(&["--no-remote"]).contains("\"would\":\"run\""));
    assert!(planned(&[]).contains("\"would\":\"hit\""));
    let fourth = team.writer("fourth");
    simple(&fourth);
    assert_eq!(fourth.cashet(&["remote", "pull", "--", "./run.sh"]).status.code(), Some(0));
    assert_eq!(fourth.cashet(&["check", "--no-remote", "--", "./run.sh"]).status.code(), Some(0));
    assert_eq!(team.executions(), 1);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let team = Team::new();
    for (settings, word) in [
        ("trust = [\"nonsense\"]\n", "public key"),
        ("upload = \"sometimes\"\n", "upload"),
        ("uri = \"x\"\n", "uri"),
        ("toolchain = \"auto:1\"\n", "toolchain"),
    ] {
        let machine = team.machine("machine", settings);
        simple(&machine);
        let output = machine.cashet(&["exec", "--", "./run.sh"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{text}");
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn records_that_are_damaged_or_of_another_key_are_not_used() {
    let team = Team::new();
    let first = team.writer("first");
    simple(&first);
    first.script("other.sh", "echo other").exec(&["./run.sh"]);
    let [own] = team.files("s").try_into().unwrap();
    first.exec(&["./other.sh"]);
    let other = team.files("s").into_iter().find(|path| *path != own).unwrap();
    let (record, of_other) = (fs::read(&own).unwrap(), fs::read(&other).unwrap());
    let cut = record[..record.len() / 2].to_vec();
    for (number, forged) in [of_other, cut, vec![0; 5 << 20], b"{}".to_vec()].into_iter().enumerate() {
        fs::remove_file(&own).unwrap();
        fs::write(&own, forged).unwrap();
        let machine = team.machine(&format!("machine{number}"), "");
        simple(&machine);
        let executed = team.executions();
        let (stdout, status) = machine.exec(&["./run.sh"]);
        assert!(status.contains("miss"), "{number}: {status}");
        assert_eq!((stdout.as_str(), team.executions()), ("data\n", executed + 1));
    }
}
