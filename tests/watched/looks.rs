//! Files that are looked at and not opened, large and empty ones.

use crate::twin::{Twin, settle};

#[test]
fn files_that_are_only_looked_at_count_by_their_content_on_every_miss() {
    // Large ones are remembered for all requests, empty ones are not opened: neither may hide an edit from a new request.
    for (before, after) in [("x".repeat(100_000), "y".repeat(100_000)), (String::new(), "y".to_owned())] {
        let twin = Twin::new();
        twin.write("f", before).write("other", "");
        settle();
        let calls = ["[ -e f ] && echo there", "[ -f f ] && echo file", "[ -e f ] && cat f | wc -c"]
            .map(|line| twin.sh(line));
        for call in &calls {
            call.runs();
            call.hits();
        }
        twin.write("f", after);
        settle();
        for call in &calls {
            call.runs();
            call.hits();
        }
        let new = twin.sh("[ -e f ] && [ -f f ] && echo both");
        new.runs();
        new.hits();
        twin.remove("f");
        for call in &calls {
            call.runs();
        }
        new.runs();
    }
}
