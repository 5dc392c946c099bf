//! What `cashet.toml` says, as text: durations, sizes and patterns are parsed elsewhere.

use crate::error::Result;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

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
    /// The store there, absolute; without it that of the call, which both machines have.
    pub store: Option<PathBuf>,
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
