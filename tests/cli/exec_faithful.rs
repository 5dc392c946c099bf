//! Properties of outputs beside bytes and modes are restored: times, hard links, attributes, holes.

use crate::support::{Run, Sandbox};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Modification time of a path in seconds and nanoseconds, without following a last link.
fn time(sandbox: &Sandbox, path: &str) -> (i64, i64) {
    let metadata = fs::symlink_metadata(sandbox.path(path)).unwrap();
    (metadata.mtime(), metadata.mtime_nsec())
}

/// `./job`, which declares its outputs: they replace any existing file.
fn job<'a>(sandbox: &'a Sandbox, made: &[&str]) -> Run<'a> {
    let mut words: Vec<&str> = made.iter().flat_map(|path| ["-o", *path]).collect();
    words.push("./job");
    sandbox.exec(words).may_change(".").any_stdout().any_stderr()
}

/// Runs, removes `made`, replays.
fn twice(sandbox: &Sandbox, script: &str, made: &[&str], look: impl Fn()) {
    sandbox.script("job", script);
    let call = || job(sandbox, made);
    call().executes(1).run();
    look();
    for path in made {
        sandbox.remove(path);
    }
    call().executes(0).run();
    look();
    // Also over files that have the right bytes already.
    for path in made.iter().filter(|path| sandbox.path(path).is_file()) {
        sandbox.shell(format!("touch '{path}'")).may_change(path).run();
    }
    call().executes(0).run();
    look();
}

#[test]
fn times_that_were_set_come_back_by_whatever_call() {
    for set in [
        "touch -d '2001-02-03 04:05:06.5' o",
        "python3 -c \"import os; os.utime('o', ns=(0, 981173106500000000))\"",
        "python3 -c \"import os; f = os.open('o', os.O_WRONLY); os.utime(f, ns=(0, 981173106500000000))\"",
        "touch -d '2001-02-03 04:05:06.5' t; mv t o",
        "touch -d '2001-02-03 04:05:06.5' o; chmod 755 o",
    ] {
        let sandbox = Sandbox::new();
        let script = format!("rm -f o; echo x > o; cp o t; TZ=UTC export TZ; {set}; rm -f t");
        twice(&sandbox, &script, &["o"], || {
            assert_eq!(time(&sandbox, "o"), (981_173_106, 500_000_000), "{set}");
        });
    }
}

#[test]
fn times_of_directories_links_and_of_the_future_come_back() {
    let sandbox = Sandbox::new();
    let script = "rm -rf d; mkdir -p d/e; echo 1 > d/e/f; ln -s f d/e/l; touch -d @4000000000 d/e/f; \
                  touch -h -d @1000000001 d/e/l; touch -d @1000000002 d/e; touch -d @1000000003 d";
    twice(&sandbox, script, &["d"], || {
        let times = ["d/e/f", "d/e/l", "d/e", "d"].map(|path| time(&sandbox, path).0);
        assert_eq!(times, [4_000_000_000, 1_000_000_001, 1_000_000_002, 1_000_000_003]);
    });
}

#[test]
fn what_is_unpacked_has_the_times_of_its_archive() {
    let sandbox = Sandbox::new();
    sandbox
        .shell("mkdir a; echo 1 > a/f; touch -d @1000000000 a/f a; tar cf a.tar a; rm -r a")
        .may_change(".")
        .run();
    twice(&sandbox, "tar xf a.tar", &["a"], || {
        assert_eq!((time(&sandbox, "a/f"), time(&sandbox, "a")), ((1_000_000_000, 0), (1_000_000_000, 0)));
    });
}

#[test]
fn a_time_from_an_input_is_the_present_one_of_that_input() {
    // A clone has other times. Among inputs with the same time, the name selects the source.
    let sandbox = Sandbox::new();
    sandbox.write("src/in", "1\n").write("src/other", "2\n").write("src/tool", "3\n");
    sandbox.script("job", "cat src/other src/tool; ln src/in.new out/in 2> /dev/null; mv src/in out/in");
    let prepare = |seconds: i64| {
        let line = "mkdir -p out; rm -f out/in; echo 1 > src/in; touch -d @";
        let others = seconds - 5;
        sandbox
            .shell(format!("{line}{seconds} src/in; touch -d @{others} src/other src/tool"))
            .may_change(".")
            .run();
    };
    let call = || sandbox.exec(["./job"]).may_change(".").any_stdout();
    prepare(1_000_000_000);
    call().executes(1).run();
    assert_eq!(time(&sandbox, "out/in").0, 1_000_000_000);
    prepare(1_100_000_000);
    call().executes(0).run();
    assert_eq!(time(&sandbox, "out/in").0, 1_100_000_000);
}

