//! One shared cache as the settings describe it: where it is, whose records count, whether it is written to.

use super::carrier::Blob;
use super::carrier::{Carrier, Failure, Name};
use super::client::Settings;
use super::directory::Directory;
use super::keys::{Distrust, KeyId, PublicKey, SigningKey, Trust, shown_id};
use super::records::{self, Body, Kind, Shared, Unusable};
use super::toolchain::{Token, Toolchain};
use crate::error::{Error, Result};
use crate::project::RemoteSettings;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

/// When results are written to a shared cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upload {
    /// By a process in the background.
    #[default]
    Later,
    /// Before the call ends.
    Wait,
}

/// A shared cache as the settings describe it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its address.
    pub url: String,
    /// Whether the settings say that it is written to.
    pub write: bool,
    /// When.
    pub upload: Upload,
    /// The keys that the settings name.
    trust: Trust,
    /// The token that replaces the files of the system.
    pub toolchain: Option<Toolchain>,
    /// Certificates to trust in place of the system's.
    ca: Option<PathBuf>,
}

impl Remote {
    /// What one `[remote]` says.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`].
    pub fn new(settings: &RemoteSettings) -> Result<Self> {
        let blamed = |error: &Error| Error::usage(format!("cashet.toml: [remote]: {error}"));
        let upload = match settings.upload.as_deref() {
            None | Some("later") => Upload::Later,
            Some("wait") => Upload::Wait,
            Some(other) => {
                let words = format!("cashet.toml: [remote]: upload: {other} is neither later nor wait");
                return Err(Error::usage(words));
            }
        };
        super::known(&settings.url).map_err(|why| blamed(&Error::usage(why)))?;
        let words = settings.trust.as_ref().map(crate::project::Words::all).unwrap_or_default();
        let trust = if words.iter().any(|word| word == "any") {
            Trust::Any
        } else {
            let keys: Result<Vec<PublicKey>> = words.iter().map(|word| PublicKey::from_str(word)).collect();
            Trust::Keys(keys.map_err(|error| blamed(&error))?)
        };
        let toolchain = settings.toolchain.as_deref().map(Toolchain::parse).transpose();
        let toolchain = toolchain.map_err(|why| blamed(&Error::usage(why)))?;
        let ca = settings.ca.clone();
        Ok(Self { url: settings.url.clone(), write: settings.write, upload, trust, toolchain, ca })
    }

    /// The address without a password.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.url.split_once("://") {
            Some((scheme, rest)) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (host, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                let path = path.split('?').next().unwrap_or_default();
                format!("{scheme}://{host}{path}")
            }
            None => self.url.clone(),
        }
    }

    /// The token of this machine's toolchain there; `Ok(None)` where system files are compared.
    ///
    /// # Errors
    /// What is said where it cannot be told.
    pub fn token(&self) -> std::result::Result<Option<Token>, String> {
        let Some(toolchain) = &self.toolchain else { return Ok(None) };
        let unknown = || {
            format!(
                "{}: toolchain = \"auto\": no table of packages is known here; system files are compared",
                self.shown()
            )
        };
        toolchain.token().map(Some).ok_or_else(unknown)
    }

    /// Connects. `start` starts the helper program, which connects to servers. `user_keys` are those that the user trusts
    /// everywhere; `own` is the key that signs here.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open(
        &self,
        start: fn(&mut Command) -> io::Result<()>,
        user_keys: &[PublicKey],
        own: Option<&SigningKey>,
    ) -> std::result::Result<Opened, Failure> {
        let settings = Settings { ca: self.ca.clone(), ..Settings::new(start) };
        let carrier = super::open(&self.url, &settings)?;
        let is_own = self.url.strip_prefix("dir:").is_some_and(|path| {
            Directory::open(PathBuf::from(path)).is_ok_and(|directory| directory.is_own())
        });
        let trust = match &self.trust {
            Trust::Any => Trust::Any,
            // Nobody else could have written there.
            Trust::Keys(keys) if keys.is_empty() && is_own => Trust::Any,
            Trust::Keys(keys) => {
                let mut keys = keys.clone();
                keys.extend(user_keys.iter().cloned());
                keys.extend(own.map(SigningKey::public));
                Trust::Keys(keys)
            }
        };
        Ok(Opened { carrier, trust, distrusted: Vec::new() })
    }
}

