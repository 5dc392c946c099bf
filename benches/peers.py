"""What a user would take instead of cashet, and how each is told to do the job of a scenario. Whatever is not installed
is passed over (install-peers.sh installs them). What the scenarios are is not known here.

Each is run as its own manual says, with whatever makes it quicker: turborepo's native program and not the script that
starts it, no update check, no telemetry, as few files to look at as it allows.
"""

import json
import shutil
from pathlib import Path

from bench import Case

# What the peers ask the network for, or tell it.
ENVIRONMENT = {
    "TURBO_TELEMETRY_DISABLED": "1",
    "DO_NOT_TRACK": "1",
    "npm_config_update_notifier": "false",
}

# A Python process that has memoized "run this command", of the words and of the bytes that the command reads: neither
# library knows files, so that whoever uses it must hand over what counts.
PROCESS = {
    "joblib": """\
import subprocess, sys
from joblib import Memory

@Memory(".joblib", verbose=0).cache
def job(words, contents):
    return subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout

words, paths = sys.argv[2:], sys.argv[1].split()
sys.stdout.buffer.write(job(words, [open(path, "rb").read() for path in paths]))
""",
    "Python cashet": """\
import subprocess, sys
from cashet import Client, SafePickleSerializer

def job(words, contents):
    return subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout

words, paths = sys.argv[2:], sys.argv[1].split()
with Client(".python-cashet", serializer=SafePickleSerializer()) as client:
    sys.stdout.buffer.write(client.submit(job, words, [open(path, "rb").read() for path in paths]).load())
""",
}

# The same libraries inside the script whose work is remembered. Its helpers in other modules are not looked at.
SCRIPT = {
    "joblib": ("from joblib import Memory\n", "@Memory('.joblib', verbose=0).cache\n", "print(main())\n"),
    "Python cashet": (
        "from cashet import Client, SafePickleSerializer\n",
        "",
        "with Client('.python-cashet', serializer=SafePickleSerializer()) as client:\n    print(client.submit(main).load())\n",
    ),
}


