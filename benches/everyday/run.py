#!/usr/bin/env python3
"""Ordinary commands in small projects, with nothing declared: which of them does cashet answer, and is it right?

Every command is called bare and through cashet in clones of one repository: a first, second and third time; with its
outputs deleted; with an input changed; with the change taken back; in another clone (other times, umask, HOME and, where
we are root, another user) with the store shared; and in one more with an empty store, which shares a directory as its
cache (`CI=true` besides). What counts as a hit is what the report of the call says.
"""

import argparse
import concurrent.futures
import importlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import project  # noqa: E402
from trial import NOBODY, Skipped, Trial, copy_tree  # noqa: E402

# What any machine has on which cashet is built and tested.
CI = set(
    "python3 node gcc make git cargo rustc sh bash cat sort uniq cut paste join comm wc head tail tr sed awk grep find xargs"
    " diff cmp patch cp mv rm ls ln du stat mkdir install split tee od base64 sha256sum md5sum tar gzip seq nl fold tac env"
    " timeout ar nm objdump strip ld readelf size strings touch perl expand fmt factor nice nohup flock".split()
)
TIMES = "file times"
FIGURES = {
    "second": "second call",
    "third": "by the third call",
    "deleted": "outputs deleted: a hit, restored identically",
    "noticed": "changed input noticed, result as bare",
    "back": "change taken back",
    "clone": "clone elsewhere (other times, umask, HOME, user)",
    "shared": "clone elsewhere with an empty store and a shared cache",
}


