//! Variables: a run depends on those that it may have read, in any place; the others do not count.

use crate::twin::{Outcome, Twin, settle};
use std::process::Command;

#[track_caller]
fn counts(twin: &Twin, words: &[&str], name: &str) {
    settle();
    let call = |value: &str| twin.call(words).env(name, value).agree();
    call("0.1");
    assert_eq!(call("0.1"), Outcome::Hit, "{words:?} {name}");
    assert_eq!(call("0.2"), Outcome::Kept, "{words:?} {name}");
    twin.call(words).agree();
    assert_eq!(call("0.1"), Outcome::Hit, "{words:?} {name}");
}

#[test]
fn a_variable_counts_however_it_is_asked_for() {
    let twin = Twin::new();
    twin.write("direct.py", "import os\nprint(os.environ.get('LR'))\n");
    counts(&twin, &["python3", "direct.py"], "LR");
    twin.write("one.py", "import two\nprint(two.settings)\n");
    twin.write("two.py", "import three\nsettings = three.load()\n");
    twin.write("three.py", "import os\nNAMES = ['MODEL_' + 'RATE', 'RATE_X']\ndef load():\n    return {n: os.environ.get(n) for n in NAMES}\n");
    counts(&twin, &["python3", "one.py"], "RATE_X");
    counts(&twin, &["python3", "one.py"], "MODEL_RATE");
    twin.write("settings.ini", "name=FROM_SETTINGS\n");
    twin.write(
        "late.py",
        "import os\nprint(os.environ.get(open('settings.ini').read().split('=')[1].strip()))\n",
    );
    counts(&twin, &["python3", "late.py"], "FROM_SETTINGS");
    twin.write("s.sh", "echo \"$RATE\" > out\n. ./part.sh\n").write("part.sh", "eval echo '$'$WHICH\n");
    counts(&twin, &["sh", "s.sh"], "RATE");
    counts(&twin, &["sh", "s.sh"], "WHICH");
    twin.write("main.c", "#include <stdio.h>\n#include <stdlib.h>\nint main(void) { char *v = getenv(\"LRRATE\"); puts(v ? v : \"none\"); return 0; }\n");
    twin.both(|root| {
        assert!(
            Command::new("cc").args(["-o", "prog", "main.c"]).current_dir(root).status().unwrap().success()
        );
    });
    counts(&twin, &["./prog"], "LRRATE");
    counts(&twin, &["python3", "-c", "import subprocess; subprocess.run(['./prog'])"], "LRRATE");
    twin.write("all.py", "import os\nprint({k: v for k, v in os.environ.items() if k.startswith('ANY')})\n");
    counts(&twin, &["python3", "all.py"], "ANYTHING_AT_ALL");
    twin.write("Makefile", "all:\n\t@echo $(CFLAGS) $(SPEED)\n");
    counts(&twin, &["make"], "CFLAGS");
    counts(&twin, &["make"], "SPEED");
}

#[test]
fn unmentioned_and_session_variables_do_not_count() {
    let twin = Twin::new();
    twin.write("s.py", "print(1)\n").write("s.sh", "echo 1\n");
    settle();
    for words in [["python3", "s.py"], ["sh", "s.sh"]] {
        twin.call(words).runs();
        settle();
        for (name, value) in [
            ("FOO_NOBODY_MENTIONS", "1"),
            ("TERM", "xterm-256color"),
            ("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22"),
            ("SSH_TTY", "/dev/pts/9"),
            ("SHLVL", "4"),
            ("WINDOWID", "77"),
        ] {
            assert_eq!(twin.call(words).env(name, value).agree(), Outcome::Hit, "{words:?} {name}");
        }
    }
}
