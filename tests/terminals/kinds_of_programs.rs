//! Many programs, written to a terminal first: what then reaches a pipe is what they write to a pipe.

use crate::screen::{CASHET, Project, below, is_there};

/// Commands, of which many write other things to a terminal.
const COMMANDS: &[&str] = &[
    "ls",
    "ls -a",
    "ls -1",
    "ls --color=never",
    "ls sub",
    "ls --quoting-style=shell odd",
    "ls odd",
    "grep --color=auto line lines",
    "grep -c line lines",
    "grep -r line sub",
    "git branch --color=never",
    "git status --short",
    "git log --oneline --no-color",
    "git tag -l",
    "git diff --stat --color=never HEAD~1",
    "git ls-files",
    "git --no-pager grep --no-color line",
    "git config --list --local",
    "cat lines",
    "head -3 lines",
    "tail -3 lines",
    "wc lines",
    "wc -l lines other",
    "sort -r lines",
    "uniq lines",
    "cut -c1-3 lines",
    "tr a-z A-Z < lines",
    "sed s/line/LINE/ lines",
    "awk 1 lines",
    "od -c other",
    "hexdump -C other",
    "xxd other",
    "base64 other",
    "md5sum lines",
    "sha256sum lines",
    "diff lines other",
    "cmp lines other",
    "find . -name lines",
    "du -a sub",
    "stat -c %n lines",
    "file lines",
    "printf %s x",
    "echo text",
    "seq 5",
    "expr 1 + 2",
    "env -i printf x",
    "basename /a/b",
    "dirname /a/b",
    "realpath --relative-to=. lines",
    "tree sub",
    "make",
    "make -s",
    "gcc -c good.c",
    "gcc --version",
    "ld --version",
    "nm -V",
    "perl -e print(1)",
    "perl -e print(-t(STDOUT)?1:2)",
    "ruby -e puts(STDOUT.tty?)",
    "node -p 1+1",
    "node -e console.log(process.stdout.isTTY)",
    "node -e console.log({a:1})",
    "python3 -c print(1)",
    "python3 -c import(sys);print(sys.stdout.isatty())",
    "python3 --version",
    "python3 -m json.tool data.json",
    "pip --version",
    "npm --version",
    "npm ls",
    "cargo --version",
    "rustc --version",
    "go version",
    "java -version",
    "tar cvf /dev/null lines",
    "gzip -c other",
    "curl --version",
    "curl -s file:///etc/hostname",
    "jq . data.json",
    "sqlite3 :memory: .databases",
    "column lines",
    "fold -w 3 lines",
    "pr -l 10 other",
    "man --version",
    "openssl version",
    "bc --version",
    "tput bold",
    "tty",
    "test -t 1",
];

fn prepare(project: &Project) {
    let lines = (0..50).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
    project
        .write("lines", &lines)
        .write("other", "line 1\n")
        .write("good.c", "int one(void) { return 1; }\n");
    project.write("Makefile", "all:\n\techo made\n").write("data.json", "{\"a\": [1, 2]}\n");
    for (directory, name) in [("sub", "inner"), ("odd", "a name")] {
        std::fs::create_dir(project.path(directory)).unwrap();
        project.write(&format!("{directory}/{name}"), "line\n");
    }
    if is_there("git") {
        for line in [
            "git init -q -b main",
            "git -c user.name=n -c user.email=e commit -q --allow-empty -m first",
            "git add lines",
            "git -c user.name=n -c user.email=e commit -q -m second",
            "git tag v1",
        ] {
            assert!(project.command(&["sh", "-c", line]).status().unwrap().success(), "{line}");
        }
    }
}

#[test]
fn what_a_terminal_got_reaches_a_pipe_only_where_the_pipe_would_get_it() {
    let project = Project::new();
    prepare(&project);
    let (mut tried, mut answered) = (0, 0);
    for line in COMMANDS {
        let line = line.replace("import(", "import ").replace("sys);", "sys;");
        let words: Vec<&str> = line.split(' ').filter(|word| *word != "<").collect();
        if line.contains('<') || !is_there(words[0]) {
            continue;
        }
        tried += 1;
        let bare = project.piped(&words);
        project.at_terminal(&below(&["-q", "--cache-exit=0-255"], &words)).end_anyhow();
        let call =
            [&[CASHET, "exec", "-q", "--cache-exit=0-255", "--mode=replay", "--"][..], &words].concat();
        let output = project.command(&call).stdin(std::process::Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if text(&output.stderr).contains("nothing to replay")
            || text(&output.stderr).contains("never replayed")
        {
            continue;
        }
        answered += 1;
        assert_eq!((text(&output.stdout), text(&output.stderr)), bare, "{line}");
    }
    println!("{tried} programs tried, {answered} answered a pipe");
    assert!(tried >= 50, "only {tried} programs are installed");
    assert!(answered >= 20, "only {answered} answered");
}
