#!/usr/bin/env bash
# Makes benches/order.txt: the functions and data that a hit uses, in the order of their use, then those of a run that is
# recorded. build.rs hands the list to the linker. Names change with the code, the compiler and Cargo.lock, so this belongs
# last before a release; a stale list costs time and nothing else. Needs valgrind; with a C compiler the hits are run step by
# step too, for what valgrind does not see (benches/steps.c). Takes as long as linking the program once, and half a minute; the next `cargo build --release` links it by the new list.
#
#     benches/order.sh               # builds a program with names in it
#     benches/order.sh BINARY        # takes one that was built so: cargo rustc --release --bin cashet -- -C strip=none
set -euo pipefail
cd "$(dirname "$0")/.."
unset RUSTFLAGS
fail() {
    echo "order.sh: $*; benches/order.txt stays as it was" >&2
    exit 1
}
command -v valgrind > /dev/null || fail "valgrind is not installed"
command -v nm > /dev/null || fail "nm is not installed"

binary=${1:-$(cargo rustc --release --locked --bin cashet --message-format=json -- -C strip=none |
    python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable"): print(message["executable"])' | tail -n 1)}
binary=$(realpath "$binary")
[ "$(nm "$binary" 2> /dev/null | head -n 1000 | wc -l)" = 1000 ] || fail "$binary has no names in it"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work"/{project,tmp} && cd "$work/project"
executions=$work/executions
touch cashet.toml in "$executions"
printf 'import json, argparse\nopen(%s, "a").write("x\\n")\nprint(json.dumps([1]))\n' "'$executions'" > script.py
printf '#!/bin/sh\necho x >> %s\necho an answer\n' "$executions" > job
printf '#!/bin/sh\necho x >> %s\necho made > out\n' "$executions" > maker && chmod +x job maker
# What valgrind sets for every program that it runs counts for the key: the recorded run must have it too.
# Where pyenv manages the interpreter, it is found through its shim, which takes all that a direct way takes and more.
path=/usr/local/bin:/usr/bin:/bin managed=()
if [ -x "${PYENV_ROOT:-}/shims/python3" ]; then
    path=$PYENV_ROOT/shims:$PYENV_ROOT/bin:$path managed=(PYENV_ROOT="$PYENV_ROOT")
fi
valgrind=(env -i PATH="$path" "${managed[@]}" HOME="$work" LANG=C.UTF-8 TMPDIR="$work/tmp" valgrind --tool=lackey --trace-mem=yes)
mapfile -t as_there < <("${valgrind[@]}" --log-file=/dev/null env)
record() { env -i "${as_there[@]}" "$binary" exec -q "$@" > /dev/null; }
count() { wc -l < "$executions"; }

observed=(--ignore-write "$executions" -- python3 script.py) reformatted=("${observed[@]}")
declared=(-i in --trace off -- ./job) made=(-o out --trace off -- ./maker) recorded=(--pure --trace off --salt=@ -- ./job)
for _ in 1 2; do
    record "${observed[@]}"
    record "${declared[@]}"
    record "${made[@]}"
    sleep 2.1 # only times that are so old are trusted
done
for name in observed declared made reformatted recorded; do
    [ $name != reformatted ] || echo '# laid out anew' >> script.py
    declare -n words=$name
    before=$(count)
    # A call that is no hit is watched, which valgrind does not support: it would wait for ever.
    timeout -k 5 120 "${valgrind[@]}" --log-file="$work/$name" "$binary" exec -q "${words[@]}" > /dev/null ||
        fail "the call $name was to be a hit and did not end"
    [ $name = recorded ] || [ "$(count)" = "$before" ] || fail "the call $name was to be a hit and was none"
done
traces=("$work"/{declared,observed,made,reformatted,recorded})
# A hit again after the script was laid out anew.
record "${observed[@]}" && sleep 2.1 && record "${observed[@]}"
if gcc -O2 -static -o "$work/steps" "$OLDPWD/benches/steps.c" 2> /dev/null; then
    before=$(count)
    for name in observed declared; do
        declare -n words=$name
        env -i "${as_there[@]}" "$work/steps" "$work/$name.steps" "$binary" exec -q "${words[@]}" > /dev/null
    done
    [ "$(count)" = "$before" ] || fail "a call that was run step by step was to be a hit and was none"
    traces=("$work"/{declared,declared.steps,observed,observed.steps,made,reformatted,recorded})
else
    echo "SKIPPED: no C compiler for this processor; what valgrind does not see is not in the list" >&2
fi
cd - > /dev/null
python3 benches/order.py "$binary" "${traces[@]}" > "$work/order"
[ "$(wc -l < "$work/order")" -gt 500 ] || fail "only $(wc -l < "$work/order") names were found"
mv "$work/order" benches/order.txt
echo "benches/order.txt: $(($(wc -l < benches/order.txt) - 1)) names"
