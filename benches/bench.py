"""What a scenario is, and how its cases are run.

Every job counts its executions in a file. A case that claims to answer from memory is primed, then shown to add
nothing to that file while it is measured; one that cannot be primed so is left out with a line that says so.
"""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20


@dataclass
class Case:
    """One command of a scenario, as `measure` runs it."""

    name: str
    words: list
    output: str = "null"
    before: str = "-"
    hit: bool = True  # claims to execute nothing
    prime: list = None  # what fills its memory, if not the command itself
    ends: int = 0  # the wait status that it ends with
    point: tuple = None  # series and size, for the plot


@dataclass
class Scenario:
    """Commands that do the same job, and what the ratios are taken against."""

    title: str
    must: str
    cases: list
    base: str = "floor"
    rounds: int = 0  # 0: as asked for
    notes: list = field(default_factory=list)


class Bench:
    """The place of the comparison and its tools."""

    def __init__(self, options):
        self.options = options
        self.work = Path(options.work).resolve()
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        # Below TMPDIR, where a watched job may write without that being held against it.
        self.counter = self.make("tmp") / "executions"
        self.counter.write_text("")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.make("home")),
            "TMPDIR": str(self.make("tmp")),
            "LANG": "C.UTF-8",
            "CCACHE_DIR": str(self.make("ccache")),
        }
        self.bkt = shutil.which("bkt")
        self.ccache = shutil.which("ccache")
        self.failed = False
        self.lines = []
        self.points = []  # series, size, milliseconds of the processor: what is measured once
        self.begun = time.monotonic()

    def make(self, name):
        path = self.work / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def project(self, name):
        """An empty project, which the commands of the scenario run in."""
        shutil.rmtree(self.work / "project", ignore_errors=True)
        self.here = self.make("project")
        (self.here / "cashet.toml").write_text("")
        return self.here

    def job(self, name, body):
        """A script that counts its execution."""
        path = self.here / name
        path.write_text(f"#!/bin/sh\necho x >> {self.counter}\n{body}\n")
        path.chmod(0o755)
        return f"./{name}"

    def cashet(self, *words):
        return [self.options.cashet, "exec", "-q", *words]

    def bkt_words(self, *words):
        return [self.bkt, f"--cache-dir={self.work / 'bkt'}", "--ttl=1d", *words]

    def floor(self, path):
        return Case("floor", [self.options.floor, str(path)], hit=False)

    def executions(self):
        return self.counter.read_text().count("\n")

    def call(self, words, before="-"):
        if before != "-":
            subprocess.run(["sh", "-c", before], cwd=self.here, env=self.environment, check=True)
        words = [word.replace("@", str(time.monotonic_ns())) for word in words]
        done = subprocess.run(
            words, cwd=self.here, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        return done.returncode

    def answers_from_memory(self, case):
        """Primes a case; whether it then answers without an execution, twice."""
        if self.call(case.prime or case.words, case.before) != 0:
            return False
        # What has just been written is not yet trusted by anybody who judges by times.
        time.sleep(2.1)
        self.call(case.words, case.before)
        before = self.executions()
        return all(self.call(case.words, case.before) == 0 for _ in range(2)) and self.executions() == before

    def measure(self, scenario):
        """Samples by case: lists of (wall seconds, CPU seconds, peak MiB), in the order of the rounds."""
        kept = []
        for case in scenario.cases:
            if case.hit and not self.answers_from_memory(case):
                scenario.notes.append(f"{case.name}: does not answer this from memory; left out")
            else:
                kept.append(case)
        scenario.cases = kept
        plan = "".join("\t".join([case.name, case.output, case.before, *case.words]) + "\n" for case in kept)
        before = self.executions()
        rounds = min(scenario.rounds or self.options.rounds, self.options.rounds)
        done = subprocess.run(
            [self.options.measure, str(rounds)],
            input=plan, text=True, capture_output=True, cwd=self.here, env=self.environment, check=True,
        )
        executed = self.executions() - before
        expected = sum(rounds for case in kept if not case.hit and any(word == "./job" for word in case.words))
        if executed != expected:
            scenario.notes.append(f"NOT PROVEN: {executed} executions, expected {expected}")
            self.failed = True
        samples = {case.name: [] for case in kept}
        for line in done.stdout.splitlines():
            name, _, wall, cpu, peak, status = line.rsplit(",", 5)
            if status != str(next(case.ends for case in kept if case.name == name)):
                scenario.notes.append(f"{name}: ended with wait status {status}")
                self.failed = True
            samples[name].append((int(wall) / 1e9, int(cpu) / 1e6, int(peak) / 1024))
        return samples


def random_file(path, size):
    """Bytes of which zstd saves about a half, none of them twice."""
    with open(path, "wb") as file:
        for _ in range(0, size, MIB):
            file.write(os.urandom(MIB // 2) + os.urandom(MIB // 4).hex().encode()[: MIB // 2])


def tree(path, count):
    """So many small files, a hundred in a directory."""
    for number in range(count):
        if number % 100 == 0:
            directory = path / f"d{number // 100:04}"
            directory.mkdir(parents=True)
        (directory / f"f{number:06}").write_text(f"file {number}\n" * 8)
