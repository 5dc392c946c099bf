//! A directory to run commands in, for the tests of capture.

mod commands;
mod key;
mod remembered;

use super::*;
use crate::hash::entry::LanguageKind;
use crate::hash::manifest::Value;
use crate::hash::memory::tests::Memory;
use crate::hash::request::{Reference, StdinPart};
use crate::record::Places;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

/// A directory to run commands in, and the environment to run them with.
pub(super) struct Sandbox {
    pub(super) directory: tempfile::TempDir,
    pub(super) memory: Memory,
    pub(super) environment: Vec<(OsString, OsString)>,
}

impl Sandbox {
    pub(super) fn new() -> Self {
        let environment = vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())];
        Self { directory: tempfile::tempdir().unwrap(), memory: Memory::default(), environment }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file and makes it old, so that its evidence is trusted.
    pub(super) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(super) fn executable(&self, name: &str, content: &str) -> PathBuf {
        let path = self.write(name, content);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(super) fn request(&self, line: &[&str]) -> Request {
        let directory = self.directory.path().to_path_buf();
        let places = Places { root: directory.clone(), home: None };
        Request::new(line.iter().map(OsString::from).collect(), directory, places, self.environment.clone())
    }

    pub(super) fn capture(&self, request: &Request) -> Captured {
        capture(request, &self.memory).unwrap()
    }

    pub(super) fn key(&self, request: &Request) -> Key {
        self.capture(request).key
    }

    pub(super) fn recall(&self, request: &Request) -> Option<Key> {
        recall(request, &self.memory, Timestamp::now()).map(|known| known.key)
    }
}

/// Long enough for evidence to be trusted on the file systems that tests run on.
pub(super) fn settle() {
    std::thread::sleep(Duration::from_millis(2100));
}
