//! The modules of a JavaScript or TypeScript program: resolves its specifiers to files and packages.

mod options;
mod resolve;

use super::super::entry::{LanguageKind, What};
use super::super::language::{Import, JavaScript, Language, Parsed, Raw};
use super::super::packages::node::{Packages, package_of};
use super::super::world::Kind;
use super::{INLINE, Sources, View};
use options::Engine;
use resolve::{Resolved, Resolver};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Maximum number of local modules; handwritten programs have fewer. The rest is found by watching.
const MOST_MODULES: usize = 4000;

/// Reads the entry's source and every local module that it imports.
pub(super) fn sources(view: &mut View<'_>) -> Sources {
    let mut search = Search {
        resolver: Resolver::new(view),
        packages: Packages::default(),
        sources: Sources::default(),
        scopes: BTreeSet::new(),
        queue: VecDeque::new(),
    };
    search.begin(view);
    while let Some(file) = search.queue.pop_front() {
        if search.sources.len() >= MOST_MODULES {
            search.sources.computed_imports = true;
            break;
        }
        if !search.sources.contains(&file)
            && let Some(bytes) = view.world.read(&file)
        {
            search.take(view, file.clone(), bytes, &file);
        }
    }
    search.finish(view)
}

struct Search {
    resolver: Resolver,
    packages: Packages,
    sources: Sources,
    /// Directories whose settings were read already.
    scopes: BTreeSet<PathBuf>,
    queue: VecDeque<PathBuf>,
}

impl Search {
    fn begin(&mut self, view: &mut View<'_>) {
        let Some((path, bytes)) = view.entry_source() else {
            self.sources.computed_imports = true;
            return;
        };
        self.sources.entry = Some(path.clone());
        // The engine resolves links before it searches for modules.
        let place = match &view.entry.what {
            What::Script(script) => view.follow(&script.clone()),
            _ => view.entry.directory.join("[eval]"),
        };
        self.preloaded(view);
        self.take(view, path, bytes, &place);
    }

    /// `-r ./setup.js`, `--import=tsx`
    fn preloaded(&mut self, view: &mut View<'_>) {
        // A variable may preload as well. A value with quotes is left to watching.
        let variable = view.variable("NODE_OPTIONS").unwrap_or_default();
        let quoted = variable.as_bytes().contains(&b'"');
        self.sources.computed_imports |= quoted;
        self.sources.exact |= quoted || view.variable("NODE_V8_COVERAGE").is_some();
        let mut options: Vec<OsString> = Vec::new();
        if !quoted {
            let words = variable.as_bytes().split(u8::is_ascii_whitespace);
            options.extend(words.map(|word| OsStr::from_bytes(word).to_owned()));
        }
        options.extend(view.entry.options.iter().cloned());
        let from = view.entry.directory.join("[eval]");
        for option in options::read(&options) {
            match option {
                Engine::Harmless => {}
                Engine::Unknown => self.sources.exact = true,
                Engine::Preloads(specifier) => {
                    // A package may see the sources of modules loaded after it; a local file is read.
                    let known = ["dotenv/config"].contains(&specifier.as_str());
                    self.sources.exact |= !known && !specifier.starts_with(['.', '/']);
                    self.import(view, &from, &specifier);
                }
                Engine::Loads(specifier) => {
                    self.sources.exact = true;
                    self.import(view, &from, &specifier);
                }
            }
        }
    }

    /// Adds the source `path`, whose specifiers are relative to `place`.
    fn take(&mut self, view: &mut View<'_>, path: PathBuf, bytes: Vec<u8>, place: &Path) {
        let Some(language) = self.language(view, &path) else {
            // Data: it counts, and imports nothing.
            self.sources.add(path, bytes, Parsed::default(), &Raw);
            return;
        };
        let parsed = language.parse(&bytes);
        let imports = parsed.imports.clone();
        self.sources.add(path, bytes, parsed, &language);
        self.settings(view, place);
        for import in &imports {
            if let Import::Specifier(specifier) = import {
                self.import(view, place, specifier);
            }
        }
    }

    fn language(&self, view: &View<'_>, path: &Path) -> Option<JavaScript> {
        let is_entry = self.sources.entry.as_deref() == Some(path);
        if path == Path::new(INLINE) {
            let typed = view.entry.language == LanguageKind::TypeScript;
            return Some(if typed { JavaScript::typescript() } else { JavaScript::plain() });
        }
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let known = ["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"].contains(&extension);
        (known || is_entry).then(|| JavaScript::for_extension(extension))
    }

    fn import(&mut self, view: &mut View<'_>, from: &Path, specifier: &str) {
        match self.resolver.resolve(view, from, specifier, &mut self.sources.shadows) {
            Resolved::BuiltIn => {}
            Resolved::Elsewhere => self.sources.computed_imports = true,
            Resolved::Files(files) => {
                for file in files {
                    match package_of(&file) {
                        Some(package) if self.packages.note(view.world, &package) => {}
                        _ => self.queue.push_back(file),
                    }
                }
            }
        }
    }

    /// The files in the directories above a source that determine how it is read: the nearest of each name.
    fn settings(&mut self, view: &mut View<'_>, place: &Path) {
        // Under Yarn's Plug'n'Play this table lists the packages with their versions and checksums.
        let mut names: Vec<&str> = vec!["package.json", ".pnp.cjs"];
        let interpreter = view.entry.interpreter.as_deref().and_then(Path::file_name).unwrap_or_default();
        if view.entry.language == LanguageKind::TypeScript {
            names.push("tsconfig.json");
        }
        match interpreter.as_bytes() {
            b"deno" => names.extend(["deno.json", "deno.jsonc"]),
            b"bun" => names.extend(["tsconfig.json", "bunfig.toml"]),
            _ => {}
        }
        for name in names {
            for directory in place.ancestors().skip(1) {
                let file = directory.join(name);
                if !self.scopes.insert(file.clone()) {
                    break;
                }
                if view.world.kind(&file) == Kind::File {
                    self.sources.settings.insert(file);
                    break;
                }
            }
        }
    }

    fn finish(self, view: &mut View<'_>) -> Sources {
        let Self { mut sources, resolver, packages, .. } = self;
        sources.settings.extend(resolver.settings());
        let found = packages.with_dependencies(view.world);
        sources.packages.extend(found.into_iter().map(|(name, version)| ("node".to_owned(), name, version)));
        sources
    }
}
