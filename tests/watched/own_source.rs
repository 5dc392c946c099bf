//! Programs that look at their own sources: their accesses count; those of their interpreter do not. With both
//! mechanisms of watching.

use crate::commands::has;
use crate::twin::{Twin, settle};

/// A change of a source between two calls.
#[derive(Clone, Copy)]
enum Then {
    /// Its executable bit is set.
    Executable,
    /// A comment is added.
    Comment,
    /// It becomes younger than `x`.
    Younger,
}

/// The first line of every program.
const COUNT_BY_SHELL: &str = "echo ran >> ../tmp/ran\n";
const COUNT_BY_PYTHON: &str = "import os\nopen('../tmp/ran', 'a').write('ran\\n')\n";
const COUNT_BY_NODE: &str = "const fs = require('fs'); fs.appendFileSync('../tmp/ran', 'ran\\n');\n";
const COUNT_BY_PERL: &str = "open(my $ran, '>>', '../tmp/ran'); print $ran \"ran\\n\"; close $ran;\n";

/// Runs `words` once; after the change `then` of `source` it runs again, and then hits.
#[track_caller]
fn counts(words: &[&str], files: &[(&str, &str)], source: &str, then: Then) {
    for traced in [false, true] {
        let twin = Twin::new();
        twin.write("x", "").touch("x", 5);
        for (name, text) in files {
            twin.write(name, text).touch(name, 1);
        }
        settle();
        let call = twin.call(words).traced(traced);
        call.settles_after(1);
        let seen = format!("{words:?} {files:?}, traced: {traced}");
        assert_eq!(twin.executions(), 1, "{seen}");
        match then {
            Then::Executable => twin.mode(source, 0o755),
            Then::Younger => twin.touch(source, 9),
            Then::Comment => {
                let (_, text) = files.iter().find(|(name, _)| *name == source).unwrap();
                let comment = if source.ends_with("js") { "// told\n" } else { "# told\n" };
                twin.write(source, format!("{text}{comment}")).touch(source, 1)
            }
        };
        settle();
        call.agree();
        assert_eq!(twin.executions(), 2, "{seen}");
        settle();
        call.hits();
    }
}

/// After adding a comment to every source, and changing its mode and time, nothing runs.
#[track_caller]
fn is_cosmetic(words: &[&str], files: &[(&str, &str)]) {
    for traced in [false, true] {
        let twin = Twin::new();
        for (name, text) in files {
            twin.write(name, text);
        }
        settle();
        let call = twin.call(words).traced(traced);
        // The second time Python reads its bytecode.
        call.settles_after(1);
        for (name, text) in files {
            let comment = if name.ends_with("js") { "// told\n" } else { "# told\n" };
            twin.write(name, format!("{comment}{text}")).mode(name, 0o755).touch(name, 9);
        }
        call.hits();
        assert_eq!(twin.executions(), 1, "{words:?} {files:?}, traced: {traced}");
    }
}

#[test]
fn a_shell_script_that_asks_for_its_own_mode() {
    for shell in ["sh", "bash"] {
        for look in [
            "[ -x s.sh ] && echo x",
            "test -x ./s.sh && echo x",
            "stat -c %a s.sh",
            "(cd . && [ -x \"$0\" ] && echo x)",
        ] {
            let text = format!("{COUNT_BY_SHELL}{look}\ntrue\n");
            counts(&[shell, "s.sh"], &[("s.sh", &text)], "s.sh", Then::Executable);
        }
    }
}

#[test]
fn a_shell_script_that_asks_for_its_own_size_or_bytes() {
    for shell in ["sh", "bash"] {
        for look in [
            "stat -c %s s.sh",
            "wc -c s.sh",
            "wc -c < s.sh",
            "ls -l s.sh | cut -d' ' -f5",
            "find s.sh -size -1000c -printf %s",
            "cat < s.sh",
            "exec 3< s.sh; stat -L -c %s /dev/fd/3",
            "while read line; do echo $line; done < s.sh",
        ] {
            let text = format!("{COUNT_BY_SHELL}{look}\n");
            counts(&[shell, "s.sh"], &[("s.sh", &text)], "s.sh", Then::Comment);
        }
    }
}

