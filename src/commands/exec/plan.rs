//! The settings of a call, from options, variables and `cashet.toml`: options take precedence over variables, and variables over the
//! file.

use crate::commands::options::{Flag, Scanned};
use crate::commands::values;
use crate::error::{Error, Result};
use crate::exec::Tty;
use crate::hash::globs::Patterns;
use crate::hash::ignored::Ignored;
use crate::hash::request::{Languages, Request, StdinPart};
use crate::memo::{Mode, Policy, Statuses, Watching, WrittenHits};
use crate::project::{ExecSettings, Project, Settings, Words};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The standard input of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StdinSource {
    /// Our own, unchanged.
    Inherit,
    /// `/dev/null`.
    Null,
    /// Our own, read to its end first.
    Spool,
    /// A file or a reference.
    Named(OsString),
}

/// Options about messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Showing {
    /// `--id`
    pub(super) id: bool,
    /// `--report`
    pub(super) report: Option<OsString>,
    /// `-v`
    pub(super) verbose: bool,
    /// `-q`
    pub(super) quiet: bool,
    /// `--explain`
    pub(super) explain: bool,
}

/// A call with all settings.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) request: Request,
    pub(super) policy: Policy,
    pub(super) stdin: StdinSource,
    pub(super) showing: Showing,
    /// The size beyond which results are dropped, in bytes.
    pub(super) max_size: Option<u64>,
    /// Whether records are flushed to disk.
    pub(super) durable: bool,
}

/// Reads one of cashet's variables. An empty one counts as unset.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The sources of settings, in order of precedence.
struct Sources<'a> {
    scanned: &'a Scanned,
    blocks: Vec<&'a ExecSettings>,
}

impl Sources<'_> {
    /// One value, from the option, the variable or the file, with the name for error messages.
    fn one(
        &self,
        flag: Flag,
        name: &'static str,
        variable_name: Option<&'static str>,
        from_file: impl Fn(&ExecSettings) -> Option<&String>,
    ) -> Result<Option<(String, String)>> {
        let text = |value: &OsStr, blame: String| match value.to_str() {
            Some(text) => Ok(Some((text.to_owned(), blame))),
            None => Err(Error::usage(format!("{blame}: not UTF-8"))),
        };
        if let Some(value) = self.scanned.last(flag) {
            return text(value, format!("--{name}"));
        }
        if let Some((name, value)) = variable_name.and_then(|name| Some((name, variable(name)?))) {
            return text(&value, name.to_owned());
        }
        let found = self.blocks.iter().find_map(|block| from_file(block));
        Ok(found.map(|value| (value.clone(), format!("cashet.toml: {name}"))))
    }

    /// All values: those of the file, relative to the root if a project is given, then those of the options.
    fn all(
        &self,
        flag: Flag,
        project: Option<&Project>,
        from_file: impl Fn(&ExecSettings) -> Option<&Words>,
    ) -> Vec<OsString> {
        let listed = self.blocks.iter().filter_map(|block| from_file(block)).flat_map(Words::all);
        let is_below_home = |word: &str| {
            matches!(flag, Flag::IgnoreWrite | Flag::IgnoreRead) && Patterns::is_below_home(word.as_ref())
        };
        let placed = listed.map(|word| match project {
            Some(project) if !is_below_home(word) => project.from_root(word),
            _ => OsString::from(word),
        });
        placed.chain(self.scanned.all(flag).map(OsStr::to_os_string)).collect()
    }

    fn flag(&self, flag: Flag, from_file: impl Fn(&ExecSettings) -> Option<bool>) -> bool {
        self.scanned.has(flag) || self.blocks.iter().find_map(|block| from_file(block)).unwrap_or(false)
    }
}

