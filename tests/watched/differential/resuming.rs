//! Random programs that go on with what they left, or make it again: a hit must give what the bare command gives, with no
//! exception.

use super::program::{FILES, Program};
use super::random::Random;

/// Statements of sh. `@` is a path.
const SHELL: &[&str] = &[
    "echo \"$1\" > m; cat m",
    "cp @ m",
    "cat @ > m 2>/dev/null; cat m",
    "mkdir -p out; echo \"$1\" > \"out/$1\"",
    "mkdir -p out/a; echo \"$1\" > \"out/a/$1\"",
    "[ -d run ] || mkdir run; echo \"$1\" > run/x",
    "n=$(cat ck 2>/dev/null || echo 0); echo $((n + 1)) > ck; echo \"$n\"",
    "if [ -f ck2 ]; then n=$(cat ck2); else n=0; fi; echo $((n + 1)) > ck2; echo \"$n\"",
    "have() { [ -f \"$1\" ]; }; n=0; have ck2 && n=$(cat ck2); echo $((n + 1)) > ck2; echo \"$n\"",
    "n=0; for f in st.*; do [ -e \"$f\" ] && n=$((n + 1)); done; echo x > \"st.$n\"; echo \"$n\"",
    "set -- \"$1\" st.*; echo x > \"st.$#\"; echo $#",
    "n=$(ls | wc -l); echo x > \"st.$n\"",
    "echo \"$1\" >> log",
    "echo \"$1\" >> log; echo more >> log",
    "[ -s res ] || echo head >> res; echo \"$1\" >> res",
    "echo x >> count; wc -l < count",
    "echo x >> count; cp count copy",
    "echo x >> count; mv count moved",
    "echo x >> count; echo y > count",
    "echo x >> @",
    "cat d0/*.txt > d0/all 2>/dev/null; true",
    "cat d0/* > d0/sum 2>/dev/null; true",
    "rm -rf gone; mkdir -p gone; echo \"$1\" > \"gone/$1\"",
    "rm -rf gone; mkdir -p gone; echo \"$1\" > gone/x",
    "printf '#!/bin/sh\\necho run\\n' > r.sh; chmod +x r.sh; ./r.sh",
    "chmod +x plain; ./plain",
    "chmod 755 plain",
    "sed -i s/a/b/ @",
    "sort -o @ @",
    ": > o; for i in 1 2; do echo $i >> o; done; cat o",
    "rm -f o; for i in 1 2; do echo $i >> o; done; cat o",
    "echo one > a.tmp && mv a.tmp a",
    "[ -e made ] || echo \"$1\" > made; cat made",
    "[ -e made ] || echo \"$1\" > made",
    "grep -qs key conf || echo key=1 >> conf",
    "> stamp; cat stamp",
    "mkdir -p out2; rm -f out2/*.csv; echo \"$1\" > \"out2/$1.csv\"; cat out2/*.csv",
    "truncate -s 10 pad; wc -c < pad",
    "tee -a tlog < @ > /dev/null",
    "mkdir -p logs/a; echo \"$1\" >> logs/a/log; echo done",
    "ln -sfn \"$1\" latest; readlink latest",
    "tr a-z A-Z < @ > up; cmp -s up upper || cp up upper; rm -f up; cat upper",
    "read x < @; echo \"$x$1\" > @",
];

