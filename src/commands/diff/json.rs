//! `diff --json`: the differences of two runs as one object.

use super::View;
use crate::commands::found::measured::Measured;
use crate::digest::BlobId;
use crate::record::{Content, OutputEntry};
use crate::ui::changes::{self, Background};
use crate::ui::json::{self, Object};
use crate::ui::{facts, seen};
use serde_json::Value as Json;

impl View<'_> {
    fn parameters_json(&self) -> Object {
        let [before, after] = self.measured;
        let of = |run: &Measured| {
            let pairs = run.parameters.iter();
            pairs.fold(Object::part(), |object, (name, value)| object.with(name, value.as_str()))
        };
        Object::part().with("before", of(before)).with("after", of(after))
    }

    fn metrics_json(&self) -> Object {
        let [before, after] = self.measured;
        let of = |run: &Measured| {
            run.metrics
                .iter()
                .fold(Object::part(), |object, metric| object.with(&metric.title(), metric.value))
        };
        Object::part().with("before", of(before)).with("after", of(after))
    }

    /// Both runs and everything that differs.
    pub(super) fn json(&self) -> Object {
        let compared = self.compared;
        let background =
            Background { words: &self.after.commit.words, pieces: self.pieces, there: &changes::not_of_now };
        let changes = compared.changes.iter().map(|change| {
            let value = |value: &Option<_>| value.as_ref().map_or(Json::Null, facts::value_json);
            facts::part_json(&change.part)
                .with("before", value(&change.before))
                .with("after", value(&change.after))
                .with("text", changes::phrase(change, background))
        });
        let observed = compared.observed.iter().map(|pair| {
            let shape = |each: &Option<_>| {
                each.as_ref().map_or(Json::Null, |each| facts::observation_json(each).into())
            };
            Object::part()
                .with("before", shape(&pair.before))
                .with("after", shape(&pair.after))
                .with("text", seen::observed(pair.before.as_ref(), pair.after.as_ref()))
        });
        let sources = compared.sources.iter().map(|(path, pair)| {
            let blob = |blob: &Option<BlobId>| blob.map(|blob| json::digest(&blob.0));
            Object::part()
                .with("path", json::path(path))
                .with("before", blob(&pair.before))
                .with("after", blob(&pair.after))
        });
        let outputs = compared.outputs.iter().map(|(path, pair)| {
            let kind =
                |entry: &Option<OutputEntry>| entry.as_ref().map(|entry| facts::output_json(&entry.kind));
            Object::part()
                .with("path", json::text(path))
                .with("before", kind(&pair.before))
                .with("after", kind(&pair.after))
        });
        let (before, after) = (&self.before.commit, &self.after.commit);
        let two = |was: Json, is: Json| Object::part().with("before", was).with("after", is);
        let content = |content: &Content| Json::from(facts::content_json(content));
        Object::whole()
            .with("before", json::digest(&self.before.id.0))
            .with("after", json::digest(&self.after.id.0))
            .with("differs", compared.differs())
            .with("result_differs", compared.differs_in_result())
            .with("changes", changes.map(Json::from).collect::<Json>())
            .with("observed", observed.map(Json::from).collect::<Json>())
            .with("sources", sources.map(Json::from).collect::<Json>())
            .with("parameters", self.parameters_json())
            .with("metrics", self.metrics_json())
            .with(
                "termination",
                two(json::termination(before.termination), json::termination(after.termination)),
            )
            .with("stdout", two(content(&before.stdout), content(&after.stdout)))
            .with("stderr", two(content(&before.stderr), content(&after.stderr)))
            .with("outputs", outputs.map(Json::from).collect::<Json>())
            .with("outputs_unknown", compared.outputs_unknown)
            .with("wall_ns", two(before.resources.wall.into(), after.resources.wall.into()))
    }
}
