"""First step: field data in, a table with short names out.

    python3 examples/load.py examples/data/penguins.csv > loaded.csv
"""

import sys

from penguins import table

if len(sys.argv) != 2:
    sys.exit("usage: load.py FIELD-DATA.csv")
table.write(table.load(sys.argv[1]), sys.stdout)
