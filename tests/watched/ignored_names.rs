//! Names that are often ignored, bytecode, temporary and cache directories: ordinary files, unless the tool itself uses
//! them.

use crate::twin::{Outcome, Twin, settle};

fn is_not_kept_for(outcome: &Outcome, reason: &str) {
    assert_eq!(*outcome, Outcome::NotKept(reason.to_owned()));
}

#[test]
fn names_that_are_often_left_out_are_ordinary_files_when_they_are_read() {
    for (name, line) in [
        ("notes~", "cat n*"),
        (".a.swp", "cat .*.swp"),
        ("#e#", "cat '#'*"),
        (".pytest_cache/v/x", "cat .pytest_cache/*/*"),
        (".ipynb_checkpoints/x.ipynb", "find . -name '*.ipynb' | xargs cat"),
        ("d/__pycache__/m.cpython-311.pyc", "cat d/__pycache__/*"),
        ("x.pyc", "md5sum *.pyc"),
        (".mypy_cache/a", "grep -r . .mypy_cache"),
        (".DS_Store", "cat .DS*"),
    ] {
        let twin = Twin::new();
        twin.write(name, "one\n");
        settle();
        let call = twin.sh(line);
        call.settles_after(1);
        twin.write(name, "two\n");
        call.runs();
        call.hits();
        twin.remove(name);
        call.runs();
    }
}

#[test]
fn names_that_are_often_left_out_are_ordinary_outputs() {
    for (line, name) in [
        ("cp f x~", "x~"),
        ("sed -i~ s/one/two/ g", "g~"),
        ("cat f > .x.swp; cat f > '#x#'", "#x#"),
        ("mkdir -p __pycache__; cp f __pycache__/m.cpython-311.pyc", "__pycache__/m.cpython-311.pyc"),
        ("cp f x.pyc", "x.pyc"),
        ("python3 -c \"import shutil; shutil.copy('f', 'y.pyc')\"", "y.pyc"),
        ("mkdir -p .pytest_cache; cp f .pytest_cache/x", ".pytest_cache/x"),
    ] {
        let twin = Twin::new();
        let fill = || {
            twin.write("f", "one\n").write("g", "one\n");
            twin.both(|root| {
                let _ = std::fs::remove_dir_all(root.join("__pycache__"));
                let _ = std::fs::remove_dir_all(root.join(".pytest_cache"));
                let _ = std::fs::remove_file(root.join(name));
            });
            settle();
        };
        fill();
        let call = twin.sh(line);
        call.runs();
        fill();
        call.hits();
        for root in twin.roots() {
            assert!(root.join(name).exists(), "{line}: {name}");
        }
    }
}

#[test]
fn names_that_are_often_left_out_can_be_declared_outputs() {
    for name in ["x.pyc", "f~", ".mypy_cache/x"] {
        let twin = Twin::new();
        twin.write("f", "one\n").directory(".mypy_cache");
        let line = format!("cat f > '{name}'");
        for options in [&["-o", name][..], &["-o", name, "-i", "f", "--trace", "off"]] {
            let call = twin.sh(&line).with(options);
            call.runs();
            twin.remove(name);
            call.hits();
            for root in twin.roots() {
                assert!(root.join(name).exists(), "{name}");
            }
            twin.remove(name);
        }
    }
}

#[test]
fn their_removal_is_played_back() {
    for line in [
        "find . -name '*.pyc' -delete",
        "rm -rf .pytest_cache",
        "rm -f a/*~",
        "find . -name __pycache__ -prune -exec rm -rf {} +",
        "python3 -c 'import shutil; shutil.rmtree(\"a/__pycache__\")'",
    ] {
        let twin = Twin::new();
        let fill = || {
            twin.write("a/__pycache__/x.cpython-311.pyc", "1\n").write("a/y~", "1\n");
            twin.write(".pytest_cache/v/z", "1\n").write("a/k.pyc", "1\n").write("a/x.py", "");
            settle();
        };
        fill();
        let call = twin.sh(line);
        call.runs();
        fill();
        assert_eq!(call.agree(), Outcome::Hit, "{line}");
    }
}