/// Determines the settings of a call.
///
/// # Errors
/// [`crate::error::Kind::Usage`] for the first value that is malformed, or options that contradict each other.
pub(super) fn plan(scanned: &Scanned, project: &Project, settings: &Settings) -> Result<Plan> {
    let block = settings.commands.iter().find(|block| block.matches(&scanned.words));
    let blocks = block.map(|block| &block.exec).into_iter().chain([&settings.exec]).collect();
    let sources = Sources { scanned, blocks };
    let root = Some(project);
    let (variables, environment) = environment(&sources.all(Flag::Env, None, |block| block.env.as_ref()))?;
    let stdin = stdin(&sources)?;
    let tty = tty(&sources)?;
    let request = Request {
        words: scanned.words.clone(),
        references: Vec::new(),
        directory: project.directory.clone(),
        places: project.places.clone(),
        environment,
        variables,
        inputs: sources.all(Flag::Input, root, |block| block.input.as_ref()),
        outputs: sources.all(Flag::Output, root, |block| block.output.as_ref()),
        tools: sources.all(Flag::Tool, None, |block| block.tool.as_ref()),
        stdin: if stdin == StdinSource::Null { StdinPart::Null } else { StdinPart::None },
        stdin_mentions: Vec::new(),
        salt: scanned
            .last(Flag::Salt)
            .map(OsStr::to_os_string)
            .or_else(|| sources.blocks.iter().find_map(|block| block.salt.as_ref()).map(OsString::from)),
        exact_source: sources.flag(Flag::ExactSource, |block| block.exact_source),
        literal: scanned.has(Flag::Literal),
        env_strict: sources.flag(Flag::EnvStrict, |block| block.env_strict),
        always_terminal: matches!(tty, Tty::These(..)),
        exact_state: sources.flag(Flag::ExactState, |block| block.exact_state),
        redactions: sources.all(Flag::Redact, None, |block| block.redact.as_ref()),
        ignored: Ignored {
            writes: sources.all(Flag::IgnoreWrite, root, |block| block.ignore_write.as_ref()),
            reads: sources.all(Flag::IgnoreRead, root, |block| block.ignore_read.as_ref()),
            variables: sources.all(Flag::IgnoreEnv, None, |block| block.ignore_env.as_ref()),
            arguments: sources.all(Flag::IgnoreArg, None, |block| block.ignore_arg.as_ref()),
        },
        words_are_inputs: sources.flag(Flag::Pure, |block| block.pure),
        languages: Languages::default(),
    };
    let policy = Policy { tty, ..policy(&sources)? };
    check(&request, &policy)?;
    // Checked before anything is run or written.
    request.ignored.written(&request.directory, &request.places)?;
    request.ignored.read(&request.directory, &request.places)?;
    let max_size = match variable("CASHET_MAX_SIZE") {
        Some(value) => Some((value.to_string_lossy().into_owned(), "CASHET_MAX_SIZE")),
        None => settings.store.max_size.clone().map(|value| (value, "cashet.toml: max-size")),
    };
    let max_size = max_size.map(|(value, blame)| values::size(&value).map_err(|error| blamed(blame, &error)));
    let report = scanned.last(Flag::Report).map(OsStr::to_os_string).or_else(|| variable("CASHET_REPORT"));
    Ok(Plan {
        request,
        policy,
        stdin,
        showing: Showing {
            id: scanned.has(Flag::Id),
            report,
            verbose: scanned.has(Flag::Verbose),
            quiet: scanned.has(Flag::Quiet),
            explain: scanned.has(Flag::Explain),
        },
        max_size: max_size.transpose()?,
        durable: settings.store.durable,
    })
}

fn blamed(blame: &str, error: &Error) -> Error {
    let wrong = Error::usage(format!("{blame}: {error}"));
    match error.hint() {
        Some(hint) => wrong.with_hint(hint),
        None => wrong,
    }
}

/// Names and values.
type Environment = Vec<(OsString, OsString)>;

