//! From the words of the call to the code that runs: launchers, interpreter, script.
//!
//! Every file that it looks at becomes a fact. Of a script, this module knows only the first line.

use super::entry::{Entry, LanguageKind, What};
use super::grammar::Word;
use super::interpreters::{Asked, Interpreter, interpreter};
use super::launchers::{Finds, Launcher, launcher};
use super::program::{Finder, Format, Found, base_name, find, format};
use super::recording_fs::RecordingFs;
use super::shims::{Followed, follow};
use super::world::{Kind, World};
use crate::error::{Error, Kind as ErrorKind, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Maximum length of a chain of launchers and first lines.
const DEEPEST: usize = 16;

/// A program on the way from the first word to the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The word of the call that names it or led to it.
    pub word: usize,
    /// The file that was found and is started.
    pub program: PathBuf,
    /// The file that runs in the end: the target of a version manager's shim. `None` if unknown.
    pub real: Option<PathBuf>,
}

/// The parsed words of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The programs, outermost first; the first one is executed.
    pub steps: Vec<Step>,
    /// Where the function begins.
    pub entry: Entry,
    /// Files that determine what launchers and interpreters start.
    pub settings: Vec<PathBuf>,
    /// The last program's word, and how many words of the call come before its own arguments.
    pub name: OsString,
    /// The words after the last program's.
    pub arguments: Vec<OsString>,
}

/// Reads the words of the call, in the working directory `directory`.
///
/// # Errors
/// [`ErrorKind::CommandNotFound`] and [`ErrorKind::NotExecutable`] for the first word; what a launcher would not find
/// is left to the launcher to say.
pub fn command(words: &[OsString], directory: &Path, world: &mut RecordingFs<'_>) -> Result<Command> {
    let mut numbered = Vec::with_capacity(words.len());
    for (place, text) in words.iter().enumerate() {
        numbered.push(Word { text: text.clone(), place: Some(place) });
    }
    let program = first_program(words, directory, world)?;
    let mut reading = Reading::new(directory);
    reading.read(numbered, program, world);
    Ok(reading.command)
}

/// The program that the first word names.
///
/// # Errors
/// As [`command`].
pub fn first_program(words: &[OsString], directory: &Path, world: &mut dyn Finder) -> Result<PathBuf> {
    let first = words.first().map_or(OsStr::new(""), OsString::as_os_str);
    match find(first, directory, world) {
        Found::Program(path) => Ok(path),
        Found::Nothing => {
            let message = format!("{}: command not found", first.display());
            Err(Error::new(ErrorKind::CommandNotFound, message))
        }
        Found::NotExecutable(path) => {
            let message = format!("{}: cannot be executed", path.display());
            Err(Error::new(ErrorKind::NotExecutable, message))
        }
    }
}

/// The result so far.
struct Reading {
    command: Command,
    /// The word of the call that everything since comes from.
    place: usize,
}

impl Reading {
    fn new(directory: &Path) -> Self {
        let entry = Entry {
            language: LanguageKind::Executable,
            what: What::Program,
            interpreter: None,
            options: Vec::new(),
            directory: directory.to_path_buf(),
            overlay: Vec::new(),
            clears_environment: false,
            executed_directly: false,
            launchers: Vec::new(),
            word: None,
        };
        let command = Command {
            steps: Vec::new(),
            entry,
            settings: Vec::new(),
            name: OsString::new(),
            arguments: Vec::new(),
        };
        Self { command, place: 0 }
    }

