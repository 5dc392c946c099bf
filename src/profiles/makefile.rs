//! What a makefile, or a file of ninja, says that it makes: the names of its targets.
//!
//! A make compares the time of a target that is there with those of what it is made from, and of nothing else. So where no
//! file that was there is a target, the order of their times decides nothing. Read generously: what is not understood
//! may be any file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How often variables are looked up within each other.
const DEEPEST: u32 = 8;
/// What make can make without being told how: endings, and those of what it would be made from. No ending: an executable.
const BUILT_IN: &[(&str, &str)] = &[
    ("", "o c cc cpp C cxx f F p r s S m mod def sh l y a"),
    ("o", "c cc cpp C cxx f F p r s S m mod def l y"),
    ("c", "y l w ym yl sh"),
    ("s", "S c"),
    ("r", "l F f"),
    ("f", "F r"),
    ("a", "o c"),
    ("p", "web"),
    ("tex", "w web ch"),
    ("dvi", "tex texi texinfo txinfo"),
    ("info", "texi texinfo txinfo"),
    ("out", "c o cc"),
    ("sym", "mod def"),
];

/// Targets of all makefiles of a run, as patterns of last names in which `*` stands for anything.
#[derive(Debug, Default)]
pub struct Targets {
    patterns: Vec<Vec<u8>>,
    variables: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    left: Vec<Vec<u8>>,
}

/// Whether a file of this name is read by make or ninja for its rules.
#[must_use]
pub fn is_makefile(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let ends = |end: &str| name.ends_with(end.as_bytes());
    let lower = name.to_ascii_lowercase();
    lower.starts_with(b"makefile")
        || lower.starts_with(b"gnumakefile")
        || [".mk", ".mak", ".make", ".d", ".dep", ".P", ".Po", ".Plo", ".ninja"].iter().any(|end| ends(end))
}

impl Targets {
    /// Anything may be a target.
    pub fn add_all(&mut self) {
        self.patterns.push(b"*".to_vec());
    }

    /// Takes in what a makefile says.
    pub fn add_makefile(&mut self, text: &[u8]) {
        let text = joined(text);
        for line in text.split(|byte| *byte == b'\n') {
            // A recipe.
            if line.first() == Some(&b'\t') {
                continue;
            }
            if memchr::memmem::find(line, b"\\#").is_some() {
                self.add_all();
            }
            self.line(line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii());
        }
    }

    fn line(&mut self, line: &[u8]) {
        let first = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let has = |part: &[u8]| memchr::memmem::find(line, part).is_some();
        match first {
            b"" | b"ifeq" | b"ifneq" | b"ifdef" | b"ifndef" | b"else" | b"endif" | b"vpath" | b"unexport" => {
                return;
            }
            b"include" | b"-include" | b"sinclude" => {
                let names = line.split(u8::is_ascii_whitespace).skip(1).filter(|name| !name.is_empty());
                for name in names {
                    let name = name.strip_suffix(b")").or(name.strip_suffix(b"}")).unwrap_or(name);
                    if !is_makefile(Path::new(OsStr::from_bytes(name))) {
                        self.add_all();
                    }
                }
                return;
            }
            b"define" | b"load" => return self.add_all(),
            _ => {}
        }
        // It makes rules while it is read, or reads recipes otherwise.
        let marks: [&[u8]; 4] = [b"$(eval", b"${eval", b"RECIPEPREFIX", b"$(call"];
        if marks.iter().any(|mark| has(mark)) {
            return self.add_all();
        }
        let Some((colon, equals)) = split_points(line) else { return };
        if equals < colon {
            return self.assignment(line, equals);
        }
        let targets = line.get(..colon).unwrap_or_default();
        let targets = targets.strip_suffix(b"&").unwrap_or(targets);
        self.left.push(targets.to_vec());
    }

    fn assignment(&mut self, line: &[u8], equals: usize) {
        let (name, value) = line.split_at_checked(equals).unwrap_or_default();
        let value = value.get(1..).unwrap_or_default();
        if let Some(name) = name.strip_suffix(b"!") {
            return self.note(name, b"$(shell)");
        }
        let end = name.iter().rposition(|byte| !b"?+: \t".contains(byte)).map_or(0, |place| place + 1);
        self.note(name.get(..end).unwrap_or_default(), value);
    }

