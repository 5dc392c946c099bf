//! The location of a call: the root of the project, the store's directory, and `cashet.toml`.
//!
//! Settings are read as text: durations, sizes and patterns are parsed elsewhere.

mod settings;
mod user_store;

pub use settings::{
    CommandSettings, ExecSettings, ExecutorSettings, RemoteSettings, Settings, StoreSettings, Words,
};

use crate::error::{Error, Result};
use crate::record::Places;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Name of the store's directory in a root.
pub const STORE_NAME: &str = ".cashet";

/// Name of the settings file in a root.
pub const SETTINGS_NAME: &str = "cashet.toml";

/// Names that mark a directory as a root.
pub(crate) const ROOT_MARKS: [&str; 3] = [STORE_NAME, ".git", SETTINGS_NAME];

/// The location of a call.
#[derive(Clone, Debug)]
pub struct Project {
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// Root and HOME.
    pub places: Places,
    /// The store's directory, which may not exist.
    pub store: PathBuf,
    /// Whether the user named the store explicitly: then another owner is accepted.
    pub store_is_named: bool,
}

impl Project {
    /// Finds root and store for a call in `directory` (absolute). `home` and `named_store` are the values of HOME and of
    /// `--store` or `CASHET_DIR`; a relative `named_store` is relative to `directory`.
    #[must_use]
    pub fn find(directory: PathBuf, home: Option<&OsStr>, named_store: Option<&OsStr>) -> Self {
        let home = home.map(PathBuf::from).filter(|home| home.is_absolute() && home != Path::new("/"));
        let root = find_root(&directory, home.as_deref());
        let store = match named_store {
            Some(named) => directory.join(named),
            None => root.join(STORE_NAME),
        };
        Self { directory, places: Places { root, home }, store, store_is_named: named_store.is_some() }
    }

    /// Converts a path or pattern of `cashet.toml`, which is relative to the root, to one relative to the working directory. The
    /// result does not contain the root's own name, which could be read as a pattern.
    #[must_use]
    pub fn from_root(&self, word: &str) -> OsString {
        if Path::new(word).is_absolute() {
            return word.into();
        }
        let below = self.directory.strip_prefix(&self.places.root).map_or(0, |below| below.iter().count());
        let mut words = OsString::from("../".repeat(below));
        words.push(word);
        words
    }

    /// Applies the settings of `[store]`, unless the user named the store for this call; `cache` is the value of
    /// `XDG_CACHE_HOME`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] where the settings are invalid; another kind where the directory is not available.
    pub fn place_store(&mut self, settings: &StoreSettings, cache: Option<&OsStr>) -> Result<()> {
        let name = settings.name.as_deref();
        match settings.dir.as_deref() {
            None | Some("project") if name.is_some() => {
                Err(Error::usage("cashet.toml: name in [store] needs dir = \"user\""))
            }
            None | Some("project") => Ok(()),
            Some("user") => {
                if !self.store_is_named {
                    let home = self.places.home.as_deref();
                    self.store = user_store::directory(&self.places.root, name, cache, home)?;
                }
                Ok(())
            }
            Some(_) => Err(Error::usage("cashet.toml: dir in [store] is neither \"project\" nor \"user\"")
                .with_hint("--store or CASHET_DIR name any directory")),
        }
    }

    /// The program's directory in the user's cache directory; `cache` is the value of `XDG_CACHE_HOME`.
    #[must_use]
    pub fn user_cache(&self, cache: Option<&OsStr>) -> Option<PathBuf> {
        let cache = cache.map(PathBuf::from).filter(|cache| cache.is_absolute());
        let cache = cache.or_else(|| self.places.home.as_ref().map(|home| home.join(".cache")));
        cache.map(|cache| cache.join("cashet"))
    }

    /// Reads the root's `cashet.toml`; the settings are empty where it does not exist.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] with the position in the file when it is malformed; the I/O error when it exists and cannot
    /// be read.
    pub fn settings(&self) -> Result<Settings> {
        let path = self.places.root.join(SETTINGS_NAME);
        let text = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        // Most often the file is empty and only marks the root.
        if text.trim_ascii().is_empty() {
            return Ok(Settings::default());
        }
        let malformed = |reason: String| {
            Error::usage(format!("{}: {reason}", path.display()))
                .with_hint("the manual's section on cashet.toml shows every setting")
        };
        let text = String::from_utf8(text).map_err(|_| malformed("not UTF-8".to_owned()))?;
        toml::from_str(&text).map_err(|error| {
            let line =
                error.span().and_then(|span| text.get(..span.start)).map(|before| before.split('\n').count());
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            malformed(place + &error.message().replace('\n', " "))
        })
    }
}

