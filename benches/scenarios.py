"""The scenarios S1 to S9: what is set up, and which commands are run against which."""

import shutil
import subprocess
import sys
import time
from dataclasses import replace

from bench import MIB, Case, Scenario, random_file, tree


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
    cases += bench.peers.of_files(["./job"], [*inputs, "answer", "job"])
    must = "≤ 1.4 × floor, ≤ 0.7 × bkt, ≤ 4 MiB"
    yield Scenario("S1 hit, tiny stdout, ten inputs", must, cases, answer=here / "answer")


def s1c(bench):
    """A compilation."""
    here = bench.project("s1c")
    (here / "unit.c").write_text("#include <stdio.h>\nint main(void) { return puts(\"unit\") < 0; }\n")
    # Under its own name, by which ccache knows what it is.
    command = [bench.job("gcc", f'exec {shutil.which("gcc")} "$@"'), "-O2", "-c", "unit.c", "-o", "unit.o"]
    yield Scenario(
        "S1c hit, gcc of one file", "no figure is set",
        [
            bench.floor(here / "unit.c"),
            Case("cashet, declared", bench.cashet("-i", "unit.c", "-o", "unit.o", "--trace", "off", "--", *command)),
            Case("cashet, observed", bench.cashet("-o", "unit.o", "--trace", "require", "--", *command)),
            *bench.peers.ccache_case(command),
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
    result = "json.dumps(module.module_3(script_4(2 * 1)))"
    plain = imports + count + bodies["script"] + f"print({result})\n"
    libraries = bench.peers.script_cases(imports, bodies["script"], [*count.splitlines(), result])
    for name, text in (("script", plain), ("module", bodies["module"]), *(library[1:] for library in libraries)):
        (here / f"{name}.py").write_text(text)
        (here / f"{name}.plain").write_text(text)
        (here / f"{name}.laid-out").write_text("# laid out anew\n\n" + text.replace(" * ", "  *  "))
    for label, base in (("declared", ["--trace", "off", "-i", "module.py"]), ("observed", ["--trace", "require"])):
        words = bench.cashet(*base, "--", "python3", "script.py")

        def reformat(*names):
            return "; ".join(f"if cmp -s {n}.py {n}.plain; then cp {n}.laid-out {n}.py; else cp {n}.plain {n}.py; fi" for n in names)

        command, sources = ["python3", "script.py"], ["script.py", "module.py"]
        answer = here / "answer"
        answer.write_text("48\n")
        cases = [bench.floor(answer), Case(f"cashet, {label}", words), *bench.peers.bkt_case(command, sources)]
        if label == "declared":
            cases += [*bench.peers.deja_case(command, sources), *bench.peers.turbo_case(command, sources)]
            cases += [library[0] for library in libraries]
        yield Scenario(f"S2 hit, Python script and module, {label}", "≤ 2 × floor", cases, answer=answer)
        cases = [bench.floor(answer), Case(f"cashet, {label}, both reformatted", words, before=reformat("script", "module"))]
        if label == "declared":
            cases += [replace(case, before=reformat(name)) for case, name, _ in libraries]
        yield Scenario(f"S2 after reformatting, {label}", "≤ 6 × floor", cases, rounds=20, answer=answer)


def first_capture(bench):
    """The same script and module, captured for the first time: in a store that knows nothing, and in one that has seen
    another script. The call may not run anything, so that capturing is all that it does."""
    here = bench.project("capture")
    for name in ("script", "other", "module"):
        lines = [f"def {name}_{n}(value):\n    return value * {n} + len('{name}')\n" for n in range(100)]
        imports = "import argparse, json, csv, random, statistics\nimport module\n" if name != "module" else ""
        (here / f"{name}.py").write_text(imports + "\n".join(lines))
    (here / "answer").write_text("48\n")
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
    unchanged += bench.peers.bkt_case(["./job"], ["big"])
    yield Scenario("S3 hit, one input of 1 GiB", "≤ 1.4 × floor", unchanged, answer=here / "answer")
    limit = Case("BLAKE3, all cores", [bench.options.limits, "blake3", "big"], hit=False)
    touched = Case("cashet, after touch", words, before="touch big")
    others = [replace(case, before="touch big") for case in bench.peers.of_file(["./job"], "big")]
    must = "≤ 1.15 × BLAKE3"
    yield Scenario("S3 after `touch`", must, [limit, touched, *others], base=limit.name, rounds=7, answer=here / "answer")


def s4(bench):
    """Many input files."""
    for count in (100, 1_000, 10_000, 100_000) if bench.options.full else (1_000, 10_000):
        here = bench.project("s4")
        tree(here / "in", count)
        bench.job("job", "ls in | wc -l")
        (here / "answer").write_text(f"{count // 100}\n")
        words = bench.cashet("-i", "in", "--trace", "off", "--", "./job")
        limit = [bench.options.limits, "walk", "in"]
        walk = Case("walk, one thread", limit, hit=False, point=("walk of the files, one thread", count))
        hit = Case("cashet, declared", words, point=("hit, declared files", count))
        must = "≤ 1.3 × the walk"
        cases = [walk, hit, *bench.peers.of_tree(["./job"], "in", "job")]
        yield Scenario(f"S4 hit, {count:,} input files", must, cases, base=walk.name, rounds=15, answer=here / "answer")


def s5(bench):
    """Outputs that are restored."""
    here = bench.project("s5")
    random_file(here / "big", 1024 * MIB)
    bench.job("job", "cp big out")
    words = bench.cashet("-i", "big", "-o", "out", "--trace", "off", "--", "./job")
    copy = Case("cp", ["cp", "big", "out"], before="rm -f out", hit=False)
    restore = Case("cashet, restore", words, before="rm -f out")
    others = bench.peers.turbo_case(["./job"], ["big", "job"], outputs=["out"], before=copy.before)
    yield Scenario("S5 hit that restores 1 GiB", "≤ 1.05 × cp", [copy, restore, *others], base="cp", rounds=7)
    (here / "answer").write_text("")
    there = Case("cashet, still there", words)
    yield Scenario("S5 hit, output of 1 GiB still there", "≤ 1.4 × floor", [bench.floor(here / "answer"), there])

    here = bench.project("s5t")
    tree(here / "in", 10_000)
    bench.job("job", "cp -r in out")
    words = bench.cashet("-i", "in", "-o", "out", "--trace", "off", "--", "./job")
    copy = Case("cp -r", ["cp", "-r", "in", "out"], before="rm -rf out", hit=False)
    restore = Case("cashet, restore", words, before="rm -rf out")
    others = bench.peers.turbo_case(["./job"], ["in/**/*", "job"], outputs=["out/**"], before=copy.before)
    yield Scenario("S5 hit that restores 10,000 files", "≤ 0.75 × cp -r", [copy, restore, *others], base="cp -r", rounds=7)
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
        cases += bench.peers.of_files(["./job"], ["big", "job"], arguments=["job"])
        cases = [case for case in cases if not case.mute]
        for case in cases:
            if case is not limit:
                case.output = output
        must = "≤ 1.2 × (floor + BLAKE3), ≤ 1/4 of bkt, ≤ 8 MiB"
        yield Scenario(f"S6 hit, 100 MiB of stdout {where}", must, cases, base="floor + BLAKE3, all cores", rounds=15, answer=here / "big")


def s7(bench):
    """Runs that are recorded."""
    here = bench.project("s7")
    cases = [
        Case("bare", ["true"], hit=False),
        Case("cashet, unwatched", bench.cashet("--salt=@", "--pure", "--trace", "off", "--", "true"), hit=False),
        Case("cashet, watched", bench.cashet("--salt=@", "--trace", "auto", "--", "true"), hit=False),
    ]
    cases += bench.peers.recording(["true"])
    yield Scenario("S7 miss, `true`", "≤ bare + 2 ms", cases, base="bare")
    random_file(here / "big", 100 * MIB)
    bench.job("job", "cat big")
    words = bench.cashet("--salt=@", "-i", "big", "--trace", "off", "--", "./job")
    cases = [Case("bare", ["./job"], hit=False), Case("cashet, unwatched", words, hit=False)]
    cases += bench.peers.recording(["./job"], process=False)
    for case in cases:
        case.output = "pipe"
    yield Scenario("S7 miss, 100 MiB of stdout", "≤ bare + 60 ms", cases, base="bare", rounds=10, answer=here / "big")
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


def s9(bench):
    """Many calls at once."""
    here = bench.project("s9")
    (here / "answer").write_text("answer\n")
    bench.job("job", "sleep 0.3; cat answer")
    words = bench.cashet("-i", "answer", "--trace", "off", "--", "./job")
    others = [*bench.peers.bkt_case(["./job"], ["answer"]), *bench.peers.deja_case(["./job"], ["answer"])]
    calls = [("cashet", words), *((case.name, case.words) for case in others)]
    for name, call in calls:
        before = bench.executions()
        none = dict.fromkeys(["stdin", "stdout"] + ["stderr"] * (name != "cashet"), subprocess.DEVNULL)
        started = [subprocess.Popen(call, cwd=here, env=bench.environment, **none) for _ in range(64)]
        failed = sum(process.wait() != 0 for process in started)
        print(f"S9: 64 identical misses at once, {name}: {bench.executions() - before} executions, {failed} failed", file=sys.stderr)
        bench.lines.append(f"64 identical misses at once, {name}: {bench.executions() - before} executions, {failed} failed")
    many = "seq 1000 | xargs -P 8 -I% "
    cases = [Case("bare true", ["sh", "-c", many + "true"], hit=False)]
    cases += [Case(name, ["sh", "-c", many + " ".join(call)], prime=call, peer=name != "cashet") for name, call in calls]
    yield Scenario("S9 1000 hits from 8 clients", "≥ 0.8 × as many bare `true` a second", cases, base="bare true", rounds=5)


SCENARIOS = {
    "S1": s1,
    "S1c": s1c,
    "S6": s6,
    "S7": s7,
    "S2": s2,
    "S2f": first_capture,
    "S3": s3,
    "S4": s4,
    "S5": s5,
    "S9": s9,
}
