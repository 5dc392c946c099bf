//! Version managers' shims: small programs of one name that start another of the same name, of the version that files
//! and variables ask for. Followed here to that program, every file looked at being a fact.
//!
//! Knows how pyenv, rbenv, nodenv and their kin, asdf, mise and volta choose; nvm only sets PATH.

use super::program::{Found, base_name, find_on};
use super::recording_fs::RecordingFs;
use super::world::{Kind, World};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The managers that are recognized by the name of the directory above their `shims`, and that resolve names alike.
const ENV_FAMILY: &[(&str, &str)] = &[
    ("pyenv", "python"),
    ("rbenv", "ruby"),
    ("nodenv", "node"),
    ("plenv", "perl"),
    ("goenv", "go"),
    ("jenv", "java"),
    ("phpenv", "php"),
    ("luaenv", "lua"),
    ("swiftenv", "swift"),
];

/// Whether `path` belongs to the code of such a manager. Of the environment it takes, by computed names, only its own variables.
#[must_use]
pub fn is_manager(path: &Path) -> bool {
    let (Some(name), Some(place)) = (path.file_name(), path.parent()) else { return false };
    let is_one = |(manager, _): &&(&str, &str)| {
        name.as_bytes()
            .strip_prefix(manager.as_bytes())
            .is_some_and(|rest| rest.first().is_none_or(|first| *first == b'-'))
            && place.join(manager).is_file()
    };
    place.ends_with("libexec") && ENV_FAMILY.iter().any(|known| is_one(&known))
}

/// Number of bytes of a shim that identify it.
const SHIM_HEAD: u64 = 4096;

/// What becomes of a program that may be a shim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// It is none.
    NoShim,
    /// It starts this.
    To(PathBuf),
    /// It is one, and the program that it starts is unknown.
    Unknown,
}

/// Follows `program`, started in `directory` with `arguments`, if it is a shim.
pub(super) fn follow(
    program: &Path,
    arguments: &[OsString],
    directory: &Path,
    world: &mut RecordingFs<'_>,
) -> Followed {
    let (Some(name), Some(place)) = (program.file_name(), program.parent()) else {
        return Followed::NoShim;
    };
    let Some(home) = place.parent() else {
        return Followed::NoShim;
    };
    let found = match place.file_name().map(OsStr::as_bytes) {
        Some(b"shims") => {
            let head = world.head(program, SHIM_HEAD);
            if let Some((manager, _)) = ENV_FAMILY.iter().find(|(manager, _)| runs(&head, manager)) {
                env_family(manager, home, name, arguments, directory, world)
            } else if holds(&head, b"asdf exec") || holds(&head, b"asdf\" exec") {
                asdf(&head, home, name, directory, world)
            } else if is_link_to(program, b"mise", world) || holds(&head, b"mise") {
                mise(home, name, directory, world)
            } else {
                return Followed::NoShim;
            }
        }
        Some(b"bin") if is_link_to(program, b"volta-shim", world) => volta(home, name, directory, world),
        _ => return Followed::NoShim,
    };
    found.map_or(Followed::Unknown, Followed::To)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether a shim's text ends in `exec ".../pyenv" exec`.
fn runs(head: &[u8], manager: &str) -> bool {
    holds(head, format!("/{manager}\" exec").as_bytes()) || holds(head, format!("{manager} exec").as_bytes())
}

fn is_link_to(program: &Path, name: &[u8], world: &mut RecordingFs<'_>) -> bool {
    world.link(program).is_some_and(|text| base_name(&text).as_bytes() == name)
}

fn executable(path: &Path, world: &mut RecordingFs<'_>) -> Option<PathBuf> {
    find_on(path.as_os_str(), OsStr::new(""), Path::new("/"), world).program()
}

/// `NAME_VERSION`, else the nearest `.python-version` upward, else `version` in the manager's home; several versions
/// are tried in order; `system` is PATH without the shims.
fn env_family(
    manager: &str,
    home: &Path,
    name: &OsStr,
    arguments: &[OsString],
    directory: &Path,
    world: &mut RecordingFs<'_>,
) -> Option<PathBuf> {
    let language = ENV_FAMILY.iter().find(|(other, _)| *other == manager)?.1;
    let upper = manager.to_uppercase();
    let root = world
        .variable(OsStr::new(&format!("{upper}_ROOT")))
        .map_or_else(|| home.to_path_buf(), PathBuf::from);
    let asked = world.variable(OsStr::new(&format!("{upper}_VERSION"))).filter(|value| !value.is_empty());
    let versions = if let Some(value) = asked {
        value.as_bytes().split(|byte| *byte == b':').map(<[u8]>::to_vec).collect()
    } else {
        let file = format!(".{language}-version");
        let from = world.variable(OsStr::new(&format!("{upper}_DIR"))).map(PathBuf::from);
        // rbenv's shims begin at the script where one is named with its directory.
        let script = (manager == "rbenv").then(|| script_directory(arguments, directory, world)).flatten();
        let mut starts: Vec<PathBuf> = from.into_iter().chain(script).collect();
        starts.push(directory.to_path_buf());
        starts
            .iter()
            .find_map(|start| upward(start, &file, world))
            .or_else(|| world.read(&root.join("version")))
            .map_or_else(|| vec![b"system".to_vec()], |text| first_words(&text))
    };
    for version in versions {
        let version = without_prefix(&version, language);
        if version == b"system" {
            return on_path_without(&root.join("shims"), name, directory, world);
        }
        if let Some(installed) = installed(&root.join("versions"), version, world)
            && let Some(found) = executable(&installed.join("bin").join(name), world)
        {
            return Some(found);
        }
    }
    None
}

fn script_directory(
    arguments: &[OsString],
    directory: &Path,
    world: &mut RecordingFs<'_>,
) -> Option<PathBuf> {
    for argument in arguments {
        let bytes = argument.as_bytes();
        if bytes.starts_with(b"-e") || bytes == b"--" {
            return None;
        }
        let path = directory.join(argument);
        if bytes.contains(&b'/') && world.kind(&path) == Kind::File {
            return path.parent().map(Path::to_path_buf);
        }
    }
    None
}

/// The content of the nearest file of this name in `start` or above it.
fn upward(start: &Path, name: &str, world: &mut RecordingFs<'_>) -> Option<Vec<u8>> {
    start.ancestors().find_map(|place| world.read(&place.join(name)))
}

/// The first word of each line that is not a comment.
fn first_words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let line_words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.extend(line_words.map(<[u8]>::to_vec));
    }
    words
}

