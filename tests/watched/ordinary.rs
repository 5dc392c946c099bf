//! The same as an ordinary user without privileges, by notification and by ptrace: what is watched, what is restored,
//! and what must not be.

use crate::commands::has;
use crate::twin::{Outcome, Twin, settle};
use std::os::unix::fs::chown;

/// Both ways of watching, each on trees that belong to that user.
fn each_way(mut test: impl FnMut(&Twin, bool)) {
    for traced in [false, true] {
        let twin = Twin::new();
        twin.write("f", "one\n").write("d/x", "x\n");
        if !twin.give_away() && rustix::process::geteuid().is_root() {
            println!("SKIPPED: an ordinary user cannot reach the program");
            return;
        }
        settle();
        test(&twin, traced);
    }
}

#[test]
fn what_is_watched_and_put_back() {
    each_way(|twin, traced| {
        let call = twin.sh("echo ran >> ../tmp/ran; cat f > d/out; ls d").traced(traced);
        call.settles_after(2);
        let before = twin.executions();
        for edit in ["", "mine\n"] {
            twin.write("d/out", edit);
            if rustix::process::geteuid().is_root() {
                twin.both(|root| chown(root.join("d/out"), Some(65534), Some(65534)).unwrap());
            }
            call.hits();
        }
        assert_eq!(twin.executions(), before);
        twin.write("f", "two\n");
        call.runs();
        assert_eq!(twin.executions(), before + 1);
        twin.write("s.py", "import os, part\nprint(os.getuid() == 0, part.n, open('f').read())\n");
        twin.write("part.py", "n = 1\n");
        settle();
        let python = twin.call(["python3", "s.py"]).traced(traced);
        python.settles_after(1);
        twin.write("part.py", "n = 2\n");
        python.runs();
    });
}

#[test]
fn what_may_not_be_read_is_another_result() {
    each_way(|twin, traced| {
        let call = twin.sh("cat f d/x; echo $?").traced(traced);
        call.settles_after(1);
        twin.mode("f", 0o000);
        call.runs();
        twin.mode("f", 0o644).mode("d", 0o000);
        call.runs();
        twin.mode("d", 0o755);
        call.hits();
    });
}

#[test]
fn what_may_not_be_written_is_not_put_back() {
    each_way(|twin, traced| {
        let call = twin.sh("echo result > d/out; echo $?").traced(traced);
        call.settles_after(1);
        // A directory that is not writable.
        twin.remove("d/out").mode("d", 0o555);
        call.runs();
        twin.mode("d", 0o755);
        call.agree();
        // A file of the user that is not writable, and one of another user with the same mode.
        twin.mode("d/out", 0o444);
        call.runs();
        twin.remove("d/out");
        call.agree();
        for text in ["result\n", "other\n"] {
            twin.write("d/out", text);
            if rustix::process::geteuid().is_root() {
                twin.both(|root| chown(root.join("d/out"), Some(0), Some(0)).unwrap());
                call.runs();
            }
            twin.remove("d/out");
            call.agree();
        }
        let closing = twin.sh("umask 222; echo x > closed; echo $?").traced(traced);
        closing.runs();
        closing.runs();
        closing.hits();
        let adding = twin.sh("echo more >> log; echo $?").traced(traced);
        adding.runs();
        twin.write("log", "");
        adding.agree();
        twin.write("log", "");
        if rustix::process::geteuid().is_root() {
            twin.both(|root| chown(root.join("log"), Some(0), Some(0)).unwrap());
            adding.runs();
        }
    });
}

#[test]
fn programs_that_would_gain_rights() {
    each_way(|twin, traced| {
        // The command itself: it runs as it would bare, and is not cached.
        if has("su") {
            let call = twin.call(["su", "nobody", "-c", "echo as another"]).traced(traced);
            for _ in 0..3 {
                assert_ne!(call.agree(), Outcome::Hit);
            }
        }
        if has("sudo") {
            let call = twin.call(["sudo", "-n", "true"]).traced(traced);
            for _ in 0..3 {
                assert_ne!(call.agree(), Outcome::Hit);
            }
        }
    });
}

#[test]
fn what_is_left_behind_and_cannot_be_seen_is_not_taken_for_nothing() {
    each_way(|twin, traced| {
        // Files in a directory that then becomes inaccessible; a whole tree that becomes inaccessible before it is
        // moved.
        for (line, closed) in [
            ("mkdir made; echo x > made/x; chmod 0 made", "made"),
            ("mkdir work; mkdir work/in; echo x > work/in/x; chmod 0 work/in; mv work made", "made/in"),
        ] {
            let call = twin.sh(line).traced(traced);
            for _ in 0..3 {
                call.runs();
                twin.mode(closed, 0o755).remove("made");
            }
        }
    });
}
