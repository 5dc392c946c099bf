//! Tool state: ordinary files for all programs except the tool itself.

use crate::twin::{Outcome, Twin, settle};

/// A script under a tool's name, started like the tool.
fn tool(twin: &Twin, name: &str, code: &str) {
    twin.write(name, format!("#!/bin/sh\n{code}\n")).mode(name, 0o755);
}

/// A tool, its use of the state, its command, and the location of the state.
struct Kept {
    tool: &'static str,
    /// A file that the run has to read so that the tool is recognized.
    uses: &'static str,
    state: &'static str,
}

/// Each row of the table of private state. The tool prints the initial state.
const PRIVATE: &[Kept] = &[
    Kept { tool: "mypy", uses: "", state: "./.mypy_cache" },
    Kept { tool: "ruff", uses: "", state: "./.ruff_cache" },
    Kept { tool: "black", uses: "", state: "$HOME/.cache/black" },
    Kept { tool: "yapf", uses: "", state: "$HOME/.cache/YAPF" },
    Kept { tool: "python3", uses: "stevedore", state: "$HOME/.cache/python-entrypoints" },
    Kept { tool: "node", uses: "standard", state: "$HOME/.cache/standard" },
    Kept { tool: "node", uses: "tsx", state: "$TMPDIR/tsx-0" },
    Kept { tool: "pip", uses: "pip", state: "$HOME/.cache/pip" },
    Kept { tool: "uv", uses: "", state: "$HOME/.cache/uv" },
    Kept { tool: "npm", uses: "", state: "$HOME/.npm" },
    Kept { tool: "yarn", uses: "", state: "$HOME/.yarn" },
    Kept { tool: "pnpm", uses: "", state: "$HOME/.local/share/pnpm" },
    Kept { tool: "cargo", uses: "", state: "$HOME/.cargo/registry" },
    Kept { tool: "go", uses: "", state: "$HOME/.cache/go-build" },
    Kept { tool: "go", uses: "", state: "$HOME/go/pkg/mod" },
    Kept { tool: "gradle", uses: "gradle-launcher", state: "$HOME/.gradle" },
    Kept { tool: "mvn", uses: "maven-core", state: "$HOME/.m2/repository" },
    Kept { tool: "ccache", uses: "ccache", state: "$HOME/.ccache" },
    Kept { tool: "anything", uses: "libfontconfig.so.1", state: "$HOME/.cache/fontconfig" },
    Kept { tool: "python3", uses: "matplotlib", state: "$HOME/.cache/matplotlib" },
    Kept { tool: "python3", uses: "numba", state: "$HOME/.cache/numba" },
    Kept { tool: "python3", uses: "torch", state: "$TMPDIR/torchinductor_u" },
    Kept { tool: "python3", uses: "triton", state: "$HOME/.triton" },
    Kept { tool: "jest", uses: "jest-haste-map", state: "$TMPDIR/jest_rs" },
    Kept { tool: "node", uses: "", state: "$TMPDIR/node-compile-cache" },
    Kept { tool: "anything", uses: "libjvm.so", state: "$TMPDIR/hsperfdata_u" },
    Kept { tool: "python3", uses: "IPython", state: "$HOME/.ipython/profile_default/log" },
    Kept { tool: "python3", uses: "jupyter_core", state: "$HOME/.local/share/jupyter/runtime" },
    Kept { tool: "terraform", uses: "", state: "$HOME/.terraform.d/checkpoint_cache" },
    Kept { tool: "node", uses: "nyc", state: "./node_modules/.cache/nyc" },
    Kept { tool: "node", uses: "webpack", state: "./node_modules/.cache/webpack" },
    Kept { tool: "node", uses: "babel-loader", state: "./node_modules/.cache/babel-loader" },
    Kept { tool: "anything", uses: "_pytest", state: "$TMPDIR/pytest-of-u" },
];

