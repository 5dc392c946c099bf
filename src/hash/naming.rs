//! What names a request before anything of the world is looked at: the name of what is remembered of it.
//!
//! Knows nothing of what is remembered.

use super::manifest::SCHEME;
use super::remembered;
use super::request::{Request, StdinPart};
use crate::digest::{DIGEST_LENGTH, Digest, RequestId};
use crate::encode::Encoder;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// What names a request before anything of the world is looked at.
pub(super) fn request_id(request: &Request, secret: &dyn Fn() -> [u8; DIGEST_LENGTH]) -> RequestId {
    let mut encoder = Encoder::new();
    encoder.text("request").unsigned(remembered::VERSION).unsigned(SCHEME);
    let words = |encoder: &mut Encoder, words: &[OsString]| {
        encoder.length(words.len());
        for word in words {
            encoder.bytes(word.as_bytes());
        }
    };
    words(&mut encoder, &request.words);
    encoder.length(request.references.len());
    for reference in &request.references {
        encoder.unsigned(reference.word as u64).bytes(reference.typed.as_bytes()).digest(&reference.digest);
    }
    encoder.bytes(request.directory.as_os_str().as_bytes());
    encoder.bytes(request.places.root.as_os_str().as_bytes());
    let home = request.places.home.as_deref().map(|home| home.as_os_str().as_bytes().to_vec());
    encoder.option(home.as_ref());
    let path = request.environment.iter().find(|(name, _)| name == "PATH");
    encoder.option(path.map(|(_, value)| value.as_bytes().to_vec()).as_ref());
    for list in [&request.variables, &request.inputs, &request.outputs, &request.tools] {
        words(&mut encoder, list);
    }
    let ignored = &request.ignored;
    for list in [&ignored.writes, &ignored.reads, &ignored.variables, &ignored.arguments] {
        words(&mut encoder, list);
    }
    match request.stdin {
        StdinPart::None => encoder.unsigned(0),
        StdinPart::Null => encoder.unsigned(1),
        StdinPart::Content(digest) => encoder.unsigned(2).digest(&digest),
    };
    encoder.list(&request.stdin_mentions);
    encoder.option(request.salt.as_ref().map(|salt| salt.as_bytes().to_vec()).as_ref());
    encoder.option(request.logical_directory().map(|place| place.as_bytes().to_vec()).as_ref());
    encoder.flag(request.exact_source).flag(request.env_strict).flag(request.words_are_inputs);
    encoder.flag(request.literal).flag(request.exact_state).flag(request.always_terminal);
    encoder.length(request.languages.names().len());
    for (ending, form) in request.languages.names() {
        encoder.bytes(ending.as_bytes()).text(form);
    }
    if request.redactions.is_empty() {
        return RequestId(Digest::of(&encoder.finish()));
    }
    // A name from which words cannot be guessed without the store.
    words(&mut encoder, &request.redactions);
    RequestId(Digest::keyed(&secret(), &encoder.finish()))
}