#[test]
fn the_order_of_times_comes_back() {
    let sandbox = Sandbox::new();
    // Written in an order other than that of their names.
    let script = "rm -f a b c; echo 1 > c; sleep 0.03; echo 2 > a; sleep 0.03; echo 3 > b; touch -r b s";
    twice(&sandbox, script, &["a", "b", "c", "s"], || {
        assert!(time(&sandbox, "c") < time(&sandbox, "a"));
        assert!(time(&sandbox, "a") < time(&sandbox, "b"));
        assert_eq!(time(&sandbox, "b"), time(&sandbox, "s"));
    });
    // A single file is missing: those written after it are still newer.
    sandbox.remove("a");
    job(&sandbox, &["a", "b", "c", "s"]).executes(0).run();
    assert!(time(&sandbox, "c") < time(&sandbox, "a") && time(&sandbox, "a") < time(&sandbox, "b"));
    let before = ["a", "b", "c", "s"].map(|path| time(&sandbox, path));
    job(&sandbox, &["a", "b", "c", "s"]).executes(0).run();
    assert_eq!(["a", "b", "c", "s"].map(|path| time(&sandbox, path)), before);
}

#[test]
fn make_finds_the_same_up_to_date_after_a_replay() {
    let sandbox = Sandbox::new();
    let rules =
        "all: b old\nb: a\n\tcp a b\na: in\n\tcp in a\nold: in\n\tcp in old; touch -d 2001-01-01 old\n";
    sandbox.write("Makefile", rules).write("in", "1\n");
    let asked = |what: &str| {
        let line = format!("make -q {what}; echo $?");
        sandbox.shell(line).any_stdout().may_change(".").run().text()
    };
    let call = || sandbox.exec(["make", "-s"]).may_change(".").any_stdout();
    call().run();
    let expected = ["a", "b", "old"].map(asked);
    assert_eq!(expected, ["0", "0", "1"]);
    for path in ["a", "b", "old"] {
        sandbox.remove(path);
    }
    call().run();
    assert_eq!(["a", "b", "old"].map(asked), expected);
}

#[test]
fn names_of_one_file_stay_names_of_one_file() {
    let sandbox = Sandbox::new();
    let script = "rm -rf o; mkdir -p o/d; echo 1 > o/b; ln o/b o/a; ln o/b o/d/c; echo 2 > o/x; ln o/x o/y; echo 1 > o/z";
    let inode = |path: &str| fs::metadata(sandbox.path(path)).unwrap().ino();
    let look = || {
        let one: BTreeSet<u64> = ["o/a", "o/b", "o/d/c"].map(inode).into();
        assert_eq!((one.len(), inode("o/x") == inode("o/y")), (1, true));
        assert!(!one.contains(&inode("o/z")) && !one.contains(&inode("o/x")));
    };
    twice(&sandbox, script, &["o"], look);
    let call = || job(&sandbox, &["o"]);
    // One of three names is missing; another is a separate file.
    sandbox.remove("o/b");
    call().executes(0).run();
    look();
    sandbox.shell("cp o/a o/n; mv o/n o/a").may_change("o").run();
    call().executes(0).run();
    look();
    let before = inode("o/a");
    call().executes(0).run();
    assert_eq!(inode("o/a"), before);
}

#[test]
fn a_second_name_of_a_file_that_was_there_is_one() {
    let sandbox = Sandbox::new();
    sandbox.write("f", "1\n");
    let inode = |path: &str| fs::metadata(sandbox.path(path)).unwrap().ino();
    for line in ["ln f g", "ln f a", "mkdir -p d; cp -l f d/f"] {
        let name = line.rsplit(' ').next().unwrap();
        let call = || sandbox.exec(["sh", "-c", line]).may_change(".");
        call().run();
        sandbox.shell(format!("rm -r {}", name.split('/').next().unwrap())).may_change(".").run();
        let ran = sandbox.exec(["-v", "sh", "-c", line]).may_change(".").any_stderr().run();
        assert!(ran.messages().contains(" hit "), "{line}: {}", ran.messages());
        assert_eq!(inode(name), inode("f"), "{line}");
        sandbox.shell(format!("rm -r {}", name.split('/').next().unwrap())).may_change(".").run();
    }
}

