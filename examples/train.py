"""Third step: learns to tell six kinds of penguin apart, and writes the model.

    python3 examples/train.py --lr 0.01

reads the field data itself; with `--clean FILE` it takes what the first two steps made. To be run from the
directory above this one. The same words always give the same bytes.
"""

import argparse
import json

from penguins import table
from penguins.validation import cross_validate, train

parser = argparse.ArgumentParser(description="Learns to tell penguins apart.")
parser.add_argument("--lr", type=float, default=0.01, help="learning rate")
parser.add_argument("--epochs", type=int, default=50, help="how often each row is seen")
parser.add_argument("--seed", type=int, default=1, help="start of the random numbers")
parser.add_argument("--clean", metavar="FILE", help="rows that clean.py printed")
parser.add_argument("--model", metavar="FILE", default="examples/out/model.json", help="what to write")
options = parser.parse_args()

if options.clean:
    rows = table.read(options.clean)
else:
    rows = table.clean(table.load("examples/data/penguins.csv"))
samples = table.samples(rows)
how = (options.lr, options.epochs, options.seed)

print(f"{len(samples)} penguins, lr {options.lr}, {options.epochs} epochs, seed {options.seed}")
verdicts = []
for fold, loss, told in cross_validate(samples, *how):
    right = sum(truth == answer for truth, answer in told)
    print(f"fold {fold}: loss {loss:.4f}, {right} of {len(told)} right", flush=True)
    verdicts.extend(told)
accuracy = sum(truth == answer for truth, answer in verdicts) / len(verdicts)
print(f"accuracy {accuracy:.4f}")

network, loss = train(samples, *how)
model = {
    "lr": options.lr,
    "epochs": options.epochs,
    "seed": options.seed,
    "accuracy": round(accuracy, 4),
    "kinds": network.kinds,
    "verdicts": [[sum(pair == (truth, answer) for pair in verdicts) for answer in network.kinds] for truth in network.kinds],
    "below": network.below,
    "above": network.above,
}
with open(options.model, "w", encoding="utf-8") as file:
    json.dump(model, file, indent=1)
    file.write("\n")
