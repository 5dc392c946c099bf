//! Lays a copied tree over its project, for this process and those that it starts.

use super::take::{copy, like};
use super::{ABOUT, About, FILES};
use crate::encode::Decode;
use crate::error::{Error, Kind, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, mknod};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Inode and time of the last change of a file: another pair is another file, or another state of it.
pub(super) type Mark = (u64, i64, i64);

/// A tree that lies over its project.
#[derive(Debug)]
pub struct Entered {
    /// The root of the project, where the tree is seen.
    pub(super) root: PathBuf,
    /// The copied files, as they were submitted.
    pub(super) files: PathBuf,
    /// The project below the tree.
    pub(super) below: File,
    /// What this machine needs for it; `upper` in it holds what is different from the project below.
    pub(super) scratch: PathBuf,
    /// The copied files and links in `upper`, relative to the root.
    pub(super) copied: BTreeMap<PathBuf, Mark>,
    /// What is in the project now, was not when the job was submitted, and is hidden.
    pub(super) hidden: BTreeSet<PathBuf>,
}

/// Lays the tree in `tree` over its project, in a mount namespace of this process. What is below `stores` and `.git` stays the
/// project's own. `name` is that of the job: what an earlier attempt at it left on this machine is removed.
///
/// # Errors
/// When the tree cannot be read, or this machine does not allow it. The process is of no other use then.
pub fn enter(tree: &Path, stores: &[PathBuf], name: &str) -> Result<Entered> {
    let path = tree.join(ABOUT);
    let about = fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
    let about = About::from_bytes(&about).map_err(|_| Error::damaged("the copied tree is damaged"))?;
    let scratch = scratch(&about.root, name)?;
    let entered = lay(tree, &about, stores, &scratch);
    if entered.is_err() {
        let _ = fs::remove_dir_all(&scratch);
    }
    entered
}

fn lay(tree: &Path, about: &About, stores: &[PathBuf], scratch: &Path) -> Result<Entered> {
    let About { root, left } = about;
    let in_root = |error| Error::io("use", root, error);
    namespace()?;
    let below = File::open(root).map_err(in_root)?;
    let [upper, work] = ["upper", "work"].map(|name| scratch.join(name));
    let mut building = Building {
        files: tree.join(FILES),
        root,
        left,
        upper,
        copied: BTreeMap::new(),
        hidden: BTreeSet::new(),
    };
    let made = fs::create_dir(&work).and_then(|()| fs::create_dir(&building.upper));
    made.and_then(|()| building.directory(Path::new("")))
        .map_err(|error| Error::io("copy the tree to", scratch, error))?;
    let mounts = mounts_below(root);
    let options = [
        b"lowerdir=".to_vec(),
        escaped(root),
        b",upperdir=".to_vec(),
        escaped(&building.upper),
        b",workdir=".to_vec(),
        escaped(&work),
    ];
    let options = OsString::from_vec(options.concat());
    let lay = |extra: &str| {
        let mut options = options.clone();
        options.push(extra);
        mount(Some("overlay"), root, Some("overlay"), MsFlags::empty(), Some(options.as_os_str()))
    };
    // Without the rights of root, the marks of the overlay are attributes in the namespace `user`.
    lay("").or_else(|_| lay(",userxattr")).map_err(|errno| refused("an overlay", errno))?;
    let own = std::iter::once(root.join(".git")).chain(stores.iter().cloned());
    for path in mounts.into_iter().chain(own.filter(|path| path.is_dir())) {
        let Ok(rest) = path.strip_prefix(root) else { continue };
        let from = through(&below).join(rest);
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(&from), &path, None::<&str>, flags, None::<&str>)
            .map_err(|errno| refused(&path.display().to_string(), errno))?;
    }
    let Building { files, copied, hidden, .. } = building;
    Ok(Entered { root: root.clone(), files, below, scratch: scratch.to_path_buf(), copied, hidden })
}

/// The path of an open directory, by which what is mounted over it does not matter.
pub(super) fn through(directory: &File) -> PathBuf {
    format!("/proc/self/fd/{}", directory.as_raw_fd()).into()
}

fn refused(what: &str, errno: Errno) -> Error {
    let wrong = format!("--snapshot cannot lay the tree over the project: {what}: {}", errno.desc());
    Error::new(Kind::Other, wrong).with_hint(
        "it needs overlayfs on that machine, as root or with user namespaces; --latest does without",
    )
}

