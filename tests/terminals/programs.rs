//! Real programs at a terminal: bare and below cashet they show the same, byte for byte, when run and when replayed.

use crate::screen::{Project, below, is_there};
use std::process::Stdio;

/// A session: the words, and what is typed once something is shown.
type Session = (&'static [&'static str], &'static [(&'static str, &'static str)]);

const SESSIONS: &[Session] = &[
    (&["ls", "--color=auto", "-C"], &[]),
    (&["ls", "-l", "--color=auto", "--time-style=+"], &[]),
    (&["grep", "--color=auto", "-n", "line 1", "lines"], &[]),
    (&["git", "status"], &[]),
    (&["git", "--no-pager", "log", "--stat"], &[]),
    (&["git", "log", "--format=%s%n%b"], &[]),
    (&["git", "diff", "--color=auto", "HEAD~1"], &[("line 15", "q")]),
    (&["cargo", "--list"], &[]),
    (&["cargo", "build"], &[]),
    (&["cargo", "check", "--color=auto"], &[]),
    (&["npm", "ls"], &[]),
    (&["npm", "run", "hello"], &[]),
    (&["npm", "pkg", "get", "name"], &[]),
    (&["node", "-e", "console.log({a: 1, b: 'x'}, process.stdout.columns)"], &[]),
    (&["pytest", "-q", "test_sum.py"], &[]),
    (&["pytest", "--color=auto", "-v", "test_fails.py"], &[]),
    (&["python3", "-m", "pytest", "test_sum.py"], &[]),
    (&["eslint", "bad.js"], &[]),
    (&["eslint", "--format", "json", "bad.js"], &[]),
    (&["pip", "list"], &[]),
    (&["pip", "--version"], &[]),
    (&["pip", "install", "--dry-run", "--no-index", "--no-deps", "./parcel-1.0-py3-none-any.whl"], &[]),
    (&["python3", "fetch.py"], &[]),
    (&["python3", "bar.py"], &[]),
    (&["tqdm", "--total", "3"], &[("0/3", "a\nb\nc\n\x04")]),
    (&["python3", "-q"], &[(">>> ", "1+1\n"), ("2\r\n", "exit()\n")]),
    (&["python3", "-c", "import getpass; print(getpass.getpass())"], &[("Password: ", "secret\n")]),
    (&["bash", "-c", "read -s -p 'Word: ' x; echo; echo $x"], &[("Word: ", "secret\n")]),
    (&["bash", "-c", "select x in a b; do echo $x; break; done"], &[("#? ", "2\n")]),
    (&["less", "lines"], &[("line 20", " "), ("line 40", "q")]),
    (&["vim", "-u", "NONE", "-N", "lines"], &[("line 20", "ihey\x1b"), ("hey", ":q!\r")]),
    (&["top", "-v"], &[]),
    (&["tmux", "-V"], &[]),
    (
        &[
            "tmux",
            "-f",
            "/dev/null",
            "-S",
            "socket",
            "new-session",
            "-n",
            "w",
            "sh -c 'echo within; sleep 1'",
        ],
        &[],
    ),
    (&["script", "-q", "-c", "tty > /dev/null; echo within", "/dev/null"], &[]),
    (&["stty", "-a"], &[]),
    (&["tput", "cols"], &[]),
    (&["sort", "lines"], &[]),
    (&["make"], &[]),
    (&["gcc", "-c", "bad.c"], &[]),
    (&["diff", "--color=auto", "lines", "other"], &[]),
    (&["sh", "-c", "for i in 1 2 3; do echo o$i; echo e$i >&2; done"], &[]),
    (&["sh", "-c", "exit 3"], &[]),
];

