"""What deny.toml says of the dependencies, checked with what is everywhere: licences, sources, wildcards, duplicates.

`cargo deny` does the same and knows the advisories; building it takes longer than all of the tests. Usage: supply.py
"""

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def main():
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    allowed = set(rules["licenses"]["allow"])
    words = ["cargo", "metadata", "--locked", "--format-version", "1"]
    for target in rules["graph"]["targets"]:
        words += ["--filter-platform", target]
    metadata = json.loads(subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    used = reached(metadata)
    wrong = []
    versions = defaultdict(set)
    for package in metadata["packages"]:
        if package["id"] not in used:
            continue
        name = f"{package['name']} {package['version']}"
        versions[package["name"]].add(package["version"])
        if package["source"] is None:
            for dependency in package["dependencies"]:
                if dependency["req"] == "*":
                    wrong.append(f"{name} depends on any version of {dependency['name']}")
        elif package["source"] != CRATES_IO:
            wrong.append(f"{name} comes from {package['source']}")
        if not satisfied(package["license"], allowed):
            wrong.append(f"{name}: licence {package['license'] or 'unknown'}")
    checksums = re.findall(r'^checksum = "([0-9a-f]{64})"$', (ROOT / "Cargo.lock").read_text(), re.M)
    from_registry = sum(1 for package in metadata["packages"] if package["source"])
    if len(checksums) < from_registry:
        wrong.append("Cargo.lock has packages without checksums")
    twice = sorted(name for name, found in versions.items() if len(found) > 1)
    print(f"{len(used)} packages, {len(twice)} of them in several versions: {', '.join(twice) or 'none'}")
    for line in wrong:
        print(f"denied: {line}", file=sys.stderr)
    return 1 if wrong else 0


def reached(metadata):
    """What the programs are built from, and what builds them: development dependencies go to nobody."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, waiting = set(), list(metadata["workspace_members"])
    while waiting:
        package = waiting.pop()
        if package in found:
            continue
        found.add(package)
        for dependency in nodes[package]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return found


def satisfied(expression, allowed):
    """Whether an SPDX expression can be met: `OR` by one side, `AND` by both."""
    if not expression:
        return False
    words = re.findall(r"\(|\)|[^\s()/]+|/", expression.replace(" WITH ", "\0"))
    words = [word.replace("\0", " WITH ") for word in words]

    def either():
        met = both()
        while words and words[0] in ("OR", "/"):
            words.pop(0)
            met = both() or met
        return met

    def both():
        met = one()
        while words and words[0] == "AND":
            words.pop(0)
            met = one() and met
        return met

    def one():
        word = words.pop(0)
        if word != "(":
            return word in allowed
        met = either()
        words.pop(0)
        return met

    return either()


if __name__ == "__main__":
    sys.exit(main())
