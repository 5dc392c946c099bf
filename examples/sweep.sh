#!/bin/sh
# Sixty runs: two models, five rates, three depths, two seeds; then the table of them, and the best one.
# Run it again, or break and repair a model in between: only what is missing runs. Options for 'cashet map' may be given.
set -u
cd "$(dirname "$0")/.."
cashet map "$@" -p model=linear,trees -p rate=0.05,0.1,0.2,0.4,0.8 -p depth=2..4 -p seed=1,2 -- \
    python3 examples/sweep.py --model {model} --rate {rate} --depth {depth} --seed {seed} --rounds 3 --out examples/out/{id}
status=$?
cashet runs sweep.py --sort -accuracy --sort loss --columns run,state,model,rate,depth,seed,accuracy,loss | head -n 14
best=$(cashet runs sweep.py --best accuracy) && echo "best: $best"
exit $status
