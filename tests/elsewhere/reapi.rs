//! A server of the remote-execution API: buildbox-casd with its sandbox.

use super::launchers::jobs;
use super::servers::{Server, own_reapi, reapi, skipped, wait_until};
use super::support::{Run, Sandbox};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A project whose executor `farm` is the server.
fn with_farm(server: &Server) -> Sandbox {
    let sandbox = Sandbox::new();
    settings(&sandbox, server, "");
    sandbox
}

fn settings(sandbox: &Sandbox, server: &Server, more: &str) {
    let port = fs::read_to_string(server.directory.join("port")).unwrap();
    let text = format!(
        "[executors.farm]\nkind = \"reapi\"\naddress = \"grpc://127.0.0.1:{port}\"\ntoolchain = \"image-1\"\n{more}"
    );
    sandbox.write("cashet.toml", text);
}

/// A call of `exec` on the farm, with a report.
fn farm<'a>(sandbox: &'a Sandbox, options: &[&str], words: &[&str]) -> Run<'a> {
    let report = sandbox.base().join("tmp/.cashet/report");
    let mut call = vec!["--report", report.to_str().unwrap(), "--on", "farm"];
    call.extend_from_slice(options);
    call.push("--");
    call.extend_from_slice(words);
    patient(sandbox.exec(call))
}

