"""The oracle of Python's normal form: CPython's own parser.

Prints one JSON object a line: a source, the digest of its syntax tree (null where CPython does not parse it), and the
same without docstrings. Sources with the same "group" belong together; the first of a group is the original.
"""

import ast
import glob
import hashlib
import io
import json
import os
import random
import sys
import sysconfig
import tokenize
import warnings

warnings.simplefilter("ignore")
sys.setrecursionlimit(10_000)

OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^", "<<", ">>", "<", ">", "<=", ">=", "==", "!="]
WORDS = ["and", "or", "not", "is", "in", "if", "else", "for", "while", "None", "True", "False", "self", "x", "lambda"]
CONSTANTS = ["0", "1", "1.0", "1j", "0x10", "''", "b''", "None", "True", "...", "'a'", "-1", "1_0", "1e400"]
CHARACTERS = list("()[]{}:,.;'\"\\#=+-*/ \t\nabx01_@!~%r")


def digest(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.kind = None  # u'' is '', to the program
    return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()


def without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            body = node.body
            first = body[0] if body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                del body[0]
                if not body and not isinstance(node, ast.Module):
                    body.append(ast.Pass())
    return tree


def trees(source):
    try:
        # As bytes, as from a file: a byte order mark is then left out.
        tree = ast.parse(source.encode("utf-8"))
        full = digest(tree)
        return full, digest(without_docstrings(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # also what cannot be encoded
        return None, None


def emit(group, kind, source, known=None):
    tree, bare = known or trees(source)
    try:
        line = json.dumps({"group": group, "kind": kind, "source": source, "tree": tree, "bare": bare})
    except UnicodeEncodeError:
        return
    print(line)


def tokens(source):
    try:
        return [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.string.strip()]
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return []


def offsets(source):
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def replace_token(chance, source, choose):
    found = tokens(source)
    if not found:
        return source
    token = chance.choice(found)
    starts = offsets(source)
    begin = starts[token.start[0] - 1] + token.start[1]
    end = starts[token.end[0] - 1] + token.end[1]
    return source[:begin] + choose(token) + source[end:]


def mutate(chance, source):
    """One small change, most of which change the program or break it."""
    kind = chance.choice(
        ["delete", "insert", "replace", "token", "drop", "double", "swap", "line-out", "line-swap", "indent", "dedent",
         "string", "parenthesis", "comment", "blank", "join", "quotes", "prefix", "docstring", "continue"]
    )
    at = chance.randrange(len(source) + 1)
    lines = source.split("\n")
    row = chance.randrange(len(lines))
    if kind == "delete":
        source = source[:at] + source[at + 1 :]
    elif kind == "insert":
        source = source[:at] + chance.choice(CHARACTERS) + source[at:]
    elif kind == "replace":
        source = source[:at] + chance.choice(CHARACTERS) + source[at + 1 :]
    elif kind == "token":
        def other(token):
            if token.type == tokenize.OP:
                return chance.choice(OPERATORS)
            if token.type == tokenize.NAME:
                return chance.choice(WORDS)
            return chance.choice(CONSTANTS)
        source = replace_token(chance, source, other)
    elif kind == "drop":
        source = replace_token(chance, source, lambda token: "")
    elif kind == "double":
        source = replace_token(chance, source, lambda token: token.string + " " + token.string)
    elif kind == "swap":
        found = tokens(source)
        source = replace_token(chance, source, lambda token: chance.choice(found).string)
    elif kind == "line-out":
        del lines[row]
        source = "\n".join(lines)
    elif kind == "line-swap" and row + 1 < len(lines):
        lines[row], lines[row + 1] = lines[row + 1], lines[row]
        source = "\n".join(lines)
    elif kind == "indent":
        lines[row] = "    " + lines[row]
        source = "\n".join(lines)
    elif kind == "dedent":
        lines[row] = lines[row][4:] if lines[row].startswith("    ") else lines[row].lstrip()
        source = "\n".join(lines)
    elif kind == "string":
        source = replace_token(
            chance, source,
            lambda token: token.string[:-1] + chance.choice(["\\d", "\\x41", "\\ud800", "{a}", "%s", "é", "\\n"]) + token.string[-1:]
            if token.type == tokenize.STRING else token.string)
    elif kind == "parenthesis":
        source = replace_token(chance, source, lambda token: "(" + token.string + ")")
    elif kind == "comment":
        lines[row] += chance.choice(["  # note", "#", " # '''"])
        source = "\n".join(lines)
    elif kind == "blank":
        lines.insert(row, chance.choice(["", "   ", "\t", "# own line"]))
        source = "\n".join(lines)
    elif kind == "join" and row + 1 < len(lines):
        lines[row : row + 2] = [lines[row] + chance.choice([" ", "; ", "\\\n"]) + lines[row + 1].lstrip()]
        source = "\n".join(lines)
    elif kind == "quotes":
        source = replace_token(
            chance, source,
            lambda token: '"' + token.string[1:-1] + '"' if token.string[:1] == "'" else token.string)
    elif kind == "prefix":
        source = replace_token(
            chance, source,
            lambda token: chance.choice(["r", "b", "f", "u", "R", "rb", "fr"]) + token.string
            if token.type == tokenize.STRING else token.string)
    elif kind == "docstring":
        lines.insert(row, " " * (len(lines[row]) - len(lines[row].lstrip())) + chance.choice(["'''text'''", "b'text'", "'a' 'b'"]))
        source = "\n".join(lines)
    elif kind == "continue":
        source = replace_token(chance, source, lambda token: "\\\n" + token.string)
    return kind, source


def library(count, chance):
    files = sorted(glob.glob(os.path.join(sysconfig.get_path("stdlib"), "**", "*.py"), recursive=True))
    files = [file for file in files if "site-packages" not in file and "dist-packages" not in file]
    return files if count is None else chance.sample(files, min(count, len(files)))


def read(file):
    with open(file, "rb") as stream:
        source = stream.read()
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError:
        return None


def relaid(source):
    """The same program with a comment at every end of a logical line, and blank lines."""
    starts = offsets(source)
    pieces, last = [], 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NEWLINE and token.string:
            at = starts[token.start[0] - 1] + token.start[1]
            pieces.append(source[last:at] + "  # added\n\n# own line\n")
            last = at + len(token.string)
    return "".join(pieces) + source[last:]


def whole_files(count, seed):
    for group, file in enumerate(library(count, random.Random(seed))):
        source = read(file)
        if source is None:
            continue
        known = trees(source)
        emit(group, "original", source, known)
        if known[0] is None:
            continue
        emit(group, "unparse", ast.unparse(ast.parse(source)))
        try:
            emit(group, "comments", relaid(source))
        except (tokenize.TokenError, SyntaxError):
            pass


def mutants(count, seed):
    chance = random.Random(seed)
    files = library(None, chance)
    made = group = 0
    while made < count:
        source = read(chance.choice(files))
        try:
            body = ast.parse(source or "").body
        except (SyntaxError, ValueError):
            continue
        for node in chance.sample(body, min(len(body), 8)):
            text = ast.get_source_segment(source, node) or ""
            if not 10 <= len(text) <= 6000:
                continue
            known = trees(text)
            if known[0] is None:
                continue
            group += 1
            emit(group, "original", text, known)
            for _ in range(8):
                kind, changed = mutate(chance, text)
                if changed != text:
                    emit(group, kind, changed)
                    made += 1


if __name__ == "__main__":
    mode, count, seed = sys.argv[1:4]
    if mode == "version":
        print(*sys.version_info[:2])
    elif mode == "files":
        whole_files(int(count) or None, int(seed))
    elif mode == "mutants":
        mutants(int(count), int(seed))
    elif mode == "given":
        # Pairs of files: the original, and what another tool made of it.
        for group, (one, other) in enumerate(zip(sys.argv[4::2], sys.argv[5::2])):
            emit(group, "original", read(one))
            emit(group, count, read(other))
