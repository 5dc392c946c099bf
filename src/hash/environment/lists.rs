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

/// Name one job of a batch system, the place where it runs or its log.
pub(super) const BATCH_RUNS: &[&str] = &[
    "COBALT_JOBID",
    "FLUX_JOB_ID",
    "JOB_ID",
    "LSB_BATCH_JID",
    "LSB_HOSTS",
    "LSB_JOBFILENAME",
    "LSB_JOBID",
    "LSB_OUTPUTFILE",
    "LSB_SUB_HOST",
    "PBS_JOBCOOKIE",
    "PBS_JOBID",
    "PBS_MOMPORT",
    "PBS_NODEFILE",
    "PBS_NODENUM",
    "SGE_JOB_SPOOL_DIR",
    "SGE_STDERR_PATH",
    "SGE_STDOUT_PATH",
    "SLURMD_NODENAME",
    "SLURM_GTIDS",
    "SLURM_JOBID",
    "SLURM_JOB_CPUS_PER_NODE",
    "SLURM_JOB_END_TIME",
    "SLURM_JOB_ID",
    "SLURM_JOB_NODELIST",
    "SLURM_JOB_START_TIME",
    "SLURM_LAUNCH_NODE_IPADDR",
    "SLURM_NODEID",
    "SLURM_NODELIST",
    "SLURM_SRUN_COMM_HOST",
    "SLURM_SRUN_COMM_PORT",
    "SLURM_STEPID",
    "SLURM_STEP_ID",
    "SLURM_STEP_LAUNCHER_PORT",
    "SLURM_STEP_NODELIST",
    "SLURM_SUBMIT_DIR",
    "SLURM_SUBMIT_HOST",
    "SLURM_TASK_PID",
    "SLURM_TOPOLOGY_ADDR",
];

/// Tell that a job of a batch system runs.
pub(super) const BATCH_MARKS: &[&str] =
    &["COBALT_JOBID", "FLUX_JOB_ID", "LSB_JOBID", "PBS_JOBID", "SGE_TASK_ID", "SLURM_JOB_ID", "SLURM_JOBID"];

/// Which devices a job may use: under a batch system their number decides, not which they are.
pub(super) const DEVICES: &[&str] = &[
    "CUDA_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "HIP_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK",
];

/// Variables of jobs of CI services and batch systems, as patterns: hundreds of programs name some of them.
pub(super) const JOB_PATTERNS: &[&str] = &[
    "ACTIONS_*",
    "APPVEYOR*",
    "BITBUCKET_*",
    "BUILDKITE*",
    "BUILD_*",
    "CIRCLE*",
    "CIRRUS_*",
    "CI_*",
    "CODEBUILD_*",
    "DRONE*",
    "FLUX_*",
    "GITEA_*",
    "GITHUB_*",
    "GITLAB_*",
    "HUDSON_*",
    "JENKINS_*",
    "LSB_*",
    "OMPI_*",
    "PBS_*",
    "PMIX_*",
    "PMI_*",
    "RUNNER_*",
    "SEMAPHORE_*",
    "SGE_*",
    "SLURMD_*",
    "SLURM_*",
    "SYSTEM_*",
    "TEAMCITY_*",
    "TF_BUILD",
    "TRAVIS*",
    "WOODPECKER_*",
];

/// Short names that programs ask for without their being seen: in machine code they stand by chance.
pub(super) const TOOLS: &[(&str, &[&str])] = &[
    (
        "make gmake bmake remake",
        &["AR", "AS", "CC", "CO", "CPP", "CXX", "FC", "GET", "LD", "LEX", "M2C", "PC", "RM", "TEX"],
    ),
    ("cmake ccmake ctest cpack", &["AR", "ASM", "CC", "CXX", "FC", "LD", "RC"]),
    ("meson", &["AR", "AS", "CC", "CXX", "DC", "FC", "LD"]),
    ("go", &["AR", "CC", "CXX", "FC"]),
    ("cargo rustc", &["AR", "CC", "CXX", "LD"]),
    ("sh bash dash ksh mksh zsh", &["ENV", "PS4"]),
    ("zip", &["ZIP"]),
    ("bison flex autoconf automake autom4te", &["M4"]),
    ("R Rscript", &["TAR"]),
];
