//! Reconstructs the call of a recorded run from the commit and its manifest.
//!
//! Patterns of inputs are not recorded, but the files that they matched are.

use super::VerifyContext;
use crate::digest::{BlobId, DIGEST_LENGTH, Digest};
use crate::error::{Error, Result};
use crate::exec::Stdin;
use crate::hash::files;
use crate::hash::look::rest_of;
use crate::hash::manifest::{Manifest, Part, Value};
use crate::hash::request::{Request, StdinPart};
use crate::memo::references::{Held, Product, Products, resolve_references};
use crate::memo::stdin::StdinAtStart;
use crate::record::{Commit, Coverage, Observation, StdinKind, StdinUse};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The request of `commit`.
///
/// # Errors
/// When a product that a word refers to is no longer stored.
pub(super) fn request(
    context: &VerifyContext<'_>,
    commit: &Commit,
    manifest: &Manifest,
) -> Result<(Request, Held)> {
    let directory = context.places.resolve(&commit.directory);
    let words = commit.words.iter().map(|word| OsString::from_vec(word.clone())).collect();
    let environment = environment(&context.environment, &directory, context.directory);
    let mut request = Request {
        words_are_inputs: commit.coverage == Coverage::Declared,
        ..Request::new(words, directory, context.places.clone(), environment)
    };
    for (part, value) in manifest.facts() {
        match (part, value) {
            (Part::Word(place), Value::Bytes(bytes)) => {
                let place = usize::try_from(*place).unwrap_or(usize::MAX);
                if let Some(word) = request.words.get_mut(place)
                    && word.as_bytes() != bytes.as_slice()
                    && let Some(typed) = reference(bytes)
                {
                    *word = typed;
                }
            }
            (Part::Variable(name), _) => request.variables.push(OsString::from_vec(name.clone())),
            (Part::Input(path), _) => {
                let path = context.places.resolve(path);
                // A missing input is reported through the manifest.
                if fs::symlink_metadata(&path).is_ok() {
                    request.inputs.push(path.into_os_string());
                }
            }
            (Part::Output(pattern), _) => request.outputs.push(OsString::from_vec(pattern.clone())),
            (Part::Tool(name), _) => request.tools.push(OsString::from_vec(name.clone())),
            (Part::Stdin, Value::Absent) => request.stdin = StdinPart::Null,
            (Part::Stdin, Value::Digest(digest)) => request.stdin = StdinPart::Content(*digest),
            (Part::Salt, Value::Bytes(salt)) => request.salt = Some(OsString::from_vec(salt.clone())),
            (Part::Flag(name), _) if name == "env-strict" => request.env_strict = true,
            (Part::Flag(name), _) if name == "literal" => request.literal = true,
            (Part::Flag(name), _) if name == "exact-state" => request.exact_state = true,
            (Part::Flag(name), _) if name == "tty" => request.always_terminal = true,
            (Part::Flag(name), _) if name == "declared-only" => request.words_are_inputs = true,
            (Part::Flag(name), _) => request.ignored.take(name, &context.places.root),
            _ => {}
        }
    }
    let held = resolve_references(&mut request, &ByDigest, context.store)?;
    Ok((request, held))
}

/// Whether a word was redacted.
pub(super) fn is_redacted(manifest: &Manifest) -> bool {
    manifest.facts().any(|fact| matches!(fact, (Part::Word(_), Value::Digest(_))))
}

/// Whether all sources count byte for byte, as with `--exact-source`.
pub(super) fn all_raw(manifest: &Manifest) -> bool {
    let mut forms = manifest.facts().filter_map(|(_, value)| match value {
        Value::Source { form, .. } => Some(form == "raw"),
        _ => None,
    });
    forms.next().is_some_and(|first| first) && forms.all(|raw| raw)
}

/// The present environment. `PWD` is corrected to the directory, as a shell that changed there would do.
fn environment(ours: &[(OsString, OsString)], directory: &Path, present: &Path) -> Vec<(OsString, OsString)> {
    let mut environment = ours.to_vec();
    if directory != present
        && let Some((_, value)) = environment.iter_mut().find(|(name, _)| name == "PWD")
    {
        directory.as_os_str().clone_into(value);
    }
    environment
}

/// The word in a fact such as `--data=cashet:DIGEST.csv`, as typed.
fn reference(fact: &[u8]) -> Option<OsString> {
    let mark = b"cashet:";
    let start = fact.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let end = start + 2 * DIGEST_LENGTH;
    let digits = std::str::from_utf8(fact.get(start..end)?).ok()?;
    Digest::from_hex(digits)?;
    let mut typed = fact.get(..end)?.to_vec();
    match fact.get(end..)? {
        [] => {}
        // Any path with that extension works.
        [b'.', extension @ ..] => {
            typed.extend_from_slice(b":x.");
            typed.extend_from_slice(extension);
        }
        _ => return None,
    }
    Some(OsString::from_vec(typed))
}

/// Resolves revisions: a revision of 64 digits stands for the product with that digest.
struct ByDigest;

impl Products for ByDigest {
    fn product(&self, reference: &OsStr) -> Result<Product> {
        let mut parts = reference.as_bytes().splitn(2, |byte| *byte == b':');
        let digits = parts.next().and_then(|digits| std::str::from_utf8(digits).ok());
        let blob = digits.and_then(Digest::from_hex).map(BlobId);
        let blob = blob.ok_or_else(|| Error::usage("a word refers to a product that is not stored"))?;
        Ok(Product { blob, path: parts.next().map(<[u8]>::to_vec) })
    }
}