/// Whether this file system supports user attributes.
fn takes_attributes(sandbox: &Sandbox) -> bool {
    let line = "python3 -c \"import os; open('try', 'w'); os.setxattr('try', 'user.a', b'1')\"; r=$?; rm -f try; exit $r";
    sandbox.shell(line).any_status().any_stderr().may_change(".").run().status.success()
}

#[test]
fn attributes_and_access_lists_come_back() {
    let sandbox = Sandbox::new();
    if !takes_attributes(&sandbox) {
        return;
    }
    // A list that lets user 1 read; one that repeats the mode, as `cp -p` sets it; one inherited from a directory.
    let script = "import os, struct\n\
        entry = lambda tag, perm, who=0xffffffff: struct.pack('<HHI', tag, perm, who)\n\
        head = struct.pack('<I', 2)\n\
        named = head + entry(1, 6) + entry(2, 4, 1) + entry(4, 4) + entry(16, 4) + entry(32, 0)\n\
        plain = head + entry(1, 6) + entry(4, 4) + entry(32, 0)\n\
        os.makedirs('o/d', exist_ok=True)\n\
        for name in 'abc': open('o/' + name, 'w').write(name)\n\
        os.setxattr('o/a', 'user.note', b'n\\0te'); os.setxattr('o/a', 'user.empty', b'')\n\
        os.setxattr('o/b', 'system.posix_acl_access', named)\n\
        os.setxattr('o/c', 'system.posix_acl_access', plain); os.chmod('o/c', 0o440)\n\
        os.setxattr('o/d', 'user.dir', b'1'); os.setxattr('o/d', 'system.posix_acl_default', named)\n\
        os.chmod('o/a', 0o400)\n";
    sandbox.python("set.py", script);
    let show = "import os\n\
        for n in ['o/a', 'o/b', 'o/c', 'o/d']: print(n, oct(os.stat(n).st_mode), {k: os.getxattr(n, k) for k in sorted(os.listxattr(n))})\n";
    sandbox.write("../tmp/show.py", show);
    let look = || sandbox.shell("python3 ../tmp/show.py").any_stdout().run().text();
    let call = || sandbox.exec(["-o", "o", "python3", "set.py"]).may_change(".");
    call().executes(1).run();
    let first = look();
    assert!(first.contains("user.note") && first.contains("posix_acl_access"), "{first}");
    sandbox.remove("o");
    call().executes(0).run();
    assert_eq!(look(), first);
    // Over a file with the right bytes and without the attributes.
    let line =
        "python3 -c \"import os; os.removexattr('o/a', 'user.note'); os.removexattr('o/d', 'user.dir')\"";
    sandbox.shell(format!("chmod 600 o/a; {line}; chmod 400 o/a")).may_change("o").run();
    call().executes(0).run();
    assert_eq!(look(), first);
}

#[test]
fn what_cannot_be_set_again_is_not_kept() {
    let sandbox = Sandbox::new();
    let is_root = sandbox.shell("id -u").any_stdout().run().text().trim() == "0";
    if !is_root || !takes_attributes(&sandbox) {
        return;
    }
    sandbox.shell("echo x > theirs; chown 1:1 theirs").may_change(".").run();
    for (line, words) in [
        ("echo x > o; chown 1 o", "o was given to another owner"),
        ("echo x > t; chgrp 1 t; mv t o", "o was given to another owner"),
        ("mkdir d; chown 1:1 d", "d was given to another owner"),
        (
            "echo x > o; python3 -c \"import os; os.setxattr('o', 'trusted.a', b'1')\"",
            "o has the attribute trusted.a",
        ),
    ] {
        let ran = sandbox.exec(["-v", "sh", "-c", line]).may_change(".").any_stderr().run();
        assert!(
            ran.messages().contains("not cached") && ran.messages().contains(words),
            "{line}: {}",
            ran.messages()
        );
        sandbox.shell("rm -rf o t d").may_change(".").run();
    }
    // The present owner, and an owner from before the run, do not count as changes.
    for line in [
        "echo x > o; chown 0:0 o",
        "echo y > theirs; chown 1:1 theirs",
        "cp -p Cargo o 2> /dev/null; echo x > o; install -p o i",
    ] {
        let ran = sandbox.exec(["-v", "sh", "-c", line]).may_change(".").any_stderr().run();
        assert!(!ran.messages().contains("not cached"), "{line}: {}", ran.messages());
    }
}

