//! Every path that `strace -f` sees in a run is seen in the same run.
//!
//! `strace` is what is watched, so both look at the very same processes. Under ptrace it could not trace itself: there
//! the paths must be those that the other mechanism saw.

use super::*;
use std::collections::BTreeSet;

/// Decodes strace's quoted text.
fn unquote(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut bytes = Vec::new();
    loop {
        let character = rest.chars().next()?;
        rest = rest.split_at(character.len_utf8()).1;
        match character {
            '"' => return Some((bytes, rest)),
            '\\' => {
                let (digits, _) =
                    rest.split_at(rest.find(|c: char| !c.is_digit(8)).unwrap_or(rest.len()).min(3));
                let (byte, length) = match rest.chars().next()? {
                    'n' => (b'\n', 1),
                    't' => (b'\t', 1),
                    _ if !digits.is_empty() => (u8::from_str_radix(digits, 8).ok()?, digits.len()),
                    other => (u8::try_from(other).ok()?, other.len_utf8()),
                };
                bytes.push(byte);
                rest = rest.split_at(length).1;
            }
            other => bytes.extend(other.to_string().bytes()),
        }
    }
}

/// The paths in one line of `strace -f -y`: absolute where the call tells its directory.
fn paths(line: &str) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let Some((before, arguments)) = line.split_once('(') else { return Vec::new() };
    if before.contains("+++")
        || before.contains("---")
        || line.contains("<unfinished") && !arguments.contains('"')
    {
        return Vec::new();
    }
    let name = before.rsplit(' ').next().unwrap_or_default();
    let mut found = Vec::new();
    let mut rest = arguments;
    let mut base = PathBuf::new();
    // Only as many texts as the call has paths: a link's text and a program's words are none.
    let mut wanted =
        if ["rename", "renameat", "renameat2", "link", "linkat"].contains(&name) { 2 } else { 1 };
    let mut skip = usize::from(["symlink", "symlinkat"].contains(&name));
    while wanted > 0 {
        let Some(at) = rest.find(['<', '"']) else { break };
        rest = rest.split_at(at).1;
        if let Some(inside) = rest.strip_prefix('<') {
            let Some(end) = inside.find('>') else { break };
            if inside.starts_with('/') {
                base = PathBuf::from(inside.split_at(end).0);
            }
            rest = inside.split_at(end).1;
            continue;
        }
        let Some((text, after)) = unquote(rest) else { break };
        rest = after;
        if skip > 0 {
            skip -= 1;
            continue;
        }
        wanted -= 1;
        if !text.is_empty() {
            found.push(base.join(PathBuf::from(OsString::from_vec(text))));
        }
        base = PathBuf::new();
    }
    found
}

/// The one way to write a path: `..` goes to where it leads.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == std::path::Component::ParentDir {
            // Where nothing is, the look-up ends.
            let Ok(real) = fs::canonicalize(&plain) else { return plain };
            if plain.is_symlink() {
                plain = real;
            }
            plain.pop();
        } else if part != std::path::Component::CurDir {
            plain.push(part);
        }
    }
    plain
}

fn is_of_interest(path: &Path) -> bool {
    let ignored =
        ["/proc", "/sys", "/dev/null", "/dev/tty", "/dev/pts", "/dev/urandom", "/dev/fd", "/dev/stdin"];
    !ignored.iter().any(|ignored| path.starts_with(ignored))
}

/// Runs `words` in `directory` under strace under watch, and then under the other mechanism.
fn compare(directory: &Path, script: &str) {
    if !have(&["strace"]) {
        return;
    }
    let record = tempfile::tempdir().unwrap();
    let file = record.path().join("strace");
    let script = format!("cd {}\n{script}", directory.display());
    let calls = "trace=%file,%creds,connect,fchdir";
    let options =
        ["strace", "-f", "-y", "-s", "5000", "-e", calls, "-o", file.to_str().unwrap(), "sh", "-c", &script];
    let mut watched = Watched::new(Mechanism::Notify, &options);
    watched.unobserved.push(record.path().to_owned());
    let ran = watched.run().whole();
    let text = fs::read(&file).unwrap();
    let text = String::from_utf8_lossy(&text);
    let wanted: BTreeSet<PathBuf> = text
        .lines()
        .filter(|line| !line.contains("connect(") && !line.contains("getcwd("))
        .flat_map(paths)
        .map(|path| plain(&path))
        .filter(|path| is_of_interest(path) && path.components().next().is_some())
        .collect();
    assert!(wanted.len() > 3, "strace saw next to nothing: {text}");
    let seen: BTreeSet<PathBuf> = ran.trace.accesses.keys().cloned().collect();
    let missing: Vec<_> = missing_in(&ran, &wanted);
    assert!(missing.is_empty(), "{script}\nmissing of {} in {}: {missing:#?}", wanted.len(), seen.len());

    let mut watched = Watched::sh(Mechanism::Trace, &script);
    watched.unobserved.push(record.path().to_owned());
    let traced = watched.run();
    let traced = traced.whole();
    // Names that are made up at random differ from run to run.
    let steady =
        |path: &&PathBuf| path.is_absolute() && !path.starts_with("/tmp") && !path.starts_with(directory);
    let wanted: BTreeSet<PathBuf> = wanted.iter().filter(steady).cloned().collect();
    let missing = missing_in(&traced, &wanted);
    assert!(missing.is_empty(), "{script}\nmissing under ptrace: {missing:#?}");
}