/// A mount namespace of our own, with a user namespace where that is needed to have one.
fn namespace() -> Result<()> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    match unshare(CloneFlags::CLONE_NEWNS) {
        Err(Errno::EPERM) => {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
                .map_err(|errno| refused("a user namespace", errno))?;
            let map = |path: &str, text: String| {
                fs::write(path, text).map_err(|error| Error::io("write", Path::new(path), error))
            };
            map("/proc/self/setgroups", "deny".to_owned())?;
            map("/proc/self/uid_map", format!("{user} {user} 1"))?;
            map("/proc/self/gid_map", format!("{group} {group} 1"))?;
        }
        done => done.map_err(|errno| refused("a mount namespace", errno))?,
    }
    // What we mount is for us alone; what is mounted elsewhere still comes.
    let flags = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(|errno| refused("a mount namespace", errno))
}

/// A new directory on a file system of this machine, outside of the project.
fn scratch(root: &Path, name: &str) -> Result<PathBuf> {
    let prefix = format!("cashet-tree-{}-", name.get(..24).unwrap_or(name));
    let named = std::env::var_os("TMPDIR").map(PathBuf::from).into_iter();
    let usual = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from);
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for directory in named.chain(usual).filter(|path| path.is_absolute() && !path.starts_with(root)) {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_name().as_bytes().starts_with(prefix.as_bytes()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        match tempfile::Builder::new().prefix(&prefix).tempdir_in(&directory) {
            Ok(made) => return Ok(made.keep()),
            Err(error) => failed = error,
        }
    }
    Err(Error::io("make a directory in", Path::new("/tmp"), failed))
}

/// What is mounted below `root`, without what is below another one of them.
fn mounts_below(root: &Path) -> Vec<PathBuf> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts: Vec<PathBuf> = Vec::new();
    for line in table.split(|byte| *byte == b'\n') {
        let Some(point) = line.split(|byte| *byte == b' ').nth(4) else { continue };
        let point = PathBuf::from(OsString::from_vec(unescaped(point)));
        if point.starts_with(root) && point != root && !mounts.iter().any(|known| point.starts_with(known)) {
            mounts.push(point);
        }
    }
    mounts
}

/// Octal numbers after a backslash stand for spaces and the like.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let number = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(number.unwrap_or(*first));
        rest = if number.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    bytes
}

/// A path as an option of a mount: what separates options and layers is escaped.
fn escaped(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes().iter();
    bytes.flat_map(|byte| if b"\\,:".contains(byte) { vec![b'\\', *byte] } else { vec![*byte] }).collect()
}

/// The inode and the change time of a file.
pub(super) fn mark(found: &Metadata) -> Mark {
    (found.ino(), found.ctime(), found.ctime_nsec())
}

/// The uppermost layer while it is made.
struct Building<'a> {
    files: PathBuf,
    root: &'a Path,
    left: &'a [PathBuf],
    upper: PathBuf,
    copied: BTreeMap<PathBuf, Mark>,
    hidden: BTreeSet<PathBuf>,
}

impl Building<'_> {
    /// Fills a directory of the layer, which is there, and gives it the mode and time of its copy.
    fn directory(&mut self, path: &Path) -> io::Result<()> {
        let (files, upper) = (self.files.join(path), self.upper.join(path));
        let mut names: BTreeSet<OsString> = BTreeSet::new();
        for entry in fs::read_dir(&files)? {
            let entry = entry?;
            self.entry(&path.join(entry.file_name()))?;
            names.insert(entry.file_name());
        }
        for entry in fs::read_dir(self.root.join(path)).into_iter().flatten().flatten() {
            let own = path.join(entry.file_name());
            if !names.contains(&entry.file_name()) && self.left.binary_search(&own).is_err() {
                self.hide(own)?;
            }
        }
        like(&upper, &fs::symlink_metadata(&files)?)
    }

    fn entry(&mut self, path: &Path) -> io::Result<()> {
        let (from, to) = (self.files.join(path), self.upper.join(path));
        let found = fs::symlink_metadata(&from)?;
        if found.is_dir() {
            fs::create_dir(&to)?;
            return self.directory(path);
        }
        copy(&from, &to, &found)?;
        self.copied.insert(path.to_path_buf(), mark(&fs::symlink_metadata(&to)?));
        Ok(())
    }

    /// Hides an entry that came after the job was submitted.
    fn hide(&mut self, path: PathBuf) -> io::Result<()> {
        mknod(&self.upper.join(&path), SFlag::S_IFCHR, Mode::empty(), 0)?;
        self.hidden.insert(path);
        Ok(())
    }
}

impl Entered {
    /// Unmounts the tree, for this process.
    pub(super) fn unlay(&self) {
        let _ = std::env::set_current_dir(OsStr::new("/"));
        // What is still open is closed with the process.
        let _ = umount2(&self.root, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_mounts_are_read_and_written() {
        assert_eq!(unescaped(b"/a\\040b\\134c\\"), b"/a b\\c\\");
        assert_eq!(escaped(Path::new("/a:b,c\\d e")), b"/a\\:b\\,c\\\\d e");
    }
}