/// With deadlines that a loaded machine keeps, and a helper that ends soon; digests of system files are remembered in HOME.
fn patient(run: Run<'_>) -> Run<'_> {
    run.may_change("../home/.cache").env("CASHET_REMOTE_PATIENCE", "20").env("CASHET_REMOTE_IDLE", "20")
}

fn report(sandbox: &Sandbox) -> Value {
    let bytes = fs::read(sandbox.base().join("tmp/.cashet/report")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Asserts that the newest call was answered there, after so many rounds.
#[track_caller]
fn ran_there(sandbox: &Sandbox, rounds: u64) -> Value {
    let report = report(sandbox);
    let of = |name: &str| report.get(name).cloned().unwrap_or_default();
    assert_eq!(of("rounds"), rounds, "{report}");
    assert_eq!((of("outcome"), of("executor")), ("miss".into(), "farm".into()), "{report}");
    report
}

/// Asserts that the newest call was run here, and that this was said with these words.
#[track_caller]
fn ran_here(sandbox: &Sandbox, words: &str) {
    let report = report(sandbox);
    let of = |name: &str| report.get(name).cloned().unwrap_or_default();
    assert_eq!(of("rounds"), Value::Null, "{report}");
    assert!(of("warnings").to_string().contains(words), "{report}");
}

/// Whether the store has a blob with these bytes.
fn has_blob(sandbox: &Sandbox, bytes: &[u8]) -> bool {
    let digest = cashet::digest::Digest::of(bytes).to_hex();
    let (fan, rest) = digest.split_at(2);
    let stored = fs::read_dir(sandbox.path(".cashet/objects").join(fan)).into_iter().flatten().flatten();
    stored.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with(rest))
}

fn c_project(sandbox: &Sandbox) {
    sandbox
        .write("main.c", "#include \"parts/util.h\"\nint main(void) { return util(1) + LOCAL; }\n")
        .write("parts/util.h", "#include \"more.h\"\nint util(int);\n")
        .write("parts/more.h", "#define LOCAL 0\n")
        .write("parts/util.c", "#include \"util.h\"\nint util(int x) { return x - 1; }\n");
}

const COMPILE: &[&str] = &["gcc", "-O1", "-c", "main.c", "-o", "main.o"];

#[test]
fn a_build_there_is_the_build_here_though_its_headers_are_not_declared() {
    let Some(server) = reapi() else { return skipped("a_build_there_is_the_build_here", "buildbox-casd") };
    let sandbox = with_farm(server);
    c_project(&sandbox);
    sandbox.bare(COMPILE).any_stderr().may_change("main.o").run();
    let here = sandbox.read("main.o");
    sandbox.remove("main.o");
    // The first round does not know the header: it is shipped in the second, with those beside it.
    farm(&sandbox, &[], COMPILE).leaves("main.o", &here).run();
    let first = ran_there(&sandbox, 2);
    assert_eq!((&first["kept"], &first["shipped"]["files"]), (&true.into(), &5.into()), "{first}");
    // Replayed here, without a server.
    sandbox.remove("main.o");
    let call = ["--mode", "replay"].into_iter().chain(COMPILE.iter().copied());
    sandbox.exec(call).leaves("main.o", &here).may_change("../home/.cache").run();
    // What decided it is known now: one round.
    sandbox.write("parts/more.h", "#define LOCAL 7\n");
    farm(&sandbox, &[], COMPILE).may_change("main.o").run();
    ran_there(&sandbox, 1);
    assert_ne!(sandbox.read("main.o"), here);
    // And the earlier state is still known.
    sandbox.write("parts/more.h", "#define LOCAL 0\n");
    farm(&sandbox, &[], COMPILE).leaves("main.o", &here).run();
    assert_eq!(report(&sandbox)["outcome"], "hit");
    // It rests on the toolchain that the settings name, and on no other.
    let shown = sandbox.cashet(["show", "@", "--json"]).any_stdout().run().text();
    assert!(shown.contains("image-1"), "{shown}");
    settings(&sandbox, server, "");
    let other = String::from_utf8(sandbox.read("cashet.toml")).unwrap().replace("image-1", "image-2");
    sandbox.write("cashet.toml", other);
    let call = ["--mode", "replay"].into_iter().chain(COMPILE.iter().copied());
    sandbox.exec(call).any_stderr().status(121).may_change("../home/.cache").run();
}

#[test]
fn how_a_command_ends_there_is_how_the_call_ends() {
    let Some(server) = reapi() else { return skipped("how_a_command_ends_there", "buildbox-casd") };
    let sandbox = with_farm(server);
    let script = "#!/bin/sh\necho out 1; echo err 1 >&2; echo out 2; echo \"$1\" > made; exit 7\n";
    sandbox.write("job", script).mode("job", 0o755);
    for word in ["one", "two words"] {
        let run = farm(&sandbox, &[], &["./job", word]).stdout("out 1\nout 2\n").stderr("err 1\n").status(7);
        run.leaves("made", format!("{word}\n")).run();
        let report = ran_there(&sandbox, 1);
        assert_eq!(report["kept"], false);
    }
    // It failed, so it is run again; with --cache-exit it is kept.
    farm(&sandbox, &[], &["./job", "one"]).any_stdout().any_stderr().status(7).may_change("made").run();
    assert_eq!(report(&sandbox)["outcome"], "miss");
    // A name that is not there is no status of the command's.
    farm(&sandbox, &[], &["./nothing"]).status(127).any_stderr().run();
    // Streams in their order.
    sandbox.remove("made");
    let both = sandbox.shell("cashet exec --on farm -- ./job x 2>&1").status(7).may_change("made");
    patient(both).stdout("out 1\nerr 1\nout 2\n").run();
}

#[test]
fn what_nobody_declared_comes_back_with_all_that_it_is() {
    let Some(server) = reapi() else { return skipped("what_nobody_declared_comes_back", "buildbox-casd") };
    let sandbox = with_farm(server);
    let script = "#!/bin/sh\nset -e\nmkdir -p deep/er; cat in/*.txt > deep/er/all; ln -s all deep/er/link\n\
                  printf '#!/bin/sh\\n' > tool; chmod 755 tool; rm old; : > empty\n\
                  head -c 3000000 /dev/zero > large; echo done\n";
    sandbox.write("job", script).mode("job", 0o755);
    sandbox.write("in/a.txt", "a\n").write("in/b.txt", "b\n").write("old", "old\n");
    sandbox.remove(".git");
    sandbox.bare(["git", "init", "-q"]).may_change(".git").run();
    sandbox.write(".gitignore", "*.log\n").write("in/c.log", "c\n");
    let run = farm(&sandbox, &["--ship", "git"], &["./job"]).stdout("done\n");
    run.may_change("deep").may_change("tool").may_change("old").may_change("empty").may_change("large").run();
    // Git ignores a file that the command lists: it is shipped in the second round.
    ran_there(&sandbox, 2);
    assert_eq!(sandbox.read("deep/er/all"), b"a\nb\n");
    assert_eq!(fs::read_link(sandbox.path("deep/er/link")).unwrap(), Path::new("all"));
    assert_eq!(sandbox.read("large").len(), 3_000_000);
    assert!(!sandbox.path("old").exists() && sandbox.path("empty").exists());
    assert_eq!(fs::metadata(sandbox.path("tool")).unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn what_is_here_and_cannot_be_there_is_named_and_the_command_runs_here() {
    let Some(server) = reapi() else { return skipped("what_cannot_be_there_is_named", "buildbox-casd") };
    let sandbox = with_farm(server);
    fs::write(sandbox.home("settings"), "here\n").unwrap();
    let words = ["sh", "-c", "cat \"$HOME/settings\" 2> /dev/null || echo none"];
    farm(&sandbox, &[], &words).stdout("here\n").stderr_with(&["ran here", "settings"]).run();
    ran_here(&sandbox, "settings");
    assert!(
        has_blob(&sandbox, b"here\n") && !has_blob(&sandbox, b"none\n"),
        "what is not taken is not stored"
    );
    // A secret stays here, and so does what depends on it.
    let words = ["sh", "-c", "echo \"${MY_TOKEN:-none}\""];
    let run = farm(&sandbox, &[], &words).env("MY_TOKEN", "hidden").stdout("hidden\n").any_stderr();
    run.any_status().any_stdout().run();
    assert_ne!(report(&sandbox)["rounds"], 1);
    // A variable that decides goes there.
    let words = ["sh", "-c", "echo \"${COLOUR:-none}\""];
    farm(&sandbox, &[], &words).env("COLOUR", "red").stdout("red\n").run();
    ran_there(&sandbox, 1);
    // A chain of files, each of which names the next one in another directory, takes too many rounds.
    for (at, next) in [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "")] {
        sandbox.write(format!("{at}/next"), next);
    }
    let words = ["sh", "-c", "at=a; while [ -n \"$at\" ]; do at=$(cat $at/next) || exit; done; echo end"];
    farm(&sandbox, &[], &words)
        .stdout("end\n")
        .stderr_with(&["ran here: after 3 rounds farm", "/next"])
        .run();
    ran_here(&sandbox, "after 3 rounds");
    // Earlier runs tell what is needed.
    sandbox.write("e/next", "f").write("f/next", "");
    farm(&sandbox, &[], &words).stdout("end\n").run();
    ran_there(&sandbox, 2);
}

/// A command that takes so many seconds, which no other has.
fn sleeps(sandbox: &Sandbox, seconds: &str) {
    let script = format!("#!/bin/sh\necho begun\nsleep {seconds}\necho ended\n");
    sandbox.write("job", script).mode("job", 0o755);
}

/// Whether a command with these words runs on this machine.
fn runs(words: &str) -> bool {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .any(|found| String::from_utf8_lossy(&found).replace('\0', " ").trim() == words)
}

#[test]
fn a_server_that_dies_leaves_no_status() {
    let Some(server) = own_reapi() else { return skipped("a_server_that_dies", "buildbox-casd") };
    let sandbox = with_farm(&server);
    sleeps(&sandbox, "61.25");
    let run = farm(&sandbox, &[], &["./job"]).status(125).stderr_with(&["farm", "while the command ran"]);
    let run = run.spawn();
    wait_until("the command there", || runs("sleep 61.25"));
    kill(Pid::from_raw(server.process("casd").unwrap()), Signal::SIGKILL).unwrap();
    run.finish();
    // It is not there any more.
    let run = farm(&sandbox, &[], &["./job"]).status(125);
    run.stderr_with(&["farm"]).run();
    let run = patient(sandbox.cashet(["executors"])).status(1).stdout_with(&["farm", "reapi", "bad"]);
    run.run();
    for job in jobs(&sandbox) {
        assert!(!fs::read_to_string(job.join("result")).unwrap_or_default().contains("\"exit\""));
    }
}

#[test]
fn ctrl_c_ends_the_command_there() {
    let Some(server) = reapi() else { return skipped("ctrl_c_ends_the_command_there", "buildbox-casd") };
    let sandbox = with_farm(server);
    sleeps(&sandbox, "61.5");
    let run = farm(&sandbox, &["-v"], &["./job"]).any_stderr().any_stdout().signal(libc::SIGINT).spawn();
    run.wait_for_stderr("runs at");
    wait_until("the command there", || runs("sleep 61.5"));
    run.send(Signal::SIGINT);
    run.finish();
    wait_until("the command's end", || !runs("sleep 61.5"));
}

#[test]
fn a_time_limit_is_no_status() {
    let Some(server) = reapi() else { return skipped("a_time_limit_is_no_status", "buildbox-casd") };
    let sandbox = with_farm(server);
    sleeps(&sandbox, "61.75");
    farm(&sandbox, &["--time", "3s"], &["./job"]).status(125).stderr_with(&["farm", "TIMEOUT"]).run();
    wait_until("the command's end", || !runs("sleep 61.75"));
}

#[test]
fn a_sweep_replays_here_and_runs_the_rest_there() {
    let Some(server) = reapi() else { return skipped("a_sweep_replays_here", "buildbox-casd") };
    let sandbox = with_farm(server);
    sandbox.write("job", "#!/bin/sh\necho \"run $1\"; [ \"$1\" != 3 ]\n").mode("job", 0o755);
    farm(&sandbox, &[], &["./job", "1"]).stdout("run 1\n").run();
    let map = ["map", "--on", "farm", "-j", "2", "-p", "n=1,2,3", "--", "./job", "{n}"];
    let run = patient(sandbox.cashet(map)).any_stdout().any_stderr().status(1).run();
    let messages = format!("{}{}", run.text(), run.messages());
    assert!(messages.contains("1 hit") || messages.contains("hit"), "{messages}");
    for number in ["1", "2"] {
        let call = ["--mode", "replay", "--", "./job", number];
        sandbox.exec(call).stdout(format!("run {number}\n")).may_change("../home/.cache").run();
    }
    sandbox
        .exec(["--mode", "replay", "--", "./job", "3"])
        .any_stderr()
        .status(121)
        .may_change("../home/.cache")
        .run();
}

#[test]
fn it_is_checked_and_settings_that_make_no_sense_are_refused() {
    let Some(server) = reapi() else { return skipped("it_is_checked", "buildbox-casd") };
    let sandbox = with_farm(server);
    let check = || patient(sandbox.cashet(["executors"]));
    check().stdout_with(&["farm", "reapi", "ok", "remote execution API", "watched"]).run();
    sandbox.write("job", "#!/bin/sh\n").mode("job", 0o755);
    let whole = String::from_utf8(sandbox.read("cashet.toml")).unwrap();
    for (from, to, options, said) in [
        ("toolchain", "instance", vec![], "has no toolchain"),
        ("grpc:", "http:", vec![], "has no address"),
        ("", "", vec!["--gpus", "1"], "takes no gpus"),
        ("", "", vec!["--time", "soon"], "takes --time as"),
        ("", "", vec!["--sbatch=--qos=x"], "takes no --sbatch"),
        ("", "", vec!["--ship", "all"], "it takes git"),
        ("", "", vec!["--detach"], "farm waits for the command"),
    ] {
        sandbox.write("cashet.toml", if from.is_empty() { whole.clone() } else { whole.replace(from, to) });
        farm(&sandbox, &options, &["./job"]).status(125).stderr_with(&[said]).run();
    }
    sandbox.write("cashet.toml", whole);
    sandbox.exec(["--ship", "git", "--", "./job"]).status(125).stderr_with(&["--ship needs --on"]).run();
}
