//! A launcher: commands of the user's that submit a job, tell whether it is in progress, and cancel it.
//!
//! Without `status`, `submit` is expected to wait for the job (ssh, `kubectl exec`). Its end says that waiting is over, and
//! nothing about the job. With `status`, `submit` prints the id of a job that continues without it.

use super::call::Call;
use super::engine::{Engine, Job, State};
use super::lock::Lock;
use super::place::Place;
use super::program::{self, Ended};
use super::quote::quoted;
use super::resources::Resources;
use crate::error::{Error, Kind, Result};
use crate::project::ExecutorSettings;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Time limit of each of the user's commands that does not wait for the job.
const LIMIT: Duration = Duration::from_mins(1);

/// The exit status of `status` for a job that has ended. 0 means that it has not; any other status means that the state is unknown.
const OVER: i32 = 1;

/// A launcher with its commands.
#[derive(Debug)]
pub(super) struct Launcher {
    name: String,
    submit: String,
    status: Option<String>,
    cancel: Option<String>,
    sends_environment: bool,
    variables: Vec<(OsString, OsString)>,
    program: PathBuf,
}

impl Launcher {
    pub(super) fn new(
        name: &str,
        settings: &ExecutorSettings,
        resources: &Resources,
        program: PathBuf,
    ) -> Result<Self> {
        let Some(submit) = settings.submit.clone() else {
            let wrong = format!("cashet.toml: [executors.{name}] has no submit");
            return Err(Error::usage(wrong).with_hint("submit = \"ssh node -- {line}\""));
        };
        if !submit.contains("{cmd}") && !submit.contains("{line}") {
            let wrong = format!("cashet.toml: submit in [executors.{name}] has neither {{cmd}} nor {{line}}");
            return Err(Error::usage(wrong).with_hint(
                "{cmd} is the command to run there, {line} the same as one word for another shell",
            ));
        }
        let submit = with_resources(name, submit, resources)?;
        if settings.status.is_some() && settings.send_environment {
            let wrong =
                format!("cashet.toml: send-environment in [executors.{name}] needs a submit that waits");
            return Err(Error::usage(wrong).with_hint("leave status or send-environment out"));
        }
        if let (Some((variable, _)), false) = (resources.variables.first(), settings.send_environment) {
            let wrong = format!("--env {}: its value does not reach {name}", variable.display());
            return Err(
                Error::usage(wrong).with_hint("send-environment = true in cashet.toml sends variables")
            );
        }
        Ok(Self {
            name: name.to_owned(),
            submit,
            status: settings.status.clone(),
            cancel: settings.cancel.clone(),
            sends_environment: settings.send_environment,
            variables: resources.variables.clone(),
            program,
        })
    }

    /// The command to run there.
    fn command(&self, place: &Place) -> Vec<u8> {
        let mut words = vec![self.program.as_os_str(), OsStr::new("worker")];
        if self.sends_environment {
            words.push(OsStr::new("--environment"));
        }
        words.push(place.path().as_os_str());
        words.into_iter().map(quoted).collect::<Vec<_>>().join(&b' ')
    }

    /// Starts a launcher that waits for the job. What it prints goes to the log.
    fn launch(&self, place: &Place, values: &[(&str, &[u8])]) -> Result<Job> {
        let path = place.log();
        let failed = |error| Error::io("open", &path, error);
        let log = OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
        let mut command = shell(&self.submit, values);
        command.process_group(0).stdout(log.try_clone().map_err(failed)?).stderr(log);
        command.stdin(if self.sends_environment { Stdio::piped() } else { Stdio::null() });
        let mut child = command
            .spawn()
            .map_err(|error| Error::new(Kind::Other, format!("cannot run the launcher: {error}")))?;
        if let Some(mut stdin) = child.stdin.take() {
            let block = environment(&self.variables);
            // It may be more than a pipe takes at once, and the other side may never read it.
            std::thread::spawn(move || stdin.write_all(&block));
        }
        Ok(Job { id: String::new(), launcher: Some(child) })
    }
}

fn shell(template: &str, values: &[(&str, &[u8])]) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(OsString::from_vec(filled(template, values)));
    command
}

fn run(template: &str, values: &[(&str, &[u8])]) -> Result<Ended> {
    program::run(&mut shell(template, values), &[], LIMIT)
}

/// The environment with `set`, each variable ended by a NUL.
fn environment(set: &[(OsString, OsString)]) -> Vec<u8> {
    let mut block = Vec::new();
    let ours = std::env::vars_os().filter(|(name, _)| !set.iter().any(|(known, _)| known == name));
    for (name, value) in ours.chain(set.iter().cloned()) {
        block.extend_from_slice(name.as_bytes());
        block.push(b'=');
        block.extend_from_slice(value.as_bytes());
        block.push(0);
    }
    block
}

/// The template with the resources of the call; each that is asked for must have a place.
fn with_resources(name: &str, submit: String, resources: &Resources) -> Result<String> {
    if !resources.options.is_empty() {
        return Err(Error::usage(format!("--sbatch is for Slurm, and {name} is a launcher")));
    }
    let mut submit = submit;
    for (resource, value) in resources.named() {
        let mark = format!("{{{resource}}}");
        match (value, submit.contains(&mark)) {
            (Some(value), true) => {
                let word = String::from_utf8_lossy(&quoted(OsStr::new(value))).into_owned();
                submit = submit.replace(&mark, &word);
            }
            (Some(_), false) => {
                let wrong = format!("--{resource}: submit of [executors.{name}] has no {mark}");
                return Err(
                    Error::usage(wrong).with_hint("leave it out, or put the placeholder into cashet.toml")
                );
            }
            (None, true) => {
                let wrong = format!("submit of [executors.{name}] needs --{resource}");
                return Err(Error::usage(wrong).with_hint("give it, or a default in cashet.toml"));
            }
            (None, false) => {}
        }
    }
    Ok(submit)
}