class Peers:
    """The peers that are installed, for a `Bench`."""

    def __init__(self, bench):
        self.bench = bench
        bench.environment |= ENVIRONMENT
        for name in ("bkt", "ccache", "deja", "task", "turbo"):
            setattr(self, name, shutil.which(name))
        python = Path("target/peers/python/bin/python").absolute()
        self.python = str(python) if python.exists() else None

    def of_file(self, words, path):
        """Those that answer a command while one large file is as it was."""
        return [*self.bkt_case(words, [path]), *self.deja_case(words, [path]), *self.task_cases(words, [path])]

    def of_files(self, words, paths, arguments=None):
        """Those that answer a command while some files are as they were: all there are. The bytes of the files are
        arguments of a Python function, unless others are named: no library is made for a hundred MiB of them."""
        return [
            *self.bkt_case(words, paths),
            *self.deja_case(words, paths),
            *self.task_cases(words, paths),
            *self.turbo_case(words, paths),
            *self.process_cases(words, paths if arguments is None else arguments),
        ]

    def of_tree(self, words, directory, *others):
        """Those that answer a command while everything below a directory is as it was. bkt knows no directories."""
        patterns = [f"{directory}/**/*", *others]
        return [
            *self.deja_case(words, [directory, *others]),
            *self.task_cases(words, patterns),
            *self.turbo_case(words, patterns),
        ]

    def recording(self, words, paths=(), process=True):
        """Those that run a command and remember it, at each call anew. `@` among the words is another one each time."""
        words, paths = list(words), list(paths)
        made = [
            *self.bkt_case(words, paths, "--force", hit=False),
            *self.deja_case(words, paths, "force", hit=False),
            *self.task_cases(words, paths, "--force", hit=False)[:1],
            *self.turbo_case(words, paths, "--force", hit=False),
            *(self.process_cases([*words, "@"], paths, hit=False) if process else []),
        ]
        for case in made:
            case.runs = "./job" in words
        return made

    def bkt_case(self, words, paths, *options, hit=True):
        """bkt, which judges by the time of modification."""
        times = [f"--modtime={path}" for path in paths]
        command = [self.bkt, f"--cache-dir={self.bench.work / 'bkt'}", "--ttl=1d", *options, *times, "--", *words]
        return [peer("bkt (by time)", command, hit=hit)] if self.bkt else []

    def deja_case(self, words, paths, verb="run", hit=True):
        """deja, which reads everything at each call."""
        watched = [f"--watch-path={path}" for path in paths]
        command = [self.deja, verb, f"--cache={self.bench.make('deja')}", *watched, "--", *words]
        return [peer("deja", command, hit=hit)] if self.deja else []

    def task_cases(self, words, patterns, *options, hit=True):
        """go-task, which remembers that a job is done and none of what it printed: by digest, and by time."""
        if not self.task:
            return []
        lines = ["version: '3'", "tasks:"]
        for method in ("checksum", "timestamp"):
            lines += [f"  {method}:", "    silent: true", f"    method: {method}"]
            # The shell that is built into go-task would run its own `true`.
            lines += [f"    cmds: [{json.dumps(' '.join([shutil.which(words[0]) or words[0], *words[1:]]))}]"]
            lines += [f"    sources: {json.dumps(patterns)}"] if patterns else []
        (self.bench.here / "Taskfile.yml").write_text("\n".join(lines) + "\n")
        return [
            peer(f"go-task ({method}; keeps no output)", [self.task, *options, method], hit=hit, mute=True)
            for method in ("checksum", "timestamp")
        ]

    def turbo_case(self, words, patterns, *options, outputs=(), before="-", hit=True):
        """turborepo, with the job as the one task of one package. What it runs is started by npm."""
        if not self.turbo or not shutil.which("npm"):
            return []
        package = {"name": "project", "version": "0.0.0", "private": True}
        lock = {**package, "lockfileVersion": 3, "packages": {"": package}}
        task = {"inputs": patterns, "outputs": list(outputs)}
        for name, content in {
            "package.json": {**package, "packageManager": "npm@10.0.0", "scripts": {"job": " ".join(words)}},
            "package-lock.json": lock,
            "turbo.json": {"tasks": {"job": task}},
        }.items():
            (self.bench.here / name).write_text(json.dumps(content))
        # Left to itself, it would find the working tree that this folder lies in, and fill a cache there.
        cache = f"--cache-dir={self.bench.work / 'turbo'}"
        quick = ["--single-package", "--skip-infer", "--no-update-notifier", "--ui=stream", "--log-prefix=none", cache]
        return [peer("turborepo", [self.turbo, "run", "job", *quick, *options], before=before, hit=hit)]

    def process_cases(self, words, paths, hit=True):
        """Python processes that have memoized the command."""
        made = []
        for library, text in PROCESS.items() if self.python else ():
            script = self.bench.here / f"run_by_{library.split(' ')[-1]}.py"
            script.write_text(text)
            made.append(peer(process_name(library), [self.python, script.name, " ".join(paths), *words], hit=hit))
        return made

    def script_cases(self, imports, body, result):
        """A script of such libraries' own, as (case, file name, text): `body` are its lines outside the function that is
        memoized, `result` those inside, the last of which is the function's value."""
        made = []
        for library, (start, decorator, end) in SCRIPT.items() if self.python else ():
            name = f"script_{library.split(' ')[-1]}"
            inside = "".join(f"    {line}\n" for line in [*result[:-1], f"return {result[-1]}"])
            text = f"{imports}{start}{body}{decorator}def main():\n{inside}{end}"
            (self.bench.here / f"{name}.py").write_text(text)
            made.append((peer(process_name(library), [self.python, f"{name}.py"]), name, text))
        return made

    def ccache_case(self, words):
        """ccache before a compiler."""
        return [peer("ccache", [self.ccache, *words])] if self.ccache else []


def peer(name, words, **others):
    """A case that counts when the best peer is looked for."""
    return Case(name, words, peer=True, **others)


def process_name(library):
    """Says what is measured: most of it is the interpreter's start and the imports."""
    return f"a Python process with {'joblib.Memory' if library == 'joblib' else library}"
