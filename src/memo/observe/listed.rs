//! Products that a run may find the next time it lists directories: those that it created after listing their directory, and
//! whose names pass the filters of its code.

use super::Observer;
use super::importer::Importer;
use crate::exec::Access;
use crate::hash::entry::LanguageKind;
use crate::hash::interpreters::interpreter;
use crate::hash::listed::{Globs, Listed, is_like, is_special, listed};
use crate::hash::resume;
use crate::profiles::builders::is_input;
use crate::record::{Product, ProductClass};
use memchr::memmem;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Larger files are not read and may list anything.
const LARGEST: u64 = 1 << 20;
/// Text by which code starts a shell.
const SHELLS: &[&str] =
    &["subprocess", "os.system", "popen", "child_process", "shell=True", "execSync", "spawn"];
/// Text by which a shell uses the output of a listing command.
const COMMANDS: &[&str] = &["$(ls", "`ls", "$(find", "`find", "$( ls", "$( find"];

/// What the code of a run lists.
#[derive(Default)]
struct Code {
    globs: Globs,
    listed: Listed,
    /// A shell uses the output of a listing command.
    by_command: bool,
    /// Packages were loaded; they may list as well.
    packages: bool,
}

impl Observer<'_> {
    /// For each product, whether later listings of the run may find it. All at once, since the code is read once.
    pub(super) fn found_by_listing(&self, products: &[Product], importer: &Importer) -> Vec<bool> {
        let access =
            |product: &Product| importer.access(&self.run.places.root.join(OsStr::from_bytes(&product.path)));
        let is_open = |product: &Product| product.class != ProductClass::Consulted;
        let may_be = |product: &Product, access: &Access| {
            // A listing does not find a file that is gone.
            let place = self.run.places.root.join(OsStr::from_bytes(&product.path));
            if fs::symlink_metadata(place).is_err() {
                return false;
            }
            let around = access.listed_around;
            let looked = product.class == ProductClass::Looked;
            let programs = around.makes || around.others || around.builders != 0;
            let others = around.shells || around.interpreters || programs;
            is_open(product) && (looked || others)
        };
        let accesses: Vec<Access> = products.iter().map(access).collect();
        if !products.iter().zip(&accesses).any(|(product, access)| may_be(product, access)) {
            return vec![false; products.len()];
        }
        let code = self.code_that_lists();
        let found =
            |(product, access)| may_be(product, access) && self.is_found(product, *access, (&code, importer));
        products.iter().zip(&accesses).map(found).collect()
    }

    fn is_found(&self, product: &Product, access: Access, (code, importer): (&Code, &Importer)) -> bool {
        let path = self.run.places.root.join(OsStr::from_bytes(&product.path));
        let (Some(name), Some(parent)) = (path.file_name().map(OsStr::as_bytes), path.parent()) else {
            return true;
        };
        let around = access.listed_around;
        // A name after a pattern is looked for in each directory that the pattern finds.
        let tested = || {
            let literal = |pattern: &[u8]| !is_special(pattern) && is_like(pattern, name);
            code.globs.may_test(name) || code.listed.filters.iter().any(|filter| literal(&filter.pattern))
        };
        if product.class == ProductClass::Looked && tested() {
            return true;
        }
        if around.shells && code.globs.may_find(name) || (around.makes || around.others) && code.by_command {
            return true;
        }
        // The tool that made it does not take it for input, but code of the project in its process may, and so may the tool take what
        // such code made.
        let unknown = around.interpreters || around.builders != 0 && self.is_input(product, around.builders);
        let in_own_tool = around.builders != 0 && code.lists();
        (unknown || in_own_tool) && self.is_found_by_code(&path, (parent, name), (code, importer), unknown)
    }

    /// Whether one of these tools takes the product for input, or something below it.
    fn is_input(&self, product: &Product, tools: u64) -> bool {
        let is_below = |path: &[u8]| {
            let rest = path.strip_prefix(product.path.as_slice());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let mut below = self.observed.outputs.iter().filter(|path| is_below(path));
        below.any(|path| is_input(tools, path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()))
    }

    fn is_found_by_code(
        &self,
        path: &Path,
        (parent, name): (&Path, &[u8]),
        (code, importer): (&Code, &Importer),
        unknown: bool,
    ) -> bool {
        let entry = &self.run.captured.command.entry;
        let access = importer.access(parent);
        if access.listed && importer.lists(parent, access) {
            return false;
        }
        if code.listed.anything {
            return true;
        }
        let is_there = |directory: &String| {
            let directory = entry.directory.join(directory).components().collect::<std::path::PathBuf>();
            directory == *parent || fs::canonicalize(&directory).is_ok_and(|real| real == *parent)
        };
        let filters = &code.listed.filters;
        let mut here =
            filters.iter().filter(|filter| filter.directory.as_ref().is_none_or(is_there)).peekable();
        if here.peek().is_none() {
            // Then only the importer listed it, the tool that made it, or unknown code.
            let by_importer =
                access.listed && !access.listed_by_another && !access.listed_by_code && !access.listed_again;
            return unknown && !(by_importer && importer.searches(parent));
        }
        let is_directory = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
        here.any(|filter| {
            let by_package = code.packages && filter.directory.is_none();
            by_package || (filter.is_last || is_directory) && is_like(&filter.pattern, name)
        })
    }

    /// Reads all code of the project that the run used.
    fn code_that_lists(&self) -> Code {
        let captured = self.run.captured;
        let language = captured.command.entry.language;
        let mut code = Code::default();
        let is_of_package = |path: &Path| match self.scope.relative(path) {
            Some(relative) => resume::is_of_package(Path::new(OsStr::from_bytes(relative))),
            None => resume::is_of_package(path),
        };
        let known: BTreeSet<&Path> =
            captured.sources.iter().map(|source| source.absolute.as_path()).collect();
        for source in &captured.sources {
            if is_of_package(&source.absolute) {
                code.packages = true;
                continue;
            }
            code.take(Some(language), &source.absolute, &source.bytes);
        }
        let words = self.run.words.iter().map(|word| word.as_bytes());
        for word in words.filter(|word| !captured.sources.iter().any(|source| source.bytes == *word)) {
            code.globs.value(word);
            code.takes_commands(word);
        }
        for (_, inline) in &self.watcher.made.python {
            code.take(Some(LanguageKind::Python), Path::new(""), inline);
        }
        for (path, _) in &self.contents {
            let is_package = is_of_package(path);
            code.packages |= is_package;
            let is_settings = path.file_name() == Some(OsStr::new("package.json"));
            if is_package
                || self.scope.relative(path).is_none()
                || known.contains(path.as_path())
                || !(resume::is_code_of_project(path) || is_settings)
            {
                continue;
            }
            let small = fs::metadata(path).is_ok_and(|found| found.len() <= LARGEST);
            match fs::read(path).ok().filter(|_| small) {
                Some(bytes) if is_settings => code.globs.value(&bytes),
                Some(bytes) => code.take(None, path, &bytes),
                None => {
                    code.listed.anything = true;
                    code.globs.script(b"compgen");
                }
            }
        }
        let values: Vec<Vec<u8>> = captured
            .environment
            .iter()
            .filter(|(name, _)| code.globs.variables().any(|used| used == name.as_bytes()))
            .map(|(_, value)| value.as_bytes().to_vec())
            .collect();
        for value in &values {
            code.globs.value(value);
        }
        code
    }
}