#[test]
fn the_importers_own_bytecode_is_set_aside() {
    let twin = Twin::new();
    twin.write("m.py", "n = 1\n").write("p/__init__.py", "").write("p/q.py", "n = 2\n");
    twin.write("s.py", "import m, p.q, os\nprint(m.n + p.q.n, sorted(os.listdir('.'))[-1])\n");
    settle();
    let call = twin.call(["python3", "s.py"]);
    // The listing is of a directory in which the run itself made `__pycache__`.
    call.settles_after(1);
    for root in twin.roots() {
        std::fs::remove_dir_all(root.join("__pycache__")).unwrap();
    }
    call.hits();
    assert!(!twin.roots()[0].join("__pycache__").exists());
    twin.write("p/q.py", "n = 33\n");
    call.runs();
}

#[test]
fn bytecode_that_is_compiled_on_purpose_is_a_product() {
    for line in [
        "-m compileall -q pkg",
        "-m py_compile pkg/a.py",
        "-c \"import py_compile as p; p.compile('pkg/a.py')\"",
    ] {
        let twin = Twin::new();
        twin.write("pkg/a.py", "v = 1\n").touch("pkg/a.py", 1);
        let call = twin.sh(&format!("python3 {line}"));
        call.runs();
        for root in twin.roots() {
            std::fs::remove_dir_all(root.join("pkg/__pycache__")).unwrap();
        }
        settle();
        call.hits();
        for root in twin.roots() {
            assert_eq!(std::fs::read_dir(root.join("pkg/__pycache__")).unwrap().count(), 1, "{line}");
        }
    }
}

#[test]
fn what_stays_in_a_temporary_or_cache_directory_is_not_kept() {
    for (line, cure) in [
        ("sort f > $TMPDIR/s", "--ignore-write"),
        ("mkdir -p $HOME/.cache/app; sort f > $HOME/.cache/app/s", "--ignore-write"),
        ("mkdir -p $HOME/.npm; cp f $HOME/.npm/x", "--ignore-write"),
        ("mktemp > /dev/null; cat f", "--ignore-write"),
        ("cp f $HOME/.m2x", "--ignore-write"),
    ] {
        let twin = Twin::new();
        twin.write("f", "b\na\n");
        let call = twin.sh(line);
        is_not_kept_for(&call.runs(), "wrote-outside");
        assert!(call.told().to_string().contains("outside of the root"), "{cure}: {}", call.told());
    }
}

#[test]
fn temporary_files_that_are_gone_at_the_end_spoil_nothing() {
    for line in [
        "t=$(mktemp -p $TMPDIR); sort f > $t; cat $t; rm $t",
        "t=$(mktemp -d -p $TMPDIR); cp f $t/x; ls $t; rm -r $t",
        "[ -e $TMPDIR/lock ] || : > $TMPDIR/lock; cat f; rm $TMPDIR/lock",
        "t=$(mktemp -p $TMPDIR); ls $TMPDIR | wc -l; cat f; rm $t",
        "python3 -c 'import tempfile; t = tempfile.TemporaryFile(); d = tempfile.TemporaryDirectory(); print(open(\"f\").read())'",
    ] {
        let twin = Twin::new();
        twin.write("f", "b\na\n");
        settle();
        twin.sh(line).settles_after(1);
    }
}

#[test]
fn what_is_read_in_a_cache_directory_counts() {
    let twin = Twin::new();
    let line = "d=$HOME/.cache/app; if [ -e $d/conf ]; then cat $d/conf; else echo none; fi; : > $TMPDIR/x; rm $TMPDIR/x";
    let call = twin.sh(line);
    call.settles_after(1);
    twin.write("../home/.cache/app/conf", "one\n");
    call.runs();
    call.hits();
    twin.write("../home/.cache/app/conf", "two\n");
    call.runs();
}

#[test]
fn writes_that_are_ignored_may_lie_anywhere() {
    let twin = Twin::new();
    twin.write("f", "one\n").directory("../home/.cache/app");
    let call = twin.sh("cat f; echo x >> $HOME/.cache/app/log").with(&["--ignore-write", "~/.cache/app/**"]);
    call.settles_after(1);
    let dots = twin.sh("cat f; echo x >> $TMPDIR/log").with(&["--ignore-write", "../tmp/log"]);
    dots.settles_after(1);
}
