//! How code of many languages asks for what it uses: names of functions, attributes and variables, and operators.

/// Names in code that asks for times of files, their owners, links, attributes or disk space.
pub const ASKS_TIMES: &[&str] = &[
    "mtime",
    ".ctime",
    "getctime",
    "st_ctime",
    "ctimeMs",
    "ctimeNs",
    "st_atime",
    "getatime",
    "atimeMs",
    "birthtime",
    "st_uid",
    "st_gid",
    "st_nlink",
    "st_ino",
    "st_blocks",
    "getxattr",
    "listxattr",
    "tarfile",
    "zipfile",
    "make_archive",
    "copystat",
    // They compare times first, and read files only where these differ.
    "filecmp",
    "dircmp",
];
/// How code asks for the name of a file's owner or group, if the run looks up users or groups at all. (Groups of regular expressions
/// are asked for like this, too.)
pub const ASKS_OWNERS: &[&str] = &[".owner", ".group(", "\"owner\"", "'owner'", "\"group\"", "'group'"];
/// An attribute of what is known of a file in JavaScript and Ruby. It counts as a whole word: `sklearn.model_selection` is another one.
pub const MODE: &str = ".mode";
/// The same for owners, links and numbers of files, in code that also names `stat`: other things have such attributes, too.
pub const ASKS_IDS: &[&str] = &[".uid", ".gid", ".nlink", ".ino"];
/// Names of the calls that return them.
pub const NAMES_STAT: &[&str] = &["stat", "Stat"];
/// Names in code that asks for modes.
pub const ASKS_MODES: &[&str] = &[
    "st_mode",
    "fstat",
    "copymode",
    MODE,
    "[\"mode\"]",
    "['mode']",
    "filemode",
    "S_IMODE",
    "S_IR",
    "S_IW",
    "S_IX",
    "\"st_\"",
    "'st_'",
    "getfperm",
    "fsdir",
    "filefuncs",
    "file stat",
    "file attributes",
    "File::Copy",
];
/// Names and operators in code of Perl that asks for times.
pub const PERL_ASKS_TIMES: &[&str] = &[
    "stat(",
    "stat $",
    "stat _",
    "stat '",
    "stat \"",
    "stat;",
    "-M ",
    "-M$",
    "-M'",
    "-M\"",
    "-C $",
    "-A $",
    "-O $",
    "-O '",
    "-O \"",
    "mtime",
    "File::stat",
];
/// The library of gawk that asks for all attributes of files.
pub const AWK_ASKS_TIMES: &[&str] = &["filefuncs", "fts("];
/// Calls of Tcl that ask for times, owners and modes.
pub const TCL_ASKS_TIMES: &[&str] =
    &["file mtime", "file atime", "file stat", "file lstat", "file attributes", "file owned"];
/// How code of Java asks for times, owners and modes.
pub const JAVA_ASKS_TIMES: &[&str] =
    &["lastModified", "LastModified", "readAttributes", "getAttribute", "PosixFile", "getOwner", "FileTime"];
/// Operators and calls of Perl that ask for the size of an open file.
pub const PERL_ASKS_SIZES: &[&str] = &["-s ", "-s(", "-s*", "-s_", "-z ", "-z(", "-z*", "-z_", "stat"];
/// Operators of Perl for times, and for whether we own a file.
pub const PERL_ASKS: &[&str] =
    &["stat", "-M", "-C", "-O \"", "-O '", "-O $", "-O(", "-o \"", "-o '", "-o $", "-o(", "-O _", "-o _"];
/// How code gives such a call another name: `from os import stat as look`.
pub const RENAMES_STAT: &[&str] = &["stat as "];
/// Calls that return all attributes of a file.
pub const ASKS_ALL: &[&str] = &["stat(", "statSync("];
/// Shell tests for other names of the same file, and for whether a file was read since it was changed.
pub const SHELL_ASKS: &[&str] = &[" -ef ", "[ -N ", "test -N "];

/// Names in code that may take modification times of files, among all that is known of them.
pub const TAKES_TIMES: &[&str] = &[
    "mtime",
    "ctime",
    "newer",
    "stat(",
    "lstat",
    "fstat",
    "statSync",
    "os.stat",
    "posix",
    "import stat",
    ".stat,",
    "file.info",
    "filecmp",
    "dircmp",
    "-nt ",
    "-ot ",
    "-M ",
    "-M$",
];

/// How code of many languages compares times of files.
pub const COMPARES_TIMES: &[&str] = &["mtime", " -nt ", " -ot ", "newer", "file.info", " -M "];
/// How code copies only what is newer, or compares times by calls that do nothing else.
pub const COPIES_NEWER: &[&str] = &["-M$", "lastModified", "update=1", "update=True"];

/// Names in code that removes directories with all that is in them.
pub const REMOVES_TREES: &[&str] = &[
    "rmtree",
    "remove_tree",
    "REMOVE_RECURSE",
    "rm -r",
    "rm -fr",
    "rm_r",
    "rmSync",
    "rmdirSync",
    "fs.rm",
    "rm(",
    "rimraf",
    "removeSync",
    "emptyDir",
];

/// How code of many languages names a directory that may be the root.
pub const NAMES_DIRECTORY: &[&str] = &[
    "getcwd",
    "cwd()",
    "PWD",
    "pwd",
    "__dirname",
    "CURDIR",
    "SOURCE_DIR",
    "LIST_DIR",
    "BINARY_DIR",
    "meta.dirname",
    "toplevel",
    "path[0]",
    "user.dir",
    "toAbsolutePath",
];
/// How code takes the last name of a path.
pub const TAKES_LAST_NAME: &[&str] = &[
    "basename",
    "notdir",
    "##*/",
    ".name",
    "path.parse",
    ".parse(",
    ".stem",
    ".parts[",
    "path.split(",
    "[-1]",
    "at(-1)",
    "pop()",
    "partition(",
    "file tail",
    "lastword",
    "getFileName",
    "=~",
    " NAME)",
    "split('/')",
    "split(\"/\")",
    "split(path.sep)",
    "split(os.sep)",
];
/// How code names its own file, whose directory may be the root.
pub const NAMES_ITSELF: &[&str] = &["__file__", "__filename", "$0", "BASH_SOURCE", "meta.url", "cwd()"];

/// How code of many languages names HOME.
pub const NAMES_HOME: &[&str] = &["~/", "HOME", "homedir", "expanduser", "Path.home"];
