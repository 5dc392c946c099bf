#!/bin/sh
# One step of a continuous integration job: trains, and fails where the model is not good enough. With `.cashet`
# kept between jobs, a job whose code and data are those of an earlier one executes nothing.
set -eu
cd "$(dirname "$0")/.."

cashet exec --input 'examples/penguins/*.py' --output examples/out/model.json -- \
    python3 examples/train.py --lr 0.03 --epochs 20

cashet exec --input examples/out/model.json -- python3 -c '
import json, sys
with open("examples/out/model.json") as file:
    accuracy = json.load(file)["accuracy"]
print("accuracy", accuracy)
sys.exit(accuracy < 0.9)'
