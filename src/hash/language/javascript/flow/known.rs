//! Lists of engine functions, modules and packages that are harmless: they never read the text of a function passed to them.
//!
//! Everything that is not listed here may read it.

/// Globals and methods that only call their arguments.
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

/// Methods of lists, maps and function results that return their elements unchanged.
const RETURNERS: &[&str] = &[
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

/// Methods that add their arguments to a list.
const ADDERS: &[&str] = &["push", "unshift", "splice", "fill", "toSpliced", "with"];

/// Methods that convert their object to text.
const STRINGIFIERS: &[&str] = &["toString", "toLocaleString", "valueOf", "join", "toSource"];

/// Globals that neither convert their arguments to text nor return them.
const SILENT: &[&str] = &[
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

/// Constructors of objects that hold their arguments.
const HOLDERS: &[&str] = &["Array", "Object", "Map", "Set", "WeakMap", "WeakSet", "Proxy", "WeakRef"];

/// Functions of `Object` that return their arguments, or values in them.
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

/// Functions of `Object` that reveal properties of an object, not its content.
const ABOUT_OBJECT: &[&str] =
    &["is", "isExtensible", "isFrozen", "isSealed", "keys", "getOwnPropertyNames", "getOwnPropertySymbols"];

/// Functions of `Promise`.
const OF_PROMISE: &[&str] = &["all", "allSettled", "any", "race", "reject", "resolve", "try"];

/// Methods of `console` that print only the name of a function, unless a format requests more.
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

/// Engine modules that only call functions, or reject them.
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

/// Packages that call functions and never read their text.
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

/// Globals whose functions [`of_global`] knows.
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
    RETURNERS.contains(&name)
}

pub(super) fn is_putter(name: &str) -> bool {
    ADDERS.contains(&name)
}

pub(super) fn is_speaker(name: &str) -> bool {
    STRINGIFIERS.contains(&name)
}

pub(super) fn is_deaf(name: &str) -> bool {
    SILENT.contains(&name)
}

pub(super) fn is_holder(name: &str) -> bool {
    HOLDERS.contains(&name)
}

/// What a function of a global object does with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Nothing observable.
    Nothing,
    /// Returns them, or values in them.
    HandsOn,
    /// Calls them.
    Calls,
    /// Prints them, by a format in the first argument.
    Prints,
    /// Anything.
    Anything,
}

/// The effect of function `name` of the global `object`.
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

/// Whether a module belongs to the engine.
pub(super) fn is_of_engine(module: &str) -> bool {
    let own = module.strip_prefix("node:").unwrap_or(module);
    MODULES.contains(&own) || ["util", "assert", "assert/strict"].contains(&own)
}

/// Whether function `name` of a module, or the module itself, only calls its arguments; `None` where the module is
/// unknown.
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
