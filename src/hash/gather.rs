//! From a request to the manifest.
//!
//! The only place where facts enter the key. This module does not know what is remembered, nor the run.

use super::command::{Command, command};
use super::entry::{Entry, LanguageKind, What};
use super::environment::{Selector, mentioned, takes_all, variable_digest};
use super::globs::Patterns;
use super::inputs;
use super::loaded::Loaded;
use super::manifest::{Manifest, Part, Value};
use super::modules::{Function, INLINE, function};
use super::program::find;
use super::recording_fs::RecordingFs;
use super::request::{Request, StdinPart};
use super::shims::{Followed, follow};
use crate::digest::{DIGEST_LENGTH, Digest, LineageId};
use crate::encode::{Encode, Encoder};
use crate::error::{Error, Result};
use crate::record::{Base, FileState, StoredPath};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What the capture looked at.
pub(super) struct Gathered {
    pub(super) manifest: Manifest,
    /// Which sources watched runs have loaded, and the facts of the others.
    pub(super) loaded: Loaded,
    pub(super) left_out: Vec<(Part, Value)>,
    pub(super) command: Command,
    pub(super) function: Function,
    pub(super) selector: Selector,
    pub(super) whole_environment: bool,
}

/// Looks at everything that the key of a request needs.
///
/// # Errors
/// The command cannot be found or executed; a declared input is missing; a pattern or a tool is wrong.
pub(super) fn gather(
    request: &Request,
    secret: &[u8; DIGEST_LENGTH],
    world: &mut RecordingFs<'_>,
    loaded: Loaded,
) -> Result<Gathered> {
    let outputs = Patterns::outputs(&request.outputs, &request.directory, &request.places)?;
    let command = command(&request.words, &request.directory, world)?;
    let function = function(&command.entry, request, world);
    let mut gathering =
        Gathering { request, world, manifest: Manifest::default(), loaded, left_out: Vec::new() };
    gathering.place();
    gathering.words(secret);
    gathering.programs(&command);
    gathering.function(&command, &function, secret)?;
    gathering.declared(&command.entry, &outputs)?;
    gathering.tools()?;
    let whole_environment = function.whole_environment
        || shows_environment(&command)
        || takes_all(&request.words, command.name.as_bytes());
    let selector = selector(request, &command.entry, &function, whole_environment);
    for (name, value) in selector.select(&request.environment) {
        if request.ignored.variable(&name) {
            continue;
        }
        let value = match value {
            Some(value) => Value::Digest(variable_digest(&name, value.as_bytes(), &request.places, secret)),
            None => Value::Absent,
        };
        gathering.manifest.set(Part::Variable(name.into_owned()), value);
    }
    if let Some(place) = request.logical_directory().filter(|_| !request.ignored.variable(b"PWD")) {
        let value = variable_digest(b"PWD", place.as_bytes(), &request.places, secret);
        gathering.manifest.set(Part::Variable(b"PWD".to_vec()), Value::Digest(value));
    }
    let Gathering { manifest, loaded, left_out, .. } = gathering;
    Ok(Gathered { manifest, loaded, left_out, command, function, selector, whole_environment })
}

/// `env` and `printenv` show the whole environment.
fn shows_environment(command: &Command) -> bool {
    command.name == "printenv" || (command.name == "env" && command.entry.what == What::Program)
}

fn selector(request: &Request, entry: &Entry, function: &Function, whole: bool) -> Selector {
    let mut selector = Selector::for_language(entry.language);
    for name in &function.variables {
        selector.names.insert(name.clone());
    }
    for word in &request.variables {
        selector.add(word);
    }
    selector.values.extend(mentioned(&request.words));
    selector.values.extend(request.stdin_mentions.iter().cloned());
    selector.whole = whole;
    selector
}

struct Gathering<'a, 'b> {
    request: &'a Request,
    world: &'a mut RecordingFs<'b>,
    manifest: Manifest,
    loaded: Loaded,
    left_out: Vec<(Part, Value)>,
}