    fn note(&mut self, name: &[u8], value: &[u8]) {
        let name = name.trim_ascii();
        let name = [&b"export "[..], b"override "]
            .iter()
            .fold(name, |name, word| name.strip_prefix(*word).unwrap_or(name));
        self.variables.entry(name.trim_ascii().to_vec()).or_default().push(value.trim_ascii().to_vec());
    }

    /// Takes in what a file of ninja says.
    pub fn add_ninja(&mut self, text: &[u8]) {
        let text = memchr::memmem::find(text, b"$\n")
            .map_or_else(|| text.to_vec(), |_| replaced(text, b"$\n", b" "));
        for line in text.split(|byte| *byte == b'\n') {
            let Some(rest) = line.strip_prefix(b"build ") else { continue };
            let rest = replaced(&replaced(rest, b"$:", b"*"), b"$ ", b"*");
            let outputs = rest.split(|byte| *byte == b':').next().unwrap_or_default();
            for name in
                outputs.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty() && *name != b"|")
            {
                self.pattern(name);
            }
        }
    }

    /// A variable that the call itself gives.
    pub fn add_given(&mut self, name: &[u8]) {
        self.variables.entry(name.to_vec()).or_default().push(b"$(shell)".to_vec());
    }

    /// All patterns, once every file was taken in.
    #[must_use]
    pub fn finished(mut self) -> Self {
        for targets in std::mem::take(&mut self.left) {
            self.targets(&targets, DEEPEST);
        }
        self
    }

    fn targets(&mut self, text: &[u8], left: u32) {
        for word in words(text) {
            match reference(word).filter(|_| left > 0) {
                Some(inside) => self.expanded(inside, left - 1),
                None => self.pattern(word),
            }
        }
    }

    /// What a word that is one reference to a variable, or one function, may stand for.
    fn expanded(&mut self, inside: &[u8], left: u32) {
        let function = inside.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let rest = inside.get(function.len()..).unwrap_or_default().trim_ascii();
        let parts: Vec<&[u8]> = rest.splitn(3, |byte| *byte == b',').collect();
        match (function, parts.as_slice()) {
            (b"patsubst", [_, to, text]) => {
                self.pattern(to);
                self.targets(text, left);
            }
            (b"addsuffix", [suffix, _]) => self.pattern(&[b"*", *suffix].concat()),
            (b"addprefix", [_, text]) => {
                let from = self.patterns.len();
                self.targets(text, left);
                for pattern in self.patterns.iter_mut().skip(from) {
                    pattern.insert(0, b'*');
                }
            }
            (b"sort" | b"strip" | b"notdir", _) if !rest.is_empty() => self.targets(rest, left),
            _ if rest.is_empty() => match inside.iter().position(|byte| *byte == b':') {
                Some(colon) => {
                    let (name, change) = inside.split_at(colon);
                    let to = change.splitn(2, |byte| *byte == b'=').nth(1).unwrap_or(b"*");
                    self.pattern(&if to.contains(&b'%') { to.to_vec() } else { [b"*", to].concat() });
                    self.variable(name, left);
                }
                None => self.variable(inside, left),
            },
            _ => self.add_all(),
        }
    }

    fn variable(&mut self, name: &[u8], left: u32) {
        match self.variables.get(name).cloned() {
            Some(values) => values.iter().for_each(|value| self.targets(value, left)),
            // The environment may have it, or make itself.
            None => self.add_all(),
        }
    }

    /// Notes a target, of which the last name counts.
    fn pattern(&mut self, target: &[u8]) {
        let plain = without_references(target);
        let name = plain.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        // A rule for endings, `.c.o:`.
        let endings: Vec<&[u8]> = name.split(|byte| *byte == b'.').collect();
        let pattern = match endings.as_slice() {
            [b"", from, to] if !from.is_empty() && !to.is_empty() && !plain.contains(&b'/') => {
                [b"*.", *to].concat()
            }
            // What is special to make, and members of archives.
            [b"", special] if special.first().is_some_and(u8::is_ascii_uppercase) => return,
            _ if name.contains(&b'(') => b"*".to_vec(),
            _ => name.iter().map(|byte| if *byte == b'%' { b'*' } else { *byte }).collect(),
        };
        self.patterns.push(pattern);
    }

    /// Whether a file that is there may be one that a rule makes; `is_there` tells whether its directory has this name.
    #[must_use]
    pub fn may_make(&self, path: &Path, is_there: impl Fn(&OsStr) -> bool) -> bool {
        let name = path.file_name().unwrap_or_default().as_bytes();
        if self.patterns.iter().any(|pattern| is_like(pattern, name)) {
            return true;
        }
        let extension = path.extension().unwrap_or_default();
        let stem = if extension.is_empty() { path.file_name() } else { path.file_stem() };
        let Some((stem, (_, sources))) = stem.zip(BUILT_IN.iter().find(|(ending, _)| extension == *ending))
        else {
            return false;
        };
        sources.split(' ').any(|ending| {
            let source = [stem.as_bytes(), b".", ending.as_bytes()].concat();
            source != name && is_there(OsStr::from_bytes(&source))
        })
    }
}

