"""One run of a sweep: cross-validates a model that tells three kinds of penguin apart by four measures.

    python3 examples/sweep.py --model trees --rate 0.1 --depth 3 --seed 1 --out examples/out/one

leaves `metrics.json`, a learning curve `curve.csv` and a confusion matrix `confusion.svg` in `--out`. To be run from the
directory above this one; `sweep.sh` runs sixty of them. The same words always give the same bytes.
"""

import argparse
import csv
import json
import os
from importlib import import_module
from math import log
from random import Random

from penguins import drawing, table

FOLDS = 3

parser = argparse.ArgumentParser(description="Cross-validates a model on the penguin data.")
parser.add_argument("--model", choices=["linear", "trees"], required=True)
parser.add_argument("--rate", type=float, required=True, help="how far each round goes")
parser.add_argument("--depth", type=int, required=True, help="depth of the trees, or highest power of a measure")
parser.add_argument("--seed", type=int, default=1, help="start of the random numbers")
parser.add_argument("--rounds", type=int, default=6, help="how often the model is improved")
parser.add_argument("--out", required=True, metavar="DIRECTORY")
options = parser.parse_args()

# Only the model that is used is imported: repairing one of them leaves the runs of the other alone.
Model = import_module(f"penguins.{options.model}").Model

rows = table.clean(table.load("examples/data/penguins.csv"))
samples = [(measures[:4], kind.split()[0]) for measures, kind in table.samples(rows)]
kinds = sorted({kind for _, kind in samples})
Random(options.seed).shuffle(samples)

losses = [[0.0, 0.0] for _ in range(options.rounds)]
told = []
for fold in range(FOLDS):
    seen = [sample for place, sample in enumerate(samples) if place % FOLDS != fold]
    held_back = samples[fold::FOLDS]
    model = Model(kinds, options.depth)
    for number in range(options.rounds):
        model.fit_round(seen, options.rate)
        for place, group in enumerate((seen, held_back)):
            chances = (model.chances(measures)[kinds.index(kind)] for measures, kind in group)
            losses[number][place] -= sum(log(max(chance, 1e-12)) for chance in chances) / len(group) / FOLDS
    for measures, kind in held_back:
        chances = model.chances(measures)
        told.append((kind, kinds[chances.index(max(chances))]))
    print(f"fold {fold + 1} of {FOLDS} done", flush=True)

accuracy = sum(truth == answer for truth, answer in told) / len(told)
print(f"accuracy: {accuracy:.4f}")

os.makedirs(options.out, exist_ok=True)
with open(f"{options.out}/metrics.json", "w", encoding="utf-8") as file:
    json.dump({"accuracy": round(accuracy, 4), "loss": round(losses[-1][1], 4)}, file)
with open(f"{options.out}/curve.csv", "w", newline="", encoding="utf-8") as file:
    curve = csv.writer(file, lineterminator="\n")
    curve.writerow(["round", "train_loss", "test_loss"])
    curve.writerows([number + 1, round(seen, 4), round(held, 4)] for number, (seen, held) in enumerate(losses))
with open(f"{options.out}/confusion.svg", "w", encoding="utf-8") as file:
    file.write(drawing.confusion(kinds, told))