impl Gathering<'_, '_> {
    /// The facts that need no look.
    fn place(&mut self) {
        let request = self.request;
        let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        self.manifest.set(Part::Platform, Value::Bytes(platform.into_bytes()));
        let directory = request.places.store(&request.directory);
        self.manifest.set(Part::Directory, Value::Bytes(written(&directory)));
        for pattern in &request.outputs {
            self.manifest.set(Part::Output(pattern.as_bytes().to_vec()), Value::Present);
        }
        if let Some(salt) = &request.salt {
            self.manifest.set(Part::Salt, Value::Bytes(salt.as_bytes().to_vec()));
        }
        if request.exact_state {
            self.manifest.set(Part::Flag("exact-state".to_owned()), Value::Present);
        }
        if request.always_terminal {
            self.manifest.set(Part::Flag("tty".to_owned()), Value::Present);
        }
        if request.env_strict {
            self.manifest.set(Part::Flag("env-strict".to_owned()), Value::Present);
        }
        // Otherwise the text of a word could be confused with the product that it refers to.
        if self.request.literal {
            self.manifest.set(Part::Flag("literal".to_owned()), Value::Present);
        }
        for option in request.ignored.options(&request.directory, &request.places) {
            self.manifest.set(Part::Flag(option), Value::Present);
        }
        if request.words_are_inputs {
            // A result that depends only on declarations is not replayed for a watched call.
            self.manifest.set(Part::Flag("declared-only".to_owned()), Value::Present);
        }
        match request.stdin {
            StdinPart::None => {}
            StdinPart::Null => self.manifest.set(Part::Stdin, Value::Absent),
            StdinPart::Content(digest) => self.manifest.set(Part::Stdin, Value::Digest(digest)),
        }
    }

    fn words(&mut self, secret: &[u8; DIGEST_LENGTH]) {
        for (place, word) in self.request.words.iter().enumerate() {
            let Some(counted) = counted_place(self.request, place) else { continue };
            let value = if let Some(digest) = self.request.hidden(place, secret) {
                Value::Digest(digest)
            } else {
                Value::Bytes(masked(self.request, place, word, true))
            };
            self.manifest.set(Part::Word(counted), value);
        }
    }

    /// The content of the programs that each word starts: the program that runs in the end, not the shims.
    fn programs(&mut self, command: &Command) {
        let script = match &command.entry.what {
            What::Script(path) => Some(path.as_path()),
            _ => None,
        };
        let mut behind: BTreeMap<u32, Vec<Digest>> = BTreeMap::new();
        for step in &command.steps {
            let real = step.real.as_deref().unwrap_or(&step.program);
            if Some(real) == script {
                continue;
            }
            let digest = self.world.digest(real).unwrap_or_else(|| self.unreadable(real));
            let word = counted_place(self.request, step.word).unwrap_or_else(|| number(step.word));
            behind.entry(word).or_default().push(digest);
        }
        for (word, digests) in behind {
            let digest = match digests.as_slice() {
                [one] => *one,
                several => {
                    let mut encoder = Encoder::new();
                    encoder.list(several);
                    Digest::of(&encoder.finish())
                }
            };
            self.manifest.set(Part::Program(word), Value::Digest(digest));
        }
    }

    /// A program that may be executed but not read counts by its metadata.
    fn unreadable(&mut self, path: &Path) -> Digest {
        let state = self.world.state(path, true);
        Digest::of(&state.to_bytes())
    }