/// Lines that end with a backslash are one with the next.
fn joined(text: &[u8]) -> Vec<u8> {
    replaced(&replaced(text, b"\r\n", b"\n"), b"\\\n", b" ")
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(text.len());
    let mut start = 0;
    for found in memchr::memmem::find_iter(text, from) {
        all.extend_from_slice(text.get(start..found).unwrap_or_default());
        all.extend_from_slice(to);
        start = found + from.len();
    }
    all.extend_from_slice(text.get(start..).unwrap_or_default());
    all
}

/// Where a line's first colon is that is no part of `:=`, and its first `=`; outside of references. Beyond the end where
/// there is none; `None` where there is neither.
fn split_points(line: &[u8]) -> Option<(usize, usize)> {
    let mut depth = 0_u32;
    let (mut colon, mut equals) = (None, None);
    for (place, byte) in line.iter().enumerate() {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.saturating_sub(1),
            b'=' if depth == 0 => equals = equals.or(Some(place)),
            b':' if depth == 0 => {
                let rest = line.get(place..).unwrap_or_default().trim_ascii_start();
                let assigns = [&b":="[..], b"::=", b":::="].iter().any(|sign| rest.starts_with(sign));
                if !assigns {
                    colon = colon.or(Some(place));
                }
            }
            _ => {}
        }
    }
    let is_any = colon.is_some() || equals.is_some();
    is_any.then(|| (colon.unwrap_or(usize::MAX), equals.unwrap_or(usize::MAX)))
}

/// The words of a text, of which a reference is not split.
fn words(text: &[u8]) -> Vec<&[u8]> {
    let mut depth = 0_u32;
    let split = text.split(move |byte| {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && byte.is_ascii_whitespace()
    });
    split.filter(|word| !word.is_empty()).collect()
}

/// What stands in a word that is one reference and no more: `$(…)`, `${…}`, `$X`.
fn reference(word: &[u8]) -> Option<&[u8]> {
    let rest = word.strip_prefix(b"$")?;
    match rest {
        [b'(', inside @ .., b')'] | [b'{', inside @ .., b'}'] => {
            let mut depth = 0_i32;
            let is_one = inside.iter().all(|byte| {
                depth += i32::from(b"({".contains(byte)) - i32::from(b")}".contains(byte));
                depth >= 0
            });
            is_one.then_some(inside)
        }
        [letter] if letter.is_ascii_alphabetic() => Some(rest),
        _ => None,
    }
}

/// `text` with `*` for each reference in it.
fn without_references(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut depth = 0_u32;
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'$' if depth == 0 => {
                plain.push(b'*');
                // Of `$X` the letter is part of it; of `$(` the bracket is seen next.
                if !matches!(bytes.peek(), Some(b'(' | b'{')) {
                    bytes.next();
                }
            }
            b'(' | b'{' if depth > 0 || plain.last() == Some(&b'*') => depth += 1,
            b')' | b'}' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            byte => plain.push(*byte),
        }
    }
    plain
}

