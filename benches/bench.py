"""What a scenario is, and how its cases are run.

Every job counts its executions in a file. A case that claims to answer from memory is primed, which must add to that file,
then shown to answer as the job did and to add nothing, before and while it is measured; one that cannot be primed so is
left out with a line that says so.
"""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

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
    peer: bool = False  # what a user would take instead
    mute: bool = False  # remembers that the job is done, but not what it printed
    runs: bool = False  # runs the job, which is not one of its words
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
    answer: Path = None  # what the job prints, and so must whatever answers in its place

    def best_peer(self, samples):
        """The peer that took least of those that print what the job printed, whatever they check."""
        peers = [case.name for case in self.cases if case.peer and not case.mute]
        return min(peers, key=lambda name: median(sample[0] for sample in samples[name]), default=None)


class Bench:
    """The place of the comparison and its tools."""

    def __init__(self, options):
        self.options = options
        self.work = Path(options.work).resolve()
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.counter = self.make("tmp") / "executions"
        self.counter.write_text("")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.make("home")),
            "TMPDIR": str(self.make("tmp")),
            "LANG": "C.UTF-8",
            "CCACHE_DIR": str(self.make("ccache")),
        }
        self.ran = set()
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
        self.ran.clear()
        (self.here / "cashet.toml").write_text("")
        return self.here

    def job(self, name, body):
        """A script that counts its execution."""
        path = self.here / name
        path.write_text(f"#!/bin/sh\necho x >> {self.counter}\n{body}\n")
        path.chmod(0o755)
        return f"./{name}"

    def cashet(self, *words):
        # A watched job that leaves a file outside of the project is not kept.
        counted = [] if "off" in words else ["--ignore-write", str(self.counter)]
        return [self.options.cashet, "exec", "-q", *counted, *words]

    def floor(self, path):
        return Case("floor", [self.options.floor, str(path)], hit=False)

    def executions(self):
        return self.counter.read_text().count("\n")

    def call(self, words, before="-"):
        """The exit status of a command, for which the untimed command before it was run."""
        return self.run(words, before).returncode

    def run(self, words, before="-", **streams):
        """A command that has ended."""
        if before != "-":
            subprocess.run(["sh", "-c", before], cwd=self.here, env=self.environment, check=True)
        words = [word.replace("@", str(time.monotonic_ns())) for word in words]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams}
        return subprocess.run(words, cwd=self.here, env=self.environment, **streams)

    def try_out(self, case, answer):
        """Runs a case as it will be measured. What is wrong with how it ends, and whether it printed what it should."""
        # What peers remark is not ours to tell.
        streams = {"stdout": subprocess.PIPE if answer else subprocess.DEVNULL}
        streams |= {"stderr": subprocess.DEVNULL} if case.peer else {}
        done = self.run(case.words, case.before, **streams)
        is_answer = not answer or case.mute or answer.read_bytes() in done.stdout
        return "fails" if done.returncode != case.ends >> 8 else None, is_answer

    def prime(self, case, answer):
        """Has a case do what it does when it remembers nothing. What speaks against measuring it."""
        if not case.hit:
            is_answer = not case.peer or self.try_out(case, answer)[1]
            return None if is_answer else "does not hand on what the job prints"
        before = self.executions()
        if self.run(case.prime or case.words, case.before, stderr=subprocess.DEVNULL if case.peer else None).returncode != 0:
            return "fails"
        # What ran it in an earlier scenario of this project need not do so now.
        if self.executions() == before and not case.prime and tuple(case.words) not in self.ran:
            return "never runs the job"
        self.ran.add(tuple(case.words))
        return None

    def why_no_hit(self, case, answer):
        """What speaks against a primed case's answering from memory, which it must do twice."""
        self.try_out(case, answer)
        before = self.executions()
        for _ in range(2):
            fault, is_answer = self.try_out(case, answer)
            if fault or not is_answer:
                return fault or "answers, but not with what the job printed"
        return "does not answer this from memory" if self.executions() > before else None

    def measure(self, scenario):
        """Samples by case: lists of (wall seconds, CPU seconds, peak MiB), in the order of the rounds."""
        faults = [self.prime(case, scenario.answer) for case in scenario.cases]
        if any(case.hit for case in scenario.cases):
            # What has just been written is not yet trusted by anybody who judges by times.
            time.sleep(2.1)
        kept = []
        for case, fault in zip(scenario.cases, faults):
            fault = fault or (self.why_no_hit(case, scenario.answer) if case.hit else None)
            if fault:
                scenario.notes.append(f"{case.name}: {fault}; left out")
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
        expected = rounds * sum(case.runs or not case.hit and "./job" in case.words for case in kept)
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
