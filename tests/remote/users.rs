//! Root and an ordinary user share one directory, each with another umask, other times of files, `CI=true` and another cache of
//! the loader: the second executes nothing.

use super::servers::skipped;
use super::team::{CASHET, Machine, Team, keygen};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

const NOBODY: &str = "65534";

/// Commands that read files of the system, look at directories that belong to root, and write files.
const COMMANDS: &[&[&str]] = &[
    &["./count.sh"],
    &["sort", "data.txt"],
    &["sh", "-c", "ls -a sub > list.txt; cat sub/*.txt; test -r /etc/hosts; cat /etc/hostname > /dev/null"],
    &["/usr/bin/python3", "-c", "import json, glob; print(sorted(glob.glob('sub/*')), json.dumps([1]))"],
    &["/usr/bin/python3", "train.py"],
    &[
        "/usr/bin/python3",
        "-c",
        "import sqlite3; print(*sqlite3.connect('rows.db').execute('select * from t'))",
    ],
    &["/usr/bin/python3", "-c", "print(open('data.txt', 'r+').read())"],
    &["sh", "-c", "mkdir sub 2> /dev/null || echo there; : > sub/t; rm sub/t"],
    &[
        "sh",
        "-c",
        "mkdir -p made/below; cp data.txt made/below/copy; chmod 600 made/below/copy; mv made/below/copy made/x",
    ],
    &[
        "sh",
        "-c",
        "find sub -name '*.txt' | sort | xargs wc -c > counts; head -c 5 /usr/bin/env | od -c; git --version",
    ],
];

struct User<'a> {
    machine: Machine,
    is_root: bool,
    umask: &'a str,
    /// What both have on PATH: only root may enter the first of these directories.
    path: &'a str,
    /// Mounted in place of `/etc/ld.so.cache`.
    loader: Option<&'a Path>,
}

impl User<'_> {
    fn prepare(&self) {
        self.machine.script("count.sh", "wc -l < data.txt");
        let script = "import sqlite3; c = sqlite3.connect('rows.db'); c.execute('create table t (n)'); \
                      c.execute('insert into t values (7)'); c.commit()";
        let mut made = Command::new("/usr/bin/python3");
        made.args(["-c", script]).current_dir(&self.machine.project);
        assert!(made.status().unwrap().success());
        for (name, text) in [
            ("data.txt", "b\na\n"),
            ("sub/one.txt", "1\n"),
            ("sub/two.txt", "2\n"),
            ("helper.py", "x = 42\n"),
            (
                "train.py",
                "import helper, json\nprint(json.dumps(helper.x))\nopen('out.txt', 'w').write('o')\n",
            ),
        ] {
            self.machine.write(name, text);
        }
        if self.is_root {
            return;
        }
        for name in ["data.txt", "sub/one.txt", "helper.py"] {
            let old = SystemTime::now() - Duration::from_hours(30);
            fs::File::options()
                .write(true)
                .open(self.machine.project.join(name))
                .unwrap()
                .set_modified(old)
                .unwrap();
        }
        let place = self.machine.project.parent().unwrap();
        // A clone that was made with umask 002.
        let script = "find \"$1\" -type d -exec chmod 775 {} +; find \"$1\" -type f -exec chmod g+w {} +; chown -R \"$2:$2\" \"$1\"";
        let done = Command::new("sh").args(["-c", script, "sh"]).arg(place).arg(NOBODY).status().unwrap();
        assert!(done.success());
    }

    /// Calls a command; what it prints, and what cashet says.
    fn exec(&self, words: &[&str]) -> (String, String) {
        let mount = self.loader.map_or_else(String::new, |loader| {
            format!("mount --bind '{}' /etc/ld.so.cache || exit 97; ", loader.display())
        });
        let who = if self.is_root {
            String::new()
        } else {
            format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups ")
        };
        let script = format!("{mount}umask {}; exec {who}'{CASHET}' exec -v -- \"$@\"", self.umask);
        let mut command = Command::new(if self.loader.is_some() { "unshare" } else { "/bin/sh" });
        if self.loader.is_some() {
            command.args(["--mount", "/bin/sh"]);
        }
        command
            .args(["-c", &script, "sh"])
            .args(words)
            .current_dir(&self.machine.project)
            .stdin(Stdio::null());
        command.env_clear().env("PATH", self.path).env("HOME", &self.machine.home);
        command.env("LANG", "C.UTF-8").envs(self.machine.environment.iter().cloned());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    }
}

