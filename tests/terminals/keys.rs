//! What is typed, signals of keys, being stopped and going on, the size: as bare.

use crate::screen::{CASHET, Project, Screen, below, below_process, eventually, is_there};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Both mechanisms of watching: below another call, seccomp cannot be had.
const NESTED: &[&str] = &["-q", "--", CASHET, "exec", "-q"];

/// Ways to run a command: bare, watched by either mechanism, not watched.
const WAYS: [&[&str]; 4] = [&[], &["-q"], NESTED, &["-q", "--trace=off", "--pure"]];

/// Does `script` with a command run in each way; what it shows must be the same.
#[track_caller]
fn same(words: &[&str], prepare: impl Fn(&Project), script: impl Fn(&Screen)) -> String {
    let project = Project::new();
    let mut shown = Vec::new();
    for way in WAYS {
        project.clear();
        prepare(&project);
        let words = if way.is_empty() { words.to_vec() } else { below(way, words) };
        let screen = project.at_terminal(&words);
        script(&screen);
        let (text, status) = screen.end();
        shown.push((text, status));
    }
    for (way, other) in WAYS.iter().zip(&shown) {
        assert_eq!(other, &shown[0], "{words:?} {way:?}");
    }
    shown.remove(0).0
}

/// Waits a moment: whoever is about to read has begun to.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(100));
}

#[test]
fn lines_and_the_end_of_input_reach_the_command() {
    same(
        &["cat"],
        |_| (),
        |screen| {
            settle();
            screen
                .type_in("one\n")
                .wait_for("one\r\none")
                .type_in("two\n")
                .wait_for("two\r\ntwo")
                .type_in("\x04");
        },
    );
}

#[test]
fn what_was_typed_before_the_command_read_is_read_and_shown_once() {
    let script = "sleep 0.5; read x; echo \"got $x\"; read y; echo \"and $y\"";
    same(
        &["bash", "-c", script],
        |_| (),
        |screen| {
            screen.type_in("first\n").wait_for("got first").type_in("second\n");
        },
    );
}

#[test]
fn passwords_are_not_shown() {
    let shown = same(
        &["bash", "-c", "read -s -p 'Password: ' x; echo; echo \"got $x\""],
        |_| (),
        |screen| {
            screen.wait_for("Password: ");
            settle();
            screen.type_in("secret\n");
        },
    );
    assert_eq!(shown.matches("secret").count(), 1, "{shown:?}");
}

#[test]
fn standard_input_under_another_number_and_by_name_is_read() {
    for script in ["exec 3<&0; read x <&3; echo got $x", "read x < /dev/tty; echo got $x"] {
        same(
            &["bash", "-c", script],
            |_| (),
            |screen| {
                settle();
                screen.type_in("abc\n");
            },
        );
    }
}

#[test]
fn keys_that_are_waited_for_with_select_arrive() {
    same(
        &["bash", "-c", "read -t 60 x; echo \"got $x\"; read -n 1 y; echo \"key $y\""],
        |_| (),
        |screen| {
            settle();
            screen.type_in("abc\n").wait_for("got abc");
            settle();
            screen.type_in("z");
        },
    );
}

#[test]
fn keys_interrupt() {
    let script = "trap 'echo caught; exit 7' INT QUIT; echo begun; while :; do :; done";
    for key in ["\x03", "\x1c"] {
        same(
            &["bash", "-c", script],
            |_| (),
            |screen| {
                screen.wait_for("begun").type_in(key);
            },
        );
    }
    // While our terminal hands on each key.
    let script = "trap 'echo caught; exit 7' INT; echo begun; read x; echo $x";
    same(
        &["bash", "-c", script],
        |_| (),
        |screen| {
            screen.wait_for("begun");
            settle();
            screen.type_in("\x03");
        },
    );
}

#[test]
fn what_is_typed_ahead_is_left_for_the_shell() {
    if !is_there("bash") {
        return;
    }
    let project = Project::new();
    let shell = project.at_terminal(&["bash", "--norc", "--noprofile", "-i"]);
    shell
        .wait_for("$ ")
        .resize(400, 24)
        .type_in(&format!("{CASHET} exec -q -- sh -c 'echo begun; sleep 1; echo ended'\n"));
    shell.wait_for("\rbegun").type_in("echo h$((1+1))i\n").wait_for("\nended").wait_for("\rh2i");
    shell.type_in("exit\n");
    shell.end();
}

