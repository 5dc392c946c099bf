//! Contents for the page: output, code, files and images of runs. Equal contents occur once; long ones are shortened in the middle.

use super::{Shown, share};
use crate::commands::found::Opened;
use crate::commands::stripped::Stripped;
use crate::digest::BlobId;
use crate::record::{Content, OutputKind};
use crate::ui::{compare, diff, escape, human, json};
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

/// Maximum total size of all output, and of one stream; of all code, and of one file, in bytes.
const STREAMS: usize = 4 << 20;
const STREAM: usize = 64 << 10;
const CODE: usize = 2 << 20;
const SOURCE: usize = 256 << 10;

/// Number of bytes of a stream that are read.
const READ: u64 = 64 << 20;

/// Maximum total size of images, of one image, in bytes; and the maximum number for one run.
const PICTURES: u64 = 48 << 20;
const PICTURE: u64 = 4 << 20;
const MOST_PICTURES: usize = 12;

/// Maximum number of listed outputs of a run, and of all runs together.
const MOST_OUTPUTS: usize = 50;
const MOST_OUTPUTS_OF_ALL: usize = 20_000;

/// Contents for the page.
pub(super) struct Contents {
    /// For each run, by name.
    pub(super) of_run: Map<String, Json>,
    pub(super) texts: Vec<Json>,
    /// Sets of code files: the path and the index of the text.
    pub(super) sources: Vec<Json>,
    /// Images, as `data:` URLs.
    pub(super) pictures: Vec<Json>,
}

/// Texts, each once.
#[derive(Default)]
struct Texts {
    places: HashMap<BlobId, usize>,
    texts: Vec<Json>,
}

/// Collects all contents; `notes` says what was omitted.
pub(super) fn of(opened: &Opened, runs: &[Shown], notes: &mut Vec<String>) -> Contents {
    let mut texts = Texts::default();
    let mut of_run = Map::new();
    let (stdout, stderr) = streams(opened, runs, &mut texts);
    of_run.insert("stdout".to_owned(), stdout);
    of_run.insert("stderr".to_owned(), stderr);
    let (sets, sources) = sources(opened, runs, &mut texts);
    of_run.insert("sources".to_owned(), sets);
    let each = (MOST_OUTPUTS_OF_ALL / runs.len().max(1)).clamp(1, MOST_OUTPUTS);
    of_run.insert("outputs".to_owned(), runs.iter().map(|shown| outputs(shown, each)).collect());
    let (of_each, pictures) = pictures(opened, runs, notes);
    of_run.insert("pictures".to_owned(), of_each);
    Contents { of_run, texts: texts.texts, sources, pictures }
}

fn size(content: &Content) -> usize {
    usize::try_from(content.size).unwrap_or(usize::MAX)
}

fn streams(opened: &Opened, runs: &[Shown], texts: &mut Texts) -> (Json, Json) {
    let commits = || runs.iter().map(|shown| &shown.run.found.commit);
    let mut sizes: HashMap<BlobId, usize> = HashMap::new();
    for commit in commits() {
        sizes.extend([&commit.stdout, &commit.stderr].map(|content| (content.blob, size(content))));
    }
    let limit = share::limit(sizes.into_values(), STREAMS, STREAM);
    let mut place = |content: &Content| texts.add(content.blob, || streamed(opened, content, limit));
    let stdout = commits().map(|commit| place(&commit.stdout)).collect();
    let stderr = commits().map(|commit| place(&commit.stderr)).collect();
    (stdout, stderr)
}

impl Texts {
    /// The index of a content's text, which is read at its first occurrence.
    fn add(&mut self, blob: BlobId, read: impl FnOnce() -> String) -> Json {
        let Self { places, texts } = self;
        let place = *places.entry(blob).or_insert_with(|| {
            texts.push(read().into());
            texts.len() - 1
        });
        place.into()
    }
}

/// A stream without escape sequences; a long one is shortened in the middle.
fn streamed(opened: &Opened, content: &Content, limit: usize) -> String {
    let Ok(from) = opened.read(&content.blob) else { return "(no longer stored)".to_owned() };
    let mut bytes = Vec::new();
    if Stripped::new(from).take(READ).read_to_end(&mut bytes).is_err() {
        return "(damaged)".to_owned();
    }
    if diff::is_binary(&bytes) {
        return format!("(binary, {})", human::size(content.size));
    }
    without_middle(&bytes, limit)
}

/// Shortens a text to `limit` bytes: a quarter from the beginning and the rest from the end.
fn without_middle(bytes: &[u8], limit: usize) -> String {
    if bytes.len() <= limit {
        return escape::text(bytes).into_owned();
    }
    let (head, tail) = (limit / 4, limit - limit / 4);
    let first = String::from_utf8_lossy(bytes.get(..head).unwrap_or_default()).into_owned();
    let last = String::from_utf8_lossy(bytes.get(bytes.len() - tail..).unwrap_or_default()).into_owned();
    // Whole lines, if possible.
    let first = first.rfind('\n').map_or(first.as_str(), |end| first.get(..=end).unwrap_or_default());
    let last =
        last.find('\n').and_then(|end| last.get(end + 1..)).filter(|rest| !rest.is_empty()).unwrap_or(&last);
    let left_out = bytes.len().saturating_sub(first.len() + last.len());
    let left_out = human::size(u64::try_from(left_out).unwrap_or(u64::MAX));
    let (first, last) = (escape::text(first.as_bytes()), escape::text(last.as_bytes()));
    format!("{first}… {left_out} left out …\n{last}")
}

