//! State that tools keep between runs: which tool, and where.
//!
//! *Private* state only saves the tool time: its content never counts, only whether it exists. State that *describes* products or
//! earlier results affects what the tool does next: it counts by content and belongs to the products. *Derived* state is made anew
//! from the latter when that is newer. Other files that a run leaves outside of the root are not tool state.

mod private;
mod programs;
mod tables;

pub use programs::{asks_earlier_results, is_build_tool, keeps};
pub(super) use programs::{is_named, names};

use private::PRIVATE;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tables::{DERIVED, PRODUCTS, READ_WHOLE, RESULTS, SHOWN, TIMINGS};

/// Python's bytecode beside imported sources: its bit in the result of [`keeps`].
pub const BYTECODE: u64 = 1 << 63;
/// git's index, for commands that do not show its times.
pub const GIT_INDEX: u64 = 1 << 62;

/// The state of one tool.
#[derive(Debug)]
pub struct Row {
    /// A short name for display.
    pub name: &'static str,
    /// Names of programs that may access it: those that keep it, and those that they start. A `*` matches any rest of a name.
    /// Empty: any program.
    programs: &'static [&'static str],
    /// One of these is part of a path that the run read, or is a program that it started. Empty: no condition.
    used: &'static [&'static str],
    places: &'static [Place],
}

/// How a tool is asked to show what it found in its state. Then the state is an ordinary file.
#[derive(Debug)]
struct Shown {
    /// The name of the tool's row.
    row: &'static str,
    /// The letter of the option.
    letter: u8,
    /// The option, and others that name a file in which it may be set.
    options: &'static [&'static str],
    /// Texts in a file of settings that ask for it.
    settings: &'static [&'static str],
    /// Names of files in which it may be set.
    files: &'static [&'static str],
    /// Whether what the call runs beside the tool may show it, too.
    alone: bool,
}

