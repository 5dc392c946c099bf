//! Making, changing, moving, removing.

use super::*;
use crate::exec::watch::Surroundings;

/// Runs `script` in a new directory with a file `old` in it.
fn changed(mechanism: Mechanism, script: &str) -> (tempfile::TempDir, Ran) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("old"), "old\n").unwrap();
    let script = format!("cd {}; {script}", folder.path().display());
    let ran = Watched::sh(mechanism, &script).run().whole();
    (folder, ran)
}

const MADE: fn(&mut Access) = |it| {
    it.changed = true;
    it.made = true;
};
const MADE_ANEW: fn(&mut Access) = |it| {
    MADE(it);
    it.kept_on_change = true;
};
const KEPT: fn(&mut Access) = |it| {
    it.changed = true;
    it.kept_on_change = true;
};

#[test]
fn each_way_to_change_is_told_apart() {
    for mechanism in MECHANISMS {
        let cases: &[(&str, &str, Access)] = &[
            ("echo x > old", "old", only(MADE)),
            ("echo x >> old", "old", only(KEPT)),
            ("echo x > new", "new", only(MADE)),
            ("chmod 755 old; echo x > old", "old", only(KEPT)),
            ("umask 077; echo x > old", "old", only(MADE_ANEW)),
            ("set -C; echo x > new", "new", only(MADE_ANEW)),
            ("echo x >> new", "new", only(MADE_ANEW)),
            ("mkdir new", "new", only(MADE_ANEW)),
            ("ln -s old new", "new", only(MADE_ANEW)),
            (
                "rm old",
                "old",
                only(|it| {
                    KEPT(it);
                    it.given_up = true;
                    it.looked_at_link = true;
                }),
            ),
            (
                "chmod 600 old",
                "old",
                only(|it| {
                    KEPT(it);
                    it.looked = true;
                }),
            ),
            (
                "cat old; echo x > old",
                "old",
                only(|it| {
                    MADE(it);
                    it.read = true;
                    it.read_then_changed = true;
                }),
            ),
            ("echo x > old; cat old", "old", only(MADE)),
            (
                "echo x > new; cat new; rm new; test -e new || true",
                "new",
                only(|it| {
                    MADE_ANEW(it);
                    it.given_up = true;
                }),
            ),
            ("truncate -s 2 old", "old", only(KEPT)),
        ];
        for (script, name, expected) in cases {
            let (folder, ran) = changed(mechanism, script);
            let path = folder.path().join(name);
            let mut seen = ran.access(&path);
            // How a tool looks before it acts is its own affair.
            if !expected.looked && !expected.looked_at_link {
                (seen.looked, seen.looked_at_link, seen.absent) = (false, false, false);
            } else {
                (seen.looked, seen.looked_at_link) = (expected.looked, expected.looked_at_link);
            }
            assert_eq!(seen, *expected, "{script} ({mechanism:?})");
            assert_eq!(ran.changes.iter().filter(|changed| **changed == path).count(), 1, "{script}");
        }
    }
}

#[test]
fn moves_and_links_change_both_names() {
    for mechanism in MECHANISMS {
        let (folder, ran) = changed(mechanism, "mv old new; cat new");
        assert_eq!(ran.changes, [folder.path().join("old"), folder.path().join("new")]);
        assert!(ran.access(folder.path().join("new")).made);
        assert!(!ran.access(folder.path().join("new")).read);
        let (folder, ran) = changed(mechanism, "ln old new");
        assert!(ran.access(folder.path().join("old")).kept_on_change);
        assert!(ran.access(folder.path().join("new")).made);
        let (folder, ran) = changed(mechanism, "mkdir d; mv d e; echo > e/f; cat e/f; ls e");
        assert_eq!(ran.access(folder.path().join("e")), only(MADE_ANEW));
        assert_eq!(ran.access(folder.path().join("e/f")), only(MADE));
    }
}

#[test]
fn what_fails_is_a_look() {
    for mechanism in MECHANISMS {
        let script = "mkdir old; rm none; mv none other; ln old old; set -C; (echo > old); true";
        let (folder, ran) = changed(mechanism, script);
        let old = ran.access(folder.path().join("old"));
        assert!(old.looked_at_link && !old.made, "{old:?}");
        assert!(ran.access(folder.path().join("none")).absent);
        assert!(ran.changes.iter().all(|path| *path != folder.path().join("none")));
        let (folder, ran) = changed(mechanism, "echo > none/file || true");
        // Had the directory been there, the file could have been made.
        assert!(ran.access(folder.path().join("none")).absent);
        assert!(ran.changes.is_empty());
    }
}

#[test]
fn changes_are_told_by_their_real_names() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("real")).unwrap();
        fs::write(at.join("real/file"), "x").unwrap();
        std::os::unix::fs::symlink("real", at.join("link")).unwrap();
        std::os::unix::fs::symlink("real/file", at.join("direct")).unwrap();
        let shown = at.display();
        let script = format!("cd {shown}; echo > link/new; echo >> direct; cat link/new real/new");
        let ran = Watched::sh(mechanism, &script).run().whole();
        assert_eq!(ran.changes, [at.join("real/new"), at.join("real/file")]);
        assert!(ran.access(at.join("link")).looked_at_link && ran.access(at.join("direct")).looked_at_link);
        assert!(!ran.access(at.join("link/new")).read && !ran.access(at.join("real/new")).read);
    }
}

