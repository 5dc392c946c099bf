"""A confusion matrix as an SVG."""

SIDE = 60


def confusion(kinds, told):
    """How often each kind (a row) was told to be which (a column)."""
    counts = {pair: 0 for pair in ((truth, answer) for truth in kinds for answer in kinds)}
    for pair in told:
        counts[pair] += 1
    most = max(counts.values()) or 1
    size = SIDE * len(kinds)
    cells = []
    for (truth, answer), count in counts.items():
        x, y = SIDE * kinds.index(answer), SIDE * kinds.index(truth)
        shade = 255 - 180 * count // most
        cells.append(f'<rect x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" fill="rgb({shade},{shade},255)"/>')
        middle = f'x="{x + SIDE // 2}" y="{y + SIDE // 2 + 5}"'
        cells.append(f'<text {middle} text-anchor="middle" font-family="sans-serif">{count}</text>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}">{"".join(cells)}</svg>\n'
