#!/usr/bin/env bash
# Counts the instructions of hits with valgrind and compares them with the bounds in benches/instructions.txt: a
# slow-down fails without a clock. Every bound is some 15 % above what was counted when it was set, and stands beside the number
# of observations of that run: where an interpreter looks at more paths than it did there, the bound grows with them.
#
#     benches/instructions.sh [BINARY]      # default: the release binary, which is built if need be
#     benches/instructions.sh --set BINARY  # prints new bounds
set -euo pipefail
cd "$(dirname "$0")/.."
unset RUSTFLAGS
if ! command -v valgrind > /dev/null; then
    echo "SKIPPED: valgrind is not installed; the instructions of a hit were not counted"
    exit 0
fi
set_bounds=
if [ "${1:-}" = --set ]; then set_bounds=yes && shift; fi
binary=${1:-}
if [ -z "$binary" ]; then
    binary=$(cargo build --release --locked --bin cashet --message-format=json |
        python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable"): print(message["executable"])' | tail -n 1)
fi
binary=$(realpath "$binary")
bounds=$PWD/benches/instructions.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What valgrind sets for every program that it runs counts for the key: the recorded run must have it too.
clean=(env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$work" LANG=C.UTF-8)
mapfile -t as_there < <("${clean[@]}" valgrind --tool=none -q env 2> /dev/null)

# The instructions of a hit of `exec WORDS` in the present directory, which it proves to be one, and its observations.
count() {
    local runs
    for _ in 1 2; do
        env -i "${as_there[@]}" "$binary" exec -q "$@" > /dev/null
        sleep 2.1
    done
    runs=$(wc -l < "$work/executions")
    "${clean[@]}" valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" exec -q "$@" 2>&1 > /dev/null |
        awk '/I +refs/ { gsub(",", "", $NF); printf "%s ", $NF }'
    [ "$(wc -l < "$work/executions")" = "$runs" ] || echo "not a hit" >&2
    "$binary" show --json @ 2> /dev/null | python3 -c 'import json, sys; print(max(1, len(json.load(sys.stdin)["observations"])))'
}

s1() {
    mkdir "$work/s1" && cd "$work/s1" && touch cashet.toml
    local words=() n
    for n in 0 1 2 3 4 5 6 7 8 9; do echo "in$n" > "in$n" && words+=(-i "in$n"); done
    printf '#!/bin/sh\necho x >> %s\ncat in* > /dev/null\necho an answer\n' "$work/executions" > job && chmod +x job
    count "${words[@]}" --trace off -- ./job
}

s2() {
    mkdir "$work/s2" && cd "$work/s2" && touch cashet.toml
    python3 - "$work/executions" << 'END'
import sys
bodies = {}
for name in ("script", "module"):
    lines = [f"def {name}_{n}(value):\n    return value * {n} + len('{name}')\n" for n in range(100)]
    bodies[name] = "\n".join(lines)
count = f"with open({sys.argv[1]!r}, 'a') as file:\n    file.write('x\\n')\n"
imports = "import argparse, json, csv, random, statistics\nimport module\n"
open("script.py", "w").write(imports + count + bodies["script"] + "print(json.dumps(module.module_3(script_4(2))))\n")
open("module.py", "w").write(bodies["module"])
END
    # The mark of an execution is outside of the root, where a write is not kept unless it is said to be ignored.
    count --ignore-write "$work/executions" -- python3 script.py
}

touch "$work/executions"
failed=0
for scenario in s1 s2; do
    counted=$(export TMPDIR=$work; "$scenario")
    read -r found observations <<< "$counted"
    if [ -n "$set_bounds" ]; then
        echo "$scenario $((found * 115 / 100)) $observations"
        continue
    fi
    read -r bound usual <<< "$(awk -v name="$scenario" '$1 == name { print $2, $3 }' "$bounds")"
    if [ "${observations:-0}" -gt "$usual" ]; then bound=$((bound * observations / usual)); fi
    if [ -z "$found" ] || [ "$found" -gt "$bound" ]; then
        echo "$scenario: ${found:-no} instructions, more than the $bound of benches/instructions.txt" >&2
        failed=1
    else
        echo "$scenario: $found instructions, at most $bound"
    fi
done
exit $failed