#[test]
fn a_shell_script_that_asks_for_its_own_time() {
    let text = format!("{COUNT_BY_SHELL}[ s.sh -nt x ] && echo newer || echo older\n");
    counts(&["sh", "s.sh"], &[("s.sh", &text)], "s.sh", Then::Younger);
    let text = format!("{COUNT_BY_SHELL}. ./part.sh\nfind . -name part.sh -newer x\n");
    counts(&["bash", "s.sh"], &[("s.sh", &text), ("part.sh", "n=1\n")], "part.sh", Then::Younger);
}

#[test]
fn a_shell_script_that_asks_for_what_it_sources() {
    for shell in ["sh", "bash"] {
        for (look, then) in [
            ("[ -x part.sh ] && echo x; true", Then::Executable),
            ("stat -c %s part.sh", Then::Comment),
            ("read line < part.sh; echo $line", Then::Comment),
            ("cat part.sh", Then::Comment),
        ] {
            let text = format!("{COUNT_BY_SHELL}. ./part.sh\n{look}\n");
            counts(&[shell, "s.sh"], &[("s.sh", &text), ("part.sh", "n=1\n")], "part.sh", then);
        }
        // A source that is read and never run, although it might be.
        let text = format!(
            "{COUNT_BY_SHELL}if false; then . ./part.sh; fi\nwhile read l; do echo $l; done < part.sh\n"
        );
        counts(&[shell, "s.sh"], &[("s.sh", &text), ("part.sh", "n=1\n")], "part.sh", Then::Comment);
    }
}

#[test]
fn a_python_script_that_asks_for_itself() {
    for (look, then) in [
        ("os.path.getsize('s.py')", Then::Comment),
        ("os.stat('s.py').st_size", Then::Comment),
        ("os.lstat('s.py').st_size", Then::Comment),
        ("os.stat(__file__).st_mode", Then::Executable),
        ("os.access(__file__, os.X_OK)", Then::Executable),
        ("os.path.getmtime('s.py') > os.path.getmtime('x')", Then::Younger),
    ] {
        let text = format!("{COUNT_BY_PYTHON}print({look})\n");
        counts(&["python3", "s.py"], &[("s.py", &text)], "s.py", then);
    }
    // Then it does not resolve the script's path itself.
    let text = format!("{COUNT_BY_PYTHON}print(os.lstat('s.py').st_size)\n");
    counts(&["python3", "-I", "s.py"], &[("s.py", &text)], "s.py", Then::Comment);
    let text = format!(
        "{COUNT_BY_PYTHON}import subprocess\nprint(subprocess.run(['stat', '-c', '%s', 's.py'], stdout=-1).stdout)\n"
    );
    counts(&["python3", "s.py"], &[("s.py", &text)], "s.py", Then::Comment);
}

#[test]
fn a_python_script_that_asks_for_its_modules() {
    for (look, then) in [
        ("os.path.getsize('part.py')", Then::Comment),
        ("os.path.getsize(part.__file__)", Then::Comment),
        ("os.stat('part.py').st_mode", Then::Executable),
        ("os.path.getmtime('part.py') > os.path.getmtime('x')", Then::Younger),
    ] {
        // Before the import, after it, and without one.
        for text in [
            format!("import part\nprint({look})\n"),
            format!("if {look} is not None:\n    import part\n    print({look})\n")
                .replace("(part.__file__)", "('part.py')"),
            format!("def never():\n    import part\nprint({look})\n").replace("part.__file__", "'part.py'"),
        ] {
            let text = format!("{COUNT_BY_PYTHON}{text}");
            counts(&["python3", "s.py"], &[("s.py", &text), ("part.py", "n = 1\n")], "part.py", then);
        }
    }
    // With existing bytecode the source is not even opened.
    let text = format!("{COUNT_BY_PYTHON}import part\nprint(os.stat('part.py').st_size)\n");
    let files = [("s.py", text.as_str()), ("part.py", "n = 1\n")];
    let twin = Twin::new();
    for (name, text) in files {
        twin.write(name, text);
    }
    settle();
    let warm = twin.call(["python3", "-c", "import part"]);
    warm.settles_after(1);
    let call = twin.call(["python3", "s.py"]);
    call.settles_after(1);
    twin.write("part.py", "n = 1  # told\n");
    call.runs();
    assert_eq!(twin.executions(), 2);
}

