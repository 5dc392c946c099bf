"""Compares: sets each scenario up, has `measure` run its cases in turn, proves that each hit was one, and prints the
table. Started by compare.sh, which builds what is measured. What is measured is in scenarios.py, stores.py and watching.py.
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import time
from pathlib import Path

import scenarios
import stores
import watching
from bench import Bench

SCENARIOS = scenarios.SCENARIOS | {"S10": watching.s10, "S8": stores.s8}


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
                median = statistics.median(sample[1] for sample in samples[case.name]) * 1000
                print(*case.point, f"{median:.3f}", sep="\t", file=points, flush=True)
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