class Settings:
    """Where programs, modules and packages are."""

    def __init__(self, options):
        self.cashet = str(Path(options.cashet).resolve())
        self.tools = Path(options.tools).resolve()
        self.timeout = options.timeout
        self.figures = set(options.figures.split(",")) if options.figures else set(FIGURES)
        # The interpreter itself: what is on PATH may be the script of a version manager.
        places = [self.tools / "py/bin", self.tools / "bin", Path(sys.executable).parent]
        cargo = shutil.which("cargo")
        real = subprocess.run([cargo, "-V", "-v"], capture_output=True) if cargo else None
        if real is not None and real.returncode == 0 and shutil.which("rustup"):
            found = subprocess.run(["rustup", "which", "cargo"], capture_output=True, text=True).stdout.strip()
            places.append(Path(found).parent if found else Path(cargo).parent)
        self.path = ":".join(map(str, [*places, "/usr/local/bin", "/usr/bin", "/bin"]))
        self.variables = {"CARGO_NET_OFFLINE": "true"}
        self.modules, self.users, self.entered = {}, {}, None
        keys = subprocess.run([self.cashet, "remote", "keygen"], capture_output=True, text=True, check=True)
        self.signing_key = keys.stdout.splitlines()[1]

    def missing(self, command):
        """The first thing that the command needs and that is not here."""
        for name in command.needs:
            if not shutil.which(name, path=self.path):
                return name
        for name in command.modules:
            if name not in self.modules:
                look = ["python3", "-c", f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{name}') is None)"]
                self.modules[name] = subprocess.run(look, env={"PATH": self.path}, capture_output=True).returncode == 0
            if not self.modules[name]:
                return f"python module {name}"
        for name in command.packages:
            if not (self.tools / "js/node_modules" / name).is_dir():
                return f"npm package {name}"
        return None

    def install_packages(self, names, target):
        """Copies these packages and all that they depend on."""
        source = self.tools / "js/node_modules"
        known, wait = set(), list(names)
        while wait:
            name = wait.pop()
            if name in known or not (source / name).is_dir():
                continue
            known.add(name)
            copy_tree(source / name, target / name)
            # What packages have below themselves needs others too.
            for path in [source / name / "package.json", *(source / name).glob("node_modules/**/package.json")]:
                try:
                    said = json.loads(path.read_bytes())
                except ValueError:
                    continue
                for kind in ("dependencies", "optionalDependencies", "peerDependencies"):
                    wait.extend(said.get(kind) or {})
        (target / ".bin").mkdir(parents=True, exist_ok=True)
        for link in (source / ".bin").iterdir():
            if link.is_symlink() and any(os.readlink(link).startswith(f"../{name}/") for name in known):
                os.symlink(os.readlink(link), target / ".bin" / link.name)

    def path_of_both(self):
        """PATH with the directories alone that the other user may enter."""
        if self.entered is None:
            who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            enters = lambda place: subprocess.run(["test", "-x", place], **who).returncode == 0  # noqa: E731
            self.entered = ":".join(place for place in self.path.split(":") if enters(place))
        return self.entered

    def may_change_user(self, command):
        """Whether we may be somebody else, and that one may run the command's programs."""
        if os.geteuid() != 0:
            return False
        for program in [self.cashet, *command.needs, *(["python3"] if command.modules else [])]:
            if program not in self.users:
                path = shutil.which(program, path=self.path) or program
                run = ["sh", "-c", 'head -c 1 "$(readlink -f "$1")" > /dev/null && test -x "$1"', "sh", path]
                who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
                self.users[program] = subprocess.run(run, capture_output=True, **who).returncode == 0
            if not self.users[program]:
                return False
        return True


def try_command(command, settings, work, keep):
    """The row of a command."""
    base = Path(tempfile.mkdtemp(prefix="trial-", dir=work))
    trial = Trial(command, settings, base)
    missing = settings.missing(command)
    try:
        if missing:
            raise Skipped(f"{missing} is not here")
        return trial.run()
    except Skipped as skipped:
        return {**trial.row, "skipped": str(skipped)}
    except Exception:
        return {**trial.row, "failed": traceback.format_exc()}
    finally:
        if keep:
            print(f"{command.name}: {base}", file=sys.stderr)
        else:
            trial.clean()


def counts(row, figure):
    """Whether a row is one of those of which the figure is a percentage."""
    if "skipped" in row or "failed" in row or row["uncounted"] or figure not in row:
        return False
    if figure == "second" and row["changes_input"] or figure == "back" and row["no_way_back"]:
        return False
    # What a bare call there gives is something else: `CI` turns colors on, ...
    if row.get(f"{figure} differs"):
        return False
    # What shows times of files is another result where they have others.
    return not (figure in ("clone", "shared") and row["shows"]) and not (figure == "back" and row["shows"] == TIMES)


def passes(row, figure):
    """Whether it does what the figure counts."""
    if figure == "deleted":
        return row["deleted"] and "!" not in row["deleted like"]
    return bool(row[figure])


def figures_of(rows):
    """Of each figure: how many pass, of how many."""
    found = {}
    for figure in FIGURES:
        of = [row for row in rows if counts(row, figure)]
        found[figure] = (sum(passes(row, figure) for row in of), len(of))
    return found


def ratio(rows, which, low, high):
    """Median CPU of watched and bare, of the commands that take so long bare."""
    of = [row[which] for row in rows if low <= (row.get(which) or [-1])[0] < high]
    if not of:
        return "–"
    if high <= 0.05:
        return f"+{1000 * statistics.median(ours - bare for bare, ours in of):.0f} ms"
    return f"× {statistics.median(ours / bare for bare, ours in of):.2f}"


def summary(rows):
    """The table of figures, in Markdown."""
    tried = [row for row in rows if "skipped" not in row]
    lines = [f"{len(tried)} commands in {len({row['ecosystem'] for row in tried})} ecosystems, "
             f"{sum(not row['uncounted'] for row in tried)} of them deterministic and offline.", "",
             "| | hits | of | | |", "|---|---|---|---|---|"]  # fmt: skip
    for figure, (passed, of) in figures_of(rows).items():
        others = sum(bool(row.get(f"{figure} differs")) for row in rows)
        told = f"{others} give something else there, called bare" if others else ""
        lines.append(f"| {FIGURES[figure]} | {passed} | {of} | {100 * passed / of if of else 0:.1f} % | {told} |")
    lines += ["", "| CPU beside bare, median | below 0.05 s | 0.05 to 0.2 s | 0.2 to 1 s | above 1 s |", "|---|---|---|---|---|"]
    steps = [(0, 0.05), (0.05, 0.2), (0.2, 1), (1, 1e9)]
    for which, title in (("cpu", "first run"), ("later cpu", "later miss")):
        lines.append(f"| {title} | " + " | ".join(ratio(tried, which, *step) for step in steps) + " |")
    return lines


def table(rows):
    """A line for each command, in Markdown."""
    def mark(row, figure):
        if figure not in row:
            return "–"
        word = ("yes" if passes(row, figure) else "no") + (" " + row[f"{figure} like"] if figure in ("deleted", "noticed") else "")
        return word if counts(row, figure) else f"({word})"

    lines = ["| command | like bare | " + " | ".join(FIGURES) + " | first CPU | later CPU | bare s | uncounted |", "|---" * (6 + len(FIGURES)) + "|"]
    ecosystem = None
    for row in rows:
        if row["ecosystem"] != ecosystem:
            ecosystem = row["ecosystem"]
            lines.append(f"| **{ecosystem}** |" + " |" * (5 + len(FIGURES)))
        name = "`" + row["name"].replace("|", "\\|").replace("\n", "; ") + "`"
        if "skipped" in row or "failed" in row:
            why = row.get("skipped") or row["failed"].strip().splitlines()[-1]
            lines.append(f"| {name} | SKIPPED: {why.splitlines()[-1] if why else ''} |" + " |" * (4 + len(FIGURES)))
            continue
        cpu = [f"{row[which][1] / max(row[which][0], 0.001):.2f}" if which in row else "–" for which in ("cpu", "later cpu")]
        why = row["uncounted"] or row["changes_input"] or row["shows"] or row["no_way_back"]
        marks = " | ".join(mark(row, figure) for figure in FIGURES)
        lines.append(f"| {name} | {row['like']} | {marks} | {cpu[0]} | {cpu[1]} | {row['cpu'][0]:.2f} | {why} |")
    return lines


def failures(rows):
    """What does not do what it should, with what cashet said."""
    lines = []
    for row in rows:
        if "failed" in row:
            lines.append(f"{row['name']}: {row['failed']}")
        for step in row["wrong"]:
            lines.append(f"WRONG {row['name']}: {step}: {row[f'{step} like']} {row.get('not restored', '')}")
        for figure in FIGURES:
            if counts(row, figure) and not passes(row, figure):
                told = row.get(f"{figure} outcome", "")
                lost = f" {row['not restored']}" if figure == "deleted" and "not restored" in row else ""
                lines.append(f"{row['name']}: {figure}: {told}{lost} {row.get(f'{figure} like', '')} [first: {row['first']}]")
    return lines


def chosen(options):
    """The commands that are asked for."""
    for path in sorted((HERE / "lists").glob("*.py")):
        importlib.import_module(f"lists.{path.stem}")
    for of in project.PROJECTS:
        for command in of.commands:
            is_ci = set(command.needs) <= CI and not command.modules and not command.packages and not command.slow
            if options.part == "ci" and not is_ci:
                continue
            if re.search(options.only, f"{of.ecosystem} / {of.name} / {command.line}"):
                yield command


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cashet", default=shutil.which("cashet") or "cashet", help="the program")
    parser.add_argument("--tools", default=HERE.parents[1] / "target/everyday-tools", help="what install.sh made")
    parser.add_argument("--work", default=HERE.parents[1] / "target", help="where trees are made; not below /tmp")
    parser.add_argument("--part", choices=["all", "ci"], default="all", help="ci: only what the tests' tools suffice for")
    parser.add_argument("--figures", default="", metavar="NAMES", help=f"only some of {','.join(FIGURES)}")
    parser.add_argument("--only", default="", metavar="REGEX", help="ecosystem / project / line")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS", help="of one call")
    parser.add_argument("--table", action="store_true", help="a line for each command")
    parser.add_argument("--json", metavar="FILE", help="all that was found")
    parser.add_argument("--bound", action="append", default=[], metavar="NAME=PERCENT", help="fail below it")
    parser.add_argument("--keep", action="store_true", help="leave the trees there")
    parser.add_argument("--list", action="store_true", help="only say which commands there are")
    options = parser.parse_args()
    commands = list(chosen(options))
    if options.list:
        print("\n".join(f"{command.project.ecosystem} / {command.project.name} / {command.line}" for command in commands))
        return 0
    settings = Settings(options)
    options.work = Path(options.work).resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    rows, told = [], open(options.json or os.devnull, "w")
    with told, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for row in pool.map(lambda command: try_command(command, settings, options.work, options.keep), commands):
            rows.append(row)
            print(json.dumps(row), file=told, flush=True)
            if sys.stderr.isatty():
                print(f"\r\x1b[K{len(rows)}/{len(commands)} {row['name']}", end="", file=sys.stderr, flush=True)
    for row in rows:
        if "skipped" in row:
            print(f"SKIPPED {row['name']}: {row['skipped']}")
    print("\n".join([*failures(rows), "", *(table(rows) if options.table else []), "", *summary(rows)]))
    bad = any(row["wrong"] or "failed" in row for row in rows)
    for bound in options.bound:
        figure, percent = bound.split("=")
        passed, of = figures_of(rows)[figure]
        if 100 * passed < float(percent) * of:
            print(f"{FIGURES[figure]}: {passed} of {of} are less than {percent} %")
            bad = True
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
