#!/usr/bin/env bash
# Measures cashet against the floor, the machine's limits and whichever peers are installed, and prints a table in
# Markdown.
#
#     benches/compare.sh [--rounds N] [--full] [--output FILE] [--into PAGE] [--points FILE] [S1 S6 S7 …]
#
# Without names: every scenario, in some ten minutes on a quiet machine with two cores, and as long again with all the
# peers. --full takes the large sizes (100,000 files, 1,000,000 commits). Peers come from PATH and from target/peers
# (benches/install-peers.sh).
# BENCH_DIR says on which file system to work; it is emptied. BENCH_CASHET, BENCH_LIMITS and BENCH_FILL name programs
# that are built already. BENCH_STORES names a directory where filled stores are kept from one comparison to the next: gc is then
# measured on copies.
set -euo pipefail
cd "$(dirname "$0")/.."
unset RUSTFLAGS

built() { # the executable that cargo built for a target of this kind and name
    cargo build --release --locked --message-format=json "$@" |
        python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable"): print(message["executable"])' | tail -n 1
}

work=${BENCH_DIR:-target/compare}
mkdir -p "$work" target/peers
cashet=${BENCH_CASHET:-$(built --bin cashet)}
limits=${BENCH_LIMITS:-$(built --bench limits)}
fill=${BENCH_FILL:-$(built --bench fill)}
gcc -O2 -static -o target/peers/floor.linked benches/floor.c
gcc -O2 -static -o target/peers/walk benches/walk.c
gcc -O2 -static -o target/peers/measure benches/measure.c
if readelf -l "$cashet" | grep -q INTERP; then
    echo "compare.sh: $cashet is dynamic; its start-up is not what is to be measured" >&2
    exit 1
fi

# As it is when it is installed: the system keeps what was copied in larger pieces than what a linker wrote, so that it starts
# more quickly (see docs/performance.md).
cp -f "$cashet" target/peers/cashet
cp -f target/peers/floor.linked target/peers/floor

export PATH="$PWD/target/peers/bin:$PATH"
exec python3 -B benches/compare.py --cashet "$PWD/target/peers/cashet" --limits "$limits" \
    --fill "$fill" --floor "$PWD/target/peers/floor" --walk "$PWD/target/peers/walk" --measure "$PWD/target/peers/measure" --work "$work" "$@"