/// The names of `--env` and the environment with what `NAME=VALUE` sets.
fn environment(given: &[OsString]) -> Result<(Vec<OsString>, Environment)> {
    let mut environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let mut names = Vec::new();
    for word in given {
        let bytes = word.as_bytes();
        let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
            Some(place) => (bytes.get(..place).unwrap_or_default(), bytes.get(place + 1..)),
            None => (bytes, None),
        };
        let is_name = !name.is_empty() && !name.contains(&0);
        let is_pattern = name.contains(&b'*') || name.contains(&b'?');
        if !is_name || (is_pattern && value.is_some()) {
            return Err(Error::usage(format!("--env: {} names no variable", word.display()))
                .with_hint("NAME, a pattern such as 'CUDA_*', or NAME=VALUE"));
        }
        let name = OsString::from_vec(name.to_vec());
        if let Some(value) = value {
            environment.retain(|(known, _)| *known != name);
            environment.push((name.clone(), OsString::from_vec(value.to_vec())));
        }
        names.push(name);
    }
    Ok((names, environment))
}

fn stdin(sources: &Sources<'_>) -> Result<StdinSource> {
    let scanned = sources.scanned;
    match (scanned.has(Flag::Stdin), scanned.has(Flag::NoStdin)) {
        (true, true) => {
            return Err(
                Error::usage("--stdin and --no-stdin contradict each other").with_hint("give one of them")
            );
        }
        (true, false) => {
            let named = scanned.last(Flag::Stdin).map(|word| StdinSource::Named(word.to_os_string()));
            return Ok(named.unwrap_or(StdinSource::Spool));
        }
        (false, true) => return Ok(StdinSource::Null),
        (false, false) => {}
    }
    let set = sources.blocks.iter().find_map(|block| block.stdin.clone());
    let default = variable("CASHET_STDIN")
        .map(|value| (value.to_string_lossy().into_owned(), "CASHET_STDIN"))
        .or_else(|| set.map(|value| (value, "cashet.toml: stdin")));
    match default {
        None => Ok(StdinSource::Inherit),
        Some((value, blame)) => match value.as_str() {
            "hash" => Ok(StdinSource::Spool),
            "null" => Ok(StdinSource::Null),
            "inherit" => Ok(StdinSource::Inherit),
            _ => Err(Error::usage(format!("{blame}: {value} is not one of hash, null, inherit"))
                .with_hint("hash makes standard input count, null gives the command /dev/null")),
        },
    }
}

/// For which hits the output is written.
fn written_hits(sources: &Sources<'_>) -> Result<WrittenHits> {
    match sources.blocks.iter().find_map(|block| block.replay.as_deref()) {
        None | Some("full") => Ok(WrittenHits::All),
        Some("errors") => Ok(WrittenHits::Failed),
        Some("none") => Ok(WrittenHits::None),
        Some(other) => {
            Err(Error::usage(format!("cashet.toml: replay: {other} is not one of full, errors, none"))
                .with_hint("errors writes the output of hits whose status is not 0"))
        }
    }
}

/// Whether the command has a terminal; `--tty` alone is `--tty=always`.
fn tty(sources: &Sources<'_>) -> Result<Tty> {
    let always = Tty::These([true; 2], None);
    if sources.scanned.has(Flag::Tty) && sources.scanned.last(Flag::Tty).is_none() {
        return Ok(always);
    }
    let set = sources.one(Flag::Tty, "tty", None, |block| block.tty.as_ref())?;
    let Some((value, blame)) = set else { return Ok(Tty::Auto) };
    match value.as_str() {
        "auto" => Ok(Tty::Auto),
        "always" => Ok(always),
        "never" => Ok(Tty::Never),
        _ => Err(Error::usage(format!("{blame}: {value} is not one of auto, always, never"))
            .with_hint("auto gives it a terminal for each of stdout and stderr that is one")),
    }
}