fn prepare(project: &Project) {
    let lines = (0..100).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
    project.write("lines", &lines).write("other", "line 1\n").write("bad.c", "int f(void) { return x; }\n");
    project.write("Makefile", "all:\n\techo made\n");
    project.write(
        "test_sum.py",
        "def test_sum():\n    assert 1 + 1 == 2\n\ndef test_more():\n    assert True\n",
    );
    let bar = "import sys\ntry:\n    from tqdm import tqdm\nexcept ImportError:\n    def tqdm(x, **k):\n        for i in x:\n            sys.stderr.write('%d\\r' % i); sys.stderr.flush(); yield i\n        sys.stderr.write('\\n')\nfor i in tqdm(range(5)): pass\nprint('done')\n";
    project.write("bar.py", bar);
    project.write(
        "package.json",
        "{\"name\": \"p\", \"version\": \"1.0.0\", \"scripts\": {\"hello\": \"echo hello\"}}\n",
    );
    project.write(
        "Cargo.toml",
        "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n",
    );
    project.write("lib.rs", "pub fn one() -> i32 { 1 }\n");
    project.write("test_fails.py", "def test_fails():\n    assert [1, 2] == [1, 3]\n");
    project.write("bad.js", "const unused = 1;\nif (x == 2) { y(); }\n");
    let rules = "export default [{ rules: { 'no-unused-vars': 'error', eqeqeq: 'warn' } }];\n";
    project.write("eslint.config.mjs", rules);
    project.write("fetch.py", FETCH);
    if is_there("python3") {
        assert!(project.command(&["python3", "-c", WHEEL]).status().unwrap().success());
    }
    if is_there("git") {
        for words in [
            &["git", "init", "-q", "-b", "main"][..],
            &[
                "git",
                "-c",
                "user.name=n",
                "-c",
                "user.email=e",
                "commit",
                "-q",
                "--allow-empty",
                "-m",
                "first",
            ],
            &["git", "add", "lines"],
            &["git", "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "second"],
        ] {
            let mut command = project.command(words);
            for name in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
                command.env(name, "2020-01-01T00:00:00Z");
            }
            assert!(
                command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(),
                "{words:?}"
            );
        }
    }
}

/// A wheel of which each download takes a while to show, and a program that downloads it from a server of its own.
const FETCH: &str = "\
import http.server, shutil, subprocess, sys, threading
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = 'http://127.0.0.1:%d/parcel-1.0-py3-none-any.whl' % server.server_address[1]
words = [sys.executable, '-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '-d', 'into', address]
status = subprocess.run(words).returncode
shutil.rmtree('into')
sys.exit(status)
";

const WHEEL: &str = "\
import os, zipfile
with zipfile.ZipFile('parcel-1.0-py3-none-any.whl', 'w') as wheel:
    wheel.writestr('parcel/__init__.py', '')
    wheel.writestr('parcel/data', os.urandom(3 << 20))
    wheel.writestr('parcel-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: parcel\\nVersion: 1.0\\n')
    wheel.writestr('parcel-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr('parcel-1.0.dist-info/RECORD', '')
";

/// Times, speeds, process numbers and names of terminals are other ones each time.
fn normal(text: &str) -> String {
    let mut normal = String::new();
    let mut last = ' ';
    // So npm turns a wheel.
    let still = text.replace("\x1b[1G", "").replace("\x1b[0K", "");
    for letter in still.chars().filter(|letter| !('\u{2800}'..='\u{28ff}').contains(letter)) {
        let letter = if letter.is_ascii_digit() { '0' } else { letter };
        if letter != '0' || last != '0' {
            normal.push(letter);
        }
        last = letter;
    }
    normal
}

/// Bars show what they have time for; what they show in the end is compared.
fn is_timed(words: &[&str]) -> bool {
    words.iter().any(|word| {
        matches!(*word, "bar.py" | "pytest" | "build" | "check" | "fetch.py" | "--total" | "install")
    })
}

fn shown(words: &[&str], text: &str) -> String {
    if words.contains(&"new-session") {
        // It paints what it has when it comes to it.
        return ["\x1b[H", "within", "[exited]"].map(|part| text.contains(part).to_string()).join(" ");
    }
    if !is_timed(words) {
        return normal(text);
    }
    let lines =
        text.split('\n').map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default());
    normal(&lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn programs_show_what_they_show_bare() {
    let project = Project::new();
    for (words, script) in SESSIONS {
        let program = match words {
            [_, "-m", "pytest", ..] => "pytest",
            [_, "fetch.py"] => "pip",
            _ => words[0],
        };
        if !is_there(program) {
            continue;
        }
        let mut all = Vec::new();
        // Bare, run, and run or replayed.
        for call in [false, true, true] {
            if all.len() < 2 {
                project.clear();
                prepare(&project);
            }
            let words = if call { below(&["-q"], words) } else { words.to_vec() };
            let screen = project.at_terminal(&words);
            for (wait, keys) in *script {
                screen.wait_for(wait);
                std::thread::sleep(std::time::Duration::from_millis(100));
                screen.type_in(keys);
            }
            let (text, status) = screen.end();
            all.push((shown(&words, &text), status));
        }
        assert_eq!(all[0], all[1], "{words:?} when it runs");
        if !is_timed(words) || words[0] != "cargo" {
            assert_eq!(all[0], all[2], "{words:?} the second time");
        }
    }
}
