//! A hit with unchanged sources runs no parser: it opens none of them, and a long source costs no more.

use super::project::{Call, Mode, Project, has};
use std::ffi::OsString;
use std::fs;
use std::process::Command;

/// A script with this many lines of code, with a module beside it.
fn long_script(project: &Project, lines: usize) {
    let body: Vec<String> = (0..lines).map(|line| format!("VALUE_{line} = {line} + 1\n")).collect();
    let body = body.concat();
    project.python("main.py", &format!("import part\n{body}print(part.SIZE)\n"));
    project.write("part.py", "SIZE = 3\n");
}

/// The call as a hit, run by another program.
fn under(call: &Call<'_>, tool: &[&str]) -> String {
    let output = call.output(&[tool.iter().map(OsString::from).collect(), call.prefix()].concat());
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{messages}");
    messages
}

#[test]
fn a_hit_opens_no_source() {
    if !has("strace") {
        return;
    }
    for mode in [Mode::Watched, Mode::Declared] {
        let project = Project::new(mode);
        long_script(&project, 200);
        let call = project.call(["python3", "main.py"]);
        call.settles();
        // The first call that finds the sources old enough to be trusted records that.
        call.hits();
        let trace = project.path("../trace");
        let tool = ["strace", "-f", "-o", trace.to_str().unwrap()];
        under(&call, &tool);
        let calls = fs::read_to_string(&trace).unwrap();
        let about = |name: &str| {
            let lines = calls.lines().filter(|line| line.contains(name));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        for source in ["main.py\"", "part.py\""] {
            let lines = about(source);
            let looked = lines.iter().filter(|line| !line.contains("execve"));
            assert!(looked.clone().count() > 0, "it is looked at: {calls}");
            for line in looked {
                assert!(!line.contains("open"), "{line}");
            }
        }
        // By the name of the call, since the project's path may contain the word.
        let starts = ["clone(", "clone3(", "fork("];
        assert!(starts.iter().all(|name| about(name).is_empty()), "nothing is started: {calls}");
    }
}

#[test]
fn a_source_that_was_written_with_the_same_content_is_read_once() {
    if !has("strace") {
        return;
    }
    for mode in [Mode::Watched, Mode::Declared] {
        let project = Project::new(mode);
        long_script(&project, 20);
        let call = project.call(["python3", "main.py"]);
        call.settles();
        for source in ["main.py", "part.py"] {
            let content = fs::read(project.path(source)).unwrap();
            fs::write(project.path(source), content).unwrap();
        }
        // This call may find them too young to be trusted; the next one does not.
        call.hits();
        std::thread::sleep(std::time::Duration::from_millis(100));
        call.hits();
        let trace = project.path("../trace");
        under(&call, &["strace", "-f", "-o", trace.to_str().unwrap()]);
        let calls = fs::read_to_string(&trace).unwrap();
        let opened = calls.lines().filter(|line| line.contains("open"));
        let opened: Vec<&str> =
            opened.filter(|line| line.contains("main.py") || line.contains("part.py")).collect();
        assert!(opened.is_empty(), "{opened:#?}");
    }
}

/// The system calls of a hit that `about` selects.
fn traced(call: &Call<'_>, trace: &std::path::Path, about: impl Fn(&str) -> bool) -> Vec<String> {
    under(call, &["strace", "-f", "-o", trace.to_str().unwrap()]);
    let calls = fs::read_to_string(trace).unwrap();
    calls.lines().filter(|line| about(line)).map(str::to_owned).collect()
}

#[test]
fn what_a_run_read_and_listed_is_looked_into_once_more_and_then_never_again() {
    if !has("strace") {
        return;
    }
    let project = Project::new(Mode::Watched);
    project.write("data", "1\n").write("listed/one", "");
    project.python("main.py", "import os\nprint(open('data').read(), os.listdir('listed'))\n");
    let call = project.call(["python3", "main.py"]);
    call.settles();
    fs::write(project.path("data"), "1\n").unwrap();
    project.write("listed/two", "").remove("listed/two");
    // This call may find them too young to be trusted. The next one does not, and records that, and that the searched
    // directories have no new entries.
    call.hits();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    call.hits();
    let looks = |line: &str| {
        line.contains("open") && (line.contains("/data\"") || line.contains("/listed\""))
            || line.contains("rename")
    };
    let again = traced(&call, &project.path("../trace"), looks);
    assert!(again.is_empty(), "{again:#?}");
}

#[test]
fn a_variable_that_was_found_not_to_matter_is_written_down_once() {
    if !has("strace") {
        return;
    }
    let project = Project::new(Mode::Watched);
    project.write("data", "1\n").python("main.py", "print(open('data').read())\n");
    project.call(["python3", "main.py"]).settles();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    project.call(["python3", "main.py"]).hits();
    let call = project.call(["python3", "main.py"]).env("NEVER_NAMED", "1");
    for renames in [true, false, false] {
        let renamed = traced(&call, &project.path("../trace"), |line| line.contains("rename"));
        assert_eq!(!renamed.is_empty(), renames, "{renamed:#?}");
    }
}

#[test]
fn what_would_come_before_a_module_is_looked_for_in_its_directory_alone_and_seen_when_it_comes() {
    if !has("strace") {
        return;
    }
    for mode in [Mode::Watched, Mode::Declared] {
        let project = Project::new(mode);
        long_script(&project, 3);
        let call = project.call(["python3", "main.py"]);
        call.settles();
        // The first call that finds a directory unchanged for two seconds records the absences that it proves.
        std::thread::sleep(std::time::Duration::from_millis(2100));
        call.hits();
        let looked = |line: &str| line.contains("part.so\"") || line.contains("/part\"");
        let trace = project.path("../trace");
        let again = traced(&call, &trace, looked);
        assert!(again.is_empty(), "{again:#?}");
        project.write("unrelated", "");
        assert!(!traced(&call, &trace, looked).is_empty());
        project.write("part/__init__.py", "SIZE = 4\n");
        call.runs();
        call.hits();
        project.remove("part");
        call.hits();
    }
}

/// The additional variables of a process under valgrind.
fn variables_of_valgrind() -> Vec<(String, String)> {
    let mut asked = Command::new("valgrind");
    asked.args(["-q", "--tool=none", "/usr/bin/env"]).env_clear().env("PATH", "/usr/bin:/bin");
    let output = asked.output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let pairs = lines.lines().filter_map(|line| line.split_once('='));
    let others = pairs.filter(|(name, _)| !["PATH", "_", "PWD", "SHLVL", "OLDPWD"].contains(name));
    others.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn a_hit_costs_the_same_for_a_long_script() {
    if !has("valgrind") {
        return;
    }
    let variables = variables_of_valgrind();
    for mode in [Mode::Watched, Mode::Declared] {
        let [short, long] = [200, 20_000].map(|lines| {
            let project = Project::new(mode);
            long_script(&project, lines);
            let call = project.call(["python3", "main.py"]);
            // They count: without them it would be a different call.
            let with = |call, (name, value): &(String, String)| Call::env(call, name, value);
            let as_under_valgrind = variables.iter().fold(call.clone(), with);
            as_under_valgrind.settles();
            // This call finds the directories unchanged for long enough, and records that.
            std::thread::sleep(std::time::Duration::from_millis(2100));
            as_under_valgrind.hits();
            let out = format!("--callgrind-out-file={}", project.path("../callgrind").display());
            let messages = under(&call, &["/usr/bin/valgrind", "--tool=callgrind", &out]);
            let line = messages.lines().find(|line| line.contains("Collected :")).unwrap();
            line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        });
        println!("{mode:?}: {short} and {long} instructions");
        assert!(short.abs_diff(long) * 50 <= short, "{short} and {long} instructions");
    }
}