/// The shared caches that the settings name; before them the one that `CASHET_REMOTE` names. `CASHET_REMOTE_UPLOAD` says for all
/// of them when they are written to.
///
/// # Errors
/// [`crate::error::Kind::Usage`].
pub fn named(settings: &[RemoteSettings]) -> Result<Vec<Remote>> {
    let given = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let mut all = settings.to_vec();
    if let Some(url) = given("CASHET_REMOTE").filter(|url| all.iter().all(|known| known.url != *url)) {
        super::known(&url).map_err(|why| Error::usage(format!("CASHET_REMOTE: {why}")))?;
        all.insert(0, RemoteSettings { url, ..RemoteSettings::default() });
    }
    if let (Some(upload), false) = (given("CASHET_REMOTE_UPLOAD"), all.is_empty()) {
        if upload != "later" && upload != "wait" {
            return Err(Error::usage(format!("CASHET_REMOTE_UPLOAD: {upload} is neither later nor wait")));
        }
        for remote in &mut all {
            remote.upload = Some(upload.clone());
        }
    }
    all.iter().map(Remote::new).collect()
}

/// A result with its blobs.
pub type Found = (Shared, Vec<Blob>);

/// A shared cache that is reached.
pub struct Opened {
    carrier: Box<dyn Carrier + Send>,
    trust: Trust,
    /// Why records were ignored, each reason once.
    pub distrusted: Vec<Distrust>,
}

impl Opened {
    /// What carries it.
    pub fn carrier(&mut self) -> &mut (dyn Carrier + Send) {
        &mut *self.carrier
    }

    /// Whose records count.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The bodies of a list that count.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn bodies(&mut self, kind: Kind, name: &Name) -> std::result::Result<Vec<Vec<u8>>, Failure> {
        let Some(record) = self.carrier.questions(name)? else { return Ok(Vec::new()) };
        let bodies = records::read_list(&record)
            .map_err(|error| Failure::Invalid(format!("a list of questions {error}")))?;
        let mut trusted = Vec::new();
        for body in bodies {
            match body.trusted(kind, name, &self.trust) {
                Ok(()) => trusted.push(body.bytes),
                Err(why) => self.distrust(why),
            }
        }
        Ok(trusted)
    }

    /// The results under these names that are there and count, with their blobs.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn results(&mut self, names: &[Name]) -> std::result::Result<Vec<Option<Found>>, Failure> {
        let records = self.carrier.results(names)?;
        if records.len() != names.len() {
            return Err(Failure::Invalid("the number of answers is not that of the questions".to_owned()));
        }
        let mut results = Vec::new();
        for (name, record) in names.iter().zip(records) {
            let Some(record) = record else {
                results.push(None);
                continue;
            };
            results.push(match records::read_result(name, &record, &self.trust) {
                Ok(found) => Some(found),
                Err(Unusable::Distrusted(why)) => {
                    self.distrust(why);
                    None
                }
                Err(Unusable::Invalid(error)) => {
                    return Err(Failure::Invalid(format!("the record of a result {error}")));
                }
            });
        }
        Ok(results)
    }

    /// Adds bodies to a list, unless they are there.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn add(&mut self, kind: Kind, name: &Name, bodies: &[Body]) -> std::result::Result<(), Failure> {
        let trust = self.trust.clone();
        self.carrier
            .merge_questions(name, &mut |before| records::merged((kind, name, &trust), before, bodies))
    }

    fn distrust(&mut self, why: Distrust) {
        if !self.distrusted.contains(&why) {
            self.distrusted.push(why);
        }
    }
}

impl Distrust {
    /// What is said of it, and what cures it.
    #[must_use]
    pub fn said(self, remote: &Remote) -> String {
        let shown = remote.shown();
        let cure = "its key belongs in trust of [remote] in cashet.toml, or in ~/.config/cashet/trusted_keys";
        match self {
            Self::Unsigned => format!(
                "{shown}: unsigned results are not used (give its writers CASHET_SIGNING_KEY, or trust = \"any\")"
            ),
            Self::Unknown(key) => {
                format!("{shown}: results signed by the key {} are not used ({cure})", shown_id(key))
            }
            Self::Wrong(key) => {
                format!("{shown}: a signature by the key {} is wrong; the result is not used", shown_id(key))
            }
        }
    }

