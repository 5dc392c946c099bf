//! Files that are looked at without being opened, large and empty ones.

use crate::twin::{Twin, settle};

#[test]
fn files_that_are_only_looked_at_count_by_their_content_on_every_miss() {
    // Large files are remembered for all requests, and empty files are not opened: neither may hide an edit from a new
    // request.
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

#[test]
fn what_was_absent_is_missed_as_soon_as_it_comes_also_where_only_its_directory_is_looked_at() {
    let line =
        "[ -d d ] && for name in a b c x/y l; do [ -e d/$name ] && echo $name; done; [ ! -e d/l ] || cat d/l";
    let twin = Twin::new();
    twin.directory("d").directory("e").link("../e/target", "d/l");
    let call = twin.sh(line);
    call.runs();
    // The first call that finds a directory unchanged for two seconds records the absences that it proves.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    for _ in 0..3 {
        call.hits();
    }
    twin.directory("d/x");
    call.hits();
    // New names of every kind; behind a dangling link; in a new directory.
    for name in ["d/b", "e/target", "d/x/y"] {
        twin.write(name, "content");
        call.runs();
        call.hits();
        twin.remove(name);
        call.hits();
    }
    // A dangling link is an entry too, and so is a new file at its target.
    twin.link("a", "d/c");
    call.runs();
    call.hits();
    twin.directory("d/a");
    call.runs();
}
