"""Last step: a model in, a page in Markdown out.

    python3 examples/report.py examples/out/model.json > report.md
"""

import json
import sys

if len(sys.argv) != 2:
    sys.exit("usage: report.py MODEL.json")
with open(sys.argv[1], encoding="utf-8") as file:
    model = json.load(file)

kinds = model["kinds"]
print("# Telling penguins apart\n")
print(f"Learning rate {model['lr']}, {model['epochs']} epochs, seed {model['seed']}: ", end="")
print(f"{model['accuracy']:.1%} right in cross validation.\n")
print("| truly | " + " | ".join(kinds) + " | found |")
print("|---" * (len(kinds) + 2) + "|")
for place, (kind, row) in enumerate(zip(kinds, model["verdicts"])):
    cells = " | ".join(str(count) if count else "" for count in row)
    print(f"| {kind} | {cells} | {row[place] / sum(row):.0%} |")
