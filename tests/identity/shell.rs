//! Shell scripts: comments, sourced files, functions, variables.

use super::project::{both, has};

#[test]
fn comments_say_nothing_and_functions_of_sourced_files_are_named() {
    both(|project| {
        let begin = project.count_in_shell();
        let script = "here=$(dirname \"$0\")\n. \"$here/lib.sh\"\ngreet \"${NAME:-you}\"\n";
        project.write("main.sh", format!("{begin}{script}"));
        project.write("lib.sh", "WORD=hello\ngreet() {\n  echo \"$WORD $1\"\n}\n");
        for shell in ["sh", "bash"] {
            if !has(shell) {
                continue;
            }
            let call = project.call([shell, "main.sh"]);
            call.settles();
            project.edit("lib.sh", "greet() {\n", "# Says hello.\ngreet() {\n  # aloud\n");
            project.edit("main.sh", "here=", "# where we are\nhere=");
            call.hits();
            project.edit("lib.sh", "$WORD $1", "$WORD, $1");
            call.runs().because("lib.sh changed (function greet)");
            project.edit("lib.sh", "WORD=hello", "WORD=goodbye");
            call.runs().because("lib.sh changed (constant WORD)");
            call.clone().env("NAME", "all").runs().because("NAME set");
            call.clone().env("UNRELATED", "all").hits();
            project.write("main.sh", format!("{begin}{script}"));
            project.write("lib.sh", "WORD=hello\ngreet() {\n  echo \"$WORD $1\"\n}\n");
            call.hits();
        }
    });
}

#[test]
fn a_script_by_its_own_first_line_and_inline() {
    both(|project| {
        let begin = project.count_in_shell();
        project.program("job", &format!("#!/bin/sh -e\n{begin}echo one # first\n"));
        let call = project.call(["./job"]);
        call.settles();
        project.edit("job", "# first", "# 1");
        call.hits();
        project.edit("job", "#!/bin/sh -e", "#!/bin/sh -eu");
        call.runs().naming("job changed");
        let inline = |code: &str| project.call(["sh", "-c", &format!("{begin}{code}")]);
        inline("echo 1").settles();
        // A program can read its inline code.
        inline("# says one\necho 1").runs();
        inline("echo 2").runs();
    });
}

#[test]
fn a_broken_script_answers_for_itself() {
    both(|project| {
        let begin = project.count_in_shell();
        let valid = format!("{begin}if true; then echo right; fi\n");
        project.write("main.sh", &valid);
        let call = project.call(["sh", "main.sh"]).with(&["--cache-exit", "0-2"]);
        call.settles();
        for broken in ["if true; then echo right; f\n", "if true; then echo right; fi; }\n", "echo 'right\n"]
        {
            project.write("main.sh", format!("{begin}{broken}"));
            let (told, _) = call.make();
            assert!(!told.reasons().is_empty(), "{broken:?}");
            project.write("main.sh", &valid);
            call.hits();
        }
    });
}
