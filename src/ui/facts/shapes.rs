//! Facts, observations and outputs as programs read them: the shapes that `docs/json.md` documents.

use super::kind;
use crate::hash::manifest::{Part, Value};
use crate::record::{BothEnds, Content, FileState, Observation, OutputKind, StdinKind, StdinUse, StoredPath};
use crate::ui::json::{self, Object};
use serde_json::Value as Json;

/// A fact of a manifest for programs.
#[must_use]
pub fn fact_json(part: &Part, value: &Value) -> Object {
    part_json(part).with("value", value_json(value))
}

/// Which fact of a manifest, for programs.
#[must_use]
pub fn part_json(part: &Part) -> Object {
    let name = match part {
        Part::Platform | Part::Directory | Part::Stdin | Part::Salt => Json::Null,
        Part::Word(place) | Part::Program(place) => (*place).into(),
        Part::Source(path) | Part::Shadow(path) | Part::Setting(path) | Part::Input(path) => json::path(path),
        Part::Package(_, name) | Part::Flag(name) => name.as_str().into(),
        Part::Variable(name) | Part::Tool(name) | Part::Output(name) => json::text(name),
    };
    let object = Object::part().with("part", kind(part)).with("name", name);
    match part {
        Part::Package(ecosystem, _) => object.with("ecosystem", ecosystem.as_str()),
        _ => object,
    }
}

/// Stored bytes for programs.
#[must_use]
pub fn content_json(content: &Content) -> Object {
    Object::part().with("blob", json::digest(&content.blob.0)).with("bytes", content.size)
}

/// What an output is, for programs.
#[must_use]
pub fn output_json(kind: &OutputKind) -> Object {
    let of = |kind: &str| Object::part().with("kind", kind);
    match kind {
        OutputKind::File { content, mode, sparse } => of("file")
            .with("blob", json::digest(&content.blob.0))
            .with("bytes", content.size)
            .with("mode", *mode)
            .with("sparse", *sparse),
        OutputKind::Sparse { data, mode, size, .. } => of("file")
            .with("blob", json::digest(&data.blob.0))
            .with("bytes", *size)
            .with("mode", *mode)
            .with("sparse", true)
            .with("stored", data.size),
        OutputKind::Directory { mode } => of("directory").with("mode", *mode),
        OutputKind::Symlink { text } => of("symlink").with("text", json::text(text)),
        OutputKind::Removed => of("removed"),
    }
}

/// A value of a fact for programs.
#[must_use]
pub fn value_json(value: &Value) -> Json {
    let object = match value {
        Value::Present => Object::part().with("kind", "present"),
        Value::Absent => Object::part().with("kind", "absent"),
        Value::Bytes(bytes) => Object::part().with("kind", "text").with("text", json::text(bytes)),
        Value::Digest(digest) => Object::part().with("kind", "digest").with("digest", json::digest(digest)),
        Value::Source { form, digest } => Object::part()
            .with("kind", "source")
            .with("form", form.as_str())
            .with("digest", json::digest(digest)),
        Value::File { executable, digest } => Object::part()
            .with("kind", "file")
            .with("executable", *executable)
            .with("digest", json::digest(digest)),
        Value::Directory => Object::part().with("kind", "directory"),
        Value::Symlink(text) => Object::part().with("kind", "symlink").with("text", json::text(text)),
        Value::Version(version) => Object::part().with("kind", "version").with("version", version.as_str()),
    };
    object.into()
}

/// An observation of what programs list and tools keep, for programs.
fn tools_json(observation: &Observation) -> Object {
    let of = |kind: &str| Object::part().with("kind", kind);
    match observation {
        Observation::Entries { path, aside, digest } => of("entries")
            .with("path", json::path(path))
            .with("aside", json::texts(&aside.apart()))
            .with("digest", json::digest(digest)),
        Observation::Exists { path } => of("exists").with("path", json::path(path)),
        Observation::Index { path, digest } => {
            of("git_index").with("path", json::path(path)).with("digest", json::digest(digest))
        }
        Observation::Settled { states } => {
            let one = |ends: &BothEnds| {
                let object = Object::part().with("path", json::path(&ends.path));
                Json::from(
                    object.with("before", state_json(&ends.before)).with("after", state_json(&ends.after)),
                )
            };
            of("settled").with("states", states.iter().map(one).collect::<Json>())
        }
        _ => of("other"),
    }
}

