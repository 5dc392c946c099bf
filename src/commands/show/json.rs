//! `show --json`: all details of one commit as one object.

use super::is_appended;
use crate::commands::found::Found;
use crate::commands::provenance;
use crate::record::{Coverage, OutputTime, OutputTree};
use crate::ui::facts;
use crate::ui::json::{self, Object};
use serde_json::Value as Json;

/// The commit with its outputs, the runs that it is connected to (those whose products it consumed, those that consumed its
/// products), and why it is in no shared cache.
pub(super) fn shape(
    found: &Found,
    outputs: Option<&OutputTree>,
    (used, made): (&[provenance::Link], &[provenance::Link]),
    kept_here: Option<String>,
) -> Object {
    let commit = &found.commit;
    let manifest = found.manifest();
    let facts = manifest.facts().map(|(part, value)| Json::from(facts::fact_json(part, value)));
    let observed = commit.observations.iter().map(|each| Json::from(facts::observation_json(each)));
    let sources = commit.sources.iter().map(|source| {
        Json::from(
            Object::part().with("path", json::path(&source.path)).with("blob", json::digest(&source.blob.0)),
        )
    });
    let outputs = outputs.map(|tree| {
        let entries = tree.entries().iter().map(|entry| {
            let attributes = entry.attributes.iter().map(|attribute| json::text(&attribute.name));
            Json::from(
                Object::part()
                    .with("path", json::text(&entry.path))
                    .with("output", facts::output_json(&entry.kind))
                    .with(
                        "time",
                        match &entry.time {
                            OutputTime::Given { time, .. } => json::moment(*time),
                            OutputTime::Written { .. } => Json::Null,
                        },
                    )
                    .with("attributes", attributes.collect::<Json>())
                    .with("appended", is_appended(commit, &entry.path))
                    .with("link_to", entry.link_to.as_ref().map_or(Json::Null, |first| json::text(first))),
            )
        });
        entries.collect::<Json>()
    });
    let links = |links: &[provenance::Link]| {
        let all = links.iter().map(|link| {
            Json::from(
                Object::part().with("path", json::text(&link.label)).with("commit", json::digest(&link.id.0)),
            )
        });
        all.collect::<Json>()
    };
    found
        .entry()
        .json()
        .with("coverage", if commit.coverage == Coverage::Watched { "watched" } else { "declared" })
        .with("user_ns", commit.resources.user)
        .with("system_ns", commit.resources.system)
        .with("peak_memory_bytes", commit.resources.peak_memory)
        .with("stdout", facts::content_json(&commit.stdout))
        .with("stderr", facts::content_json(&commit.stderr))
        .with("manifest", facts.collect::<Json>())
        .with("observations", observed.collect::<Json>())
        .with("indifferent", json::texts(&commit.irrelevant_env))
        .with("sources", sources.collect::<Json>())
        .with("outputs", outputs)
        .with("kept_here", kept_here)
        .with("made_from", links(used))
        .with("went_into", links(made))
}
