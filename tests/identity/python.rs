//! Python: modules two imports away, shadowed imports, inline code, modules run with `-m`, broken scripts.

use super::project::{Project, both};

fn chain(project: &Project) {
    project.python("main.py", "import model\nprint(model.loss())\n");
    project.write("model.py", "from pkg import rates\ndef loss():\n    return rates.scaled(2)\n");
    project.write("pkg/__init__.py", "");
    project.write("pkg/rates.py", "RATE = 10\ndef scaled(x):\n    return x * RATE\n");
}

#[test]
fn a_constant_two_imports_away_is_named() {
    both(|project| {
        chain(project);
        let call = project.call(["python3", "main.py"]);
        call.settles();
        project.edit("pkg/rates.py", "RATE = 10", "RATE = 200");
        call.runs().because("pkg/rates.py changed (constant RATE)");
        project.edit("pkg/rates.py", "return x * RATE", "return x * RATE + 1");
        call.runs().because("pkg/rates.py changed (function scaled)");
        project.edit("model.py", "    return", "    print('so')\n    return");
        call.runs().because("model.py changed (function loss)");
        project.edit("model.py", "    print('so')\n", "");
        project.edit("pkg/rates.py", " + 1", "").edit("pkg/rates.py", "200", "10");
        call.hits();
    });
}

#[test]
fn a_module_that_joins_or_leaves_is_named() {
    both(|project| {
        chain(project);
        let call = project.call(["python3", "main.py"]);
        call.settles();
        project.write("extra.py", "print('extra')\n").edit("model.py", "from pkg", "import extra\nfrom pkg");
        let told = call.runs();
        told.naming("extra.py is now part of the code");
        told.naming("model.py changed (top level)");
        project.edit("model.py", "import extra\n", "");
        call.hits();
    });
}

#[test]
fn a_file_that_shadows_an_import_is_named() {
    both(|project| {
        chain(project);
        project.edit("model.py", "from pkg", "import json\nfrom pkg");
        project.edit("model.py", "return", "json.dumps(1)\n    return");
        let call = project.call(["python3", "main.py"]);
        call.settles();
        // Another file beside them does not count.
        project.write("unrelated.py", "1 / 0\n").write("notes.txt", "1\n");
        project.write("json.txt", "1\n").write("main.bak", "1\n").write("pkg/rates.csv", "1\n");
        call.hits();
        project.write("json.py", "def dumps(value):\n    print('mine')\n");
        call.runs().naming("json.py");
        project.remove("json.py");
        call.hits();
        // A package takes precedence over a module of its name.
        project.write("model/__init__.py", "def loss():\n    return 'shadowed'\n");
        call.runs().naming("model/__init__.py");
        project.remove("model");
        call.hits();
    });
}

#[test]
fn a_module_that_is_run_counts_with_its_package() {
    both(|project| {
        let begin = project.count_in_python();
        project.write("app/__init__.py", "").write("app/parts.py", "SIZE = 3\n");
        project.write("app/__main__.py", format!("{begin}from .parts import SIZE\nprint(SIZE)\n"));
        let call = project.call(["python3", "-m", "app"]);
        call.settles();
        project.edit("app/__main__.py", "print(SIZE)", "print( SIZE )  # three");
        call.hits();
        project.edit("app/parts.py", "3", "40");
        call.runs().because("app/parts.py changed (constant SIZE)");
        project.edit("app/__main__.py", "( SIZE )", "(SIZE, 'in all')");
        call.runs().because("app/__main__.py changed (top level)");
        project.write("app.py", "raise SystemExit(3)\n");
        // A package takes precedence over a module: in any case the result equals that of the bare run.
        call.make();
    });
}

#[test]
fn inline_code_counts_byte_for_byte_and_its_modules_do_not() {
    both(|project| {
        let begin = project.count_in_python();
        project.write("part.py", "SIZE = 3\n");
        let call = |code: &str| project.call(["python3", "-c", &format!("{begin}{code}")]);
        call("import part\nprint(part.SIZE)").settles();
        // A program can read its inline code.
        call("import part\nprint( part.SIZE )  # three\n").runs();
        call("import part\nprint(part.SIZE + 1)").runs();
        project.edit("part.py", "3", "40");
        call("import part\nprint(part.SIZE)").runs().because("part.py changed (constant SIZE)");
    });
}

#[test]
fn a_broken_script_and_a_valid_one_answer_for_themselves() {
    both(|project| {
        project.python("main.py", "print('right')\n");
        let call = project.call(["python3", "main.py"]).with(&["--cache-exit", "0,1"]);
        call.settles();
        let line = "print('right')\n";
        for broken in [
            "print('right'\n",
            "print('right')\n  print('indented')\n",
            "print('right')\n\tx = 1\n        y = 2\n",
            "print 'right'\n",
            "print('right'))\n",
            "# coding: no-such-coding\nprint('right')\n",
            "print('right')\nreturn\n",
            "def f():\n    nonlocal x\nprint('right')\n",
            "print('right')\0\n",
            "x = 08\nprint('right')\n",
            "print('right')\nawait x\n",
            "from __future__ import nothing\nprint('right')\n",
            "f(a=1, a=2)\nprint('right')\n",
        ] {
            if broken.starts_with('#') {
                project.write("main.py", broken);
                let (_, executed) = call.make();
                assert_eq!(executed, 0, "it is the coding that fails: {broken:?}");
            } else {
                project.python("main.py", broken);
                let (told, _) = call.make();
                assert!(
                    !told.reasons().is_empty(),
                    "a broken script was answered from a valid one: {broken:?}"
                );
            }
            project.python("main.py", line);
            call.hits();
        }
    });
}

#[test]
fn a_variable_that_the_script_reads_is_named() {
    both(|project| {
        project.python("main.py", "import os, settings\nprint(os.environ.get('LR'), settings.RATE)\n");
        project.write("settings.py", "from os import getenv\nRATE = getenv('RATE', '1')\n");
        let call = project.call(["python3", "main.py"]);
        call.settles();
        call.clone().env("UNRELATED", "1").hits();
        call.clone().env("LR", "0.1").runs().because("LR set");
        call.clone().env("LR", "0.2").runs().because("LR changed");
        call.clone().env("LR", "0.2").env("RATE", "5").runs().because("RATE set");
        call.clone().env("LR", "").runs();
        call.hits();
    });
}
