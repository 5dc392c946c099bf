//! `verify`, by real runs: what is told, how it ends, and that everything is afterwards as it was.

use super::documents::{documented, fields};
use super::support::{DAY, Run, Sandbox};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What is found below a directory: kind and mode, time, and content or text of each path.
type Tree = BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>;

/// A project in which commands really run. Not below `/tmp`, where much is tolerated.
struct Project {
    folder: tempfile::TempDir,
}

struct Told {
    status: i32,
    out: String,
    err: String,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir_all(folder.path().join("project/.git")).unwrap();
        fs::create_dir_all(folder.path().join("tmp")).unwrap();
        Self { folder }
    }

    fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("project").join(inside)
    }

    fn write(&self, inside: &str, text: impl AsRef<[u8]>) -> &Self {
        fs::create_dir_all(self.path(inside).parent().unwrap()).unwrap();
        fs::write(self.path(inside), text).unwrap();
        self
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cashet"));
        command.args(words).current_dir(self.path("")).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.folder.path());
        command.env("TMPDIR", self.folder.path().join("tmp")).env("LANG", "C.UTF-8");
        command
    }

    fn told(command: &mut Command) -> Told {
        let output = command.output().unwrap();
        Told {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    fn exec(&self, words: &[&str]) -> Told {
        let mut all = vec!["exec", "-q"];
        all.extend(words);
        Self::told(&mut self.command(&all))
    }

    /// Verifies, and sees to it that everything is afterwards as it was.
    #[track_caller]
    fn verify(&self, words: &[&str]) -> Told {
        let mut all = vec!["verify"];
        all.extend(words);
        self.unchanged(|| Self::told(&mut self.command(&all)))
    }

    #[track_caller]
    fn unchanged<T>(&self, run: impl FnOnce() -> T) -> T {
        let (before, store) = (self.tree(), self.store());
        let told = run();
        let after = self.tree();
        for path in before.keys().chain(after.keys()) {
            assert_eq!(before.get(path), after.get(path), "{} is not as it was", path.display());
        }
        assert_eq!(store, self.store(), "the store is not as it was");
        told
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        walk(&self.path(""), &mut tree);
        tree
    }

    /// Commits, blobs, hot entries, remembered captures, and what was put aside.
    fn store(&self) -> (String, Vec<PathBuf>) {
        let log = Self::told(&mut self.command(&["log", "--json"])).out;
        let mut tree = Tree::new();
        for part in ["objects", "hot", "captures", "replaced", "tmp", "view"] {
            walk(&self.path(".cashet").join(part), &mut tree);
        }
        let made = |path: &PathBuf| !path.ends_with("replaced");
        (log, tree.into_keys().filter(made).collect())
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.folder.path().join("tmp/runs")).unwrap_or_default().lines().count()
    }

    /// A shell script that counts its runs outside the project.
    fn script(&self, inside: &str, body: &str) -> &Self {
        self.write(inside, format!("echo run >> \"$TMPDIR/runs\"\n{body}\n"))
    }
}

fn walk(directory: &Path, tree: &mut Tree) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.ends_with("project/.cashet") {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_symlink() {
            fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
        } else if metadata.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        tree.insert(path.clone(), (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), content));
        if metadata.is_dir() {
            walk(&path, tree);
        }
    }
}