fn without_prefix<'a>(version: &'a [u8], language: &str) -> &'a [u8] {
    version.strip_prefix(language.as_bytes()).and_then(|rest| rest.strip_prefix(b"-")).unwrap_or(version)
}

/// The directory of a version: that of its name, else the newest that its name begins.
fn installed(versions: &Path, version: &[u8], world: &mut RecordingFs<'_>) -> Option<PathBuf> {
    let exact = versions.join(OsStr::from_bytes(version));
    if world.kind(&exact) == Kind::Directory {
        return Some(exact);
    }
    let mut prefix = version.to_vec();
    prefix.push(b'.');
    let entries = world.entries(versions)?;
    let numbers = |name: &OsStr| -> Option<Vec<u64>> {
        let rest = name.as_bytes().strip_prefix(prefix.as_slice())?;
        std::str::from_utf8(rest).ok()?.split('.').map(|part| part.parse().ok()).collect()
    };
    let newest = entries.iter().filter_map(|(name, _)| Some((numbers(name)?, name))).max()?;
    Some(versions.join(newest.1))
}

fn on_path_without(
    shims: &Path,
    name: &OsStr,
    directory: &Path,
    world: &mut RecordingFs<'_>,
) -> Option<PathBuf> {
    let path = world.variable(OsStr::new("PATH"))?.into_vec();
    let kept: Vec<&[u8]> = path
        .split(|byte| *byte == b':')
        .filter(|place| Path::new(OsStr::from_bytes(place)) != shims)
        .collect();
    let kept = OsString::from_vec(kept.join(&b':'));
    match find_on(name, &kept, directory, world) {
        Found::Program(found) => Some(found),
        Found::Nothing | Found::NotExecutable(_) => None,
    }
}

/// asdf writes the plug-in into the shim (`# asdf-plugin: python 3.11.7`); the version is `ASDF_PYTHON_VERSION`, else
/// that of the nearest `.tool-versions` which names the plug-in, else of the one in HOME.
fn asdf(
    head: &[u8],
    home: &Path,
    name: &OsStr,
    directory: &Path,
    world: &mut RecordingFs<'_>,
) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(head);
    let plugin = text
        .lines()
        .find_map(|line| line.strip_prefix("# asdf-plugin:"))?
        .split_whitespace()
        .next()?
        .to_owned();
    let variable = format!("ASDF_{}_VERSION", plugin.to_uppercase().replace('-', "_"));
    let versions = match world.variable(OsStr::new(&variable)).filter(|value| !value.is_empty()) {
        Some(value) => first_words(value.as_bytes()),
        None => tool_versions(&plugin, directory, world)?,
    };
    let data = world.variable(OsStr::new("ASDF_DATA_DIR")).map_or_else(|| home.to_path_buf(), PathBuf::from);
    chosen(&data.join("installs").join(&plugin), &versions, name, directory, &data.join("shims"), world)
}

fn tool_versions(tool: &str, directory: &Path, world: &mut RecordingFs<'_>) -> Option<Vec<Vec<u8>>> {
    let home = world.variable(OsStr::new("HOME")).map(PathBuf::from);
    let places: Vec<PathBuf> = directory.ancestors().map(Path::to_path_buf).chain(home).collect();
    places.iter().find_map(|place| {
        let text = world.read(&place.join(".tool-versions"))?;
        tool_line(&text, tool)
    })
}

