//! Declared outputs: recorded exactly, restored exactly, without losing files of the user.

use crate::exec_streams::{MOST_MEMORY, large};
use crate::support::Sandbox;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[test]
fn a_file_is_restored() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo made > out; echo said");
    let call = || sandbox.unwatched(["-o", "out", "./job"]).stdout("said\n").leaves("out", "made\n");
    call().executes(1).run();
    call().executes(0).run();
    sandbox.remove("out");
    call().executes(0).run();
    sandbox.write("out", "damaged\n");
    call().any_stderr().executes(0).run();
}

#[test]
fn a_tree_is_restored_with_modes_links_and_empty_directories() {
    let sandbox = Sandbox::new();
    let body = "mkdir -p out/sub/empty; echo a > out/a; echo b > out/sub/b; chmod 755 out/a; chmod 600 out/sub/b; \
                chmod 750 out/sub; ln -s ../a out/sub/link; ln -s nowhere out/dangling; : > out/nothing; \
                printf 'odd' > \"$(printf 'out/odd \\377\\n')\"";
    sandbox.script("job", body);
    let listing = "cd out && find . -printf '%y %m %l %p\\n' | sort && find . -type f | sort | xargs -d '\\n' -n1 md5sum 2> /dev/null; true";
    let call = || sandbox.unwatched(["-o", "out", "./job"]).may_change("out");
    call().executes(1).run();
    let first = sandbox.shell(listing).any_stdout().run();
    sandbox.remove("out");
    call().executes(0).run();
    sandbox.shell(listing).stdout(&first.stdout).run();
    // One file is missing, one changed, one has another mode.
    sandbox.remove("out/sub/b").mode("out/a", 0o644).write("out/nothing", "x");
    call().any_stderr().executes(0).run();
    sandbox.shell(listing).stdout(&first.stdout).run();
}

#[test]
fn a_glob_takes_what_it_matches() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "mkdir -p d/e; echo 1 > d/one.js; echo 2 > d/e/two.js; echo 3 > d/three.txt");
    let call = || sandbox.unwatched(["-o", "d/**/*.js", "./job"]);
    call().may_change("d").executes(1).run();
    sandbox.remove("d");
    call().leaves("d/one.js", "1\n").leaves("d/e/two.js", "2\n").executes(0).run();
    assert!(!sandbox.path("d/three.txt").exists());
}

#[test]
fn an_output_that_is_missing_means_not_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo out");
    for output in ["missing", "none/*.js"] {
        for _ in 0..2 {
            let run = sandbox.unwatched(["-v", "-o", output, "./job"]).stdout("out\n");
            run.stderr_with(&[output]).executes(1).run();
        }
    }
}

#[test]
fn which_outputs_are_declared_decides() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo 1 > a; echo 2 > b");
    sandbox.unwatched(["-o", "a", "./job"]).may_change("a").may_change("b").executes(1).run();
    sandbox.unwatched(["-o", "b", "./job"]).executes(1).run();
    sandbox.unwatched(["-o", "a", "-o", "b", "./job"]).executes(1).run();
    sandbox.remove("a").remove("b");
    sandbox.unwatched(["-o", "b", "./job"]).leaves("b", "2\n").executes(0).run();
    assert!(!sandbox.path("a").exists());
}

#[test]
fn changed_files_are_set_aside_before_they_are_replaced() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo made > out");
    sandbox.unwatched(["-o", "out", "./job"]).leaves("out", "made\n").executes(1).run();
    sandbox.write("out", "precious\n");
    let run = sandbox.unwatched(["-o", "out", "./job"]).leaves("out", "made\n").executes(0);
    let ran = run.stderr_with(&["out", ".cashet/replaced/"]).run();
    assert_eq!(ran.messages().lines().count(), 1, "{}", ran.messages());
    let found = sandbox.shell("find .cashet/replaced -type f -exec cat {} +").stdout("precious\n").run();
    assert!(found.status.success());
}

#[test]
fn quiet_prints_only_errors() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(100_000);
    sandbox.script("job", "echo made > out");
    let call = || sandbox.unwatched(["-q", "-o", "out", "./job", &long]).leaves("out", "made\n");
    call().executes(1).run();
    sandbox.write("out", "precious\n");
    // The report contains the files that were set aside.
    let report = sandbox.base().join("tmp/report");
    call().env("CASHET_REPORT", &report).executes(0).run();
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains(".cashet/replaced/"), "{report}");
    sandbox.exec(["-q", &long]).status(127).stderr_with(&["command not found"]).run();
}

#[test]
fn files_that_are_right_already_stay() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "mkdir -p out; echo 1 > out/a; echo 2 > out/b");
    let call = || sandbox.unwatched(["-o", "out", "./job"]).may_change("out");
    call().executes(1).run();
    let inode = |name: &str| fs::metadata(sandbox.path(name)).unwrap().ino();
    let (a, b) = (inode("out/a"), inode("out/b"));
    sandbox.remove("out/b");
    call().executes(0).run();
    assert_eq!(inode("out/a"), a);
    assert!(inode("out/b") != 0 && b != 0);
}