fn missing_in(ran: &Ran, wanted: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let is_own =
        |path: &Path| path.ancestors().any(|above| ran.changes.iter().any(|changed| changed == above));
    let below_own = |path: &Path| {
        let named = |above: &Path| {
            !above.as_os_str().is_empty() && ran.changes.iter().any(|own| own.ends_with(above))
        };
        path.ancestors().any(named)
    };
    let below_file = |path: &Path| path.ancestors().skip(1).any(Path::is_file);
    let is_seen = |path: &&PathBuf| {
        // The old calls do not tell their directory.
        path.is_relative() && ran.trace.accesses.keys().any(|seen| seen.ends_with(path))
            || ran.trace.accesses.contains_key(*path)
            || path.is_relative() && below_own(path)
            || is_own(path)
            // What follows was asked of the directory of the run, not of ours.
            || path.is_absolute() && (fs::canonicalize(path).is_ok_and(|real| is_own(&real)) || below_file(path))
            || path.parent().and_then(|above| fs::canonicalize(above).ok()).is_some_and(|above| {
                let real = above.join(path.file_name().unwrap_or_default());
                ran.trace.accesses.contains_key(&real) || is_own(&real)
            })
    };
    wanted.iter().filter(|path| !is_seen(path)).cloned().collect()
}

