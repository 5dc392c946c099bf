//! Keys by which records are signed, and those that are trusted. Ed25519.

use crate::digest::Digest;
use crate::error::{Error, Result};
use ed25519_dalek::{Signer, VerifyingKey};
use std::fmt;
use std::str::FromStr;

/// How the text of a public key begins.
const PUBLIC: &str = "cashet-key-public-1:";

/// How the text of a secret key begins.
const SECRET: &str = "cashet-key-secret-1:";

/// First bytes of all that is signed.
const CONTEXT: &[u8] = b"cashet record 2\0";

/// The id of a public key: the first bytes of its digest.
pub type KeyId = [u8; 8];

/// Who signed a record, and the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The signer's key.
    pub key: KeyId,
    /// The signature.
    pub signature: [u8; 64],
}

/// A key that signs.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    name: String,
}

/// A key by which signatures are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    /// A name for people; may be empty.
    pub name: String,
}

/// Whose records count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Everybody's, signed or not.
    Any,
    /// Those of these keys.
    Keys(Vec<PublicKey>),
}

/// Why a record does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Nobody signed it.
    Unsigned,
    /// A key signed it that is not trusted.
    Unknown(KeyId),
    /// The signature is wrong.
    Wrong(KeyId),
}

impl SigningKey {
    /// A key made of 32 random bytes.
    #[must_use]
    pub fn new(random: &[u8; 32], name: &str) -> Self {
        Self { key: ed25519_dalek::SigningKey::from_bytes(random), name: name.to_owned() }
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey { key: self.key.verifying_key(), name: self.name.clone() }
    }

    /// Signs a body of this kind under this name.
    #[must_use]
    pub fn sign(&self, kind: u8, name: &[u8; 32], body: &Digest) -> Seal {
        let signature = self.key.sign(&message(kind, name, body)).to_bytes();
        Seal { key: self.public().id(), signature }
    }

    /// The key as text, which must be kept secret.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        text(SECRET, self.key.as_bytes(), &self.name)
    }
}

impl fmt::Debug for SigningKey {
    /// Never the key itself.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.public())
    }
}

impl FromStr for SigningKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (bytes, name) = parse(SECRET, text).ok_or_else(|| {
            Error::usage("the signing key is not valid").with_hint(format!("it begins with {SECRET}"))
        })?;
        Ok(Self::new(&bytes, name))
    }
}

impl PublicKey {
    /// What stands for it in records.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest = Digest::of(self.key.as_bytes());
        digest.as_bytes().first_chunk().copied().unwrap_or_default()
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("{:.40} is not a public key", text.trim()))
                .with_hint(format!("it begins with {PUBLIC}; 'cashet remote keygen' makes one"))
        };
        let (bytes, name) = parse(PUBLIC, text).ok_or_else(wrong)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| wrong())?;
        Ok(Self { key, name: name.to_owned() })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&text(PUBLIC, self.key.as_bytes(), &self.name))
    }
}

impl Trust {
    /// Whether a body counts that has this seal.
    ///
    /// # Errors
    /// Why it does not.
    pub fn admits(
        &self,
        seal: Option<&Seal>,
        kind: u8,
        name: &[u8; 32],
        body: &Digest,
    ) -> Result<(), Distrust> {
        let keys = match self {
            Self::Any => return Ok(()),
            Self::Keys(keys) => keys,
        };
        let seal = seal.ok_or(Distrust::Unsigned)?;
        let signer = keys.iter().find(|key| key.id() == seal.key).ok_or(Distrust::Unknown(seal.key))?;
        let signature = ed25519_dalek::Signature::from_bytes(&seal.signature);
        let verified = signer.key.verify_strict(&message(kind, name, body), &signature);
        verified.map_err(|_| Distrust::Wrong(seal.key))
    }
}

/// The digits of a key's id, as messages show it.
#[must_use]
pub fn shown_id(key: KeyId) -> String {
    use fmt::Write;
    key.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn message(kind: u8, name: &[u8; 32], body: &Digest) -> Vec<u8> {
    [CONTEXT, &[kind], name, body.as_bytes()].concat()
}

fn text(begin: &str, bytes: &[u8; 32], name: &str) -> String {
    let key = format!("{begin}{}", to_base64(bytes));
    if name.is_empty() { key } else { format!("{key} {name}") }
}

/// The bytes of a key and its name.
fn parse<'a>(begin: &str, text: &'a str) -> Option<([u8; 32], &'a str)> {
    let text = text.trim();
    let (key, name) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let bytes = from_base64(key.strip_prefix(begin)?)?;
    Some((bytes.try_into().ok()?, name.trim()))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).ok().and_then(|six| DIGITS.get(six));
            let is_filled = usize::try_from(place).is_ok_and(|place| place <= group.len());
            text.push(digit.filter(|_| is_filled).map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let six = DIGITS.iter().position(|known| *known == digit)?;
        bits = bits << 6 & 0x00ff_ffff | u32::try_from(six).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 255).ok()?);
        }
    }
    // One key has one text.
    (to_base64(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_text_each() {
        let key = SigningKey::new(&[7; 32], "main-ci");
        let again: SigningKey = key.to_secret_text().parse().unwrap();
        assert_eq!(again.public(), key.public());
        let public = key.public().to_string();
        assert_eq!(public.parse::<PublicKey>().unwrap(), key.public());
        assert_eq!(public, "cashet-key-public-1:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw= main-ci");
        for wrong in [
            "",
            "cashet-key-public-1:",
            "cashet-key-public-1:AAAA x",
            "ssh-ed25519 AAAA",
            public.trim_start_matches('c'),
        ] {
            assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
        }
        assert!(format!("{key:?}").find(&key.to_secret_text()).is_none());
    }

    #[test]
    fn a_signature_is_of_one_kind_one_name_one_body_and_one_key() {
        let (key, other) = (SigningKey::new(&[1; 32], ""), SigningKey::new(&[2; 32], ""));
        let (name, body) = ([3; 32], Digest::of(b"body"));
        let seal = key.sign(1, &name, &body);
        let trust = Trust::Keys(vec![other.public(), key.public()]);
        assert_eq!(trust.admits(Some(&seal), 1, &name, &body), Ok(()));
        let wrong = Err(Distrust::Wrong(key.public().id()));
        assert_eq!(trust.admits(Some(&seal), 2, &name, &body), wrong);
        assert_eq!(trust.admits(Some(&seal), 1, &[4; 32], &body), wrong);
        assert_eq!(trust.admits(Some(&seal), 1, &name, &Digest::of(b"x")), wrong);
        let mut forged = seal;
        forged.signature[5] ^= 1;
        assert_eq!(trust.admits(Some(&forged), 1, &name, &body), wrong);
        assert_eq!(trust.admits(None, 1, &name, &body), Err(Distrust::Unsigned));
        let others = Trust::Keys(vec![other.public()]);
        assert_eq!(others.admits(Some(&seal), 1, &name, &body), Err(Distrust::Unknown(key.public().id())));
        assert_eq!(Trust::Any.admits(None, 1, &name, &body), Ok(()));
    }

    #[test]
    fn base64_goes_both_ways() {
        for length in 0..70_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            assert_eq!(from_base64(&to_base64(&bytes)), Some(bytes));
        }
        assert_eq!(to_base64(b"Man"), "TWFu");
        assert_eq!(to_base64(b"M"), "TQ==");
        assert_eq!(from_base64("TR=="), None);
    }
}
