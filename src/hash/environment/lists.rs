//! Names of variables: those that always count, those that count for a language, and those that do not count unless named.
//!
//! Every list is sorted for binary search.

/// Variables that affect almost any program.
pub(super) const ALWAYS: &[&str] = &[
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "CUDA_VISIBLE_DEVICES",
    "FORCE_COLOR",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NUMERIC",
    "LC_TIME",
    // The loader compares these names without the prefix, so the complete names occur in no file.
    "LD_*",
    "NO_COLOR",
    "OMP_NUM_THREADS",
    "SOURCE_DATE_EPOCH",
    "TZ",
];

/// Read by Python.
pub(super) const PYTHON: &[&str] = &[
    "PYTHONHASHSEED",
    "PYTHONHOME",
    "PYTHONIOENCODING",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "PYTHONUTF8",
    "PYTHONWARNINGS",
];

/// Read by Node.
pub(super) const JAVASCRIPT: &[&str] = &["NODE_ENV", "NODE_OPTIONS", "NODE_PATH"];

/// Read by shells.
pub(super) const SHELL: &[&str] = &["BASH_ENV", "ENV"];

/// Read by Ruby.
pub(super) const RUBY: &[&str] = &["RUBYLIB", "RUBYOPT"];

/// Read by Perl.
pub(super) const PERL: &[&str] = &["PERL5LIB", "PERL5OPT"];

/// Read by R.
pub(super) const R: &[&str] = &["R_LIBS*"];

/// Read by Lua.
pub(super) const LUA: &[&str] = &["LUA_CPATH*", "LUA_INIT*", "LUA_PATH*"];

/// Describe the session, the terminal or the login, not the work.
pub(super) const SESSION: &[&str] = &[
    "COLORTERM",
    "DISPLAY",
    "EDITOR",
    "HOME",
    "HOSTNAME",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LINES",
    "LOGNAME",
    "LS_COLORS",
    "MAIL",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "NAME",
    "OLDPWD",
    "PAGER",
    "PATH",
    "PROMPT_COMMAND",
    "PS1",
    "PWD",
    "SHELL",
    "SHLVL",
    "STY",
    "TERM",
    "TMPDIR",
    "USER",
    "VISUAL",
    "VTE_VERSION",
    "WAYLAND_DISPLAY",
    "WINDOWID",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "_",
];

/// Patterns of the same kind.
pub(super) const SESSION_PATTERNS: &[&str] =
    &["CASHET_*", "DBUS_*", "GPG_*", "HIST*", "LESS*", "SSH_*", "SUDO_*", "TERM_*", "TMUX*", "XDG_SESSION_*"];

/// Identify one run of a CI service, its log or its short-lived credentials, on common services.
pub(super) const CI_RUNS: &[&str] = &[
    "ACTIONS_CACHE_URL",
    "ACTIONS_ORCHESTRATION_ID",
    "ACTIONS_RESULTS_URL",
    "APPVEYOR_BUILD_ID",
    "APPVEYOR_BUILD_NUMBER",
    "APPVEYOR_JOB_ID",
    "BITBUCKET_BUILD_NUMBER",
    "BITBUCKET_PIPELINE_UUID",
    "BITBUCKET_STEP_UUID",
    "BUILDKITE_BUILD_ID",
    "BUILDKITE_BUILD_NUMBER",
    "BUILDKITE_BUILD_URL",
    "BUILDKITE_JOB_ID",
    "BUILD_BUILDID",
    "BUILD_BUILDNUMBER",
    "BUILD_BUILDURI",
    "BUILD_DISPLAY_NAME",
    "BUILD_ID",
    "BUILD_NUMBER",
    "BUILD_TAG",
    "BUILD_URL",
    "CIRCLE_BUILD_NUM",
    "CIRCLE_BUILD_URL",
    "CIRCLE_PIPELINE_ID",
    "CIRCLE_WORKFLOW_ID",
    "CIRCLE_WORKFLOW_JOB_ID",
    "CIRCLE_WORKFLOW_WORKSPACE_ID",
    "CIRRUS_BUILD_ID",
    "CIRRUS_TASK_ID",
    "CI_BUILD_ID",
    "CI_CONCURRENT_ID",
    "CI_CONCURRENT_PROJECT_ID",
    "CI_JOB_ID",
    "CI_JOB_STARTED_AT",
    "CI_JOB_TOKEN",
    "CI_JOB_URL",
    "CI_PIPELINE_CREATED_AT",
    "CI_PIPELINE_ID",
    "CI_PIPELINE_IID",
    "CI_PIPELINE_NUMBER",
    "CI_PIPELINE_STARTED",
    "CI_PIPELINE_URL",
    "CI_RUNNER_ID",
    "CI_RUNNER_SHORT_TOKEN",
    "CI_STEP_STARTED",
    "DRONE_BUILD_CREATED",
    "DRONE_BUILD_NUMBER",
    "DRONE_BUILD_STARTED",
    "EXECUTOR_NUMBER",
    "GITHUB_ACTION",
    "GITHUB_ENV",
    "GITHUB_EVENT_PATH",
    "GITHUB_OUTPUT",
    "GITHUB_PATH",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_RUN_ID",
    "GITHUB_RUN_NUMBER",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
    "HUDSON_COOKIE",
    "JENKINS_NODE_COOKIE",
    "JENKINS_SERVER_COOKIE",
    "RUNNER_NAME",
    "RUNNER_TRACKING_ID",
    "SYSTEM_JOBID",
    "SYSTEM_PLANID",
    "SYSTEM_TASKINSTANCEID",
    "SYSTEM_TIMELINEID",
    "TRAVIS_BUILD_ID",
    "TRAVIS_BUILD_NUMBER",
    "TRAVIS_BUILD_WEB_URL",
    "TRAVIS_JOB_ID",
    "TRAVIS_JOB_NUMBER",
    "TRAVIS_JOB_WEB_URL",
];

/// Patterns of the same kind.
pub(super) const CI_RUN_PATTERNS: &[&str] = &[
    "ACTIONS_ID_TOKEN_REQUEST_*",
    "ACTIONS_RUNTIME_*",
    "BUILDKITE_AGENT_*",
    "CI_JOB_JWT*",
    "RUN_*DISPLAY_URL",
];

/// Needed by every program, also with `--env-strict`.
pub(super) const ESSENTIAL: &[&str] = &["HOME", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "USER"];
