//! First use: the first screen, the help, the creation of the store, errors that say what to do.

use crate::support::Sandbox;

#[test]
fn alone_it_shows_a_screen_and_writes_nothing() {
    let sandbox = Sandbox::new();
    let alone = || {
        sandbox.cashet([""; 0]).stdout_with(&["cashet exec -- ", "cashet help exec", "Nothing is recorded"])
    };
    let text = alone().run().text();
    assert!(text.lines().count() <= 12 && text.lines().all(|line| line.len() <= 80), "{text}");
    assert!(!sandbox.path(".cashet").exists());
    // The calls that it shows exist.
    sandbox.script("job", "echo made");
    sandbox.exec(["./job"]).stdout("made\n").executes(1).run();
    sandbox.exec(["-f", "./job"]).stdout("made\n").executes(1).run();
    let lines: Vec<&str> =
        text.lines().filter(|line| line.starts_with("cashet ") && line.contains("  ")).collect();
    assert!(lines.len() >= 6, "{text}");
    for line in lines {
        let call = line.split("  ").next().unwrap();
        if !call.contains("exec -- ") {
            let shown = sandbox.shell(format!("{call} | head -n 3")).any_stdout().run();
            assert!(!shown.stdout.is_empty(), "{call}");
        }
    }
    sandbox.cashet([""; 0]).stdout_with(&["Here: 2 runs"]).run();
}

#[test]
fn the_help_of_exec_is_a_page_to_learn_from() {
    let sandbox = Sandbox::new();
    let page = sandbox.cashet(["help", "exec"]).any_stdout().run();
    sandbox.cashet(["exec", "--help"]).stdout(&page.stdout).run();
    let text = page.text();
    let parts =
        ["Usage:", "Dependencies:", "Recording:", "Replay:", "Messages:", "Examples:", "Exit status:"];
    let places: Vec<_> = parts.iter().map(|part| text.find(part)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    assert!(text.lines().count() < 100);
    sandbox.cashet(["help"]).stdout_with(&["exec", "audit", "log", "cashet help exec"]).run();
    sandbox.cashet(["help", "hisotry"]).refused(2, &["hisotry", "hint: ", "history"]).run();
}

#[test]
fn on_a_terminal_the_new_store_is_reported_once() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo made");
    let call = || sandbox.exec(["./job"]).any_stdout().terminal().finish().text();
    let store = sandbox.path(".cashet").display().to_string();
    let first = call();
    assert!(first.contains(&format!("created the store {store}")), "{first}");
    assert!(!call().contains("created"));
    sandbox.exec(["-f", "./job"]).stdout("made\n").run();
}

#[test]
fn every_error_has_advice() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo made").write("plain", "text").directory("folder");
    sandbox.exec(["./job"]).stdout("made\n").run();
    sandbox.mode("plain", 0o644);
    let mistakes: &[(&str, i32)] = &[
        ("frobnicate", 2),
        ("log --frob", 2),
        ("log --since yesterdayish", 2),
        ("gc --older-than 30", 2),
        ("gc --max-size lots", 2),
        ("show", 2),
        ("show zz", 1),
        ("show ffff", 1),
        ("show @{99}", 1),
        ("get @:nothing", 1),
        ("diff @", 2),
        ("tag -d @ nothing", 1),
        ("rm", 2),
        ("man frob", 2),
        ("completions tcsh", 2),
        ("import missing.tar", 1),
        ("import plain", 1),
        ("export /nowhere/at/all", 1),
        ("--store nowhere log", 1),
        ("exec", 125),
        ("exec --frob ./job", 125),
        ("exec -i missing ./job", 125),
        ("exec -o ../out ./job", 125),
        ("exec --env =x ./job", 125),
        ("exec --ttl soon ./job", 125),
        ("exec --mode sometimes ./job", 125),
        ("exec --trace maybe ./job", 125),
        ("exec --tool nothing-of-this-name ./job", 125),
        ("exec --stdin=folder ./job", 125),
        ("exec --stdin=missing ./job", 125),
        ("exec nothing-of-this-name", 127),
        ("exec ./missing", 127),
        ("exec ./plain", 126),
        ("exec ./folder", 126),
        ("exec --mode replay ./job other", 121),
        ("exec --mode replay date", 121),
        ("exec ./job cashet:ffffffff", 125),
        ("exec ./job cashet:@:nothing", 125),
        ("check", 2),
        ("audit", 2),
    ];
    for (line, status) in mistakes {
        let run = sandbox.cashet(line.split(' ')).any_stderr().status(*status).executes(0);
        let told = run.run().messages();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{line}: {told}");
        assert!(lines[0].starts_with("error: ") && lines[1].starts_with("hint: "), "{line}: {told}");
    }
}