#[test]
fn a_command_that_does_the_same_is_the_same() {
    let project = Project::new();
    project.write("data.txt", "3\n1\n2\n").script(
        "job.sh",
        "sort data.txt; echo warn >&2; mkdir -p out/deep; sort data.txt > out/sorted; ln -s sorted out/link
         printf '\\0\\1' > out/deep/bin; chmod 750 out/deep/bin; rm -f old",
    );
    project.write("old", "x");
    assert_eq!(project.exec(&["sh", "job.sh"]).out, "1\n2\n3\n");
    // What it removed must be there again for the same run.
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 2, "{}{}", told.out, told.err);
    assert!(told.out.contains("old is gone"), "{}", told.out);
    project.write("old", "x");
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    assert!(told.out.starts_with("same: "), "{}", told.out);
    assert!(told.out.contains("\n  ok, stdout 6 B, stderr 5 B, "), "{}", told.out);
    assert_eq!(project.runs(), 2);
    let told = project.verify(&["@", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((json["schema"].as_u64(), json["verdict"].as_str()), (Some(1), Some("same")));
    // It still answers calls, where everything is as it was before the first run.
    fs::remove_dir_all(project.path("out")).unwrap();
    project.write("old", "x");
    project.exec(&["sh", "job.sh"]);
    assert_eq!(project.runs(), 3);
}

#[test]
fn times_are_told_from_change() {
    let project = Project::new();
    project.script("job.sh", "echo first; date +%s.%N; echo took $(date +%N | cut -c 1-4) ms");
    project.exec(&["sh", "job.sh"]);
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    assert!(told.out.starts_with("differs: "), "{}", told.out);
    assert!(told.out.contains("stdout: differs first in line 2, at byte "), "{}", told.out);
    assert!(told.out.contains("only moments or durations differ"), "{}", told.out);
    // The text tells it: one run is enough.
    assert_eq!(project.runs(), 2);
}

#[test]
fn what_differs_every_time_is_told_from_what_has_changed() {
    let project = Project::new();
    project
        .script("random.sh", "echo same; od -An -N8 -tx1 /dev/urandom | tr -d ' ' | sed 's/^/q/' | tee out");
    project.exec(&["sh", "random.sh"]);
    let told = project.verify(&["@", "--json"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(json["runs"], 2);
    for (place, item) in ["stdout", "output"].iter().enumerate() {
        let found = &json["differences"][place];
        assert_eq!(found["item"], **item, "{json}");
        assert_eq!(found["causes"][0], "random", "{json}");
    }
    assert_eq!(json["differences"][0]["first_line"], 2);
    assert_eq!(json["differences"][1]["path"], "out");
    assert_eq!(project.runs(), 3);
    assert_eq!(project.verify(&["@", "--once"]).status, 1);
    assert_eq!(project.runs(), 4);
}

#[test]
fn an_unseen_change_is_called_one() {
    let project = Project::new();
    // /proc is not observed, and a name in pieces not recognized.
    project.script("job.sh", "tr '\\0' '\\n' < /proc/$PPID/envi''ron | grep -c MARK");
    let mut exec = project.command(&["exec", "-q", "--cache-exit", "0,1", "sh", "job.sh"]);
    assert_eq!(Project::told(&mut exec).out, "0\n");
    let mut verify = project.command(&["verify", "@"]);
    let told = project.unchanged(|| Project::told(verify.env("SSH_MARK", "x")));
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("status: ok, was exit 1"), "{}", told.out);
    assert!(told.out.contains("changed: two runs in a row agree"), "{}", told.out);
    assert!(!told.out.contains("not deterministic"), "{}", told.out);
}

#[test]
fn another_order_and_addresses_have_their_names() {
    let project = Project::new();
    project.write(
        "order.py",
        "import os\nlines = ['a', 'b', 'c']\nif os.path.exists('/proc/self') and os.getpid() % 2 == 0:\n    pass\n\
         import secrets\nsecrets.SystemRandom().shuffle(lines)\nlines = [f'{l} {l}' for l in lines for _ in range(9)]\n\
         secrets.SystemRandom().shuffle(lines)\nprint('\\n'.join(lines))\n",
    );
    project.exec(&["python3", "order.py"]);
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("the same, in another order"), "{}", told.out);
    project.write(
        "address.py",
        "import secrets\nprint('<object at 0x7f%010x> pid %d' % (secrets.randbits(40), secrets.randbits(20)))\n",
    );
    project.exec(&["python3", "address.py"]);
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("only addresses"), "{}", told.out);
}

