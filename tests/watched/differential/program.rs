//! Random programs for sh and Python: they read, probe, list, write, append, rename, remove, create directories and
//! links, and start other programs.

use super::random::Random;
use std::fmt;

/// Paths that programs use. Some exist initially, some do not; `l0` and `l1` are links.
pub(super) const FILES: [&str; 12] =
    ["f0", "f1", "f2", "d0/f3", "d0/f4", "d1/f5", "n0", "d0/n1", "d2/n2", "l0", "l1/f3", "d1/d3/f6"];
pub(super) const DIRECTORIES: [&str; 7] = [".", "d0", "d1", "d2", "l1", "d1/d3", "n3"];

/// A program: its words, its files, and its environment variables.
pub(super) struct Program {
    pub(super) words: Vec<String>,
    pub(super) files: Vec<(String, String)>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) umask: &'static str,
    /// Whether its existing products count exactly.
    pub(super) exact_state: bool,
    /// No exception is made for it.
    pub(super) is_exact: bool,
}

/// Words of statements that print the program's own earlier products, or fail because of them: the documented
/// exceptions.
const MEET_THEIR_OWN: &[&str] = &[
    "ls",
    "find ",
    "/*",
    "mkdir ",
    "rm ",
    "rmdir",
    "set -C",
    "[ -",
    "test -",
    "ln ",
    "mv ",
    "cp ",
    "du ",
    "stat ",
    "readlink",
    "listdir",
    "scandir",
    "glob",
    "exists",
    "isfile",
    "isdir",
    "'x')",
    "os.remove",
    "makedirs",
    "symlink",
    "link(",
    "rename",
    "replace",
    "copy",
    "move",
    "rmtree",
    "getsize",
    "os.access",
    "sort -o",
    "touch ",
];

impl Program {
    /// Whether it has a statement that may print its own products or fail because of them.
    pub(super) fn meets_its_own(&self) -> bool {
        !self.exact_state
            && !self.is_exact
            && self.files.iter().any(|(_, text)| MEET_THEIR_OWN.iter().any(|word| text.contains(word)))
    }
}

impl fmt::Display for Program {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "umask {} {:?} {}", self.umask, self.variables, self.words.join(" "))?;
        self.files.iter().try_for_each(|(name, text)| writeln!(to, "--- {name}\n{text}"))
    }
}

impl Program {
    pub(super) fn new(random: &mut Random) -> Self {
        let python = random.chance(1, 4);
        let count = 1 + random.below(4);
        let other = shell(random, 1, Starts::Nothing);
        let tool = format!("#!/bin/sh\n{}", shell(random, 1, Starts::Nothing));
        let module = format!("import os\ndef work():\n{}", indented(&py(random, 1, Starts::Nothing)));
        let settings = "NAME=VAR1\n".to_owned();
        let mut files = vec![
            ("sub.sh".to_owned(), other),
            ("tool".to_owned(), tool),
            ("mod.py".to_owned(), module),
            ("settings".to_owned(), settings),
        ];
        let variables = vec![("VAR1".to_owned(), "one".to_owned())];
        let argument = random.pick(&["x", "y", "f0", "d0"]).to_owned();
        let words = if python {
            let text = format!(
                "import glob, os, shutil, subprocess, sys\narg = sys.argv[1]\nos.chdir('.')\n{}",
                py(random, count, Starts::Others)
            );
            files.push(("s.py".to_owned(), text));
            ["/usr/bin/python3", "s.py"].map(str::to_owned).to_vec()
        } else {
            let mut text = shell(random, count, Starts::Others);
            if random.chance(5, 6) {
                text.push_str("exit 0\n");
            }
            files.push(("s.sh".to_owned(), text));
            let by = random.pick(&["sh", "bash"]);
            [by, "s.sh"].map(str::to_owned).to_vec()
        };
        let words = words.into_iter().chain([argument]).collect();
        Self { words, files, variables, umask: "022", exact_state: false, is_exact: false }
    }
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["    ", line, "\n"]).collect()
}

fn file(random: &mut Random) -> &'static str {
    random.pick(&FILES)
}

fn directory(random: &mut Random) -> &'static str {
    random.pick(&DIRECTORIES)
}

/// Programs that a program may start. A program that could start itself, in any way, would never end.
#[derive(Clone, Copy)]
enum Starts {
    Nothing,
    Others,
}

fn shell(random: &mut Random, count: usize, starts: Starts) -> String {
    (0..count).map(|_| statement(random, starts) + "\n").collect()
}

