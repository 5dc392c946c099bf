//! Directories that are listed and then changed, moved or removed: their entries still count. And their times.

use crate::twin::{Twin, settle};
use std::process::Command;

/// Runs a line; restores `d` with one additional entry; the line must run again.
#[track_caller]
fn counts_what_is_in(line: &str) {
    for (more, text) in [("d/new", "new\n"), ("d/sub/new", "new\n")] {
        let twin = Twin::new();
        let fill = || {
            twin.both(|root| {
                let _ = std::fs::remove_dir_all(root.join("d"));
                let _ = std::fs::remove_dir_all(root.join("e"));
            });
            twin.write("d/x", "x\n").write("d/sub/y", "y\n").mode("d", 0o755);
        };
        fill();
        settle();
        let call = twin.call(["bash", "-c", line]);
        call.runs();
        fill();
        settle();
        call.agree();
        fill();
        twin.write(more, text);
        call.runs();
    }
}

#[test]
fn a_directory_that_is_listed_and_then_changed() {
    for line in [
        "ls -R d; chmod 755 d d/sub",
        "ls -R d; touch d d/sub",
        "ls -R d; mv d d/e 2>&1; true",
        "mv d d/e 2>&1; ls -R d; cat d/x",
        "mv d e; mkdir d; ls -R d e",
        "find d | sort; mv d e && mv e d",
        "for x in d/* d/*/*; do echo $x; done; chmod 755 d d/sub",
    ] {
        counts_what_is_in(line);
    }
}

#[test]
fn a_directory_that_is_moved_or_removed_whole() {
    for line in [
        "mv d e",
        "rm -rf d",
        "ls -R d; mv d e",
        "ls -R d; rm -r d",
        "cp -r d e; rm -r d",
        "python3 -c 'import shutil; shutil.rmtree(\"d\")'",
        "rm -r d/sub; mv d e",
        "rm -rf d; mkdir d; ls -R d",
    ] {
        counts_what_is_in(line);
    }
}

#[test]
fn the_root_itself() {
    for line in [
        "ls f; ls > /dev/null; mv . n3 2>/dev/null; echo more > n0",
        "for x in *; do echo $x; done; chmod 755 .",
    ] {
        let twin = Twin::new();
        twin.write("f", "one\n");
        settle();
        let call = twin.call(["bash", "-c", line]);
        call.runs();
        call.agree();
        call.agree();
        twin.write("added", "new\n");
        call.runs();
    }
}

#[test]
fn a_directory_that_is_opened_and_not_read_counts_as_a_directory_alone() {
    let twin = Twin::new();
    twin.write("d/x", "x\n").link("d", "l").directory("e").write("s.sh", "exec 3< d; ls /proc/self/fd/3/\n");
    settle();
    let opens = twin.call(["python3", "-c", "import os; os.close(os.open('d', os.O_RDONLY)); print('ok')"]);
    let reaches = twin.call([
        "python3",
        "-c",
        "import os; d = os.open('d', os.O_RDONLY); print(os.read(os.open('x', os.O_RDONLY, dir_fd=d), 9))",
    ]);
    let lists =
        twin.call(["python3", "-c", "import os; d = os.open('d', os.O_RDONLY); print(os.listdir(d))"]);
    let through_link = twin.call(["ls", "l/"]);
    let handed_on = twin.call(["sh", "s.sh"]);
    for call in [&opens, &reaches, &lists, &through_link, &handed_on] {
        call.settles_after(1);
    }
    twin.write("d/new", "new\n");
    settle();
    opens.hits();
    reaches.hits();
    lists.runs();
    through_link.runs();
    handed_on.runs();
    twin.link("e", "l");
    settle();
    through_link.runs();
    twin.remove("d").write("d", "no directory\n");
    opens.runs();
}

#[test]
fn ninja_makes_the_directory_of_its_outputs_newer() {
    let twin = Twin::new();
    // ninja looks at the directory before it runs a command that makes a file there.
    let code = "#!/bin/sh\n# Whatever is newer.\n[ -d out ] && [ -e x.c ] && [ -e y.c ] && read x < x.c && echo $x > out/x.o\n";
    twin.write("tools/ninja", code).mode("tools/ninja", 0o755).directory("out");
    twin.write("x.c", "one\n").write("y.c", "two\n").touch("y.c", 1);
    settle();
    let call = twin.call(["tools/ninja"]);
    call.runs();
    call.hits_on_its_own_output();
    twin.both(|root| {
        assert!(Command::new("touch").arg("y.c").current_dir(root).status().unwrap().success());
    });
    call.runs();
}