fn tool_line(text: &[u8], tool: &str) -> Option<Vec<Vec<u8>>> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let mut words = first_words(line).into_iter();
        (words.next()? == tool.as_bytes()).then(|| words.collect())
    })
}

fn chosen(
    installs: &Path,
    versions: &[Vec<u8>],
    name: &OsStr,
    directory: &Path,
    shims: &Path,
    world: &mut RecordingFs<'_>,
) -> Option<PathBuf> {
    for version in versions {
        if version == b"system" {
            return on_path_without(shims, name, directory, world);
        }
        if let Some(path) = version.strip_prefix(b"path:") {
            let place = Path::new(OsStr::from_bytes(path));
            return executable(&place.join("bin").join(name), world);
        }
        let place = installs.join(OsStr::from_bytes(version));
        if let Some(found) = executable(&place.join("bin").join(name), world) {
            return Some(found);
        }
    }
    None
}

/// Which of mise's tools a program belongs to.
fn mise_tools(name: &OsStr) -> &'static [&'static str] {
    let name = name.as_bytes();
    if name.starts_with(b"python") || name.starts_with(b"pip") {
        &["python"]
    } else if matches!(name, b"node" | b"npm" | b"npx" | b"corepack") {
        &["node", "nodejs"]
    } else if matches!(name, b"ruby" | b"gem" | b"bundle" | b"irb" | b"rake") {
        &["ruby"]
    } else if matches!(name, b"go" | b"gofmt") {
        &["go", "golang"]
    } else if matches!(name, b"java" | b"javac") {
        &["java"]
    } else if matches!(name, b"bun" | b"bunx") {
        &["bun"]
    } else if name == b"deno" {
        &["deno"]
    } else {
        &[]
    }
}

/// mise: the variable `MISE_PYTHON_VERSION`, else the nearest `mise.toml`, `.mise.toml` or `.tool-versions` upward that
/// names the tool, else the user's own settings. Its folder of installed versions has a link for each shorter name.
fn mise(home: &Path, name: &OsStr, directory: &Path, world: &mut RecordingFs<'_>) -> Option<PathBuf> {
    let user = world.variable(OsStr::new("HOME")).map(PathBuf::from);
    mise_tools(name).iter().find_map(|tool| {
        let variable = format!("MISE_{}_VERSION", tool.to_uppercase());
        let asked = world.variable(OsStr::new(&variable)).filter(|value| !value.is_empty());
        let versions = asked.map(|value| vec![value.into_vec()]).or_else(|| {
            let global = user.as_ref().map(|user| user.join(".config/mise/config.toml"));
            directory
                .ancestors()
                .find_map(|place| {
                    let files = [
                        "mise.local.toml",
                        "mise.toml",
                        ".mise.toml",
                        "mise/config.toml",
                        ".config/mise.toml",
                    ];
                    files
                        .iter()
                        .find_map(|file| mise_file(&place.join(file), tool, world))
                        .or_else(|| tool_line(&world.read(&place.join(".tool-versions"))?, tool))
                })
                .or_else(|| mise_file(&global?, tool, world))
        })?;
        chosen(&home.join("installs").join(tool), &versions, name, directory, &home.join("shims"), world)
    })
}

fn mise_file(path: &Path, tool: &str, world: &mut RecordingFs<'_>) -> Option<Vec<Vec<u8>>> {
    let text = String::from_utf8(world.read(path)?).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let version = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone().into_bytes()),
        toml::Value::Table(table) => table.get("version")?.as_str().map(|text| text.as_bytes().to_vec()),
        _ => None,
    };
    match table.get("tools")?.get(tool)? {
        toml::Value::Array(all) => all.iter().map(version).collect(),
        one => version(one).map(|version| vec![version]),
    }
}

/// volta: the `volta` table of the nearest `package.json` that has one, else `tools/user/platform.json`.
fn volta(home: &Path, name: &OsStr, directory: &Path, world: &mut RecordingFs<'_>) -> Option<PathBuf> {
    if !matches!(name.as_bytes(), b"node" | b"npm" | b"npx") {
        return None;
    }
    let pinned = directory.ancestors().find_map(|place| {
        let json: serde_json::Value =
            serde_json::from_slice(&world.read(&place.join("package.json"))?).ok()?;
        Some(json.get("volta")?.get("node")?.as_str()?.to_owned())
    });
    let version = pinned.or_else(|| {
        let json = world.read(&home.join("tools/user/platform.json"))?;
        let json: serde_json::Value = serde_json::from_slice(&json).ok()?;
        Some(json.get("node")?.get("runtime")?.as_str()?.to_owned())
    })?;
    executable(&home.join("tools/image/node").join(version).join("bin").join(name), world)
}
