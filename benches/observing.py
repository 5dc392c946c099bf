"""S11: runs that depend on many paths, and keys with many recorded runs."""

import json
import shlex
import subprocess

from bench import Case, Scenario

# Modules in packages, which make some 2,400 observed paths.
PACKAGES, MODULES = 40, 55
RECORDED = 1000


def s11(bench):
    yield from many_paths(bench)
    yield from many_runs(bench)


def many_paths(bench):
    """A script that imports much, from a place outside of the project."""
    here = bench.project("s11")
    site = bench.make("site")
    names = []
    for package in range(PACKAGES):
        directory = site / f"package{package:02}"
        directory.mkdir(exist_ok=True)
        (directory / "__init__.py").write_text("")
        for module in range(MODULES):
            (directory / f"module{module:02}.py").write_text(f"VALUE = {package * module}\n")
            names.append(f"package{package:02}.module{module:02}")
    imports = "\n".join(f"import {name}" for name in names)
    body = f"import sys\nsys.path.insert(0, {str(site)!r})\n{imports}\nprint('answer', open('parameter').read())\n"
    (here / "script.py").write_text(body)
    (here / "parameter").write_text("0")
    answer = here.parent / "answer"
    answer.write_text("answer 0\n")
    bench.job("job", "exec python3 script.py")
    words = bench.cashet("--trace", "require", "--", "./job")
    bench.call(words, "sleep 2.1")
    bench.call(words, "sleep 2.1")
    observed = recorded(bench)
    paths = bench.work / "paths"
    paths.write_text("".join(path + "\n" for path in observed))
    bench.ran.add(tuple(words))
    cases = [
        Case("a statx walk", [bench.options.walk, str(paths), str(answer)], hit=False),
        Case("cashet, observed", words),
    ]
    assert len(observed) > 2000, "the script is not watched"
    title = f"S11 hit, {len(observed)} observed paths"
    yield Scenario(title, "≤ 1.3 × a statx walk of them", cases, base="a statx walk", answer=answer)
    store = here / ".cashet"
    sizes = [size(store)]
    for number in range(1, 11):
        (here / "parameter").write_text(str(number))
        bench.call(words, "sleep 0.1")
        sizes.append(size(store))
    growth = (sizes[-1] - sizes[0]) / 10 / 1024
    bench.lines.append(f"a further run with {len(observed)} observed paths adds {growth:.1f} KB to the store (must: ≤ 40 KB)")


def recorded(bench):
    """The paths that the newest run depended on, as absolute paths."""
    words = [bench.options.cashet, "show", "--json", "@"]
    shown = subprocess.run(words, cwd=bench.here, env=bench.environment, capture_output=True, check=True)
    commit = json.loads(shown.stdout)
    found = {observation["path"]: None for observation in commit["observations"] if "path" in observation}
    home = bench.environment["HOME"]
    return [str(bench.here / path.replace("~", home, 1) if path.startswith("~/") else bench.here / path) for path in found]


def size(directory):
    """Bytes of the files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def many_runs(bench):
    """One key with one recorded run, and with many."""
    here = bench.project("s11k")
    answer = here / "answer"
    answer.write_text("answer\n")
    for name in ("one", "many"):
        (here / name).mkdir()
        (here / name / "cashet.toml").write_text("")
        job = here / name / "job"
        job.write_text(f"#!/bin/sh\necho x >> {bench.counter}\ncat data > /dev/null; echo answer\n")
        job.chmod(0o755)
        (here / name / "data").write_text("500")
    words = bench.cashet("--trace", "require", "--", "./job")
    for number in range(RECORDED):
        subprocess.run(words, cwd=here / "many", env=bench.environment, stdout=subprocess.DEVNULL, check=True,
                       stdin=subprocess.DEVNULL, preexec_fn=lambda: (here / "many" / "data").write_text(str(number)))
    (here / "many" / "data").write_text("500")
    cases = [
        Case(label, ["sh", "-c", f"cd {name} && exec {shlex.join(words)}"])
        for label, name in (("among one", "one"), (f"among {RECORDED:,}", "many"))
    ]
    bench.ran.add(tuple(cases[1].words))
    yield Scenario("S11 hit among runs of one key", "≤ 1.2 × a hit among one", cases, base="among one", answer=answer)
