"""Rows of the penguin data: as they came from the field, as loaded, and as cleaned."""

import csv

# Column of the field data -> column of ours.
MEASURES = {
    "Culmen Length (mm)": "bill_length",
    "Culmen Depth (mm)": "bill_depth",
    "Flipper Length (mm)": "flipper_length",
    "Body Mass (g)": "body_mass",
    "Delta 15 N (o/oo)": "nitrogen",
    "Delta 13 C (o/oo)": "carbon",
}
COLUMNS = ["species", "sex", "island", "year", *MEASURES.values()]


def load(path):
    """The field data with short names; what was not measured is an empty word."""
    with open(path, newline="", encoding="utf-8") as file:
        return [_loaded(row) for row in csv.DictReader(file)]


def _loaded(row):
    known = {
        "species": row["Species"].split()[0].lower(),
        "sex": row["Sex"].lower(),
        "island": row["Island"].lower(),
        "year": row["Date Egg"][:4],
    }
    known.update((ours, row[theirs]) for theirs, ours in MEASURES.items())
    return {name: "" if value.upper() == "NA" else value for name, value in known.items()}


def clean(rows):
    """Only complete rows, the measures scaled to mean 0 and deviation 1."""
    complete = [row for row in rows if all(row[name] for name in COLUMNS)]
    cleaned = [dict(row) for row in complete]
    for name in MEASURES.values():
        values = [float(row[name]) for row in complete]
        mean = sum(values) / len(values)
        deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
        for row, value in zip(cleaned, values):
            row[name] = f"{(value - mean) / deviation:.6f}"
    return cleaned


def read(path):
    """Rows that `write` wrote."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(rows, file):
    """One line for each row, below a line of names."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def samples(rows):
    """What the network learns from: pairs of measures and the name of a kind."""
    names = list(MEASURES.values())
    return [([float(row[name]) for name in names], f"{row['species']} {row['sex']}") for row in rows]
