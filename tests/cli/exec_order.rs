//! The order of standard output and standard error where both go to the same place, for any writing process and
//! descriptor number.

use crate::support::Sandbox;

/// Lines that alternate between the streams, as one reader of both receives them.
fn alternating(count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|n| format!("o{n}\ne{n}\n")).collect();
    lines.concat()
}

/// Runs `line` with both streams in one place: first executed, then replayed.
#[track_caller]
fn exact(line: &str, expected: &str) {
    for place in ["2>&1 | cat", "> both 2>&1; cat both; rm both"] {
        let sandbox = Sandbox::new();
        sandbox.write("line.sh", line);
        let whole = format!("cashet exec -- sh ./line.sh {place}");
        for round in 0..2 {
            let ran = sandbox.shell(&whole).any_stdout().run();
            assert_eq!(String::from_utf8_lossy(&ran.stdout), expected, "{line} {place}, round {round}");
        }
    }
}

#[test]
fn a_process_that_writes_both_is_in_order() {
    let sandbox = Sandbox::new();
    let body =
        "import os\nfor n in range(200):\n    os.write(1, b'o%d\\n' % n); os.write(2, b'e%d\\n' % n)\n";
    sandbox.python("job", body);
    for both in ["2>&1 | cat", "> both 2>&1; cat both; rm both"] {
        let line = format!("cashet exec -f -- python3 job {both}");
        sandbox.shell(&line).stdout(alternating(200)).executes(1).run();
    }
    // A result recorded with one reader also answers a call with two, and the other way round.
    sandbox.shell("cashet exec -- python3 job 2> /dev/null | grep -c o").stdout("200\n").executes(0).run();
    sandbox.shell("cashet exec -f -- python3 job > out 2> err; rm out err").executes(1).run();
    sandbox.shell("cashet exec -- python3 job 2>&1 | cat").stdout(alternating(200)).executes(0).run();
}

#[test]
fn stderr_is_in_order_by_whatever_number_it_is_written() {
    let pairs = "n=0; while [ $n -lt 20 ]; do echo o$n; WRITE; n=$((n+1)); done";
    for write in [
        "echo e$n >&2",
        "/bin/echo e$n >&2",
        "(echo e$n) >&2",
        "{ echo e$n >&2; } 3>&1",
        "sh -c \"echo e$n >&2\"",
        "{ echo e$n; } 1>&2",
        "echo e$n > /dev/stderr",
        "echo e$n > /proc/self/fd/2",
        "printf 'e%s\\n' $n | cat >&2",
    ] {
        exact(&pairs.replace("WRITE", write), &alternating(20));
    }
    exact(&format!("exec 3>&2\n{}", pairs.replace("WRITE", "echo e$n >&3")), &alternating(20));
    exact(&format!("exec 5>&2 2>&1\n{}", pairs.replace("WRITE", "echo e$n >&5")), &alternating(20));
    // The streams are swapped.
    let swapped = "n=0; while [ $n -lt 20 ]; do echo o$n; echo e$n >&2; n=$((n+1)); done";
    exact(&format!("{{ {swapped}; }} 3>&1 1>&2 2>&3"), &alternating(20));
    // There is only one stream to order.
    exact(&format!("exec 2>&1\n{swapped}"), &alternating(20));
    let out = (0..20).map(|n| format!("o{n}\n")).collect::<Vec<_>>().concat();
    exact(&format!("exec 2>&-\n{}", swapped.replace(">&2", ">&2 || :")), &out);
}

#[test]
fn long_and_odd_writes_are_in_order() {
    let long = "x".repeat(300_000);
    for (code, expected) in [
        // Far more than a pipe can hold, from a nonblocking descriptor.
        (
            "os.set_blocking(2, False)\nleft = b'x' * 300000\nwhile left:\n    try: left = left[os.write(2, left):]\n    except BlockingIOError: pass\n",
            long.as_str(),
        ),
        ("os.writev(2, [b'x' * 100000] * 3)\n", long.as_str()),
        ("print('x' * 300000, end='', file=sys.stderr)\n", long.as_str()),
        (
            "f = os.open('data', os.O_RDONLY); n = 0\nwhile n < 300000: n += os.sendfile(2, f, n, 300000 - n)\n",
            long.as_str(),
        ),
        // Nothing arrives.
        ("try: os.pwrite(2, b'x', 5)\nexcept OSError: pass\n", ""),
        ("os.write(2, b'')\n", ""),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("data", &long);
        let before = "import os, sys\nos.write(1, b'before\\n')\n";
        sandbox.python("job", &format!("{before}{code}\nos.write(1, b'after\\n')\n"));
        let expected = format!("before\n{expected}after\n");
        for executions in [1, 0] {
            let ran = sandbox
                .shell("cashet exec -- python3 job 2>&1 | cat")
                .any_stdout()
                .executes(executions)
                .run();
            assert!(ran.stdout == expected.as_bytes(), "{code}: {} bytes", ran.stdout.len());
        }
    }
}