#[test]
fn private_state_of_tools_counts_by_its_existence_alone() {
    for Kept { tool: name, uses, state } in PRIVATE {
        let twin = Twin::new();
        let at = state.replace("$HOME", "../home").replace("$TMPDIR", "../tmp");
        // The former state has no effect: it only saves time. (Only built-ins of the shell access the state.)
        let code = format!(
            "{}[ -d {state} ] || exit 0; [ ! -e {state}/memo ] || read old < {state}/memo; echo new > {state}/memo; read x < f; echo result $x",
            if uses.is_empty() { String::new() } else { format!("read used < used/{uses}; ") },
        );
        tool(&twin, &format!("tools/{name}"), &code);
        twin.write("f", "one\n");
        if !uses.is_empty() {
            twin.write(&format!("used/{uses}"), "x\n");
        }
        twin.directory(&at);
        settle();
        let call = twin.call([format!("tools/{name}")]);
        let what = format!("{name}: {state}");
        // The state existed when the run began. Its content does not count.
        assert_eq!(call.agree(), Outcome::Kept, "{what}: {}", call.told());
        settle();
        assert_eq!(call.agree(), Outcome::Hit, "{what}: {}", call.told());
        twin.write(&format!("{at}/memo"), "stale\n");
        assert_eq!(call.agree(), Outcome::Hit, "{what}: {}", call.told());
        // Once it is removed, the tool runs again.
        twin.remove(&at);
        call.runs();
        // For an ordinary program it is an ordinary file.
        twin.directory(&at).write(&format!("{at}/memo"), "1\n");
        let other = twin.sh(&format!("cat {state}/memo"));
        other.settles_after(1);
        twin.write(&format!("{at}/memo"), "2\n");
        other.runs();
    }
}

#[test]
fn state_is_an_ordinary_file_where_its_tool_shows_it() {
    let code = "[ -d $HOME/.cache/black ] || exit 0; [ ! -e settings ] || . ./settings; for x in pyproject.toml; do [ ! -e $x ] || read y < $x; done; [ ! -e $HOME/.cache/black/memo ] || read old < $HOME/.cache/black/memo; echo found $old; read x < f; echo $x";
    for (words, settings) in [
        (&["tools/black"][..], ""),
        (&["tools/black", "-v"], "line-length = 80"),
        (&["tools/black"], "verbose = true"),
    ] {
        let twin = Twin::new();
        tool(&twin, "tools/black", code);
        twin.write("f", "one\n").write("../home/.cache/black/memo", "1\n");
        twin.write("pyproject.toml", format!("{settings}\n"));
        settle();
        let call = twin.call(words);
        assert_eq!(call.agree(), Outcome::Kept, "{}", call.told());
        if words.len() == 1 && settings.is_empty() {
            call.hits();
            continue;
        }
        twin.write("../home/.cache/black/memo", "2\n");
        call.runs();
    }
}

#[test]
fn the_directory_of_settings_that_a_tool_makes_is_private_and_the_settings_are_not() {
    let twin = Twin::new();
    twin.write("used/matplotlib", "x\n").write("f", "one\n");
    twin.write("plot.py", "import os\nopen('used/matplotlib').read()\nhome = os.environ['HOME'] + '/.config/matplotlib'\nos.makedirs(home, exist_ok=True)\ntry:\n    print(open(home + '/matplotlibrc').read())\nexcept OSError:\n    print('none')\n");
    settle();
    let call = twin.call(["python3", "plot.py"]);
    call.settles_after(1);
    for settings in ["one\n", "two\n"] {
        twin.write("../home/.config/matplotlib/matplotlibrc", settings);
        settle();
        call.runs();
        call.hits();
    }
    twin.remove("../home/.config/matplotlib/matplotlibrc");
    call.agree();
    let names = twin.sh("cat used/matplotlib; ls -A ../home/.config/matplotlib");
    names.settles_after(1);
    twin.write("../home/.config/matplotlib/matplotlibrc", "three\n");
    names.runs();
}