/// The template with values in place of `{name}`. Placeholders inside of values are not replaced.
fn filled(template: &str, values: &[(&str, &[u8])]) -> Vec<u8> {
    let mut line = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        line.extend_from_slice(before.as_bytes());
        let known = values.iter().find_map(|(name, value)| {
            let after = after.strip_prefix(name)?.strip_prefix('}')?;
            Some((value, after))
        });
        let (put, after) = known.map_or((&b"{"[..], after), |(value, after)| (*value, after));
        line.extend_from_slice(put);
        rest = after;
    }
    line.extend_from_slice(rest.as_bytes());
    line
}

impl Engine for Launcher {
    fn submit(&self, place: &Place, call: &Call, _lock: &Lock) -> Result<Job> {
        place.persist()?;
        let command = self.command(place);
        let line = quoted(OsStr::from_bytes(&command));
        let log = quoted(place.log().as_os_str());
        let values: [(&str, &[u8]); 4] =
            [("cmd", &command), ("line", &line), ("log", &log), ("token", call.token.as_bytes())];
        if self.status.is_none() {
            return self.launch(place, &values);
        }
        let ended = run(&self.submit, &values)?;
        if !ended.status.success() {
            let wrong =
                format!("{} did not take the job ({}): {}", self.name, ended.status, ended.complaint());
            return Err(Error::new(Kind::Other, wrong));
        }
        let text = String::from_utf8_lossy(&ended.stdout).into_owned();
        let id = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        Ok(Job { id: id.unwrap_or(&call.token).to_owned(), launcher: None })
    }

    fn states(&self, ids: &[&str]) -> Vec<State> {
        let Some(status) = &self.status else {
            return ids
                .iter()
                .map(|_| State::Unknown("another process started the launcher".to_owned()))
                .collect();
        };
        let state = |id: &&str| {
            let id = quoted(OsStr::new(id));
            match run(status, &[("id", &id)]) {
                Err(error) => State::Unknown(error.to_string()),
                Ok(ended) => match ended.status.code() {
                    Some(0) => {
                        let text = String::from_utf8_lossy(&ended.stdout).to_lowercase();
                        let waits = ["queued", "pending", "waiting"].iter().any(|word| text.contains(word));
                        if waits { State::Queued(String::new()) } else { State::Running(String::new()) }
                    }
                    Some(OVER) => State::Over { how: "the job is over".to_owned(), ended_by_engine: false },
                    _ => State::Unknown(ended.complaint()),
                },
            }
        };
        ids.iter().map(state).collect()
    }

    fn cancel(&self, ids: &[&str], at: Option<(&str, u32)>) -> Result<()> {
        let Some(cancel) = &self.cancel else { return Ok(()) };
        let needs_process = cancel.contains("{pid}") || cancel.contains("{machine}");
        if needs_process && at.is_none() {
            // No worker has started: there is nothing to cancel.
            return Ok(());
        }
        let (machine, process) = at.unwrap_or_default();
        let (machine, process) = (quoted(OsStr::new(machine)), process.to_string());
        for id in ids {
            let id = quoted(OsStr::new(id));
            let values: [(&str, &[u8]); 3] =
                [("id", &id), ("pid", process.as_bytes()), ("machine", &machine)];
            let ended = run(cancel, &values)?;
            if !ended.status.success() {
                let wrong = format!("{} did not cancel the job: {}", self.name, ended.complaint());
                return Err(Error::new(Kind::Other, wrong));
            }
        }
        Ok(())
    }

    fn find(&self, _token: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn is_detached(&self) -> bool {
        self.status.is_some()
    }

    fn version(&self) -> Result<String> {
        let program = self.submit.split_whitespace().next().unwrap_or_default();
        let found = |directory: PathBuf| directory.join(program).is_file();
        let on_path = std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(found));
        if !(on_path || (program.contains('/') && Path::new(program).is_file())) {
            return Err(Error::new(Kind::Other, format!("{program} is not on PATH")));
        }
        Ok(format!("by {program}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_once() {
        let values: [(&str, &[u8]); 2] = [("cmd", b"run {id}"), ("id", b"7")];
        let line = |template: &str| String::from_utf8(filled(template, &values)).unwrap();
        assert_eq!(line("ssh n -- {cmd}"), "ssh n -- run {id}");
        assert_eq!(line("kill {id}; awk '{print}' {"), "kill 7; awk '{print}' {");
        assert_eq!(line("${HOME} {other}"), "${HOME} {other}");
    }

    #[test]
    fn resources_need_a_place_and_places_a_resource() {
        let with = |template: &str, gpus: Option<&str>| {
            let resources = Resources { gpus: gpus.map(str::to_owned), ..Resources::default() };
            with_resources("k", template.to_owned(), &resources).map_err(|error| error.to_string())
        };
        assert_eq!(with("x --g={gpus} {cmd}", Some("2")).unwrap(), "x --g=2 {cmd}");
        assert_eq!(with("x {cmd}", None).unwrap(), "x {cmd}");
        assert_eq!(with("x {cmd}", Some("2")).unwrap_err(), "--gpus: submit of [executors.k] has no {gpus}");
        assert_eq!(with("x {gpus}", None).unwrap_err(), "submit of [executors.k] needs --gpus");
    }
}