#[test]
fn where_it_would_not_be_the_same_run_it_does_not_run() {
    let project = Project::new();
    project.script("job.sh", "cat data.txt; echo $MODE; tee out < data.txt").write("data.txt", "1\n");
    project.exec(&["sh", "job.sh"]);
    project.write("data.txt", "2\n");
    let told = project.verify(&["@"]);
    assert_eq!((told.status, project.runs()), (2, 1), "{}{}", told.out, told.err);
    assert!(told.out.starts_with("cannot be verified here: "), "{}", told.out);
    assert!(told.out.contains("data.txt changed"), "{}", told.out);
    project.write("data.txt", "1\n");
    let mut verify = project.command(&["verify", "@", "--json"]);
    let told = project.unchanged(|| Project::told(verify.env("MODE", "fast")));
    assert_eq!((told.status, project.runs()), (2, 1), "{}{}", told.out, told.err);
    let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(json["verdict"], "cannot-run");
    assert_eq!(json["obstacles"][0]["text"], "MODE set");
    project.script("job.sh", "cat data.txt; echo more; tee out < data.txt");
    let told = project.verify(&["@"]);
    assert_eq!((told.status, project.runs()), (2, 1), "{}{}", told.out, told.err);
    assert!(told.out.contains("job.sh changed"), "{}", told.out);
    // A comment is no change.
    project.script("job.sh", "# a comment\ncat data.txt; echo $MODE; tee out < data.txt");
    assert_eq!((project.verify(&["@"]).status, project.runs()), (0, 2));
}

#[test]
fn what_the_user_made_of_the_outputs_stays() {
    let project = Project::new();
    project.script("job.sh", "mkdir out; echo made > out/a; echo made > out/b; echo made > c; ln -s a out/l");
    project.exec(&["sh", "job.sh"]);
    project.write("out/a", "edited by hand").write("out/notes.md", "mine");
    fs::remove_file(project.path("out/b")).unwrap();
    fs::remove_file(project.path("out/l")).unwrap();
    symlink("elsewhere", project.path("out/l")).unwrap();
    fs::remove_file(project.path("c")).unwrap();
    fs::create_dir(project.path("c")).unwrap();
    project.write("c/inner", "mine too");
    fs::set_permissions(project.path("out/notes.md"), fs::Permissions::from_mode(0o400)).unwrap();
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    assert_eq!(project.runs(), 2);
}

#[test]
fn every_kind_of_difference_of_outputs_is_told() {
    let project = Project::new();
    // What it does depends on something that is not observed.
    let body = "if tr '\\0' '\\n' < /proc/$PPID/envi''ron | grep -q MARK; then
            printf 'one\\ntwo\\n' > text; printf 'a\\0b' > binary; echo > mode; ln -s x link; echo > gone; mkdir kind
        else
            printf 'one\\nTWO\\n' > text; printf 'a\\0c' > binary; echo > mode; chmod 600 mode; ln -s y link; echo > kind
            echo > new; rm keep; echo changed > there; mv moved away; echo >> away/file; exit 3
        fi";
    project.script("job.sh", body).write("keep", "kept").write("there", "there").write("moved/file", "f");
    let mut exec = project.command(&["exec", "-q", "sh", "job.sh"]);
    assert_eq!(Project::told(exec.env("SSH_MARK", "x")).status, 0);
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    for words in [
        "status: exit 3, was ok",
        "text: differs first in line 2, at byte 4\n    − two\n    + TWO\n",
        "binary: differs first at byte 2\n",
        "mode: mode 644 → 600",
        "link: ",
        "gone: was left then, not this time",
        "kind: ",
        "new: is left this time, was not then",
        "keep: is removed this time, was not then",
        "there: is left this time, was not then",
        "away/file: is left this time, was not then",
    ] {
        assert!(told.out.contains(words), "{words:?} is not in\n{}", told.out);
    }
    assert_eq!(project.runs(), 3);
}

