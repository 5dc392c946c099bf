//! `cashet.toml` and the variables: flags win over variables, variables over the file.

use crate::support::{Run, Sandbox};

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat in 2> /dev/null; echo \"${LR-unset}\"").script("other", "echo other");
    sandbox.write("in", "1\n");
    sandbox
}

#[test]
fn a_block_declares_for_the_commands_that_it_matches() {
    let sandbox = project();
    sandbox.write("cashet.toml", "[[command]]\nmatch = \"job\"\ninput = [\"in\"]\nenv = [\"LR\"]\n");
    let call = || sandbox.unwatched(["./job"]);
    call().stdout("1\nunset\n").executes(1).run();
    call().stdout("1\nunset\n").executes(0).run();
    call().env("LR", "2").stdout("1\n2\n").executes(1).run();
    sandbox.write("in", "3\n");
    call().stdout("3\nunset\n").executes(1).run();
    for _ in 0..2 {
        sandbox.unwatched(["./other"]).stdout("other\n").executes(1).run();
    }
}

#[test]
fn the_first_matching_block_wins_and_defaults_hold_for_all() {
    let sandbox = project();
    let text = "[exec]\npure = true\n[[command]]\nmatch = \"./job a\"\nenv = \"LR\"\n[[command]]\nmatch = \"job\"\nmode = \"off\"\n";
    sandbox.write("cashet.toml", text);
    let call = |word: &str| sandbox.unwatched(["./job", word]);
    call("a").stdout("1\nunset\n").executes(1).run();
    call("a").stdout("1\nunset\n").executes(0).run();
    call("a").env("LR", "2").stdout("1\n2\n").executes(1).run();
    for _ in 0..2 {
        call("b").stdout("1\nunset\n").executes(1).run();
    }
    sandbox.unwatched(["./other"]).stdout("other\n").executes(1).run();
    sandbox.unwatched(["./other"]).stdout("other\n").executes(0).run();
}

#[test]
fn patterns_of_the_file_are_relative_to_the_root() {
    let sandbox = project();
    sandbox.write("cashet.toml", "[exec]\ninput = \"in\"\n").directory("sub").symlink("../job", "sub/job");
    let call = || sandbox.unwatched(["../job"]).directory("sub");
    call().stdout("unset\n").executes(1).run();
    call().stdout("unset\n").executes(0).run();
    sandbox.write("in", "2\n");
    call().stdout("unset\n").executes(1).run();
}

#[test]
fn the_name_of_the_root_is_not_a_part_of_a_pattern() {
    for name in ["app [old]", "v?", "*", "a\\", "{a,b}", "["] {
        let sandbox = Sandbox::new();
        // Directories that the name would match as a pattern.
        sandbox.write("v1/in", "other\n").write("app o/in", "other\n").write("a/in", "other\n");
        sandbox
            .directory(format!("{name}/.git"))
            .write(format!("{name}/in"), "1\n")
            .directory(format!("{name}/[sub]"));
        let settings = "[exec]\ninput = \"i?\"\noutput = \"out*\"\nignore-write = \"log*\"\n";
        sandbox.write(format!("{name}/cashet.toml"), settings);
        sandbox.script("job", "cat \"$1\"in; cat \"$1\"in > \"$1\"out.txt; echo x >> \"$1\"log");
        let outputs = [format!("{name}/out.txt"), format!("{name}/log")];
        for (directory, job, word) in
            [(name.to_owned(), "../job", ""), (format!("{name}/[sub]"), "../../job", "../")]
        {
            let call = |text: &str, runs| {
                let run = sandbox.unwatched([job, word]).directory(&directory).stdout(text).executes(runs);
                outputs.iter().fold(run, Run::may_change).run();
            };
            call("1\n", 1);
            sandbox.remove(&outputs[0]);
            call("1\n", 0);
            assert_eq!(sandbox.read(&outputs[0]), b"1\n", "{name}");
            sandbox.write("v1/in", "another\n").write("app o/in", "another\n").write("a/in", "another\n");
            call("1\n", 0);
            sandbox.write(format!("{name}/in"), "2\n");
            call("2\n", 1);
            sandbox.write(format!("{name}/in"), "1\n");
            call("1\n", 0);
            sandbox.remove(format!("{name}/.cashet")).remove(&outputs[0]);
        }
    }
}