    fn function(
        &mut self,
        command: &Command,
        function: &Function,
        secret: &[u8; DIGEST_LENGTH],
    ) -> Result<()> {
        let ignored = self.request.ignored.read(&self.request.directory, &self.request.places)?;
        for source in function.sources.iter().filter(|source| !ignored.matches(&source.path)) {
            let hides = source.path == Path::new(INLINE) && hides_code(self.request, command);
            let digest = if hides { Digest::keyed(secret, source.digest.as_bytes()) } else { source.digest };
            let value = Value::Source { form: source.form.clone(), digest };
            let path = self.source_path(&source.path);
            if self.loaded.counts(&path) {
                self.manifest.set(Part::Source(path), value);
            } else {
                self.left_out.push((Part::Source(path), value));
            }
        }
        for path in function.shadows.iter().filter(|path| !ignored.matches(path)) {
            self.manifest.set(Part::Shadow(self.world.stored(path)), Value::Absent);
        }
        for (ecosystem, name, version) in &function.packages {
            let part = Part::Package(ecosystem.clone(), name.clone());
            self.manifest.set(part, Value::Version(version.clone()));
        }
        let settings = command.settings.iter().chain(&function.settings);
        for path in settings.filter(|path| !ignored.matches(path)) {
            let value = match self.world.state(path, true) {
                FileState::File { mode, digest } => Value::File { executable: mode & 0o100 != 0, digest },
                FileState::Directory { .. } => Value::Directory,
                _ => Value::Absent,
            };
            self.manifest.set(Part::Setting(self.world.stored(path)), value);
        }
        Ok(())
    }

    fn source_path(&self, path: &Path) -> StoredPath {
        if path == Path::new(INLINE) { StoredPath::in_root(INLINE) } else { self.world.stored(path) }
    }

    fn declared(&mut self, entry: &Entry, outputs: &Patterns) -> Result<()> {
        let mut found = inputs::declared(self.request, outputs, self.world)?;
        if self.request.words_are_inputs {
            // The program counts as such, and the script as a source.
            let skip: Vec<usize> = [Some(0), entry.word].into_iter().flatten().collect();
            for (path, value) in inputs::named(self.request, &skip, outputs, self.world)? {
                found.entry(path).or_insert(value);
            }
        }
        for (path, value) in found {
            self.manifest.set(Part::Input(path), value);
        }
        Ok(())
    }

    fn tools(&mut self) -> Result<()> {
        for tool in &self.request.tools {
            let missing = || {
                Error::usage(format!("--tool {}: no such program", tool.display()))
                    .with_hint("tools are looked for on PATH")
            };
            let directory = &self.request.directory;
            let program = find(tool, directory, self.world).program().ok_or_else(missing)?;
            let real = match follow(&program, &[], directory, self.world) {
                Followed::To(real) => real,
                Followed::NoShim | Followed::Unknown => program,
            };
            let digest = self.world.digest(&real).unwrap_or_else(|| self.unreadable(&real));
            self.manifest.set(Part::Tool(tool.as_bytes().to_vec()), Value::Digest(digest));
        }
        Ok(())
    }
}

/// Whether inline code contains text that must not be stored.
pub(super) fn hides_code(request: &Request, command: &Command) -> bool {
    matches!(&command.entry.what, What::Inline { word, code }
        if request.shown_text(code) != *code
            || request.words.get(*word).is_some_and(|typed| request.shown_word(*word) != typed.as_bytes()))
}