/// Location of state. A `*` in a component matches anything, a `#` at its end digits.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// At this path below any directory inside the root.
    Root(&'static str),
    /// Below HOME.
    Home(&'static str),
    /// This directory below HOME. What is in it is not tool state.
    HomeAlone(&'static str),
    /// Below the cache directory of the user.
    Cache(&'static str),
    /// This directory below the user's directory of settings. What is in it is not tool state.
    Settings(&'static str),
    /// Directly in a temporary directory.
    Temporary(&'static str),
    /// The same, without what is in it.
    TemporaryAlone(&'static str),
    /// The value of this variable.
    Variable(&'static str),
}

/// Kind of tool state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A cache of the tool only.
    Private,
    /// It follows from other state. Reading it does not count; what is written is a product.
    Derived,
    /// It says how long earlier work took. Its earlier content does not count; what is written is an output.
    Timings,
    /// It describes products, and belongs together with them.
    Products,
    /// It describes earlier results, and no product.
    Results,
}

/// A path that belongs to tool state.
#[derive(Clone, Debug)]
pub struct Found {
    /// The kind.
    pub kind: Kind,
    /// The row of the table.
    pub row: &'static Row,
    /// Its bit in the result of [`keeps`].
    pub bit: u64,
    /// The path whose existence stands for all of the state.
    pub base: PathBuf,
    /// Whether it is a directory in which other files are not state.
    pub alone: bool,
}

/// The locations of tool state in one environment.
#[derive(Debug)]
pub struct Tables {
    root: Vec<u8>,
    outside: Vec<Outside>,
    temporary: Vec<PathBuf>,
}

/// A pattern of state outside of the root.
#[derive(Debug)]
struct Outside {
    /// The parent directory.
    directory: Vec<u8>,
    /// The names below it.
    names: &'static str,
    /// Whether it does not match what is below these names.
    alone: bool,
    /// The index of the row.
    row: usize,
}

/// All rows with the indices of their bits.
fn rows() -> impl Iterator<Item = (usize, Kind, &'static Row)> {
    let private = PRIVATE.iter().map(|row| (Kind::Private, row));
    let products = PRODUCTS.iter().map(|row| (Kind::Products, row));
    let results = RESULTS.iter().map(|row| (Kind::Results, row));
    let derived = DERIVED.iter().map(|row| (Kind::Derived, row));
    let timings = TIMINGS.iter().map(|row| (Kind::Timings, row));
    private
        .chain(derived)
        .chain(timings)
        .chain(products)
        .chain(results)
        .enumerate()
        .map(|(number, (kind, row))| (number, kind, row))
}

impl Tables {
    /// The locations for this root, these spellings of HOME, and this environment.
    #[must_use]
    pub fn new(root: &Path, homes: &[&Path], environment: &[(OsString, OsString)]) -> Self {
        let set = |name: &str| {
            let found = environment.iter().find(|(given, _)| given == OsStr::new(name));
            // Normalizes an unusual spelling of a path.
            let path = found.map(|(_, value)| PathBuf::from(value).components().collect::<PathBuf>());
            path.filter(|path| path.is_absolute() && path != Path::new("/"))
        };
        let mut temporary: Vec<PathBuf> = ["/tmp", "/var/tmp"].iter().map(PathBuf::from).collect();
        temporary.extend(set("TMPDIR"));
        let of_user = |name: &str, usual: &str| match set(name) {
            Some(directory) => vec![directory],
            None => homes.iter().map(|home| home.join(usual)).collect(),
        };
        let caches = of_user("XDG_CACHE_HOME", ".cache");
        let settings = of_user("XDG_CONFIG_HOME", ".config");
        let mut outside = Vec::new();
        for (number, _, row) in rows() {
            for place in row.places {
                let alone =
                    matches!(place, Place::Settings(_) | Place::HomeAlone(_) | Place::TemporaryAlone(_));
                let mut add = |base: &Path, names: &'static str| {
                    let directory = base.as_os_str().as_bytes().to_vec();
                    outside.push(Outside { directory, names, alone, row: number });
                };
                match place {
                    Place::Root(_) => {}
                    Place::Home(names) | Place::HomeAlone(names) => {
                        for home in homes {
                            add(home, names);
                        }
                    }
                    Place::Cache(names) => caches.iter().for_each(|cache| add(cache, names)),
                    Place::Settings(names) => settings.iter().for_each(|directory| add(directory, names)),
                    Place::Temporary(names) | Place::TemporaryAlone(names) => {
                        for directory in &temporary {
                            add(directory, names);
                        }
                    }
                    Place::Variable(name) => set(name).iter().for_each(|path| add(path, "")),
                }
            }
        }
        Self { root: root.as_os_str().as_bytes().to_vec(), outside, temporary }
    }

    /// The state that `path` (absolute, without `.` and `..`) belongs to, among the kinds in `keeps`, a result of [`keeps`].
    #[must_use]
    pub fn find(&self, path: &Path, keeps: u64) -> Option<Found> {
        let bytes = path.as_os_str().as_bytes();
        if let Some(inside) = below(bytes, &self.root) {
            return self.find_inside(bytes, inside, keeps);
        }
        let kept = self.outside.iter().filter(|place| keeps & 1 << place.row != 0);
        let mut found = kept.filter_map(|place| {
            let rest = below(bytes, &place.directory)?;
            let length = matched(place.names, rest)?;
            let is_one = !place.alone || length == rest.len();
            is_one.then_some((place, bytes.len() - rest.len() + length))
        });
        let (place, length) = found.next()?;
        Some(Found { alone: place.alone, ..found_of(place.row, bytes.get(..length)?)? })
    }

    fn find_inside(&self, path: &[u8], inside: &[u8], keeps: u64) -> Option<Found> {
        for (number, _, row) in rows().filter(|(number, ..)| keeps & 1 << number != 0) {
            for place in row.places {
                let Place::Root(names) = place else { continue };
                let mut start = 0;
                while let Some(rest) = inside.get(start..) {
                    if let Some(length) = matched(names, rest) {
                        return found_of(number, path.get(..self.root.len() + 1 + start + length)?);
                    }
                    match rest.iter().position(|byte| *byte == b'/') {
                        Some(slash) => start += slash + 1,
                        None => break,
                    }
                }
            }
        }
        None
    }

    /// Whether `path` is a parent directory of a location outside of the root where a tool keeps state.
    #[must_use]
    pub fn is_above(&self, path: &Path) -> bool {
        self.outside.iter().any(|place| {
            let mut whole = PathBuf::from(OsStr::from_bytes(&place.directory));
            if let Some((above, _)) = place.names.rsplit_once('/') {
                whole.push(above);
            }
            whole.starts_with(path)
        })
    }

    /// Whether `path` is a directory for temporary files.
    #[must_use]
    pub fn is_temporary(&self, path: &Path) -> bool {
        self.temporary.iter().any(|directory| directory == path)
    }
}

/// Whether the directory `path`, which is tool state, must contain no other files than those of one run.
#[must_use]
pub fn is_read_whole(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|name| READ_WHOLE.iter().any(|whole| whole.as_bytes() == name))
}

fn found_of(number: usize, base: &[u8]) -> Option<Found> {
    let (_, kind, row) = rows().nth(number)?;
    Some(Found { kind, row, bit: 1 << number, base: PathBuf::from(OsStr::from_bytes(base)), alone: false })
}

/// The part of `path` after `directory` and a slash; all of it where the two are equal.
fn below<'p>(path: &'p [u8], directory: &[u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(directory)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

/// Length of the part of `path`, a relative path, that the components of `pattern` match at its start.
fn matched(pattern: &str, path: &[u8]) -> Option<usize> {
    if pattern.is_empty() {
        return Some(0);
    }
    let mut length = 0;
    let mut names = path.split(|byte| *byte == b'/');
    for (number, part) in pattern.split('/').enumerate() {
        let name = names.next().filter(|name| is_like(part, name))?;
        length += name.len() + usize::from(number > 0);
    }
    Some(length)
}

/// Whether `name` matches `part`, in which each `*` matches anything, and a `#` at the end digits.
pub(super) fn is_like(part: &str, name: &[u8]) -> bool {
    if let Some(start) = part.strip_suffix('#') {
        let digits = name.strip_prefix(start.as_bytes());
        return digits.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
    }
    let mut parts = part.as_bytes().split(|byte| *byte == b'*');
    let Some(mut rest) = parts.next().and_then(|start| name.strip_prefix(start)) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    for between in parts {
        let Some(at) = memchr::memmem::find(rest, between) else { return false };
        rest = rest.get(at + between.len()..).unwrap_or_default();
    }
    rest.ends_with(end)
}

impl Shown {
    /// Whether `word` asks for it, by an option alone or a letter among others.
    fn is_in(&self, word: &[u8]) -> bool {
        match word {
            [b'-', b'-', long @ ..] => self.options.iter().any(|option| long.starts_with(option.as_bytes())),
            [b'-', letters @ ..] => letters.contains(&self.letter),
            _ => false,
        }
    }
}

impl Row {
    fn shown_by(&self) -> Option<&'static Shown> {
        SHOWN.iter().find(|shown| shown.row == self.name)
    }

    /// Names of files in which the tool may be asked to show what it found in its state.
    #[must_use]
    pub fn settings(&self) -> &'static [&'static str] {
        self.shown_by().map_or(&[], |shown| shown.files)
    }

    /// Whether it is state in a call that runs this script of an installed package, or another one.
    #[must_use]
    pub fn is_alone_in(&self, script: Option<&OsStr>) -> bool {
        let is_own = |script: &OsStr| is_named(script.as_bytes(), self.programs);
        self.shown_by().is_none_or(|shown| !shown.alone || script.is_some_and(is_own))
    }

    /// Whether the text of such a file asks for it.
    #[must_use]
    pub fn is_shown_by(&self, text: &[u8]) -> bool {
        let has = |setting: &&str| memchr::memmem::find(text, setting.as_bytes()).is_some();
        self.shown_by().is_some_and(|shown| shown.settings.iter().any(has))
    }

    /// Whether the run shows that the tool was active; `has` returns whether any path that was read, or program that was started,
    /// satisfies its argument.
    #[must_use]
    pub fn is_used(&self, has: impl Fn(&dyn Fn(&[u8]) -> bool) -> bool) -> bool {
        self.used.is_empty() || self.used.iter().any(|pattern| has(&|name| is_like(pattern, name)))
    }
}

#[cfg(test)]
mod tests;
