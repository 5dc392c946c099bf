//! The location of a call: the root of the project, the store's directory, and `cashet.toml`.
//!
//! Settings are read as text: durations, sizes and patterns are parsed elsewhere.

mod user_store;

use crate::error::{Error, Result};
use crate::record::Places;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
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

/// Contents of `cashet.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `[exec]`: defaults for every command.
    pub exec: ExecSettings,
    /// `[store]`.
    pub store: StoreSettings,
    /// `[[command]]`: settings for matching commands.
    #[serde(rename = "command")]
    pub commands: Vec<CommandSettings>,
    /// `[remote]`, or several `[[remote]]`, asked in this order.
    #[serde(rename = "remote", deserialize_with = "one_or_several")]
    pub remotes: Vec<RemoteSettings>,
    /// `[metrics]`: the name of each number that runs give as their result, and where it is found.
    pub metrics: BTreeMap<String, String>,
    /// `[executors.NAME]`: where commands can run elsewhere.
    pub executors: BTreeMap<String, ExecutorSettings>,
}

/// `[executors.NAME]`: something that runs jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ExecutorSettings {
    /// `slurm`, `launcher` or `reapi`.
    pub kind: String,
    /// Of a server of the Bazel remote-execution API: where it is, `grpc://HOST:PORT`.
    pub address: Option<String>,
    /// Of such a server: the instance.
    pub instance: Option<String>,
    /// Of such a server: properties of the workers.
    pub platform: BTreeMap<String, String>,
    /// Of such a server: what stands for the system of its workers, a name or `auto`.
    pub toolchain: Option<String>,
    /// Of such a server: certificates to trust in place of the system's.
    pub ca: Option<PathBuf>,
    /// `--ship`
    pub ship: Option<String>,
    /// Of a launcher: the shell command that submits a job, with `{cmd}` or `{line}`.
    pub submit: Option<String>,
    /// Of a launcher: the shell command that tells whether the job `{id}` goes on.
    pub status: Option<String>,
    /// Of a launcher: the shell command that ends a job.
    pub cancel: Option<String>,
    /// Of a launcher: whether the command has our environment, which goes through the standard input of `submit`.
    pub send_environment: bool,
    /// The path of `cashet` there; without it that of this program.
    pub cashet: Option<String>,
    /// Of Slurm: further options of `sbatch`, as one text.
    pub sbatch: Option<String>,
    /// `--gpus`
    #[serde(deserialize_with = "text_or_number")]
    pub gpus: Option<String>,
    /// `--cpus`
    #[serde(deserialize_with = "text_or_number")]
    pub cpus: Option<String>,
    /// `--mem`
    #[serde(deserialize_with = "text_or_number")]
    pub mem: Option<String>,
    /// `--time`
    #[serde(deserialize_with = "text_or_number")]
    pub time: Option<String>,
    /// `--partition`
    pub partition: Option<String>,
    /// So many jobs of a sweep run at a time.
    pub at_most: Option<u32>,
}

/// A resource may be written as a number.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => Ok(Some(text)),
        toml::Value::Integer(number) => Ok(Some(number.to_string())),
        _ => Err(D::Error::custom("it is neither text nor a whole number")),
    }
}

/// `[store]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct StoreSettings {
    /// The size above which least recently used results are evicted: `20G`.
    pub max_size: Option<String>,
    /// Whether every record is flushed to disk before the call returns.
    pub durable: bool,
    /// `project`: in `.cashet` at the root; `user`: in the user's cache directory, shared by all clones and work trees.
    pub dir: Option<String>,
    /// The name of the store there, in place of one derived from the repository.
    pub name: Option<String>,
}

/// `[remote]`: a cache that several machines share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoteSettings {
    /// Its address.
    pub url: String,
    /// Whether results are written to it.
    #[serde(default)]
    pub write: bool,
    /// Keys of those whose results are used, or `any`.
    pub trust: Option<Words>,
    /// `later`: in the background; `wait`: before the call ends.
    pub upload: Option<String>,
    /// Certificates to trust in place of the system's.
    pub ca: Option<PathBuf>,
    /// What stands for the files of the system, which are not compared then: a name, or `auto`.
    pub toolchain: Option<String>,
}

