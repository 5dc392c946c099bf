//! Every option of `exec`, `check` and `audit`: names, value and help.

/// An option of `exec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// `--input`
    Input,
    /// `--output`
    Output,
    /// `--env`
    Env,
    /// `--tool`
    Tool,
    /// `--stdin`
    Stdin,
    /// `--no-stdin`
    NoStdin,
    /// `--salt`
    Salt,
    /// `--pure`
    Pure,
    /// `--literal`
    Literal,
    /// `--env-strict`
    EnvStrict,
    /// `--exact-source`
    ExactSource,
    /// `--exact-state`
    ExactState,
    /// `--tty`
    Tty,
    /// `--trace`
    Trace,
    /// `--allow-net`
    AllowNet,
    /// `--ignore-write`
    IgnoreWrite,
    /// `--ignore-read`
    IgnoreRead,
    /// `--ignore-env`
    IgnoreEnv,
    /// `--ignore-arg`
    IgnoreArg,
    /// `--clean-outputs`
    CleanOutputs,
    /// `--cache-exit`
    CacheExit,
    /// `--mode`
    Mode,
    /// `--force`
    Force,
    /// `--no-cache`
    NoCache,
    /// `--no-wait`
    NoWait,
    /// `--no-remote`
    NoRemote,
    /// `--ttl`
    Ttl,
    /// `--stale`
    Stale,
    /// `--tag`
    Tag,
    /// `--redact`
    Redact,
    /// `--on`
    On,
    /// `--detach`
    Detach,
    /// `--latest`
    Latest,
    /// `--snapshot`
    Snapshot,
    /// `--gpus`
    Gpus,
    /// `--cpus`
    Cpus,
    /// `--mem`
    Mem,
    /// `--time`
    Time,
    /// `--partition`
    Partition,
    /// `--sbatch`
    Sbatch,
    /// `--ship`
    Ship,
    /// `--id`
    Id,
    /// `--report`
    Report,
    /// `--store`
    Store,
    /// `--verbose`
    Verbose,
    /// `--quiet`
    Quiet,
    /// `--explain`
    Explain,
}

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// No value; giving it twice has a stronger effect.
    Twice,
    Value(&'static str),
    /// Only in the form `--option=value`.
    OptionalValue(&'static str),
}

/// One option.
pub(super) struct Row {
    pub(super) flag: Flag,
    pub(super) long: &'static str,
    pub(super) short: Option<u8>,
    pub(super) takes: Takes,
    pub(super) help: &'static str,
}

const fn row(flag: Flag, long: &'static str, short: Option<u8>, takes: Takes, help: &'static str) -> Row {
    Row { flag, long, short, takes, help }
}

/// Every option, in the order of the help.
pub(super) const TABLE: &[Row] = &[
    row(Flag::Input, "input", Some(b'i'), Takes::Value("PATH"), "An input: a file, directory or glob"),
    row(Flag::Output, "output", Some(b'o'), Takes::Value("PATH"), "An output: a file, directory or glob"),
    row(
        Flag::Env,
        "env",
        Some(b'e'),
        Takes::Value("NAME[=VALUE]"),
        "A variable to depend on, or a pattern ('CUDA_*'); =VALUE also sets it",
    ),
    row(Flag::Tool, "tool", None, Takes::Value("PROGRAM"), "Another program to depend on, by content"),
    row(
        Flag::Stdin,
        "stdin",
        None,
        Takes::OptionalValue("PATH"),
        "Depend on standard input; =PATH or =cashet:REV[:PATH] also provides it",
    ),
    row(
        Flag::NoStdin,
        "no-stdin",
        Some(b'n'),
        Takes::Nothing,
        "Give the command /dev/null as standard input",
    ),
    row(Flag::Salt, "salt", None, Takes::Value("TEXT"), "Extra text for the cache key"),
    row(Flag::Pure, "pure", None, Takes::Nothing, "Depend only on what is declared"),
    row(Flag::Literal, "literal", None, Takes::Nothing, "Pass arguments such as cashet:latest as they are"),
    row(
        Flag::EnvStrict,
        "env-strict",
        None,
        Takes::Nothing,
        "Hide variables from the command, except dependencies, PATH, HOME, ...",
    ),
    row(
        Flag::ExactSource,
        "exact-source",
        None,
        Takes::Nothing,
        "Compare source code byte for byte, comments and layout included",
    ),
    row(
        Flag::ExactState,
        "exact-state",
        None,
        Takes::Nothing,
        "Replay only if each output file is as it was before the run",
    ),
    row(
        Flag::Tty,
        "tty",
        None,
        Takes::OptionalValue("WHEN"),
        "Give the command a terminal: auto (if the call has one), always, never",
    ),
    row(Flag::Trace, "trace", None, Takes::Value("WHEN"), "Watch the run: auto, off or require"),
    row(Flag::AllowNet, "allow-net", None, Takes::Nothing, "Keep the result although the network was used"),
    row(
        Flag::IgnoreWrite,
        "ignore-write",
        None,
        Takes::Value("GLOB"),
        "Ignore writes to matching paths; absolute and ~/ patterns work too",
    ),
    row(
        Flag::IgnoreRead,
        "ignore-read",
        None,
        Takes::Value("GLOB"),
        "Do not depend on matching paths; absolute and ~/ patterns work too",
    ),
    row(
        Flag::IgnoreEnv,
        "ignore-env",
        None,
        Takes::Value("NAME"),
        "Do not depend on a variable, or on all that match a pattern ('CI_*')",
    ),
    row(
        Flag::IgnoreArg,
        "ignore-arg",
        None,
        Takes::Value("OPTION"),
        "Ignore an option (=--quiet), or one with its value (='--threads N')",
    ),
    row(
        Flag::CleanOutputs,
        "clean-outputs",
        None,
        Takes::Nothing,
        "Move declared outputs away before the run, and back if it fails",
    ),
    row(
        Flag::CacheExit,
        "cache-exit",
        None,
        Takes::Value("LIST"),
        "Exit statuses to cache: 0 (default), 0,1,3-5",
    ),
    row(
        Flag::Mode,
        "mode",
        None,
        Takes::Value("MODE"),
        "auto, refresh (always run), read (never record), replay (never run) or off",
    ),
    row(
        Flag::Force,
        "force",
        Some(b'f'),
        Takes::Nothing,
        "Run again and record the new result: --mode refresh",
    ),
    row(Flag::NoCache, "no-cache", None, Takes::Nothing, "Always run; record for the history only"),
    row(
        Flag::NoWait,
        "no-wait",
        None,
        Takes::Nothing,
        "Do not wait for an identical run in progress: run, and do not record",
    ),
    row(Flag::NoRemote, "no-remote", None, Takes::Nothing, "Do not read or write shared caches"),
    row(
        Flag::Ttl,
        "ttl",
        None,
        Takes::Value("TIME"),
        "Replay only results younger than this: 30s, 5m, 1h, 1d",
    ),
    row(
        Flag::Stale,
        "stale",
        None,
        Takes::Value("TIME"),
        "Replay results older than this at once, and refresh them in the background",
    ),
    row(
        Flag::Tag,
        "tag",
        Some(b't'),
        Takes::Value("KEY[=VALUE]"),
        "Tag the run; not part of the cache key; 'keep' protects it from gc",
    ),
    row(
        Flag::Redact,
        "redact",
        None,
        Takes::Value("WORD"),
        "Keep a text, or the value of =--token or TOKEN=, out of the record",
    ),
    row(
        Flag::On,
        "on",
        None,
        Takes::Value("NAME"),
        "Run misses on another machine, as [executors.NAME] in cashet.toml says",
    ),
    row(
        Flag::Detach,
        "detach",
        None,
        Takes::Nothing,
        "Submit the job and return; the same call attaches to it later",
    ),
    row(
        Flag::Latest,
        "latest",
        None,
        Takes::Nothing,
        "Run the code as it is when the job starts, even if edited after submission",
    ),
    row(
        Flag::Snapshot,
        "snapshot",
        None,
        Takes::Nothing,
        "Run a copy of the project as it is now, even if edited later",
    ),
    row(
        Flag::Gpus,
        "gpus",
        None,
        Takes::Value("N"),
        "GPUs of the job; resources are not part of the cache key",
    ),
    row(Flag::Cpus, "cpus", None, Takes::Value("N"), "Processors (CPU cores) of the job"),
    row(Flag::Mem, "mem", None, Takes::Value("SIZE"), "Memory of the job: 16G"),
    row(Flag::Time, "time", None, Takes::Value("TIME"), "Time limit of the job: 30m, 4h, 1d"),
    row(Flag::Partition, "partition", None, Takes::Value("NAME"), "Partition, or queue, of the job"),
    row(
        Flag::Sbatch,
        "sbatch",
        None,
        Takes::Value("OPTIONS"),
        "Further options of sbatch, in one word: --sbatch='--qos=high'",
    ),
    row(
        Flag::Ship,
        "ship",
        None,
        Takes::Value("git"),
        "Ship what git tracks to a server that shares no files",
    ),
    row(Flag::Id, "id", None, Takes::Nothing, "Print the hash of the run in place of the command's stdout"),
    row(Flag::Report, "report", None, Takes::Value("FILE"), "Write one JSON object about this call"),
    row(Flag::Store, "store", None, Takes::Value("DIR"), "Directory of the store"),
    row(
        Flag::Verbose,
        "verbose",
        Some(b'v'),
        Takes::Nothing,
        "Print the status line even if stderr is not a terminal",
    ),
    row(Flag::Quiet, "quiet", Some(b'q'), Takes::Twice, "Print errors only; -qq prints nothing at all"),
    row(
        Flag::Explain,
        "explain",
        None,
        Takes::Nothing,
        "Explain the hit or miss, and list what the result depends on",
    ),
];
