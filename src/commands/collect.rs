//! `collect`: brings a store below its cap. An internal command: `exec` starts it in the background at its end, so that no call waits
//! for it.

use super::exit::{DONE, Exit};
use crate::error::EXIT_USAGE;
use crate::exec::{is_nested, start_detached};
use crate::record::Timestamp;
use crate::store::{LocalStore, StoreOptions};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

/// The name of the command.
pub(super) const NAME: &str = "collect";

/// Starts a collection after this call, if the store is beyond its cap.
pub(super) fn start(store: &LocalStore, directory: &Path) {
    let now = Timestamp::now();
    let Some(cap) = store.max_size().filter(|_| store.wants_trim(now)) else { return };
    let (Ok(program), Ok(directory)) = (std::env::current_exe(), std::path::absolute(directory)) else {
        return;
    };
    // The outer call would consider the process as one that its command left behind.
    if is_nested() {
        let _ = store.trim(now);
        return;
    }
    let mut command = Command::new(program);
    command.arg(NAME).arg(directory).arg(cap.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // The process does not stay in a directory of the user either.
    command.current_dir("/");
    // A failure is left to the next call, and to `gc`.
    let _ = start_detached(&mut command);
}

/// `cashet collect STORE BYTES`.
pub(super) fn main(directory: &OsString, cap: &OsString) -> Exit {
    let Some(cap) = cap.to_str().and_then(|cap| cap.parse().ok()) else { return Exit::Status(EXIT_USAGE) };
    let options = StoreOptions { trust_owner: true, max_size: Some(cap), ..StoreOptions::default() };
    if let Ok(store) = LocalStore::open(Path::new(directory), &options) {
        // There is no user to read a message.
        let _ = store.trim(Timestamp::now());
    }
    DONE
}
