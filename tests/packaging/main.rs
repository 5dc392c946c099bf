//! Packages: the Debian package in a clean root, the wheel in a fresh environment, the action and the workflows.
//!
//! Packages use the existing release build, which the README's main command creates. Tests that are skipped because of
//! a missing build or tool are reported on standard error.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod workflows;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether everything in `needed` exists; reports what is missing.
fn can_be_tried(what: &str, needed: &[(&str, bool)]) -> bool {
    let missing: Vec<&str> = needed.iter().filter(|(_, is)| !is).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        let line = format!("NOT TRIED: {what}, for want of {}\n", missing.join(", "));
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    missing.is_empty()
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|place| place.join(name).is_file())
}

/// The release build of a program, if it exists.
fn release(name: &str) -> Option<PathBuf> {
    let debug = Path::new(env!("CARGO_BIN_EXE_cashet"));
    let program = debug.parent().unwrap().with_file_name("release").join(name);
    program.is_file().then_some(program)
}

fn script(words: &[&str]) -> String {
    let ran = Command::new(words[0]).args(&words[1..]).current_dir(root()).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        ran.status.success(),
        "{words:?}: {}\n{}{told}",
        ran.status,
        String::from_utf8_lossy(&ran.stdout)
    );
    String::from_utf8(ran.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn pages_and_completions_are_made() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let place = folder.path().to_str().unwrap();
    script(&["packaging/assets", env!("CARGO_BIN_EXE_cashet"), place]);
    for name in ["man/cashet.1", "man/cashet-exec.1", "cashet.bash", "_cashet", "cashet.fish"] {
        let size = std::fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size > 100, "{name}: {size}");
    }
}

#[test]
fn the_debian_package_works_in_a_clean_root() {
    let superuser = std::fs::metadata("/proc/self").is_ok_and(|found| {
        use std::os::unix::fs::MetadataExt;
        found.uid() == 0
    });
    let needed = [
        ("a release build", release("cashet").is_some()),
        ("a release build of cashet-remote", release("cashet-remote").is_some()),
        ("cargo-deb", on_path("cargo-deb")),
        ("dpkg", on_path("dpkg")),
        ("a static busybox", on_path("busybox")),
        ("root", superuser),
    ];
    if can_be_tried("the Debian package", &needed) {
        let package = script(&["packaging/deb"]);
        let told = script(&["packaging/try-deb", &package]);
        assert!(told.ends_with("installed, used and removed"), "{told}");
    }
}

#[test]
fn the_wheel_works_in_a_fresh_environment() {
    let needed = [
        ("a release build", release("cashet").is_some()),
        ("a release build of cashet-remote", release("cashet-remote").is_some()),
    ];
    if can_be_tried("the wheel", &needed) {
        let wheel = script(&["packaging/wheel"]);
        let told = script(&["packaging/try-wheel", &wheel]);
        assert!(told.ends_with("installed and used"), "{told}");
    }
}

/// Crates that speak to a network, or that such crates bring.
const OF_NETWORKS: &[&str] = &[
    "hyper",
    "mio",
    "native-tls",
    "openssl",
    "redis",
    "reqwest",
    "rustls",
    "socket2",
    "tokio",
    "tonic",
    "ureq",
];

/// All that a package of this workspace can be built from, by Cargo.lock.
fn built_from(package: &str) -> BTreeSet<String> {
    let lock: toml::Table = std::fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let (mut found, mut waiting) = (BTreeSet::new(), vec![package]);
    while let Some(name) = waiting.pop() {
        if !found.insert(name.to_owned()) {
            continue;
        }
        for package in packages.iter().filter(|package| package["name"].as_str() == Some(name)) {
            let dependencies = package.get("dependencies").and_then(toml::Value::as_array);
            // A name, and a version where there are several.
            let names =
                dependencies.into_iter().flatten().filter_map(|words| words.as_str()?.split(' ').next());
            waiting.extend(names);
        }
    }
    found
}

#[test]
fn cashet_itself_speaks_to_no_network() {
    let of_networks = |package: &str| {
        let all = built_from(package);
        assert!(all.len() > 50, "{all:?}");
        OF_NETWORKS.iter().filter(|name| all.contains(**name)).count()
    };
    assert_eq!(of_networks("cashet"), 0);
    // What would be found.
    assert!(of_networks("cashet-remote") > 5);
}

#[test]
fn both_programs_are_of_one_release() {
    let version = |file: &str| {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        text.lines().find_map(|line| line.strip_prefix("version = ").map(str::to_owned)).unwrap()
    };
    assert_eq!(version("Cargo.toml"), version("remote/Cargo.toml"));
}

#[test]
fn the_helper_is_linked_dynamically_and_the_program_is_not() {
    let is_dynamic = |program: &Path| {
        // The name of its loader is near the beginning.
        let mut bytes = Vec::new();
        std::fs::File::open(program).unwrap().take(8192).read_to_end(&mut bytes).unwrap();
        bytes.windows(4).any(|window| window == b"/ld-")
    };
    assert!(!is_dynamic(Path::new(env!("CARGO_BIN_EXE_cashet"))) || !cfg!(target_os = "linux"));
    let helper = Path::new(env!("CARGO_BIN_EXE_cashet")).with_file_name("cashet-remote");
    if can_be_tried("how the helper is linked", &[("cashet-remote", helper.is_file())]) {
        assert!(is_dynamic(&helper));
    }
}