#[test]
fn a_node_script_that_asks_for_itself_and_its_modules() {
    if !has("node") {
        return;
    }
    for (look, source, then) in [
        ("fs.statSync(__filename).size", "s.js", Then::Comment),
        ("fs.statSync('s.js').mode", "s.js", Then::Executable),
        ("fs.statSync('part.js').size", "part.js", Then::Comment),
        ("fs.statSync('part.js').mode", "part.js", Then::Executable),
    ] {
        let text = format!("{COUNT_BY_NODE}require('./part'); console.log({look});\n");
        let files = [("s.js", text.as_str()), ("part.js", "module.exports = 1;\n")];
        counts(&["node", "s.js"], &files, source, then);
    }
}

#[test]
fn a_perl_script_that_asks_for_itself() {
    if !has("perl") {
        return;
    }
    for (look, then) in
        [("(stat $0)[2]", Then::Executable), ("-x 's.pl'", Then::Executable), ("-s $0", Then::Comment)]
    {
        let text = format!("{COUNT_BY_PERL}my $told = {look}; print \"$told\\n\";\n");
        counts(&["perl", "s.pl"], &[("s.pl", &text)], "s.pl", then);
    }
}

#[test]
fn what_an_interpreter_does_to_run_a_source_does_not_count() {
    let sourcing = format!("{COUNT_BY_SHELL}. ./part.sh\necho $n < /dev/null\n");
    for shell in ["sh", "bash"] {
        is_cosmetic(&[shell, "s.sh"], &[("s.sh", &sourcing), ("part.sh", "n=1\n")]);
    }
    let importing =
        format!("{COUNT_BY_PYTHON}import part, package.module\nfrom package import other\nprint(part.n)\n");
    let files = [
        ("s.py", importing.as_str()),
        ("part.py", "n = 1\n"),
        ("package/__init__.py", "m = 2\n"),
        ("package/module.py", "import part\n"),
        ("package/other.py", "k = 3\n"),
    ];
    is_cosmetic(&["python3", "s.py"], &files);
    is_cosmetic(&["python3", "-m", "s"], &files);
    if has("node") {
        let requiring = format!("{COUNT_BY_NODE}console.log(require('./part'));\n");
        is_cosmetic(&["node", "s.js"], &[("s.js", &requiring), ("part.js", "module.exports = 1;\n")]);
        let importing = "import fs from 'node:fs'; import n from './part.mjs';\nfs.appendFileSync('../tmp/ran', 'ran\\n'); console.log(n);\n";
        is_cosmetic(&["node", "s.mjs"], &[("s.mjs", importing), ("part.mjs", "export default 1;\n")]);
    }
}

#[test]
fn a_script_that_executes_itself_is_as_executable_as_it_is() {
    for line in ["./tool", "[ -x tool ] && cat tool", "cp tool copy"] {
        let twin = Twin::new();
        twin.write("tool", "#!/bin/sh\necho tool\n").mode("tool", 0o755);
        twin.write("s.sh", format!("{COUNT_BY_SHELL}{line}\ntrue\n"));
        settle();
        let call = twin.call(["sh", "s.sh"]);
        call.settles_after(2);
        let before = twin.executions();
        twin.mode("tool", 0o644);
        call.runs();
        assert_eq!(twin.executions(), before + 1, "{line}");
    }
    // What it lets us do is the same.
    let twin = Twin::new();
    twin.write("d/f", "one\n").mode("d", 0o755);
    twin.write("s.sh", format!("{COUNT_BY_SHELL}[ -w d ] && ls d\n"));
    settle();
    let call = twin.call(["sh", "s.sh"]);
    call.settles_after(2);
    twin.mode("d", 0o700);
    call.hits();
}

#[test]
fn the_mode_of_a_directory_that_is_listed_counts_where_it_is_looked_at() {
    for line in ["cp -r d e", "stat -c %a d; ls d", "tar cf e.tar --mtime=@1 d"] {
        let twin = Twin::new();
        twin.write("d/f", "one\n").mode("d", 0o755);
        twin.write("s.sh", format!("{COUNT_BY_SHELL}rm -rf e e.tar\n{line}\n"));
        settle();
        let call = twin.call(["sh", "s.sh"]);
        call.settles_after(2);
        let before = twin.executions();
        twin.mode("d", 0o700);
        call.runs();
        assert_eq!(twin.executions(), before + 1, "{line}");
    }
}
