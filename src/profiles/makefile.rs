//! The targets of makefiles and of ninja files.
//!
//! make compares the time of an existing target with the times of its prerequisites, and no other times. So where no existing
//! file is a target, the order of times does not matter. The parser overestimates on purpose: what it does not understand
//! may be any file.

mod ninja;
mod text;
mod wildcards;

use ninja::{Made, Statements};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use text::{is_like, reference, without_references, words};
use wildcards::Wildcards;

/// Maximum depth of nested variable references.
const DEEPEST: u32 = 8;
/// Built-in rules of make: extensions of targets, and those of their prerequisites. No extension: an executable.
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

/// Targets of all makefiles of a run, as patterns of base names in which `*` matches anything.
#[derive(Debug, Default)]
pub struct Targets {
    patterns: Vec<Vec<u8>>,
    variables: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    left: Vec<Vec<u8>>,
    wildcards: Wildcards,
    ninja: Statements,
    /// What ninja makes from known inputs.
    made: Vec<Made>,
    /// Base names of all that ninja makes.
    outputs: BTreeSet<Vec<u8>>,
}

/// Whether make or ninja reads a file with this name for its rules.
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
        self.wildcards.add_all();
    }

    /// Adds the rules of a makefile.
    pub fn add_makefile(&mut self, text: &[u8]) {
        let text = joined(text);
        let is_said = |line: &&[u8]| !line.trim_ascii().is_empty() && line.first() != Some(&b'#');
        let mut lines = text.split(|byte| *byte == b'\n').filter(is_said).peekable();
        while let Some(line) = lines.next() {
            if line.first() == Some(&b'\t') {
                // A recipe.
                self.wildcards.of_functions(line);
                continue;
            }
            if memchr::memmem::find(line, b"\\#").is_some() {
                self.add_all();
            }
            let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
            self.wildcards.of_functions(line);
            self.wildcards.of_names(line);
            let has_recipe = line.contains(&b';')
                || lines.peek().is_some_and(|next| {
                    next.first() == Some(&b'\t') || next.starts_with(b"if") || next.starts_with(b"e")
                });
            // An implicit rule without a recipe makes nothing: it cancels another one.
            if has_recipe || !is_implicit(line) {
                self.line(line);
            }
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
        // It creates rules while it is read, or changes the recipe prefix.
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

    /// Adds the rules of a ninja file.
    pub fn add_ninja(&mut self, text: &[u8]) {
        self.ninja.add(text);
    }

    /// A variable that the call itself sets.
    pub fn add_given(&mut self, name: &[u8]) {
        self.variables.entry(name.to_vec()).or_default().push(b"$(shell)".to_vec());
    }

    /// All patterns, after every file was added.
    #[must_use]
    pub fn finished(mut self) -> Self {
        for targets in std::mem::take(&mut self.left) {
            self.targets(&targets, DEEPEST);
        }
        let ninja = std::mem::take(&mut self.ninja);
        self.outputs = ninja.outputs();
        let (made, unknown) = ninja.made();
        self.made = made;
        for name in unknown {
            self.pattern(name);
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

    /// The values of a word that is a single reference to a variable, or a single function.
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
            // It may come from the environment, or from make itself.
            None => self.add_all(),
        }
    }

    /// Adds a target; only its base name counts.
    fn pattern(&mut self, target: &[u8]) {
        let plain = without_references(target);
        let name = plain.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        // A suffix rule, `.c.o:`.
        let endings: Vec<&[u8]> = name.split(|byte| *byte == b'.').collect();
        let pattern = match endings.as_slice() {
            [b"", from, to] if !from.is_empty() && !to.is_empty() && !plain.contains(&b'/') => {
                [b"*.", *to].concat()
            }
            // Special targets of make, and members of archives.
            [b"", special] if special.first().is_some_and(u8::is_ascii_uppercase) => return,
            _ if name.contains(&b'(') => b"*".to_vec(),
            _ => name.iter().map(|byte| if *byte == b'%' { b'*' } else { *byte }).collect(),
        };
        self.patterns.push(pattern);
    }

    /// Whether make may find a file with this name by listing a directory, and use the name.
    #[must_use]
    pub fn may_find(&self, name: &OsStr) -> bool {
        self.wildcards.may_find(name.as_bytes())
    }

    /// Adds a variable of the environment or of the call: its value may be a pattern.
    pub fn add_value(&mut self, name: &[u8], value: &[u8]) {
        self.wildcards.add_value(name, value);
    }

    /// Whether a rule may make an existing file; `is_there` returns whether its directory contains this name.
    #[must_use]
    pub fn may_make(&self, path: &Path, is_there: impl Fn(&OsStr) -> bool) -> bool {
        let name = path.file_name().unwrap_or_default().as_bytes();
        self.made.iter().any(|made| made.may_make(name)) || self.may_make_of_any(path, is_there)
    }

    /// Whether ninja may make a file.
    #[must_use]
    pub fn may_ninja_make(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().as_bytes();
        self.outputs.contains(name)
    }

    /// Whether the time of an existing file, which may be a target, may be compared with that of `other`.
    #[must_use]
    pub fn may_compare(&self, path: &Path, other: &Path, is_there: impl Fn(&OsStr) -> bool) -> bool {
        let [name, other] = [path, other].map(|path| path.file_name().unwrap_or_default().as_bytes());
        let mut made = self.made.iter().filter(|made| made.may_make(name));
        made.any(|made| made.is_made_from(other)) || self.may_make_of_any(path, is_there)
    }

    /// Whether a rule with unknown prerequisites may make an existing file.
    fn may_make_of_any(&self, path: &Path, is_there: impl Fn(&OsStr) -> bool) -> bool {
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

/// A makefile without the lines that are comments.
#[must_use]
pub fn without_comments(text: &[u8]) -> Vec<u8> {
    let text = joined(text);
    let lines = text.split(|byte| *byte == b'\n').filter(|line| line.first() != Some(&b'#'));
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// Joins lines that end with a backslash with the next one.
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

/// Whether a line is an implicit rule: `%.o: %.c`, not `a.o: %.o: %.c` and no variable of some targets.
fn is_implicit(line: &[u8]) -> bool {
    let mut parts = line.split(|byte| *byte == b':');
    let targets = parts.next().unwrap_or_default();
    targets.contains(&b'%') && !targets.contains(&b'$') && parts.count() == 1 && !line.contains(&b'=')
}

/// The positions of a line's first colon that is not a part of `:=`, and of its first `=`, outside of references. A missing one is
/// beyond the end; `None` where both are missing.
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

#[cfg(test)]
mod tests;
