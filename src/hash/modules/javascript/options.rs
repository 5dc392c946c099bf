//! The options of a JavaScript engine: which ones do not affect how sources are loaded and shown.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Effect of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// None on the sources.
    Harmless,
    /// A module runs before the program.
    Preloads(String),
    /// A module loads the program.
    Loads(String),
    /// Anything.
    Unknown,
}

/// Options without an effect on sources; a trailing `*` matches any rest.
const HARMLESS: &[&str] = &[
    "--",
    "--abort-on-uncaught-exception",
    "--allow-*",
    "--bun",
    "--cached-only",
    "--conditions*",
    "--cwd*",
    "--disable-proto*",
    "--disable-warning*",
    "--dns-result-order*",
    "--env-file*",
    "--esm",
    "--expose-gc",
    "--expose_gc",
    "--experimental-fetch",
    "--experimental-global-webcrypto",
    "--experimental-import-meta-resolve",
    "--experimental-json-modules",
    "--experimental-require-module",
    "--experimental-specifier-resolution*",
    "--experimental-sqlite",
    "--experimental-strip-types",
    "--experimental-transform-types",
    "--experimental-wasm-modules",
    "--experimental-websocket",
    "--force-node-api-uncaught-exceptions-policy",
    "--harmony*",
    "--icu-data-dir*",
    "--input-type*",
    "--interactive=false",
    "--jitless",
    "--max-http-header-size*",
    "--max-old-space-size*",
    "--max-semi-space-size*",
    "--max_old_space_size*",
    "--no-addons",
    "--no-check",
    "--no-deprecation",
    "--no-experimental-*",
    "--no-lock",
    "--no-remote",
    "--no-warnings",
    "--openssl*",
    "--pending-deprecation",
    "--permission",
    "--preserve-symlinks*",
    "--quiet",
    "--silent",
    "--single-threaded",
    "--stack-size*",
    "--stack_size*",
    "--throw-deprecation",
    "--title*",
    "--trace-deprecation",
    "--trace-warnings",
    "--transpile-only",
    "--unhandled-rejections*",
    "--unstable*",
    "--use-bundled-ca",
    "--use-openssl-ca",
    "--use-strict",
    "--use_strict",
    "--zero-fill-buffers",
    "-A",
    "-C",
    "-T",
    "-q",
];

const PRELOADS: &[&str] = &["-r", "--require", "--import", "--preload"];
const LOADS: &[&str] = &["--loader", "--experimental-loader"];

/// The effect of each option, in order.
pub(super) fn read(options: &[OsString]) -> Vec<Engine> {
    let mut found = Vec::new();
    let mut words = options.iter().map(|word| String::from_utf8_lossy(word.as_bytes()));
    while let Some(word) = words.next() {
        if word.is_empty() || !word.starts_with('-') {
            // A value, or a subcommand.
            continue;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.to_string(), None),
        };
        let is_in = |names: &[&str]| names.contains(&name.as_str());
        if is_in(PRELOADS) || is_in(LOADS) {
            let value = value.or_else(|| words.next().map(|word| word.to_string()));
            found.push(match value {
                Some(specifier) if is_in(PRELOADS) => Engine::Preloads(specifier),
                Some(specifier) => Engine::Loads(specifier),
                None => Engine::Unknown,
            });
            continue;
        }
        let harmless = HARMLESS.iter().any(|known| match known.strip_suffix('*') {
            Some(start) => word.starts_with(start),
            None => *known == word,
        });
        found.push(if harmless { Engine::Harmless } else { Engine::Unknown });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_options_are_harmless() {
        let read = |words: &str| read(&words.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(read("--no-warnings --max-old-space-size=64"), [Engine::Harmless, Engine::Harmless]);
        assert_eq!(read("-r ./a.js"), [Engine::Preloads("./a.js".to_owned())]);
        assert_eq!(read("--import=tsx"), [Engine::Preloads("tsx".to_owned())]);
        assert_eq!(read("--loader ./l.mjs"), [Engine::Loads("./l.mjs".to_owned())]);
        assert_eq!(read("--enable-source-maps --cpu-prof"), [Engine::Unknown, Engine::Unknown]);
    }
}
