//! Which programs, and which names in code, show or use the user who runs them; and whom programs look up in the tables of users.

/// Directories that tools make directly in HOME, not hidden.
pub const IN_HOME: &[&str] = &["R", "bin", "go", "miniconda3", "anaconda3", "miniforge3", "perl5", "snap"];

/// Programs that set owners and modes differently if the user is root.
pub const ACT_FOR_ROOT: &[&str] =
    &["tar", "gtar", "bsdtar", "cpio", "pax", "unzip", "7z", "7za", "7zr", "bsdcpio", "rsync"];
/// Programs that print which user runs them.
pub const PRINT_USER: &[&str] =
    &["id", "gid", "whoami", "gwhoami", "groups", "ggroups", "logname", "glogname"];
/// Names by which code asks which user runs it.
pub const ASKS_USER: &[&str] = &[
    "geteuid",
    "getuid",
    "getegid",
    "getgid",
    "Geteuid",
    "Getuid",
    "Getegid",
    "Getgid",
    "getgroups",
    "Getgroups",
    "getresuid",
    "getresgid",
    "getuser",
    "getlogin",
    "Getlogin",
    "getpwuid",
    "userInfo",
    "EUID",
    "EGID",
    "UID",
    "GROUPS",
    "USER_ID",
    "get_effective_uid",
    "get_current_uid",
    "current_user",
    "user.Current",
    "Sys.info",
];
/// How Perl and Ruby name the user in an expression.
pub const NAME_USER: &[&[u8]] = &[b"$<", b"$>", b"$EUID", b"Process.uid", b"Process.euid"];
/// Perl's tests for whether the present user owns a file.
pub const PERL_TESTS: &[&[u8]] = &[b"-o $", b"-o '", b"-o \"", b"-O $", b"-O '", b"-O \""];
/// How code asks for what Java, Tcl, git and shells look up of their own user at each start, and how a shell comes to look up the
/// home directory.
pub const ASKS_LOOKED_UP: &[&str] = &[
    "\"user.name\"",
    "\"user.home\"",
    "XshowSettings",
    "tcl_platform(user)",
    "array get tcl_platform",
    "GIT_AUTHOR_IDENT",
    "GIT_COMMITTER_IDENT",
    "$SHELL",
    "${SHELL",
    "unset HOME",
    "-u HOME",
    "unset=HOME",
    "env -i",
    "env - ",
    "ignore-environment",
];
/// Tests of shells, Perl and Ruby for whether the present user or group owns a file.
pub const TESTS_OWNER: &[&str] = &[
    "[ -O ", "test -O ", "! -O ", "&& -O ", "|| -O ", "-a -O ", "-o -O ", "( -O ", "[ -G ", "test -G ",
    "! -G ", "&& -G ", "|| -G ", "-a -G ", "-o -G ", "( -G ", "owned?",
];
/// Names by which code asks only whether root runs it, or does what only root can do.
pub const ASKS_ROOT: &[&str] = &[
    "is_root",
    "isRoot",
    "IsUserAnAdmin",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "fchownSync",
    "chownSync",
];
/// Programs that look for settings in the home directory that the table of users contains, whatever HOME is: the names of these
/// files.
pub const SETTINGS_IN_HOME: &[(&str, &str)] = &[("sqlite3", ".sqliterc")];
/// Programs that read neither table of users and groups.
pub const NO_LOOK_UP: &[&str] =
    &["sh", "dash", "cat", "rm", "printf", "echo", "head", "tail", "wc", "diff", "cmp"];
/// Programs that look up only the owners of files that they show.
pub const LOOK_UP_OWNERS: &[&str] = &[
    "ls dir vdir tree stat find cp mv",
    // These look up their own user at each start. Code that asks for it is found by names in it, like `user.name`.
    "java javac jar javadoc javap jdeps jlink jmod jshell sqlite git tclsh wish expect",
    "sh bash dash zsh ksh mksh ash",
];
/// Programs that look up only their own user, and the owners of files that they show.
pub const LOOK_UP_OWN: &[&str] = &[
    "whoami logname ssh less vim emacs nano",
    "python pypy node nodejs ruby perl R make gmake cmake ctest ninja meson cargo rustc go gcc cc npm",
    "tmux screen script env sort awk gawk mawk sed grep",
];
/// Programs of Jupyter that show no directories.
pub const CONVERT: &[&str] = &["jupyter-nbconvert", "nbconvert", "papermill"];
/// The user's directories of Jupyter, below HOME.
pub const JUPYTER: &[&str] = &[".jupyter", ".local/share/jupyter", ".local/etc/jupyter"];
/// Arguments with which `find` looks up others.
pub const FIND_OTHERS: &[&str] = &["-user", "-group", "-nouser", "-nogroup"];
