"""Second step: a loaded table in, complete rows with scaled measures out.

    python3 examples/clean.py loaded.csv > clean.csv
"""

import sys

from penguins import table

if len(sys.argv) != 2:
    sys.exit("usage: clean.py LOADED.csv")
rows = table.read(sys.argv[1])
kept = table.clean(rows)
print(f"{len(rows) - len(kept)} of {len(rows)} rows are incomplete", file=sys.stderr)
table.write(kept, sys.stdout)