/// Whether `name` is like `pattern`, in which every `*` may stand for anything.
fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(found) = memchr::memmem::find(rest, part) else { return false };
        rest = rest.get(found + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Targets {
        let mut targets = Targets::default();
        targets.add_makefile(text.as_bytes());
        targets.finished()
    }

    fn makes(text: &str, name: &str) -> bool {
        of(text).may_make(Path::new(name), |_| false)
    }

    #[test]
    fn names_before_a_colon_are_targets() {
        for (text, name, expected) in [
            ("app: main.o\n\tcc -o app main.o", "app", true),
            ("app: main.o\n\tcc -o app main.o", "main.o", false),
            ("a b: c", "b", true),
            ("a b &: c", "b", true),
            ("out/gen.c: gen.y", "src/out/gen.c", true),
            ("a: \\\n b", "b", false),
            ("a \\\n b: c", "b", true),
            ("A := b:c", "b", false),
            ("A = b", "A", false),
            ("A ::= b: c", "b", false),
            ("app: CFLAGS = -g", "app", true),
            ("# gen.c: x", "gen.c", false),
            ("\tgen.c: x", "gen.c", false),
            (".PHONY: all", "all", false),
            ("%.o: %.c", "util.o", true),
            ("%.o: %.c", "util.c", false),
            (".c.o:\n\tcc -c $<", "x.o", true),
            (".y.c:\n\tbison $<", "x.c", true),
            ("all:: gen.h", "all", true),
        ] {
            assert_eq!(makes(text, name), expected, "{text}: {name}");
        }
    }

    #[test]
    fn variables_are_looked_through() {
        for (text, name, expected) in [
            ("OBJS = a.o b.o\n$(OBJS): %.o: %.c", "b.o", true),
            ("OBJS = a.o b.o\n$(OBJS): %.o: %.c", "b.c", false),
            ("SRC = a.c\nOBJS = $(SRC:.c=.o)\n$(OBJS): x", "a.o", true),
            ("SRC = a.c\nOBJS = $(patsubst %.c,out/%.o,$(SRC))\n$(OBJS): x", "z.o", true),
            ("B = out\n$(B)/%.o: %.c", "a.o", true),
            ("B = out\n$(B)/%.o: %.c", "a.c", false),
            ("lib$(NAME).a: x", "libz.a", true),
            ("lib$(NAME).a: x", "z.c", false),
            ("$(UNKNOWN): x", "z.c", true),
            ("X != ls\n$(X): y", "z.c", true),
            ("X = $(wildcard *.c)\n$(X): y", "z.c", true),
            ("P := $(addprefix out/,a b)\n$(P): y", "b", true),
            ("P := $(addprefix out/,a b)\n$(P): y", "c.h", false),
            ("X += a.c\nX += b.c\n$X: y", "b.c", true),
        ] {
            assert_eq!(makes(text, name), expected, "{text}: {name}");
        }
    }

    #[test]
    fn what_is_not_understood_may_make_anything() {
        for text in [
            "define RULE\n$(1): x\nendef",
            "$(foreach x,$(L),$(eval $(call RULE,$(x))))",
            "include $(CONFIG)",
            "include rules.inc",
            "$(call all,x)",
            ".RECIPEPREFIX = >",
            "lib.a(x.o): x.c",
        ] {
            assert!(makes(text, "z.c"), "{text}");
        }
        assert!(!makes("include a.mk $(OBJS:.o=.d)\n-include deps.d", "z.c"));
    }

    #[test]
    fn make_knows_some_rules_by_itself() {
        let targets = of("app: x.o");
        let beside =
            |names: &'static [&'static str]| move |name: &OsStr| names.iter().any(|known| name == *known);
        for (name, others, expected) in [
            ("x.c", &["x.h"][..], false),
            ("x.c", &["x.y"], true),
            ("x.o", &["x.c"], true),
            ("x.h", &["x.c"], false),
            ("run", &["run.sh"], true),
            ("Makefile", &["x.c"], false),
            ("data.txt", &["data.c"], false),
        ] {
            assert_eq!(targets.may_make(Path::new(name), beside(others)), expected, "{name}");
        }
    }

    #[test]
    fn outputs_of_ninja_are_targets() {
        let mut targets = Targets::default();
        targets.add_ninja(b"rule cc\n  command = cc\nbuild out/a.o | a.d: cc a.c $\n  b.h\nbuild $dir/x$:y z: cc q.c\nbuild all: phony a\n");
        let targets = targets.finished();
        for (name, expected) in
            [("a.o", true), ("a.d", true), ("a.c", false), ("b.h", false), ("z", true), ("q.c", false)]
        {
            assert_eq!(targets.may_make(Path::new(name), |_| false), expected, "{name}");
        }
    }
}