#[test]
fn scripts_in_a_directory_that_a_tool_makes_and_lists_count() {
    let twin = Twin::new();
    twin.write("used/IPython", "x\n").write("f", "one\n");
    twin.write("run.py", "import os\nopen('used/IPython').read()\nstartup = os.environ['HOME'] + '/.ipython/profile_default/startup'\nos.makedirs(startup, exist_ok=True)\nif not os.path.exists(startup + '/README'):\n    open(startup + '/README', 'w').write('put scripts here')\nfor name in sorted(os.listdir(startup)):\n    if name.endswith('.py'):\n        print(open(startup + '/' + name).read())\nprint(open('f').read())\n");
    settle();
    let call = twin.call(["python3", "run.py"]);
    call.settles_after(1);
    twin.write("../home/.ipython/profile_default/startup/a.py", "one\n");
    settle();
    call.runs();
    call.hits();
    twin.write("../home/.ipython/profile_default/startup/a.py", "two\n");
    settle();
    call.runs();
    // Also in a directory that was there when the run began.
    twin.write("../home/.ipython/profile_default/startup/b.py", "three\n");
    settle();
    call.runs();
    call.hits();
}

#[test]
fn a_run_that_began_without_its_private_state_answers_everywhere() {
    let twin = Twin::new();
    // In Python, so that no other program creates it.
    twin.write("tools/mypy", "#!/usr/bin/env python3\nimport os\nos.makedirs('.mypy_cache/3', exist_ok=True)\nopen('.mypy_cache/3/x', 'w').write('x')\nprint(open('f').read())\n");
    twin.write("f", "one\n");
    settle();
    let call = twin.call(["python3", "tools/mypy"]);
    call.settles_after(1);
    twin.both(|root| std::fs::remove_dir_all(root.join(".mypy_cache")).unwrap());
    call.hits();
    for root in twin.roots() {
        let _ = std::fs::remove_dir_all(root.join(".mypy_cache"));
    }
    let cleaned = twin.sh("python3 tools/mypy; rm -r .mypy_cache; ls -A | sort | head -3");
    cleaned.settles_after(1);
}

#[test]
fn results_of_earlier_runs_count_as_found_or_as_left() {
    let twin = Twin::new();
    let code = "#!/usr/bin/env python3\nimport os, sys\nd = '.pytest_cache/v/cache'\nos.makedirs(d, exist_ok=True)\nold = open(d + '/lastfailed').read() if os.path.exists(d + '/lastfailed') else ''\nif '--lf' in sys.argv: print('again', old)\nopen(d + '/lastfailed', 'w').write(open('f').read())\nprint('done', open('f').read())\n";
    twin.write("tools/pytest", code).write("f", "one\n");
    settle();
    let call = twin.call(["python3", "tools/pytest"]);
    call.settles_after(1);
    // A third state: neither as found nor as left.
    twin.write(".pytest_cache/v/cache/lastfailed", "stale\n");
    call.runs();
    // Without state: as the first run found it.
    twin.both(|root| std::fs::remove_dir_all(root.join(".pytest_cache")).unwrap());
    settle();
    assert_eq!(call.agree(), Outcome::Hit);
    twin.write("f", "two\n");
    call.runs();
    twin.write("f", "one\n");
    // The files are restored as that run left them only where it may be replayed.
    call.agree();
    let asked = twin.call(["python3", "tools/pytest", "--lf"]);
    asked.agree();
    twin.write(".pytest_cache/v/cache/lastfailed", "x\n");
    asked.runs();
    twin.write(".pytest_cache/v/cache/lastfailed", "y\n");
    asked.runs();
}

#[test]
fn logs_of_ctest_count_where_it_runs_the_tests_that_failed() {
    let twin = Twin::new();
    let code = "#!/usr/bin/env python3\nimport os, sys\nd = 'build/Testing/Temporary'\nos.makedirs(d, exist_ok=True)\nold = open(d + '/log').read() if os.path.exists(d + '/log') else ''\nif '--rerun-failed' in sys.argv: print('again', old)\nopen(d + '/log', 'w').write(open('f').read())\nprint('done', open('f').read())\n";
    twin.write("tools/ctest", code).write("f", "one\n").directory("build/Testing");
    settle();
    let call = twin.call(["python3", "tools/ctest"]);
    call.settles_after(1);
    let asked = twin.call(["python3", "tools/ctest", "--rerun-failed"]);
    asked.runs();
    twin.write("build/Testing/Temporary/log", "x\n");
    asked.runs();
    twin.write("build/Testing/Temporary/log", "y\n");
    asked.runs();
}

