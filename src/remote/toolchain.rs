//! Machines that are said to have the same toolchain: files of the system are not compared between them. A name replaces what
//! is in all of them.
//!
//! It is an assertion of the user. Results that depend on it have the name among their observations, and names of their own in
//! the shared cache, so that they are never mixed with results whose system files were compared.

use crate::digest::Digest;
use crate::encode::Encoder;
use crate::record::{Base, Observation, StoredPath};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// What replaces the system files of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// A name that the user gives, for everything outside of the project and HOME.
    Named(String),
    /// The system's release and its installed packages, for what these packages bring.
    Installed,
}

/// The word for [`Toolchain::Installed`].
const INSTALLED: &str = "auto";

/// What tokens of [`Toolchain::Installed`] begin with.
const PREFIX: &str = "auto:";

/// Most bytes of a name.
const LONGEST: usize = 200;

/// Places of data and of other users: no name replaces the files there.
const NO_TOOLCHAIN: &[&str] =
    &["/tmp", "/var/tmp", "/dev", "/proc", "/sys", "/run", "/home", "/root", "/mnt", "/media", "/srv"];

/// Where packages of a distribution put their files.
const PACKAGED: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ld.so.cache",
];

/// What other installers put there.
const UNPACKAGED: &[&str] = &["/usr/local", "/usr/src"];
const UNPACKAGED_NAMES: &[&str] = &["site-packages", "node_modules", "gems"];

impl Toolchain {
    /// What the settings say.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == INSTALLED {
            return Ok(Self::Installed);
        }
        if text.is_empty() || text.len() > LONGEST || text.contains(char::is_control) {
            return Err(format!("toolchain: a name has 1 to {LONGEST} bytes, without control characters"));
        }
        if text.starts_with(PREFIX) {
            return Err(format!("toolchain: a name does not begin with {PREFIX}"));
        }
        Ok(Self::Named(text.to_owned()))
    }

    /// As the settings have it.
    #[must_use]
    pub fn shown(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Installed => INSTALLED,
        }
    }

    /// The token of the toolchain here and now; `None` if the installed packages cannot be determined.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        let text = match self {
            Self::Named(name) => name.clone(),
            Self::Installed => format!("{PREFIX}{}", installed(Path::new("/"))?.to_hex().get(..32)?),
        };
        Some(Token { toolchain: self.clone(), text })
    }
}

/// The token of the toolchain of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    toolchain: Toolchain,
    text: String,
}

impl Token {
    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Whether it replaces the file at a path.
    #[must_use]
    pub fn covers(&self, path: &StoredPath) -> bool {
        if path.base() != Base::Absolute {
            return false;
        }
        let path = Path::new(OsStr::from_bytes(path.rest()));
        let is_below = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
        let is_plain = path.components().all(|part| !matches!(part, Component::ParentDir));
        let named = |part: Component<'_>| UNPACKAGED_NAMES.iter().any(|name| part.as_os_str() == *name);
        is_plain
            && match self.toolchain {
                Toolchain::Named(_) => !is_below(NO_TOOLCHAIN),
                Toolchain::Installed => {
                    is_below(PACKAGED) && !is_below(UNPACKAGED) && !path.components().any(named)
                }
            }
    }

    /// The observations without those of the toolchain, which the token replaces. `None` where they depend on another one.
    #[must_use]
    pub fn instead(&self, observations: &[Observation]) -> Option<Vec<Observation>> {
        let own = Observation::Toolchain { token: self.text.clone().into_bytes() };
        let mut kept = Vec::new();
        for observation in observations {
            match observation {
                Observation::Toolchain { .. } if *observation != own => return None,
                Observation::Toolchain { .. } => {}
                other if other.path().is_some_and(|path| self.covers(path)) => {}
                other => kept.push(other.clone()),
            }
        }
        kept.push(own);
        Some(kept)
    }
}

/// A digest of the release and the installed packages of the system below `root`.
fn installed(root: &Path) -> Option<Digest> {
    let read = |path: &str| fs::read(root.join(path)).ok();
    let release = read("etc/os-release").or_else(|| read("usr/lib/os-release"))?;
    let mut packages: Vec<Vec<u8>> = Vec::new();
    let mut is_known = false;
    let tables: [(&str, &[&str]); 3] = [
        ("var/lib/dpkg/status", &["Package", "Version", "Architecture", "Status"]),
        ("lib/apk/db/installed", &["P", "V", "A"]),
        ("usr/lib/apk/db/installed", &["P", "V", "A"]),
    ];
    for (path, fields) in tables {
        if let Some(text) = read(path) {
            is_known = true;
            packages.extend(of_table(&text, fields));
        }
    }
    // One directory for each package, with its version in the name.
    if let Ok(entries) = fs::read_dir(root.join("var/lib/pacman/local")) {
        is_known = true;
        packages.extend(entries.flatten().map(|entry| entry.file_name().as_bytes().to_vec()));
    }
    // Databases of which only equal bytes are known to say the same: those of one image.
    for path in [
        "usr/lib/sysimage/rpm/rpmdb.sqlite",
        "var/lib/rpm/rpmdb.sqlite",
        "var/lib/rpm/Packages.db",
        "var/lib/rpm/Packages",
    ] {
        if let Some(bytes) = read(path) {
            is_known = true;
            packages.push(Digest::of(&bytes).as_bytes().to_vec());
        }
    }
    packages.sort();
    packages.dedup();
    let mut encoder = Encoder::new();
    encoder.text("cashet installed packages 1").bytes(&release).length(packages.len());
    for package in &packages {
        encoder.bytes(package);
    }
    is_known.then(|| Digest::of(&encoder.finish()))
}

