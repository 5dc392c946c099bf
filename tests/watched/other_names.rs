//! Files with several names (hard links), of which a run uses one and changes another.

use crate::twin::{Outcome, Twin, settle};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// Keeps its state as rustc does: what it compiled is linked into a session, the files of the last session are linked into the next one,
/// and the product is removed before another one takes its place.
const COMPILER: &str = "#!/usr/bin/env python3
import os
text = open('f').read().strip()
os.makedirs('target/sessions', exist_ok=True)
os.path.exists('target/meta')
last = os.listdir('target/sessions')
session = 'target/sessions/' + text
for name in last:
    os.link('target/sessions/' + name, 'target/working')
    os.unlink('target/working')
open('target/new', 'w').write('compiled ' + text)
try:
    os.unlink('target/meta')
except FileNotFoundError:
    pass
os.rename('target/new', 'target/meta')
os.link('target/meta', 'target/next')
os.rename('target/next', session)
for name in last:
    if name != text:
        os.unlink('target/sessions/' + name)
print('built', text)
";

#[test]
fn a_build_whose_last_session_has_its_product_under_another_name_is_cached_and_taken_back() {
    let twin = Twin::new();
    twin.write("tools/cargo", COMPILER).write("f", "one\n");
    settle();
    let call = twin.call(["python3", "tools/cargo"]);
    assert_eq!(call.runs(), Outcome::Kept, "{}", call.told());
    twin.write("f", "two\n");
    settle();
    assert_eq!(call.runs(), Outcome::Kept, "{}", call.told());
    // Now the product has the name of the second session, too.
    twin.write("f", "one\n");
    settle();
    let (outcome, differences) = call.compare();
    assert_eq!(outcome, Outcome::Hit, "{}", call.told());
    // The session of the run in between stays, as rustc's do for a while.
    assert!(
        matches!(differences.as_slice(), [one] if one.starts_with("target/sessions/two: ")),
        "{differences:?}"
    );
    let [root, _] = twin.roots();
    let read = |name: &str| fs::read_to_string(root.join("target").join(name)).unwrap();
    assert_eq!(
        ["meta", "sessions/one", "sessions/two"].map(read),
        ["one", "one", "two"].map(|text| format!("compiled {text}"))
    );
    let number = |name: &str| fs::metadata(root.join("target").join(name)).unwrap().ino();
    assert_eq!(number("meta"), number("sessions/one"));
}

/// A process that is not watched waits until the run has looked at `f` (and, with `linked`, made another name for it), and then does
/// `work` in the root. Returns the reason why the run, which then removes `f`, is not cached.
fn meanwhile(linked: bool, work: impl Fn(&std::path::Path) + Sync) -> serde_json::Value {
    let twin = Twin::new();
    let wait = "echo > ../tmp/.cashet/ready; until [ -e ../tmp/.cashet/go ]; do sleep 0.01; done; rm ../tmp/.cashet/go ../tmp/.cashet/ready";
    let link = "ln g h; rm h";
    let [first, then] = if linked { [link, wait] } else { [wait, link] };
    twin.write("s.sh", format!("[ -e f ]; {first}; {then}; rm f; echo done\n"));
    twin.directory("../tmp/.cashet")
        .write("f", "one\n")
        .both(|root| fs::hard_link(root.join("f"), root.join("g")).unwrap());
    settle();
    let call = twin.call(["sh", "s.sh"]);
    std::thread::scope(|scope| {
        for root in twin.roots() {
            let work = &work;
            scope.spawn(move || {
                while !root.join("../tmp/.cashet/ready").exists() {
                    std::thread::sleep(Duration::from_millis(5));
                }
                work(&root);
                fs::write(root.join("../tmp/.cashet/go"), "").unwrap();
            });
        }
        call.agree();
    });
    call.told().pointer("/not_kept/reason").cloned().unwrap_or_default()
}

#[test]
fn a_file_that_the_run_links_under_another_name_is_unchanged_unless_another_process_writes_it() {
    let nothing = |_: &std::path::Path| ();
    let write = |root: &std::path::Path| {
        let modified = fs::metadata(root.join("g")).unwrap().modified().unwrap();
        fs::write(root.join("g"), "two\n").unwrap();
        // Its size and time are as before.
        fs::File::options().write(true).open(root.join("g")).unwrap().set_modified(modified).unwrap();
    };
    for linked in [false, true] {
        assert_eq!(meanwhile(linked, nothing), serde_json::Value::Null);
        assert_eq!(meanwhile(linked, write), "input-moved");
    }
}
