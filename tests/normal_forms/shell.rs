//! Shell scripts against bash: `bash -n` decides what parses, `bash --pretty-print` what is equal.

use crate::full;
use crate::tally::Tally;
use cashet::hash::language::{Language, Shell};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A script as printed by bash, without blank lines; `None` where it does not parse.
fn pretty(source: &[u8]) -> Option<String> {
    let run = |option: &str| {
        let mut child = Command::new("bash")
            .args(["--norc", "--noprofile", option, "/dev/stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let source = source.to_vec();
        let writer = std::thread::spawn(move || {
            // bash may stop reading at an error.
            let _ = input.write_all(&source);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        // A warning (an unterminated here-document) counts as an error.
        (output.status.success() && output.stderr.is_empty()).then_some(output.stdout)
    };
    run("-n")?;
    let text = String::from_utf8_lossy(&run("--pretty-print")?).into_owned();
    Some(text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n"))
}

/// A small generator of numbers, so that every run makes the same mutants.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices.get(self.below(choices.len())).unwrap()
    }
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One small change of a script.
fn mutate(chance: &mut Chance, source: &str) -> (&'static str, String) {
    let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        lines.push(String::new());
    }
    let row = chance.below(lines.len());
    let at = boundary(source, chance.below(source.len() + 1));
    let next = boundary(source, (at + 1).min(source.len())).max(at);
    let join = |lines: Vec<String>| lines.join("\n") + "\n";
    match chance.below(12) {
        0 => ("delete", format!("{}{}", source.get(..at).unwrap(), source.get(next..).unwrap())),
        1 => {
            let piece = chance.of(&[
                "#", " #", "\\", "'", "\"", "$", "`", "(", ")", "{", "}", ";", "|", "&", "<", ">", "!", " ",
                "\n", "=", "<<E",
            ]);
            ("insert", format!("{}{piece}{}", source.get(..at).unwrap(), source.get(at..).unwrap()))
        }
        2 => {
            lines.remove(row);
            ("line-out", join(lines))
        }
        3 => {
            let other = chance.below(lines.len());
            lines.swap(row, other);
            ("line-swap", join(lines))
        }
        4 => {
            if let Some(line) = lines.get_mut(row) {
                line.push_str(chance.of(&[
                    " # note", "#note", " # it's", " # `x`", " # $(y)", " # a \\", "\\", " \\ # b", " ;# c",
                ]));
            }
            ("comment", join(lines))
        }
        5 => {
            let line =
                chance.of(&["# own line", "  # own line", "\t#", "# it's \"", "# <<E", "# \\"]).to_owned();
            lines.insert(row, line);
            ("own-line", join(lines))
        }
        6 => {
            lines.retain(|line| !line.trim_start().starts_with('#'));
            ("no-comments", join(lines))
        }
        7 => {
            lines.insert(row, String::new());
            ("blank", join(lines))
        }
        8 => {
            if let Some(line) = lines.get_mut(row) {
                line.insert_str(0, "# ");
            }
            ("comment-out", join(lines))
        }
        9 => {
            if let Some(line) = lines.get_mut(row) {
                *line = line.trim_start().trim_start_matches('#').to_owned();
            }
            ("comment-in", join(lines))
        }
        10 => {
            let words = [
                "if", "then", "fi", "do", "done", "echo", "x", "-n", "$x", "\"$y\"", "&&", "||", "|", "2>&1",
                "case", "esac", "[[", "]]",
            ];
            let word = chance.of(&words);
            if let Some(line) = lines.get_mut(row) {
                let mut parts: Vec<&str> = line.split(' ').collect();
                let place = chance.below(parts.len());
                if let Some(part) = parts.get_mut(place) {
                    *part = word;
                }
                *line = parts.join(" ");
            }
            ("word", join(lines))
        }
        _ => {
            if let Some(line) = lines.get_mut(row) {
                *line = line.replacen(' ', "", 1);
            }
            ("blank-out", join(lines))
        }
    }
}

/// Shell scripts of this machine, short enough to be changed in part.
fn scripts(most: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in ["/usr/bin", "/bin", "/usr/sbin", "/etc/init.d", "/usr/share", "/usr/lib", "/etc"] {
        let walk = walkdir::WalkDir::new(directory).max_depth(5).sort_by_file_name();
        for entry in walk.into_iter().filter_map(Result::ok) {
            if found.len() >= most {
                return found;
            }
            if entry.file_type().is_file() && is_script(entry.path()) {
                found.push(entry.path().to_path_buf());
            }
        }
    }
    found
}

fn is_script(path: &Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return false };
    if metadata.len() < 40 || metadata.len() > 20_000 {
        return false;
    }
    let Ok(bytes) = fs::read(path) else { return false };
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let shell = first.starts_with(b"#!")
        && (first.ends_with(b"sh") || first.windows(4).any(|word| word == b"bash" || word == b"/sh "));
    shell && str::from_utf8(&bytes).is_ok()
}

/// Constructs in which a `#` or a line end has a special meaning.
const TRAPS: &[&str] = &[
    "cat <<E # note\n# text $x\nE\necho a # b\n",
    "cat <<-'E F'\n\t# text\n\tE F\n# own\necho a\n",
    "x=$(cat <<E\n# a\nE\n)\necho $x # c\n",
    "echo a \\\n# b\necho c\n",
    "echo a \\\n  b # c\n# d\n",
    "echo \\ # a\necho \\# b\n",
    "case $x in\n  # one\n  a) echo 1 ;; # two\n  \\#) echo 2 ;;\nesac\n",
    "a=(1 # one\n  # two\n  2)\necho ${#a[@]} # n\n",
    "echo $((2#101)) ${x#y} ${x##*/} a#b '#' \"# $x\" # real\n",
    "[[ $x == \\#* ]] && echo y # z\n",
    "f() { # start\n  echo a; # b\n}\nf # c\n",
    "if a; then # x\n  # y\n  b\nelse # z\n  c\nfi\n",
    "a | # one\n  b && # two\n  c\n",
    "echo `date # x\n` # y\n",
    "echo $(date # x\n) # y\n",
    "for i in 1 2 # n\ndo # m\n  echo $i\ndone\n",
    "echo 'a\n# not\n' # yes\n",
    "echo \"a\n# not $(b # c\n)\n\" # yes\n",
    "cat <<A <<B\n# a\nA\n# b\nB\n# c\n",
    "x='\\' # a\necho $x\n",
    "echo ${x:-# a} # b\n",
    "((x = 1 << 2)) # a\necho $x\n",
    "cat <<< '# a' # b\n",
    "shopt -s extglob\necho !(#*) # a\n",
    "select x in a b; do # q\n  break # r\ndone\n",
];

#[test]
fn mutants_of_scripts() {
    if pretty(b"echo a\n").is_none() {
        eprintln!("SKIPPED: no bash with --pretty-print to compare with");
        return;
    }
    let (most, each, traps) = if full() { (400, 8, 60) } else { (8, 6, 12) };
    let mut chance = Chance(11);
    let mut tally = Tally::default();
    let mut exact = 0;
    let files: Vec<String> = scripts(most).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let originals =
        files.iter().map(|file| (file.as_str(), each)).chain(TRAPS.iter().map(|trap| (*trap, traps)));
    for (original, count) in originals {
        let Some(tree) = pretty(original.as_bytes()) else { continue };
        let parsed = Shell.parse(original.as_bytes());
        let Some(form) = parsed.normal else {
            exact += 1;
            continue;
        };
        for _ in 0..count {
            let (kind, changed) = mutate(&mut chance, original);
            if changed == original {
                continue;
            }
            let other = Shell.parse(changed.as_bytes()).normal;
            let equal = other.is_some_and(|other| other.bytes == form.bytes);
            let other_tree = pretty(changed.as_bytes());
            let shown = || format!("{kind}:\n{original}\n-----\n{changed}");
            tally.pair(kind, (&tree, other_tree.as_deref()), equal, shown);
        }
    }
    tally.print(&format!(
        "Shell, {} scripts and {} traps, {exact} count byte for byte",
        files.len(),
        TRAPS.len()
    ));
    tally.assert_sound();
    assert!(tally.unequal() > 20, "too few mutants that differ");
    assert!(tally.kept() > 0, "no comment was left out");
}
