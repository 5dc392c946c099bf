//! Python's packages: installed in virtual environments, editable, by `.pth`; interpreters and their selection.

use super::project::both;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn an_upgraded_package_is_named_with_both_versions() {
    both(|project| {
        project.environment(".venv");
        let site = project.site(".venv");
        project.install(&site, "thing", "1.0", "import part\nVERSION = 'one'\n");
        project.install(&site, "part", "0.1", "SIZE = 1\n").install(&site, "other", "1.0", "");
        project.write(
            format!("{site}/thing-1.0.dist-info/METADATA"),
            "Name: thing\nVersion: 1.0\nRequires-Dist: part\n",
        );
        project.python("main.py", "import thing\nprint(thing.VERSION, thing.part.SIZE)\n");
        let call = project.call([".venv/bin/python", "main.py"]);
        call.settles();
        project.install(&site, "other", "2.0", "1 / 0\n");
        call.hits();
        project.install(&site, "unheard", "1.0", "");
        call.hits();
        project.install(&site, "part", "0.2", "SIZE = 20\n");
        call.runs().naming("part 0.1 → 0.2");
        project.install(&site, "thing", "2.0", "VERSION = 'second'\nclass part: SIZE = 0\n");
        let told = call.runs();
        told.naming("thing 1.0 → 2.0");
        told.naming("part 0.2 is gone");
        call.hits();
    });
}

#[test]
fn another_virtual_environment_or_interpreter_is_another_function() {
    both(|project| {
        project.python("main.py", "import thing\nprint(thing.VERSION)\n");
        for (environment, version) in [("a", "1.0"), ("b", "1.0"), ("c", "2.0")] {
            project.environment(environment);
            let site = project.site(environment);
            project.install(&site, "thing", version, &format!("VERSION = '{version} of {environment}'\n"));
        }
        let call = project.call(["python3", "main.py"]);
        call.clone().on_path("a/bin").settles();
        call.clone().on_path("b/bin").runs().naming("b/pyvenv.cfg");
        call.clone().on_path("c/bin").runs().naming("thing 1.0 → 2.0");
        call.clone().on_path("a/bin").hits();
        call.clone().on_path("b/bin").hits();
        // The same interpreter with one more byte at its end is another program.
        let real = fs::canonicalize(project.path("a/bin/python3")).unwrap();
        let mut bytes = fs::read(real).unwrap();
        bytes.push(0);
        let one = project.path("d/bin");
        fs::create_dir_all(&one).unwrap();
        fs::write(one.join("python3"), bytes).unwrap();
        project.python("main.py", "print(1)\n");
        call.settles();
        assert!(Command::new("chmod").arg("755").arg(one.join("python3")).status().unwrap().success());
        call.clone().on_path("d/bin").runs().naming("program python3 changed");
        call.hits();
    });
}