#[test]
fn the_page_on_json_gives_every_field() {
    let project = Project::new();
    let mut found = std::collections::BTreeSet::new();
    let mut verify = |status| {
        let told = project.verify(&["@", "--json"]);
        assert_eq!(told.status, status, "{}{}", told.out, told.err);
        fields(&serde_json::from_str(&told.out).unwrap(), "", &mut found);
    };
    for (then, now) in
        [("ln -s x l; echo a > o; exit 3", "ln -s y l; echo b > o; kill -9 $$"), ("kill -9 $$", "exit 3")]
    {
        let mark = "tr '\\0' '\\n' < /proc/$PPID/envi''ron | grep -q MARK";
        project.script("job.sh", &format!("if {mark}; then {then}; fi; {now}"));
        let mut exec = project.command(&["exec", "-q", "--cache-exit", "3", "sh", "job.sh"]);
        Project::told(exec.env("SSH_MARK", "x"));
        verify(1);
        for output in ["l", "o"] {
            let _ = fs::remove_file(project.path(output));
        }
    }
    project.script("job.sh", "");
    verify(2);
    assert_eq!(documented().differences("verify --json", &found), (Vec::new(), Vec::new()));
}

#[test]
fn what_could_not_be_saved_is_not_put_at_risk() {
    let project = Project::new();
    let body =
        "if tr '\\0' '\\n' < /proc/$PPID/envi''ron | grep -q MARK; then exit 0; fi; echo changed > precious";
    project.script("job.sh", body).write("precious", "mine");
    let mut exec = project.command(&["exec", "-q", "sh", "job.sh"]);
    assert_eq!(Project::told(exec.env("SSH_MARK", "x")).status, 0);
    fs::remove_dir(project.path(".cashet/replaced")).unwrap();
    project.write(".cashet/replaced", "no directory");
    let told = project.verify(&["@"]);
    assert_eq!((told.status, project.runs()), (2, 1), "{}{}", told.out, told.err);
    assert!(told.out.contains("cannot create a directory in"), "{}", told.out);
}

#[test]
fn a_failed_command_is_verified_by_what_it_printed() {
    let project = Project::new();
    project.script("job.sh", "echo no >&2; echo partial > out; exit 4");
    assert_eq!(project.exec(&["sh", "job.sh"]).status, 4);
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    assert!(told.out.contains("exit 4") && told.out.contains("outputs were not recorded"), "{}", told.out);
}

#[test]
fn standard_input_is_given_again() {
    let project = Project::new();
    project.write("numbers", "3\n1\n");
    let numbers = || File::open(project.path("numbers")).unwrap();
    let mut exec = project.command(&["exec", "-q", "--stdin", "sort"]);
    assert_eq!(Project::told(exec.stdin(numbers())).out, "1\n3\n");
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 2, "{}{}", told.out, told.err);
    assert!(told.out.contains("standard input that is not stored"), "{}", told.out);
    let mut verify = project.command(&["verify", "@"]);
    let told = project.unchanged(|| Project::told(verify.stdin(numbers())));
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    // One that a recorded command printed is stored.
    project.exec(&["printf", "2\\n1\\n"]);
    let mut exec = project.command(&["exec", "-q", "--stdin=cashet:@", "sort"]);
    assert_eq!(Project::told(&mut exec).out, "1\n2\n");
    assert_eq!(project.verify(&["@"]).status, 0);
    // A file that was read by watching.
    let mut exec = project.command(&["exec", "-q", "sort"]);
    assert_eq!(Project::told(exec.stdin(numbers())).out, "1\n3\n");
    let mut verify = project.command(&["verify", "@"]);
    assert_eq!(Project::told(verify.stdin(numbers())).status, 0);
    assert_eq!(project.verify(&["@"]).status, 2);
}