/// The named fields of each paragraph of a table of packages.
fn of_table(text: &[u8], fields: &[&str]) -> Vec<Vec<u8>> {
    let mut packages = Vec::new();
    let mut package = Vec::new();
    for line in text.split(|byte| *byte == b'\n').chain([&b""[..]]) {
        if line.is_empty() {
            if !package.is_empty() {
                packages.push(std::mem::take(&mut package));
            }
            continue;
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if fields.iter().any(|field| field.as_bytes() == name) {
            package.extend_from_slice(line);
            package.push(b'\n');
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> StoredPath {
        crate::record::Places { root: "/home/me/project".into(), home: Some("/home/me".into()) }
            .store(Path::new(path))
    }

    fn token(text: &str) -> Token {
        Token { toolchain: Toolchain::parse(text).unwrap(), text: text.to_owned() }
    }

    #[test]
    fn a_name_stands_for_everything_outside_but_data() {
        let token = token("image-7");
        for path in ["/usr/bin/env", "/opt/tool/lib", "/etc/hostname", "/usr/local/lib/x", "/data", "/lib"] {
            assert!(token.covers(&at(path)), "{path}");
        }
        for path in [
            "/home/me/project/a",
            "/home/me/.config/x",
            "/home/other/x",
            "/tmp/x",
            "/var/tmp/x",
            "/mnt/data/x",
            "/proc/cpuinfo",
            "/usr/../tmp/x",
        ] {
            assert!(!token.covers(&at(path)), "{path}");
        }
    }

    #[test]
    fn packages_stand_for_what_they_bring() {
        let token = token("auto");
        for path in ["/usr/bin/env", "/lib/x86_64-linux-gnu/libc.so.6", "/etc/ld.so.cache"] {
            assert!(token.covers(&at(path)), "{path}");
        }
        for path in [
            "/usr/local/bin/tool",
            "/opt/tool",
            "/etc/hostname",
            "/usr/lib/python3.12/site-packages/x.py",
            "/usr/lib/node_modules/x/y.js",
            "/var/lib/x",
            "/home/me/project/usr/x",
        ] {
            assert!(!token.covers(&at(path)), "{path}");
        }
    }

    #[test]
    fn what_is_installed_is_told_by_names_and_versions() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let now = || installed(directory.path());
        assert_eq!(now(), None);
        write("etc/os-release", "ID=one\n");
        assert_eq!(now(), None, "no packages are known");
        let one = "Package: a\nStatus: install ok installed\nVersion: 1\nDescription: x\n";
        let two = "Package: b\nVersion: 2\n";
        write("var/lib/dpkg/status", &format!("{one}\n{two}\n"));
        let before = now().unwrap();
        write("var/lib/dpkg/status", &format!("{two}\n{}\n", one.replace(": x", ": other")));
        assert_eq!(now(), Some(before), "neither order nor descriptions count");
        for (path, text) in [
            ("var/lib/dpkg/status", format!("{one}\n{}\n", two.replace('2', "3"))),
            ("var/lib/dpkg/status", format!("{one}\n")),
            ("lib/apk/db/installed", "P:musl\nV:1.2\nA:x86_64\nC:Q1\n\n".to_owned()),
            ("var/lib/rpm/Packages.db", "bytes".to_owned()),
            ("var/lib/pacman/local/zlib-1-1/desc", String::new()),
            ("etc/os-release", "ID=two\n".to_owned()),
        ] {
            let before = now();
            write(path, &text);
            assert!(now().is_some() && now() != before, "{path}");
        }
    }

    #[test]
    fn names_are_names() {
        for text in ["", "auto:1234", "a\nb", &"x".repeat(201)] {
            assert!(Toolchain::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Toolchain::parse("auto"), Ok(Toolchain::Installed));
        assert_eq!(Toolchain::parse("ubuntu 24.04"), Ok(Toolchain::Named("ubuntu 24.04".to_owned())));
    }

    #[test]
    fn observations_of_another_toolchain_are_not_mixed() {
        let (ours, other) = (token("one"), token("two"));
        let seen = [Observation::Exists { path: at("/usr/x") }, Observation::Umask(0o22)];
        let kept = ours.instead(&seen).unwrap();
        assert_eq!(kept, [Observation::Umask(0o22), Observation::Toolchain { token: b"one".to_vec() }]);
        assert_eq!(ours.instead(&kept), Some(kept.clone()));
        assert_eq!(other.instead(&kept), None);
    }
}