/// Each row of the table of state that describes products: the tool, what the run has to read so that it is recognized, and the
/// location of the state. The tool reads and rewrites it.
const PRODUCTS: &[(&str, &str, &str)] = &[
    ("tsc", "", "x.tsbuildinfo"),
    ("ninja", "", ".ninja_log"),
    ("cargo", "", "target/.rustc_info.json"),
    ("cargo", "", "Cargo.lock"),
    ("gradle", "gradle-launcher", ".gradle/x"),
    ("cmake", "", "CMakeCache.txt"),
    ("cmake", "", "stage/bin/x"),
    ("eslint", "", ".eslintcache"),
    ("sphinx-build", "", ".doctrees/x"),
    ("sphinx-build", "", "html/searchindex.js"),
    ("coverage", "coverage", "htmlcov/status.json"),
    ("node", "nyc", ".nyc_output/x"),
    ("bzip2", "", "x.bz2"),
    ("cython", "", "x.c"),
    ("compileall", "", "__pycache__/x.cpython-311.pyc"),
    ("go", "", "bin/x"),
    ("python3", "joblib", "joblib/f/func_code.py"),
];

#[test]
fn state_that_describes_products_counts_by_content() {
    for (name, uses, state) in PRODUCTS {
        let twin = Twin::new();
        let uses = if uses.is_empty() { "nothing" } else { uses };
        let code = format!(
            "read used < used/{uses}; [ ! -e {state} ] || read old < {state}; echo found $old; read x < f; echo $x > {state}"
        );
        tool(&twin, &format!("tools/{name}"), &code);
        twin.write("f", "one\n").write(&format!("used/{uses}"), "x\n");
        twin.write(state, "zero\n");
        settle();
        let program = format!("tools/{name}");
        let call = twin.call([&program, "build", "-o", "bin/x", "--install"]);
        // It read the state and overwrote it in place: that is cached.
        assert_eq!(call.agree(), Outcome::Kept, "{name}: {}", call.told());
        // It answers for what it left as well.
        call.hits_on_its_own_output();
        call.hits_on_its_own_output();
        twin.write(state, "stale\n");
        call.runs();
        // The state that the first run found.
        twin.write(state, "zero\n");
        settle();
        assert_eq!(call.agree(), Outcome::Hit, "{name}: {}", call.told());
        for root in twin.roots() {
            assert_eq!(std::fs::read(root.join(state)).unwrap(), b"one\n", "{name}");
        }
        // Gone with all that it describes.
        twin.remove(state);
        call.hits_on_its_own_output();
    }
}

#[test]
fn state_that_two_runs_left_one_after_the_other_is_one_state() {
    let twin = Twin::new();
    // Like cmake: some state is written once, some each time, and a log grows.
    let code = "[ -e CMakeFiles/once ] || echo once > CMakeFiles/once; [ ! -e CMakeCache.txt ] || read old < CMakeCache.txt; read x < f; echo $x > CMakeCache.txt; echo log $x >> CMakeFiles/log; echo configured $x";
    tool(&twin, "tools/cmake", code);
    twin.write("f", "one\n").directory("CMakeFiles");
    settle();
    let call = twin.call(["tools/cmake"]);
    call.runs();
    call.hits_on_its_own_output();
    twin.write("f", "two\n");
    call.runs();
    // The second run did not write `once`.
    twin.write("f", "one\n");
    call.hits_on_its_own_output();
    for root in twin.roots() {
        assert_eq!(std::fs::read(root.join("CMakeCache.txt")).unwrap(), b"one\n");
    }
    // No runs left this.
    twin.write("f", "two\n").write("CMakeFiles/once", "other\n");
    call.runs();
}

