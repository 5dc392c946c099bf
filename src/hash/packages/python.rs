//! Installed Python distributions: the owner of a file, its version, and its requirements.
//!
//! Reads `*.dist-info` and `*.egg-info` as installers write them (PEP 376, 427, 503, 610).

use super::super::world::{Kind, World};
use crate::digest::Digest;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Import names that differ from the name of their distribution. Only a hint where to look first: the record decides.
const KNOWN_AS: &[(&str, &str)] = &[
    ("PIL", "pillow"),
    ("attr", "attrs"),
    ("bs4", "beautifulsoup4"),
    ("cv2", "opencv-python"),
    ("dateutil", "python-dateutil"),
    ("dotenv", "python-dotenv"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("yaml", "pyyaml"),
];

/// The metadata directory, or file, of one distribution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    /// Normalized according to PEP 503.
    name: String,
    place: PathBuf,
}

/// The distributions that a program uses.
#[derive(Default)]
pub(in super::super) struct Distributions {
    /// The records in each directory that was listed.
    records: BTreeMap<PathBuf, Vec<Record>>,
    used: BTreeSet<Record>,
}

impl Distributions {
    /// Adds the distribution in `directory` that `file` belongs to; `false` where no distribution owns it.
    pub(in super::super) fn note_owner(
        &mut self,
        world: &mut dyn World,
        directory: &Path,
        file: &Path,
    ) -> bool {
        let Ok(inside) = file.strip_prefix(directory) else { return false };
        let first = inside.iter().next().unwrap_or_default().to_string_lossy();
        let top = first.split('.').next().unwrap_or_default().to_owned();
        let likely = KNOWN_AS.iter().find(|(module, _)| *module == top);
        let likely = normalized(likely.map_or(&top, |(_, distribution)| distribution));
        let records = self.records(world, directory);
        let (first_choice, others): (Vec<Record>, Vec<Record>) =
            records.into_iter().partition(|record| record.name == likely);
        for record in first_choice.into_iter().chain(others) {
            if lists(world, &record, inside, &top) {
                self.used.insert(record);
                return true;
            }
        }
        false
    }

    /// Name and version of every added distribution and of its installed requirements, regardless of markers.
    pub(in super::super) fn with_requirements(
        mut self,
        world: &mut dyn World,
        directories: &[PathBuf],
    ) -> Vec<(String, String)> {
        let mut queue: VecDeque<Record> = self.used.iter().cloned().collect();
        let mut found = BTreeMap::new();
        if queue.is_empty() {
            return Vec::new();
        }
        // The first directory with a name wins, as on the search path.
        let mut installed = BTreeMap::new();
        for directory in directories {
            for record in self.records(world, directory) {
                installed.entry(record.name.clone()).or_insert(record);
            }
        }
        while let Some(record) = queue.pop_front() {
            if found.contains_key(&record.name) {
                continue;
            }
            let metadata = metadata(world, &record);
            found.insert(record.name.clone(), version(world, &record, &metadata));
            for required in requirements(world, &record, &metadata) {
                queue.extend(installed.get(&required).cloned());
            }
        }
        found.into_iter().collect()
    }

    fn records(&mut self, world: &mut dyn World, directory: &Path) -> Vec<Record> {
        if let Some(records) = self.records.get(directory) {
            return records.clone();
        }
        let entries = world.entries(directory).unwrap_or_default();
        let record = |name: &OsStr| {
            let text = name.to_str()?;
            let stem = text.strip_suffix(".dist-info").or_else(|| text.strip_suffix(".egg-info"))?;
            let distribution = stem.split('-').next().unwrap_or(stem);
            Some(Record { name: normalized(distribution), place: directory.join(name) })
        };
        let records: Vec<Record> = entries.iter().filter_map(|(name, _)| record(name)).collect();
        self.records.insert(directory.to_path_buf(), records.clone());
        records
    }
}

/// Whether a distribution's list of files contains `inside`, a path relative to its directory.
fn lists(world: &mut dyn World, record: &Record, inside: &Path, top: &str) -> bool {
    let inside = inside.as_os_str().as_bytes();
    if let Some(list) = world.read(&record.place.join("RECORD")) {
        let mut lines = list.split(|byte| *byte == b'\n');
        return lines.any(|line| {
            let line = line.strip_prefix(b"\"").unwrap_or(line);
            line.strip_prefix(inside).is_some_and(|rest| matches!(rest.first(), Some(b',' | b'"')))
        });
    }
    // Older installers wrote a list of files relative to the metadata, or only the names of the packages.
    if let Some(list) = world.read(&record.place.join("installed-files.txt")) {
        let wanted = [b"../", inside].concat();
        return list.split(|byte| *byte == b'\n').any(|line| line == wanted);
    }
    if let Some(list) = world.read(&record.place.join("top_level.txt")) {
        return list.split(|byte| *byte == b'\n').any(|line| line == top.as_bytes());
    }
    record.name == normalized(top)
}

fn metadata(world: &mut dyn World, record: &Record) -> Vec<u8> {
    let in_directory = ["METADATA", "PKG-INFO"].iter().find_map(|name| world.read(&record.place.join(name)));
    in_directory.or_else(|| world.read(&record.place)).unwrap_or_default()
}

/// The version. With a direct origin (PEP 610), one version can have many builds: then also the origin.
fn version(world: &mut dyn World, record: &Record, metadata: &[u8]) -> String {
    let version = headers(metadata).find(|(name, _)| name == "version");
    let mut text = version.map_or_else(|| "?".to_owned(), |(_, version)| version);
    if let Some(origin) = world.read(&record.place.join("direct_url.json")) {
        let list = world.read(&record.place.join("RECORD")).unwrap_or_default();
        let short = |bytes: &[u8]| Digest::of(bytes).to_hex().chars().take(16).collect::<String>();
        text = format!("{text} from {} as {}", short(&origin), short(&list));
    } else if text == "?" {
        // There is no version: use the digest of the metadata.
        text = format!("? {}", Digest::of(metadata));
    }
    text
}

fn requirements(world: &mut dyn World, record: &Record, metadata: &[u8]) -> Vec<String> {
    let mut required: Vec<String> = headers(metadata)
        .filter(|(name, _)| name == "requires-dist")
        .map(|(_, value)| leading_name(&value))
        .collect();
    if world.kind(&record.place) == Kind::Directory
        && let Some(list) = world.read(&record.place.join("requires.txt"))
    {
        let lines = String::from_utf8_lossy(&list).into_owned();
        required.extend(lines.lines().filter(|line| !line.starts_with('[')).map(leading_name));
    }
    required
}

fn headers(metadata: &[u8]) -> impl Iterator<Item = (String, String)> {
    let lines = metadata.split(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    lines.filter_map(|line| {
        let (name, value) = str::from_utf8(line).ok()?.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    })
}

/// The name at the start of a requirement (PEP 508).
fn leading_name(requirement: &str) -> String {
    let is_name = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    normalized(&requirement.trim().chars().take_while(is_name).collect::<String>())
}

/// A name in the normalized form of PEP 503.
fn normalized(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '-' | '_' | '.') {
            if !normalized.ends_with('-') {
                normalized.push('-');
            }
        } else {
            normalized.extend(character.to_lowercase());
        }
    }
    normalized
}
