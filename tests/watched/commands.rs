//! Everyday commands without declarations: after how many runs each one hits, and that its result equals the bare one.

use crate::twin::{Outcome, Twin, settle};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

/// Whether a program is installed; prints a message if a test is skipped.
pub(crate) fn has(program: &str) -> bool {
    let is =
        Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success();
    if !is {
        println!("SKIPPED: there is no {program}");
    }
    is
}

/// A tree with a few files, a C program of three files, and scripts.
fn project() -> Twin {
    let twin = Twin::new();
    twin.write("a.csv", "1,2\n3,4\n").write("b.csv", "5,6\n").write("notes/todo.txt", "alpha\nbeta\n");
    twin.write("lines", "c\nb\na\n");
    settle();
    twin
}

fn c_project() -> Twin {
    let twin = Twin::new();
    twin.write("main.c", "#include \"part.h\"\nint main(void) { return part() - SEVEN; }\n");
    twin.write("part.c", "#include \"part.h\"\nint part(void) { return 7; }\n");
    twin.write("part.h", "#define SEVEN 7\nint part(void);\n");
    let makefile = "CFLAGS ?= -O1\nprog: main.o part.o\n\tcc -o $@ main.o part.o\n%.o: %.c part.h\n\tcc $(CFLAGS) -c -o $@ $<\n";
    twin.write("Makefile", makefile);
    settle();
    twin
}

#[test]
fn what_only_reads_settles_at_once() {
    let twin = project();
    for line in [
        "cat a.csv",
        "wc -l *.csv",
        "ls",
        "ls -l notes/todo.txt",
        "ls -A notes",
        "grep -r alpha notes",
        "find . -name '*.csv'",
        "head -n 1 lines | tr a-z A-Z",
        "sort lines | uniq -c | sort -rn",
        "for f in *.csv; do wc -c < \"$f\"; done",
        "awk -F, '{ s += $1 } END { print s }' a.csv",
        "sed s/a/b/ lines",
        "diff a.csv b.csv; true",
        "echo lines a.csv | xargs -P4 -n1 wc -l | sort",
        "test -e none || echo none",
    ] {
        twin.call(["bash", "-c", line]).settles_after(1);
    }
    for words in
        [&["cat", "a.csv"][..], &["ls"], &["grep", "-r", "alpha", "notes"], &["nohup", "cat", "lines"]]
    {
        twin.call(words).settles_after(1);
    }
    twin.write("job.sh", "for f in *.csv; do cut -d, -f1 $f; done | sort | tee notes/first\n");
    twin.call(["bash", "job.sh"]).settles_after(1);
    twin.write("c.csv", "9,9\n");
    twin.call(["ls"]).runs();
    twin.call(["bash", "job.sh"]).runs();
}

#[test]
fn owners_and_links_are_shown_as_they_are() {
    let twin = project();
    let show = ["stat", "-c", "%n %h %u %s", "lines", "a.csv"];
    twin.call(show).settles_after(1);
    twin.both(|root| std::fs::hard_link(root.join("lines"), root.join("notes/linked")).unwrap());
    settle();
    twin.call(show).runs();
    twin.call(show).hits();
    if rustix::process::geteuid().is_root() {
        twin.both(|root| std::os::unix::fs::chown(root.join("a.csv"), Some(65534), None).unwrap());
        settle();
        twin.call(show).runs();
    }
}

#[test]
fn what_looks_at_its_target_settles_after_two_runs() {
    let twin = project();
    twin.call(["cp", "a.csv", "copy.csv"]).settles_after(2);
    twin.call(["sort", "-o", "lines", "lines"]).settles_after(2);
    twin.call(["sed", "-i", "s/alpha/gamma/", "notes/todo.txt"]).settles_after(2);
    twin.call(["tar", "cf", "x.tar", "--mtime=2020-01-01", "--owner=0", "--group=0", "notes"])
        .settles_after(2);
    twin.sh("sort lines > sorted").settles_after(1);
    twin.remove("sorted").sh("sort lines > sorted").hits();
    twin.remove("copy.csv").call(["cp", "a.csv", "copy.csv"]).hits();
}