/// Statements of Python.
const PYTHON: &[&str] = &[
    "open('m', 'w').write(arg)\nprint(open('m').read())",
    "os.makedirs('out', exist_ok=True)\nopen(f'out/{arg}', 'w').write(arg)",
    "os.makedirs(f'out/a/{arg}', exist_ok=True)\nopen(f'out/a/{arg}/x', 'w').write(arg)",
    "if not os.path.exists('run'): os.makedirs('run')\nopen('run/x', 'w').write(arg)",
    "if not os.path.exists('run'):\n    os.makedirs('run')\nopen(f'run/{arg}', 'w').write(arg)",
    "n = int(open('ck').read()) if os.path.exists('ck') else 0\nopen('ck', 'w').write(str(n + 1))\nprint(n)",
    "have = os.path.exists('ck')\nn = 0\nif have: n = int(open('ck').read())\nopen('ck', 'w').write(str(n + 1))\nprint(n)",
    "n = 0\ntry: n = int(open('ck').read())\nexcept OSError: pass\nopen('ck', 'w').write(str(n + 1))\nprint(n)",
    "open('log', 'a').write(arg + '\\n')",
    "open('log', 'a').write(arg + '\\n')\nprint(os.path.getsize('log'))",
    "open('log', 'a').write(arg + '\\n')\nprint(len(open('log').readlines()))",
    "f = open('res', 'a')\nif f.tell() == 0: f.write('head\\n')\nf.write(arg + '\\n')\nf.close()",
    "new = not os.path.exists('r.csv')\nwith open('r.csv', 'a') as f:\n    if new: f.write('head\\n')\n    f.write(arg + '\\n')",
    "os.makedirs('st', exist_ok=True)\nn = len(glob.glob('st/*.pt'))\nopen(f'st/{n}.pt', 'w').write(arg)\nprint(n)",
    "n = len([f for f in os.listdir('d0') if f.endswith('.pt')])\nopen(f'd0/{n}.pt', 'w').write(arg)\nprint(n)",
    "n = len(os.listdir('d1'))\nos.mkdir(f'd1/{n}')\nprint(n)",
    "with open('@', 'r+') as f:\n    text = f.read()\n    f.seek(0)\n    f.write(text.upper() + arg)\n    f.truncate()",
    "shutil.rmtree('gone', ignore_errors=True)\nos.makedirs('gone')\nopen(f'gone/{arg}', 'w').write(arg)",
    "if os.path.exists('gone'): shutil.rmtree('gone')\nos.makedirs('gone')\nopen('gone/x', 'w').write(arg)",
    "os.chmod('plain', 0o755)",
    "d = {}\ntry: d = json.load(open('r.json'))\nexcept FileNotFoundError: pass\nd[arg] = 1\njson.dump(d, open('r.json', 'w'), sort_keys=True)",
    "open('m.tmp', 'w').write(arg)\nos.replace('m.tmp', 'm')",
    "if os.path.exists('m'): os.replace('m', 'm.bak')\nopen('m', 'w').write(arg)",
    "pathlib.Path('done').touch()",
    "if os.path.islink('latest'): os.unlink('latest')\nos.symlink(arg, 'latest')",
    "if os.path.exists('m'): os.remove('m')\nopen('m', 'w').write(arg)",
    "names = sorted(glob.glob('d0/*.txt'))\nopen('d0/index', 'w').write(str(names))",
    "os.makedirs('out', exist_ok=True)\nsizes = {f: os.path.isdir('out/' + f) for f in sorted(os.listdir('out'))}\nopen('out/manifest', 'w').write(str(sizes))\nprint(len(sizes))",
    "if not os.path.exists('made'): open('made', 'w').write(arg)\nprint(open('made').read())",
    "if not os.path.exists('made'): open('made', 'w').write(arg)",
    "shutil.copy('@', 'm')",
    "import logging\nlogging.basicConfig(filename='l', level=20, format='%(message)s')\nlogging.info('run ' + arg)",
    "text = open('@').read()\nopen('@', 'w').write(text + arg)",
    "text = open('@').read()\nopen('@', 'w').write(text)",
];

impl Program {
    /// A program of such statements.
    pub(super) fn resuming(random: &mut Random) -> Self {
        let python = random.chance(1, 3);
        let count = 1 + random.below(3);
        let mut statement = |all: &[&'static str]| {
            let text = all.get(random.below(all.len())).copied().unwrap_or_default();
            text.replace('@', FILES.get(random.below(FILES.len())).copied().unwrap_or_default())
        };
        let (name, text, by) = if python {
            let mut text = "import glob, json, os, pathlib, shutil, sys\narg = sys.argv[1]\n".to_owned();
            for _ in 0..count {
                let work = statement(PYTHON).replace('\n', "\n    ");
                text.extend([
                    "try:\n    ",
                    work.as_str(),
                    "\nexcept Exception as error:\n    print(type(error).__name__)\n",
                ]);
            }
            ("s.py", text, "/usr/bin/python3")
        } else {
            let text: String = (0..count).map(|_| statement(SHELL) + "\n").collect();
            ("s.sh", text + "exit 0\n", if random.chance(1, 2) { "sh" } else { "bash" })
        };
        let argument = random.pick(&["x", "y", "f0"]).to_owned();
        let files = vec![(name.to_owned(), text), ("plain".to_owned(), "#!/bin/sh\necho plain\n".to_owned())];
        let words = vec![by.to_owned(), name.to_owned(), argument];
        Self { words, files, variables: Vec::new(), umask: "022", exact_state: false, is_exact: true }
    }
}
