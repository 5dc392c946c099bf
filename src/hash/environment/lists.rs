//! Names of variables: what always counts, what counts for a language, what never does by itself.
//!
//! Every list is sorted, since it is searched by halves.

/// Decide how nearly any program behaves.
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
    // The loader compares them without these letters: they stand in no file.
    "LD_*",
    "NO_COLOR",
    "OMP_NUM_THREADS",
    "SOURCE_DATE_EPOCH",
    "TZ",
];

/// Python reads them.
pub(super) const PYTHON: &[&str] = &[
    "PYTHONHASHSEED",
    "PYTHONHOME",
    "PYTHONIOENCODING",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "PYTHONUTF8",
    "PYTHONWARNINGS",
];

/// Node reads them.
pub(super) const JAVASCRIPT: &[&str] = &["NODE_ENV", "NODE_OPTIONS", "NODE_PATH"];

/// Shells read them.
pub(super) const SHELL: &[&str] = &["BASH_ENV", "ENV"];

/// Ruby reads them.
pub(super) const RUBY: &[&str] = &["RUBYLIB", "RUBYOPT"];

/// Perl reads them.
pub(super) const PERL: &[&str] = &["PERL5LIB", "PERL5OPT"];

/// R reads them.
pub(super) const R: &[&str] = &["R_LIBS*"];

/// Lua reads them.
pub(super) const LUA: &[&str] = &["LUA_CPATH*", "LUA_INIT*", "LUA_PATH*"];

/// Tell of the session, the terminal or the login, not of the work.
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

/// The same, as patterns.
pub(super) const SESSION_PATTERNS: &[&str] =
    &["CASHET_*", "DBUS_*", "GPG_*", "HIST*", "LESS*", "SSH_*", "SUDO_*", "TERM_*", "TMUX*", "XDG_SESSION_*"];

/// Name one run of a CI service, its log or its short-lived credentials, on the services in common use.
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

/// The same, as patterns.
pub(super) const CI_RUN_PATTERNS: &[&str] = &[
    "ACTIONS_ID_TOKEN_REQUEST_*",
    "ACTIONS_RUNTIME_*",
    "BUILDKITE_AGENT_*",
    "CI_JOB_JWT*",
    "RUN_*DISPLAY_URL",
];

/// What every program needs, with `--env-strict` too.
pub(super) const ESSENTIAL: &[&str] = &["HOME", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "USER"];
