//! What the engine, its modules and some packages do with the functions that they are handed.
//!
//! Lists of the harmless: what is not named here may ask for a function's text.

/// Globals and methods that call what they are handed, and do nothing else with it.
const CALLERS: &[&str] = &[
    // Lists.
    "every",
    "filter",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "flatMap",
    "forEach",
    "map",
    "reduce",
    "reduceRight",
    "some",
    "sort",
    "toSorted",
    // Promises.
    "then",
    "catch",
    "finally",
    // Timers.
    "setTimeout",
    "setInterval",
    "setImmediate",
    "queueMicrotask",
    "nextTick",
    "requestAnimationFrame",
    // Events.
    "on",
    "once",
    "off",
    "addListener",
    "removeListener",
    "prependListener",
    "prependOnceListener",
    "addEventListener",
    "removeEventListener",
    // Runners of tests.
    "describe",
    "it",
    "test",
    "suite",
    "before",
    "after",
    "beforeEach",
    "afterEach",
    "beforeAll",
    "afterAll",
    "only",
    "skip",
    // Command lines.
    "action",
];

/// Methods of lists, maps and functions' results that hand on what is in them as it is.
const HANDERS: &[&str] = &[
    "at",
    "concat",
    "copyWithin",
    "entries",
    "fill",
    "flat",
    "get",
    "keys",
    "next",
    "pop",
    "push",
    "reverse",
    "set",
    "add",
    "has",
    "delete",
    "clear",
    "shift",
    "slice",
    "splice",
    "toReversed",
    "toSpliced",
    "unshift",
    "values",
    "with",
];

/// Methods that put what they are handed into a list.
const PUTTERS: &[&str] = &["push", "unshift", "splice", "fill", "toSpliced", "with"];

/// Methods that make text of what they belong to.
const SPEAKERS: &[&str] = &["toString", "toLocaleString", "valueOf", "join", "toSource"];

/// Globals that make no text of what they are handed, and give none of it back.
const DEAF: &[&str] = &[
    "Boolean",
    "Number",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
    "clearImmediate",
    "clearInterval",
    "clearTimeout",
];

/// Makers of objects that hold what they are handed.
const HOLDERS: &[&str] = &["Array", "Object", "Map", "Set", "WeakMap", "WeakSet", "Proxy", "WeakRef"];

/// Functions of `Object` that hand on what they are handed, or what is in it.
const OF_OBJECT: &[&str] = &[
    "assign",
    "create",
    "defineProperties",
    "defineProperty",
    "entries",
    "freeze",
    "fromEntries",
    "getOwnPropertyDescriptor",
    "getOwnPropertyDescriptors",
    "getPrototypeOf",
    "preventExtensions",
    "seal",
    "setPrototypeOf",
    "values",
];

/// Functions of `Object` that say something of an object without its content.
const ABOUT_OBJECT: &[&str] =
    &["is", "isExtensible", "isFrozen", "isSealed", "keys", "getOwnPropertyNames", "getOwnPropertySymbols"];

/// Functions of `Promise`.
const OF_PROMISE: &[&str] = &["all", "allSettled", "any", "race", "reject", "resolve", "try"];

/// Methods of `console` that show a function by its name alone, unless a format asks for more.
const OF_CONSOLE: &[&str] = &[
    "assert",
    "debug",
    "dir",
    "dirxml",
    "error",
    "group",
    "groupCollapsed",
    "info",
    "log",
    "table",
    "trace",
    "warn",
];

/// Modules of the engine that call functions, or refuse them.
const MODULES: &[&str] = &[
    "async_hooks",
    "child_process",
    "cluster",
    "crypto",
    "dgram",
    "dns",
    "dns/promises",
    "events",
    "fs",
    "fs/promises",
    "http",
    "http2",
    "https",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "readline",
    "readline/promises",
    "stream",
    "stream/promises",
    "test",
    "timers",
    "timers/promises",
    "tls",
    "zlib",
];