/// The nearest ancestor with a mark. HOME and `/` count only if they are the working directory, and the search stays on one
/// file system.
fn find_root(directory: &Path, home: Option<&Path>) -> PathBuf {
    let device_of = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    // Most calls start in a root, and then no other directory is looked at.
    let mut device = None;
    for ancestor in directory.ancestors() {
        let is_self = ancestor == directory;
        if !is_self && (Some(ancestor) == home || ancestor == Path::new("/")) {
            break;
        }
        if !is_self && device_of(ancestor) != *device.get_or_insert_with(|| device_of(directory)) {
            break;
        }
        if ROOT_MARKS.iter().any(|mark| fs::symlink_metadata(ancestor.join(mark)).is_ok()) {
            return ancestor.to_path_buf();
        }
    }
    directory.to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn project(directory: &Path) -> Project {
        Project::find(directory.to_path_buf(), None, None)
    }

    #[test]
    fn the_root_is_the_nearest_marked_ancestor() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(project(&inner).places.root, inner);
        fs::create_dir(outer.path().join(".git")).unwrap();
        assert_eq!(project(&inner).places.root, outer.path());
        fs::write(outer.path().join("a/cashet.toml"), "").unwrap();
        assert_eq!(project(&inner).places.root, outer.path().join("a"));
        assert_eq!(project(&inner).store, outer.path().join("a/.cashet"));
    }

    #[test]
    fn home_is_not_an_ancestor() {
        let home = tempfile::tempdir().unwrap();
        let inner = home.path().join("project");
        fs::create_dir_all(home.path().join(".git")).unwrap();
        fs::create_dir(&inner).unwrap();
        let found = Project::find(inner.clone(), Some(home.path().as_os_str()), None);
        assert_eq!(found.places.root, inner);
    }

    #[test]
    fn a_named_store_counts_from_the_directory() {
        let found = Project::find("/tmp".into(), None, Some(OsStr::new("x/y")));
        assert_eq!(found.store, Path::new("/tmp/x/y"));
        assert!(found.store_is_named);
    }

    #[test]
    fn settings_are_read_and_mistakes_are_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(SETTINGS_NAME);
        fs::write(
            &file,
            "[store]\nmax-size = \"1G\"\n[[command]]\nmatch = \"pytest\"\ninput = \"src/**\"\nttl = \"1d\"\n",
        )
        .unwrap();
        let settings = project(root.path()).settings().unwrap();
        assert_eq!(settings.store.max_size.as_deref(), Some("1G"));
        let first = settings.commands.first().unwrap();
        assert_eq!(first.exec.input.as_ref().map(Words::all), Some(["src/**".to_owned()].as_slice()));
        for (text, line) in [
            ("[exec]\nnonsense = 1\n", "line 2"),
            ("[exec\n", "line 1"),
            ("x = 1", "line 1"),
            ("[[command]]\nmatch = \"a\"\nnonsense = 1\n", "nonsense"),
            ("[[command]]\ninput = \"a\"\n", "match"),
        ] {
            fs::write(&file, text).unwrap();
            let error = project(root.path()).settings().unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
        fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(project(root.path()).settings().is_err());
    }

    #[test]
    fn shared_caches_are_one_table_or_several() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(SETTINGS_NAME);
        let urls = |text: &str| {
            fs::write(&file, text).unwrap();
            let found = project(root.path()).settings().map_err(|error| error.to_string())?;
            Ok::<_, String>(found.remotes.into_iter().map(|remote| remote.url).collect::<Vec<_>>())
        };
        assert_eq!(urls("[remote]\nurl = \"dir:/a\"\ntrust = \"any\"\nwrite = true\n").unwrap(), ["dir:/a"]);
        let two = "[[remote]]\nurl = \"dir:/a\"\n[[remote]]\nurl = \"dir:/b\"\ntrust = [\"x\"]\n";
        assert_eq!(urls(two).unwrap(), ["dir:/a", "dir:/b"]);
        assert_eq!(urls("[exec]\nsalt = \"x\"\n").unwrap(), Vec::<String>::new());
        for (wrong, named) in
            [("[remote]\nwrite = true\n", "url"), ("[remote]\nurl = \"x\"\nuri = 1\n", "uri")]
        {
            let error = urls(wrong).unwrap_err();
            assert!(error.contains(named) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_block_matches_program_script_or_leading_words() {
        let block =
            |pattern: &str| CommandSettings { pattern: pattern.to_owned(), exec: ExecSettings::default() };
        for (pattern, line, expected) in [
            ("pytest", "pytest -x", true),
            ("pytest", "/usr/bin/pytest", true),
            ("pytest", "python -m pytest", true),
            ("train.py", "python -u train.py --lr 1", true),
            ("python train.py", "python train.py --lr 1", true),
            ("python train.py", "python other.py", false),
            ("", "python", false),
        ] {
            assert_eq!(block(pattern).matches(&words(line)), expected, "{pattern} against {line}");
        }
    }
}
