//! Every option of `exec`, `check` and `audit`: its names, what it takes, what it is for.

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
    /// `--ttl`
    Ttl,
    /// `--stale`
    Stale,
    /// `--tag`
    Tag,
    /// `--redact`
    Redact,
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
    row(
        Flag::Input,
        "input",
        Some(b'i'),
        Takes::Value("PATH"),
        "A file, directory or glob that decides the result",
    ),
    row(
        Flag::Output,
        "output",
        Some(b'o'),
        Takes::Value("PATH"),
        "A file, directory or glob that the command makes",
    ),
    row(
        Flag::Env,
        "env",
        Some(b'e'),
        Takes::Value("NAME[=VALUE]"),
        "A variable that decides the result, or a pattern such as 'CUDA_*'; with =VALUE it is also set",
    ),
    row(Flag::Tool, "tool", None, Takes::Value("PROGRAM"), "A program whose content decides the result"),
    row(
        Flag::Stdin,
        "stdin",
        None,
        Takes::OptionalValue("PATH"),
        "Standard input decides the result; =PATH or =cashet:REV[:PATH] reads it from there",
    ),
    row(Flag::NoStdin, "no-stdin", Some(b'n'), Takes::Nothing, "The command reads /dev/null"),
    row(Flag::Salt, "salt", None, Takes::Value("TEXT"), "Any text that is to tell this result from others"),
    row(Flag::Pure, "pure", None, Takes::Nothing, "Nothing decides the result but what is declared"),
    row(
        Flag::Literal,
        "literal",
        None,
        Takes::Nothing,
        "Words such as cashet:latest are text, not results of earlier runs",
    ),
    row(
        Flag::EnvStrict,
        "env-strict",
        None,
        Takes::Nothing,
        "The command gets only the variables that count and what every program needs",
    ),
    row(
        Flag::ExactSource,
        "exact-source",
        None,
        Takes::Nothing,
        "Sources count byte for byte, comments and layout included",
    ),
    row(
        Flag::ExactState,
        "exact-state",
        None,
        Takes::Nothing,
        "Replay only where the files that the command writes are as they were before the run",
    ),
    row(Flag::Trace, "trace", None, Takes::Value("WHEN"), "Watch the run: auto, off or require"),
    row(Flag::AllowNet, "allow-net", None, Takes::Nothing, "Use of the network does not matter"),
    row(
        Flag::IgnoreWrite,
        "ignore-write",
        None,
        Takes::Value("GLOB"),
        "A path that the command writes and that is no output; also absolute, or below ~",
    ),
    row(
        Flag::IgnoreRead,
        "ignore-read",
        None,
        Takes::Value("GLOB"),
        "A path whose content, presence and times decide nothing; also absolute, or below ~",
    ),
    row(
        Flag::IgnoreEnv,
        "ignore-env",
        None,
        Takes::Value("NAME"),
        "A variable whose value decides nothing, or a pattern such as 'CI_*'",
    ),
    row(
        Flag::IgnoreArg,
        "ignore-arg",
        None,
        Takes::Value("OPTION"),
        "An option of the command that decides nothing (=--quiet), or one with its value (='--threads N')",
    ),
    row(
        Flag::CleanOutputs,
        "clean-outputs",
        None,
        Takes::Nothing,
        "Move declared outputs aside before the run, and back if it fails",
    ),
    row(
        Flag::CacheExit,
        "cache-exit",
        None,
        Takes::Value("LIST"),
        "Exit statuses that are kept: 0 (default), 0,1,3-5",
    ),
    row(Flag::Mode, "mode", None, Takes::Value("MODE"), "auto, refresh, read, replay or off"),
    row(Flag::Force, "force", Some(b'f'), Takes::Nothing, "Run and record anew: --mode refresh"),
    row(
        Flag::NoCache,
        "no-cache",
        None,
        Takes::Nothing,
        "Always run; recorded for the history, never replayed",
    ),
    row(
        Flag::NoWait,
        "no-wait",
        None,
        Takes::Nothing,
        "Do not wait for an identical call that is running: run beside it, unrecorded",
    ),
    row(Flag::Ttl, "ttl", None, Takes::Value("TIME"), "Replay only what is younger: 30s, 5m, 1h, 1d"),
    row(
        Flag::Stale,
        "stale",
        None,
        Takes::Value("TIME"),
        "Older than this: replayed at once, refreshed in the background",
    ),
    row(
        Flag::Tag,
        "tag",
        Some(b't'),
        Takes::Value("KEY[=VALUE]"),
        "Metadata of the commit, never in the key; keep exempts from collection",
    ),
    row(
        Flag::Redact,
        "redact",
        None,
        Takes::Value("WORD"),
        "Text that is never stored with the words, or an option (=--token) or variable (TOKEN=) whose value is not",
    ),
    row(Flag::Id, "id", None, Takes::Nothing, "Print the commit's hash in place of the command's stdout"),
    row(Flag::Report, "report", None, Takes::Value("FILE"), "Write one JSON object about this call"),
    row(Flag::Store, "store", None, Takes::Value("DIR"), "The store's directory"),
    row(
        Flag::Verbose,
        "verbose",
        Some(b'v'),
        Takes::Nothing,
        "Print the status line even when stderr is no terminal",
    ),
    row(Flag::Quiet, "quiet", Some(b'q'), Takes::Nothing, "Print nothing but errors"),
    row(Flag::Explain, "explain", None, Takes::Nothing, "Say in full why, and what is being watched"),
];