    /// Stands for it.
    #[must_use]
    pub fn code(self) -> String {
        match self {
            Self::Unsigned => "unsigned".to_owned(),
            Self::Unknown(key) => format!("unknown-{}", shown_id(key)),
            Self::Wrong(key) => format!("wrong-{}", shown_id(key)),
        }
    }
}

/// The key by which we sign, of `CASHET_SIGNING_KEY` or of the file that `CASHET_SIGNING_KEY_FILE` names.
///
/// # Errors
/// [`crate::error::Kind::Usage`] where it is not a key, or others may read the file.
pub fn signing_key() -> Result<Option<SigningKey>> {
    use std::os::unix::fs::MetadataExt;
    let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(text) = given("CASHET_SIGNING_KEY") {
        return text.to_string_lossy().parse().map(Some);
    }
    let Some(path) = given("CASHET_SIGNING_KEY_FILE").map(PathBuf::from) else { return Ok(None) };
    let failed = |source| Error::io("read", &path, source);
    let open = fs::metadata(&path).map_err(failed)?.mode() & 0o077;
    if open != 0 {
        return Err(Error::usage(format!("others may read {}", path.display()))
            .with_hint("chmod 600 makes it yours alone"));
    }
    fs::read_to_string(&path).map_err(failed)?.parse().map(Some)
}

/// Where the keys are that the user trusts everywhere.
#[must_use]
pub fn trusted_keys_path() -> Option<PathBuf> {
    let given = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = given("XDG_CONFIG_HOME").or_else(|| given("HOME").map(|home| home.join(".config")))?;
    Some(config.join("cashet/trusted_keys"))
}

/// Keys that a file names, one in a line; lines that begin with `#` are comments.
///
/// # Errors
/// The file is there and cannot be read, or a line is not a key.
pub fn read_keys(path: &Path) -> Result<Vec<PublicKey>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::parse).collect()
}

/// Variables that are set where a job builds a change that others propose.
const PROPOSED: &[&str] = &[
    "CI_MERGE_REQUEST_ID",
    "CI_EXTERNAL_PULL_REQUEST_IID",
    "CIRCLE_PULL_REQUEST",
    "TRAVIS_PULL_REQUEST",
    "BUILDKITE_PULL_REQUEST",
    "SYSTEM_PULLREQUEST_PULLREQUESTID",
    "DRONE_PULL_REQUEST",
    "BITBUCKET_PR_ID",
    "APPVEYOR_PULL_REQUEST_NUMBER",
    "CHANGE_ID",
    "CI_COMMIT_PULL_REQUEST",
];

/// The service's name of a job that builds a change which others propose: such jobs write to no shared cache.
#[must_use]
pub fn proposed_change() -> Option<&'static str> {
    let given = |name: &str| env::var(name).ok().filter(|value| !value.is_empty() && value != "false");
    let event = given("GITHUB_EVENT_NAME").unwrap_or_default();
    if event.starts_with("pull_request") || event == "issue_comment" {
        return Some("GITHUB_EVENT_NAME");
    }
    PROPOSED.iter().find(|name| given(name).is_some()).copied()
}

/// Whether results are written, and if not, why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writing {
    /// They are.
    Yes,
    /// Nobody asked for it.
    Unasked,
    /// This cannot be.
    Refused(String),
}

/// Whether results are written to `remote`, where `key` is the one that signs; `own` says that the cache needs none.
#[must_use]
pub fn writing(remote: &Remote, key: Option<&SigningKey>, own: bool) -> Writing {
    let asked = env::var("CASHET_REMOTE_WRITE").unwrap_or_default();
    let wanted = match asked.as_str() {
        "" => remote.write,
        "0" | "false" | "no" => false,
        _ => true,
    };
    if !wanted {
        return Writing::Unasked;
    }
    if let (Some(name), true) = (proposed_change(), asked != "force") {
        return Writing::Refused(format!("{name} says that this job builds a proposed change"));
    }
    if key.is_none() && !own {
        return Writing::Refused("there is no CASHET_SIGNING_KEY".to_owned());
    }
    Writing::Yes
}

/// A key's id in digits, for messages.
#[must_use]
pub fn id_of(key: &PublicKey) -> String {
    let id: KeyId = key.id();
    shown_id(id)
}