#[test]
fn a_restored_output_is_newer_than_its_input_for_make() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat in > out").write("in", "1\n");
    sandbox.write("Makefile", "out: in\n\t@cashet exec --trace off -i in -o out ./job\n");
    sandbox.shell("make").leaves("out", "1\n").executes(1).run();
    sandbox.shell("sleep 0.02; touch in").run();
    sandbox.shell("make").may_change("out").executes(0).run();
    let up_to_date = sandbox.shell("make").any_stdout().executes(0).run();
    assert!(up_to_date.text().contains("up to date"), "{}", up_to_date.text());
}

#[test]
fn nothing_is_written_through_a_linked_parent() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "mkdir -p out; echo made > out/file");
    sandbox.unwatched(["-o", "out/file", "./job"]).leaves("out/file", "made\n").executes(1).run();
    sandbox.remove("out");
    fs::create_dir(sandbox.base().join("tmp/elsewhere")).unwrap();
    sandbox.symlink(sandbox.base().join("tmp/elsewhere"), "out");
    let run = sandbox.unwatched(["-o", "out/file", "./job"]).any_stderr().any_status();
    run.run();
    let through = sandbox.base().join("tmp/elsewhere/file");
    // A hit must not write there; the command itself may, if it ran again.
    assert!(!through.exists() || sandbox.executions() == 2);
}

#[test]
fn special_files_are_not_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "mkdir -p out; rm -f out/pipe; mkfifo out/pipe; echo x > out/file");
    for _ in 0..2 {
        sandbox.unwatched(["-o", "out", "./job"]).may_change("out").executes(1).run();
    }
}

#[test]
fn set_id_bits_are_dropped() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo x > out; chmod 6755 out");
    sandbox.unwatched(["-o", "out", "./job"]).may_change("out").executes(1).run();
    sandbox.remove("out");
    sandbox.unwatched(["-o", "out", "./job"]).may_change("out").executes(0).run();
    assert_eq!(fs::metadata(sandbox.path("out")).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn clean_outputs_are_moved_aside_and_back() {
    let sandbox = Sandbox::new();
    sandbox
        .script("job", "mkdir -p out; ls out; echo new > out/new; exit \"$(cat status)\"")
        .write("status", "1");
    sandbox.write("out/old", "old\n");
    let call = || sandbox.unwatched(["--clean-outputs", "-i", "status", "-o", "out", "./job"]);
    // The run fails: the former output is restored.
    call().status(1).any_stderr().may_change("out/new").executes(1).run();
    assert_eq!(sandbox.read("out/old"), b"old\n");
    sandbox.write("status", "0");
    call().any_stderr().may_change("out").executes(1).run();
    assert!(!sandbox.path("out/old").exists());
    call().any_stderr().executes(0).run();
}

#[test]
fn what_nothing_replaced_comes_back_from_aside() {
    let sandbox = Sandbox::new();
    // Not made; made together with a write that prevents caching; some of several made; all made.
    for (outputs, line, kept) in [
        (&["model.bin"][..], "echo x > other", false),
        (&["model.bin", "d"], "echo new > model.bin", false),
        (&["model.bin"], "echo new > model.bin; rm -f p; mkfifo p", false),
        (&["d/*.js"], "mkdir -p d; echo new > d/a.js", true),
        (&["model.bin"], "echo new > model.bin", true),
    ] {
        for store in [None, Some("/dev/shm")] {
            let elsewhere = store.map(|place| tempfile::tempdir_in(place).unwrap());
            sandbox.shell("rm -rf d model.bin other").may_change(".").run();
            sandbox.write("model.bin", "old\n").write("d/a.js", "old\n").write("d/b.js", "old\n");
            let mut words: Vec<&str> = vec!["-v", "--clean-outputs"];
            words.extend(outputs.iter().flat_map(|output| ["-o", *output]));
            words.extend(["sh", "-c", line]);
            let mut call = sandbox.exec(words).may_change(".").any_stderr();
            if let Some(elsewhere) = &elsewhere {
                call = call.env("CASHET_DIR", elsewhere.path().join("store"));
            }
            let told = call.run().messages();
            assert_eq!(told.contains("not cached"), !kept, "{line}: {told}");
            let made = |path: &str| line.contains(&format!("> {path}"));
            for path in ["model.bin", "d/a.js", "d/b.js"] {
                let expected = if made(path) { "new\n" } else { "old\n" };
                assert_eq!(String::from_utf8(sandbox.read(path)).unwrap(), expected, "{line}: {path}");
            }
            let directory =
                elsewhere.as_ref().map_or(sandbox.path(".cashet"), |place| place.path().join("store"));
            assert!(!directory.join("unfinished").exists());
            let left = fs::read_dir(directory.join("replaced")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{line}");
        }
    }
}

#[test]
fn files_set_aside_by_a_killed_run_return_with_the_next_call() {
    let sandbox = Sandbox::new();
    for next in [&["log"][..], &["exec", "true"], &["stats"]] {
        for made in [false, true] {
            sandbox.write("out", "old\n");
            let line = if made { "echo new > out; echo begun; sleep 60" } else { "echo begun; sleep 60" };
            let words = ["--clean-outputs", "-o", "out", "sh", "-c", line];
            let mut running = sandbox.exec(words).may_change(".").signal(9).any_stdout().any_stderr().spawn();
            running.wait_for_stdout("begun");
            running.send(Signal::SIGKILL);
            running.wait();
            assert_eq!(sandbox.path("out").exists(), made);
            let told = sandbox.cashet(next).may_change(".").any_stdout().any_stderr().run().messages();
            if made {
                assert_eq!(sandbox.read("out"), b"new\n");
                let copy = told.split("saved as ").nth(1).and_then(|rest| rest.split(": ").next()).unwrap();
                assert_eq!(fs::read(copy).unwrap(), b"old\n", "{told}");
            } else {
                assert_eq!(sandbox.read("out"), b"old\n");
                assert!(told.contains("out is back"), "{told}");
            }
            let again = sandbox.cashet(next).may_change(".").any_stdout().any_stderr().run().messages();
            assert!(!again.contains("out is back") && !again.contains("saved as"), "{again}");
            sandbox.shell("rm -rf .cashet out").may_change(".").run();
        }
    }
}

#[test]
fn the_project_itself_is_not_moved_aside() {
    let sandbox = Sandbox::new();
    sandbox.directory("sub").write("file", "mine\n");
    for (directory, output, what) in
        [(".", ".", "the project"), ("sub", ".", "the working directory"), ("sub", "..", "the project")]
    {
        let words = ["--clean-outputs", "-o", output, "true"];
        let run = sandbox.exec(words).directory(directory).may_change(".");
        run.refused(125, &["--clean-outputs cannot move", what]).run();
        assert_eq!(sandbox.read("file"), b"mine\n");
    }
}

#[test]
fn an_untouched_file_of_a_declared_directory_means_not_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "mkdir -p out; echo new > out/new").write("out/old", "old\n");
    for _ in 0..2 {
        let run = sandbox.unwatched(["-v", "-o", "out", "./job"]).may_change("out/new");
        run.stderr_with(&["out/old"]).executes(1).run();
    }
}

