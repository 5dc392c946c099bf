//! How a miss reports changes of what the call itself declares.

use super::project::{Mode, Project, both};

#[test]
fn an_input_that_is_no_longer_declared_is_not_gone() {
    both(|project| {
        project.write("a.csv", "1\n").write("src/b.c", "1\n").write("src/c.c", "1\n");
        project.python("main.py", "print(1)\n");
        let call = project.call(["python3", "main.py"]);
        let with = |options: &[&str]| call.clone().with(options);
        with(&["-i", "a.csv"]).settles();
        call.runs().because("a.csv is no longer declared");
        project.python("main.py", "print(2)\n");
        with(&["-i", "src/*"]).settles();
        project.write("src/d.c", "1\n");
        with(&["-i", "src/*"]).runs().because("src/d.c is a new input");
        project.remove("src/b.c");
        with(&["-i", "src/*"]).runs().naming("src/b.c is gone");
    });
}

#[test]
fn a_call_that_was_not_watched_answers_none_that_is() {
    let project = Project::new(Mode::Watched);
    project.python("main.py", "print(1)\n");
    let watched = project.call(["python3", "main.py"]);
    let declared = watched.clone().with(&["--trace", "off", "--pure"]);
    declared.settles();
    watched.runs().because("the earlier run was not watched");
    watched.hits();
    declared.hits();
    project.edit("main.py", "print(1)", "print(22)");
    watched.settles();
    declared.runs().because("the earlier run was watched");
}

#[test]
fn options_of_the_call_are_named() {
    both(|project| {
        project.python("main.py", "print(1)\n");
        let call = project.call(["python3", "main.py"]);
        call.settles();
        // The nearest earlier run is the previous one.
        call.clone().with(&["--env-strict"]).runs().because("--env-strict given");
        call.clone().with(&["--env-strict", "--salt", "2"]).runs().because("salt 2 given");
        call.clone().with(&["--env-strict", "--salt", "2", "-e", "LR"]).runs().because("LR counts now");
        call.hits();
    });
}