#[test]
fn a_hole_costs_nothing() {
    let sandbox = Sandbox::new();
    let script = "rm -f o h e; truncate -s 8T o; truncate -s 300M h; echo end >> h; \
                  python3 -c \"f = open('e', 'wb'); f.write(b'begin'); f.seek(5 << 20); f.write(b'middle'); f.truncate(9 << 20)\"";
    let size = |path: &str| {
        fs::metadata(sandbox.path(path)).map(|found| (found.len(), found.blocks() < 1000)).unwrap()
    };
    let sum = || sandbox.shell("tail -c 100 h | md5sum; md5sum e").any_stdout().run().text();
    let sums = std::cell::RefCell::new(BTreeSet::new());
    twice(&sandbox, script, &["o", "h", "e"], || {
        assert_eq!(["o", "h", "e"].map(size), [(8 << 40, true), ((300 << 20) + 4, true), (9 << 20, true)]);
        sums.borrow_mut().insert(sum());
    });
    assert_eq!(sums.borrow().len(), 1);
    let taken: u64 =
        sandbox.shell("du -sk .cashet | cut -f1").any_stdout().run().text().trim().parse().unwrap();
    assert!(taken < 2048, "{taken} KiB");
    // A changed byte in a hole makes another file, which is not lost.
    sandbox.shell("printf x | dd of=e bs=1 seek=7000000 conv=notrunc status=none").may_change("e").run();
    job(&sandbox, &["o", "h", "e"]).executes(0).run();
    sums.borrow_mut().insert(sum());
    assert_eq!(sums.borrow().len(), 1);
    sandbox.cashet(["get", "@:e"]).any_stdout().run();
    sandbox.cashet(["get", "@", "--outputs", "-o", "got"]).any_stderr().may_change("got").run();
    assert_eq!(fs::metadata(sandbox.path("got/o")).unwrap().len(), 8 << 40);
    sandbox.shell("cmp got/e e").run();
    sandbox.exec(["cmp", "e", "cashet:@:e"]).run();
    sandbox.cashet(["verify", "@{1}"]).any_stdout().any_stderr().may_change(".").run();
}

#[test]
fn what_was_moved_or_removed_counts_by_its_bytes() {
    let sandbox = Sandbox::new();
    // Large enough to be read in parallel with the command, or after it.
    let make = |text: &str, seconds: u32| {
        let line = format!(
            "rm -rf dist old; mkdir -p dist/sub; yes {text} | head -c 300000 > dist/sub/large; echo small > dist/small; \
             ln -s sub/large dist/link; find dist -exec touch -h -d @{seconds} {{}} +"
        );
        sandbox.shell(line).may_change(".").any_stderr().run();
    };
    for line in [
        "mv dist old",
        "rm -r dist",
        "mv dist old; rm -r old",
        "mv dist/sub/large old",
        "mv dist old; mv old/sub/large b; rm b",
    ] {
        let call = |expected: &str| {
            let ran = sandbox.exec(["-v", "sh", "-c", line]).may_change(".").any_stderr().run().messages();
            assert!(ran.contains(expected) && !ran.contains("not cached"), "{line}: {expected}: {ran}");
        };
        make("one", 1_000_000_000);
        call("miss");
        make("one", 1_100_000_000);
        call("hit");
        make("two", 1_100_000_000);
        call("miss");
    }
    make("one", 1_000_000_000);
    sandbox.exec(["sh", "-c", "mv dist old; chmod 711 old"]).may_change(".").run();
    make("one", 1_200_000_000);
    let ran =
        sandbox.exec(["-v", "sh", "-c", "mv dist old; chmod 711 old"]).may_change(".").any_stderr().run();
    assert!(ran.messages().contains(" hit "), "{}", ran.messages());
    sandbox.shell("yes one | head -c 300000 | cmp - old/sub/large").run();
}
