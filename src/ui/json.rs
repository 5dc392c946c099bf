//! JSON for programs: one object per line for lists, full digests, whole numbers, RFC 3339 in UTC.
//!
//! docs/json.md gives every shape. Fields are added, never renamed.

use crate::digest::Digest;
use crate::record::{Base, StoredPath, Termination, Timestamp};
use serde_json::{Map, Value, json};
use std::os::unix::ffi::OsStrExt;

/// Version of the shapes, in every object that is not part of another.
pub const SCHEMA: u64 = 1;

/// An object, in the order in which its fields are set.
#[derive(Debug, Default)]
pub struct Object(Map<String, Value>);

impl Object {
    /// An object that is part of another.
    #[must_use]
    pub fn part() -> Self {
        Self::default()
    }

    /// A whole document: its first field is the schema.
    #[must_use]
    pub fn whole() -> Self {
        Self::default().with("schema", SCHEMA)
    }

    /// The object with one field more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

/// Text; bytes that are not UTF-8 as `{"b64": …}`.
#[must_use]
pub fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "b64": base64(bytes) }),
    }
}

/// A list of texts.
#[must_use]
pub fn texts<T: AsRef<[u8]>>(list: &[T]) -> Value {
    list.iter().map(|each| text(each.as_ref())).collect()
}

/// A path: below the root without a leading `/`, below HOME with `~/`, else absolute. A path below the root
/// that could be taken for another begins with `./`.
#[must_use]
pub fn path(path: &StoredPath) -> Value {
    let shown = path.shown();
    let bytes = shown.as_os_str().as_bytes();
    if path.base() == Base::Root && bytes.starts_with(b"~") {
        return text(&[b"./", bytes].concat());
    }
    text(bytes)
}

/// All 64 digits.
#[must_use]
pub fn digest(digest: &Digest) -> Value {
    digest.to_hex().into()
}

/// A moment in UTC, to the nanosecond.
#[must_use]
pub fn moment(moment: Timestamp) -> Value {
    match jiff::Timestamp::from_nanosecond(i128::from(moment.0)) {
        Ok(known) => format!("{known:.9}").into(),
        Err(_) => Value::Null,
    }
}

/// How a command ended: `{"exit": 0}` or `{"signal": 9}`.
#[must_use]
pub fn termination(termination: Termination) -> Value {
    match termination {
        Termination::Exited(status) => json!({ "exit": status }),
        Termination::Signaled(signal) => json!({ "signal": signal }),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 with padding.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            (0..3).fold(0_u32, |bits, place| bits << 8 | u32::from(group.get(place).copied().unwrap_or(0)));
        for place in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            let digit = ALPHABET.get(index).filter(|_| place <= group.len());
            encoded.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), encoded);
        }
        assert_eq!(base64(&[255, 254, 0]), "//4A");
    }

    #[test]
    fn what_is_not_text_is_told_apart() {
        assert_eq!(text(b"a\nb").to_string(), r#""a\nb""#);
        assert_eq!(text(b"\xff").to_string(), r#"{"b64":"/w=="}"#);
        assert_eq!(texts(&[&b"a"[..], b"\xff"]).to_string(), r#"["a",{"b64":"/w=="}]"#);
    }

    #[test]
    fn paths_and_moments_have_one_form() {
        assert_eq!(path(&StoredPath::in_root("src/a")), "src/a");
        assert_eq!(path(&StoredPath::in_root("")), ".");
        assert_eq!(path(&StoredPath::in_root("~/a")), "./~/a");
        assert_eq!(moment(Timestamp(1_795_348_800_000_000_001)), "2026-11-22T12:00:00.000000001Z");
    }

    #[test]
    fn an_object_keeps_its_order() {
        let object = Object::whole().with("b", 1).with("a", Object::part().with("c", Value::Null));
        assert_eq!(Value::from(object).to_string(), r#"{"schema":1,"b":1,"a":{"c":null}}"#);
        assert_eq!(termination(Termination::Signaled(9)).to_string(), r#"{"signal":9}"#);
    }
}
