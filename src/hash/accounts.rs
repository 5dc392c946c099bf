//! The system's tables of users and groups: the lines of some of them.
//!
//! A part of a table counts as bytes and numbers alone.

use crate::digest::Digest;
use crate::encode::Encoder;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The tables.
pub const TABLES: [&str; 2] = [USERS, "/etc/group"];

/// The settings that the library reads before its first look at a table.
pub const NAME_SERVICES: &str = "/etc/nsswitch.conf";

/// The table of users.
const USERS: &str = "/etc/passwd";

/// The digest of the lines whose number is one of `ids` (sorted), in their order. Lines by which another service is asked
/// (`+`, `-`) count always, and so does what is not a line of such a table.
#[must_use]
pub fn digest(table: &[u8], ids: &[u32]) -> Digest {
    let mut encoder = Encoder::new();
    for line in table.split(|byte| *byte == b'\n') {
        let id =
            line.split(|byte| *byte == b':').nth(2).and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        let is_asked = match id {
            Some(id) => ids.binary_search(&id).is_ok() || line.starts_with(b"+") || line.starts_with(b"-"),
            None => !line.is_empty(),
        };
        if is_asked {
            encoder.bytes(line);
        }
    }
    Digest::of(&encoder.finish())
}

/// The home directory of the user as whom this process runs, by `/etc/passwd`: `None` if another service knows it.
#[must_use]
pub fn own_home() -> Option<PathBuf> {
    home(&fs::read(USERS).ok()?, rustix::process::getuid().as_raw())
}

/// The home directory of a user, if the table has the user's line before any line by which another service is asked.
fn home(table: &[u8], user: u32) -> Option<PathBuf> {
    let mut own = table.split(|byte| *byte == b'\n').take_while(|line| !line.starts_with(b"+"));
    let line = own.find(|line| {
        let id = line.split(|byte| *byte == b':').nth(2).and_then(|id| std::str::from_utf8(id).ok());
        !line.starts_with(b"-") && id.and_then(|id| id.parse().ok()) == Some(user)
    })?;
    let home = line.split(|byte| *byte == b':').nth(5)?;
    home.starts_with(b"/").then(|| PathBuf::from(OsStr::from_bytes(home)))
}

#[cfg(test)]
mod tests {
    use super::{digest, home};
    use std::path::PathBuf;

    #[test]
    fn the_home_of_a_user_is_in_the_line_with_the_number() {
        let table =
            b"root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n+@team\nbob:x:7:7::/b:\n";
        assert_eq!(home(table, 1000), Some(PathBuf::from("/home/ann")));
        assert_eq!((home(table, 7), home(table, 8), home(b"a:x:1:1::rel:", 1)), (None, None, None));
    }

    #[test]
    fn lines_of_others_do_not_count() {
        let before = b"root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        let others =
            b"root:x:0:0::/root:/bin/sh\nnew:x:1001:1001::/:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        let renamed = b"root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/ann:/bin/sh\n";
        let service = b"root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n+@team\n";
        let of = |table: &[u8]| digest(table, &[0, 1000]);
        assert_eq!(of(before), of(others));
        assert_ne!(of(before), of(renamed));
        assert_ne!(of(before), of(service));
    }
}
