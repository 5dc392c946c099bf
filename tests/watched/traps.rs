//! Calls that look the same and are not: none of them may hit.

use crate::twin::{Outcome, Twin, settle};
use std::fs;
use std::process::Command;

pub(super) fn project() -> Twin {
    let twin = Twin::new();
    twin.write("f", "one\n").write("g", "two\n").write("d/x", "x\n");
    settle();
    twin
}

#[test]
fn what_adds_to_what_is_there_is_done_again() {
    let twin = project();
    // What was added is added again, to whatever is there.
    twin.sh("echo x >> log").settles_after(1);
    twin.write("log", "mine\n").sh("echo x >> log").hits();
    twin.sh("read n < log; echo x$n > log").never_settles();
    let call = twin.sh("printf zz | dd of=f conv=notrunc status=none");
    call.runs();
    twin.write("f", "other content\n");
    call.runs();
    let call = twin.sh("truncate -s 3 g");
    call.runs();
    twin.write("g", "other content\n");
    call.runs();
}

#[test]
fn what_worked_once_fails_again() {
    for line in [
        "mkdir m",
        "mkdir m; echo $?",
        "rmdir empty; echo $?",
        "ln -s f l; echo $?",
        "ln f h; echo $?",
        "mv f moved; echo $?",
        "rm f; echo $?",
        "unlink f || true",
        "set -C; echo mine > lock || echo taken",
        "python3 -c \"import os; os.makedirs('p/q')\"; echo $?",
        "[ -d m ] || { mkdir m; echo made; }",
        "[ -e out ] || { echo > out; echo made; }",
    ] {
        let twin = project();
        twin.directory("empty");
        let call = twin.call(["bash", "-c", line]).with(&["--exact-state"]);
        call.runs();
        call.runs();
    }
}

#[test]
fn an_output_that_is_gone_is_made_again() {
    let twin = project();
    twin.write("out", "same\n");
    let call = twin.sh("echo same > out");
    call.settles_after(1);
    twin.remove("out");
    call.agree();
    // A file overwritten in place keeps its mode.
    twin.mode("out", 0o600);
    call.hits();
    twin.remove("out").link("g", "out");
    call.runs();
    twin.remove("out").directory("out");
    call.runs();
    let call = twin.sh("echo > d/made");
    call.settles_after(1);
    twin.remove("d");
    call.runs();
    twin.write("d", "a file\n");
    call.runs();
    twin.remove("d").directory("real").link("real", "d");
    call.runs();
}

#[test]
fn another_name_for_an_output_changes_with_it() {
    let twin = project();
    let call = twin.sh("cat g > f");
    call.settles_after(1);
    twin.both(|root| {
        fs::hard_link(root.join("f"), root.join("same")).unwrap();
        fs::write(root.join("f"), "edited\n").unwrap();
    });
    call.runs();
    let twin = project();
    let call = twin.sh(": > n; rm n; ln g n");
    call.runs();
    call.runs();
    // A file written under one name, which was later removed or given to another file, is visible under its other
    // names.
    for line in [
        ": > f; rm f; echo more >> f",
        "echo more >> f; rm f; echo new > f",
        "echo more >> d/x; mv d e; mkdir d; echo x > d/x",
    ] {
        let twin = project();
        let call = twin.sh(line);
        call.runs();
        twin.both(|root| {
            let _ = fs::remove_dir_all(root.join("e"));
            let path = if line.contains("d/x") { "d/x" } else { "f" };
            let one = if line.starts_with(':') { "more\n" } else { "one\n" };
            fs::write(root.join(path), if path == "f" { one } else { "x\n" }).unwrap();
            fs::hard_link(root.join(path), root.join("other")).unwrap();
        });
        call.runs();
    }
}