#[test]
fn what_was_meant_is_suggested() {
    let sandbox = Sandbox::new();
    sandbox.script("run.sh", "echo made").script("stat.sh", "");
    let hint = |words: &[&str], status: i32| {
        let told = sandbox.cashet(words).any_stderr().status(status).executes(0).run().messages();
        told.lines().nth(1).unwrap().to_owned()
    };
    for (words, expected) in [
        (&["ls"][..], "hint: to run it: cashet exec -- ls"),
        (&["seq", "-f", "a b"], "hint: to run it: cashet exec -- seq -f 'a b'"),
        (&["./run.sh", "x"], "hint: to run it: cashet exec -- ./run.sh x"),
        (&["stat"], "hint: did you mean 'stats'? to run it: cashet exec -- stat"),
        (&["nothing-of-this-name"], "hint: see 'cashet --help'"),
        (&["hisotry"], "hint: did you mean 'history'?"),
    ] {
        assert_eq!(hint(words, 2), expected, "{words:?}");
    }
    for (words, expected) in [
        (&["ls | wc"][..], "hint: a line with shell syntax needs a shell: cashet exec -- sh -c 'ls | wc'"),
        (&["cd", "/tmp"], "hint: cd is part of the shell, no program: cashet exec -- sh -c 'cd /tmp'"),
        (
            &["source", "x"],
            "hint: source is part of the shell, no program: cashet exec -- bash -c 'source x'",
        ),
        (&["LR=1", "./run.sh"], "hint: to set LR for a command: cashet exec -- env LR=1 ./run.sh"),
        (&["nothing-of-this-name"], "hint: a name without a slash is searched on PATH"),
    ] {
        let words = |verb: &'static str| [&[verb][..], words].concat();
        assert_eq!(hint(&words("exec"), 127), expected);
        assert_eq!(hint(&words("audit"), 127), expected);
        assert_eq!(hint(&words("check"), 1), expected);
    }
}

#[test]
fn no_message_repeats_a_long_word() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo made");
    let long = "w".repeat(100_000);
    let [path, option] = [format!("/{long}"), format!("--{long}")];
    let calls: &[&[&str]] = &[
        &["exec", &long],
        &["exec", &path],
        &["exec", &option, "./job"],
        &["exec", "--ttl", &long, "./job"],
        &["exec", "--mode", &long, "./job"],
        &["exec", "-i", &long, "./job"],
        &["exec", "-o", &path, "./job"],
        &["exec", "--tool", &long, "./job"],
        &["exec", "--cache-exit", &long, "./job"],
        &["exec", "--env", "=", &long],
        &["exec", "--stdin", &path, "./job"],
        &["exec", &format!("--stdin={path}"), "./job"],
        &["exec", "./job", &format!("cashet:{long}")],
        &["exec", "./job", &format!("cashet:@:{long}")],
        &["exec", "--store", &path, "-v", "./job"],
        &["exec", "--report", &path, "./job"],
        &["exec", "-v", "--trace", "off", &path],
        &["exec", "--salt", &long, "-v", "./job"],
        &["exec", "-e", &format!("A={long}"), "-v", "./job", &long],
        &["exec", "-e", &format!("A={long}x"), "-v", "./job", &format!("{long}y")],
        &["check", "./job", &long],
        &["audit", &long],
        &[&long],
        &["log", "--since", &long],
        &["log", "--status", &long],
        &["show", &long],
        &["get", &format!("@:{long}")],
        &["diff", &long, &path],
        &["tag", "-d", "@", &long],
        &["export", &path],
        &["import", &path],
        &["completions", &long],
        &["--store", &path, "log"],
    ];
    sandbox.exec(["./job"]).any_stdout().run();
    for words in calls {
        let output = std::process::Command::new(crate::support::CASHET)
            .args(*words)
            .current_dir(sandbox.path(""))
            .env("HOME", sandbox.home(""))
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let start: Vec<String> = words.iter().map(|word| word.chars().take(12).collect()).collect();
        assert!(told.len() < 5000 && told.lines().count() <= 3, "{start:?}: {} bytes", told.len());
    }
}
