//! The server and its workers: what is shipped is added to its storage, `cashet worker` runs there, and its record is read.

use super::inputs::{Inputs, Shipped};
use crate::commands::jobs::Settings;
use crate::commands::jobs::reapi::{client, failed};
use crate::elsewhere::{Left, ShippedCall};
use crate::encode::{Decode, Encode};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::exec::umask;
use crate::hash::memory::FileMemory;
use crate::project::ExecutorSettings;
use crate::record::{Content, Places};
use crate::remote::carrier::{Blob, Carrier};
use crate::remote::client::Client;
use crate::remote::execution::{Executed, Execution, Input, Kind, LARGEST_RECORD};
use crate::remote::toolchain::{Token, Toolchain};
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Where the program, its call and its record are among what is shipped.
const PROGRAM: &str = ".cashet-worker/cashet";
const CALL: &str = ".cashet-worker/call";
const OUTPUT: &str = ".cashet-worker/out";
const RECORD: &str = ".cashet-worker/record";

/// Maximum number of attempts to add blobs that the server loses.
const TRIES: u32 = 3;

/// A server, as the settings describe it.
pub(super) struct There<'a> {
    name: &'a str,
    given: &'a ExecutorSettings,
    limit: u64,
    client: Client,
    program: (Blob, PathBuf),
    toolchain: Toolchain,
}

/// What was run there.
pub(super) struct Ran {
    pub(super) left: Left,
    /// What the server calls the worker.
    pub(super) worker: String,
}

impl<'a> There<'a> {
    /// `memory` knows the program that is shipped, unless it changed.
    ///
    /// # Errors
    /// When the settings make no sense, or the program cannot be read.
    pub(super) fn new(settings: &'a Settings, limit: u64, memory: &mut FileMemory<'_>) -> Result<Self> {
        let given = &settings.given;
        let text = given.toolchain.as_deref().unwrap_or_default();
        let toolchain = Toolchain::parse(text)
            .map_err(|why| Error::usage(format!("cashet.toml: [executors.{}]: {why}", settings.name)))?;
        let client = client(&settings.name, given)?;
        let path = match &given.cashet {
            Some(path) => PathBuf::from(path),
            None => std::env::current_exe()
                .map_err(|error| Error::io("find", Path::new("the program itself"), error))?,
        };
        let (digest, _) = memory.digest(&path)?;
        let found = path.metadata().map_err(|error| Error::io("inspect", &path, error))?;
        let program = (Blob { digest: *digest.as_bytes(), size: found.len() }, path);
        Ok(Self { name: &settings.name, given, limit, client, program, toolchain })
    }

    pub(super) fn name(&self) -> &str {
        self.name
    }

    /// The token that replaces the system files of the workers.
    ///
    /// # Errors
    /// When it cannot be told.
    pub(super) fn token(&self) -> Result<Token> {
        self.toolchain.token().ok_or_else(|| {
            Error::usage(format!("[executors.{}]: the installed packages cannot be told here", self.name))
                .with_hint("toolchain = \"NAME\" names the image of the workers")
        })
    }