#[test]
fn descriptors_are_what_they_stand_for() {
    let twin = project();
    for line in ["cat <&9", "read -u 9 word; echo $word", "cat /dev/fd/9"] {
        let call = |from: &str| {
            let whole = format!("exec 9< {from}; exec \"$0\" exec -- bash -c '{line}'");
            let ran = Command::new("bash");
            let mut ran = ran;
            let [root, _] = twin.roots();
            ran.args(["-c", &whole, crate::twin::CASHET]).current_dir(root);
            String::from_utf8(ran.output().unwrap().stdout).unwrap()
        };
        assert_eq!((call("f"), call("g")), ("one\n".to_owned(), "two\n".to_owned()), "{line}");
    }
}

#[test]
fn standard_input_by_whichever_way_it_is_used() {
    let twin = project();
    for words in [
        &["cat"][..],
        &["cat", "/dev/stdin"],
        &["wc", "-c"],
        &["python3", "-c", "import mmap; print(mmap.mmap(0, 0, prot=mmap.PROT_READ)[:])"],
        &["python3", "-c", "print(open('/dev/fd/0').read())"],
        &["cp", "/dev/stdin", "copy"],
        &["sh", "-c", "cat"],
        &["sh", "-c", "read x; echo $x; cat"],
    ] {
        twin.write("in", "first one\n");
        settle();
        let call = twin.call(words).stdin("in", 0);
        call.runs();
        twin.write("in", "another\n");
        call.runs();
        twin.call(words).stdin("in", 2).runs();
    }
}

#[test]
fn times_decide_where_they_are_asked_for() {
    for line in [
        "[ f -nt g ] && echo newer || echo older",
        "find . -maxdepth 1 -newer f -name g",
        "ls -t f g",
        "[ f -ot g ] && echo older",
    ] {
        let twin = project();
        twin.touch("f", 1).touch("g", 2);
        settle();
        let call = twin.call(["bash", "-c", line]);
        call.settles_after(1);
        twin.touch("f", 3);
        call.runs();
    }
    for words in [&["ls", "-l", "f"][..], &["stat", "-c", "%Y %a", "f"], &["find", "f", "-printf", "%T@\\n"]]
    {
        let twin = project();
        twin.touch("f", 1);
        settle();
        let call = twin.call(words);
        call.settles_after(1);
        twin.touch("f", 2);
        call.runs();
        twin.mode("f", 0o600);
        call.runs();
    }
    let twin = project();
    twin.touch("f", 1).touch("d/x", 1).touch("d", 1);
    let tar = twin.call(["tar", "cf", "x.tar", "--owner=0", "--group=0", "d"]);
    tar.runs();
    twin.touch("d/x", 2).touch("d", 1);
    tar.runs();
}

#[test]
fn modes_links_and_names_that_are_usually_left_out() {
    let twin = project();
    let call = twin.call(["stat", "-c", "%a", "f"]);
    call.settles_after(1);
    twin.mode("f", 0o600);
    call.runs();
    twin.write("h", "two\n").link("g", "l");
    settle();
    let (readlink, cat) = (twin.call(["readlink", "l"]), twin.call(["cat", "l"]));
    readlink.settles_after(1);
    cat.settles_after(1);
    twin.link("h", "l");
    readlink.runs();
    twin.link("f", "l");
    cat.runs();
    twin.write("f", "edited\n");
    cat.runs();
    twin.write("e/x", "other\n").link("d", "dl");
    settle();
    let (below, listing) = (twin.call(["cat", "dl/x"]), twin.call(["ls", "dl/"]));
    below.settles_after(1);
    listing.settles_after(1);
    twin.link("e", "dl");
    below.runs();
    twin.write("e/y", "");
    listing.runs();
    let caches = twin.call(["sh", "-c", "ls __pycache__"]);
    twin.directory("__pycache__");
    let named = twin.call(["ls", "__pycache__"]);
    named.runs();
    twin.write("__pycache__/new", "");
    named.runs();
    caches.agree();
    let backup = twin.call(["cat", "f~"]);
    twin.write("f~", "old\n");
    backup.runs();
    twin.write("f~", "older\n");
    backup.runs();
}

