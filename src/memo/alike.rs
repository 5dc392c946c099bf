//! The key of a call among machines of one toolchain: what is known before the run, without what the toolchain brings.

use crate::digest::{Digest, Key};
use crate::encode::Encoder;
use crate::hash::manifest::{Manifest, Part, Value};
use crate::record::{FileState, Observation};
use crate::remote::toolchain::Token;
use std::collections::BTreeSet;

/// The key of `manifest` with `token` in place of the toolchain. A program is one of the toolchain if `seen` has its content at
/// a path that the token replaces.
pub(super) fn key<'a>(
    manifest: &Manifest,
    seen: impl Iterator<Item = &'a Observation>,
    token: &Token,
) -> Key {
    let of_toolchain: BTreeSet<Digest> = seen
        .filter_map(|observation| match observation {
            Observation::Content { path, digest }
            | Observation::State { path, state: FileState::File { digest, .. }, .. }
                if token.covers(path) =>
            {
                Some(*digest)
            }
            _ => None,
        })
        .collect();
    let counts = |(part, value): &(&Part, &Value)| match (part, value) {
        (Part::Program(_), Value::Digest(digest)) => !of_toolchain.contains(digest),
        // What the user declares as an input counts wherever it is.
        (Part::Source(path) | Part::Shadow(path) | Part::Setting(path), _) => !token.covers(path),
        _ => true,
    };
    let facts: Vec<(&Part, &Value)> = manifest.facts().filter(counts).collect();
    let mut encoder = Encoder::new();
    encoder.text("cashet key with a toolchain 1").bytes(token.as_bytes()).length(facts.len());
    for (part, value) in facts {
        encoder.value(part).value(value);
    }
    Key(Digest::of(&encoder.finish()))
}
