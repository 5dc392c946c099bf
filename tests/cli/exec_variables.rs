//! Variables that no file names: in the words of the call, on standard input, in other variables.

use crate::support::{Run, Sandbox};

/// A call that hits while the variable `TINT` is unchanged, and runs when it is changed, set or unset.
fn depends(call: impl for<'a> Fn(&'a Sandbox) -> Run<'a>) {
    let sandbox = Sandbox::new();
    for (value, executions) in
        [(Some("red"), 1), (Some("red"), 0), (Some("blue"), 1), (None, 1), (Some("red"), 0), (None, 0)]
    {
        let run = call(&sandbox).stdout(format!("{}\n", value.unwrap_or_default())).executes(executions);
        match value {
            Some(value) => run.env("TINT", value).run(),
            None => run.run(),
        };
    }
}

/// Counts in a shell, and prints the variable.
fn code(sandbox: &Sandbox) -> String {
    format!("{}; echo $TINT", sandbox.count_in_shell())
}

#[test]
fn code_in_any_word_names_them() {
    depends(|sandbox| sandbox.exec(["find", ".git", "-prune", "-exec", "sh", "-c", &code(sandbox), ";"]));
    depends(|sandbox| {
        let awk = format!("BEGIN {{ system(\"{}\"); print ENVIRON[\"TINT\"] }}", sandbox.count_in_shell());
        sandbox.exec(["awk", &awk])
    });
    depends(|sandbox| {
        let all = "for (k in ENVIRON) if (k ~ /^TIN/) found = ENVIRON[k]";
        let awk = format!("BEGIN {{ system(\"{}\"); {all}; print found }}", sandbox.count_in_shell());
        sandbox.exec(["awk", &awk])
    });
}

#[test]
fn standard_input_names_them() {
    depends(|sandbox| sandbox.exec(["--stdin", "sh"]).stdin(code(sandbox)));
    depends(|sandbox| {
        sandbox.write("code", code(sandbox));
        sandbox.exec(["sh"]).stdin_file(std::fs::File::open(sandbox.path("code")).unwrap())
    });
    depends(|sandbox| {
        sandbox.write("code", code(sandbox));
        let unwatched = sandbox.unwatched(["--pure", "sh"]);
        unwatched.stdin_file(std::fs::File::open(sandbox.path("code")).unwrap())
    });
}

#[test]
fn values_of_others_name_them() {
    depends(|sandbox| {
        let words = ["find", ".git", "-prune", "-exec", "sh", "-c", "eval \"$SHADE\"", ";"];
        sandbox.exec(words).env("SHADE", code(sandbox))
    });
}

/// A variable that nothing names does not matter, also with inline code, and with `--pure`.
#[test]
fn what_is_named_nowhere_does_not_matter() {
    let sandbox = Sandbox::new();
    let line = format!("{}; echo done", sandbox.count_in_shell());
    for options in [&[][..], &["--pure"], &["--trace", "off", "--pure", "--salt", "unwatched"]] {
        let call = || sandbox.exec(options.iter().copied().chain(["sh", "-c", &line])).stdout("done\n");
        call().env("QZWXA", "1").executes(1).run();
        call().env("QZWXA", "2").executes(0).run();
        call().env("QZWXB", "1").executes(0).run();
        call().executes(0).run();
    }
}
