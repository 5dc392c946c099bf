"""Names of what a program touched, in the order of first use: from its symbols and traces by valgrind's lackey.

usage: order.py BINARY TRACE…
"""

import bisect
import subprocess
import sys


def symbols(binary):
    """Address, size and name of all that has a name, sorted."""
    lines = subprocess.run(["nm", "--defined-only", "--print-size", binary], capture_output=True, text=True, check=True)
    found = [line.split() for line in lines.stdout.splitlines()]
    return sorted((int(entry[0], 16), int(entry[1], 16), entry[3]) for entry in found if len(entry) == 4)


def addresses(trace):
    """Every address that a trace tells of, each once, in order."""
    seen = set()
    with open(trace, errors="replace") as lines:
        for line in lines:
            if len(line) < 5 or line[0] not in "I " or line[1] not in " SLM" or "," not in line:
                continue
            try:
                address = int(line[3:].split(",")[0], 16)
            except ValueError:
                continue
            if address not in seen:
                seen.add(address)
                yield address


def main():
    binary, *traces = sys.argv[1:]
    table = symbols(binary)
    starts = [entry[0] for entry in table]
    print("# Made by benches/order.sh. What a hit uses comes first, then what a run needs; one name a line.")
    named = set()
    for trace in traces:
        for address in addresses(trace):
            place = bisect.bisect_right(starts, address) - 1
            if place < 0:
                continue
            start, size, name = table[place]
            if start <= address < start + size and name not in named:
                named.add(name)
                print(name)


if __name__ == "__main__":
    main()