#[test]
fn the_umask_decides_modes() {
    let twin = project();
    let make = |mask: &'static str| twin.sh("rm -f made; cat f > made").umask(mask);
    make("022").runs();
    // What was asked for less the umask of the call.
    make("027").hits();
    make("077").hits();
    let show = |mask: &'static str| twin.sh("umask; cat f > made").umask(mask);
    show("022").runs();
    show("027").runs();
}

#[test]
fn packed_and_prefixed_names_of_variables() {
    let twin = project();
    twin.write("__main__.py", "import os\nprint(os.environ.get('PACKED_NAME'))\n");
    let packed = "import zipfile\nwith zipfile.ZipFile('app.pyz', 'w', zipfile.ZIP_DEFLATED) as z:\n    z.writestr(zipfile.ZipInfo('__main__.py'), open('__main__.py').read(), zipfile.ZIP_DEFLATED)\n";
    twin.both(|root| {
        assert!(Command::new("python3").args(["-c", packed]).current_dir(root).status().unwrap().success());
    });
    twin.remove("__main__.py");
    let call = |value: &str| twin.call(["python3", "app.pyz"]).env("PACKED_NAME", value).runs();
    call("one");
    call("two");
    twin.write(
        "prefix.py",
        "import os\nvalues = [v for k, v in os.environ.items() if k.startswith('APP_')]\nprint(values)\n",
    );
    let call = |value: &str| twin.call(["python3", "prefix.py"]).env("APP_RATE", value).runs();
    call("one");
    call("two");
}

#[test]
fn a_source_that_is_also_data_counts_byte_for_byte() {
    let twin = project();
    twin.write("part.py", "n = 1\n").write("s.py", "import part\nprint(open('part.py').read())\n");
    let call = twin.call(["python3", "s.py"]);
    call.settles_after(1);
    twin.write("part.py", "n = 1  # said\n");
    call.runs();
    twin.write("own.py", "print(open('own.py').read())\n");
    let call = twin.call(["python3", "own.py"]);
    call.settles_after(1);
    twin.write("own.py", "print(open('own.py').read())  # said\n");
    call.runs();
    twin.write("s.sh", "cat s.sh\n");
    twin.call(["sh", "s.sh"]).settles_after(1);
    twin.write("s.sh", "cat s.sh\n# said\n");
    twin.call(["sh", "s.sh"]).runs();
    // A comment does not count.
    twin.write("plain.py", "import part\nprint(part.n)\n");
    let call = twin.call(["python3", "plain.py"]);
    call.settles_after(1);
    twin.write("part.py", "# another\nn = 1\n").write("plain.py", "import part\n\nprint(part.n)  # told\n");
    call.hits();
}

#[test]
fn a_result_that_names_its_place_holds_there_alone() {
    let twin = project();
    let [root, _] = twin.roots();
    let run = |at: &std::path::Path| {
        let mut command = Command::new(crate::twin::CASHET);
        command
            .args(["exec", "--store"])
            .arg(root.join(".cashet"))
            .args(["--", "sh", "-c", "pwd"])
            .current_dir(at);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let elsewhere = root.parent().unwrap().join("elsewhere");
    fs::create_dir_all(elsewhere.join(".git")).unwrap();
    for at in [&root, &elsewhere, &root] {
        assert_eq!(run(at).trim_end(), at.to_str().unwrap());
    }
}

#[test]
fn declared_outputs_are_not_inputs() {
    let twin = project();
    let call = twin.sh("cat f >> out; true").with(&["--output", "out"]);
    assert_eq!(call.runs(), Outcome::Kept);
    let [root, _] = twin.roots();
    fs::write(root.join("out"), "mine\n").unwrap();
    let (outcome, _) = call.compare();
    assert_eq!(outcome, Outcome::Hit);
    assert_eq!(fs::read(root.join("out")).unwrap(), b"one\n");
    let replaced = root.join(".cashet/replaced");
    let kept: Vec<Vec<u8>> =
        fs::read_dir(replaced).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert_eq!(kept, [b"mine\n"]);
}