    /// Follows `words`, of which the first was found as `program`, to the end.
    fn read(&mut self, mut words: Vec<Word>, mut program: PathBuf, world: &mut RecordingFs<'_>) {
        for _ in 0..DEEPEST {
            let Some((name, rest)) = words.split_first() else {
                return;
            };
            self.place = name.place.unwrap_or(self.place);
            let base = base_name(&name.text).to_owned();
            let rest = rest.to_vec();
            let real = self.step(&base, &program, &rest, world);
            let next = if let Some(launcher) = launcher(&base) {
                self.launch(&base, launcher, &rest, world)
            } else if let Some(interpreter) = interpreter(&base) {
                self.interpret(interpreter, &rest, world);
                None
            } else {
                real.and_then(|real| self.first_line(&real, &rest, world))
            };
            match next {
                Some((next_words, next_program)) => (words, program) = (next_words, next_program),
                None => return,
            }
        }
    }

    /// Notes a program and follows it if it is a shim.
    fn step(
        &mut self,
        base: &OsStr,
        program: &Path,
        rest: &[Word],
        world: &mut RecordingFs<'_>,
    ) -> Option<PathBuf> {
        let arguments: Vec<OsString> = rest.iter().map(|word| word.text.clone()).collect();
        let real = match follow(program, &arguments, &self.command.entry.directory, world) {
            Followed::NoShim => Some(program.to_path_buf()),
            Followed::To(path) => Some(path),
            Followed::Unknown => None,
        };
        let step = Step { word: self.place, program: program.to_path_buf(), real: real.clone() };
        self.command.steps.push(step);
        if !self.command.entry.executed_directly {
            base.clone_into(&mut self.command.name);
            self.command.arguments = arguments;
        }
        self.command.entry.interpreter.clone_from(&real);
        real
    }

    /// Resolves a launcher: the words that it starts, and the program that they name.
    fn launch(
        &mut self,
        base: &OsStr,
        launcher: &Launcher,
        rest: &[Word],
        world: &mut RecordingFs<'_>,
    ) -> Option<(Vec<Word>, PathBuf)> {
        let started = launcher.started(rest)?;
        let entry = &mut self.command.entry;
        // The settings that a launcher reads depend on the directory that its words name.
        if let Some(directory) = &started.directory {
            entry.directory = entry.directory.join(directory);
        }
        if started.clears_environment {
            entry.clears_environment = true;
            entry.overlay.clear();
        }
        entry.overlay.extend(started.overlay);
        entry.launchers.push(base.to_owned());
        let directory = entry.directory.clone();
        for name in launcher.settings.split_ascii_whitespace() {
            let found = directory.ancestors().map(|place| place.join(name));
            if let Some(found) = { found }.find(|path| world.kind(path) == Kind::File) {
                self.command.settings.push(found);
            }
        }
        world.enter(&self.command.entry);
        let first = match launcher.finds {
            Finds::OnPath => None,
            Finds::InVirtualEnvironment => directory
                .ancestors()
                .map(|place| place.join(".venv/bin"))
                .find(|place| world.kind(place) == Kind::Directory),
            Finds::InNodeModules => directory
                .ancestors()
                .map(|place| place.join("node_modules/.bin"))
                .find(|place| world.kind(place) == Kind::Directory),
        };
        if let Some(first) = first {
            self.put_before_path(&first, world);
        }
        let name = started.words.first()?.text.clone();
        let program = find(&name, &directory, world).program();
        // A program that a launcher starts and that is not found is unknown.
        if program.is_none() {
            base_name(&name).clone_into(&mut self.command.name);
            self.command.entry.interpreter = None;
        }
        Some((started.words, program?))
    }

    fn put_before_path(&mut self, first: &Path, world: &mut RecordingFs<'_>) {
        let name = OsString::from("PATH");
        let mut path = first.as_os_str().as_bytes().to_vec();
        if let Some(old) = world.variable(&name) {
            path.push(b':');
            path.extend_from_slice(old.as_bytes());
        }
        self.command.entry.overlay.push((name, Some(OsString::from_vec(path))));
        world.enter(&self.command.entry);
    }