#[test]
fn python_and_its_data() {
    let twin = project();
    let script = "import csv, json, sys\nrows = list(csv.reader(open('a.csv')))\nprint(rows, sys.argv[1:])\njson.dump(rows, open('model.json', 'w'))\n";
    twin.write("train.py", script);
    let call = twin.call(["python3", "train.py", "--lr", "0.01"]);
    call.settles_after(1);
    twin.remove("model.json");
    call.hits();
    twin.write("beside.csv", "0\n");
    call.hits();
    twin.write("model.json", "mine\n");
    call.hits();
    twin.write("a.csv", "1,2\n3,5\n");
    call.runs();
    assert!(call.told().to_string().contains("a.csv"), "{}", call.told());
    twin.write("a.csv", "1,2\n3,4\n");
    call.hits();
    twin.write("train.py", format!("# layout\n{}", script.replace("', 'w'", "',   'w'")));
    call.hits();
    twin.sh("python3 -c 'print(len(open(\"lines\").read()))'").settles_after(1);
    twin.call(["python3", "-c", "import sys; print(sys.stdin.read())"]).stdin("lines", 2).settles_after(1);
}

#[test]
fn what_makes_temporary_files_and_processes_settles() {
    let twin = project();
    twin.write("temporary.py", "import tempfile\nwith tempfile.NamedTemporaryFile('w+') as t:\n    t.write('x')\n    t.seek(0)\n    print(t.read())\nopen('run.log', 'w').write('done')\n");
    twin.call(["python3", "temporary.py"]).settles_after(1);
    twin.write("pool.py", "import multiprocessing\ndef twice(n):\n    return 2 * n\nif __name__ == '__main__':\n    with multiprocessing.Pool(2) as pool:\n        print(pool.map(twice, range(4)))\n");
    twin.call(["python3", "pool.py"]).settles_after(1);
    twin.write("query.py", "import sqlite3\nd = sqlite3.connect('file:db?mode=ro', uri=True)\nprint(d.execute('select n from t').fetchall())\n");
    twin.both(|root| {
        let made = "import sqlite3\nd = sqlite3.connect('db')\nd.execute('create table t (n)')\nd.execute('insert into t values (7)')\nd.commit()\n";
        assert!(Command::new("python3").args(["-c", made]).current_dir(root).status().unwrap().success());
    });
    settle();
    twin.call(["python3", "query.py"]).settles_after(1);
    let insert =
        "import sqlite3\nd = sqlite3.connect('db')\nd.execute('insert into t values (8)')\nd.commit()\n";
    twin.write("insert.py", insert);
    twin.call(["python3", "insert.py"]).never_settles();
}

#[test]
fn node_and_npm() {
    let twin = project();
    if has("node") {
        twin.write("part.js", "module.exports = 7;\n");
        twin.write("s.js", "const fs = require('fs'); console.log(require('./part.js'), fs.readFileSync('a.csv', 'utf8'));\n");
        twin.call(["node", "s.js"]).settles_after(1);
        twin.write("part.js", "module.exports = 8;\n");
        twin.call(["node", "s.js"]).runs();
    }
    if has("npm") {
        twin.write("package.json", "{\"name\": \"x\", \"scripts\": {\"hello\": \"cat lines\"}}\n");
        twin.call(["npm", "run", "--silent", "hello"]).settles_after(2);
    }
}

#[test]
fn tools_that_are_packages_of_the_project_look_at_their_products() {
    if !has("node") {
        return;
    }
    let tool = "const fs = require('fs');\nconst out = 'dist/out';\nconst there = fs.existsSync(out);\nif (!fs.existsSync('dist')) fs.mkdirSync('dist');\nnote(out, there);\nfunction note() {}\nfs.writeFileSync(out, fs.readFileSync('lines'));\n";
    for (path, is_own) in [("node_modules/tool/run.js", false), ("run.js", true)] {
        let twin = Twin::new();
        twin.write("lines", "c\nb\na\n").write(path, tool);
        settle();
        let call = twin.call(["node", path]);
        call.runs();
        // The project's own code may go on with what it finds; a package is judged by its calls alone.
        if is_own {
            call.runs();
        } else {
            call.hits();
        }
        twin.write("lines", "d\n");
        call.runs();
    }
}

