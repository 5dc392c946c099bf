//! Reading, looking, missing, listing.

use super::*;
use crate::exec::watch::Surroundings;

#[test]
fn a_pipeline_reads_looks_misses_and_makes() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join("in"), "hello\n").unwrap();
        let shown = at.display();
        let script = format!("cd {shown}; cat in | tr a-z A-Z > out; test -e none; ls > /dev/null; cat out");
        let ran = Watched::sh(mechanism, &script).run().whole();
        assert_eq!(ran.output, "HELLO\n");
        assert_eq!(ran.access(at.join("in")), only(|it| it.read = true));
        assert_eq!(ran.access(at.join("none")), only(|it| it.absent = true));
        assert_eq!(
            ran.access(at.join("out")),
            only(|it| {
                it.changed = true;
                it.made = true;
            })
        );
        assert!(ran.access(at).listed);
        assert_eq!(ran.changes, [at.join("out")]);
        for program in ["sh", "cat", "tr", "ls"] {
            let program = which(program).unwrap();
            assert!(ran.access(&program).executed, "{}", program.display());
            assert!(ran.trace.programs.contains(&program));
        }
    }
}

#[test]
fn interpreters_and_loaders_are_read_though_no_call_names_them() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        fs::write(&script, "#! /bin/sh -e\necho $0\n").unwrap();
        Command::new("chmod").arg("+x").arg(&script).status().unwrap();
        let ran = Watched::new(mechanism, &[script.to_str().unwrap()]).run().whole();
        assert!(ran.output.contains("script"));
        assert!(ran.access(&script).executed && ran.access(&script).read);
        assert!(ran.access("/bin/sh").executed);
        let loaders = ran.trace.accesses.iter().filter(|(path, access)| {
            access.executed && path.file_name().unwrap().to_str().unwrap().starts_with("ld-linux")
        });
        assert_eq!(loaders.count(), 1);
        assert_eq!(ran.trace.programs, [script]);
    }
}

#[test]
fn links_are_seen_as_asked() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("real")).unwrap();
        fs::write(at.join("real/file"), "x").unwrap();
        std::os::unix::fs::symlink("real", at.join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at.join("dangling")).unwrap();
        let shown = at.display();
        let script = format!(
            "cd {shown}; cat link/file; readlink link; test -e dangling; stat -c %a link/../real/file; \
             test -L real; test -e real/file/x"
        );
        let ran = Watched::sh(mechanism, &script).run();
        assert_eq!(ran.trace.hazards, []);
        assert_eq!(ran.access(at.join("link/file")), only(|it| it.read = true));
        assert!(ran.access(at.join("link")).looked_at_link);
        let dangling = ran.access(at.join("dangling"));
        assert!(dangling.looked && dangling.looked_at_link && !dangling.absent);
        assert!(ran.access(at.join("real/file")).looked_at_link || ran.access(at.join("real/file")).looked);
        assert!(ran.access(at.join("real")).looked_at_link);
        // What is not a directory has nothing below it: that is not an absence.
        assert!(ran.access(at.join("real/file")).looked);
        assert!(!ran.access(at.join("real/file/x")).absent);
    }
}

#[test]
fn threads_directories_of_descriptors_and_later_directories_are_followed() {
    if !have(&["python3"]) {
        return;
    }
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir_all(at.join("a/b")).unwrap();
        fs::write(at.join("a/b/one"), "1").unwrap();
        fs::write(at.join("a/two"), "2").unwrap();
        fs::write(at.join("three"), "3").unwrap();
        let shown = at.display();
        let script = format!(
            "import os, threading\n\
             os.chdir('{shown}')\n\
             d = os.open('a', os.O_RDONLY)\n\
             t = threading.Thread(target=lambda: open('a/two').read()); t.start(); t.join()\n\
             os.close(os.open('b/one', os.O_RDONLY, dir_fd=d))\n\
             os.chdir('a/b')\n\
             open('../../three').read()\n\
             try: os.stat('../none')\n\
             except FileNotFoundError: pass\n"
        );
        let ran = Watched::new(mechanism, &["python3", "-S", "-c", &script]).run().whole();
        for read in ["a/b/one", "a/two", "three"] {
            assert!(ran.access(at.join(read)).read, "{read}: {:?}", ran.trace.accesses.keys());
        }
        assert!(ran.access(at.join("a/none")).absent);
        let opened = ran.access(at.join("a"));
        assert!(opened.opened && !opened.listed);
    }
}