#[test]
fn options_of_the_call_are_those_of_the_record() {
    let project = Project::new();
    project.write("sub/in.txt", "x\n").script(
        "sub/job.sh",
        "cat in.txt; cp in.txt made; tr '\\0' '\\n' < /proc/self/environ | grep -c NOIS.=",
    );
    let words =
        ["-i", "in.txt", "-o", "made", "--salt", "s", "--env-strict", "--tool", "cat", "-n", "-e", "WANTED"];
    let mut exec = project.command(&["exec", "-q", "--cache-exit", "0,1"]);
    exec.args(words).args(["sh", "job.sh"]).current_dir(project.path("sub")).env("NOISE", "1");
    assert_eq!(Project::told(&mut exec).out, "x\n0\n");
    // From another directory.
    let mut verify = project.command(&["verify", "@"]);
    let told = project.unchanged(|| Project::told(verify.env("NOISE", "2")));
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    for trace in ["off", "auto"] {
        project.script("plain.sh", &format!("cp sub/in.txt made-{trace}; echo ok"));
        let output = format!("made-{trace}");
        let told =
            project.exec(&["--trace", trace, "-i", "sub", "-o", &output, "--exact-source", "sh", "plain.sh"]);
        assert_eq!(told.out, "ok\n", "{}", told.err);
        let told = project.verify(&["@"]);
        assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    }
    let first = project.exec(&["--id", "printf", "a,b\\n"]).out;
    let told = project.exec(&["cat", &format!("cashet:{}", first.trim())]);
    assert_eq!(told.out, "a,b\n");
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
}

#[test]
fn a_write_that_is_no_output_can_be_named_again() {
    let project = Project::new();
    project.script("job.sh", "echo out; date +%N > log.txt").write("log.txt", "begun\n");
    assert_eq!(project.exec(&["--ignore-write", "log.txt", "sh", "job.sh"]).out, "out\n");
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("log.txt: is left this time, was not then"), "{}", told.out);
    assert_eq!(project.verify(&["@", "--ignore-write", "*.txt"]).status, 0);
    project.write("cashet.toml", "[[command]]\nmatch = \"job.sh\"\nignore-write = \"log.txt\"\n");
    assert_eq!(project.verify(&["@"]).status, 0);
}

#[test]
fn what_is_no_longer_stored_is_said() {
    let sandbox = Sandbox::new();
    sandbox.record(&Run::new("make", 3 * DAY).writing("tool", b"tool", 0o755));
    sandbox.run(&["gc", "--max-size", "0"]).ok();
    let refused = sandbox.run(&["verify", "@"]).ended.unwrap_err();
    assert!(refused.to_string().ends_with("was dropped to save room"), "{refused}");
    assert_eq!(refused.command_status(), 1);
    // A blob that is damaged.
    let project = Project::new();
    project.script("job.sh", "echo out; echo made > file");
    project.exec(&["sh", "job.sh"]);
    let mut objects = Tree::new();
    walk(&project.path(".cashet/objects"), &mut objects);
    for (path, (mode, ..)) in &objects {
        if mode & 0o170_000 == 0o100_000 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            fs::write(path, "damaged").unwrap();
        }
    }
    let told = project.verify(&["@"]);
    assert_eq!((told.status, told.out.as_str(), project.runs()), (1, "", 1), "{}", told.err);
}

#[test]
fn a_signal_leaves_everything_in_place() {
    let project = Project::new();
    let body = "echo started >> \"$TMPDIR/runs\"; echo new > out; echo other > other
        if tr '\\0' '\\n' < /proc/$PPID/envi''ron | grep -q MARK; then exit 0; fi
        echo waiting > \"$TMPDIR/waiting\"; exec sleep 60";
    project.script("job.sh", body);
    let mut exec = project.command(&["exec", "-q", "sh", "job.sh"]);
    assert_eq!(Project::told(exec.env("SSH_MARK", "x")).status, 0);
    project.write("out", "edited");
    let ended = project.unchanged(|| {
        let mut child: Child =
            project.command(&["verify", "@"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let waiting = project.folder.path().join("tmp/waiting");
        while !waiting.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it waited");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(fs::read_to_string(project.path("out")).unwrap(), "new\n");
        let process = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).unwrap();
        child.wait().unwrap()
    });
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(15), "{ended}");
}
