//! Programs in real directories, and what reading finds in them.

mod others;
mod python;

use super::real_world::RealWorld;
use super::*;
use crate::record::Places;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A directory with the files of an interpreter and a project.
struct Project {
    directory: TempDir,
    world: RealWorld,
    entry: Entry,
    exact_source: bool,
}

impl Project {
    /// Python 3.11 without installed packages, about to run `project/main.py`.
    fn python() -> Self {
        let directory = TempDir::new().unwrap();
        let root = directory.path().to_path_buf();
        let entry = Entry {
            language: LanguageKind::Python,
            what: What::Script(root.join("project/main.py")),
            interpreter: Some(root.join("python/bin/python3")),
            options: Vec::new(),
            directory: root.join("project"),
            overlay: Vec::new(),
            clears_environment: false,
            executed_directly: false,
            launchers: Vec::new(),
            word: Some(1),
        };
        let project = Self { directory, world: RealWorld::default(), entry, exact_source: false };
        project.write("python/bin/python3.11", "");
        symlink("python3.11", root.join("python/bin/python3")).unwrap();
        for module in ["os.py", "json/__init__.py", "unittest/__init__.py", "random.py"] {
            project.write(&format!("python/lib/python3.11/{module}"), "");
        }
        fs::create_dir_all(project.path(SITE)).unwrap();
        project
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// An installed distribution with one package.
    fn install(&self, site: &str, name: &str, version: &str, package: &str, requires: &[&str]) {
        self.write(&format!("{site}/{package}/__init__.py"), "import inspect");
        let requires: Vec<String> = requires.iter().map(|name| format!("Requires-Dist: {name}\n")).collect();
        let requires = requires.concat();
        let record = format!("{site}/{}-{version}.dist-info", name.replace('-', "_"));
        self.write(
            &format!("{record}/METADATA"),
            &format!("Name: {name}\nVersion: {version}\n{requires}\nText: x\n"),
        );
        self.write(&format!("{record}/RECORD"), &format!("{package}/__init__.py,sha256=x,1\n"));
    }

    fn function(&mut self) -> Function {
        let places = Places { root: self.path("project"), home: None };
        let request = Request {
            exact_source: self.exact_source,
            ..Request::new(Vec::new(), self.entry.directory.clone(), places, Vec::new())
        };
        function(&self.entry, &request, &mut self.world)
    }

    /// The sources found, relative to the project's directory.
    fn sources(&mut self) -> Vec<String> {
        let root = self.directory.path().to_path_buf();
        let names = self
            .function()
            .sources
            .into_iter()
            .map(|source| source.path.strip_prefix(&root).unwrap_or(&source.path).display().to_string());
        names.collect()
    }

    fn packages(&mut self) -> Vec<String> {
        self.function().packages.into_iter().map(|(_, name, version)| format!("{name} {version}")).collect()
    }
}

const SITE: &str = "python/lib/python3.11/site-packages";

fn digests(function: &Function) -> Vec<Digest> {
    function.sources.iter().map(|source| source.digest).collect()
}
