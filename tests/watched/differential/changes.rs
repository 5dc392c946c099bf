//! A change between two calls, applied to both trees.

use super::program::{DIRECTORIES, FILES, Program};
use super::random::Random;
use super::world::World;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

#[derive(Clone, Debug)]
pub(super) enum Change {
    Nothing,
    Edit(String),
    EditSameSize(String),
    Add(String),
    AddDirectory(String),
    Remove(String),
    Mode(String, u32),
    Touch(String, u64),
    Variable(&'static str, &'static str),
    Unset(&'static str),
    Argument(&'static str),
    Link(String, &'static str),
    Replace(String),
    Swap(String, String),
    HardLink(String, String),
    Umask(&'static str),
    Comment(String),
    FileForDirectory(&'static str),
}

impl Change {
    pub(super) fn choose(random: &mut Random, world: &World) -> Self {
        let paths = world.twin.paths();
        let some = |random: &mut Random| match paths.get(random.below(paths.len().max(1))) {
            Some(path) if random.chance(2, 3) => path.clone(),
            _ => random.pick(&FILES).to_owned(),
        };
        let path = some(random);
        match random.below(25) {
            0..=3 => Self::Nothing,
            4 | 5 => Self::Edit(path),
            6 | 7 => Self::EditSameSize(path),
            8 => Self::Add(format!("{}/new", random.pick(&DIRECTORIES))),
            9 => Self::Add(random.pick(&FILES).to_owned()),
            10 | 11 => Self::Remove(path),
            12 => Self::Mode(path, *random.pick(&[&0o600, &0o755, &0o640])),
            13 => Self::Touch(random.pick(&["t0", "t1"]).to_owned(), 1_500_000_000 + random.below(9) as u64),
            14 => Self::Touch(path, 1_500_000_000 + random.below(9) as u64),
            15 => Self::Variable(
                random.pick(&["VAR1", "VAR2", "FOO", "TERM"]),
                random.pick(&["one", "two", ""]),
            ),
            16 => Self::Unset(random.pick(&["VAR1", "VAR2"])),
            17 => Self::Argument(random.pick(&["x", "y", "f0"])),
            18 => Self::Link(
                random.pick(&["l0", "l1", "n0"]).to_owned(),
                random.pick(&["f0", "f1", "d0", "d1"]),
            ),
            19 => Self::Replace(path),
            20 => Self::Swap(path, some(random)),
            21 => Self::HardLink(path, random.pick(&FILES).to_owned()),
            23 => Self::FileForDirectory(random.pick(&["d0", "d1", "d2", "d1/d3"])),
            22 => Self::Umask(random.pick(&["022", "027", "077"])),
            _ => {
                if random.chance(1, 2) {
                    Self::AddDirectory(random.pick(&DIRECTORIES).to_owned())
                } else {
                    Self::Comment(random.pick(&["s.sh", "s.py", "mod.py", "sub.sh"]).to_owned())
                }
            }
        }
    }

    /// Applies the change. An impossible change is skipped in both trees.
    pub(super) fn apply(&self, world: &World, program: &mut Program) {
        for root in world.twin.roots() {
            let at = |relative: &str| root.join(relative);
            let _ = match self {
                Self::Edit(path) => edit(&at(path), false),
                Self::EditSameSize(path) => edit(&at(path), true),
                Self::Add(path) => write_new(&at(path)),
                Self::AddDirectory(path) => fs::create_dir_all(at(path)),
                Self::Remove(path) => remove(&at(path)),
                Self::Mode(path, mode) => mode_of(&at(path), *mode),
                Self::Touch(path, seconds) => touch(&at(path), *seconds),
                Self::Link(path, target) => {
                    let _ = remove(&at(path));
                    symlink(target, at(path))
                }
                Self::Replace(path) => replace(&at(path)),
                Self::Swap(one, other) => swap(&at(one), &at(other), &at("swapping")),
                Self::HardLink(one, other) => fs::hard_link(at(one), at(other)),
                Self::Comment(path) => comment(&at(path)),
                Self::FileForDirectory(path) => {
                    let _ = remove(&at(path));
                    fs::write(at(path), "in place of a directory\n")
                }
                Self::Nothing | Self::Variable(..) | Self::Unset(_) | Self::Argument(_) | Self::Umask(_) => {
                    Ok(())
                }
            };
        }
        match self {
            Self::Variable(name, value) => {
                program.variables.retain(|(known, _)| known != name);
                program.variables.push(((*name).to_owned(), (*value).to_owned()));
            }
            Self::Unset(gone) => program.variables.retain(|(known, _)| known != gone),
            Self::Argument(argument) => {
                program.words.pop();
                program.words.push((*argument).to_owned());
            }
            Self::Umask(mask) => program.umask = mask,
            _ => {}
        }
    }
}

fn edit(path: &Path, same_size: bool) -> std::io::Result<()> {
    let mut bytes = fs::read(path)?;
    if is_code(path) {
        return comment(path);
    }
    match bytes.first_mut() {
        Some(first) if same_size => *first = if *first == b'a' { b'b' } else { b'a' },
        _ => bytes.extend_from_slice(b"edited\n"),
    }
    fs::write(path, bytes)
}

/// A randomly edited program would not run.
fn is_code(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name == "tool" || path.extension().is_some_and(|extension| extension == "sh" || extension == "py")
}

fn write_new(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    fs::write(path, "added\n")
}

fn remove(path: &Path) -> std::io::Result<()> {
    if is_code(path) {
        return Ok(());
    }
    if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn mode_of(path: &Path, mode: u32) -> std::io::Result<()> {
    let mode = if path.is_dir() { mode | 0o700 } else { mode };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn touch(path: &Path, seconds: u64) -> std::io::Result<()> {
    fs::File::open(path)?.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The same content in another file.
fn replace(path: &Path) -> std::io::Result<()> {
    if path.symlink_metadata()?.is_symlink() {
        return Ok(());
    }
    let beside = path.with_extension("replacing");
    crate::files::write(&beside, &fs::read(path)?)?;
    fs::set_permissions(&beside, path.metadata()?.permissions())?;
    fs::rename(beside, path)
}

fn swap(one: &Path, other: &Path, beside: &Path) -> std::io::Result<()> {
    let involved = [one, other];
    if involved.iter().any(|path| is_code(path) || !path.is_file()) {
        return Ok(());
    }
    fs::rename(one, beside)?;
    fs::rename(other, one)?;
    fs::rename(beside, other)
}

fn comment(path: &Path) -> std::io::Result<()> {
    let mut bytes = fs::read(path)?;
    bytes.extend_from_slice(b"# a comment\n");
    crate::files::write(path, &bytes)
}
