//! The mechanism of watching: ptrace is really used where no listener is available.

use crate::twin::{Twin, settle};
use std::fs;

#[test]
fn below_a_watch_the_watch_is_by_ptrace() {
    for traced in [false, true] {
        let twin = Twin::new();
        twin.write("f", "one\n");
        settle();
        // The tracer of the process is written to a file that is not observed.
        let line = "sed -n 's/^TracerPid:[[:blank:]]*//p' /proc/$$/status > ../tmp/tracer; cat f";
        let call = twin.sh(line).traced(traced).with(&["--ignore-write", "../tmp/tracer"]);
        call.runs();
        let [ours, bare] = twin.roots().map(|root| {
            let text = fs::read_to_string(root.join("../tmp/tracer")).unwrap();
            text.trim().parse::<u32>().unwrap()
        });
        assert_eq!(bare, 0, "the tests themselves are traced");
        assert_eq!(ours != 0, traced, "traced by {ours}");
        // Its observations are what a second call checks.
        call.hits();
        twin.write("f", "two\n");
        call.runs();
    }
}
