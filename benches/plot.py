"""Draws how costs grow, as an SVG with logarithmic axes: `compare.sh --points FILE` makes what is read here.

usage: plot.py < POINTS > growth.svg

A point is a line of tab-separated fields: series, size, milliseconds. Each line is named where it ends; the colours
can be told apart on a light page and on a dark one, and whoever sees no colours has the names and the marks.
"""

import math
import sys
from html import escape

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 76, 250, 34, 58
COLOURS = ["#2f81c7", "#d1495b", "#2e9d63", "#9a63c9", "#c9821e", "#7b8794", "#17a2a2", "#c05fa0", "#8a8d1f", "#5b6fd6"]
MARKS = ["circle", "square", "diamond"]

# Between two names, in pixels.
LINE = 16

STYLE = """<style>
  .page { fill: #ffffff } .text { fill: #24292f } .faint { fill: #57606a } .grid { stroke: #d8dee4 } .lead { stroke: #8c959f }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .text { fill: #e6edf3 } .faint { fill: #9198a1 } .grid { stroke: #2b313a } .lead { stroke: #6e7681 }
  }
</style>"""


def decades(values):
    """The powers of ten around the values."""
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def time(milliseconds):
    """A cost as it is said: 100 µs, 10 ms, 1 s."""
    if milliseconds < 1:
        return f"{milliseconds * 1000:g} µs"
    return f"{milliseconds:g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:g} s"


def mark(kind, x, y, colour):
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    turned = f' transform="rotate(45 {x:.1f} {y:.1f})"' if kind == "diamond" else ""
    return f'<rect x="{x - 3.2:.1f}" y="{y - 3.2:.1f}" width="6.4" height="6.4" fill="{colour}"{turned}/>'


def spread(wanted, low, high):
    """Heights near those that are wanted, in their order, none too close to the one before."""
    heights = []
    for height in wanted:
        heights.append(max(height, heights[-1] + LINE if heights else low))
    ceiling = high
    for place in reversed(range(len(heights))):
        heights[place] = min(heights[place], ceiling)
        ceiling = heights[place] - LINE
    return heights


def main():
    series = {}
    for line in sys.stdin:
        name, size, cost = line.rstrip("\n").split("\t")
        series.setdefault(name, []).append((float(size), float(cost)))
    points = [point for one in series.values() for point in one]
    (x_low, x_high), (y_low, y_high) = decades([x for x, _ in points]), decades([y for _, y in points])
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x, y):
        across = (math.log10(x) - x_low) / (x_high - x_low)
        up = (math.log10(y) - y_low) / (y_high - y_low)
        return LEFT + across * (right - LEFT), floor - up * (floor - TOP)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="12"'
        ' role="img" aria-label="How costs grow: processor time against size, both logarithmic">',
        STYLE,
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="text" x="{LEFT}" y="20" font-size="14">How costs grow</text>',
    ]
    for power in range(x_low, x_high + 1):
        x, _ = place(10**power, 10**y_low)
        out.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{floor}"/>')
        out.append(f'<text class="faint" x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{10**power:,}</text>')
    for power in range(y_low, y_high + 1):
        _, y = place(10**x_low, 10**power)
        out.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        out.append(f'<text class="faint" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{time(10**power)}</text>')
    middle = (TOP + floor) / 2
    out.append(f'<text class="text" x="{(LEFT + right) / 2}" y="{HEIGHT - 14}" text-anchor="middle">files looked at, or commits in the store</text>')
    out.append(f'<text class="text" x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">processor time of one call</text>')

    # From the top down, as the lines end.
    ends = sorted((place(*max(line))[1], name) for name, line in series.items())
    heights = spread([height for height, _ in ends], TOP + 4, floor)
    for number, ((height, name), beside) in enumerate(zip(ends, heights)):
        colour, kind = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        line = [place(*point) for point in sorted(series[name])]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [mark(kind, x, y, colour) for x, y in line]
        last = line[-1][0]
        out.append(f'<path class="lead" d="M{last + 6:.1f},{height:.1f} L{right + 4},{beside:.1f} L{right + 12},{beside:.1f}" fill="none" stroke-width="0.7" stroke-dasharray="2 2"/>')
        out.append(mark(kind, right + 18, beside, colour))
        out.append(f'<text class="text" x="{right + 27}" y="{beside + 4:.1f}">{escape(name)}</text>')
    print("\n".join([*out, "</svg>"]))


if __name__ == "__main__":
    main()
