//! The same as another user, and under another watch.

use super::*;
use crate::exec::tests::write_executable;
use crate::exec::watch::Surroundings;

/// As in earnest.
const BEST: &[Mechanism] = &[Mechanism::Notify, Mechanism::Trace];

/// This test program, where every user can start it.
fn copy_of_this_program(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let copy = folder.join("tests");
    write_executable(&copy, &fs::read(std::env::current_exe().unwrap()).unwrap());
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

#[test]
fn an_ordinary_user_sees_as_much() {
    if !rustix::process::geteuid().is_root() || !have(&["setpriv"]) {
        // The other tests have run as an ordinary user, then.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = copy_of_this_program(folder.path());
    for group in [
        "tests::accesses::",
        "tests::changes::",
        "tests::outliving::",
        "tests::reaching::",
        "static_programs",
    ] {
        let run = Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all"])
            .arg(&program)
            .args([group, "--test-threads=2"])
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", "/tmp")
            .current_dir("/tmp")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
        assert!(said.contains("test result: ok.") && !said.contains(" 0 passed"), "{said}");
    }
}

#[test]
fn a_program_that_would_gain_rights_runs_unwatched() {
    if !rustix::process::geteuid().is_root() || !have(&["setpriv"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = copy_of_this_program(folder.path());
    let gains = folder.path().join("gains");
    write_executable(&gains, &fs::read("/bin/true").unwrap());
    assert!(Command::new("chmod").arg("u+s").arg(&gains).status().unwrap().success());
    // As root nothing is gained, and the bit means what it means without us.
    for mechanism in MECHANISMS {
        let ran = Watched::new(mechanism, &[gains.to_str().unwrap()]).run().whole();
        assert!(ran.access(&gains).executed);
    }
    let run = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .args(["--ignored", "--exact", "exec::watch::linux::tests::elsewhere::gaining"])
        .env("GAINS", &gains)
        .current_dir("/tmp")
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}

#[test]
#[ignore = "is run by another test as an ordinary user"]
fn gaining() {
    let Some(gains) = std::env::var_os("GAINS") else { return };
    let gains = gains.to_str().unwrap();
    for mechanism in MECHANISMS {
        let ran = Watched::sh(mechanism, gains).run();
        assert_eq!(ran.trace.hazards, [Hazard::Privileged(PathBuf::from(gains))]);
        let words = [OsString::from(gains)];
        let plan =
            Plan::new(Path::new(gains), &words, &[], [Given::Inherited, Given::Inherited, Given::Inherited]);
        let (plan, mut witness) = (plan.unwrap(), Changes::default());
        std::thread::scope(|scope| {
            let started = start_with(&[mechanism], scope, &plan, &mut witness, Surroundings::default());
            assert!(matches!(started, Err(StartError::Unavailable(_))));
        });
    }
}

#[test]
fn a_watch_below_a_watch_sees_what_is_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = copy_of_this_program(folder.path());
    fs::write(folder.path().join("in"), "inner\n").unwrap();
    let inner = "--ignored --exact exec::watch::linux::tests::elsewhere::below";
    let script =
        format!("cd {}; ./{} {inner}", folder.path().display(), program.file_name().unwrap().display());
    let ran = Watched::sh(Mechanism::Notify, &script).run().succeeded();
    assert!(ran.output.contains("test result: ok. 1 passed"), "{}", ran.output);
    assert!(ran.access(folder.path().join("in")).read);
    assert!(ran.access(folder.path().join("below")).made);
}

#[test]
#[ignore = "is run by another test under watch"]
fn below() {
    if !Path::new("in").exists() {
        return;
    }
    let here = std::env::current_dir().unwrap();
    let words = ["sh", "-c", "cat in > below; cat below"];
    let ran = Watched { mechanisms: BEST, ..Watched::new(Mechanism::Notify, &words) }.run().whole();
    assert_eq!(ran.output, "inner\n");
    assert!(ran.access(here.join("in")).read && ran.access(here.join("below")).made);
}