/// For each run the index of its set of code files, and the sets.
fn sources(opened: &Opened, runs: &[Shown], texts: &mut Texts) -> (Json, Vec<Json>) {
    let mut sets: HashMap<Vec<(Vec<u8>, BlobId)>, usize> = HashMap::new();
    let mut all = Vec::new();
    let mut room = CODE;
    let mut places = Vec::new();
    for shown in runs {
        let files = shown.run.found.commit.sources.iter();
        let files: Vec<(Vec<u8>, BlobId)> =
            files.map(|file| (file.path.shown().as_os_str().as_bytes().to_vec(), file.blob)).collect();
        let place = if let Some(place) = sets.get(&files) {
            *place
        } else {
            let listed = files.iter().map(|(path, blob)| {
                let place = texts.add(*blob, || code(opened, *blob, &mut room));
                json!([escape::line(path), place])
            });
            all.push(listed.collect::<Json>());
            sets.insert(files, all.len() - 1);
            all.len() - 1
        };
        places.push(Json::from(place));
    }
    (places.into(), all)
}

fn code(opened: &Opened, blob: BlobId, room: &mut usize) -> String {
    let Some(bytes) = opened.content(&Content { blob, size: 0 }) else {
        return "(no longer stored)".to_owned();
    };
    let limit = SOURCE.min(*room);
    if diff::is_binary(&bytes) {
        return format!("(binary, {})", human::size(u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
    }
    *room = room.saturating_sub(bytes.len().min(limit));
    without_middle(&bytes, limit)
}

fn outputs(shown: &Shown, most: usize) -> Json {
    let entries = shown.outputs.entries();
    let mut list: Vec<Json> = entries
        .iter()
        .take(most)
        .map(|entry| json!([escape::line(&entry.path), compare::what(&entry.kind)]))
        .collect();
    if let Some(more) = entries.len().checked_sub(most).filter(|more| *more > 0) {
        list.push(json!([format!("… {} more", human::number(u64::try_from(more).unwrap_or(u64::MAX))), ""]));
    }
    list.into()
}

/// The media type of an image, from its path.
fn picture_kind(path: &[u8]) -> Option<&'static str> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path).to_ascii_lowercase();
    Some(match name.rsplit(|byte| *byte == b'.').next()? {
        b"png" => "image/png",
        b"jpg" | b"jpeg" => "image/jpeg",
        b"gif" => "image/gif",
        b"webp" => "image/webp",
        b"avif" => "image/avif",
        b"svg" => "image/svg+xml",
        _ => return None,
    })
}

/// The images of each run, and all images. An image is shown through a `data:` URL, where scripts inside it do not run.
fn pictures(opened: &Opened, runs: &[Shown], notes: &mut Vec<String>) -> (Json, Vec<Json>) {
    let mut places: HashMap<BlobId, usize> = HashMap::new();
    let mut all: Vec<Json> = Vec::new();
    let (mut room, mut left_out) = (PICTURES, 0_u64);
    let mut of_runs = Vec::new();
    for shown in runs {
        let mut list: Vec<Json> = Vec::new();
        for entry in shown.outputs.entries() {
            let OutputKind::File { content, .. } = &entry.kind else { continue };
            let Some(kind) = picture_kind(&entry.path) else { continue };
            let place = match places.get(&content.blob) {
                Some(place) => Some(*place),
                None if content.size > PICTURE.min(room) || list.len() >= MOST_PICTURES => None,
                None => opened.content(content).map(|bytes| {
                    room -= content.size;
                    all.push(format!("data:{kind};base64,{}", json::base64(&bytes)).into());
                    places.insert(content.blob, all.len() - 1);
                    all.len() - 1
                }),
            };
            match place {
                Some(place) => list.push(json!([escape::line(&entry.path), place])),
                None => left_out += 1,
            }
        }
        of_runs.push(Json::from(list));
    }
    if left_out > 0 {
        notes.push(format!(
            "{} left out: more than {} each, {MOST_PICTURES} of a run, or {} of all.",
            human::count(left_out, "image"),
            human::size(PICTURE),
            human::size(PICTURES)
        ));
    }
    (of_runs.into(), all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_lose_their_middle() {
        let text = (0..1000).map(|line| format!("line {line}\n")).collect::<Vec<_>>().concat();
        let shown = without_middle(text.as_bytes(), 400);
        assert!(shown.starts_with("line 0\n") && shown.ends_with("line 999\n"), "{shown}");
        assert!(shown.contains("left out …\n") && shown.len() < 450);
        assert_eq!(without_middle(b"a\nb", 100), "a\nb");
        assert!(without_middle(&b"x".repeat(100), 8).contains("92 B left out"));
        assert!(without_middle(b"abc", 0).contains("left out"));
    }

    #[test]
    fn images_are_known_by_their_names() {
        assert_eq!(picture_kind(b"out/Plot.PNG"), Some("image/png"));
        assert_eq!(picture_kind(b"png"), Some("image/png"));
        assert_eq!(picture_kind(b"a.png/model.bin"), None);
    }
}