/// Functions of `util`.
const OF_UTIL: &[&str] =
    &["callbackify", "debuglog", "deprecate", "inherits", "inspect", "isDeepStrictEqual", "promisify"];

/// Functions of `assert`.
const OF_ASSERT: &[&str] = &[
    "deepStrictEqual",
    "doesNotReject",
    "doesNotThrow",
    "notDeepStrictEqual",
    "notStrictEqual",
    "rejects",
    "strictEqual",
    "throws",
];

/// Packages that call functions and never ask for their text.
const PACKAGES: &[&str] = &[
    "@jest/globals",
    "async",
    "bluebird",
    "chokidar",
    "commander",
    "express",
    "fast-glob",
    "fs-extra",
    "got",
    "graceful-fs",
    "mocha",
    "p-all",
    "p-limit",
    "p-map",
    "p-queue",
    "p-retry",
    "p-series",
    "prompts",
    "react",
    "react-dom",
    "rxjs",
    "through2",
    "vitest",
    "yargs",
];

/// Globals whose functions are known by [`of_global`].
const NAMESPACES: &[&str] = &[
    "Array",
    "JSON",
    "Math",
    "Number",
    "Object",
    "Promise",
    "Reflect",
    "console",
    "global",
    "globalThis",
    "window",
];

pub(super) fn is_namespace(name: &str) -> bool {
    NAMESPACES.contains(&name)
}

pub(super) fn is_caller(name: &str) -> bool {
    CALLERS.contains(&name)
}

pub(super) fn is_hander(name: &str) -> bool {
    HANDERS.contains(&name)
}

pub(super) fn is_putter(name: &str) -> bool {
    PUTTERS.contains(&name)
}

pub(super) fn is_speaker(name: &str) -> bool {
    SPEAKERS.contains(&name)
}

pub(super) fn is_deaf(name: &str) -> bool {
    DEAF.contains(&name)
}

pub(super) fn is_holder(name: &str) -> bool {
    HOLDERS.contains(&name)
}

/// What a function of a global object does with what it is handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Nothing that could be seen.
    Nothing,
    /// It hands on what it is handed, and what is in it.
    HandsOn,
    /// It calls it.
    Calls,
    /// It shows it, by a format that comes first.
    Prints,
    /// Anything.
    Anything,
}

/// What the function `name` of the global `object` does.
pub(super) fn of_global(object: &str, name: &str) -> Does {
    match object {
        "Object" if ABOUT_OBJECT.contains(&name) => Does::Nothing,
        "Object" if OF_OBJECT.contains(&name) => Does::HandsOn,
        "Array" if name == "isArray" => Does::Nothing,
        "Array" if name == "of" => Does::HandsOn,
        "Array" if name == "from" => Does::Calls,
        "Promise" if OF_PROMISE.contains(&name) => Does::HandsOn,
        "Reflect" if name == "ownKeys" => Does::Nothing,
        "Math" | "Number" => Does::Nothing,
        "console" if OF_CONSOLE.contains(&name) => Does::Prints,
        _ if is_caller(name) => Does::Calls,
        _ => Does::Anything,
    }
}

/// Whether a module is one of the engine.
pub(super) fn is_of_engine(module: &str) -> bool {
    let own = module.strip_prefix("node:").unwrap_or(module);
    MODULES.contains(&own) || ["util", "assert", "assert/strict"].contains(&own)
}

/// Whether the function `name` of a module, or the module itself, only calls what it is handed; `None` where nothing is
/// known of the module.
pub(super) fn of_module(module: &str, name: &str) -> Option<bool> {
    let own = module.strip_prefix("node:").unwrap_or(module);
    match own {
        "util" => Some(OF_UTIL.contains(&name)),
        "assert" | "assert/strict" => Some(OF_ASSERT.contains(&name)),
        _ if MODULES.contains(&own) => Some(true),
        _ if PACKAGES.contains(&module) => Some(true),
        _ => None,
    }
}
