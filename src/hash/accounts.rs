//! The system's tables of users and groups: the lines of some of them.
//!
//! Bytes and numbers alone.

use crate::digest::Digest;
use crate::encode::Encoder;

/// The tables.
pub const TABLES: [&str; 2] = ["/etc/passwd", "/etc/group"];

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

#[cfg(test)]
mod tests {
    use super::digest;

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
