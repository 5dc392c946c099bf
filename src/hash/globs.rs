//! Patterns of paths: `*`, `?`, `[…]`, `{a,b}` within a component, `**` across components.
//!
//! A pattern that matches a directory means all below it. `.gitignore` is not consulted. The caller passes the functions that look at the file
//! system.

mod braces;
mod walk;

pub(super) use walk::Lister;

use crate::error::{Error, Result};
use crate::record::Places;
use braces::alternatives_of;
use globset::{GlobBuilder, GlobMatcher};
use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use walk::{Plain, Walk, with_below};

/// One component of a pattern.
#[derive(Clone, Debug)]
enum Part {
    Name(OsString),
    Like(GlobMatcher),
    /// `**`: any number of directories.
    Any,
}

/// A pattern as written, made absolute.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// As written.
    pub(super) written: OsString,
    /// The path, if nothing in it were special.
    pub(super) literal: PathBuf,
    /// Whether anything in it is special.
    pub(super) special: bool,
    alternatives: Vec<Vec<Part>>,
}

impl Pattern {
    /// Reads `written`, which is relative to `directory`. The names of `directory` itself are literal,
    /// whatever is in them.
    pub(super) fn new(written: &OsStr, directory: &Path) -> Result<Self> {
        if written.is_empty() {
            return Err(Error::usage("an empty path or pattern"));
        }
        let literal = clean(&directory.join(written));
        let (base, rest) = below(written, directory);
        let special = rest.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{' | b'\\'));
        let mut alternatives = Vec::new();
        if special {
            for words in alternatives_of(rest).ok_or_else(|| wrong(written, "has too many alternatives"))? {
                alternatives.push(parts(&base, OsStr::from_bytes(&words), written)?);
            }
        }
        alternatives.push(names(&literal).map(|name| Part::Name(name.to_owned())).collect());
        Ok(Self { written: written.to_owned(), literal, special, alternatives })
    }

    /// Whether the pattern means `path` (absolute, clean): it matches it or a directory above it.
    pub(super) fn matches(&self, path: &Path) -> bool {
        let components: Vec<&OsStr> = names(path).collect();
        self.alternatives.iter().any(|parts| matches(parts, &components))
    }

    /// The paths that the pattern matches now, sorted; none of what is below a matched directory.
    ///
    /// # Errors
    /// When a directory cannot be read: what cannot be inspected does not count as absent.
    pub(super) fn expand(&self, lister: &mut dyn Lister) -> Result<BTreeSet<PathBuf>> {
        let mut walk = Walk { lister, listed: HashMap::new(), found: BTreeSet::new() };
        for parts in &self.alternatives {
            walk.expand(Path::new("/"), parts)?;
        }
        Ok(walk.found)
    }
}

fn wrong(written: &OsStr, what: &str) -> Error {
    Error::usage(format!("the pattern {} {what}", written.display()))
}

/// The names that a pattern stands below, and what of it is a pattern: the names of `directory`, or, of an absolute
/// pattern, as many of them as it begins with.
fn below<'a>(written: &'a OsStr, directory: &'a Path) -> (Vec<&'a OsStr>, &'a [u8]) {
    let path = Path::new(written);
    if !path.is_absolute() {
        return (names(directory).collect(), written.as_bytes());
    }
    let pairs = path.components().zip(directory.components());
    let shared: PathBuf = pairs.take_while(|(ours, theirs)| ours == theirs).map(|(ours, _)| ours).collect();
    let rest = path.strip_prefix(&shared).unwrap_or(path);
    (names(directory).take(names(&shared).count()).collect(), rest.as_os_str().as_bytes())
}

/// The components of `words`, which stand below the names `base`.
fn parts(base: &[&OsStr], words: &OsStr, written: &OsStr) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = base.iter().map(|name| Part::Name((*name).to_owned())).collect();
    for component in Path::new(words).components() {
        match component {
            Component::RootDir | Component::Prefix(_) => parts.clear(),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(name) => parts.push(part(name, written)?),
        }
    }
    Ok(parts)
}

