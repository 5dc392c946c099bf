//! The module search path of a Python interpreter, determined by reading its files: it is never started.

use super::super::super::entry::What;
use super::super::super::world::Kind;
use super::super::View;
use super::editable;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Content of a directory on the search path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Modules of the user: each counts separately.
    Local,
    /// The standard library, for which the interpreter stands.
    Standard,
    /// Installed distributions: they count by name and version.
    Installed,
}

/// Layout of an interpreter's installation.
#[derive(Debug, Default)]
pub(super) struct Interpreter {
    /// Major and minor version, where its files reveal it.
    pub(super) version: Option<(u8, u8)>,
    /// The directories in search order.
    pub(super) path: Vec<(PathBuf, Holds)>,
    /// Top-level packages that editable installs redirect.
    pub(super) mapped: BTreeMap<String, PathBuf>,
    /// Files that determine the above.
    pub(super) settings: Vec<PathBuf>,
    /// Whether reading cannot determine some part of it.
    pub(super) computed: bool,
    /// Whether the first directory is the script's; it is added only after the start of the interpreter.
    pub(super) has_script_directory: bool,
}

impl Interpreter {
    /// Reads the layout of the entry's interpreter.
    pub(super) fn read(view: &mut View<'_>) -> Self {
        let mut interpreter = Self::default();
        let Some(program) = view.entry.interpreter.clone() else {
            interpreter.computed = true;
            interpreter.own_directories(view);
            return interpreter;
        };
        let environment = virtual_environment(view, &program);
        let real = view.follow(&program);
        interpreter.version =
            version_in_name(&real).or_else(|| environment.as_ref().and_then(|found| found.version));
        let base = match &environment {
            // `home` is the directory of the base interpreter.
            Some(found) if view.world.kind(&found.home) == Kind::Directory => found.home.clone(),
            _ => real.parent().unwrap_or(Path::new("/")).to_path_buf(),
        };
        let standard = interpreter.standard_library(view, &base);
        interpreter.own_directories(view);
        let Some((base_prefix, library)) = standard else {
            interpreter.computed = true;
            return interpreter;
        };
        interpreter.path.push((library.clone(), Holds::Standard));
        interpreter.path.push((library.join("lib-dynload"), Holds::Standard));
        if let Some(found) = &environment {
            interpreter.settings.push(found.settings.clone());
        }
        if !view.has_flag(b'S') {
            interpreter.sites(view, &base_prefix, &library, environment.as_ref());
        }
        interpreter
    }

    /// The script's directory, or the working directory, then `PYTHONPATH`.
    fn own_directories(&mut self, view: &mut View<'_>) {
        let isolated = view.has_flag(b'I');
        let ignores_variables = isolated || view.has_flag(b'E');
        let safe = isolated
            || view.has_flag(b'P')
            || !ignores_variables && view.variable("PYTHONSAFEPATH").is_some();
        if !safe {
            let directory = match &view.entry.what {
                What::Script(script) => view.follow(&script.clone()).parent().map(Path::to_path_buf),
                _ => Some(view.entry.directory.clone()),
            };
            self.path.extend(directory.map(|directory| (directory, Holds::Local)));
            self.has_script_directory = !self.path.is_empty();
        }
        if ignores_variables {
            return;
        }
        if view.variable("PYTHONHOME").is_some() {
            self.computed = true;
        }
        let value = view.variable("PYTHONPATH").unwrap_or_default();
        for part in value.as_bytes().split(|byte| *byte == b':').filter(|_| !value.is_empty()) {
            // An empty part stands for the working directory.
            let directory = view.entry.directory.join(OsStr::from_bytes(part));
            let holds = self.what_holds(view, &directory);
            self.path.push((directory, holds));
        }
    }

    /// The kind of a directory: one with records of installed distributions is `Installed`; an archive counts as a whole.
    fn what_holds(&mut self, view: &mut View<'_>, directory: &Path) -> Holds {
        if view.world.kind(directory) == Kind::File {
            self.settings.push(directory.to_path_buf());
        }
        let entries = view.world.entries(directory).unwrap_or_default();
        let is_record = |name: &OsStr| name.as_bytes().ends_with(b".dist-info");
        if entries.iter().any(|(name, _)| is_record(name)) { Holds::Installed } else { Holds::Local }
    }

    /// The prefix above `directory`, and its `lib/pythonX.Y` that contains `os.py`.
    fn standard_library(&mut self, view: &mut View<'_>, directory: &Path) -> Option<(PathBuf, PathBuf)> {
        for prefix in directory.ancestors() {
            for library in ["lib", "lib64"] {
                let library = prefix.join(library);
                let names = match self.version {
                    Some((major, minor)) => {
                        vec![format!("python{major}.{minor}"), format!("pypy{major}.{minor}")]
                    }
                    None => named_libraries(view, &library),
                };
                for name in names {
                    let found = library.join(&name);
                    if view.world.kind(&found.join("os.py")) == Kind::File {
                        self.version = self.version.or_else(|| version_in(&name));
                        return Some((prefix.to_path_buf(), found));
                    }
                }
            }
        }
        None
    }