#[test]
fn many_threads_and_processes_are_in_order() {
    let sandbox = Sandbox::new();
    sandbox.python(
        "job",
        "import os, threading\nturn = threading.Condition(); n = 0\n\
         def work(mine):\n    global n\n    while True:\n        with turn:\n            \
         turn.wait_for(lambda: n >= 200 or n % 4 == mine)\n            if n >= 200: return\n            \
         os.write(1 + n % 2, b'%s%d\\n' % (b'oe'[n % 2:n % 2 + 1], n // 2)); n += 1; turn.notify_all()\n\
         [t.start() for t in [threading.Thread(target=work, args=(m,)) for m in range(4)]]\n",
    );
    sandbox.shell("cashet exec -- python3 job 2>&1 | cat").stdout(alternating(100)).executes(1).run();
    // A child whose stdout is its parent's stderr.
    sandbox.python(
        "parent",
        "import subprocess, sys\nfor n in range(20):\n    print(f'o{n}', flush=True)\n    \
         subprocess.run(['echo', f'e{n}'], stdout=sys.stderr)\n",
    );
    sandbox.shell("cashet exec -- python3 parent 2>&1 | cat").stdout(alternating(20)).executes(1).run();
}

#[test]
fn below_a_watch_the_order_is_as_exact() {
    let sandbox = Sandbox::new();
    let body =
        "import os\nfor n in range(100):\n    os.write(1, b'o%d\\n' % n); os.write(2, b'e%d\\n' % n)\n";
    sandbox.python("job", body);
    sandbox.script("outer", "cashet exec -- python3 job 2>&1");
    let outer = "cashet exec -- ./outer | cat";
    sandbox.shell(outer).stdout(alternating(100)).executes(2).run();
    sandbox.write("line.sh", "for n in 0 1 2 3 4 5 6 7 8 9; do echo o$n; echo e$n > /dev/stderr; done");
    sandbox.script("outer", "cashet exec -- sh ./line.sh 2>&1");
    sandbox.shell(outer).stdout(alternating(10)).run();
}

#[test]
fn unwatched_one_pipe_keeps_the_order_of_one_place() {
    let sandbox = Sandbox::new();
    let body =
        "import os\nfor n in range(100):\n    os.write(1, b'o%d\\n' % n); os.write(2, b'e%d\\n' % n)\n";
    sandbox.python("job", body);
    let call = "cashet exec --trace off --pure python3 job";
    for executions in [1, 0] {
        let line = format!("{call} 2>&1 | cat");
        sandbox.shell(&line).stdout(alternating(100)).executes(executions).run();
    }
    // The record does not separate the streams: it does not answer a call with two readers, and the other way round.
    for executions in [1, 0] {
        let line = format!("{call} 2> err | grep -c o; grep -c e err; rm err");
        sandbox.shell(&line).stdout("100\n100\n").executes(executions).run();
    }
    sandbox
        .shell(format!("{call} > both 2>&1; cat both; rm both"))
        .stdout(alternating(100))
        .executes(0)
        .run();
    sandbox.shell("cashet verify @ && cashet verify @~1").any_stdout().any_stderr().executes(2).run();
}

#[test]
fn a_reader_that_does_not_read_holds_no_write_to_stderr_up() {
    let sandbox = Sandbox::new();
    // The reader of stdout starts only after a line on stderr, long after the pipe is full.
    sandbox.script("job", "head -c 3000000 /dev/zero; echo go >&2; head -c 1000 /dev/zero");
    let line = "mkfifo go; cashet exec -- ./job 2> go | { read word < go; wc -c; }; rm go";
    sandbox.shell(line).stdout("3001000\n").executes(1).run();
}
