//! Calls that wait for an identical run: what they show of it on a terminal, and which result they take.

use crate::scene::{Scene, output, shown};
use crate::screen::{Screen, below};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::process::{Child, Stdio};

#[test]
fn a_follower_at_a_terminal_shows_each_line_as_it_comes_and_runs_nothing() {
    let scene = Scene::new();
    scene.job("echo one; echo two >&2; await a; echo three; await b; printf four; exit 0");
    let leader = scene.at_terminal(&[]);
    leader.wait_for("two");
    scene.wait_for_mark();
    let follower = scene.at_terminal(&[]);
    follower.wait_for("joined a run started").wait_for("one").wait_for("two");
    scene.sign("a");
    follower.wait_for("three");
    assert!(!follower.text().contains("four"));
    scene.sign("b");
    let (of_leader, status) = leader.end();
    assert!(status.success(), "{of_leader}");
    let (text, status) = follower.end();
    assert!(status.success() && text.contains("hit "), "{text}");
    assert_eq!(shown(&text), "one\ntwo\nthree\nfour\n", "{text}");
    assert_eq!(scene.executions(), 1);
}

#[test]
fn a_follower_on_a_pipe_writes_nothing_before_the_end() {
    let (scene, leader) = Scene::led("echo one; await a; echo two");
    let mut follower = scene.piped();
    let file = scene.project.path("out");
    let mut other = scene.command();
    let other = other.stdout(fs::File::create(&file).unwrap()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(follower.try_wait().unwrap().is_none());
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
    scene.sign("a");
    for call in [leader, follower] {
        assert_eq!(output(call), ("one\ntwo\n".to_owned(), 0));
    }
    assert!(other.wait_with_output().unwrap().status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), "one\ntwo\n");
    assert_eq!(scene.executions(), 1);
}

#[test]
fn a_run_that_was_made_on_pipes_is_followed_at_a_terminal() {
    let (scene, leader) = Scene::led("echo one; await a; echo two");
    let follower = scene.at_terminal(&[]);
    follower.wait_for("joined").wait_for("one");
    scene.sign("a");
    assert_eq!(output(leader), ("one\ntwo\n".to_owned(), 0));
    let (text, _) = follower.end();
    assert_eq!(shown(&text), "one\ntwo\n", "{text}");
    assert_eq!(scene.executions(), 1);
}

#[test]
fn when_the_result_is_not_kept_the_follower_runs_the_command_below_a_line_that_says_so() {
    let (scene, leader) = Scene::led("echo run; if [ \"$(runs)\" = 1 ]; then await a; exit 3; fi; echo own");
    let follower = scene.at_terminal(&[]);
    follower.wait_for("run\r\n");
    scene.sign("a");
    assert_eq!(output(leader).1, 3);
    let (text, status) = follower.end();
    assert!(status.success(), "{text}");
    assert_eq!(shown(&text), "run\nrun\nown\n", "{text}");
    let separator = text.find("is not cached: running the command").unwrap();
    assert!(separator > text.find("run\r\n").unwrap() && separator < text.find("own").unwrap(), "{text}");
    assert_eq!(scene.executions(), 2);
}

#[test]
fn when_the_leader_is_killed_one_follower_takes_over_and_the_other_follows_it() {
    let (scene, mut leader) =
        Scene::led("echo run; if [ \"$(runs)\" = 1 ]; then await never; fi; await a; echo own");
    let followers = [scene.at_terminal(&[]), scene.at_terminal(&[])];
    for follower in &followers {
        follower.wait_for("joined").wait_for("run\r\n");
    }
    kill(Pid::from_raw(leader.id().cast_signed()), Signal::SIGKILL).unwrap();
    leader.wait().unwrap();
    scene.wait_for_executions(2);
    for follower in &followers {
        follower.wait_for("was killed").wait_for_nth("run\r\n", 2);
    }
    scene.sign("a");
    for follower in followers {
        let (text, status) = follower.end();
        assert!(status.success(), "{text}");
        assert_eq!(shown(&text), "run\nrun\nown\n", "{text}");
    }
    assert_eq!(scene.executions(), 2);
}

#[test]
fn a_stopped_leader_is_left_with_a_line_that_says_so() {
    let (scene, leader) = Scene::led("echo run; [ \"$(runs)\" = 2 ] || await a; echo done");
    let follower = scene.at_terminal(&[]);
    follower.wait_for("run\r\n");
    let leads = Pid::from_raw(leader.id().cast_signed());
    kill(leads, Signal::SIGSTOP).unwrap();
    let (text, status) = follower.end();
    assert!(status.success() && text.contains("is stopped: running the command"), "{text}");
    assert_eq!(shown(&text), "run\nrun\ndone\n");
    kill(leads, Signal::SIGCONT).unwrap();
    scene.sign("a");
    assert_eq!(output(leader), ("run\ndone\n".to_owned(), 0));
}

/// A follower begins after the input of its leader has changed. Then `meanwhile` is called. The follower runs the command itself and
/// shows `expected`.
fn after_a_change(meanwhile: impl FnOnce(&Scene), expected: &str) {
    let (scene, leader) = Scene::led("cat input; echo read; await a");
    std::thread::sleep(std::time::Duration::from_millis(300));
    scene.project.write("input", "two\n");
    let follower = scene.at_terminal(&[]);
    follower.wait_for("one\r\n");
    meanwhile(&scene);
    scene.sign("a");
    assert_eq!(output(leader).0, "one\nread\n");
    let (text, _) = follower.end();
    assert_eq!(shown(&text), expected, "{text}");
    assert_eq!(scene.executions(), 2);
}