/// The standard input for the child.
///
/// # Errors
/// A message that says what the user has to supply.
pub(super) fn stdin(
    context: &VerifyContext<'_>,
    request: &Request,
    commit: &Commit,
) -> Result<Stdin, String> {
    let used = commit.observations.iter().find_map(|observation| match observation {
        Observation::Stdin(used) => Some(used),
        _ => None,
    });
    let missing = || "it read a standard input that is not stored: supply it with '< FILE'".to_owned();
    match (request.stdin, used) {
        (StdinPart::Content(digest), _) => {
            stored(context, digest).or_else(|| ours(context, None, digest)).ok_or_else(missing)
        }
        (StdinPart::Null, _) => Ok(Stdin::Null),
        (StdinPart::None, None) => of_kind(context, commit),
        (StdinPart::None, Some(StdinUse::Place { size, offset })) => {
            sized(*size, *offset).ok_or_else(|| "cannot make a standard input of that size".to_owned())
        }
        (StdinPart::None, Some(StdinUse::Content { offset, digest, .. })) => {
            ours(context, Some(*offset), *digest)
                .or_else(|| (*offset == 0).then(|| stored(context, *digest)).flatten())
                .ok_or_else(missing)
        }
    }
}

/// A standard input with the recorded properties: the present one if it has them, otherwise `/dev/null`.
fn of_kind(context: &VerifyContext<'_>, commit: &Commit) -> Result<Stdin, String> {
    let asked = |observation: &&Observation| {
        matches!(
            observation,
            Observation::StdinKind(_) | Observation::StdinTerminal(_) | Observation::StdinName(_)
        )
    };
    let asked: Vec<&Observation> = commit.observations.iter().filter(asked).collect();
    let is_null = |observation: &&Observation| {
        matches!(observation, Observation::StdinKind(StdinKind::Null) | Observation::StdinTerminal(false))
            || matches!(observation, Observation::StdinName(name) if name == b"/dev/null")
    };
    if asked.iter().all(is_null) {
        return Ok(Stdin::Null);
    }
    let ours = StdinAtStart::look(context.stdin);
    if asked.iter().all(|observation| ours.holds(observation)) {
        return Ok(Stdin::Inherit);
    }
    let kind = asked.iter().find_map(|observation| match observation {
        Observation::StdinKind(kind) => Some(kind.word()),
        _ => None,
    });
    Err(format!("it looked at the type of its standard input: {}", kind.unwrap_or("a terminal")))
}

/// A copy of stored content in an unnamed file.
fn stored(context: &VerifyContext<'_>, digest: Digest) -> Option<Stdin> {
    if digest == Digest::of(b"") {
        return Some(Stdin::Null);
    }
    let mut from = context.store.read(&BlobId(digest)).ok()?;
    let mut file = nameless(context)?;
    io::copy(&mut from, &mut file).ok()?;
    file.seek(SeekFrom::Start(0)).ok()?;
    Some(Stdin::File(file))
}

fn nameless(context: &VerifyContext<'_>) -> Option<File> {
    let directory = context.store.workspace().temporary();
    tempfile::tempfile_in(directory).or_else(|_| tempfile::tempfile()).ok()
}

/// The present standard input, if it is a file with that content from its offset on. The offset does not move.
fn ours(context: &VerifyContext<'_>, offset: Option<u64>, digest: Digest) -> Option<Stdin> {
    let rest = rest_of(context.stdin).ok()??;
    if rest.digest != digest || offset.is_some_and(|offset| offset != rest.offset) {
        return None;
    }
    // Opened again, it has a separate offset.
    let mut file = File::open("/proc/self/fd/0").ok()?;
    let (again, _) = files::digest_from(&file, rest.offset).ok()?;
    file.seek(SeekFrom::Start(rest.offset)).ok()?;
    (again == digest).then_some(Stdin::File(file))
}

/// A sparse file of that size and offset, for a run that read only these two.
fn sized(size: u64, offset: u64) -> Option<Stdin> {
    let mut file = tempfile::tempfile().ok()?;
    file.set_len(size).ok()?;
    file.seek(SeekFrom::Start(offset)).ok()?;
    Some(Stdin::File(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_from_the_manifest() {
        let hex = Digest::of(b"x").to_hex();
        for (fact, typed) in [
            (format!("cashet:{hex}"), Some(format!("cashet:{hex}"))),
            (format!("--data=cashet:{hex}.csv"), Some(format!("--data=cashet:{hex}:x.csv"))),
            ("cashet:1234".to_owned(), None),
            (format!("cashet:{hex}x"), None),
            ("plain".to_owned(), None),
        ] {
            assert_eq!(reference(fact.as_bytes()), typed.map(OsString::from), "{fact}");
        }
    }

    #[test]
    fn the_child_gets_its_directory_in_pwd() {
        let ours = [("PWD".into(), "/a".into()), ("X".into(), "1".into())];
        let there = environment(&ours, Path::new("/a/b"), Path::new("/a"));
        assert_eq!(there.first().map(|(_, value)| value.as_os_str()), Some(OsStr::new("/a/b")));
        assert_eq!(environment(&ours, Path::new("/a"), Path::new("/a")), ours);
    }
}
