//! `worker --sandboxed CALL OUTPUT RECORD`: runs a shipped call in the directory that contains the shipped files, and writes a record
//! of the run.
//!
//! It shares nothing with the machine that sent the call. The store is temporary.

use super::{changed, log_of_engine, refusal, with_umask};
use crate::commands::exec::elsewhere::work;
use crate::commands::exit::{DONE, Exit};
use crate::commands::options::{self, Flag};
use crate::digest::{CommitId, Digest, Key};
use crate::elsewhere::shipped::{DIRECTORIES, ROOM, SMALL};
use crate::elsewhere::{Attributes, Left, LeftRun, ShippedCall};
use crate::encode::{Decode, Encode};
use crate::error::{Error, Kind, Result};
use crate::exec::umask;
use crate::store::{BlobStore, LocalStore, StoreOptions};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The option that selects this mode.
pub(super) const WORD: &str = "--sandboxed";

/// Runs the call in the first of these files, fills the directory that is the second, and writes the record, the third.
///
/// # Errors
/// When the shipped files are malformed, or the record cannot be written.
pub(super) fn run([call_path, output, record]: [&Path; 3]) -> Result<Exit> {
    let base = std::env::current_dir().map_err(|error| Error::io("find", Path::new("."), error))?;
    let bytes = fs::read(call_path).map_err(|error| Error::io("read", call_path, error))?;
    let call = ShippedCall::from_bytes(&bytes).map_err(|error| {
        Error::new(Kind::Other, format!("what was shipped {error}: is it from another release of cashet?"))
    })?;
    if umask() != call.umask {
        return Err(with_umask(call.umask));
    }
    let (output, record) = (base.join(output), base.join(record));
    fs::create_dir_all(&output).map_err(|error| Error::io("create", &output, error))?;
    make_directories(&base);
    call.attributes.iter().for_each(|of_path| give(&base, of_path));
    // Beside the shipped files, if there is no other place.
    let own = tempfile::tempdir().or_else(|_| tempfile::tempdir_in(&base));
    let own = own.map_err(|error| Error::io("create a directory in", &base, error))?;
    let left = answer(&base, &call, own.path())?;
    let store = own.path().join("store");
    let left = with_run(left, &store, &output)?;
    fs::write(&record, left.to_bytes()).map_err(|error| Error::io("write", &record, error))?;
    Ok(DONE)
}

/// Creates the directories that the environment names, which belong to this call alone. After a failure the run observes that they
/// are missing.
fn make_directories(base: &Path) {
    if base != Path::new("/") {
        return;
    }
    for path in DIRECTORIES.iter().filter_map(std::env::var_os) {
        let _ = fs::create_dir_all(path);
    }
}

/// Sets the time and the mode that a path has on the sending machine. After a failure the run observes other values, and the sending
/// machine notices this.
fn give(base: &Path, of_path: &Attributes) {
    let path = base.join(&of_path.path);
    let nanoseconds = u64::try_from(of_path.modified.0).unwrap_or_default();
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
    let _ = fs::set_permissions(&path, Permissions::from_mode(of_path.mode & 0o7777));
    let _ = File::open(&path).and_then(|file| file.set_times(FileTimes::new().set_modified(time)));
}

/// Answers the call with a store in `own`; returns the report.
fn answer(base: &Path, call: &ShippedCall, own: &Path) -> Result<Vec<u8>> {
    let other = || Error::new(Kind::Other, "the call is from another release of cashet");
    let mut scanned = options::scan(&call.words).ok_or_else(other)?;
    let report = own.join("report");
    for (flag, value) in [
        (Flag::Report, Some(report.as_os_str())),
        (Flag::Store, Some(own.join("store").as_os_str())),
        (Flag::NoRemote, None),
        // The sending machine judges how it ended.
        (Flag::CacheExit, Some(OsStr::new("0-255"))),
        (Flag::Trace, Some(OsStr::new("require"))),
    ] {
        scanned.give(flag, value.map(OsStr::to_os_string));
    }
    let failed = |error: nix::errno::Errno| Error::new(Kind::Other, format!("cannot set streams: {error}"));
    let log = log_of_engine()?;
    let open = |name: &str| {
        let path = own.join(name);
        File::create(&path).map_err(|error| Error::io("create", &path, error))
    };
    let null = Path::new("/dev/null");
    let null = File::open(null).map_err(|error| Error::io("open", null, error))?;
    nix::unistd::dup2_stdin(&null).map_err(failed)?;
    nix::unistd::dup2_stdout(open("stdout")?).map_err(failed)?;
    nix::unistd::dup2_stderr(open("stderr")?).map_err(failed)?;
    let directory = base.join(&call.directory);
    let only = call.manifest.as_ref().map(|manifest| Key(Digest::of(manifest)));
    let entered = std::env::set_current_dir(&directory);
    let ended = match entered.map_err(|error| Error::io("enter", &directory, error)) {
        Ok(()) => match work(&scanned, only) {
            Err(error) if error.kind() == Kind::OtherKey => Err(changed(&scanned, call.manifest.as_deref())),
            other => other,
        },
        Err(error) => Err(error),
    };
    nix::unistd::dup2_stderr(&log).map_err(failed)?;
    match ended {
        Ok(_) => fs::read(&report).map_err(|error| Error::io("read", &report, error)),
        Err(error) => Ok(Value::from(refusal(&error)).to_string().into_bytes()),
    }
}

/// The run in the report, if it may be replayed. Its large blobs are written to `output`.
fn with_run(report: Vec<u8>, store: &Path, output: &Path) -> Result<Left> {
    let found: Value = serde_json::from_slice(&report).unwrap_or_default();
    let id = found.get("commit").and_then(Value::as_str).and_then(Digest::from_hex).map(CommitId);
    let Some(id) = id else { return Ok(Left { report, run: None }) };
    let store = LocalStore::open(store, &StoreOptions::default())?;
    let Some(whole) = store.whole(&id)? else { return Ok(Left { report, run: None }) };
    let (inline, large) = store.parted(&whole.blobs, SMALL, ROOM)?;
    for content in &large {
        let path = output.join(content.blob.0.to_hex());
        let mut blob = store.read(&content.blob)?;
        let written = File::create(&path).and_then(|mut file| std::io::copy(&mut blob, &mut file));
        written.map_err(|error| Error::io("write", &path, error))?;
    }
    Ok(Left {
        report,
        run: Some(LeftRun {
            id,
            commit: whole.commit.to_bytes(),
            manifest: whole.manifest,
            blobs: whole.blobs,
            inline,
        }),
    })
}
