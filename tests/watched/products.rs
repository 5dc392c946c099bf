//! Sequences of calls on top of what earlier ones left: each is made bare beside it, and both must agree.

use crate::twin::{Call, Twin, settle};
use std::process::Command;

/// What is called, what is there at first, and what happens: `h WORDS` must be a hit, `r WORDS` must run, `e WORDS` is a hit that
/// may print something else than the bare command (a stated exception); anything else is a line of shell in both trees.
struct Sequence {
    name: &'static str,
    program: &'static [&'static str],
    setup: &'static str,
    steps: &'static [&'static str],
}

fn shell(twin: &Twin, line: &str) {
    twin.both(|root| {
        let ran = Command::new("bash").args(["-e", "-c", line]).current_dir(root).status().unwrap();
        assert!(ran.success(), "{line}");
    });
}

impl Sequence {
    fn play(&self) {
        let twin = Twin::new();
        shell(&twin, self.setup);
        for (number, step) in self.steps.iter().enumerate() {
            let (how, words) = step.split_at(1);
            if !matches!(how, "h" | "r" | "e") || !(words.is_empty() || words.starts_with(' ')) {
                shell(&twin, step);
                continue;
            }
            let words = self.program.iter().copied().chain(words.split_whitespace());
            let call: Call<'_> = twin.call(words);
            settle();
            let (outcome, differences) = call.compare();
            let place = format!("{}, step {number} ({step}): {outcome:?} {}", self.name, call.told());
            let is_output = |line: &String| line.starts_with("stdout: ") || line.starts_with("stderr: ");
            let wrong: Vec<&String> =
                differences.iter().filter(|line| how != "e" || !is_output(line)).collect();
            assert!(wrong.is_empty(), "{place}\n  {wrong:?}");
            assert_eq!(outcome == crate::twin::Outcome::Hit, how != "r", "{place}");
        }
    }
}

const PYTHON: &[&str] = &["python3", "t.py"];
const SHELL: &[&str] = &["sh", "s.sh"];

/// Setups that write a program.
macro_rules! python {
    ($($line:literal)*) => { concat!("cat > t.py <<'XX'\nimport os, sys\na = sys.argv[1] if len(sys.argv) > 1 else 'd'\n", $($line, "\n",)* "XX\n") };
}
macro_rules! sh {
    ($line:literal) => {
        concat!("cat > s.sh <<'XX'\n", $line, "\nXX\n")
    };
    ($line:literal, $more:literal) => {
        concat!("cat > s.sh <<'XX'\n", $line, "\nXX\n", $more)
    };
}

fn play(sequences: &[Sequence]) {
    for sequence in sequences {
        println!("{}", sequence.name);
        sequence.play();
    }
}

#[test]
fn one_file_from_several_parameters() {
    play(&[
        Sequence {
            name: "a sweep into one file",
            program: PYTHON,
            setup: python!("open('m', 'w').write(a); print('trained', a)"),
            steps: &["r 1", "r 2", "h 1", "h 2", "rm m", "h 1", "echo own > m", "h 1", "h 2"],
        },
        Sequence {
            name: "a sweep that looks first",
            program: SHELL,
            setup: sh!("cp $1 o; cat o", "echo one > a; echo two > b"),
            steps: &[
                "r a",
                "r b",
                "h a",
                "h b",
                "rm o",
                "h a",
                "echo own > o",
                "r a",
                "h a",
                "echo own > o",
                "h a",
                "h b",
                "echo three > a",
                "r a",
                "h b",
                "echo one > a",
                "h a",
            ],
        },
        Sequence {
            name: "a sweep that removes first",
            program: PYTHON,
            setup: python!("if os.path.exists('m'): os.remove('m')" "open('m', 'w').write(a); print(a)"),
            steps: &["r 1", "r 2", "h 1", "h 2", "rm m", "h 1", "h 1"],
        },
        Sequence {
            name: "a temporary file that is moved there",
            program: PYTHON,
            setup: python!("open('m.tmp', 'w').write(a); os.replace('m.tmp', 'm'); print(a)"),
            steps: &["r 1", "h 1", "r 2", "h 1", "echo own > m", "h 1", "rm m", "h 1"],
        },
        Sequence {
            name: "links",
            program: SHELL,
            setup: sh!("mkdir -p r$1; echo $1 > r$1/x; ln -sfn r$1 latest"),
            steps: &[
                "r 1",
                "h 1",
                "r 2",
                "h 1",
                "h 2",
                "h 1",
                "h 2",
                // Links that runs left are not files of the user.
                "test -z \"$(ls .cashet/replaced 2>/dev/null)\"",
                "ln -sfn elsewhere latest",
                "r 1",
                "h 1",
            ],
        },
        Sequence {
            name: "links that are removed first",
            program: PYTHON,
            setup: python!(
                "os.makedirs('r' + a, exist_ok=True); open(f'r{a}/x', 'w').write(a)"
                "if os.path.islink('latest'): os.unlink('latest')"
                "os.symlink('r' + a, 'latest'); print(a)"
            ),
            steps: &["r 1", "h 1", "r 2", "h 1", "h 2", "rm latest", "h 1", "rm -r r1 latest", "h 1"],
        },
        Sequence {
            name: "a file in the place of another key's",
            program: PYTHON,
            setup: python!("open('m' + a, 'w').write(a); print(a)"),
            steps: &["r 1", "r 2", "cp m2 m1", "h 1", "rm m1; touch m1", "h 1"],
        },
    ]);
}

