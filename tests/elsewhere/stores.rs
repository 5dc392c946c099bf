//! Nodes that have stores of their own: results come back through a shared cache.

use super::servers::skipped;
use super::slurm::{Slurm, own_slurm};
use super::support::{Run, Sandbox};
use std::fs;

/// A project whose node has a store of its own, and a shared cache on the file system of both.
fn with_own_store(sandbox: &Sandbox, more: &str) {
    let [node, shared] = ["node-store", "shared"].map(|name| sandbox.base().join(name));
    fs::create_dir_all(&shared).unwrap();
    let settings = format!(
        "[remote]\nurl = \"dir:{}\"\nwrite = true\n{more}\n[executors.slurm]\nkind = \"slurm\"\nstore = \"{}\"\n",
        shared.display(),
        node.display()
    );
    sandbox.write("cashet.toml", settings);
}

fn outputs(run: Run<'_>) -> Run<'_> {
    ["out-1", "out-2", "out-3", "out-4"].into_iter().fold(run, Run::may_change)
}

/// Runs of a store that can be replayed.
fn recorded(sandbox: &Sandbox, store: &str) -> usize {
    let store = format!("--store={}", sandbox.base().join(store).display());
    sandbox
        .cashet([&store, "log", "--json"])
        .any_stdout()
        .any_stderr()
        .any_status()
        .run()
        .text()
        .lines()
        .count()
}

#[test]
fn a_node_with_a_store_of_its_own_records_there_and_is_replayed_here() {
    let name = "a_node_with_a_store_of_its_own_records_there_and_is_replayed_here";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    let sandbox = Sandbox::new();
    with_own_store(&sandbox, "upload = \"wait\"");
    sandbox.script("job", "echo \"v $1\"; echo err >&2; echo \"$1\" > \"out-$1\"; exit ${2:-0}");
    let call = ["-v", "--on", "slurm", "--", "./job", "1"];
    let run = |slurm: &Slurm, executes: usize, said: &str| {
        let run = slurm.with(sandbox.exec(call)).stdout("v 1\n").stderr_with(&["err", said]);
        run.leaves("out-1", "1\n").executes(executes).run();
    };
    run(&slurm, 1, "cached");
    assert_eq!((recorded(&sandbox, "node-store"), recorded(&sandbox, "project/.cashet")), (1, 1));
    sandbox.remove("out-1");
    run(&slurm, 0, "hit");
    sandbox.exec(["./job", "1"]).stdout("v 1\n").stderr("err\n").executes(0).run();
    // What failed is not recorded, and its output is here all the same.
    let failing = slurm.with(sandbox.exec(["--on", "slurm", "--", "./job", "4", "3"]));
    failing.stdout("v 4\n").stderr("err\n").status(3).leaves("out-4", "4\n").executes(1).run();
    slurm.with(sandbox.cashet(["executors"])).stdout_with(&["slurm", "ok"]).run();
    // A sweep, and one whose results only the nodes and the shared cache have.
    let words = ["map", "--on", "slurm", "-p", "n=1..3", "--", "./job", "{n}"];
    for (executes, said) in [(2, "1 hit"), (0, "3 hit")] {
        let sweep = outputs(slurm.with(sandbox.cashet(words))).any_stdout().executes(executes);
        sweep.stderr_with(&[said]).run();
    }
    fs::rename(sandbox.path(".cashet"), sandbox.base().join("gone")).unwrap();
    let before = slurm.run("squeue", &["-h", "-r", "-t", "all", "-o", "%i"]);
    let sweep = outputs(slurm.with(sandbox.cashet(words))).any_stdout().executes(0);
    sweep.stderr_with(&["3 hit"]).run();
    assert_eq!(slurm.run("squeue", &["-h", "-r", "-t", "all", "-o", "%i"]), before);
}

#[test]
fn a_store_of_its_own_needs_a_cache_that_brings_results_back() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo x");
    for more in ["", "upload = \"later\""] {
        with_own_store(&sandbox, more);
        let run = sandbox.exec(["--on", "slurm", "--", "./job"]).status(125).executes(0);
        run.stderr_with(&["store in [executors.slurm] needs a shared cache", "upload = \"wait\""]).run();
    }
}