#[test]
fn what_nobody_observes_is_not_seen() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("store")).unwrap();
        fs::write(at.join("store/x"), "x").unwrap();
        let shown = at.display();
        let script =
            format!("cd {shown}; cat store/x; echo y > store/y; cat /proc/self/stat /dev/null; ls store");
        let mut watched = Watched::sh(mechanism, &script);
        watched.unobserved.push(at.join("store"));
        let ran = watched.run().whole();
        let seen: Vec<_> =
            ran.trace.accesses.keys().filter(|path| path.starts_with(at.join("store"))).collect();
        assert!(seen.is_empty(), "{seen:?}");
        assert!(!ran.trace.accesses.keys().any(|path| path.starts_with("/proc") || path.starts_with("/dev")));
        assert!(ran.changes.is_empty());
    }
}

#[test]
fn the_commands_end_is_its_own() {
    for mechanism in MECHANISMS {
        assert_eq!(Watched::sh(mechanism, "exit 7").run().status.code(), Some(7));
        assert_eq!(Watched::sh(mechanism, "kill -9 $$").run().status.signal(), Some(9));
        assert_eq!(Watched::sh(mechanism, "kill -TERM $$").run().status.signal(), Some(15));
        let ran = Watched::sh(mechanism, "trap 'echo caught' USR1; kill -USR1 $$; echo on").run().whole();
        assert_eq!(ran.output, "caught\non\n");
        // Job control: stopped, and continued by another.
        let script = "sh -c 'kill -STOP $$; echo continued' & sleep 0.2; kill -CONT $!; wait $!";
        assert_eq!(Watched::sh(mechanism, script).run().whole().output, "continued\n");
    }
}

#[test]
fn what_cannot_be_started_is_said() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("none");
        let words = [OsString::from("none")];
        let given = [Given::Inherited, Given::Inherited, Given::Inherited];
        let plan = Plan::new(&program, &words, &[], given).unwrap();
        let mut witness = Changes::default();
        std::thread::scope(|scope| {
            let Err(StartError::Spawn(error)) =
                start_with(&[mechanism], scope, &plan, &mut witness, Surroundings::default())
            else {
                panic!("it was started");
            };
            assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        });
    }
}

#[test]
fn a_program_of_another_architecture_is_a_hazard() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let mut bytes = fs::read("/bin/true").unwrap();
        bytes[18] = 3; // EM_386
        fs::write(&program, bytes).unwrap();
        Command::new("chmod").arg("+x").arg(&program).status().unwrap();
        let ran = Watched::sh(mechanism, &format!("{}; true", program.display())).run();
        assert_eq!(ran.trace.hazards, [Hazard::ForeignProgram(program)]);
    }
}

#[test]
fn calls_that_signals_interrupt_are_seen_once_and_work() {
    if !have(&["python3"]) {
        return;
    }
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let code = format!(
            "import signal, os\n\
             os.chdir('{}')\n\
             signal.signal(signal.SIGALRM, lambda *_: None)\n\
             signal.siginterrupt(signal.SIGALRM, False)\n\
             signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)\n\
             for n in range(400):\n\
             \x20   open('f%d' % n, 'x').close(); os.rename('f%d' % n, 'g%d' % n); os.stat('g%d' % n)\n\
             signal.setitimer(signal.ITIMER_REAL, 0)\n\
             print(len(os.listdir('.')))",
            folder.path().display()
        );
        let ran = Watched::new(mechanism, &["python3", "-S", "-c", &code]).run().whole();
        assert_eq!(ran.output, "400\n");
        assert_eq!(ran.changes.iter().filter(|path| path.starts_with(folder.path())).count(), 800);
    }
}