#[test]
fn the_compiler_and_make() {
    let twin = c_project();
    twin.call(["gcc", "-c", "-o", "main.o", "main.c"]).settles_after(2);
    twin.remove("main.o");
    let make = twin.call(["make"]);
    make.runs();
    make.hits_on_its_own_output();
    // Also with its products counted exactly.
    let make = twin.call(["make"]).with(&["--exact-state"]);
    make.settles_after(2);
    twin.call(["make", "-j2"]).with(&["--exact-state"]).settles_after(2);
    // make reports that there is nothing to do, whatever the time of an equally new source.
    settle();
    twin.both(|root| {
        assert!(Command::new("touch").arg("part.h").current_dir(root).status().unwrap().success());
    });
    make.runs();
    let told = make.told();
    assert!(told["reasons"].to_string().contains("part.h became newer"), "{told}");
    twin.write("part.h", "#define SEVEN 7\n#define EIGHT 8\nint part(void);\n");
    make.runs();
    make.settles_after(2);
    let other = twin.call(["make"]).with(&["--exact-state"]).env("CFLAGS", "-O0");
    twin.remove("main.o");
    other.runs();
    assert!(other.told().to_string().contains("CFLAGS") || other.told().to_string().contains("main.o"));
}

#[test]
fn what_make_has_rewritten_with_equal_bytes_is_newer() {
    for options in [&[][..], &["--exact-state"]] {
        let twin = Twin::new();
        twin.write("part", "part\n").write("Makefile", "lib.a: part\n\tar rcD lib.a part\n");
        settle();
        let make = twin.call(["make"]).with(options);
        make.runs();
        settle();
        twin.both(|root| {
            assert!(Command::new("touch").arg("part").current_dir(root).status().unwrap().success());
        });
        make.runs();
        make.settles_after(2);
    }
}

#[test]
fn make_answers_for_a_source_that_is_as_it_was() {
    let twin = Twin::new();
    let rules = "prog: part.o\n\tcc -o $@ part.o\n%.o: %.c\n\tcc -c -o $@ $<\ntest: prog\n\t./prog > got.txt && cat got.txt\nclean:\n\trm -f prog *.o got.txt\n";
    let source =
        |number: &str| format!("#include <stdio.h>\nint main(void) {{ puts(\"{number}\"); return 0; }}\n");
    twin.write("Makefile", rules).write("part.c", source("one"));
    for words in [&["make", "-s", "test"][..], &["make", "-B", "prog"], &["make", "clean", "prog"]] {
        let make = twin.call(words);
        settle();
        make.runs();
        settle();
        twin.write("part.c", source("two"));
        make.runs();
        settle();
        twin.write("part.c", source("one"));
        make.hits();
    }
}

#[test]
fn git_reads_its_repository() {
    let twin = Twin::new();
    // If it were younger than the index, git would rewrite the index.
    twin.write("file", "one\n").touch("file", 1);
    twin.both(|root| {
        for words in [
            &["init", "-q"][..],
            &["add", "file"],
            &["-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "first"],
        ] {
            let mut git = Command::new("git");
            git.args(words)
                .current_dir(root)
                .env("GIT_AUTHOR_DATE", "@1 +0000")
                .env("GIT_COMMITTER_DATE", "@1 +0000");
            assert!(git.status().unwrap().success());
        }
    });
    settle();
    for words in [&["git", "status", "--short"][..], &["git", "log", "--oneline"], &["git", "diff"]] {
        twin.call(words).settles_after(2);
    }
    twin.write("file", "two\n");
    twin.call(["git", "diff"]).runs();
    twin.call(["git", "status", "--short"]).runs();
    twin.write("other", "");
    twin.call(["git", "status", "--short"]).runs();
}

#[test]
fn the_moment_and_the_environment_tell_the_truth() {
    let twin = project();
    assert_eq!(twin.call(["date", "+%Y"]).agree(), Outcome::Bypass);
    twin.call(["date", "+%Y"]).with(&["--ttl", "1h"]).settles_after(1);
    let env = |value: &str| twin.call(["sh", "-c", "env | grep ^WORD"]).env("WORD", value).agree();
    env("one");
    assert_eq!(env("one"), Outcome::Hit);
    assert_eq!(env("two"), Outcome::Kept);
}

#[test]
fn the_network_is_not_kept_unless_the_call_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nhi\n");
        }
    });
    let twin = project();
    let get = format!("import urllib.request\nprint(urllib.request.urlopen('http://{address}/').read())\n");
    twin.write("get.py", get);
    let call = twin.call(["python3", "get.py"]);
    assert_eq!(call.runs(), Outcome::NotKept("network".to_owned()));
    call.never_settles();
    twin.call(["python3", "get.py"]).with(&["--allow-net"]).settles_after(1);
    call.runs();
    twin.call(["python3", "get.py"]).with(&["--ttl", "1h"]).settles_after(1);
    if has("curl") {
        let url = format!("http://{address}/");
        let curl = twin.call(["curl", "-s", &url]);
        for _ in 0..3 {
            assert_eq!(curl.runs(), Outcome::NotKept("network".to_owned()));
        }
        twin.call(["curl", "-s", &url]).with(&["--allow-net"]).settles_after(1);
        twin.call(["curl", "-s", "-o", "page", &url]).with(&["--ttl", "1h"]).settles_after(2);
        twin.remove("page");
        twin.call(["curl", "-s", "-o", "page", &url]).with(&["--ttl", "1h"]).hits();
    }
    // A server inside the run is not an outside process.
    let own = "import http.server, threading, urllib.request\ns = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\nt = threading.Thread(target=s.handle_request)\nt.start()\nprint(urllib.request.urlopen('http://127.0.0.1:%d/lines' % s.server_port).read())\nt.join()\n";
    twin.write("own.py", format!("import sys, os\nsys.stderr = open(os.devnull, 'w')\n{own}"));
    twin.call(["python3", "own.py"]).settles_after(1);
}