/// One table, or a list of them.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RemoteSettings>, D::Error> {
    let tables = match toml::Value::deserialize(deserializer)? {
        toml::Value::Array(tables) => tables,
        table => vec![table],
    };
    let read = |table: toml::Value| table.try_into().map_err(|error| D::Error::custom(error.message()));
    tables.into_iter().map(read).collect()
}

/// One `[[command]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSettings {
    /// `match`: program, script path, or leading words.
    pub pattern: String,
    /// The settings.
    pub exec: ExecSettings,
}

impl<'de> Deserialize<'de> for CommandSettings {
    /// Parses `match` and the settings of `[exec]` from one table: serde cannot reject unknown names in a flattened table.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let Some(toml::Value::String(pattern)) = table.remove("match") else {
            return Err(D::Error::custom("a [[command]] needs match = \"…\""));
        };
        let exec = ExecSettings::deserialize(table).map_err(|error| D::Error::custom(error.message()))?;
        Ok(Self { pattern, exec })
    }
}

/// One pattern or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Words {
    /// `"a"`
    One(String),
    /// `["a", "b"]`
    Many(Vec<String>),
}

impl Words {
    /// The patterns as a slice.
    #[must_use]
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }
}

/// Settings for running a command, named like the options of `exec`. Patterns are relative to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ExecSettings {
    /// `--input`
    pub input: Option<Words>,
    /// `--output`
    pub output: Option<Words>,
    /// `--env`
    pub env: Option<Words>,
    /// `--tool`
    pub tool: Option<Words>,
    /// `--ignore-write`
    pub ignore_write: Option<Words>,
    /// `--ignore-read`
    pub ignore_read: Option<Words>,
    /// `--ignore-env`
    pub ignore_env: Option<Words>,
    /// `--ignore-arg`
    pub ignore_arg: Option<Words>,
    /// `--tag`
    pub tag: Option<Words>,
    /// `--redact`
    pub redact: Option<Words>,
    /// `hash`, `null` or `inherit`
    pub stdin: Option<String>,
    /// `--salt`
    pub salt: Option<String>,
    /// `--pure`
    pub pure: Option<bool>,
    /// `--env-strict`
    pub env_strict: Option<bool>,
    /// `--exact-state`
    pub exact_state: Option<bool>,
    /// `--tty`
    pub tty: Option<String>,
    /// `--exact-source`
    pub exact_source: Option<bool>,
    /// `--trace`
    pub trace: Option<String>,
    /// `--allow-net`
    pub allow_net: Option<bool>,
    /// `--clean-outputs`
    pub clean_outputs: Option<bool>,
    /// `--cache-exit`
    pub cache_exit: Option<String>,
    /// `--mode`
    pub mode: Option<String>,
    /// `--ttl`
    pub ttl: Option<String>,
    /// `--stale`
    pub stale: Option<String>,
    /// Of which hits the output is written: `full`, `errors` or `none`
    pub replay: Option<String>,
}

impl CommandSettings {
    /// Whether this block applies to a command with these words: its leading words equal the pattern, or the pattern is the
    /// program's name, or the first word after the program that is not an option (a script or module).
    #[must_use]
    pub fn matches(&self, words: &[OsString]) -> bool {
        let pattern: Vec<&str> = self.pattern.split_whitespace().collect();
        let leading =
            words.iter().zip(&pattern).filter(|(word, part)| word.as_os_str() == OsStr::new(part)).count();
        if !pattern.is_empty() && leading == pattern.len() {
            return true;
        }
        let [pattern] = pattern.as_slice() else { return false };
        let program = words.first().map(Path::new).and_then(Path::file_name);
        let script = words.iter().skip(1).find(|word| !word.as_encoded_bytes().starts_with(b"-"));
        program == Some(OsStr::new(pattern))
            || script.is_some_and(|word| word.as_os_str() == OsStr::new(pattern))
    }
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