fn policy(sources: &Sources<'_>) -> Result<Policy> {
    let scanned = sources.scanned;
    let mode = sources.one(Flag::Mode, "mode", Some("CASHET_MODE"), |block| block.mode.as_ref())?;
    let mode = match mode {
        None => Mode::Auto,
        Some((value, blame)) => match value.as_str() {
            "auto" => Mode::Auto,
            "refresh" => Mode::Refresh,
            "read" => Mode::Read,
            "replay" => Mode::Replay,
            "off" => Mode::Off,
            _ => {
                return Err(Error::usage(format!("{blame}: there is no mode {value}"))
                    .with_hint("auto, refresh, read, replay or off"));
            }
        },
    };
    let mode = match (scanned.has(Flag::Force), scanned.has(Flag::Mode)) {
        (true, true) if mode != Mode::Refresh => {
            return Err(Error::usage("--force and --mode contradict each other")
                .with_hint("--force is --mode refresh: give one of them"));
        }
        (true, _) => Mode::Refresh,
        (false, _) => mode,
    };
    let watching = sources.one(Flag::Trace, "trace", None, |block| block.trace.as_ref())?;
    let watching = match watching {
        None => Watching::Auto,
        Some((value, blame)) => match value.as_str() {
            "auto" => Watching::Auto,
            "off" => Watching::Off,
            "require" => Watching::Require,
            _ => {
                return Err(Error::usage(format!("{blame}: {value} is not one of auto, off, require"))
                    .with_hint("auto watches where it can"));
            }
        },
    };
    let time = |found: Option<(String, String)>| {
        let read = |(value, blame): (String, String)| {
            values::duration(&value).map_err(|error| blamed(&blame, &error))
        };
        found.map(read).transpose()
    };
    let kept = sources.one(Flag::CacheExit, "cache-exit", None, |block| block.cache_exit.as_ref())?;
    let kept_statuses = match kept {
        None => Statuses::default(),
        Some((value, blame)) => Statuses::parse(&value).ok_or_else(|| {
            Error::usage(format!("{blame}: {value} is not a list of exit statuses"))
                .with_hint("numbers and ranges from 0 to 255, such as 0,1,3-5")
        })?,
    };
    let tags = sources.all(Flag::Tag, None, |block| block.tag.as_ref());
    let tags = tags.iter().map(|tag| match tag.to_str() {
        Some(text) => values::tag(text),
        None => Err(Error::usage(format!("--tag: {} is not UTF-8", tag.display()))),
    });
    Ok(Policy {
        mode,
        history_only: scanned.has(Flag::NoCache),
        no_wait: scanned.has(Flag::NoWait),
        time_to_live: time(sources.one(Flag::Ttl, "ttl", Some("CASHET_TTL"), |block| block.ttl.as_ref())?)?,
        stale_after: time(sources.one(Flag::Stale, "stale", None, |block| block.stale.as_ref())?)?,
        watching,
        tty: Tty::Auto,
        written_hits: written_hits(sources)?,
        toolchains: Vec::new(),
        pure: sources.flag(Flag::Pure, |block| block.pure),
        allow_network: sources.flag(Flag::AllowNet, |block| block.allow_net),
        clean_outputs: sources.flag(Flag::CleanOutputs, |block| block.clean_outputs),
        kept_statuses,
        tags: tags.collect::<Result<_>>()?,
        only_key: None,
        is_own_run: false,
    })
}

/// Refuses options that contradict each other.
fn check(request: &Request, policy: &Policy) -> Result<()> {
    let contradiction = |what: &str, hint: &str| Err(Error::usage(what).with_hint(hint));
    if request.redactions.iter().any(|redaction| redaction.is_empty()) {
        return contradiction("cashet.toml: redact: it is empty", "text, an option's name, or NAME=");
    }
    if policy.history_only && matches!(policy.mode, Mode::Read | Mode::Replay) {
        return contradiction("--no-cache records, and this mode does not", "leave one of them out");
    }
    if policy.stale_after.is_some() && !request.outputs.is_empty() {
        return contradiction(
            "--stale is not for commands with outputs",
            "--ttl runs them again when they are too old",
        );
    }
    if let (Some(stale), Some(live)) = (policy.stale_after, policy.time_to_live)
        && stale >= live
    {
        return contradiction(
            "--stale must be shorter than --ttl",
            "between the two, results are replayed and refreshed",
        );
    }
    if policy.clean_outputs && request.outputs.is_empty() {
        return contradiction("--clean-outputs needs --output", "say which files the command makes");
    }
    Ok(())
}