#[test]
fn a_file_that_changed_between_the_two_starts_is_not_taken_as_it_was_before() {
    after_a_change(|_| (), "one\nread\ntwo\nread\n");
}

#[test]
fn a_file_that_changed_and_changed_back_after_the_second_start_is_not_known_to_have_held() {
    after_a_change(|scene| _ = scene.project.write("input", "one\n"), "one\nread\none\nread\n");
}

#[test]
fn a_follower_that_goes_away_disturbs_nobody() {
    let (scene, leader) = Scene::led("echo one; await a; echo two");
    let gone = [scene.at_terminal(&[]), scene.at_terminal(&[])];
    let stays = scene.at_terminal(&[]);
    for follower in &gone {
        follower.wait_for("one\r\n");
    }
    stays.wait_for("one\r\n");
    let [interrupted, killed] = gone;
    interrupted.type_in("\x03");
    let (text, status) = interrupted.end();
    assert!(!status.success(), "{text}");
    kill(Pid::from_raw(killed.child.id().cast_signed()), Signal::SIGKILL).unwrap();
    killed.end();
    scene.sign("a");
    assert_eq!(output(leader).0, "one\ntwo\n");
    let (text, _) = stays.end();
    assert_eq!(shown(&text), "one\ntwo\n", "{text}");
    assert_eq!(scene.executions(), 1);
}

#[test]
fn a_follower_whose_terminal_takes_nothing_delays_nobody() {
    let scene = Scene::new();
    scene.job("seq 20000; await a; seq 20001 40000");
    let all: String = (1..=40000).map(|number| number.to_string() + "\n").collect();
    let leader = scene.piped();
    let reading = std::thread::spawn(move || output(leader));
    scene.wait_for_executions(1);
    scene.wait_for_mark();
    let slow = scene.at_terminal(&[]);
    slow.wait_for("joined").type_in("\x13");
    let other = scene.piped();
    let other = std::thread::spawn(move || output(other));
    scene.sign("a");
    assert!(reading.join().unwrap() == (all.clone(), 0));
    assert!(other.join().unwrap() == (all.clone(), 0));
    slow.type_in("\x11");
    let (text, _) = slow.end();
    assert!(shown(&text.replace("^S", "").replace("^Q", "")) == all, "{}", text.len());
    assert_eq!(scene.executions(), 1);
}

#[test]
fn of_64_followers_each_shows_all_and_one_runs() {
    let (scene, leader) = Scene::led("echo one; await a; echo two >&2; echo three");
    let followers: Vec<Screen> = (0..32).map(|_| scene.at_terminal(&[])).collect();
    let piped: Vec<Child> = (0..32).map(|_| scene.piped()).collect();
    for follower in &followers {
        follower.wait_for("one\r\n");
    }
    scene.sign("a");
    assert_eq!(output(leader).0, "one\nthree\n");
    for follower in followers {
        let (text, _) = follower.end();
        assert_eq!(shown(&text), "one\ntwo\nthree\n", "{text}");
    }
    for call in piped {
        assert_eq!(output(call).0, "one\nthree\n");
    }
    assert_eq!(scene.executions(), 1);
}

#[test]
fn with_quiet_no_wait_or_force_nothing_of_another_run_is_shown() {
    let (scene, leader) = Scene::led("echo one; await a; echo two");
    let quiet = scene.at_terminal(&["--quiet"]);
    let beside = scene.at_terminal(&["--no-wait"]);
    scene.wait_for_executions(2);
    let again = scene.at_terminal(&["--force"]);
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(quiet.text(), "");
    assert!(!again.text().contains("one"), "{}", again.text());
    scene.sign("a");
    assert_eq!(output(leader).0, "one\ntwo\n");
    for call in [quiet, beside, again] {
        let (text, _) = call.end();
        assert_eq!(shown(&text), "one\ntwo\n", "{text}");
        assert!(!text.contains("joined"), "{text}");
    }
    assert_eq!(scene.executions(), 3);
}

#[test]
fn a_run_that_settles_which_sources_count_is_taken_by_its_followers() {
    if !crate::screen::is_there("python3") {
        return;
    }
    let scene = Scene::new();
    scene.job("");
    scene.project.write("helper.py", "x = 1\n");
    let (count, sign) = (scene.count_file(), scene.signs().join("a"));
    scene.project.write(
        "main.py",
        &format!(
            "import os, time\nwith open({count:?}, 'a') as f: f.write('x\\n')\nprint('one', flush=True)\nwhile not os.path.exists({sign:?}): time.sleep(0.01)\nif os.path.exists('/nowhere'):\n    import helper\nprint('two')\n",
            count = count.display().to_string(),
            sign = sign.display().to_string()
        ),
    );
    let options = scene.options();
    // What standard input is counts for this program.
    let options: Vec<&str> = options.iter().map(String::as_str).chain(["-n"]).collect();
    let words = below(&options, &["python3", "main.py"]);
    let call = || {
        let mut command = scene.project.command(&words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let leader = call();
    scene.wait_for_executions(1);
    scene.wait_for_mark();
    let follower = scene.project.at_terminal(&words);
    let piped = call();
    follower.wait_for("one\r\n");
    scene.sign("a");
    for call in [leader, piped] {
        assert_eq!(output(call).0, "one\ntwo\n");
    }
    let (text, _) = follower.end();
    assert_eq!(shown(&text), "one\ntwo\n", "{text}");
    assert_eq!(scene.executions(), 1);
}