#[test]
fn directories_that_runs_of_a_function_make() {
    play(&[
        Sequence {
            name: "files in one directory",
            program: PYTHON,
            setup: python!("os.makedirs('out', exist_ok=True); open(f'out/{a}', 'w').write(a); print(a)"),
            steps: &["r 1", "r 2", "h 1", "h 2", "rm out/1", "h 1", "rm -r out", "h 2", "h 1"],
        },
        Sequence {
            name: "directories below one",
            program: PYTHON,
            setup: python!("os.makedirs(f'out/a/{a}', exist_ok=True); open(f'out/a/{a}/x', 'w').write(a)"),
            steps: &["r 1", "r 2", "h 2", "rm -r out", "h 2", "h 1", "h 2"],
        },
        Sequence {
            name: "a directory that a test finds missing",
            program: PYTHON,
            setup: python!(
                "if not os.path.exists('out'): os.makedirs('out')"
                "open(f'out/{a}', 'w').write(a); print(a)"
            ),
            steps: &["r 1", "r 2", "rm -r out", "h 2", "h 1", "h 2"],
        },
        Sequence {
            name: "a directory that no run made",
            program: PYTHON,
            setup: python!(
                "if not os.path.exists('out'): os.makedirs('out')"
                "open(f'out/{a}', 'w').write(a); print(a)"
            ),
            steps: &["mkdir out", "r 2", "h 2", "rm -r out", "r 2", "h 2"],
        },
        Sequence {
            name: "a directory that one key makes",
            program: SHELL,
            setup: sh!("[ $1 = prep ] && mkdir -p out; (echo $1 > out/$1) 2> /dev/null; echo $1"),
            steps: &["r prep", "r x", "h x", "rm -r out", "r x", "h prep", "h x"],
        },
        Sequence {
            name: "a directory that is emptied",
            program: PYTHON,
            setup: python!(
                "import shutil"
                "shutil.rmtree('out', ignore_errors=True); os.makedirs('out'); open(f'out/{a}', 'w').write(a)"
            ),
            steps: &["r 1", "h 1", "r 2", "r 1", "h 2", "h 2", "rm -r out", "h 1", "touch out/note", "r 1"],
        },
        Sequence {
            name: "a directory that is emptied where it is there",
            program: PYTHON,
            setup: python!(
                "import shutil"
                "if os.path.exists('out'): shutil.rmtree('out')"
                "os.makedirs('out'); open('out/x', 'w').write(a)"
            ),
            steps: &["r 1", "h 1", "r 2", "echo own > out/x", "r 1", "touch out/note", "r 1"],
        },
        Sequence {
            name: "a shell that empties a directory",
            program: SHELL,
            setup: sh!("rm -rf out; mkdir out; echo $1 > out/$1; ls out"),
            steps: &["r 1", "h 1", "r 2", "r 1", "h 2", "rm -r out", "h 1", "touch out/note", "r 1"],
        },
    ]);
}

#[test]
fn what_a_run_of_the_function_reads_counts_for_all_its_runs() {
    play(&[
        Sequence {
            name: "one key reads what the other makes",
            program: PYTHON,
            setup: python!(
                "if a == 'prep': open('d', 'w').write('data')"
                "else: open('o' + a, 'w').write(open('d').read() + a)"
                "print(a)"
            ),
            steps: &["r prep", "h prep", "r x", "r prep", "h x", "echo own > d", "r x", "r prep", "h x"],
        },
        Sequence {
            name: "a file that is used where it is there",
            program: PYTHON,
            setup: python!(
                "try:" "    n = int(open('n').read())" "except OSError:" "    n = 0"
                "open('n', 'w').write(str(n + 1)); print(n)"
            ),
            steps: &["r", "r", "r", "rm n", "h", "h", "h"],
        },
        Sequence {
            name: "a file that is made where it is missing, and used",
            program: PYTHON,
            setup: python!("if not os.path.exists('m'): open('m', 'w').write(a)" "print(open('m').read())"),
            steps: &["r 1", "r 1", "h 1", "r 2", "h 2", "rm m", "h 1", "echo own > m", "r 1"],
        },
        Sequence {
            name: "another script has nothing to do with it",
            program: SHELL,
            setup: sh!("sort i > o", "printf 'b\\na\\n' > i"),
            steps: &["r", "cat o", "h", "rm o", "h", "echo own > o", "h"],
        },
    ]);
}