fn part(name: &OsStr, written: &OsStr) -> Result<Part> {
    let bytes = name.as_bytes();
    if bytes == b"**" {
        return Ok(Part::Any);
    }
    if !bytes.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\')) {
        return Ok(Part::Name(name.to_owned()));
    }
    let text = name.to_str().ok_or_else(|| wrong(written, "is not UTF-8"))?;
    let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
    let glob = glob.map_err(|error| wrong(written, &format!("is wrong: {}", error.kind())))?;
    Ok(Part::Like(glob.compile_matcher()))
}

fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}

fn matches(parts: &[Part], path: &[&OsStr]) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return true;
    };
    let first_and_tail = path.split_first();
    match part {
        Part::Any => matches(rest, path) || first_and_tail.is_some_and(|(_, tail)| matches(parts, tail)),
        Part::Name(name) => first_and_tail.is_some_and(|(first, tail)| first == name && matches(rest, tail)),
        Part::Like(glob) => {
            first_and_tail.is_some_and(|(first, tail)| glob.is_match(first) && matches(rest, tail))
        }
    }
}

/// `path` without `.` and, by words alone, without `..`.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned
}

/// Patterns of paths: declared inputs and outputs, writes to be ignored.
#[derive(Clone, Debug)]
pub struct Patterns {
    patterns: Vec<Pattern>,
}

impl Patterns {
    /// Reads declared inputs, which are relative to `directory` and may lead anywhere.
    ///
    /// # Errors
    /// A wrong pattern is a usage error.
    pub fn inputs(words: &[OsString], directory: &Path) -> Result<Self> {
        let patterns = words.iter().map(|word| Pattern::new(word, directory)).collect::<Result<_>>()?;
        Ok(Self { patterns })
    }

    /// Whether a pattern as written counts from HOME.
    #[must_use]
    pub fn is_below_home(word: &OsStr) -> bool {
        word.as_bytes().starts_with(b"~/")
    }

    /// Reads declared outputs, which are relative to `directory` and may not lead out of the root.
    ///
    /// # Errors
    /// A wrong pattern, or one that leads out of the root, is a usage error.
    pub fn outputs(words: &[OsString], directory: &Path, places: &Places) -> Result<Self> {
        let found = Self::inputs(words, directory)?;
        let outside = found
            .patterns
            .iter()
            .find(|pattern| pattern.alternatives.iter().any(|parts| !begins_in(parts, &places.root)));
        match outside {
            None => Ok(found),
            Some(pattern) => {
                let (written, root) = (pattern.written.display(), places.root.display());
                Err(Error::usage(format!("{written} is outside of {root}"))
                    .with_hint("only what is below the root can be an output"))
            }
        }
    }

    /// Whether any pattern means `path`, which is absolute: it matches it or a directory above it.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(path))
    }

    /// Everything that is there now and that any pattern means, sorted.
    ///
    /// # Errors
    /// When something cannot be inspected.
    pub fn present(&self) -> Result<Vec<PathBuf>> {
        let mut found = BTreeSet::new();
        for pattern in &self.patterns {
            for path in pattern.expand(&mut Plain)? {
                with_below(&path, &mut found)?;
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The first pattern, as written, of which nothing is there now.
    ///
    /// # Errors
    /// When something cannot be inspected.
    pub fn missing(&self) -> Result<Option<PathBuf>> {
        for pattern in &self.patterns {
            if pattern.expand(&mut Plain)?.is_empty() {
                return Ok(Some(PathBuf::from(&pattern.written)));
            }
        }
        Ok(None)
    }

    /// Whether a pattern without anything special names exactly `path`.
    #[must_use]
    pub fn names(&self, path: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.literal == path)
    }
}

/// Whether a pattern's first components are those of `root`, by name.
fn begins_in(parts: &[Part], root: &Path) -> bool {
    let mut parts = parts.iter();
    names(root).all(|name| matches!(parts.next(), Some(Part::Name(other)) if other == name))
}

/// Bytes as an owned word.
pub(super) fn owned(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

#[cfg(test)]
mod tests;