#[test]
fn what_is_done_before_the_first_change_is_told_apart() {
    use FirstChange::{Altered, Appended, Created, Emptied, InPlace, Put, Removed};
    use Prior::{Consulted, Looked, Nothing};
    for mechanism in MECHANISMS {
        let cases: &[(&str, &str, (Prior, FirstChange))] = &[
            ("echo x > old", "old", (Nothing, Emptied)),
            ("test -e old; echo x > old", "old", (Looked, Emptied)),
            ("cat old; echo x > old", "old", (Consulted, Emptied)),
            ("test -e old; cat old; echo x > old", "old", (Consulted, Emptied)),
            ("echo x > old; cat old", "old", (Nothing, Emptied)),
            ("test -e new; echo x > new", "new", (Looked, Emptied)),
            ("cat new; echo x > new", "new", (Consulted, Emptied)),
            ("test -e new; cat new; echo x > new", "new", (Consulted, Emptied)),
            ("test -r old; echo x > old", "old", (Consulted, Emptied)),
            ("test -e old; rm -f old; echo x > old", "old", (Nothing, Removed)),
            ("rm -f new; echo x > new", "new", (Nothing, Removed)),
            ("cat old; rm -f old; echo x > old", "old", (Consulted, Removed)),
            ("echo x >> old", "old", (Nothing, Appended)),
            ("echo x >> new", "new", (Nothing, Appended)),
            ("set -C; echo x > new", "new", (Nothing, Created)),
            ("mkdir new", "new", (Nothing, Created)),
            ("mv old new", "old", (Consulted, Removed)),
            ("echo x > new; mv new old", "old", (Looked, Put)),
            ("ln old new", "old", (Consulted, Altered)),
            ("touch old", "old", (Nothing, InPlace)),
            ("sort -o old old", "old", (Consulted, Emptied)),
            ("sort -o new old", "new", (Nothing, Emptied)),
            ("dd if=/dev/null of=old conv=notrunc", "old", (Nothing, InPlace)),
        ];
        for (script, name, expected) in cases {
            let (folder, ran) = changed(mechanism, &format!("{{ {script}; }} 2> /dev/null || true"));
            let (prior, first) = ran.before_change(folder.path().join(name));
            // Tools look more or less often before they write; what counts is whether they used what was there.
            let used = |prior: Prior| prior == Consulted;
            let told = (used(prior), first);
            assert_eq!(told, (used(expected.0), expected.1), "{mechanism:?}: {script}: {prior:?}");
            if expected.0 == Looked {
                assert_eq!(prior, Looked, "{mechanism:?}: {script}");
            }
        }
    }
}

#[test]
fn through_a_link_of_its_own_the_run_reads_what_is_not_its_own() {
    for mechanism in MECHANISMS {
        let (folder, ran) =
            changed(mechanism, "mkdir d; ln -s .. d/up; ln -s ../old d/file; cat d/up/old d/file");
        assert_eq!(ran.output, "old\nold\n");
        assert!(ran.access(folder.path().join("old")).read, "{:?}", ran.trace.accesses);
    }
}

#[test]
fn a_link_may_come_where_nothing_was() {
    for mechanism in MECHANISMS {
        let script = "test -e l || ln -s old l; cat l; test -e d/old || ln -s . d; cat d/old; test -f d/old";
        let (folder, ran) = changed(mechanism, script);
        assert!(ran.access(folder.path().join("old")).read && ran.access(folder.path().join("old")).looked);
        assert!(ran.access(folder.path().join("l")).made && ran.access(folder.path().join("d/old")).absent);
    }
}

#[test]
fn a_file_open_for_both_is_read_and_changed() {
    if !have(&["python3"]) {
        return;
    }
    for mechanism in MECHANISMS {
        let (folder, ran) = changed(mechanism, "python3 -S -c \"open('old', 'r+').read()\"");
        let seen = ran.access(folder.path().join("old"));
        assert!(seen.read && seen.kept_on_change && seen.read_then_changed && !seen.made, "{seen:?}");
        let script =
            "python3 -S -c \"import os; f = os.open('old', os.O_RDONLY); os.fchmod(f, 0o600); os.utime(f)\"";
        let (folder, ran) = changed(mechanism, script);
        assert_eq!(ran.changes, [folder.path().join("old")]);
    }
}

#[test]
fn the_witness_is_told_before_it_happens() {
    struct Before(Vec<(PathBuf, Option<Vec<u8>>)>);
    impl Witness for Before {
        fn about_to_look(&mut self, _: &Path, _: Seen<'_>) {}
        fn about_to_list(&mut self, _: &Path) {}
        fn about_to_change(&mut self, path: &Path, _: Fate) {
            self.0.push((path.to_owned(), fs::read(path).ok()));
        }
    }
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "d"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let script = format!("cd {}; echo > a; echo >> b; rm c; mv d e", folder.path().display());
        let words: Vec<OsString> = ["sh", "-c", &script].iter().map(OsString::from).collect();
        let given = [Given::Inherited, Given::Inherited, Given::Inherited];
        let environment: Vec<_> = std::env::vars_os().collect();
        let plan = Plan::new(Path::new("/bin/sh"), &words, &environment, given).unwrap();
        let mut witness = Before(Vec::new());
        std::thread::scope(|scope| {
            let mut session =
                start_with(&[mechanism], scope, &plan, &mut witness, Surroundings::default()).unwrap();
            session.reap().unwrap();
            session.finish(Duration::from_secs(5));
        });
        let expected = ["a", "b", "c", "d", "e"].map(|name| {
            let content = (name != "e").then(|| name.as_bytes().to_vec());
            (folder.path().join(name), content)
        });
        assert_eq!(witness.0, expected);
    }
}
