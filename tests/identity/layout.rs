//! Changes without an effect on the program cause no run: layout, comments, docstrings.

use super::project::{Project, both, has};
use std::path::Path;
use std::process::Command;

/// A script and a module as written by hand …
const SCRIPT: &str =
    "import sys\nfrom shapes import (area,  # the only one\n   Square)\nprint( area( Square( 3 ) ), 'ok' )\n";
const MODULE: &str = "\n\ndef area( shape ) :\n  # of any shape\n  return shape.side**2\nclass Square() :\n  def __init__(self,side): self.side=side\n";

/// … and as formatted by `black`.
const SCRIPT_FORMATTED: &str =
    "import sys\nfrom shapes import area, Square  # the only one\n\nprint(area(Square(3)), \"ok\")\n";
const MODULE_FORMATTED: &str = "def area(shape):\n    # of any shape\n    return shape.side**2\n\n\nclass Square:\n    def __init__(self, side):\n        self.side = side\n";

#[test]
fn what_a_formatter_changes_says_nothing() {
    both(|project| {
        project.python("main.py", SCRIPT).write("shapes.py", MODULE);
        let call = project.call(["python3", "main.py"]);
        call.settles();
        project.python("main.py", SCRIPT_FORMATTED).write("shapes.py", MODULE_FORMATTED);
        call.hits();
        project.write("shapes.py", format!("# Copyright\n\n{MODULE_FORMATTED}\n# the end\n"));
        call.hits();
        // Among changes of layout, only the change of code is reported.
        project.write("shapes.py", MODULE.replace("side**2", "side**4"));
        call.runs().because("shapes.py changed (function area)");
        project.write("shapes.py", MODULE_FORMATTED);
        call.hits();
    });
}

#[test]
fn black_itself_says_nothing() {
    let black = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/normal-forms/black/bin/black");
    if !black.exists() {
        println!("SKIPPED: black is not installed (the test black_keeps_digests of normal_forms does)");
        return;
    }
    both(|project| {
        project.python("main.py", SCRIPT).write("shapes.py", MODULE);
        let call = project.call(["python3", "main.py"]);
        call.settles();
        let files = [project.path("main.py"), project.path("shapes.py")];
        let mut formatting = Command::new(&black);
        formatting.args(["--quiet", "--fast"]).args(files).env("BLACK_CACHE_DIR", project.path("../home"));
        assert!(formatting.status().unwrap().success());
        assert_eq!(std::fs::read_to_string(project.path("shapes.py")).unwrap(), MODULE_FORMATTED);
        call.hits();
    });
}

fn documented(project: &Project, before: &str, after: &str) {
    project.python("main.py", &format!("{before}import shapes\nprint(shapes.side(){after})\n"));
    project.write("shapes.py", "'''Shapes.'''\ndef side():\n    '''Of a square.'''\n    return 3\n");
}

#[test]
fn a_docstring_counts_where_something_may_read_it() {
    both(|project| {
        documented(project, "import json\n", "");
        let call = project.call(["python3", "main.py"]);
        call.settles();
        project.edit("shapes.py", "Of a square.", "How long a side is.").edit(
            "shapes.py",
            "Shapes.",
            "Forms.",
        );
        call.hits();
        for (before, after) in
            [("", ", shapes.side.__doc__"), ("import inspect\n", ", inspect.getdoc(shapes.side)")]
        {
            documented(project, before, after);
            call.settles();
            project.edit("shapes.py", "Of a square.", "Of one.");
            call.runs().naming("shapes.py changed (function side)");
        }
    });
}

#[test]
fn a_docstring_counts_beside_a_package_that_may_print_it() {
    both(|project| {
        project.environment(".venv");
        let site = project.site(".venv");
        // As in click: the docstring is the help.
        let code = "def command(function):\n    print(function.__doc__)\n    return function\n";
        project.install(&site, "clicker", "8.1.0", code);
        project.python("main.py", "import clicker\n@clicker.command\ndef run():\n    'Runs.'\n");
        let call = project.call([".venv/bin/python", "main.py"]);
        call.settles();
        project.edit("main.py", "Runs.", "Runs it all.");
        call.runs().because("main.py changed (function run)");
        project.edit("main.py", "'Runs it all.'", "'Runs it all.'  # all");
        call.hits();
    });
}

#[test]
fn exact_source_counts_layout() {
    both(|project| {
        project.python("main.py", "print(1)\n");
        let call = project.call(["python3", "main.py"]).with(&["--exact-source"]);
        call.settles();
        project.edit("main.py", "print(1)", "print(1)  # one");
        call.runs().because("main.py changed");
    });
}

#[test]
fn a_run_that_shows_lines_of_its_sources_answers_for_their_bytes() {
    both(|project| {
        let keep = ["--cache-exit", "0-255"];
        project.python("main.py", "import sys\nif len(sys.argv) > 1:\n    raise ValueError  # one\n");
        let call = |words: &[&str]| project.call([&["python3", "main.py"], words].concat()).with(&keep);
        call(&[]).settles();
        call(&["fail"]).settles();
        project.edit("main.py", "# one", "# two");
        call(&[]).hits();
        call(&["fail"]).runs().because("main.py changed");
        project.python("warns.py", "import warnings\nwarnings.warn('old')  # one\n");
        let warns = project.call(["python3", "warns.py"]);
        warns.settles();
        project.edit("warns.py", "# one", "# two");
        warns.runs().because("warns.py changed");
        if has("node") {
            let begin = project.count_in_javascript();
            let text =
                format!("const fs = require('fs');\n{begin}if (process.argv.length > 2) throw 1 // one\n");
            project.write("main.js", text);
            let call = |words: &[&str]| project.call([&["node", "main.js"], words].concat()).with(&keep);
            call(&[]).settles();
            call(&["fail"]).settles();
            project.edit("main.js", "// one", "// two");
            call(&[]).hits();
            call(&["fail"]).runs().because("main.js changed");
        }
    });
}