    fn sites(
        &mut self,
        view: &mut View<'_>,
        base_prefix: &Path,
        library: &Path,
        environment: Option<&Environment>,
    ) {
        let Some(name) = library.file_name() else { return };
        let mut sites = Vec::new();
        let system = environment.is_none_or(|found| found.system_packages);
        if let Some(found) = environment {
            sites.push(found.prefix.join("lib").join(name).join("site-packages"));
            sites.push(found.prefix.join("lib64").join(name).join("site-packages"));
        }
        let no_user =
            view.has_flag(b's') || view.has_flag(b'I') || view.variable("PYTHONNOUSERSITE").is_some();
        if system && !no_user {
            let user = view.variable("PYTHONUSERBASE").map(PathBuf::from);
            let user = user.or_else(|| Some(PathBuf::from(view.variable("HOME")?).join(".local")));
            sites.extend(user.map(|base| base.join("lib").join(name).join("site-packages")));
        }
        if system {
            sites.push(library.join("site-packages"));
            sites.push(base_prefix.join("local/lib").join(name).join("dist-packages"));
            sites.push(base_prefix.join("lib/python3/dist-packages"));
            sites.push(library.join("dist-packages"));
        }
        for site in sites {
            if self.path.iter().all(|(known, _)| *known != site) && view.world.kind(&site) == Kind::Directory
            {
                self.path.push((site.clone(), Holds::Installed));
                self.path_files(view, &site);
            }
        }
    }

    /// The `.pth` files of a directory: each line is a further directory, or code that runs at startup.
    fn path_files(&mut self, view: &mut View<'_>, site: &Path) {
        let entries = view.world.entries(site).unwrap_or_default();
        let names = entries.into_iter().map(|(name, _)| name);
        for name in names.filter(|name| name.as_bytes().ends_with(b".pth")) {
            let file = site.join(&name);
            let Some(text) = view.world.read(&file) else { continue };
            for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end) {
                if line.starts_with(b"import ") || line.starts_with(b"import\t") {
                    let mapped = editable::finder_named(line).and_then(|finder| {
                        let finder = site.join(finder);
                        editable::mapping(&view.world.read(&finder)?)
                    });
                    match mapped {
                        Some(mapped) => self.mapped.extend(mapped),
                        None => self.settings.push(file.clone()),
                    }
                } else if !line.is_empty() && !line.starts_with(b"#") {
                    let directory = site.join(OsStr::from_bytes(line));
                    let holds = self.what_holds(view, &directory);
                    self.path.push((directory, holds));
                }
            }
        }
        self.settings.sort();
        self.settings.dedup();
    }
}

/// A virtual environment, as described by its `pyvenv.cfg`.
struct Environment {
    settings: PathBuf,
    prefix: PathBuf,
    home: PathBuf,
    version: Option<(u8, u8)>,
    system_packages: bool,
}

fn virtual_environment(view: &mut View<'_>, program: &Path) -> Option<Environment> {
    let directory = program.parent()?;
    let beside = directory.join("pyvenv.cfg");
    let above = directory.parent()?.join("pyvenv.cfg");
    let (settings, text) = match view.world.read(&beside) {
        Some(text) => (beside, text),
        None => (above.clone(), view.world.read(&above)?),
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let value = |name: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    Some(Environment {
        prefix: settings.parent()?.to_path_buf(),
        settings,
        home: PathBuf::from(value("home")?),
        version: value("version").or_else(|| value("version_info")).as_deref().and_then(parse_version),
        system_packages: value("include-system-site-packages").is_some_and(|value| value == "true"),
    })
}

/// The version in `python3.11`; `None` for a bare `python3`.
fn version_in_name(program: &Path) -> Option<(u8, u8)> {
    version_in(program.file_name()?.to_str()?)
}

fn version_in(name: &str) -> Option<(u8, u8)> {
    parse_version(name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"))?)
}

fn parse_version(text: &str) -> Option<(u8, u8)> {
    let (major, rest) = text.split_once('.')?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, digits.parse().ok()?))
}

/// The directories in `library` that have the name of a standard library.
fn named_libraries(view: &mut View<'_>, library: &Path) -> Vec<String> {
    let entries = view.world.entries(library).unwrap_or_default().into_iter();
    let names = entries.filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| version_in(name).is_some()).collect()
}
