"""The scenarios of the comparison: sets each one up, has `measure` run its cases in turn, proves that each hit was
one, and prints the table. Started by compare.sh, which builds what is measured.

Every job counts its executions in a file. A case that claims to answer from memory is primed, then shown to add
nothing to that file while it is measured; one that cannot be primed so is left out with a line that says so.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
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


def s1(bench):
    """Tiny standard output, ten inputs."""
    here = bench.project("s1")
    inputs = [f"in{number}" for number in range(10)]
    for name in inputs:
        (here / name).write_text(name * 20)
    (here / "answer").write_text("an answer of fifty bytes, as short as most are ...\n")
    bench.job("job", f"cat {' '.join(inputs)} > /dev/null; cat answer")
    declared = [word for name in [*inputs, "answer"] for word in ("-i", name)]
    cases = [
        bench.floor(here / "answer"),
        Case("cashet, declared", bench.cashet(*declared, "--trace", "off", "--", "./job")),
        Case("cashet, observed", bench.cashet("--trace", "require", "--", "./job")),
    ]
    if bench.bkt:
        times = [f"--modtime={name}" for name in inputs]
        cases.append(Case("bkt", bench.bkt_words(*times, "--", "./job")))
    yield Scenario("S1 hit, tiny stdout, ten inputs", "≤ 1.4 × floor, ≤ 0.7 × bkt, ≤ 4 MiB", cases)


def s1c(bench):
    """A compilation."""
    if not bench.ccache:
        return
    here = bench.project("s1c")
    (here / "unit.c").write_text("#include <stdio.h>\nint main(void) { return puts(\"unit\") < 0; }\n")
    command = ["gcc", "-O2", "-c", "unit.c", "-o", "unit.o"]
    yield Scenario(
        "S1c hit, gcc of one file", "no figure is set",
        [
            bench.floor(here / "unit.c"),
            Case("cashet, declared", bench.cashet("-o", "unit.o", "--trace", "off", "--", *command)),
            Case("ccache", [bench.ccache, *command]),
        ],
    )


def s2(bench):
    """A Python script and a module of its own."""
    here = bench.project("s2")
    bodies = {}
    for name in ("script", "module"):
        lines = [f"def {name}_{n}(value):\n    return value * {n} + len('{name}')\n" for n in range(100)]
        bodies[name] = "\n".join(lines)
    imports = "import argparse, json, csv, random, statistics\nimport module\n"
    count = f"with open({str(bench.counter)!r}, 'a') as file:\n    file.write('x\\n')\n"
    plain = imports + count + bodies["script"] + "print(json.dumps(module.module_3(script_4(2))))\n"
    for name, text in (("script", plain), ("module", bodies["module"])):
        (here / f"{name}.py").write_text(text)
        (here / f"{name}.plain").write_text(text)
        (here / f"{name}.laid-out").write_text("# laid out anew\n\n" + text.replace(" * ", "  *  "))
    for label, base in (("declared", ["--trace", "off", "-i", "module.py"]), ("observed", ["--trace", "require"])):
        words = bench.cashet(*base, "--", "python3", "script.py")
        reformat = "; ".join(
            f"if cmp -s {n}.py {n}.plain; then cp {n}.laid-out {n}.py; else cp {n}.plain {n}.py; fi"
            for n in ("script", "module")
        )
        peers = [Case("bkt (by times)", bench.bkt_words("--modtime=script.py", "--", "python3", "script.py"))] if bench.bkt else []
        answer = here / "answer"
        answer.write_text("12\n")
        cases = [bench.floor(answer), Case(f"cashet, {label}", words)]
        yield Scenario(f"S2 hit, Python script and module, {label}", "≤ 2 × floor", [*cases, *peers])
        again = Case(f"cashet, {label}, both reformatted", words, before=reformat)
        yield Scenario(f"S2 after reformatting, {label}", "≤ 6 × floor", [bench.floor(answer), again], rounds=20)


def first_capture(bench):
    """The same script and module, captured for the first time: in a store that knows nothing, and in one that has seen
    another script. The call may not run anything, so that capturing is all that it does."""
    here = bench.project("capture")
    for name in ("script", "other", "module"):
        lines = [f"def {name}_{n}(value):\n    return value * {n} + len('{name}')\n" for n in range(100)]
        imports = "import argparse, json, csv, random, statistics\nimport module\n" if name != "module" else ""
        (here / f"{name}.py").write_text(imports + "\n".join(lines))
    (here / "answer").write_text("12\n")
    words = bench.cashet("--mode", "replay", "--", "python3", "script.py")
    # Without the database, which is asked only where nothing is remembered.
    bench.call(bench.cashet("--", "python3", "other.py"), "sleep 2.1")
    subprocess.run("mv .cashet seen; rm -f seen/meta.db*", shell=True, cwd=here, check=True)
    nothing = 121 << 8
    yield Scenario(
        "S2 first capture of a script and its module", "≤ 6 × floor",
        [
            bench.floor(here / "answer"),
            Case("empty store", words, before="rm -rf .cashet; mkdir -m 700 .cashet", hit=False, ends=nothing),
            Case("another script was seen", words, before="rm -rf .cashet; cp -a seen .cashet", hit=False, ends=nothing),
        ],
        rounds=20,
    )


def s3(bench):
    """One input of 1 GiB."""
    here = bench.project("s3")
    random_file(here / "big", 1024 * MIB)
    (here / "answer").write_text("1073741824\n")
    bench.job("job", "wc -c < big")
    words = bench.cashet("-i", "big", "--trace", "off", "--", "./job")
    unchanged = [bench.floor(here / "answer"), Case("cashet, declared", words)]
    if bench.bkt:
        unchanged.append(Case("bkt (by time)", bench.bkt_words("--modtime=big", "--", "./job")))
    yield Scenario("S3 hit, one input of 1 GiB", "≤ 1.4 × floor", unchanged)
    limit = Case("BLAKE3, all cores", [bench.options.limits, "blake3", "big"], hit=False)
    touched = Case("cashet, after touch", words, before="touch big")
    yield Scenario("S3 after `touch`", "≤ 1.15 × BLAKE3", [limit, touched], base=limit.name, rounds=7)


def s4(bench):
    """Many input files."""
    for count in (100, 1_000, 10_000, 100_000) if bench.options.full else (1_000, 10_000):
        here = bench.project("s4")
        tree(here / "in", count)
        bench.job("job", "ls in | wc -l")
        words = bench.cashet("-i", "in", "--trace", "off", "--", "./job")
        limit = [bench.options.limits, "walk", "in"]
        walk = Case("walk, one thread", limit, hit=False, point=("walk of the files, one thread", count))
        hit = Case("cashet, declared", words, point=("hit, declared files", count))
        must = "≤ 1.3 × the walk"
        yield Scenario(f"S4 hit, {count:,} input files", must, [walk, hit], base=walk.name, rounds=15)


def s5(bench):
    """Outputs that are restored."""
    here = bench.project("s5")
    random_file(here / "big", 1024 * MIB)
    bench.job("job", "cp big out")
    words = bench.cashet("-i", "big", "-o", "out", "--trace", "off", "--", "./job")
    copy = Case("cp", ["cp", "big", "out"], before="rm -f out", hit=False)
    restore = Case("cashet, restore", words, before="rm -f out")
    yield Scenario("S5 hit that restores 1 GiB", "≤ 1.05 × cp", [copy, restore], base="cp", rounds=7)
    (here / "answer").write_text("")
    there = Case("cashet, still there", words)
    yield Scenario("S5 hit, output of 1 GiB still there", "≤ 1.4 × floor", [bench.floor(here / "answer"), there])

    here = bench.project("s5t")
    tree(here / "in", 10_000)
    bench.job("job", "cp -r in out")
    words = bench.cashet("-i", "in", "-o", "out", "--trace", "off", "--", "./job")
    copy = Case("cp -r", ["cp", "-r", "in", "out"], before="rm -rf out", hit=False)
    restore = Case("cashet, restore", words, before="rm -rf out")
    yield Scenario("S5 hit that restores 10,000 files", "≤ 0.75 × cp -r", [copy, restore], base="cp -r", rounds=7)
    walk = Case("walk, one thread", [bench.options.limits, "walk", "in", "out"], hit=False)
    there = Case("cashet, still there", words)
    yield Scenario("S5 hit, 10,000 outputs still there", "≤ 1.3 × the walk of inputs and outputs", [walk, there], base=walk.name, rounds=15)


def s6(bench):
    """100 MiB of standard output."""
    here = bench.project("s6")
    random_file(here / "big", 100 * MIB)
    bench.job("job", "cat big")
    words = bench.cashet("-i", "big", "--trace", "off", "--", "./job")
    for output, where in (("null", "to /dev/null"), ("pipe", "into a pipe")):
        floor = bench.floor(here / "big")
        limit = Case("BLAKE3, all cores", [bench.options.limits, "blake3", "big"], hit=False)
        cases = [floor, limit, Case("cashet", words)]
        if bench.bkt:
            cases.append(Case("bkt", bench.bkt_words("--", "./job")))
        for case in cases:
            if case is not limit:
                case.output = output
        must = "≤ 1.2 × (floor + BLAKE3), ≤ 1/4 of bkt, ≤ 8 MiB"
        yield Scenario(f"S6 hit, 100 MiB of stdout {where}", must, cases, base="floor + BLAKE3, all cores", rounds=15)


def s7(bench):
    """Runs that are recorded."""
    here = bench.project("s7")
    cases = [
        Case("bare", ["true"], hit=False),
        Case("cashet, unwatched", bench.cashet("--salt=@", "--pure", "--trace", "off", "--", "true"), hit=False),
        Case("cashet, watched", bench.cashet("--salt=@", "--trace", "auto", "--", "true"), hit=False),
    ]
    if bench.bkt:
        cases.append(Case("bkt --force", bench.bkt_words("--force", "--", "true"), hit=False))
    yield Scenario("S7 miss, `true`", "≤ bare + 2 ms", cases, base="bare")
    random_file(here / "big", 100 * MIB)
    bench.job("job", "cat big")
    words = bench.cashet("--salt=@", "-i", "big", "--trace", "off", "--", "./job")
    cases = [Case("bare", ["./job"], hit=False), Case("cashet, unwatched", words, hit=False)]
    if bench.bkt:
        cases.append(Case("bkt --force", bench.bkt_words("--force", "--", "./job"), hit=False))
    for case in cases:
        case.output = "pipe"
    yield Scenario("S7 miss, 100 MiB of stdout", "≤ bare + 60 ms", cases, base="bare", rounds=10)
    here = bench.project("s7o")
    random_file(here / "big", 1024 * MIB)
    words = bench.cashet("--salt=@", "-i", "big", "-o", "out", "--trace", "off", "--", "cp", "big", "out")
    # What is asked is what recording the output costs, so the input's digest is known.
    bench.call(words)
    cases = [
        Case("cp", ["cp", "big", "out"], before="rm -f out", hit=False),
        Case("cp, twice", ["sh", "-c", "cp big out && cp out second"], before="rm -f out second", hit=False),
        Case("cashet, unwatched", words, before="rm -rf out .cashet/objects", hit=False),
    ]
    yield Scenario("S7 miss, 1 GiB of output", "≤ 1.25 × cp of it, beyond the command", cases, base="cp", rounds=7)


def s8(bench):
    """Stores that are full."""
    counts = (1_000, 100_000, 1_000_000) if bench.options.full else (1_000, 100_000)
    stores, calls = {}, {}
    for count in counts:
        here = bench.project("s8")
        store = bench.work / f"store-{count}"
        begun = time.monotonic()
        subprocess.run([bench.options.fill, str(store), str(count)], check=True, stdout=subprocess.DEVNULL)
        bench.lines.append(f"a store with {count:,} commits was filled in {time.monotonic() - begun:.1f} s")
        (here / "answer").write_text("answer\n")
        bench.job("job", "cat answer")
        stores[count] = store
        calls[count] = bench.cashet("--store", str(store), "-i", "answer", "--trace", "off", "--", "./job")
    small, large = f"hit, {counts[0]:,} commits", f"hit, {counts[-1]:,} commits"
    cases = [Case(f"hit, {count:,} commits", calls[count], point=("hit in a full store", count)) for count in counts]
    yield Scenario(f"S8 hit in a full store", "≤ 1.1 × hit at 1,000", cases, base=small)
    cashet = bench.options.cashet
    for count in counts:
        store = ["--store", str(stores[count])]
        listing = Case("log -n 20", [cashet, *store, "log", "-n", "20"], hit=False, point=("log -n 20", count))
        numbers = Case("stats", [cashet, *store, "stats"], hit=False, point=("stats", count))
        cases = [bench.floor(here / "answer"), listing, numbers]
        yield Scenario(f"S8 reading a store with {count:,} commits", "≤ 8 × floor", cases, rounds=20)
    for count in counts:
        begun = time.monotonic()
        subprocess.run([cashet, "--store", str(stores[count]), "gc", "--older-than", "0s"], check=True, capture_output=True)
        bench.lines.append(f"gc of all {count:,} commits: {time.monotonic() - begun:.2f} s (must: ≤ 5 s at 1,000,000)")
        shutil.rmtree(stores[count], ignore_errors=True)


def s9(bench):
    """Many calls at once."""
    here = bench.project("s9")
    (here / "answer").write_text("answer\n")
    bench.job("job", "sleep 0.3; cat answer")
    words = bench.cashet("-i", "answer", "--trace", "off", "--", "./job")
    calls = [("cashet", words)] + ([("bkt", bench.bkt_words("--", "./job"))] if bench.bkt else [])
    for name, call in calls:
        before = bench.executions()
        started = [
            subprocess.Popen(call, cwd=here, env=bench.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            for _ in range(64)
        ]
        failed = sum(process.wait() != 0 for process in started)
        print(f"S9: 64 identical misses at once, {name}: {bench.executions() - before} executions, {failed} failed", file=sys.stderr)
        bench.lines.append(f"64 identical misses at once, {name}: {bench.executions() - before} executions, {failed} failed")
    many = "seq 1000 | xargs -P 8 -I% "
    cases = [Case("bare true", ["sh", "-c", many + "true"], hit=False)]
    cases += [Case(f"{name}", ["sh", "-c", many + " ".join(call)], prime=call) for name, call in calls]
    yield Scenario("S9 1000 hits from 8 clients", "≥ 0.8 × as many bare `true` a second", cases, base="bare true", rounds=5)


def s10(bench):
    """What watching costs, by CPU time; beside a watcher that does nothing with what it sees, which is the least that
    the mechanism costs."""
    here = bench.project("s10")
    unseeing = bench.work / "unseeing"
    subprocess.run(["gcc", "-O2", "-static", "-o", str(unseeing), str(Path(__file__).parent / "unseeing.c")], check=True)
    bench.environment["CFLAGS"] = "-O2"
    before, rounds = {}, {}
    jobs = {"python imports": ["python3", "-c", "import asyncio, json, unittest, http.client, sqlite3, xml.dom.minidom"]}
    for number in range(250):
        (here / f"h{number}.h").write_text(f"#pragma once\nstatic inline int f{number}(int x) {{ return x + {number}; }}\n")
    (here / "unit.c").write_text("".join(f'#include "h{n}.h"\n' for n in range(250)) + "int main(void) { return f3(4); }\n")
    jobs["gcc, 250 headers"] = ["gcc", "-c", "unit.c", "-o", "unit.o"]
    sources = lua_sources()
    if sources:
        shutil.copytree(sources, here / "lua")
        for program in ("lua.c", "luac.c"):
            (here / "lua" / program).unlink(missing_ok=True)
        (here / "lua" / "Makefile").write_text(LUA_MAKEFILE)
        jobs["make -j2 of Lua"] = ["make", "-s", "-j2", "-C", "lua"]
        before["make -j2 of Lua"], rounds["make -j2 of Lua"] = "rm -f lua/*.o lua/liblua.a", 3
    else:
        bench.lines.append("SKIPPED S10, make -j2 of Lua: its sources are not there; `cargo fetch` of a crate with lua-src brings them, or BENCH_LUA names them")
    for number in range(4000):
        path = here / "tree" / f"{number % 20}" / f"{number % 200}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (bench.work / "walk.c").write_text(WALK)
    subprocess.run(["gcc", "-O2", "-static", "-o", str(here / "walk"), str(bench.work / "walk.c")], check=True)
    jobs["a static walk of 4,000 files"] = ["./walk", "tree"]
    must = {"python": "1.15", "gcc,": "1.8", "make": "1.2", "a": "1.6"}
    for name, words in jobs.items():
        first = before.get(name, "-")
        cases = [
            Case("bare", words, before=first, hit=False),
            Case("a watcher that does nothing", [str(unseeing), *words], before=first, hit=False),
            Case("cashet, watched", bench.cashet("--salt=@", "--trace", "require", "--", *words), before=first, hit=False),
        ]
        if all(bench.call(case.words, case.before) == 0 for case in cases[1:]):
            bound = f"CPU ≤ {must[name.split(' ')[0]]} × bare"
            yield Scenario(f"S10 watching, {name}", bound, cases, base="bare", rounds=rounds.get(name, 15))


LUA_MAKEFILE = """\
OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))
liblua.a: $(OBJECTS)
\tar rcs $@ $(OBJECTS)
$(OBJECTS): $(wildcard *.h) Makefile
%.o: %.c
\t$(CC) $(CFLAGS) -c -o $@ $<
"""

WALK = """\
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
static long files, bytes;
static void walk(const char *path) {
    char below[4096];
    struct dirent *entry;
    struct stat status;
    DIR *directory = opendir(path);
    while (directory && (entry = readdir(directory))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (lstat(below, &status) == 0 && S_ISDIR(status.st_mode))
            walk(below);
        else
            files++, bytes += status.st_size;
    }
    if (directory)
        closedir(directory);
}
int main(int count, char **words) {
    walk(count > 1 ? words[1] : ".");
    return printf("%ld files, %ld bytes\\n", files, bytes) < 0;
}
"""


def lua_sources():
    """The C sources of Lua, where a crate or BENCH_LUA has brought them."""
    given = os.environ.get("BENCH_LUA")
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    found = [Path(given)] if given else sorted(cargo.glob("registry/src/*/lua-src-*/lua-5.4*"))
    return found[-1] if found else None


SCENARIOS = {"S1": s1, "S1c": s1c, "S6": s6, "S7": s7, "S2": s2, "S2f": first_capture, "S3": s3, "S4": s4, "S5": s5, "S9": s9, "S10": s10, "S8": s8}


def rows(bench, scenario, samples):
    """Lines of the table: medians, and ratios paired by round."""
    names = scenario.base.split(" + ")
    base = [sum(samples[name][place][0] for name in names) for place in range(len(samples[names[0]]))]
    base_cpu = [sum(samples[name][place][1] for name in names) for place in range(len(base))]
    for case in scenario.cases:
        taken = samples[case.name]
        wall, cpu = (statistics.median(sample[place] for sample in taken) * 1000 for place in (0, 1))
        ratio = statistics.median(sample[0] / whole for sample, whole in zip(taken, base))
        ratio_cpu = statistics.median(sample[1] / max(whole, 1e-6) for sample, whole in zip(taken, base_cpu))
        over = wall - statistics.median(base) * 1000
        peak = max(sample[2] for sample in taken)
        yield f"| {case.name} | {wall:.2f} | {cpu:.2f} | {peak:.1f} | {ratio:.2f} | {ratio_cpu:.2f} | {over:+.2f} |"


def replace_table(page, table):
    """Puts the table where the page has one."""
    before, _, rest = page.read_text().partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- /table -->\n")
    page.write_text(f"{before}<!-- table -->\n{table}\n<!-- /table -->\n{after}")


def main():
    parser = argparse.ArgumentParser()
    for name in ("cashet", "limits", "fill", "floor", "measure", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--into", help="a page whose part between the marks `table` is replaced at the end")
    parser.add_argument("--points", help="where to write what plot.py draws")
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS])
    options = parser.parse_args()
    bench = Bench(options)
    system = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
    output = open(options.output, "w") if options.output else None
    points = open(options.points, "w") if options.points else None

    told = []

    def tell(lines):
        # As it comes: who interrupts a long comparison has what was measured by then.
        told.extend(lines)
        for file in filter(None, (sys.stdout, output)):
            print("\n".join(lines), file=file, flush=True)

    tell([f"{time.strftime('%Y-%m-%d')}, {system}; wall time, medians of alternating rounds, ratios paired by round."])
    for name in options.scenarios or SCENARIOS:
        for scenario in SCENARIOS[name](bench):
            print(f"{scenario.title} … ({time.monotonic() - bench.begun:.0f} s)", file=sys.stderr)
            samples = bench.measure(scenario)
            table = ["", f"**{scenario.title}** (must: {scenario.must}; ratios to {scenario.base})", ""]
            table += ["| | ms | CPU ms | peak MiB | × | CPU × | more, ms |", "|---|---|---|---|---|---|---|"]
            table += list(rows(bench, scenario, samples)) + [""] * bool(scenario.notes) + [f"* {note}" for note in scenario.notes]
            tell(table)
            for case in filter(lambda case: points and case.point, scenario.cases):
                median = statistics.median(sample[0] for sample in samples[case.name]) * 1000
                print(*case.point, f"{median:.3f}", sep="\t", file=points, flush=True)
        if bench.lines:
            tell(["", *(f"* {line}" for line in bench.lines)])
            bench.lines = []
    if options.into:
        replace_table(Path(options.into), "\n".join(told))
    shutil.rmtree(bench.work, ignore_errors=True)
    return bench.failed


if __name__ == "__main__":
    sys.exit(main())
