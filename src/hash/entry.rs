//! Where the function begins: which interpreter runs which script, module or inline code, or which executable.
//!
//! Plain values: found by `command`, read by `modules`. This module does not know how sources are read.

use std::ffi::OsString;
use std::path::PathBuf;

/// The language that the interpreter speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LanguageKind {
    /// python, pypy.
    Python,
    /// node, and bun, deno and tsx with a source that is not TypeScript by its name.
    JavaScript,
    /// bun, deno, tsx and node with `.ts`, `.tsx`, `.mts`, `.cts`; inline code of deno and tsx.
    TypeScript,
    /// sh, bash, dash, ash, ksh, mksh, zsh.
    Shell,
    /// ruby.
    Ruby,
    /// perl.
    Perl,
    /// Rscript.
    R,
    /// lua, luajit.
    Lua,
    /// php.
    Php,
    /// julia.
    Julia,
    /// An unknown interpreter, named in the first line of the script.
    Other,
    /// No interpreter: the program itself is the function.
    Executable,
}

/// What the interpreter runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A script: a regular file, absolute, as it was asked for.
    Script(PathBuf),
    /// `-m pkg.mod`.
    Module(OsString),
    /// `-c CODE`, `-e CODE`.
    Inline {
        /// The code.
        code: Vec<u8>,
        /// Which word of the command holds it.
        word: usize,
    },
    /// Unknown before the run: the executable itself, standard input, an unknown option of the interpreter.
    Program,
}

/// Where the function begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The language that the interpreter speaks.
    pub language: LanguageKind,
    /// What it runs.
    pub what: What,
    /// The interpreter's own file, or the executable's: absolute, as found on PATH, version managers' shims followed,
    /// links not (beside a `pyvenv.cfg` the link is what counts). `None` where it could not be found.
    pub interpreter: Option<PathBuf>,
    /// The interpreter's options before the script, with their values, in order, as typed (`-O`, `-I`, `-X`, `dev`,
    /// `-Werror`). A first line's options come first.
    pub options: Vec<OsString>,
    /// The working directory of the interpreter: that of the call, unless a launcher changes it (`env -C`).
    pub directory: PathBuf,
    /// The environment that the interpreter sees, where launchers change it (`env A=B`, `env -u A`): name and value,
    /// `None` for unset. It goes before that of the request.
    pub overlay: Vec<(OsString, Option<OsString>)>,
    /// Whether a launcher starts from an empty environment (`env -i`); then only the overlay counts.
    pub clears_environment: bool,
    /// Whether the script is executed directly, so that its first line has an effect.
    pub executed_directly: bool,
    /// The names of the resolved launchers, outermost first, without directories (`env`, `uv`, `nice`). Under `uv` and `pipx` the
    /// comment block of PEP 723 has an effect.
    pub launchers: Vec<OsString>,
    /// Which word of the command names the script, if one does.
    pub word: Option<usize>,
}
