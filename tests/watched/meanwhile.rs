//! Files that another process changes while a command runs, or between its calls.

use super::traps::project;
use crate::twin::Outcome;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// Calls a command that runs `line`, signals that, and waits. Meanwhile the test, which is not watched, does `work` in
/// the root. Returns the report of the call.
fn meanwhile(line: &str, work: impl Fn(&std::path::Path)) -> serde_json::Value {
    meanwhile_after(|_| (), line, work)
}

/// As that, with what `prepare` does before.
fn meanwhile_after(
    prepare: impl Fn(&std::path::Path),
    line: &str,
    work: impl Fn(&std::path::Path),
) -> serde_json::Value {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let twin = project();
    let [root, _] = twin.roots();
    prepare(&root);
    // The check for a process uses no path, so only `line` is observed.
    let mut lasting = Command::new("sleep").arg("600").spawn().unwrap();
    let wait = format!("{line}; echo done; while kill -0 {} 2>/dev/null; do sleep 0.01; done", lasting.id());
    let report = root.join("../report");
    let mut call = Command::new(crate::twin::CASHET);
    call.args(["exec", "--report"]).arg(&report).args(["--", "sh", "-c", &wait]);
    let mut running = call.current_dir(&root).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap() == "done"));
    work(&root);
    lasting.kill().unwrap();
    lasting.wait().unwrap();
    assert!(running.wait().unwrap().success());
    serde_json::from_slice(&fs::read(report).unwrap()).unwrap()
}

#[test]
fn a_file_that_others_replace_meanwhile_is_not_kept() {
    let replace = |root: &std::path::Path| {
        fs::write(root.join("beside"), "new\n").unwrap();
        fs::rename(root.join("beside"), root.join("f")).unwrap();
    };
    let remove = |root: &std::path::Path| fs::remove_file(root.join("f")).unwrap();
    let make = |root: &std::path::Path| fs::write(root.join("none"), "").unwrap();
    let add = |root: &std::path::Path| fs::write(root.join("d/new"), "").unwrap();
    let moved = |line: &str, work: &dyn Fn(&std::path::Path), path: &str| {
        let told = meanwhile(line, work);
        assert_eq!(told["not_kept"]["reason"], "input-moved", "{line}: {told}");
        let detail = told["not_kept"]["detail"].as_str().unwrap();
        assert!(detail.ends_with(&format!("/project/{path} changed while it ran")), "{line}: {told}");
    };
    for line in ["cat f", "[ -e f ]", "stat -c %a f", "[ -L f ]; true", "read x < f"] {
        moved(line, &replace, "f");
        moved(line, &remove, "f");
    }
    moved("[ -e none ] || true", &make, "none");
    moved("ls /etc/passwd d", &add, "d");
    // A path that was not looked at may appear and disappear without preventing the caching of the run.
    for line in ["cat g", "[ -e g ]"] {
        for work in [&replace as &dyn Fn(&std::path::Path), &remove, &make, &|_| {}] {
            let told = meanwhile(line, work);
            assert_eq!((&told["outcome"], &told["kept"]), (&"miss".into(), &true.into()), "{line}: {told}");
        }
    }
}

/// A run compiles a module that another run compiles too. The file of the other one can get the inode number of the stale bytecode,
/// which both replace.
#[test]
fn bytecode_with_the_inode_number_of_the_stale_file_is_the_importers() {
    let import = "env -u PYTHONDONTWRITEBYTECODE python3 -c 'import m'";
    let bytecode = |root: &std::path::Path| {
        let mut files = fs::read_dir(root.join("__pycache__")).unwrap();
        files.next().unwrap().unwrap().path()
    };
    let number = |path: &std::path::Path| fs::metadata(path).unwrap().ino();
    let prepare = |root: &std::path::Path| {
        fs::write(root.join("m.py"), "x = 1\n").unwrap();
        assert!(Command::new("sh").args(["-c", import]).current_dir(root).status().unwrap().success());
        // Its inode outlives the file.
        fs::hard_link(bytecode(root), root.join("../stale")).unwrap();
        fs::write(root.join("m.py"), "x = 1234\n").unwrap();
    };
    let replace = |root: &std::path::Path| {
        let (compiled, stale) = (bytecode(root), root.join("../stale"));
        assert_ne!(number(&compiled), number(&stale));
        fs::write(&stale, fs::read(&compiled).unwrap()).unwrap();
        fs::rename(&stale, &compiled).unwrap();
    };
    let told = meanwhile_after(prepare, import, replace);
    assert_eq!((&told["kept"], &told["outputs"]), (&true.into(), &0.into()), "{told}");
}

#[test]
fn what_never_settles_is_said() {
    let twin = project();
    twin.write("log", "x\n");
    let call = twin.sh("read n < log; echo x$n > log");
    let mut told = Vec::new();
    for _ in 0..4 {
        assert_eq!(call.runs(), Outcome::Kept);
        told.push(call.told().to_string().contains("never settles: log"));
    }
    assert_eq!(told, [false, false, true, true]);
    // A file that another process writes between the calls never settles either; the advice differs.
    let call = twin.call(["cat", "f"]);
    let mut told = Vec::new();
    for text in ["1", "2", "3", "4"] {
        twin.write("f", text);
        call.runs();
        let said = call.told().to_string();
        told.push(said.contains("never settles: f differs every time (if that does not matter: --pure"));
    }
    assert_eq!(told, [false, false, true, true]);
    // Two alternating paths do not count as this case, nor does a path that stops changing.
    let call = twin.call(["cat", "f", "g"]);
    for path in ["f", "g", "f", "g"] {
        let text = format!("{path} {:?}", std::time::Instant::now());
        twin.write(path, text);
        call.runs();
        assert!(!call.told().to_string().contains("never settles"));
    }
    call.hits();
}

/// Times of the moment at which the run began, or later, prove nothing: what was there at the first look is compared.
#[test]
fn files_as_young_as_the_run_are_compared_by_content() {
    let young = |root: &std::path::Path| {
        std::os::unix::fs::symlink("f", root.join("l")).unwrap();
        for name in ["f", "d/x", "l"] {
            let touch = Command::new("touch").args(["-h", "-d", "+2 hours", name]).current_dir(root).status();
            assert!(touch.unwrap().success());
        }
    };
    let replace = |name: &'static str| {
        move |root: &std::path::Path| {
            fs::write(root.join("beside"), "new\n").unwrap();
            fs::rename(root.join("beside"), root.join(name)).unwrap();
        }
    };
    let others = |root: &std::path::Path| fs::write(root.join("g"), "").unwrap();
    for (line, name) in [
        ("cat f", "f"),
        ("[ -L f ] || true", "f"),
        ("ls d > /dev/null; cp -r d copy", "d/x"),
        ("[ -L l ]", "l"),
        ("readlink l", "l"),
        ("cp -P l copy", "l"),
    ] {
        let told = meanwhile_after(young, line, others);
        assert_eq!((&told["outcome"], &told["kept"]), (&"miss".into(), &true.into()), "{line}: {told}");
        let told = meanwhile_after(young, line, replace(name));
        assert_eq!(told["not_kept"]["reason"], "input-moved", "{line}: {told}");
    }
}