    /// Runs words of `exec` there, in `directory`.
    ///
    /// # Errors
    /// When the server fails, or does not say how it ended.
    pub(super) fn run(
        &mut self,
        shipped: Shipped,
        variables: &BTreeMap<String, String>,
        (directory, words, manifest): (&Path, &[OsString], Option<Vec<u8>>),
    ) -> Result<Ran> {
        let Shipped { mut inputs, attributes, mut blobs } = shipped;
        let call = ShippedCall {
            directory: directory.to_path_buf(),
            words: words.to_vec(),
            manifest,
            umask: umask(),
            attributes,
        };
        let call = written(&call.to_bytes())?;
        let (blob, path) = self.program.clone();
        blobs.push((blob, path));
        inputs.push(Input { path: PROGRAM.to_owned(), kind: Kind::File { blob, executable: true } });
        inputs.push(Input { path: CALL.to_owned(), kind: Kind::File { blob: call.1, executable: false } });
        let pairs = |map: &BTreeMap<String, String>| {
            map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let execution = Execution {
            inputs,
            words: [&format!("./{PROGRAM}"), "worker", "--sandboxed", CALL, OUTPUT, RECORD]
                .map(str::to_owned)
                .to_vec(),
            variables: pairs(variables),
            platform: pairs(&self.given.platform),
            output: OUTPUT.to_owned(),
            record: RECORD.to_owned(),
            limit: self.limit,
        };
        self.add(&blobs, Some(&call))?;
        self.execute(&execution, &blobs, &call)
    }

    fn execute(
        &mut self,
        execution: &Execution,
        blobs: &[(Blob, PathBuf)],
        call: &(File, Blob),
    ) -> Result<Ran> {
        let mut record =
            tempfile::tempfile().map_err(|error| Error::io("make", Path::new("a temporary file"), error))?;
        for _ in 0..TRIES {
            let executed = self.client.execute(execution.clone(), &record);
            match executed.map_err(|failure| failed(self.name, &failure))? {
                Executed::Lacks(_) => self.add(blobs, Some(call))?,
                Executed::Stopped(why) => {
                    return Err(Error::new(ErrorKind::Other, format!("no result: {why}")));
                }
                Executed::Ended { status, has_record: false, messages, .. } => {
                    let said = String::from_utf8_lossy(&messages).trim().to_owned();
                    let why = format!("cashet failed on the worker: exit status {status}: {said}");
                    return Err(Error::new(ErrorKind::Other, why).with_hint(
                        "cashet executors checks it; cashet = \"PATH\" names another build to ship",
                    ));
                }
                Executed::Ended { worker, .. } => {
                    let mut bytes = Vec::new();
                    let read = record
                        .rewind()
                        .and_then(|()| { &record }.take(LARGEST_RECORD).read_to_end(&mut bytes));
                    read.map_err(|error| Error::io("read", Path::new("the record"), error))?;
                    let left = Left::from_bytes(&bytes).map_err(|error| {
                        Error::new(ErrorKind::Other, format!("the record of the worker {error}"))
                    })?;
                    return Ok(Ran { left, worker });
                }
            }
        }
        Err(Error::new(ErrorKind::Other, "the server does not keep what is added to it"))
    }

    /// Adds what the server does not have.
    fn add(&mut self, blobs: &[(Blob, PathBuf)], call: Option<&(File, Blob)>) -> Result<()> {
        let all: Vec<Blob> = blobs.iter().map(|(blob, _)| *blob).chain(call.map(|(_, blob)| *blob)).collect();
        let name = self.name;
        let missing = self.client.missing(&all).map_err(|failure| failed(name, &failure))?;
        let missing: HashSet<[u8; 32]> = missing.iter().map(|blob| blob.digest).collect();
        let mut added = HashSet::new();
        for (blob, path) in blobs {
            if missing.contains(&blob.digest) && added.insert(blob.digest) {
                let from = File::open(path).map_err(|error| Error::io("open", path, error))?;
                self.client.add_blob(blob, &from).map_err(|failure| failed(name, &failure))?;
            }
        }
        if let Some((from, blob)) = call.filter(|(_, blob)| missing.contains(&blob.digest)) {
            self.client.add_blob(blob, from).map_err(|failure| failed(name, &failure))?;
        }
        Ok(())
    }

    /// How often a file was fetched again from its beginning.
    pub(super) fn restarts(&self) -> u64 {
        self.client.restarts()
    }

    /// Writes a blob to a file.
    ///
    /// # Errors
    /// When the server does not have it.
    pub(super) fn fetch(&mut self, content: &Content, to: &File) -> Result<()> {
        let name = self.name;
        let blob = Blob { digest: *content.blob.0.as_bytes(), size: content.size };
        if self.client.fetch(&blob, to).map_err(|failure| failed(name, &failure))? {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Other, "the server does not have a file that the worker wrote"))
    }
}

/// A file without a name that holds these bytes.
fn written(bytes: &[u8]) -> Result<(File, Blob)> {
    let made = tempfile::tempfile().and_then(|mut file| file.write_all(bytes).map(|()| file));
    let file = made.map_err(|error| Error::io("write", Path::new("a temporary file"), error))?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok((file, Blob { digest: *crate::digest::Digest::of(bytes).as_bytes(), size }))
}

/// Has a command that does nothing run there, watched and recorded: which worker had it, and what is wrong, if anything is.
///
/// # Errors
/// When the server fails.
pub(in crate::commands) fn trivial(settings: &Settings, limit: u64) -> Result<(String, Option<String>)> {
    let mut there = There::new(settings, limit, &mut FileMemory::new(&()))?;
    drop(there.token()?);
    let directory =
        tempfile::tempdir().map_err(|error| Error::io("make", Path::new("a temporary directory"), error))?;
    let places = Places { root: directory.path().to_path_buf(), home: None };
    let mut inputs = Inputs::new(&places, &directory.path().join(".cashet"), &());
    inputs.add(&places.root);
    let place = inputs.place(&places.root).unwrap_or_default();
    let words: Vec<OsString> =
        ["--quiet", "--", "/bin/sh", "-c", ":"].into_iter().map(OsString::from).collect();
    let path = BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]);
    let Ran { left, worker } = there.run(inputs.shipped(), &path, (Path::new(&place), &words, None))?;
    let report: serde_json::Value = serde_json::from_slice(&left.report).unwrap_or_default();
    let text =
        |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_str).map(str::to_owned);
    let why = text(report.get("error"))
        .or_else(|| text(report.get("not_kept").and_then(|why| why.get("detail"))))
        .unwrap_or_else(|| "the worker does not record runs".to_owned());
    let worker = if worker.is_empty() { "a worker".to_owned() } else { worker };
    Ok((worker, left.run.is_none().then_some(why)))
}
