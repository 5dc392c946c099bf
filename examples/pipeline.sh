#!/bin/sh
# load → clean → train at three rates → report. Each step is remembered; its commit's hash names its result for
# the next one. A second run executes nothing; another rate trains that one alone.
#
#     examples/pipeline.sh 0.003 0.01 0.03
set -eu
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then set -- 0.003 0.01 0.03; fi
mkdir -p examples/out

# What a step imports decides its result as well.
modules='examples/penguins/*.py'

loaded=$(cashet exec --id --input "$modules" -- python3 examples/load.py examples/data/penguins.csv)
clean=$(cashet exec --id --input "$modules" -- python3 examples/clean.py "cashet:$loaded")

for rate in "$@"; do
    model=examples/out/lr-$rate.json
    trained=$(cashet exec --id --input "$modules" --output "$model" -- \
        python3 examples/train.py --lr "$rate" --epochs 20 --clean "cashet:$clean" --model "$model")
    printf 'lr %s: %s\n' "$rate" "$(cashet get "$trained" | tail -n 1)"
    cashet exec --input "$modules" -- python3 examples/report.py "cashet:$trained:$model" > "examples/out/lr-$rate.md"
done