fn statement(random: &mut Random, starts: Starts) -> String {
    let (p, q) = (file(random), file(random));
    let (d, e) = (directory(random), directory(random));
    let kinds = match starts {
        Starts::Nothing => 69,
        Starts::Others => 76,
    };
    match random.below(kinds) {
        0 => format!("cat {p}"),
        1 => format!("cat {p} 2>/dev/null"),
        2 => format!("wc -c < {p}"),
        3 => format!("read x < {p}; echo \"got $x\""),
        4 => format!("grep -c a {p} {q}"),
        5 => format!("[ -e {p} ] && echo there"),
        6 => format!("[ -d {d} ] && echo directory || echo none"),
        7 => format!("[ -L {p} ] && echo link"),
        8 => format!("[ -x {p} ] && echo executable"),
        9 => format!("[ -s {p} ] || echo empty"),
        10 => format!("ls {d}"),
        11 => format!("echo {d}/*"),
        12 => format!("for x in {d}/*; do [ -f \"$x\" ] && cat \"$x\"; done"),
        13 => format!("find {d} -name .cashet -prune -o -name __pycache__ -prune -o -print | sort"),
        14 => format!("echo \"$1 wrote\" > {p}"),
        15 => format!("cat {p} > {q}"),
        16 => format!("cp {p} {q}"),
        17 => format!("tee {p} < {q}"),
        18 => format!("echo more >> {p}"),
        19 => format!("mv {p} {q}"),
        20 => format!("rm {p}"),
        21 => format!("rm -f {p}"),
        22 => format!("rm -rf {d}/d3"),
        23 => format!("mkdir {d}/m0"),
        24 => format!("mkdir -p {d}/m1/m2; echo x > {d}/m1/m2/x"),
        25 => format!("rmdir {d}"),
        26 => format!("ln -s {p} {q}"),
        27 => format!("ln -sfn {d} {p}"),
        28 => format!("ln {p} {q}"),
        29 => format!("chmod 600 {p}"),
        30 => format!("chmod 755 {p}; cat {p}"),
        31 => format!("readlink {p}"),
        32 => format!("stat -c '%a %F' {p}"),
        33 => format!("sort -o {p} {p}"),
        34 => format!("sed -i s/a/b/ {p}"),
        35 => format!("[ -e {p} ] || echo made > {p}"),
        36 => "echo \"${VAR1-unset} ${VAR2-unset}\"".to_owned(),
        37 => format!("[ -r {p} ] && cat {p}"),
        38 => format!("cp -r d1 {}/copy", random.pick(&["d0", "d2", "n3"])),
        // Never into a file that it reads, under any name: the result would depend on which end of the pipe is faster.
        39 => format!("{{ cat {p} | tr a b > {q}.new; }} 2>/dev/null"),
        40 => format!("(cd {d} && cat f3; ls)"),
        41 => format!("(echo one > {p}; cat {q}) & wait"),
        42 => format!("echo x > {p}.tmp && mv {p}.tmp {p}"),
        43 => format!("mv {d} {e}"),
        44 => format!("cp -r d0 {}", random.pick(&["d1", "d2", "n3"])),
        45 if random.below(2) == 0 => format!("rm -rf {d}/m1"),
        // The new directory may get the inode number of the old one.
        45 => format!("mv {d} aside && rm -rf aside; mkdir {d}; echo new > {d}/f3"),
        46 => "[ t0 -nt t1 ] && echo newer || echo older".to_owned(),
        47 => "n=$(sed -n 's/NAME=//p' settings); eval \"echo \\${$n-unset}\"".to_owned(),
        48 => format!("set -C; echo new > {p}; set +C"),
        49 => format!("printf zz | dd of={p} conv=notrunc status=none"),
        50 => format!("truncate -s 3 {p}"),
        51 => format!(": > {p}; rm {p}"),
        52 => format!("cat {d}/../{p}"),
        53 => format!("du -a --apparent-size {d}/f3; ls -d {d}/*/"),
        54 => format!("touch {p}"),
        55 => format!("umask 077; echo private > {p}; umask 022"),
        56 => format!("cmp {p} {q} && echo same"),
        57 => format!("ls -A {d} | wc -l; echo late > {d}/late"),
        58 => format!("echo early > {d}/early; ls {d}"),
        59 => format!("exec 3< {p}; rm -f {p}; cat <&3; exec 3<&-"),
        60 => format!("cat {p} {q} | sort | uniq -c"),
        61 => "[ -x s.sh ] && echo executable".to_owned(),
        62 => "stat -c '%s %a' s.sh sub.sh".to_owned(),
        63 => "wc -c < s.sh".to_owned(),
        64 => "[ s.sh -nt t0 ] && echo newer; [ -s sub.sh ] && echo some".to_owned(),
        65 => "(tail -n 1 s.sh; [ -x sub.sh ]) && echo read".to_owned(),
        66 => "read x < sub.sh && echo \"$x\"".to_owned(),
        67 => format!("[ t0 -nt {p} ] && cat {p}"),
        68 => "ls -l s.sh tool | cut -c 1-10".to_owned(),
        69 | 70 => "sh sub.sh".to_owned(),
        71 | 72 => "./tool".to_owned(),
        73 | 74 => ". ./sub.sh".to_owned(),
        _ => format!("PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c 'import mod; mod.work()'; test -f {p}"),
    }
}