#[test]
fn jobs_are_stopped_and_go_on() {
    if !is_there("python3") {
        return;
    }
    // A shell that is stopped while it starts another program waits for it, bare as well.
    let ticks = "import time\nfor i in range(40):\n    print('tick', i, flush=True)\n    time.sleep(0.05)\nprint('ended')\n";
    let asks = "x = input('name? ')\nprint('got', x)\n";
    for way in [&["-q"][..], NESTED, &["-q", "--trace=off", "--pure"]] {
        let project = Project::new();
        project.write("job", ticks).write("ask", asks);
        let shell = project.at_terminal(&["bash", "--norc", "--noprofile", "-i"]);
        let call = |script: &str| {
            format!("{}\n", below(way, &["python3", script]).join(" ").replace("exec -q", "exec -q -f"))
        };
        // In the foreground again.
        shell
            .wait_for("$ ")
            .resize(400, 24)
            .type_in("set -b\n")
            .wait_for_nth("$ ", 2)
            .type_in(&call("job"))
            .wait_for("tick 3")
            .type_in("\x1a")
            .wait_for("Stopped");
        shell.type_in("fg\n").wait_for("\nended").wait_for_end("$ ");
        // In the background.
        shell.type_in(&call("job")).wait_for_nth("tick 3\r", 2).type_in("\x1a").wait_for_nth("Stopped", 2);
        shell.type_in("bg\n").wait_for_nth("\nended", 2).wait_for("Done").type_in("\n").wait_for_end("$ ");
        // While it reads.
        shell.type_in(&call("ask")).wait_for("name? ");
        settle();
        shell.type_in("\x1a").wait_for_nth("Stopped", 3).type_in("fg\n").wait_for_nth("python3 ask", 3);
        settle();
        shell.type_in("bob\n").wait_for("\ngot bob").wait_for_end("$ ");
        // It reads while it is in the background.
        shell.type_in(&call("ask")).wait_for_nth("name? ", 2);
        settle();
        shell.type_in("\x1a").wait_for_nth("Stopped", 4).type_in("bg\n");
        shell.wait_for_nth("Stopped", 5).type_in("fg\n");
        settle();
        shell.type_in("eve\n").wait_for("\ngot eve").wait_for_end("$ ");
        shell.type_in("exit\n");
        shell.end();
    }
}

#[test]
fn the_size_is_that_of_our_terminal_at_each_moment() {
    if !is_there("python3") {
        return;
    }
    let script = "import os, signal, sys\n\
                  def show(*_): os.write(1, (str([tuple(os.get_terminal_size(n)) for n in (0, 1, 2)]) + '\\n').encode())\n\
                  signal.signal(signal.SIGWINCH, show)\nshow()\n\
                  while True:\n    signal.pause()\n    if os.get_terminal_size()[0] == 120: break\n";
    same(
        &["python3", "job.py"],
        |project| {
            project.write("job.py", script);
        },
        |screen| {
            screen.wait_for("[(80, 24), (80, 24), (80, 24)]").resize(100, 30);
            screen.wait_for("[(100, 30), (100, 30), (100, 30)]").resize(120, 40);
        },
    );
}

#[test]
fn modes_that_a_command_leaves_stay() {
    let project = Project::new();
    for way in [&["-q"][..], NESTED, &["-q", "--trace=off", "--pure"]] {
        let screen = project.at_terminal(&below(way, &["stty", "-echo", "intr", "^K"]));
        let bare = project.at_terminal(&["stty", "-echo", "intr", "^K"]);
        assert_eq!(screen.end_anyhow().2, bare.end_anyhow().2, "{way:?}");
    }
}

#[test]
fn whichever_process_is_killed_the_terminal_is_as_it_was() {
    for place in 0..5 {
        let project = Project::new();
        let screen = project.at_terminal(&["sh", "-c", &format!("{CASHET} exec -q -- sh job; exit 0")]);
        project.write("job", "printf 'name? '; read x; echo $x");
        screen.wait_for("name? ").wait_for_raw();
        settle();
        let processes = below_process(screen.child.id());
        assert_eq!(processes.len(), 5, "{processes:?}");
        let (number, name) = &processes[place];
        kill(Pid::from_raw(*number), Signal::SIGKILL).unwrap();
        settle();
        let left = below_process(screen.child.id());
        if left.iter().any(|(_, name)| name == "cashet") {
            screen.type_in("x\n");
        }
        eventually(|| if screen.modes() == screen.before { Ok(()) } else { Err(format!("killed {name}")) });
        screen.end();
    }
}

#[test]
fn who_outlives_the_command_is_not_hung_up_on() {
    for (line, shown) in [
        ("(sleep 1; echo late; echo alive > out) & echo now", "late\r\n"),
        ("(sleep 1; echo alive > out) > /dev/null 2>&1 & echo now", "now\r\n"),
    ] {
        let project = Project::new();
        let screen = project.at_terminal(&below(&["-v"], &["sh", "-c", line]));
        screen.wait_for(shown).wait_for("not cached");
        eventually(|| if project.path("out").exists() { Ok(()) } else { Err(screen.text()) });
        screen.end();
    }
}

#[test]
fn a_pager_behind_us_gets_its_keys() {
    if !is_there("less") {
        return;
    }
    let project = Project::new();
    let lines = (0..100).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
    project.write("lines", &lines);
    for line in
        [format!("{CASHET} exec -q -- cat lines | less"), format!("cat lines | {CASHET} exec -q -- less")]
    {
        let screen = project.at_terminal(&["sh", "-c", &line]);
        screen.wait_for("line 20");
        settle();
        screen.type_in(" ").wait_for("line 40").type_in("q");
        screen.end();
    }
}

#[test]
fn in_the_background_there_is_no_terminal() {
    let project = Project::new();
    let asks = "[ -t 1 ] && echo terminal || echo none";
    let line = format!("{CASHET} exec -q -- sh -c '{asks}' & wait; {CASHET} exec -q -f -- sh -c '{asks}'");
    let text = project.at_terminal(&["bash", "-mc", &line]).end().0;
    assert!(text.starts_with("none\r\n") && text.ends_with("terminal\r\n"), "{text:?}");
}