#[test]
fn state_that_is_read_whole_is_not_mixed_with_that_of_another_run() {
    let twin = Twin::new();
    // Like nyc: its directory is emptied first, and each run leaves a file of another name.
    let code = "import os, shutil\nopen('used/nyc').read()\nshutil.rmtree('.nyc_output', ignore_errors=True)\nos.makedirs('.nyc_output')\ntext = open('f').read().strip()\nopen('.nyc_output/' + text, 'w').write(text)\nprint(text)\n";
    twin.write("tools/node", code).write("f", "one\n").write("used/nyc", "x\n");
    settle();
    let call = twin.call(["python3", "tools/node"]);
    call.runs();
    call.hits();
    twin.write("f", "two\n");
    settle();
    call.runs();
    twin.write("f", "one\n");
    settle();
    call.runs();
    call.hits();
}

#[test]
fn another_name_that_is_made_for_a_file_elsewhere_changes_nothing() {
    let twin = Twin::new();
    let code = "cat f g; : > ../tmp/.cashet/ready; until [ -e ../tmp/.cashet/go ]; do sleep 0.01; done; rm ../tmp/.cashet/go\n";
    twin.write("s.sh", code).write("f", "one\n").write("g", "one\n").directory("../tmp/.cashet");
    twin.write("../tmp/.cashet/go", "");
    settle();
    let call = twin.call(["sh", "s.sh"]);
    // The content of the file is known from then on.
    call.runs();
    twin.write("g", "two\n").both(|root| std::fs::remove_file(root.join("../tmp/.cashet/ready")).unwrap());
    settle();
    let outcome = std::thread::scope(|scope| {
        for root in twin.roots() {
            scope.spawn(move || {
                while !root.join("../tmp/.cashet/ready").exists() {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                std::fs::hard_link(root.join("f"), root.join("../tmp/.cashet/other")).unwrap();
                std::fs::write(root.join("../tmp/.cashet/go"), "").unwrap();
            });
        }
        call.agree()
    });
    assert_eq!(outcome, Outcome::Kept, "{}", call.told());
    // For the bare run.
    twin.write("../tmp/.cashet/go", "");
    call.hits();
}

#[test]
fn git_status_is_answered_though_it_writes_its_index() {
    let twin = Twin::new();
    let git = "git -c user.name=a -c user.email=a@b";
    twin.write("f", "one\n").write("d/g", "two\n").write(".gitignore", ".cashet\n");
    twin.both(|root| {
        std::fs::remove_dir_all(root.join(".git")).unwrap();
        let line = format!("git init -q && {git} add . && GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' {git} commit -qm one");
        let made = std::process::Command::new("sh").args(["-c", &line]).current_dir(root).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    });
    settle();
    // The index contains times other than those of the files.
    twin.touch("f", 5).touch("d/g", 6);
    settle();
    for line in ["git status --short", "git diff", "git describe --always --dirty"] {
        let words: Vec<&str> = line.split(' ').collect();
        let call = twin.call(words);
        call.settles_after(1);
        twin.touch("f", 7);
        call.agree();
        twin.write("f", "edited\n");
        call.runs();
        twin.write("f", "one\n");
        settle();
        call.agree();
    }
    let staged = twin.call(["git", "diff", "--cached", "--name-only"]);
    staged.settles_after(1);
    twin.write("f", "staged\n");
    twin.both(|root| {
        assert!(
            std::process::Command::new("git")
                .args(["add", "f"])
                .current_dir(root)
                .status()
                .unwrap()
                .success()
        );
    });
    staged.runs();
    // What is listed of the index stays when git notes other times in it.
    let listed = twin.call(["git", "ls-files", "-s"]);
    listed.settles_after(1);
    twin.touch("d/g", 9);
    twin.call(["git", "status", "--short"]).agree();
    listed.hits();
    // A program that prints times of the index, or reads it as a file, depends on them.
    twin.sh("git ls-files --debug f | wc -l").agree();
    let bytes = twin.sh("wc -c < .git/index; cat .git/index > /dev/null");
    bytes.settles_after(1);
}
