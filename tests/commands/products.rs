//! `get`: byte for byte, to a page, a file, a directory.

use super::support::{HOUR, Run, Sandbox, recorded};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn every_kind_of_product_byte_for_byte() {
    let sandbox = Sandbox::new();
    let everything: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut run = Run::new("make", HOUR).writing("bin/tool", &everything, 0o755).writing("empty", b"", 0o644);
    (run.stdout, run.stderr) = (everything.clone(), b"\x1b[31mred\xff".to_vec());
    sandbox.record(&run);
    for (words, expected) in [
        (&["get", "@"][..], &everything),
        (&["get", "@", "--stderr"], &run.stderr),
        (&["get", "@:bin/tool"], &everything),
        (&["get", "@:./bin/tool"], &everything),
        (&["get", "@:empty"], &Vec::new()),
    ] {
        let file = sandbox.path("got");
        let mut call = words.to_vec();
        call.extend(["-o", file.to_str().unwrap()]);
        assert_eq!(sandbox.run(&call).ok(), "");
        assert!(fs::read(&file).unwrap() == *expected, "{words:?}");
        fs::remove_file(&file).unwrap();
    }
    let text = sandbox.run(&["get", "@", "--stderr"]).ok();
    assert_eq!(text, String::from_utf8_lossy(&run.stderr));
}

#[test]
fn a_file_gets_its_recorded_mode_and_is_never_partial() {
    let sandbox = Sandbox::new();
    sandbox.record(&Run::new("make", HOUR).writing("tool", b"#!", 0o755));
    let file = sandbox.path("tool");
    fs::write(&file, "older").unwrap();
    sandbox.run(&["get", "@:tool", "-o", file.to_str().unwrap()]).ok();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o755);
    // Printed output has no mode: the file keeps its mode.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.run(&["get", "@", "-o", file.to_str().unwrap()]).ok();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&file).unwrap(), "result of make\n");
    // Through a link, as a shell's redirection would.
    let link = sandbox.path("link");
    std::os::unix::fs::symlink("tool", &link).unwrap();
    sandbox.run(&["get", "@:tool", "-o", link.to_str().unwrap()]).ok();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"#!");
    let names: Vec<_> =
        fs::read_dir(sandbox.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn what_is_not_an_output_is_refused() {
    let (sandbox, ids) = recorded();
    let short = ids[5].short();
    for (revision, message) in [
        ("@:nothing", format!("{short} has no output 'nothing'")),
        ("@:out", format!("{short} made files in the directory 'out'")),
        ("@:../etc", format!("{short} has no output '../etc'")),
        ("@:", "'@:' names no output after the colon".to_owned()),
    ] {
        assert_eq!(sandbox.run(&["get", revision]).refused(), message);
    }
    for words in [
        &["get", "@", "--outputs"][..],
        &["get", "@:x", "--outputs", "-o", "d"],
        &["get", "@:x", "--stderr"],
        &["get", "@", "--force"],
    ] {
        assert_eq!(sandbox.run(words).ended.unwrap_err().command_status(), 2, "{words:?}");
    }
}

#[test]
fn all_outputs_into_a_directory_that_has_other_things() {
    let (sandbox, _) = recorded();
    let target = sandbox.path("results");
    fs::create_dir_all(target.join("out")).unwrap();
    fs::write(target.join("out/notes.md"), "mine").unwrap();
    let call = ["get", "@", "--outputs", "-o", target.to_str().unwrap()];
    sandbox.run(&call).ok();
    assert_eq!(fs::read(target.join("out/report.md")).unwrap(), b"# Report\n");
    assert_eq!(fs::read(target.join("out/notes.md")).unwrap(), b"mine");
    fs::write(target.join("out/report.md"), "edited").unwrap();
    assert_eq!(sandbox.run(&call).ended.unwrap_err().command_status(), 2);
    assert_eq!(fs::read(target.join("out/report.md")).unwrap(), b"edited");
    sandbox.run(&["get", "@", "--outputs", "--force", "-o", target.to_str().unwrap()]).ok();
    assert_eq!(fs::read(target.join("out/report.md")).unwrap(), b"# Report\n");
}
