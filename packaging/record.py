#!/usr/bin/env python3
"""Records a terminal session as an SVG: runs real commands in a pseudo-terminal and draws what the screen shows.

    packaging/record.py packaging/session.txt docs/session.svg
    packaging/record.py --theme light --program target/debug/cashet SESSION OUT.svg

A session is a file of commands, one a line. A line that begins with `#` is a comment, one that begins with `!` is run
without being shown. They run in a copy of the examples, with `cashet` first on PATH. Needs Python and nothing else.
"""

import argparse
import fcntl
import html
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

THEMES = {
    "dark": {
        "back": "#0d1117", "bar": "#161b22", "text": "#e6edf3", "faint": 0.62,
        "colours": ["#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#d2a8ff", "#39c5cf", "#b1bac4"],
    },
    # The colours of xterm itself, which are the hardest to read on white.
    "light": {
        "back": "#ffffff", "bar": "#f0f0f0", "text": "#000000", "faint": 0.62,
        "colours": ["#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5"],
    },
}

PLAIN = (None, False, False, False)  # colour, bold, faint, underlined


class Screen:
    """The rows that a terminal would show; scrolling only adds to them."""

    def __init__(self, columns):
        self.columns = columns
        self.rows = [[]]
        self.row = self.column = 0
        self.style = PLAIN

    def feed(self, text):
        for match in re.finditer(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\x07]*\x07|\x1b.|[\s\S]", text):
            if match.group(2):
                self.control(match.group(1), match.group(2))
            elif len(match.group(0)) == 1:
                self.character(match.group(0))

    def character(self, character):
        if character == "\n":
            self.row += 1
        elif character == "\r":
            self.column = 0
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character == "\t":
            self.column = (self.column // 8 + 1) * 8
        elif character >= " ":
            if self.column >= self.columns:
                self.row, self.column = self.row + 1, 0
            line = self.line()
            line.extend([(" ", PLAIN)] * (self.column + 1 - len(line)))
            line[self.column] = (character, self.style)
            self.column += 1

    def line(self):
        while len(self.rows) <= self.row:
            self.rows.append([])
        return self.rows[self.row]

    def control(self, parameters, letter):
        numbers = [int(number) if number.isdigit() else 0 for number in parameters.split(";")]
        if letter == "m":
            self.colour(numbers)
        elif letter == "K":
            del self.line()[self.column:]
        elif letter == "A":
            self.row = max(0, self.row - max(1, numbers[0]))
        elif letter == "B":
            self.row += max(1, numbers[0])
        elif letter == "G":
            self.column = max(1, numbers[0]) - 1

    def colour(self, numbers):
        colour, bold, faint, underlined = self.style
        for number in numbers:
            if number == 0:
                colour, bold, faint, underlined = PLAIN
            elif number == 1:
                bold = True
            elif number == 2:
                faint = True
            elif number == 4:
                underlined = True
            elif number == 22:
                bold = faint = False
            elif number == 24:
                underlined = False
            elif 30 <= number <= 37:
                colour = number - 30
            elif 90 <= number <= 97:
                colour = number - 90
            elif number == 39:
                colour = None
        self.style = (colour, bold, faint, underlined)


def run(line, directory, environment, columns):
    """What `line` writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    child = subprocess.Popen(
        ["bash", "-c", line], cwd=directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    read = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        read += piece
    os.close(ours)
    child.wait()
    return read.decode("utf-8", "replace")


def drawn(screen, theme, title):
    """The screen as SVG."""
    rows = [row for row in screen.rows]
    while rows and not rows[-1]:
        rows.pop()
    wide, high, left, top = 8.43, 19, 18, 52
    width = round(screen.columns * wide + 2 * left)
    height = len(rows) * high + top + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="{html.escape(title)}">',
        f"<title>{html.escape(title)}</title>",
        f'<rect width="{width}" height="{height}" rx="9" fill="{theme["back"]}" stroke="#8b949e" stroke-opacity="0.4"/>',
        f'<path d="M0 9a9 9 0 0 1 9-9h{width - 18}a9 9 0 0 1 9 9v23H0z" fill="{theme["bar"]}"/>',
    ]
    for place, colour in enumerate(["#ff5f57", "#febc2e", "#28c840"]):
        parts.append(f'<circle cx="{20 + 19 * place}" cy="16" r="6" fill="{colour}"/>')
    parts.append(
        f'<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,\'DejaVu Sans Mono\',monospace" font-size="14"'
        f' fill="{theme["text"]}" xml:space="preserve">'
    )
    for number, row in enumerate(rows):
        start = 0
        while start < len(row):
            style = row[start][1]
            end = start
            while end < len(row) and row[end][1] == style:
                end += 1
            text = "".join(character for character, _ in row[start:end])
            # Each word group at its own place: renderers differ in what they make of several blanks.
            for group in re.finditer(r"\S+(?: \S+)*", text):
                place = left + (start + group.start()) * wide
                parts.append(piece(group.group(), style, place, top + number * high, wide, theme))
            start = end
    parts.append("</g>\n</svg>\n")
    return "\n".join(parts)


def piece(text, style, x, y, wide, theme):
    colour, bold, faint, underlined = style
    attributes = f'x="{x:.1f}" y="{y}" textLength="{len(text) * wide:.1f}" lengthAdjust="spacingAndGlyphs"'
    if colour is not None:
        attributes += f' fill="{theme["colours"][colour]}"'
    if bold:
        attributes += ' font-weight="bold"'
    if faint:
        attributes += f' fill-opacity="{theme["faint"]}"'
    if underlined:
        attributes += ' text-decoration="underline"'
    return f"<text {attributes}>{html.escape(text, quote=False)}</text>"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("session", type=Path, help="file of commands")
    parser.add_argument("output", type=Path, help="the SVG to write")
    parser.add_argument("--program", type=Path, help="the program; the release build by default")
    parser.add_argument("--theme", choices=THEMES, default="dark")
    parser.add_argument("--columns", type=int, default=96)
    options = parser.parse_args()
    built = sorted(ROOT.glob("target/*/release/cashet")) + sorted(ROOT.glob("target/release/cashet"))
    program = options.program or (built[0] if built else None)
    if program is None or not program.is_file():
        sys.exit("record.py: no program; build it with: cargo build --release --locked")

    screen = Screen(options.columns)
    with tempfile.TemporaryDirectory() as above:
        directory = Path(above, "project")
        directory.mkdir()
        (directory / ".git").mkdir()
        shutil.copytree(ROOT / "examples", directory / "examples", ignore=shutil.ignore_patterns("*.json", "__pycache__"))
        tools = Path(above, "bin")
        tools.mkdir()
        (tools / "cashet").symlink_to(program.resolve())
        environment = {
            "PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin", "HOME": above, "LANG": "C.UTF-8",
            "TERM": "xterm-256color", "COLUMNS": str(options.columns), "TZ": "UTC",
        }
        for line in options.session.read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            if line.startswith("!"):
                run(line[1:], directory, environment, options.columns)
                continue
            screen.feed(f"\x1b[32m$\x1b[0m \x1b[1m{line}\x1b[0m\r\n")
            screen.feed(run(line, directory, environment, options.columns).replace(above, "~"))
    title = "A terminal session with cashet"
    options.output.write_text(drawn(screen, THEMES[options.theme], title))


if __name__ == "__main__":
    main()
