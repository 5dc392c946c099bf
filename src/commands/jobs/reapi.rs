//! A server of the Bazel remote-execution API as an engine. A process on this machine manages each job: it ships the input,
//! waits for the end, and takes the result.

use crate::elsewhere::{Call, Engine, Job, Lock, Place, Resources, State, machine};
use crate::error::{Error, Kind, Result};
use crate::exec::start_helper_of_job;
use crate::project::ExecutorSettings;
use crate::remote::carrier::Failure;
use crate::remote::client::{Client, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The kind in `cashet.toml`.
pub(in crate::commands) const KIND: &str = "reapi";

/// Prefixes of addresses.
const SCHEMES: [&str; 2] = ["grpc://", "grpcs://"];

/// Options of a call for the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::commands) struct Order {
    /// Time limit in seconds; 0 for the server's own limit.
    pub(in crate::commands) limit: u64,
    /// Whether the files that git tracks are shipped.
    pub(in crate::commands) ships_tracked: bool,
}

impl Order {
    /// As words of `cashet worker`.
    pub(in crate::commands) fn to_words(&self) -> Vec<OsString> {
        vec![self.limit.to_string().into(), if self.ships_tracked { "git" } else { "-" }.into()]
    }

    /// Reads the words of [`Order::to_words`].
    pub(in crate::commands) fn from_words(limit: &OsStr, ship: &OsStr) -> Option<Self> {
        Some(Self { limit: limit.to_str()?.parse().ok()?, ships_tracked: ship == "git" })
    }
}

/// The server that settings name.
///
/// # Errors
/// When the address is invalid.
pub(in crate::commands) fn client(name: &str, given: &ExecutorSettings) -> Result<Client> {
    let wrong = |text: String| Error::usage(format!("cashet.toml: [executors.{name}] {text}"));
    let address = given.address.as_deref().unwrap_or_default().trim_end_matches('/');
    if !SCHEMES.iter().any(|scheme| address.starts_with(scheme)) {
        return Err(wrong("has no address".to_owned()).with_hint("address = \"grpc://HOST:PORT\", or grpcs:"));
    }
    let url = match given.instance.as_deref() {
        Some(instance) if !instance.is_empty() => format!("{address}/{instance}"),
        _ => address.to_owned(),
    };
    let mut settings = Settings::new(start_helper_of_job);
    settings.ca.clone_from(&given.ca);
    Ok(Client::always(&url, &settings))
}

/// The error of a server that fails.
pub(in crate::commands) fn failed(name: &str, failure: &Failure) -> Error {
    match failure {
        Failure::Paused => {
            Error::new(Kind::Other, format!("{name}: cashet-remote does not start below a watched call"))
        }
        other => Error::new(Kind::Other, format!("{name}: {other}")),
    }
}

/// The engine.
pub(super) struct Reapi {
    name: String,
    given: ExecutorSettings,
    order: Order,
    variables: Vec<(OsString, OsString)>,
    program: PathBuf,
}

impl Reapi {
    /// # Errors
    /// [`Kind::Usage`] for invalid settings.
    pub(super) fn new(
        name: &str,
        given: &ExecutorSettings,
        resources: Resources,
        ship: Option<&str>,
        program: PathBuf,
    ) -> Result<Self> {
        let wrong = |text: &str| Error::usage(format!("[executors.{name}] {text}"));
        drop(client(name, given)?);
        if given.toolchain.is_none() {
            return Err(wrong("has no toolchain").with_hint(
                "toolchain = \"NAME\" says which image its workers run: results count under this name alone",
            ));
        }
        let others = [&given.submit, &given.status, &given.cancel, &given.sbatch];
        if others.iter().any(|other| other.is_some()) || given.send_environment {
            return Err(wrong("has settings of another kind of executor"));
        }
        let asked = resources.named().into_iter().find(|(name, value)| *name != "time" && value.is_some());
        if let Some((resource, _)) = asked {
            return Err(wrong(&format!("takes no {resource}"))
                .with_hint("platform = { NAME = \"VALUE\" } says which workers a server is to use"));
        }
        if !resources.options.is_empty() {
            return Err(wrong("is not Slurm: it takes no --sbatch"));
        }
        let limit = resources.time.as_deref().map_or(Some(0), seconds);
        let limit = limit.ok_or_else(|| wrong("takes --time as 90s, 30m, 4h or 1d"))?;
        let ships_tracked = match ship.or(given.ship.as_deref()) {
            None => false,
            Some("git") => true,
            Some(other) => return Err(Error::usage(format!("--ship {other}: it takes git"))),
        };
        let order = Order { limit, ships_tracked };
        let (name, given) = (name.to_owned(), given.clone());
        Ok(Self { name, given, order, variables: resources.variables, program })
    }
}

/// A time as seconds.
fn seconds(time: &str) -> Option<u64> {
    let (number, unit) = time.split_at_checked(time.len().checked_sub(1)?)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|seconds| *seconds > 0)
}

impl Engine for Reapi {
    fn submit(&self, place: &Place, _call: &Call, _lock: &Lock) -> Result<Job> {
        let path = place.log();
        let failed = |error| Error::io("open", &path, error);
        let log = OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
        let mut command = Command::new(&self.program);
        command.arg("worker").arg("--execute").args(self.order.to_words()).arg(place.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.process_group(0).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(failed)?).stderr(log);
        let child = command.spawn().map_err(|error| Error::io("start", &self.program, error))?;
        Ok(Job { id: String::new(), launcher: Some(child) })
    }

    fn states(&self, ids: &[&str]) -> Vec<State> {
        ids.iter().map(|_| State::Unknown("another process waits for the server".to_owned())).collect()
    }

    fn cancel(&self, _ids: &[&str], at: Option<(&str, u32)>) -> Result<()> {
        let Some((place, process)) = at else { return Ok(()) };
        if place == machine()
            && let Ok(process) = i32::try_from(process)
            && process > 1
        {
            // The helper notices that the process is gone, and cancels the operation.
            let _ = kill(Pid::from_raw(process), Signal::SIGTERM);
        }
        Ok(())
    }

    fn find(&self, _token: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn is_detached(&self) -> bool {
        false
    }

    fn version(&self) -> Result<String> {
        client(&self.name, &self.given)?.describe().map_err(|failure| failed(&self.name, &failure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_in_seconds() {
        for (text, is) in [
            ("90s", Some(90)),
            ("30m", Some(1800)),
            ("4h", Some(14_400)),
            ("1d", Some(86_400)),
            ("0s", None),
            ("5", None),
            ("", None),
            ("1:00:00", None),
            ("é", None),
        ] {
            assert_eq!(seconds(text), is, "{text}");
        }
    }
}