/// A cache of the loader that knows one library more.
fn other_loader(team: &Team) -> Option<PathBuf> {
    let libraries = team.base.path().join("libraries");
    fs::create_dir_all(&libraries).unwrap();
    // None of the commands needs it.
    let places = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64"];
    let some = places.iter().map(|place| Path::new(place).join("libBrokenLocale.so.1"));
    fs::copy(some.into_iter().find(|path| path.exists())?, libraries.join("libBrokenLocale.so.1")).unwrap();
    let cache = team.base.path().join("ld.so.cache");
    let made = Command::new("/sbin/ldconfig").args(["-X", "-C"]).arg(&cache).arg(&libraries).output().ok()?;
    let is_other = fs::read(&cache).ok()? != fs::read("/etc/ld.so.cache").ok()?;
    let probe = "mount --bind \"$1\" /etc/ld.so.cache && ls / > /dev/null";
    let works =
        Command::new("unshare").args(["--mount", "sh", "-c", probe, "sh"]).arg(&cache).status().ok()?;
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o644)).unwrap();
    (made.status.success() && is_other && works.success()).then_some(cache)
}

/// Whether another user may run the program and come to the clones.
fn are_reachable(team: &Team) -> bool {
    let all = |path: &Path| {
        path.ancestors()
            .all(|above| fs::metadata(above).is_ok_and(|found| found.permissions().mode() & 0o1 != 0))
    };
    all(Path::new(CASHET)) && all(team.base.path())
}

#[test]
fn root_and_a_user_execute_nothing_twice() {
    if !rustix::process::geteuid().is_root() {
        skipped("two users need root");
        return;
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        skipped("setpriv is not here");
        return;
    }
    for root_is_first in [true, false] {
        let team = Team::new();
        fs::set_permissions(team.base.path(), fs::Permissions::from_mode(0o755)).unwrap();
        if !are_reachable(&team) {
            skipped("another user cannot reach the program");
            return;
        }
        let loader = other_loader(&team);
        if loader.is_none() {
            skipped("another /etc/ld.so.cache: it cannot be made or mounted here");
        }
        let (public, secret) = keygen(&team);
        fs::set_permissions(team.shared(), fs::Permissions::from_mode(0o2777)).unwrap();
        fs::set_permissions(team.counter(), fs::Permissions::from_mode(0o666)).unwrap();
        let settings = format!("write = true\nupload = \"wait\"\ntrust = [\"{public}\"]\n");
        let private = team.base.path().join("private");
        fs::create_dir(&private).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
        // Everybody may pass through this directory, and only root may list it.
        let passed = team.base.path().join("passed");
        fs::create_dir_all(passed.join("below")).unwrap();
        fs::write(passed.join("below/data"), "data\n").unwrap();
        fs::set_permissions(&passed, fs::Permissions::from_mode(0o711)).unwrap();
        let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", private.display());
        let machine = |name: &str| team.machine(name, &settings).with("CASHET_SIGNING_KEY", &secret);
        let root = User { machine: machine("root"), is_root: true, umask: "022", path: &path, loader: None };
        let other = machine("other").with("CI", "true");
        let loader = loader.as_deref();
        let other = User { machine: other, is_root: false, umask: "002", path: &path, loader };
        let (first, second) = if root_is_first { (&root, &other) } else { (&other, &root) };
        first.prepare();
        second.prepare();
        let mut missed = Vec::new();
        let data = passed.join("below/data");
        let resolves = ["sh", "-c", "realpath \"$1\"; cat \"$1\"", "sh", data.to_str().unwrap()];
        for words in COMMANDS.iter().copied().chain([&resolves[..]]) {
            let (recorded, said) = first.exec(words);
            assert!(said.contains("miss · "), "{words:?}: {said}");
            let executed = team.executions();
            let (replayed, said) = second.exec(words);
            if !said.contains("from dir:") || team.executions() != executed {
                missed.push(format!("{words:?}: {said}"));
            }
            assert_eq!(recorded, replayed, "{words:?}");
        }
        // What only one of them may do is done again.
        for question in ["ls \"$1\" > /dev/null 2>&1", "test -r \"$1\"", "test -w \"$1\""] {
            let script = format!("realpath \"$1/below\"; {question} && echo yes || echo no");
            let words = ["sh", "-c", &script, "sh", passed.to_str().unwrap()];
            for user in [first, second] {
                let expected = if user.is_root { "yes" } else { "no" };
                assert_eq!(user.exec(&words).0.lines().last(), Some(expected), "{question}");
            }
        }
        assert!(missed.is_empty(), "root first: {root_is_first}\n{}", missed.join("\n"));
    }
}