impl Code {
    /// Whether code of the project lists anything.
    fn lists(&self) -> bool {
        self.listed.anything || !self.listed.filters.is_empty()
    }

    fn takes_commands(&mut self, text: &[u8]) {
        self.by_command |= COMMANDS.iter().any(|text_of| memmem::find(text, text_of.as_bytes()).is_some());
    }

    /// Takes in what may be read by a shell.
    fn take_text(&mut self, text: &[u8]) {
        self.globs.script(text);
        self.takes_commands(text);
    }

    fn take(&mut self, language: Option<LanguageKind>, path: &Path, bytes: &[u8]) {
        if path.ends_with(".git/config") {
            // Names of fetched branches are not patterns of files. Commands in git's settings may contain some.
            return self.take_text(&without_refspecs(bytes));
        }
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let is_makefile =
            extension == "mk" || path.file_name().is_some_and(|name| name.as_bytes().ends_with(b"akefile"));
        let language = match extension {
            "sh" | "bash" => Some(LanguageKind::Shell),
            _ if is_makefile => Some(LanguageKind::Shell),
            "" => language
                .filter(|language| *language != LanguageKind::Executable)
                .or_else(|| by_first_line(bytes)),
            _ => language,
        };
        let is_binary = bytes.iter().take(4096).any(|byte| *byte == 0);
        match language {
            Some(LanguageKind::Shell) => self.take_text(bytes),
            // Code of an unknown interpreter may be read by any shell.
            None if extension.is_empty() => {
                if !is_binary {
                    self.take_text(bytes);
                }
            }
            _ if is_binary => {}
            _ => {
                self.listed.merge(listed(language, path, bytes));
                if SHELLS.iter().any(|text| memmem::find(bytes, text.as_bytes()).is_some()) {
                    self.globs.value(bytes);
                    self.takes_commands(bytes);
                }
            }
        }
    }
}

/// The settings of a repository without the branches that are fetched and pushed.
fn without_refspecs(settings: &[u8]) -> Vec<u8> {
    let is_refspec = |line: &[u8]| {
        let line = line.trim_ascii_start();
        (line.starts_with(b"fetch = ") || line.starts_with(b"push = ")) && !line.ends_with(b"\\")
    };
    let lines = settings.split(|byte| *byte == b'\n').filter(|line| !is_refspec(line));
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// The language in the first line of a script.
fn by_first_line(bytes: &[u8]) -> Option<LanguageKind> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let is_env = |word: &&[u8]| word.ends_with(b"/env") || word.starts_with(b"-");
    let program = words.find(|word| !is_env(word))?;
    let name = Path::new(OsStr::from_bytes(program)).file_name()?;
    Some(interpreter(name).map_or(LanguageKind::Other, |interpreter| interpreter.language))
}
