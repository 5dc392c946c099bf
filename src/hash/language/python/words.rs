//! Names through which Python programs access their sources and docstrings.

/// Names that give access to the text, the lines or the frames of a program.
const OF_SOURCES: &[&str] = &[
    "inspect",
    "linecache",
    "_getframe",
    "currentframe",
    "_current_frames",
    "getsource",
    "getsourcelines",
    "findsource",
    "getsourcefile",
    "get_source",
    "extract_stack",
    "walk_stack",
    "StackSummary",
    "FrameSummary",
    "findCaller",
    "co_lines",
    "co_positions",
    "co_lnotab",
    "co_linetable",
    "__loader__",
    "settrace",
    "setprofile",
    "marshal",
    "extract_tb",
    "walk_tb",
    "TracebackException",
    "CodeType",
    // They see, or pass on, what is logged with all of its attributes.
    "QueueHandler",
    "SocketHandler",
    "DatagramHandler",
    "makeLogRecord",
    "setLogRecordFactory",
];

/// Names that change or observe module loading: such code sees sources.
const OF_LOADING: &[&str] = &[
    "source_to_code",
    "SourceLoader",
    "SourceFileLoader",
    "FileFinder",
    "MetaPathFinder",
    "meta_path",
    "path_hooks",
    "path_importer_cache",
    "addaudithook",
    "_bootstrap",
    "_bootstrap_external",
    "__builtins__",
    "builtins",
];

/// Names that give access to docstrings, or to attributes with computed names.
const OF_DOCSTRINGS: &[&str] = &[
    "__doc__",
    "getdoc",
    "get_docstring",
    "docopt",
    "ply",
    "doctest",
    "pydoc",
    "help",
    "getmembers",
    "co_consts",
    "__dict__",
    "globals",
    "locals",
    "vars",
    "dir",
    "gc",
    "__getattribute__",
    "__getattr__",
    "getattr",
    "attrgetter",
    "methodcaller",
    "__prepare__",
];

/// Names that give access to code objects.
const CODE: &[&str] = &["__code__", "f_code", "gi_code", "cr_code", "ag_code"];

/// Attributes of a code object that do not depend on layout. (Its constants contain docstrings.)
const OF_CODE: &[&str] = &[
    "co_argcount",
    "co_cellvars",
    "co_consts",
    "co_filename",
    "co_flags",
    "co_freevars",
    "co_kwonlyargcount",
    "co_name",
    "co_names",
    "co_nlocals",
    "co_posonlyargcount",
    "co_qualname",
    "co_varnames",
];

/// Modules that read the text or the lines of the code that uses them, or see sources during loading.
const READERS: &[&str] = &[
    "_pytest",
    "bdb",
    "beartype",
    "birdseye",
    "cProfile",
    "cloudpickle",
    "compileall",
    "coverage",
    "crosshair",
    "deal",
    "dill",
    "dis",
    "executing",
    "hunter",
    "hy",
    "icecream",
    "icontract",
    "ideas",
    "imp",
    "import_expression",
    "importhook",
    "ipdb",
    "line_profiler",
    "macropy",
    "memory_profiler",
    "modulefinder",
    "pdb",
    "profile",
    "pudb",
    "py_compile",
    "pyclbr",
    "pyinstrument",
    "pysnooper",
    "pytest",
    "pyximport",
    "scalene",
    "snoop",
    "sorcery",
    "stack_data",
    "symtable",
    "taichi",
    "tokenize",
    "trace",
    "tracemalloc",
    "triton",
    "typeguard",
    "varname",
    "viztracer",
];

/// Parts of `importlib` that see sources.
const LOADERS: &[&str] = &["importlib.abc", "importlib.machinery", "importlib._bootstrap"];

/// Whether a program that uses the word may access its sources.
pub(super) fn is_of_sources(word: &str) -> bool {
    [OF_SOURCES, OF_LOADING, CODE].iter().any(|words| words.contains(&word))
        || word.contains("lineno")
        || word.starts_with("builtins.")
}

/// Whether a program that uses the word may take all attributes of an object.
pub(super) fn takes_attributes(word: &str) -> bool {
    ["vars", "__dict__", "getattr", "pickle", "jsonpickle"].contains(&word)
}

/// Whether a program that uses the word may access its docstrings.
pub(super) fn is_of_docstrings(word: &str) -> bool {
    OF_DOCSTRINGS.contains(&word)
}

/// Whether the word gives a code object.
pub(super) fn is_code(word: &str) -> bool {
    CODE.contains(&word)
}

/// Whether an attribute of a code object reveals nothing about layout.
pub(super) fn is_harmless_of_code(word: &str) -> bool {
    OF_CODE.contains(&word)
}

/// Whether a program that imports the module may access its sources.
pub(super) fn sees_sources(module: &str) -> bool {
    READERS.contains(&module.split('.').next().unwrap_or_default()) || LOADERS.contains(&module)
}
