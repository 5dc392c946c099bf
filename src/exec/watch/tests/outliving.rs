//! Processes that outlive the command.

use super::*;
use crate::exec::watch::Surroundings;
use std::time::Instant;

fn wait_for(path: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ if Instant::now() > deadline => panic!("{} never came", path.display()),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[test]
fn who_ends_soon_after_is_waited_for_and_seen() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join("late"), "late\n").unwrap();
        let script = format!("cd {}; (sleep 0.3; cat late > copy) & exit 3", at.display());
        let ran = Watched::sh(mechanism, &script).run();
        assert_eq!(ran.status.code(), Some(3));
        assert_eq!(ran.trace.hazards, []);
        assert!(ran.access(at.join("late")).read && ran.access(at.join("copy")).made);
    }
}

#[test]
fn who_is_left_behind_lives_on_and_works() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join("in"), "later\n").unwrap();
        // It opens, looks and starts programs after the watch is over; and again after a pause.
        let script = format!(
            "cd {}; (sleep 1; cat in > one; sleep 1; test -e in && sh -c 'cat one > two.tmp; mv two.tmp two') & exit 0",
            at.display()
        );
        let mut watched = Watched::sh(mechanism, &script);
        watched.grace = Duration::from_millis(100);
        let ran = watched.run().succeeded();
        assert_eq!(ran.trace.hazards, [Hazard::LeftBehind]);
        assert!(!at.join("one").exists());
        assert_eq!(wait_for(&at.join("two")), "later\n");
    }
}

#[test]
fn orphans_are_seen_and_leave_nothing() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join("in"), "x\n").unwrap();
        // A grandchild whose parent is gone, while the command waits for its work.
        let script = format!(
            "cd {}; sh -c '(sleep 0.2; cat in > done) & exit'; while ! test -s done; do sleep 0.05; done; sleep 0.1",
            at.display()
        );
        let ran = Watched::sh(mechanism, &script).run().whole();
        assert!(ran.access(at.join("in")).read && ran.access(at.join("done")).made);
    }
}

#[test]
fn children_of_the_command_survive_when_its_session_is_dropped() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let work = "(echo begun > tmp; mv tmp begun; sleep 0.3; echo done > tmp; mv tmp done)";
        let script = format!("cd {}; {work} & wait; echo late > after", folder.path().display());
        let words = ["sh", "-c", &script].map(OsString::from);
        let environment: Vec<_> = std::env::vars_os().collect();
        let given = [Given::Inherited, Given::Inherited, Given::Inherited];
        let plan = Plan::new(Path::new("/bin/sh"), &words, &environment, given).unwrap();
        let mut witness = Changes::default();
        std::thread::scope(|scope| {
            let session = start_with(&[mechanism], scope, &plan, &mut witness, Surroundings::default());
            assert_eq!(wait_for(&folder.path().join("begun")), "begun\n");
            drop(session.unwrap());
        });
        assert_eq!(wait_for(&folder.path().join("done")), "done\n");
        // It is killed with the thread that started it. A tracer stays until it has ended.
        assert!(mechanism == Mechanism::Trace || !folder.path().join("after").exists());
    }
}

/// Wants the end of the command once something changes.
struct Enough(bool);

impl Witness for Enough {
    fn about_to_look(&mut self, _: &Path, _: Seen<'_>) {}
    fn about_to_list(&mut self, _: &Path) {}
    fn about_to_change(&mut self, path: &Path, _: Fate) {
        self.0 |= path.ends_with("first");
    }
    fn must_end(&self) -> bool {
        self.0
    }
}

#[test]
fn a_witness_ends_the_command_and_nobody_else() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("cd {}; : > before; : > first; sleep 100; : > second", folder.path().display());
        let words = ["sh", "-c", &script].map(OsString::from);
        let environment: Vec<_> = std::env::vars_os().collect();
        let given = [Given::Inherited, Given::Inherited, Given::Inherited];
        let plan = Plan::new(Path::new("/bin/sh"), &words, &environment, given).unwrap();
        let mut witness = Enough(false);
        let status = std::thread::scope(|scope| {
            let started = start_with(&[mechanism], scope, &plan, &mut witness, Surroundings::default());
            let mut session = started.unwrap();
            let (status, _) = session.reap().unwrap();
            session.finish(Duration::from_secs(10));
            ExitStatus::from_raw(status)
        });
        assert_eq!(status.signal(), Some(libc::SIGTERM));
        assert!(folder.path().join("before").exists() && !folder.path().join("second").exists());
    }
}