#[test]
fn the_file_itself_does_not_decide() {
    let sandbox = project();
    sandbox.unwatched(["-i", "in", "./job"]).stdout("1\nunset\n").executes(1).run();
    sandbox.write("cashet.toml", "# nothing\n[store]\nmax-size = \"1G\"\n");
    sandbox.unwatched(["-i", "in", "./job"]).stdout("1\nunset\n").executes(0).run();
}

#[test]
fn variables_win_over_the_file_and_flags_over_both() {
    let sandbox = project();
    sandbox.write("cashet.toml", "[exec]\nmode = \"off\"\npure = true\n");
    for _ in 0..2 {
        sandbox.unwatched(["./other"]).stdout("other\n").executes(1).run();
    }
    let auto = || sandbox.unwatched(["./other"]).env("CASHET_MODE", "auto").stdout("other\n");
    auto().executes(1).run();
    auto().executes(0).run();
    sandbox.unwatched(["-f", "./other"]).env("CASHET_MODE", "off").stdout("other\n").executes(1).run();
    let replay = sandbox.unwatched(["--mode", "replay", "./other"]).env("CASHET_MODE", "off");
    replay.stdout("other\n").executes(0).run();
}

#[test]
fn the_store_can_be_elsewhere() {
    let sandbox = project();
    let elsewhere = sandbox.base().join("tmp/store");
    let call = || sandbox.unwatched(["--pure", "./other"]).stdout("other\n");
    call().env("CASHET_DIR", &elsewhere).executes(1).run();
    assert!(elsewhere.is_dir() && !sandbox.path(".cashet").exists());
    call().env("CASHET_DIR", &elsewhere).executes(0).run();
    let word = format!("--store={}", elsewhere.display());
    sandbox.unwatched([&word, "--pure", "./other"]).stdout("other\n").executes(0).run();
    call().executes(1).run();
    assert!(sandbox.path(".cashet").is_dir());
    sandbox
        .unwatched(["--store", "../home/mine", "--pure", "./other"])
        .stdout("other\n")
        .may_change("../home/mine")
        .executes(1)
        .run();
}

#[test]
fn the_root_is_found_from_below() {
    let sandbox = project();
    sandbox.directory("a/b").symlink("../../other", "a/b/other");
    sandbox.unwatched(["--pure", "./other"]).directory("a/b").stdout("other\n").executes(1).run();
    assert!(sandbox.path(".cashet").is_dir() && !sandbox.path("a/b/.cashet").exists());
    sandbox.write("a/cashet.toml", "");
    sandbox.unwatched(["--pure", "./other"]).directory("a/b").stdout("other\n").executes(1).run();
    assert!(sandbox.path("a/.cashet").is_dir());
    sandbox.remove("a/.cashet");
}

#[test]
fn without_home_it_works_too() {
    let sandbox = project();
    for executions in [1, 0] {
        sandbox.unwatched(["--pure", "./other"]).unset("HOME").stdout("other\n").executes(executions).run();
    }
}

#[test]
fn the_output_of_hits_can_be_left_out() {
    for (value, shown) in [("full", ["out\n", "bad\n"]), ("errors", ["", "bad\n"]), ("none", ["", ""])] {
        let sandbox = Sandbox::new();
        sandbox.write("cashet.toml", format!("[exec]\nreplay = \"{value}\"\ncache-exit = \"0,3\"\n"));
        sandbox.script("job", "echo out").script("fails", "echo bad; exit 3");
        sandbox.exec(["./job"]).stdout("out\n").executes(1).run();
        sandbox.exec(["./fails"]).stdout("bad\n").status(3).executes(1).run();
        sandbox.exec(["./job"]).stdout(shown[0]).executes(0).run();
        sandbox.exec(["./fails"]).stdout(shown[1]).status(3).executes(0).run();
    }
    let sandbox = Sandbox::new();
    sandbox.write("cashet.toml", "[exec]\nreplay = \"some\"\n");
    sandbox.exec(["true"]).refused(125, &["replay", "some", "full"]).run();
}