#[test]
fn an_input_that_moves_while_the_command_runs_is_named_and_nothing_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat in; echo more >> in").write("in", "1\n");
    let run = sandbox.unwatched(["-v", "-i", "in", "./job"]).stdout("1\n").leaves("in", "1\nmore\n");
    run.stderr_with(&["in"]).executes(1).run();
    sandbox.write("in", "1\n");
    sandbox.unwatched(["-i", "in", "./job"]).stdout("1\n").may_change("in").executes(1).run();
    sandbox.script("adds", "echo x > data/new.csv").write("data/a.csv", "a");
    let run = sandbox.unwatched(["-v", "-i", "data/*.csv", "./adds"]).may_change("data");
    run.stderr_with(&["data/"]).executes(1).run();
    sandbox.remove("data/new.csv");
    sandbox.unwatched(["-i", "data/*.csv", "./adds"]).may_change("data").executes(1).run();
}

#[test]
fn a_damaged_blob_turns_the_hit_into_a_run_that_heals() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "seq 200000 > out; echo said");
    let call = || sandbox.unwatched(["-o", "out", "./job"]).stdout("said\n").may_change("out");
    call().executes(1).run();
    let whole = sandbox.read("out");
    let truncate = "find .cashet/objects -type f -size +1k -exec sh -c 'chmod u+w \"$1\"; echo garbage > \"$1\"' _ {} \\;";
    sandbox.shell(truncate).run();
    sandbox.remove("out");
    call().any_stderr().executes(1).run();
    assert_eq!(sandbox.read("out"), whole);
    sandbox.remove("out");
    call().any_stderr().executes(0).run();
    assert_eq!(sandbox.read("out"), whole);
}

#[test]
fn a_large_output_is_exact_in_flat_memory() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("yes 'one line of the large file' | head -c {} > out", large()));
    for executions in [1, 0] {
        let ran = sandbox.unwatched(["-o", "out", "./job"]).may_change("out").executes(executions).run();
        assert!(ran.peak <= MOST_MEMORY, "{} MiB", ran.peak >> 20);
        let expected =
            sandbox.shell(format!("yes 'one line of the large file' | head -c {} | cmp - out", large()));
        expected.run();
        sandbox.remove("out");
    }
}