#[test]
fn shells_and_their_pipelines() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mkdir -p a/b; echo x > a/b/c; cat a/b/c | sed s/x/y/ | tee a/d | sort > a/e; ls -l a > list; \
                  for f in a/*; do test -f $f && cp $f $f.copy; done; find . -name '*.copy' | xargs rm; \
                  mv a z; cat z/../z/d; (cd z; cat d b/c); ln -s z/d link; cat link; readlink link; rm -r z";
    compare(folder.path(), script);
    let bash = "bash -c 'set -e; x=$(cat /etc/passwd | wc -l); [[ -f /etc/none ]] || echo $x; . /dev/stdin <<< true; \
                cat <(echo 1) <(echo 2); while read l; do echo $l; done < /etc/passwd; type -a ls python3; echo /etc/*.conf'";
    compare(folder.path(), bash);
}

#[test]
fn python_with_threads_and_programs() {
    if !have(&["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("local.py"), "import json, asyncio, re\nX = 1\n").unwrap();
    fs::write(
        folder.path().join("main.py"),
        "import local, threading, subprocess, tempfile, os, glob, shutil, multiprocessing\n\
         def work(n):\n\
         \x20   open('t%d' % n, 'w').write('x'); os.stat('main.py'); glob.glob('/etc/*.conf')\n\
         ts = [threading.Thread(target=work, args=(n,)) for n in range(8)]\n\
         [t.start() for t in ts]; [t.join() for t in ts]\n\
         subprocess.run(['ls', '/etc'], stdout=subprocess.DEVNULL); subprocess.run('cat local.py', shell=True, cwd='/etc')\n\
         with tempfile.TemporaryDirectory() as d: shutil.copytree('/etc/init.d', d + '/x', symlinks=True)\n\
         print(shutil.which('gcc'), os.path.realpath('local.py'))\n",
    )
    .unwrap();
    compare(folder.path(), "python3 main.py; python3 -c 'import local'");
}

#[test]
fn node_with_a_worker() {
    if !have(&["node"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lib.js"), "module.exports = 1\n").unwrap();
    fs::write(
        folder.path().join("main.js"),
        "const { Worker, isMainThread } = require('worker_threads'); const fs = require('fs');\n\
         if (isMainThread) { new Worker(__filename); fs.readFileSync('lib.js'); fs.promises.readFile('/etc/passwd');\n\
         require('child_process').execFileSync('cat', ['lib.js']); fs.existsSync('none'); }\n\
         else { require('./lib.js'); fs.readdirSync('/etc'); fs.statSync('/etc/hosts'); }\n",
    )
    .unwrap();
    compare(folder.path(), "node main.js");
}

#[test]
fn compiling_and_making() {
    if !have(&["gcc", "make"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let headers = "#include <stdio.h>\n#include <stdlib.h>\n#include <pthread.h>\n#include <sys/socket.h>\n#include \"own.h\"\n";
    fs::create_dir(at.join("include")).unwrap();
    fs::write(at.join("include/own.h"), "int f(void);\n").unwrap();
    fs::write(at.join("main.c"), format!("{headers}int main(void) {{ return f(); }}\n")).unwrap();
    fs::write(at.join("f.c"), format!("{headers}int f(void) {{ return 0; }}\n")).unwrap();
    fs::write(
        at.join("Makefile"),
        "all: prog lib.a\nprog: main.o f.o\n\tgcc -o $@ $^\nlib.a: f.o\n\tar rcs $@ $^\n\
         %.o: %.c include/own.h\n\tgcc -Iinclude -c -o $@ $<\n",
    )
    .unwrap();
    compare(at, "make -j2 && ./prog && touch f.c && make -j2 && make && make -n clean || true");
}

#[test]
fn git() {
    if !have(&["git"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = "rm -rf .git a; export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a; \
                  git init -q . 2> /dev/null; echo 1 > a; git add a; git commit -q -m 1; echo 2 > a; git status; git diff; \
                  git log; git stash -q; git checkout -q -b b; git tag t";
    compare(folder.path(), script);
}

#[test]
fn walking_a_tree() {
    let folder = tempfile::tempdir().unwrap();
    compare(
        folder.path(),
        "find /usr/share/misc /etc -newer /etc/passwd > /dev/null; grep -r x /etc/init.d > /dev/null; du /etc/init.d; true",
    );
}

/// Calls without the C library's help, from a static program, in odd shapes.
const ODD: &str = r#"
    #define _GNU_SOURCE
    #include <fcntl.h>
    #include <linux/openat2.h>
    #include <pthread.h>
    #include <spawn.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <sys/syscall.h>
    #include <sys/wait.h>
    #include <unistd.h>
    extern char **environ;
    static void *work(void *name) { struct stat s; syscall(SYS_stat, name, &s); return access(name, R_OK), name; }
    int main(int argc, char **argv) {
        if (argc > 1) return 0;
        syscall(SYS_open, "raw-open", O_RDONLY); syscall(SYS_access, "raw-access", 0);
        int d = syscall(SYS_openat, AT_FDCWD, "/etc", O_RDONLY | O_DIRECTORY);
        close(openat(d, "passwd", O_RDONLY)); faccessat(d, "odd-faccessat", R_OK, 0);
        struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
        syscall(SYS_openat2, d, "hosts", &how, sizeof how);
        struct statx x; syscall(SYS_statx, d, "group", AT_SYMLINK_NOFOLLOW, STATX_ALL, &x);
        char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(page + 4096, 4096); strcpy(page + 4096 - 12, "/etc/shells"); access(page + 4096 - 12, R_OK);
        char *across = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        strcpy(across + 4090, "/etc/nsswitch.conf"); access(across + 4090, R_OK);
        pthread_t t[4]; for (int i = 0; i < 4; i++) pthread_create(t + i, 0, work, "/etc/profile");
        for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
        pid_t p; char *words[] = { argv[0], "x", 0 };
        posix_spawn(&p, argv[0], 0, 0, words, environ); waitpid(p, 0, 0);
        if ((p = vfork()) == 0) { execv(argv[0], words); _exit(1); } waitpid(p, 0, 0);
        int self = open(argv[0], O_RDONLY);
        if ((p = fork()) == 0) { syscall(SYS_execveat, self, "", words, environ, AT_EMPTY_PATH); _exit(1); } waitpid(p, 0, 0);
        int m = memfd_create("m", MFD_CLOEXEC); struct stat s; fstat(self, &s);
        char *copy = malloc(s.st_size); pread(self, copy, s.st_size, 0); write(m, copy, s.st_size);
        if ((p = fork()) == 0) { fexecve(m, words, environ); _exit(1); }
        int status; waitpid(p, &status, 0); printf("%d\n", status);
        chdir("/usr"); fchdir(d); access("issue", R_OK); rename("none-here", "none-here");
        int o = open("/tmp", O_TMPFILE | O_RDWR, 0600); close(o);
        return 0;
    }"#;

#[test]
fn static_programs_and_raw_calls() {
    if !have(&["gcc"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), ODD, &["-static", "-pthread", "-w"]);
    compare(folder.path(), "./program > out; cat out");
    assert_eq!(fs::read_to_string(folder.path().join("out")).unwrap(), "0\n");
}