/// An observation for programs.
#[must_use]
pub fn observation_json(observation: &Observation) -> Object {
    let of = |kind: &str| Object::part().with("kind", kind);
    match observation {
        Observation::Content { path, digest } => {
            of("content").with("path", json::path(path)).with("digest", json::digest(digest))
        }
        Observation::State { path, follow, state } => of("state")
            .with("path", json::path(path))
            .with("follow", *follow)
            .with("state", state_json(state)),
        Observation::Listing { path, everything, digest } => of("listing")
            .with("path", json::path(path))
            .with("everything", *everything)
            .with("digest", json::digest(digest)),
        Observation::TimeOrder { groups } => {
            let groups = groups.iter().map(|group| group.iter().map(json::path).collect::<Json>());
            of("time_order").with("groups", groups.collect::<Json>())
        }
        Observation::Modified { path, follow, time, changed } => of("modified")
            .with("path", json::path(path))
            .with("follow", *follow)
            .with("time", json::moment(*time))
            .with("changed", json::moment(*changed)),
        Observation::Around { written, older, same, newer } => {
            let paths = |paths: &[StoredPath]| paths.iter().map(json::path).collect::<Json>();
            of("around")
                .with("written", paths(written))
                .with("older", paths(older))
                .with("same", paths(same))
                .with("newer", paths(newer))
        }
        Observation::Stdin(StdinUse::Content { offset, digest, left_at }) => {
            of("stdin").with("offset", *offset).with("digest", json::digest(digest)).with("left_at", *left_at)
        }
        Observation::Stdin(StdinUse::Place { size, offset }) => {
            of("stdin_place").with("bytes", *size).with("offset", *offset)
        }
        Observation::StdinKind(StdinKind::Device(number)) => {
            of("stdin_kind").with("is", "device").with("device", *number)
        }
        Observation::StdinKind(kind) => of("stdin_kind").with("is", kind.word()),
        Observation::StdinTerminal(is) => of("stdin_terminal").with("is", *is),
        Observation::StdinName(name) => of("stdin_name").with("name", json::text(name)),
        Observation::Descriptor { number, offset, digest } => of("descriptor")
            .with("number", *number)
            .with("offset", *offset)
            .with("digest", json::digest(digest)),
        Observation::Variable { name, value } => {
            of("variable").with("name", json::text(name)).with("digest", value.as_ref().map(json::digest))
        }
        Observation::Environment { digest } => of("environment").with("digest", json::digest(digest)),
        Observation::Umask(mask) => of("umask").with("mask", *mask),
        Observation::UmaskAtLeast(mask) => of("umask_at_least").with("mask", *mask),
        Observation::Superuser(is) => of("superuser").with("is", *is),
        Observation::User { digest } => of("user").with("digest", json::digest(digest)),
        Observation::NotInHome { name } => of("not_in_home").with("name", json::text(name)),
        Observation::Root(path) => of("root").with("path", json::text(path)),
        Observation::RootName(name) => of("root_name").with("name", json::text(name)),
        Observation::Unset { names } => of("unset").with("names", json::texts(&names.apart())),
        Observation::Toolchain { token } => of("toolchain").with("name", json::text(token)),
        Observation::Upward { name, found } => {
            of("upward").with("name", json::text(name)).with("found", found.as_ref().map(json::path))
        }
        Observation::Modules { path, digest } => {
            of("modules").with("path", json::path(path)).with("digest", json::digest(digest))
        }
        Observation::Distributions { path, digest } => {
            of("distributions").with("path", json::path(path)).with("digest", json::digest(digest))
        }
        Observation::Loader { path, names, digest } => of("loader")
            .with("path", json::path(path))
            .with("names", json::texts(&names.apart()))
            .with("digest", json::digest(digest)),
        Observation::Accounts { path, ids, digest } => of("accounts")
            .with("path", json::path(path))
            .with("ids", ids.iter().map(|id| Json::from(u64::from(*id))).collect::<Json>())
            .with("digest", json::digest(digest)),
        Observation::Importable { path, names, digest } => of("importable")
            .with("path", json::path(path))
            .with("names", json::texts(&names.apart()))
            .with("digest", json::digest(digest)),
        Observation::Entries { .. }
        | Observation::Exists { .. }
        | Observation::Index { .. }
        | Observation::Settled { .. } => tools_json(observation),
        Observation::Network => of("network"),
        Observation::Search { path, programs, moved } => {
            let programs = programs.iter().map(|program| {
                let found = program.program.as_ref().map(json::path);
                Json::from(Object::part().with("name", json::text(&program.name)).with("program", found))
            });
            of("search")
                .with("path_digest", json::digest(path))
                .with("programs", programs.collect::<Json>())
                .with("moved", *moved)
        }
    }
}

fn state_json(state: &FileState) -> Object {
    let of = |kind: &str| Object::part().with("kind", kind);
    match state {
        FileState::Absent => of("absent"),
        FileState::File { mode, digest } => {
            of("file").with("mode", *mode & 0o7777).with("digest", json::digest(digest))
        }
        FileState::LargeFile { mode, size, modified } => of("large_file")
            .with("mode", *mode & 0o7777)
            .with("bytes", *size)
            .with("modified", json::moment(*modified)),
        FileState::Directory { mode } => of("directory").with("mode", *mode & 0o7777),
        FileState::Symlink { text } => of("symlink").with("text", json::text(text)),
        FileState::Special { mode } => of("special").with("mode", *mode),
        FileState::Unreadable { errno } => of("unreadable").with("errno", *errno),
    }
}
