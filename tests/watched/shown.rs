//! Programs that print properties of files (times, modes, owners), anywhere in a run; other programs do not make a run
//! depend on these properties.

use crate::commands::has;
use crate::twin::{Twin, settle};

/// Two files and one directory, all of them old.
fn old() -> Twin {
    let twin = Twin::new();
    twin.write("data", "one\n").write("other", "two\n").write("d/x", "x\n");
    for (path, seconds) in [("data", 1), ("other", 2), ("d/x", 3), ("d", 4)] {
        twin.touch(path, seconds);
    }
    twin
}

/// Runs these words, which hit immediately; then the time of `data` changes, without changing the order of times: they
/// must run.
#[track_caller]
fn shows(script: &str, words: &[&str]) {
    let twin = old();
    twin.write("s.sh", script).write("s.py", script);
    settle();
    let call = twin.call(words);
    call.settles_after(1);
    twin.touch("data", 0);
    call.runs();
    call.settles_after(1);
}

#[test]
fn times_that_a_program_inside_a_script_shows() {
    for script in [
        "ls -l data\n",
        "stat -c %y data\n",
        "find . -maxdepth 1 -name data -printf '%T@\\n'\n",
        "tar cf - --owner=0 --group=0 data | tail -c +1\n",
        "ls -l data | cat\n",
        "echo data | xargs ls -l\n",
        "printf data | xargs -0 -n1 stat -c %Y\n",
        "x=$(ls -l data); echo \"$x\"\n",
        "(cd d; nice ls -l ../data)\n",
        "env -i /bin/ls --full-time data\n",
        "date -r data +%s\n",
        "diff -u data other || true\n",
        "diff --context data other || true\n",
        "gzip -c data | od -c\n",
        "pr data | head -3\n",
        "cat data; ls -l data\n",
        "ls -l data; cat data\n",
        "sh -c 'sh -c \"exec ls -l data\"'\n",
    ] {
        shows(script, &["sh", "s.sh"]);
    }
}

#[test]
fn times_that_one_program_of_many_shows() {
    if !has("busybox") {
        return;
    }
    for script in [
        "busybox ls -l data\n",
        "busybox sh -c 'ls -l data'\n",
        "busybox sh -c 'ls -l data; true'\n",
        "busybox sh -c 'stat -c %y data | cat'\n",
        "busybox find data -exec busybox stat -c %y {} ';'\n",
        "echo data | busybox xargs stat -c %y\n",
    ] {
        shows(script, &["sh", "s.sh"]);
    }
    let twin = old();
    settle();
    let call = twin.call(["busybox", "sh", "-c", "[ -e data ] && cat data; grep one data"]);
    call.settles_after(1);
    twin.touch("data", 0);
    call.hits();
}

#[test]
fn times_that_a_program_started_by_python_shows() {
    for script in [
        "import subprocess\nprint(subprocess.run(['stat', '-c', '%y', 'data'], capture_output=True).stdout)\n",
        "import os\nos.system('ls -l data')\n",
        "import os\nos.execvp('ls', ['ls', '-l', 'data'])\n",
        "import os, threading\nt = threading.Thread(target=lambda: os.execvp('ls', ['ls', '-l', 'data']))\n\
         t.start()\nt.join()\n",
    ] {
        shows(script, &["python3", "s.py"]);
    }
}

#[test]
fn times_that_the_command_itself_shows() {
    for words in [
        &["diff", "-u", "d/x", "data", "--label=x"][..],
        &["sh", "-c", "ls -l data"],
        &["env", "ls", "-l", "data"],
        &["gzip", "-kc", "data"],
    ] {
        let twin = old();
        settle();
        let call = twin.call(words);
        call.runs();
        call.agree();
        twin.touch("data", 0);
        call.runs();
    }
}

#[test]
fn times_that_the_code_itself_asks_for() {
    for code in [
        "import os; f = open('data'); print(os.fstat(f.fileno()).st_mtime)",
        "import os; print(os.path.getmtime('data'))",
        "import os; print(os.stat('data').st_mtime, open('data').read())",
        "import tarfile, sys; tarfile.open(mode='w|', fileobj=sys.stdout.buffer).add('data')",
        "import pathlib; print(pathlib.Path('data').stat().st_mtime_ns)",
    ] {
        shows("", &["python3", "-c", code]);
        shows(code, &["python3", "s.py"]);
    }
    if has("node") {
        shows("", &["node", "-e", "console.log(require('fs').statSync('data').mtimeMs)"]);
    }
    if has("perl") {
        shows("", &["perl", "-e", "print((stat 'data')[9])"]);
    }
}

#[test]
fn the_order_of_times_that_lie_ahead() {
    const AHEAD: u64 = 4_000_000_000;
    for line in ["[ data -nt other ] && echo newer", "[ data -nt other ] && cat data", "ls -t data other"] {
        let twin = old();
        twin.touch("data", AHEAD);
        settle();
        let call = twin.call(["bash", "-c", line]);
        call.runs();
        call.agree();
        twin.touch("data", 0);
        call.runs();
    }
}