fn py(random: &mut Random, count: usize, starts: Starts) -> String {
    let mut text = String::new();
    for _ in 0..count {
        let work = python_statement(random, starts);
        text.push_str("try:\n");
        text.push_str(&indented(&work));
        text.push_str("except Exception as error:\n    print(type(error).__name__)\n");
    }
    text
}

fn python_statement(random: &mut Random, starts: Starts) -> String {
    let (p, q) = (file(random), file(random));
    let (d, e) = (directory(random), directory(random));
    let kinds = match starts {
        Starts::Nothing => 42,
        Starts::Others => 47,
    };
    match random.below(kinds) {
        0 | 1 => format!("print(open('{p}').read())"),
        2 => format!("print(os.path.exists('{p}'), os.path.isdir('{d}'))"),
        3 => format!("print(sorted(os.listdir('{d}')))"),
        4 => format!("print(sorted(glob.glob('{d}/*')))"),
        5 => format!("open('{p}', 'w').write('w')"),
        6 => format!("open('{p}', 'a').write('a')"),
        7 => format!("open('{p}', 'x').write('x')"),
        8 => format!("open('{p}', 'r+').write('r')"),
        9 => format!("os.rename('{p}', '{q}')"),
        10 => format!("os.replace('{p}', '{q}')"),
        11 => format!("os.remove('{p}')"),
        12 => format!("os.makedirs('{d}/m5', exist_ok=True)"),
        13 => format!("os.makedirs('{d}/m5/m6')"),
        14 => format!("os.symlink('{p}', '{q}')"),
        15 => format!("os.link('{p}', '{q}')"),
        16 => format!("shutil.copy('{p}', '{q}')"),
        17 => format!("shutil.copytree('{d}', 'd2/copy', symlinks=True)"),
        18 => format!("shutil.rmtree('{d}/d3')"),
        19 => format!("shutil.move('{p}', '{d}')"),
        20 => format!("print(os.path.isfile('{p}') and open('{p}').read())"),
        21 => format!("print(oct(os.stat('{p}').st_mode), os.stat('{p}').st_size)"),
        22 => "print(os.path.getsize('s.py'), oct(os.stat('mod.py').st_mode))".to_owned(),
        23 => format!("print(sorted((e.name, e.is_dir()) for e in os.scandir('{d}')))"),
        24 => format!("os.truncate('{p}', 2)"),
        25 => format!("print(os.readlink('{p}'))"),
        26 => "print(os.environ.get('VAR1'), os.getenv('VAR2'))".to_owned(),
        27 => "print(os.environ.get(open('settings').read().strip().split('=')[1]))".to_owned(),
        28 => format!("os.chmod('{p}', 0o640)"),
        29 => format!("open('{p}', 'w').write(arg)\nprint(open('{p}').read())"),
        30 => format!("print(open('{p}').read())\nopen('{p}', 'w').write('after')"),
        31 => format!("os.rmdir('{d}')"),
        32 => format!("shutil.copystat('{p}', '{q}')"),
        33 => "import tempfile\nwith tempfile.NamedTemporaryFile('w+') as t:\n    t.write('x'); t.seek(0); print(t.read())".to_owned(),
        34 => format!("print(open('mod.py').read().count('#'), os.path.lexists('{p}'))"),
        35 => format!("with os.scandir('{d}') as es: print(len(list(es)))\nos.mkdir('{e}/fresh')"),
        36 => format!("print(os.access('{p}', os.X_OK), os.path.getsize('{q}'))"),
        37 => "print(os.access('mod.py', os.X_OK), os.lstat('s.py').st_size)".to_owned(),
        38 => "print(os.path.getmtime('mod.py') > os.path.getmtime('t0'))".to_owned(),
        39 => "print(os.stat('mod.py').st_size)".to_owned(),
        40 => format!("shutil.copymode('{p}', '{q}')\nprint(os.path.getmtime('{p}') > os.path.getmtime('t1'))"),
        41 => format!("fd = os.open('{p}', os.O_WRONLY | os.O_TRUNC)\nos.write(fd, b'trunc')\nos.close(fd)"),
        42 | 43 => "print(subprocess.run(['sh', 'sub.sh'], capture_output=True).stdout)".to_owned(),
        44 | 45 => "import mod\nmod.work()".to_owned(),
        _ => "import mod\nprint(os.path.getsize(mod.__file__))".to_owned(),
    }
}
