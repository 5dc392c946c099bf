#!/usr/bin/env bash
# Makes benches/order.txt: the functions and data that a hit uses, in the order of their use, then those of a run that is
# recorded. build.rs hands the list to the linker. To be run when the paths of a hit or a run have changed much, or with
# another compiler; a stale list costs time and nothing else. Needs valgrind.
#
#     benches/order.sh [BINARY]      # one that is not stripped; built if none is named
set -euo pipefail
cd "$(dirname "$0")/.."
unset RUSTFLAGS
binary=${1:-$(cargo rustc --release --locked --bin cashet --message-format=json -- -C strip=none |
    python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable"): print(message["executable"])' | tail -n 1)}
binary=$(realpath "$binary")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/project" && cd "$work/project"
touch cashet.toml in
printf 'import json, argparse\nprint(json.dumps([1]))\n' > script.py
# What valgrind sets for every program that it runs counts for the key: the recorded run must have it too.
valgrind=(env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$work" LANG=C.UTF-8 valgrind --tool=lackey --trace-mem=yes)
mapfile -t as_there < <("${valgrind[@]}" --log-file=/dev/null env)
record() { env -i "${as_there[@]}" "$binary" exec -q "$@" > /dev/null; }
observed=(-- python3 script.py) reformatted=(-- python3 script.py)
declared=(-i in --trace off -- true) recorded=(--pure --trace off --salt=@ -- true)
record "${observed[@]}"; record "${declared[@]}"
sleep 2.1
record "${observed[@]}"; record "${declared[@]}"
for name in observed declared reformatted recorded; do
    [ $name != reformatted ] || echo '# laid out anew' >> script.py
    declare -n words=$name
    "${valgrind[@]}" --log-file="$work/$name" "$binary" exec -q "${words[@]}" > /dev/null
done
cd - > /dev/null
python3 benches/order.py "$binary" "$work"/{observed,declared,reformatted,recorded} > "$work/order"
mv "$work/order" benches/order.txt
wc -l benches/order.txt
