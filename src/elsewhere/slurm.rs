//! Slurm, by its own commands: `sbatch`, `squeue`, `scancel`, `sinfo`. Never `sacct`: many sites have no accounting.

use super::call::Call;
use super::engine::{Arrays, Engine, Job, Member, State};
use super::lock::Lock;
use super::members::variable_of;
use super::place::Place;
use super::program::{self, Ended};
use super::quote::quoted;
use super::resources::Resources;
use crate::error::{Error, Kind, Result};
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Time limit of a command of Slurm. The commands themselves wait for a controller that restarts.
const LIMIT: Duration = Duration::from_mins(2);

/// The largest array if the configuration of Slurm is not known.
const USUAL_ARRAY: usize = 1001;

/// Slurm with the resources of a call.
#[derive(Debug)]
pub(super) struct Slurm {
    program: PathBuf,
    resources: Resources,
}

/// States of jobs that Slurm ended, by itself or for a user.
const ENDED_BY_SLURM: [&str; 8] =
    ["BOOT_FAIL", "CANCELLED", "DEADLINE", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"];

impl Slurm {
    /// Jobs that run `program`, which is `cashet` on the nodes.
    #[must_use]
    pub(super) fn new(program: PathBuf, resources: Resources) -> Self {
        Self { program, resources }
    }

    /// `sbatch` with the options that every job has.
    fn sbatch(&self, directory: &Path, token: &str, log: &Path) -> Command {
        let mut command = Command::new("sbatch");
        command.args(["--parsable", "--requeue", "--open-mode=append"]);
        let option = |name: &str, value: &[u8]| OsString::from_vec([name.as_bytes(), value].concat());
        // A percent sign begins a placeholder in names of files.
        let log = log.as_os_str().as_bytes();
        command.arg(option("--job-name=", token.as_bytes()));
        command.arg(option("--output=", log)).arg(option("--error=", log));
        command.arg(option("--chdir=", directory.as_os_str().as_bytes()));
        for (name, value) in self.resources.named() {
            let Some(value) = value else { continue };
            command.arg(match name {
                "cpus" => format!("--cpus-per-task={value}"),
                "time" => format!("--time={}", minutes(value)),
                other => format!("--{other}={value}"),
            });
        }
        command.args(&self.resources.options);
        // The job inherits the environment of sbatch.
        command.envs(self.resources.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The script of a job that runs `cashet worker WORDS`.
    fn script(&self, words: &[&[u8]]) -> Vec<u8> {
        let program = quoted(self.program.as_os_str());
        [b"#!/bin/sh\nexec ".as_slice(), &program, b" worker ", &words.join(&b' '), b"\n"].concat()
    }
}

/// Cancels jobs.
fn scancel(options: &[&str], ids: &[&str]) -> Result<()> {
    let mut command = Command::new("scancel");
    command.args(options).args(ids);
    let ended = program::run(&mut command, &[], LIMIT)?;
    // A job that has ended needs no cancellation.
    if ended.status.success() || ended.stderr.contains("Invalid job id") {
        return Ok(());
    }
    Err(Error::new(Kind::Other, format!("Slurm did not cancel the job: {}", ended.complaint())))
}

/// The token of the array that the token of one of its jobs names.
fn array_of(token: &str) -> &str {
    token.rsplit_once('_').map_or(token, |(array, _)| array)
}

/// A path in which no part is a placeholder of Slurm.
fn escaped(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    let escaped = bytes.iter().flat_map(|byte| if *byte == b'%' { b"%%".to_vec() } else { vec![*byte] });
    OsString::from_vec(escaped.collect()).into()
}

/// The id that `sbatch --parsable` printed.
fn submitted(ended: &Ended) -> Result<String> {
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let id = text.lines().last().and_then(|line| line.trim().split(';').next()).unwrap_or_default();
    if ended.status.success() && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(id.to_owned());
    }
    Err(Error::new(Kind::Other, format!("Slurm did not take the job: {}", ended.complaint())))
}

/// A time as Slurm takes it: `90s`, `30m`, `4h`, `1d` become minutes, its own forms stay.
fn minutes(time: &str) -> String {
    let Some((number, unit)) = time.split_at_checked(time.len().saturating_sub(1)) else {
        return time.to_owned();
    };
    let Ok(number) = number.parse::<u64>() else { return time.to_owned() };
    let seconds = match unit {
        "s" => number,
        "m" => number.saturating_mul(60),
        "h" => number.saturating_mul(3600),
        "d" => number.saturating_mul(86_400),
        _ => return time.to_owned(),
    };
    seconds.div_ceil(60).max(1).to_string()
}

/// What a line of `squeue -o '%i|%T|%r|%N'` says.
fn state(line: &str) -> Option<(&str, State)> {
    let mut parts = line.split('|');
    let (id, state, reason, node) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let reason = if reason == "None" { "" } else { reason };
    let known = match state {
        "RUNNING" | "COMPLETING" | "SUSPENDED" | "STOPPED" | "RESIZING" | "SIGNALING" | "STAGE_OUT" => {
            State::Running(node.to_owned())
        }
        "COMPLETED" | "FAILED" => State::Over { how: state.to_owned(), ended_by_engine: false },
        _ if ENDED_BY_SLURM.contains(&state) => {
            let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            State::Over { how: format!("{state}{reason}"), ended_by_engine: true }
        }
        _ => State::Queued(reason.to_owned()),
    };
    Some((id, known))
}

impl Arrays for Slurm {
    fn submit_array(
        &self,
        members: &[Member<'_>],
        project: &Path,
        token: &str,
        directory: &Path,
        at_most: Option<u32>,
    ) -> Result<Vec<String>> {
        let mut list = Vec::new();
        for member in members {
            member.place.persist()?;
            list.extend_from_slice(member.place.name().as_bytes());
            list.push(b'\n');
        }
        Place::persist_shared(directory, "list", &list)?;
        let log = escaped(directory).join("log.%a");
        let mut command = self.sbatch(project, token, &log);
        for (number, member) in members.iter().enumerate() {
            // For users who look for the messages of one job.
            let _ = std::os::unix::fs::symlink(directory.join(format!("log.{number}")), member.place.log());
            let own = member.variables.iter();
            command.envs(own.map(|(name, value)| (variable_of(number, name), value)));
        }
        let highest = members.len().saturating_sub(1);
        let limit = at_most.map(|most| format!("%{most}")).unwrap_or_default();
        command.arg(format!("--array=0-{highest}{limit}"));
        let script = self.script(&[b"--array", &quoted(directory.as_os_str())]);
        let held: Vec<_> = members.iter().map(|member| member.lock.as_fd()).collect();
        let id = submitted(&program::run_holding(&mut command, &script, LIMIT, &held)?)?;
        Ok((0..members.len()).map(|number| format!("{id}_{number}")).collect())
    }

    fn cancel_queued(&self, ids: &[&str]) -> Result<()> {
        scancel(&["--state=PENDING"], ids)
    }

    fn largest_array(&self) -> usize {
        let mut command = Command::new("scontrol");
        command.args(["show", "config"]);
        let shown = program::run(&mut command, &[], LIMIT).map(|ended| ended.stdout).unwrap_or_default();
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let line = shown.lines().find_map(|line| line.strip_prefix("MaxArraySize"));
        let number = line.and_then(|line| line.split('=').nth(1)?.trim().parse().ok());
        number.unwrap_or(USUAL_ARRAY).max(1)
    }
}

impl Engine for Slurm {
    fn submit(&self, place: &Place, call: &Call, lock: &Lock) -> Result<Job> {
        place.persist()?;
        let mut command = self.sbatch(&call.directory, &call.token, &escaped(&place.log()));
        let script = self.script(&[&quoted(place.path().as_os_str())]);
        let id = submitted(&program::run_holding(&mut command, &script, LIMIT, &[lock.as_fd()])?)?;
        Ok(Job { id, launcher: None })
    }

    fn states(&self, ids: &[&str]) -> Vec<State> {
        let mut bases: Vec<&str> = ids.iter().map(|id| id.split('_').next().unwrap_or(id)).collect();
        bases.sort_unstable();
        bases.dedup();
        let mut command = Command::new("squeue");
        command.args(["--noheader", "--array", "--states=all", "--format=%i|%T|%r|%N", "--jobs"]);
        command.arg(bases.join(","));
        let gone = || State::Over { how: "Slurm no longer knows the job".to_owned(), ended_by_engine: false };
        let text = match program::run(&mut command, &[], LIMIT) {
            Ok(ended) if ended.status.success() => String::from_utf8_lossy(&ended.stdout).into_owned(),
            Ok(ended) if ended.stderr.contains("Invalid job id") => String::new(),
            Ok(ended) => {
                let why = State::Unknown(ended.complaint());
                return ids.iter().map(|_| why.clone()).collect();
            }
            Err(error) => return ids.iter().map(|_| State::Unknown(error.to_string())).collect(),
        };
        let known: std::collections::HashMap<&str, State> = text.lines().filter_map(state).collect();
        // Jobs of an array that are cancelled before they begin have one line together, that of the array.
        let of_array = |id: &str| known.get(id.split('_').next().unwrap_or(id));
        ids.iter().map(|id| known.get(*id).or_else(|| of_array(id)).cloned().unwrap_or_else(gone)).collect()
    }

    fn cancel(&self, ids: &[&str], _at: Option<(&str, u32)>) -> Result<()> {
        scancel(&[], ids)
    }

    fn find(&self, token: &str) -> Result<Option<String>> {
        let mut command = Command::new("squeue");
        command.args(["--noheader", "--states=all", "--format=%A", "--name"]).arg(array_of(token));
        let ended = program::run(&mut command, &[], LIMIT)?;
        if !ended.status.success() {
            return Err(Error::new(Kind::Other, format!("Slurm does not answer: {}", ended.complaint())));
        }
        let text = String::from_utf8_lossy(&ended.stdout).into_owned();
        let base = text.lines().map(str::trim).find(|line| !line.is_empty());
        Ok(base.map(|base| match token.rsplit_once('_') {
            Some((_, number)) => format!("{base}_{number}"),
            None => base.to_owned(),
        }))
    }

    fn is_detached(&self) -> bool {
        true
    }

    fn arrays(&self) -> Option<&dyn Arrays> {
        Some(self)
    }

    fn version(&self) -> Result<String> {
        let run = |words: &[&str]| {
            let mut command = Command::new("sinfo");
            command.args(words);
            program::run(&mut command, &[], LIMIT)
        };
        let version = run(&["--version"])?;
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        let listed = run(&["--noheader", "--format=%R %D"])?;
        if !listed.status.success() {
            return Err(Error::new(Kind::Other, format!("{version}: {}", listed.complaint())));
        }
        let partitions = String::from_utf8_lossy(&listed.stdout).into_owned();
        let partitions: Vec<&str> =
            partitions.lines().map(|line| line.split(' ').next().unwrap_or(line)).collect();
        Ok(format!("{version}, partitions {}", partitions.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_squeue_are_states() {
        let over = |how: &str, ended_by_engine| State::Over { how: how.to_owned(), ended_by_engine };
        for (line, expected) in [
            ("7|PENDING|Priority|", State::Queued("Priority".to_owned())),
            ("7|PENDING|BeginTime|", State::Queued("BeginTime".to_owned())),
            ("7|REQUEUED|None|", State::Queued(String::new())),
            ("7|RUNNING|None|n1", State::Running("n1".to_owned())),
            ("7|COMPLETING|None|n1", State::Running("n1".to_owned())),
            ("7|COMPLETED|None|n1", over("COMPLETED", false)),
            ("7|FAILED|NonZeroExitCode|n1", over("FAILED", false)),
            ("7|TIMEOUT|TimeLimit|n1", over("TIMEOUT (TimeLimit)", true)),
            ("7|NODE_FAIL|None|n1", over("NODE_FAIL", true)),
        ] {
            assert_eq!(state(line), Some(("7", expected)), "{line}");
        }
        assert_eq!(state("slurm_load_jobs error"), None);
    }

    #[test]
    fn times_are_in_minutes() {
        for (given, slurm) in [
            ("90s", "2"),
            ("30m", "30"),
            ("4h", "240"),
            ("1d", "1440"),
            ("1:00:00", "1:00:00"),
            ("5", "5"),
            ("", ""),
        ] {
            assert_eq!(minutes(given), slurm, "{given}");
        }
    }

    #[test]
    fn a_job_of_an_array_is_found_by_the_array() {
        assert_eq!(array_of("cashet-1a_12"), "cashet-1a");
        assert_eq!(array_of("cashet-1a"), "cashet-1a");
        assert_eq!(escaped(Path::new("/a%b/c")), Path::new("/a%%b/c"));
    }
}
