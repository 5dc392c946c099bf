//! The sources of a function: decides, over all of them together, in which form each one counts.

use super::super::entry::Entry;
use super::super::language::{Import, Language, Parsed, shows_text};
use super::{Function, SourceDigest, View, acting};
use crate::digest::{Digest, Hasher};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// Suffix of a form's name: docstrings are omitted.
const WITHOUT_DOCSTRINGS: &str = " without docstrings";
/// Suffix of a form's name: comments with an effect are included.
const WITH_COMMENTS: &str = " with acting comments";

/// One source as it was read.
struct Source {
    bytes: Vec<u8>,
    parsed: Parsed,
    form: String,
}

/// Sources, and everything else found on the way.
#[derive(Default)]
pub(in super::super) struct Sources {
    found: BTreeMap<PathBuf, Source>,
    /// The path of the entry's own source, whose comments may have an effect.
    pub(super) entry: Option<PathBuf>,
    pub(super) shadows: BTreeSet<PathBuf>,
    pub(super) packages: BTreeSet<(String, String, String)>,
    pub(super) settings: BTreeSet<PathBuf>,
    pub(super) computed_imports: bool,
    /// Whether the sources count byte for byte regardless of their content.
    pub(super) exact: bool,
    /// Whether something outside of the sources may read docstrings: a package that is not listed as harmless.
    pub(super) reads_docstrings: bool,
}

impl Sources {
    /// Adds a source, once per path.
    pub(super) fn add(&mut self, path: PathBuf, bytes: Vec<u8>, parsed: Parsed, language: &dyn Language) {
        let form = language.form().to_owned();
        self.found.entry(path).or_insert(Source { bytes, parsed, form });
    }

    /// Adds the source `first` and all files that imports lead to, at most `most`. `find` returns the file of an import in a source.
    pub(super) fn follow(
        &mut self,
        view: &mut View<'_>,
        first: (PathBuf, Vec<u8>),
        most: usize,
        language: &dyn Language,
        mut find: impl FnMut(&mut View<'_>, &mut Self, &Path, &Import) -> Option<PathBuf>,
    ) {
        let mut queue = VecDeque::from([first]);
        while let Some((path, bytes)) = queue.pop_front() {
            if self.len() >= most {
                self.computed_imports = true;
                break;
            }
            let parsed = language.parse(&bytes);
            let imports = parsed.imports.clone();
            self.add(path.clone(), bytes, parsed, language);
            for import in &imports {
                let Some(file) = find(view, self, &path, import) else { continue };
                let is_queued = queue.iter().any(|(waiting, _)| *waiting == file);
                if self.contains(&file) || is_queued {
                    continue;
                }
                if let Some(bytes) = view.world.read(&file) {
                    queue.push_back((file, bytes));
                }
            }
        }
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.found.contains_key(path)
    }

    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Decides the form of each source, and digests it.
    pub(super) fn finish(self, entry: &Entry, exact_source: bool) -> Function {
        let all = || self.found.values().map(|source| &source.parsed);
        let exact = exact_source
            || self.exact
            || all().any(|parsed| parsed.exact)
            || shows_text(all().map(|parsed| &parsed.flows));
        let keep_docstrings = self.reads_docstrings || all().any(|parsed| parsed.reads_docstrings);
        let variables: BTreeSet<Vec<u8>> = all().flat_map(|parsed| parsed.variables.clone()).collect();
        let whole_environment = all().any(|parsed| parsed.whole_environment);
        let lists_directories = all().any(|parsed| parsed.lists_directories);
        let computed_imports = self.computed_imports || all().any(|parsed| parsed.computed_imports);
        let digest = |(path, source): (PathBuf, Source)| {
            let comments = if self.entry.as_ref() == Some(&path) {
                acting::comments(&source.bytes, entry)
            } else {
                Vec::new()
            };
            let raw = Digest::of(&source.bytes);
            let (form, digest) = match source.parsed.normal {
                // A program can read its inline code, including comments: it is one of the words of the process.
                Some(normal) if !exact && path != Path::new(super::INLINE) => {
                    let (mut form, bytes) = match normal.without_docstrings {
                        _ if keep_docstrings => (source.form, normal.bytes),
                        Some(bytes) => (source.form + WITHOUT_DOCSTRINGS, bytes),
                        None => (source.form + WITHOUT_DOCSTRINGS, normal.bytes),
                    };
                    if comments.is_empty() {
                        (form, Digest::of(&bytes))
                    } else {
                        form.push_str(WITH_COMMENTS);
                        let length = u64::try_from(comments.len()).unwrap_or(u64::MAX).to_le_bytes();
                        (form, Hasher::new().update(&length).update(&comments).update(&bytes).finish())
                    }
                }
                _ => ("raw".to_owned(), raw),
            };
            SourceDigest { path, form, digest, raw }
        };
        Function {
            variables: variables.into_iter().collect(),
            whole_environment,
            lists_directories,
            computed_imports,
            sources: self.found.into_iter().map(digest).collect(),
            shadows: self.shadows.into_iter().collect(),
            packages: self.packages.into_iter().collect(),
            settings: self.settings.into_iter().collect(),
        }
    }
}
