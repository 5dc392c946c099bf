//! `top` and `attach`: runs in progress, seen from another terminal and from pipes. `-qq`.

use crate::scene::{Scene, output};
use crate::screen::{CASHET, below, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

fn top(scene: &Scene) -> Vec<serde_json::Value> {
    let (text, errors) = scene.project.piped(&[CASHET, "top", "--json"]);
    assert_eq!(errors, "");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn top_shows_what_runs_and_who_waits() {
    let scene = Scene::new();
    scene.job(
        "echo begun; [ \"$(runs)\" = 1 ] || await a; printf '\\033[31mloss 1\\rloss 2\\033[0m'; await b",
    );
    assert!(scene.project.piped(&[CASHET, "top"]).0.contains("nothing runs"));
    scene.sign("a");
    scene.sign("b");
    assert_eq!(output(scene.piped()).1, 0);
    fs::remove_file(scene.signs().join("b")).unwrap();
    scene.project.write("job.sh", &(fs::read_to_string(scene.project.path("job.sh")).unwrap() + "exit 0\n"));
    let leader = scene.piped();
    scene.wait_for_executions(2);
    scene.wait_for_mark();
    let followers = [scene.piped(), scene.piped()];
    let mut found = Vec::new();
    eventually(|| {
        found = top(&scene);
        let waiting = found.first().map_or(0, |run| run["waiting"].as_array().unwrap().len());
        if waiting == 2 && found[0]["last_line"] == "loss 2" { Ok(()) } else { Err(format!("{found:?}")) }
    });
    assert_eq!(found.len(), 1, "{found:?}");
    let run = &found[0];
    assert_eq!(run["words"].as_array().unwrap().last().unwrap(), "job.sh");
    assert_eq!(run["process"], leader.id());
    assert!(run["usual_ns"].as_u64().unwrap() > 0 && run["age_ns"].as_u64().unwrap() > 0);
    let waiting = run["waiting"].as_array().unwrap();
    let waiting: BTreeSet<u64> = waiting.iter().map(|waiter| waiter["process"].as_u64().unwrap()).collect();
    assert_eq!(waiting, followers.iter().map(|follower| u64::from(follower.id())).collect());
    let (table, _) = scene.project.piped(&[CASHET, "top"]);
    assert!(table.contains("job.sh") && table.contains("loss 2") && table.contains('%'), "{table}");
    // On a terminal it is kept up to date.
    let screen = scene.project.at_terminal(&[CASHET, "top"]);
    screen.wait_for("job.sh");
    scene.sign("b");
    for call in std::iter::once(leader).chain(followers) {
        assert_eq!(output(call).1, 0);
    }
    screen.wait_for("nothing runs").type_in("\x03");
    let (text, status) = screen.end();
    assert!(!status.success() && text.contains("\x1b[J"), "{text}");
    assert_eq!(scene.executions(), 2);
    assert_eq!(top(&scene), Vec::<serde_json::Value>::new());
}

#[test]
fn every_field_of_top_is_documented() {
    let scene = Scene::new();
    scene.job("echo begun; await a");
    let leader = scene.piped();
    scene.wait_for_executions(1);
    scene.wait_for_mark();
    let follower = scene.piped();
    eventually(|| {
        let is_there = top(&scene).first().is_some_and(|run| run["waiting"][0].is_object());
        if is_there { Ok(()) } else { Err(String::new()) }
    });
    let run = top(&scene).remove(0);
    let mut fields: BTreeSet<String> = run.as_object().unwrap().keys().cloned().collect();
    fields.extend(run["waiting"][0].as_object().unwrap().keys().map(|name| format!("waiting[].{name}")));
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md");
    let document = fs::read_to_string(document).unwrap();
    let part = document.split("## top --json").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.map(str::to_owned).collect::<BTreeSet<_>>(), fields);
    scene.sign("a");
    for call in [leader, follower] {
        output(call);
    }
}

#[test]
fn attach_shows_a_run_from_its_beginning_and_ends_with_it() {
    let scene = Scene::new();
    scene.job("echo one; printf '\\033[31mtwo\\033[0m\\n' >&2; await a; echo three; exit 0");
    let (_, errors) = scene.project.piped(&[CASHET, "attach"]);
    let expected =
        "error: no run is active in this store\nhint: 'cashet get' writes what a run has written\n";
    assert_eq!(errors, expected);
    let leader = scene.piped();
    scene.wait_for_executions(1);
    scene.wait_for_mark();
    let run = top(&scene)[0]["run"].as_str().unwrap().to_owned();
    let attached: Vec<_> = [&[][..], &[&run[..8]], &["job.sh"], &["--", "sh", "job.sh"], &["@"]]
        .into_iter()
        .map(|words| {
            let words = [&[CASHET, "attach"], words].concat();
            let mut command = scene.project.command(&words);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let screen = scene.project.at_terminal(&[CASHET, "attach", "job.sh"]);
    screen.wait_for("one\r\n").wait_for("\x1b[31mtwo");
    let away = scene.project.at_terminal(&[CASHET, "attach"]);
    away.wait_for("one\r\n").type_in("\x03");
    away.end();
    let (_, errors) = scene.project.piped(&[CASHET, "attach", "other.sh"]);
    assert_eq!(errors, "error: no such run is active\nhint: 'cashet top' lists those that are\n");
    scene.sign("a");
    assert_eq!(output(leader), ("one\nthree\n".to_owned(), 0));
    for call in attached {
        let output = call.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "one\nthree\n");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "two\n");
    }
    let (text, status) = screen.end();
    assert!(status.success() && text.contains("ok after") && text.contains("three"), "{text}");
    assert_eq!(scene.executions(), 1);
}

#[test]
fn attach_says_that_a_run_was_killed_and_so_does_log() {
    let scene = Scene::new();
    scene.job("echo one; await never");
    let mut leader = scene.piped();
    scene.wait_for_executions(1);
    scene.wait_for_mark();
    let screen = scene.project.at_terminal(&[CASHET, "attach"]);
    screen.wait_for("one\r\n");
    kill(Pid::from_raw(leader.id().cast_signed()), Signal::SIGKILL).unwrap();
    leader.wait().unwrap();
    assert!(screen.end().0.contains("was killed"));
    assert_eq!(top(&scene), Vec::<serde_json::Value>::new());
    assert!(scene.project.piped(&[CASHET, "log"]).0.contains("killed"));
    scene.sign("never");
}

#[test]
fn doubly_quiet_says_nothing_at_all() {
    let scene = Scene::new();
    scene.project.write("job.sh", "echo out; echo err >&2; exit 3\n");
    for (words, shown, status) in [
        (&["sh", "job.sh"][..], "out\r\nerr\r\n", 3),
        (&["no-such-program-here"], "", 127),
        (&["./job.sh"], "", 126),
    ] {
        for quiet in [&["-qq"][..], &["-q", "-q"], &["--quiet", "--quiet"]] {
            let (text, ended) = scene.project.at_terminal(&below(quiet, words)).end();
            assert_eq!((text.as_str(), ended.code()), (shown, Some(status)), "{words:?}");
        }
        let (text, _) = scene.project.at_terminal(&below(&["-q"], words)).end();
        assert!(!text.is_empty(), "{words:?}");
    }
}
