//! Relative paths, wherever their process works by then.

use super::*;

/// Runs Python code in a directory `at` that holds `a/f`, `b/f`, `f`.
fn python(mechanism: Mechanism, code: &str) -> (tempfile::TempDir, Ran) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "deep/er"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    for name in ["a/f", "b/f", "f", "deep/f", "x"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let code = format!(
        "import os, threading, time\nos.chdir({:?})\nread = lambda name: open(name).read()\n{code}",
        folder.path()
    );
    let ran = Watched::new(mechanism, &["python3", "-S", "-c", &code]).run().whole();
    (folder, ran)
}

fn read(folder: &tempfile::TempDir, ran: &Ran) -> Vec<String> {
    let below = ran.trace.accesses.iter().filter(|(_, access)| access.read);
    let below = below.filter_map(|(path, _)| path.strip_prefix(folder.path()).ok());
    below.map(|path| path.display().to_string()).collect()
}

#[test]
fn a_process_that_goes_elsewhere() {
    for mechanism in MECHANISMS {
        for (code, expected) in [
            ("read('f'); os.chdir('a'); read('f')", &["a/f", "f"][..]),
            ("os.chdir('a'); read('f'); os.chdir('../b'); read('f')", &["a/f", "b/f"]),
            ("read('f'); d = os.open('a', os.O_PATH); os.fchdir(d); read('f')", &["a/f", "f"]),
            (
                "read('f'); os.fork() or (os.chdir('a'), read('f')); time.sleep(.2); read('x')",
                &["a/f", "f", "x"],
            ),
            (
                "read('f')\nt = threading.Thread(target=lambda: os.chdir('a'))\nt.start()\nt.join()\nread('f')",
                &["a/f", "f"],
            ),
            (
                "os.chdir('a')\nread('f')\nt = threading.Thread(target=lambda: (os.chdir('../b'), time.sleep(.1)))\n\
                 t.start()\ntime.sleep(.05)\nread('f')\nt.join()",
                &["a/f", "b/f"],
            ),
        ] {
            let (folder, ran) = python(mechanism, code);
            assert_eq!(read(&folder, &ran), expected, "{code}");
        }
    }
}

#[test]
fn a_working_directory_that_is_moved() {
    for mechanism in MECHANISMS {
        let code = "os.chdir('a'); read('../f'); os.rename('../a', '../deep/er/a'); read('../../f')";
        let (folder, ran) = python(mechanism, code);
        assert_eq!(read(&folder, &ran), ["deep/f", "f"]);
        // By another process of the run.
        let code = "os.chdir('a'); read('../f'); os.system('mv ../a ../deep/er/a'); read('../../f')";
        let (folder, ran) = python(mechanism, code);
        assert_eq!(read(&folder, &ran), ["deep/f", "f"]);
    }
}

#[test]
fn a_directory_that_others_move() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("a")).unwrap();
        fs::write(at.join("a/f"), "f").unwrap();
        let (ready, moved) = (at.join("ready"), at.join("moved"));
        let code = format!(
            "import os, time\nos.chdir({:?})\nopen('f').read()\nopen({ready:?}, 'w')\n\
             while not os.path.exists({moved:?}): time.sleep(.001)\nopen('f').read()",
            at.join("a")
        );
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ready.exists() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                fs::rename(at.join("a"), at.join("b")).unwrap();
                fs::write(&moved, "").unwrap();
            });
            let ran = Watched::new(mechanism, &["python3", "-S", "-c", &code]).run();
            // Either it is seen under its new name, or it is a hole.
            let is_seen = ran.access(at.join("b/f")).read;
            assert!(is_seen || !ran.trace.hazards.is_empty(), "{:?}", ran.trace.accesses);
        });
    }
}
