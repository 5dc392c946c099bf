"""Names of what a program touched, in the order of first use: from its symbols and traces by valgrind's lackey.

Tells on standard error how many pieces of 64 KiB of the program the first trace touches: as much as the kernel maps at
one page fault.

usage: order.py BINARY TRACE…
"""

import bisect
import subprocess
import sys


def symbols(binary):
    """Address, size and name of all that has a name, sorted. What is written in assembly may have no size: it ends where
    the next name begins."""
    lines = subprocess.run(["nm", "--defined-only", "--print-size", binary], capture_output=True, text=True, check=True)
    sized, bare = {}, {}
    for words in map(str.split, lines.stdout.splitlines()):
        if len(words) == 4:
            sized.setdefault(int(words[0], 16), (int(words[1], 16), words[3]))
        elif len(words) == 3 and words[1] not in "aA":
            bare.setdefault(int(words[0], 16), words[2])
    starts = sorted(sized.keys() | bare.keys())
    ends = starts[1:] + starts[-1:]
    return [
        (start, *sized[start]) if start in sized else (start, end - start, bare[start])
        for start, end in zip(starts, ends)
    ]


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
    named, pieces = set(), set()
    last = table[-1][0] + table[-1][1]
    for trace in traces:
        for address in addresses(trace):
            if trace == traces[0] and starts[0] <= address < last:
                pieces.add(address >> 16)
            place = bisect.bisect_right(starts, address) - 1
            if place < 0:
                continue
            start, size, name = table[place]
            if start <= address < start + size and name not in named:
                named.add(name)
                print(name)
    print(f"a hit touches {len(pieces)} pieces of 64 KiB", file=sys.stderr)


if __name__ == "__main__":
    main()
