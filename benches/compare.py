"""Compares: sets each scenario up, has `measure` run its cases in turn, proves that each hit was one, and prints the
table. Started by compare.sh, which builds what is measured. What is measured is in scenarios.py, stores.py,
observing.py and watching.py, beside what else in peers.py.
"""

import argparse
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from statistics import median

import observing
import scenarios
import stores
import watching
from bench import Bench
from peers import Peers

SCENARIOS = scenarios.SCENARIOS | {"S10": watching.s10, "S11": observing.s11, "S8": stores.s8}


def table(scenario, samples):
    """The table of a scenario: medians, and ratios paired by round, to its base and to the best peer."""
    heads = ["", "ms", "CPU ms", "peak MiB", "×", "CPU ×"]
    against = [measured(samples, scenario.base.split(" + "))]
    best = scenario.best_peer(samples)
    if best:
        scenario.notes.insert(0, f"the best peer: {best}")
        heads += ["× peer", "CPU × peer"]
        against.append(measured(samples, [best]))
    base_wall = median(wall for wall, _ in against[0])
    yield from ("| " + " | ".join([*heads, "more, ms"]) + " |", "|---" * (len(heads) + 1) + "|")
    for case in scenario.cases:
        taken = samples[case.name]
        wall, cpu = (median(sample[place] for sample in taken) for place in (0, 1))
        peak = max(sample[2] for sample in taken)
        ratios = [
            median(sample[place] / max(whole[place], 1e-6) for sample, whole in zip(taken, other))
            for other in against
            for place in (0, 1)
        ]
        cells = [f"{wall * 1000:.2f}", f"{cpu * 1000:.2f}", f"{peak:.1f}", *(f"{ratio:.2f}" for ratio in ratios)]
        yield "| " + " | ".join([case.name, *cells, f"{(wall - base_wall) * 1000:+.2f}"]) + " |"


def measured(samples, names):
    """Wall and CPU seconds by round of what goes by these names, together."""
    rounds = zip(*(samples[name] for name in names))
    return [tuple(sum(sample[place] for sample in together) for place in (0, 1)) for together in rounds]


def replace_table(page, lines):
    """Puts the table where the page has one."""
    before, _, rest = page.read_text().partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- /table -->\n")
    page.write_text(f"{before}<!-- table -->\n{lines}\n<!-- /table -->\n{after}")


def main():
    parser = argparse.ArgumentParser()
    for name in ("cashet", "limits", "fill", "floor", "walk", "measure", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--into", help="a page whose part between the marks `table` is replaced at the end")
    parser.add_argument("--points", help="where to write what plot.py draws")
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS])
    options = parser.parse_args()
    bench = Bench(options)
    bench.peers = Peers(bench)
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
            lines = ["", f"**{scenario.title}** (must: {scenario.must}; ratios to {scenario.base})", ""]
            lines += table(scenario, samples)
            tell([*lines, *[""] * bool(scenario.notes), *(f"* {note}" for note in scenario.notes)])
            for case in filter(lambda case: points and case.point, scenario.cases):
                taken = median(sample[1] for sample in samples[case.name]) * 1000
                print(*case.point, f"{taken:.3f}", sep="\t", file=points, flush=True)
        for *point, cost in bench.points if points else []:
            print(*point, f"{cost:.3f}", sep="\t", file=points, flush=True)
        bench.points = []
        if bench.lines:
            tell(["", *(f"* {line}" for line in bench.lines)])
            bench.lines = []
    if options.into:
        replace_table(Path(options.into), "\n".join(told))
    shutil.rmtree(bench.work, ignore_errors=True)
    return bench.failed


if __name__ == "__main__":
    sys.exit(main())