#[test]
fn modes_of_open_files() {
    for words in [
        &["python3", "-c", "import os; print(oct(os.fstat(open('data').fileno()).st_mode))"][..],
        &["python3", "s.py"],
        &["gzip", "-knf", "data"],
        &["bzip2", "-kf", "data"],
        &["xz", "-kf", "data"],
        &["sh", "-c", "gzip -knf data"],
    ] {
        if !has(words[0]) {
            continue;
        }
        let twin = old();
        twin.write("s.py", "import os\nf = open('data')\nprint(os.fstat(f.fileno()).st_mode)\n");
        settle();
        let call = twin.call(words);
        call.runs();
        call.agree();
        twin.mode("data", 0o600);
        call.runs();
    }
}

#[test]
fn a_time_that_the_run_itself_moves_never_settles() {
    let twin = old();
    for line in ["ls -ld d; touch d/y; rm d/y", "stat -c %Y d; echo > d/y; rm d/y; stat -c %s data"] {
        twin.touch("d", 4);
        twin.call(["sh", "-c", line]).runs();
        // The first run changed the time of the directory: a second run prints another one.
        twin.touch("d", 5);
        twin.call(["sh", "-c", line]).runs();
    }
}

#[test]
fn plain_programs_in_a_script_do_not_depend_on_times() {
    for script in [
        "cat data\n",
        "grep one data; wc -l data; head -c 3 data\n",
        "ls; ls d\n",
        "for f in d/*; do cat $f; done\n",
        "sort data other > out; cat out\n",
        "cp data copy; cat copy\n",
        "python3 -c \"print(open('data').read())\"\n",
        "ls -l d; cat data\n",
        "stat -c %y d/x; sh -c 'cat data'\n",
        "cat data | xargs echo\n",
        "diff data other || true\n",
        "tar xf nothing 2>/dev/null; [ -e data ] && cat data\n",
        "gzip -nc data | od -c\n",
    ] {
        let twin = old();
        twin.write("s.sh", script);
        settle();
        let call = twin.call(["sh", "s.sh"]);
        call.settles_after(2);
        // Only the time of `data` changes, and it stays the oldest.
        twin.touch("data", 0);
        call.hits();
    }
}

#[test]
fn owners_and_attributes_that_a_program_inside_a_script_shows() {
    let twin = old();
    settle();
    let call = twin.sh("ls -l data; ls -ld d");
    call.settles_after(1);
    if rustix::process::geteuid().is_root() {
        twin.both(|root| std::os::unix::fs::chown(root.join("data"), Some(12345), None).unwrap());
        call.runs();
    }
    twin.both(|root| std::fs::hard_link(root.join("data"), root.join("again")).unwrap());
    call.runs();
    for (reader, writer) in [
        ("getfacl -p data", "setfacl -m u:12345:r data"),
        ("getfattr -d data", "setfattr -n user.a -v b data"),
    ] {
        let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        if !has(&name(reader)) || !has(&name(writer)) {
            println!("SKIPPED: {reader}: not installed");
            continue;
        }
        let (call, change) = (twin.sh(reader), writer);
        call.settles_after(1);
        twin.both(|root| {
            assert!(
                std::process::Command::new("sh")
                    .args(["-c", change])
                    .current_dir(root)
                    .status()
                    .unwrap()
                    .success()
            );
        });
        call.runs();
    }
}

#[test]
fn what_another_process_than_python_lists_counts() {
    for code in [
        "import subprocess\nsubprocess.run(['ls'])\n",
        "import subprocess\nsubprocess.run(['python3', 'inner.py'])\n",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import os; print(os.listdir())'])\n",
        "import os\nos.execvp('ls', ['ls'])\n",
    ] {
        let twin = old();
        twin.write("s.py", code).write("inner.py", "import os\nprint(sorted(os.listdir()))\n");
        settle();
        let call = twin.call(["python3", "s.py"]);
        call.settles_after(2);
        twin.write("new", "new\n");
        call.runs();
    }
}

#[test]
fn what_the_function_imports_in_a_process_of_its_own_is_not_a_listing() {
    for code in [
        "import os, part\nif os.fork() == 0:\n    import other\n    os._exit(0)\nos.wait()\n",
        "import multiprocessing as m, part\nif __name__ == '__main__':\n    m.set_start_method('fork')\n    \
         with m.Pool(1) as pool:\n        print(pool.map(part.f, [1]))\n",
    ] {
        let twin = old();
        twin.write("s.py", code).write("part.py", "def f(x): return x\n").write("other.py", "");
        settle();
        let call = twin.call(["python3", "s.py"]);
        call.settles_after(2);
        twin.write("new", "new\n");
        call.hits();
    }
}