    /// Reads an interpreter's words.
    fn interpret(&mut self, interpreter: &Interpreter, rest: &[Word], world: &mut RecordingFs<'_>) {
        let (asked, count) = interpreter.asked(rest);
        let directory = self.command.entry.directory.clone();
        let what = match asked {
            Asked::Script(named) => {
                let text = named.text.as_bytes();
                let plain = !text.contains(&b'.') && !text.contains(&b'/');
                let known = !(interpreter.plain_words_are_commands && plain);
                let script = known
                    .then(|| script(&directory.join(&named.text), interpreter.language, world))
                    .flatten();
                self.command.entry.word = script.as_ref().and(named.place);
                script.map(What::Script)
            }
            Asked::Module(name) => Some(What::Module(name)),
            Asked::Code(code) => {
                code.place.map(|place| What::Inline { code: code.text.as_bytes().to_vec(), word: place })
            }
            Asked::Else => None,
        };
        if what.is_none() && self.command.entry.executed_directly {
            // The options in the first line are unknown: the script counts byte for byte.
            return;
        }
        let entry = &mut self.command.entry;
        entry.language = language_of(interpreter.language, what.as_ref());
        entry.options = rest.iter().take(count).map(|word| word.text.clone()).collect();
        entry.what = what.unwrap_or(What::Program);
        if entry.language == LanguageKind::Python
            && let Some(interpreter) = entry.interpreter.clone()
        {
            self.virtual_environment(&interpreter, world);
        }
    }

    /// The `pyvenv.cfg` beside an interpreter or above it.
    fn virtual_environment(&mut self, interpreter: &Path, world: &mut RecordingFs<'_>) {
        let places = interpreter.parent().into_iter().flat_map(|place| place.ancestors().take(2));
        let found = places.map(|place| place.join("pyvenv.cfg")).find(|path| world.kind(path) == Kind::File);
        self.command.settings.extend(found);
    }

    /// Reads a script's first line: the words of its interpreter, and its path.
    fn first_line(
        &mut self,
        real: &Path,
        rest: &[Word],
        world: &mut RecordingFs<'_>,
    ) -> Option<(Vec<Word>, PathBuf)> {
        let line = match format(real, world) {
            Format::Binary => return None,
            Format::Script(line) => line,
            Format::Text => {
                super::program::FirstLine { interpreter: PathBuf::from("/bin/sh"), argument: None }
            }
        };
        let added = |text: OsString| Word { text, place: None };
        let mut words = vec![added(line.interpreter.clone().into_os_string())];
        words.extend(line.argument.map(added));
        words.push(Word { text: real.as_os_str().to_owned(), place: Some(self.place) });
        words.extend_from_slice(rest);
        self.command.entry.executed_directly = true;
        // Without a known interpreter, the script is read by an unknown one.
        self.command.entry.language = LanguageKind::Other;
        self.command.entry.what = What::Script(real.to_path_buf());
        self.command.entry.word = Some(self.place);
        let found = find(line.interpreter.as_os_str(), &self.command.entry.directory, world).program()?;
        Some((words, found))
    }
}

/// The file that an interpreter runs when it is given `path`.
fn script(path: &Path, language: LanguageKind, world: &mut RecordingFs<'_>) -> Option<PathBuf> {
    match world.kind(path) {
        Kind::File => Some(path.to_path_buf()),
        // Python runs a directory's `__main__.py`.
        Kind::Directory if language == LanguageKind::Python => {
            let main = path.join("__main__.py");
            (world.kind(&main) == Kind::File).then_some(main)
        }
        _ => None,
    }
}

/// The language of a script. Its name distinguishes TypeScript from JavaScript.
fn language_of(language: LanguageKind, what: Option<&What>) -> LanguageKind {
    let Some(What::Script(path)) = what else {
        return language;
    };
    let typed =
        path.extension().is_some_and(|end| ["ts", "tsx", "mts", "cts"].iter().any(|other| end == *other));
    match language {
        LanguageKind::JavaScript if typed => LanguageKind::TypeScript,
        LanguageKind::TypeScript if !typed => LanguageKind::JavaScript,
        language => language,
    }
}