#[test]
fn the_readme_line_on_the_examples() {
    let twin = Twin::new();
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    twin.both(|root| {
        let copied = Command::new("cp").arg("-r").arg(&examples).arg(root.join("examples")).status().unwrap();
        assert!(copied.success());
        let _ = std::fs::remove_dir_all(root.join("examples/out"));
        std::fs::create_dir(root.join("examples/out")).unwrap();
    });
    settle();
    let call = twin.call(["python3", "examples/train.py", "--lr", "0.01", "--epochs", "2"]);
    call.settles_after(1);
    twin.write("examples/data/unrelated.txt", "beside\n");
    call.hits();
    twin.remove("examples/out/model.json");
    call.hits();
    let [root, _] = twin.roots();
    let data = std::fs::read_to_string(root.join("examples/data/penguins.csv")).unwrap();
    let fewer: String = data.split_inclusive('\n').take(60).collect();
    twin.write("examples/data/penguins.csv", fewer);
    call.runs();
    assert!(call.told().to_string().contains("penguins.csv"), "{}", call.told());
}

#[test]
fn a_header_decides_what_is_built() {
    let twin = c_project();
    let make = twin.call(["make", "-j2"]);
    make.runs();
    make.hits_on_its_own_output();
    for bytes in ["#define SEVEN 7\nint part(void); /* said */\n", "#define SEVEN (3 + 4)\nint part(void);\n"]
    {
        twin.write("part.h", bytes);
        make.runs();
        make.hits_on_its_own_output();
    }
    for flags in ["-O0", "-O2", "-O0"] {
        twin.remove("main.o").remove("part.o").remove("prog");
        twin.call(["make", "-j2"]).env("CFLAGS", flags).agree();
    }
    let again = twin.call(["make", "-j2"]).env("CFLAGS", "-O3");
    twin.remove("main.o").remove("part.o").remove("prog");
    again.runs();
    assert!(again.told().to_string().contains("CFLAGS"), "{}", again.told());
}

#[test]
fn pytest_settles_at_once() {
    let twin = project();
    let tools = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-tools");
    if !tools.join("pytest").is_dir() {
        let mut pip = Command::new("python3");
        let installed =
            pip.args(["-m", "pip", "install", "-q", "--target"]).arg(&tools).arg("pytest").status();
        if !installed.is_ok_and(|status| status.success()) {
            println!("SKIPPED: pytest cannot be installed");
            return;
        }
    }
    // Without it pytest also searches the parent directories, which other tests change.
    twin.write("pytest.ini", "[pytest]\n");
    twin.write("test_it.py", "def test_one():\n    assert len(open('lines').read()) == 6\ndef test_two(tmp_path):\n    (tmp_path / 'x').write_text('x')\n");
    settle();
    let tools = tools.to_str().unwrap().to_owned();
    let call = |outcome: &mut Vec<(Outcome, String)>| {
        let call = twin.call([
            "sh",
            "-c",
            "python3 -m pytest -q -p no:cacheprovider test_it.py > log; grep -o '. passed' log; rm log",
        ]);
        let call = call.env("PYTHONPATH", &tools);
        outcome.push((call.agree(), call.told().to_string()));
        settle();
    };
    let mut outcomes = Vec::new();
    (0..4).for_each(|_| call(&mut outcomes));
    assert!(matches!(outcomes.last(), Some((Outcome::Hit, _))), "{outcomes:#?}");
}