/// The index of the word at `place` among the words that count, if it is one.
fn counted_place(request: &Request, place: usize) -> Option<u32> {
    if request.ignored.arguments.is_empty() {
        return Some(number(place));
    }
    let counts = request.ignored.words(&request.words);
    let before = counts.iter().take(place).filter(|counts| **counts).count();
    counts.get(place).copied().unwrap_or(true).then(|| number(before))
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// A stored path as unique, readable bytes.
fn written(path: &StoredPath) -> Vec<u8> {
    let (start, rest) = match path.base() {
        Base::Root => (&b"."[..], path.rest()),
        Base::Home => (&b"~"[..], path.rest()),
        Base::Absolute => return path.rest().to_vec(),
    };
    let mut bytes = start.to_vec();
    if !rest.is_empty() {
        bytes.push(b'/');
        bytes.extend_from_slice(rest);
    }
    bytes
}

/// A word in the form that counts. A reference to a recorded product counts by the text before it, the product's digest (if
/// `with_digest`) and the extension that the command sees, not by the path of the product.
fn masked(request: &Request, place: usize, word: &OsStr, with_digest: bool) -> Vec<u8> {
    let Some(reference) = request.references.iter().find(|reference| reference.word == place) else {
        return word.as_bytes().to_vec();
    };
    let typed = reference.typed.as_bytes();
    let mark = b"cashet:";
    let start = typed.windows(mark.len()).position(|window| window == mark).unwrap_or(0);
    let mut bytes = typed.get(..start).unwrap_or_default().to_vec();
    bytes.extend_from_slice(mark);
    if with_digest {
        bytes.extend_from_slice(reference.digest.to_hex().as_bytes());
    }
    if let Some(extension) = Path::new(word).extension() {
        bytes.push(b'.');
        bytes.extend_from_slice(extension.as_bytes());
    }
    bytes
}

/// The lineage of a request: the words as typed and the directory, whatever code and data are.
pub(super) fn lineage(request: &Request) -> LineageId {
    let mut encoder = Encoder::new();
    encoder.text("lineage").value(&request.places.store(&request.directory));
    let counts = request.ignored.words(&request.words);
    encoder.length(counts.iter().filter(|counts| **counts).count());
    for ((place, word), _) in request.words.iter().enumerate().zip(&counts).filter(|(_, counts)| **counts) {
        let shown = OsString::from_vec(request.shown_word(place));
        encoder.bytes(&masked(
            request,
            place,
            if request.redactions.is_empty() { word } else { &shown },
            false,
        ));
    }
    LineageId(Digest::of(&encoder.finish()))
}

/// The function's name for display, and its identity without arguments.
pub(super) fn identity(request: &Request, command: &Command) -> (Vec<u8>, Digest) {
    let entry = &command.entry;
    let mut encoder = Encoder::new();
    encoder.text("function").text(&format!("{:?}", entry.language));
    let name = match &entry.what {
        What::Script(path) => {
            let stored = request.places.store(path);
            encoder.unsigned(0).value(&stored);
            stored.shown().into_os_string().into_vec()
        }
        What::Module(name) => {
            encoder.unsigned(1).bytes(name.as_bytes());
            name.as_bytes().to_vec()
        }
        What::Inline { .. } => {
            encoder.unsigned(2);
            INLINE.as_bytes().to_vec()
        }
        What::Program => {
            encoder.unsigned(3).bytes(command.name.as_bytes());
            command.name.as_bytes().to_vec()
        }
    };
    (name, Digest::of(&encoder.finish()))
}

/// Whether directory listings count in general. They count only for imports if the function is a Python program of the user
/// without a call that lists directories.
pub(super) fn lists_directories(request: &Request, entry: &Entry, function: &Function) -> bool {
    let own = |path: &PathBuf| request.places.in_root(path) || path == Path::new(INLINE);
    let has_own = || function.sources.iter().any(|source| own(&source.path) && !in_library(&source.path));
    let local = match &entry.what {
        // A script in a virtual environment is the user's own if it uses no installed package, or runs one.
        What::Script(path) => own(path) && (!in_library(path) || function.packages.is_empty() || has_own()),
        What::Inline { .. } => true,
        What::Module(_) => has_own(),
        What::Program => false,
    };
    entry.language != LanguageKind::Python || function.lists_directories || !local
}

/// Whether a path is in an installed environment, which may be below the root.
fn in_library(path: &Path) -> bool {
    let environment = path.parent().and_then(Path::parent).is_some_and(|place| {
        // In doubt it is one.
        place.join("pyvenv.cfg").try_exists().unwrap_or(true)
    });
    environment || path.components().any(|part| part.as_os_str() == "site-packages")
}

/// The environment that the child gets.
pub(super) fn child_environment(request: &Request, selector: &Selector) -> Vec<(OsString, OsString)> {
    if request.env_strict { selector.strict(&request.environment) } else { request.environment.clone() }
}