/// A Python other than the usual one, anywhere on PATH.
fn other_python() -> Option<PathBuf> {
    let probe = "import sys; print(sys.executable, sys.version_info[:2])";
    let ask = |program: &str| {
        let output = Command::new(program).args(["-c", probe]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let (program, version) = text.trim().split_once(' ')?;
        output.status.success().then(|| (program.to_owned(), version.to_owned()))
    };
    let (_, usual) = ask("/usr/bin/python3")?;
    let names = (7..15).map(|minor| format!("python3.{minor}"));
    let found = names.filter_map(|name| ask(&name)).find(|(_, version)| *version != usual);
    if found.is_none() {
        println!("SKIPPED: there is one Python only");
    }
    found.map(|(program, _)| program.into())
}

#[test]
fn another_version_of_python_is_another_program() {
    let Some(other) = other_python() else { return };
    both(|project| {
        project.link("/usr/bin/python3", "bin/python3").link(&other, "other/python3");
        project.python("main.py", "import sys\nprint(sys.version)\n");
        let call = project.call(["python3", "main.py"]);
        call.clone().on_path("bin").settles();
        call.clone().on_path("other").settles().naming("program python3 changed");
        call.clone().on_path("bin").hits();
    });
}

#[test]
fn an_editable_install_is_local() {
    both(|project| {
        project.environment(".venv");
        let site = project.site(".venv");
        project.write("../lib/src/thing/__init__.py", "SIZE = 3  # three\n");
        let record = format!("{site}/thing-1.0.dist-info");
        project.write(format!("{record}/METADATA"), "Name: thing\nVersion: 1.0\n");
        project.write(
            format!("{record}/direct_url.json"),
            format!(
                "{{\"url\": \"file://{}\", \"dir_info\": {{\"editable\": true}}}}",
                project.path("../lib").display()
            ),
        );
        project.write(format!("{record}/RECORD"), "__editable__.thing-1.0.pth,,\n");
        let source = project.path("../lib/src");
        project.write(format!("{site}/__editable__.thing-1.0.pth"), format!("{}\n", source.display()));
        project.python("main.py", "import thing\nprint(thing.SIZE)\n");
        let call = project.call([".venv/bin/python", "main.py"]);
        call.settles();
        project.edit("../lib/src/thing/__init__.py", "  # three", "");
        call.hits();
        project.edit("../lib/src/thing/__init__.py", "3", "40");
        call.runs().naming("lib/src/thing/__init__.py changed (constant SIZE)");
    });
}

#[test]
fn a_path_file_leads_to_local_modules() {
    both(|project| {
        project.environment(".venv");
        let site = project.site(".venv");
        project.write("../one/thing.py", "SIZE = 3\n").write("../two/thing.py", "SIZE = 50\n");
        let list = |first: &str| format!("{}\n", project.path(first).display());
        project.write(format!("{site}/here.pth"), list("../one"));
        project.python("main.py", "import thing\nprint(thing.SIZE)\n");
        let call = project.call([".venv/bin/python", "main.py"]);
        call.settles();
        project.edit("../one/thing.py", "3", "3  # still");
        call.hits();
        project.edit("../one/thing.py", "3  # still", "77");
        call.runs().naming("one/thing.py changed (constant SIZE)");
        project.write(format!("{site}/here.pth"), list("../two"));
        call.runs().naming("two/thing.py is now part of the code");
        // Of two, the one whose name is first goes first: whatever the answer, it is that of the bare run.
        project.write(format!("{site}/a.pth"), list("../one"));
        call.make();
    });
}

#[test]
fn python_path_and_home_count() {
    both(|project| {
        project.write("one/thing.py", "SIZE = 3\n").write("two/thing.py", "SIZE = 50\n");
        project.python("main.py", "import thing\nprint(thing.SIZE)\n");
        let call = project.call(["python3", "main.py"]);
        call.clone().env("PYTHONPATH", "one").settles();
        call.clone().env("PYTHONPATH", "two").runs().naming("PYTHONPATH changed");
        call.clone().env("PYTHONPATH", "one:two").runs();
        project.write("thing.py", "SIZE = 'beside'\n");
        call.clone().env("PYTHONPATH", "one").runs().naming("thing.py");
        project.python("main.py", "print(1)\n");
        call.settles();
        call.clone().env("PYTHONHOME", "/usr").runs().naming("PYTHONHOME set");
        call.hits();
    });
}

#[test]
fn comments_that_act_count_under_uv_alone() {
    both(|project| {
        let begin = project.count_in_python();
        let script = "# /// script\n# dependencies = []\n# ///\nprint(1)  # one\n";
        project.write("main.py", format!("{script}{begin}"));
        project.program("bin/uv", "#!/bin/sh\nshift\nexec python \"$@\"\n");
        project.link("/usr/bin/python3", "bin/python");
        let under_uv = project.call(["uv", "run", "main.py"]).on_path("bin");
        let plain = project.call(["python3", "main.py"]);
        under_uv.settles();
        plain.settles();
        project.edit("main.py", "  # one", "");
        under_uv.hits();
        plain.hits();
        project.edit("main.py", "= []", "= ['rich']");
        under_uv.runs().naming("main.py changed");
        plain.hits();
    });
}

#[test]
fn what_the_interpreter_imports_at_its_start_counts() {
    both(|project| {
        project.write("hooks/unused.py", "");
        project.python("main.py", "import sys\nprint(getattr(sys, 'MARK', None))\n");
        let call = project.call(["python3", "main.py"]).env("PYTHONPATH", "hooks");
        call.settles();
        project.write("hooks/sitecustomize.py", "import sys\nsys.MARK = 1\n");
        call.runs().naming("hooks");
        project.edit("hooks/sitecustomize.py", "MARK = 1", "MARK = 1  # a mark");
        call.hits();
        project.edit("hooks/sitecustomize.py", "MARK = 1", "MARK = 20");
        call.runs().naming("hooks/sitecustomize.py changed");
    });
}
