"""Trees of files: what is in one, how two differ, and bringing one back to what it was."""

import os
import re
import shutil
import stat
from pathlib import Path

# What no rule promises to bring back: bytecode, and the private memory of tools (also `node_modules/.cache`).
PRIVATE = {"__pycache__", ".mypy_cache", ".ruff_cache", ".git"}


def snapshot(root, with_git=False):
    """Kind, mode and content of everything below `root`; of `node_modules` only what tools keep there."""
    found = {}
    skipped = PRIVATE - {".git"} if with_git else PRIVATE

    def walk(directory, prefix):
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
            path = prefix + entry.name
            if entry.name in skipped:
                continue
            if path.endswith("node_modules/.cache"):
                continue
            in_modules = "node_modules" in path.split("/")
            if entry.is_symlink():
                if not in_modules:
                    found[path] = ("link", 0, os.readlink(entry.path))
                continue
            mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
            if entry.is_dir(follow_symlinks=False):
                if in_modules and entry.name != "node_modules" and not (
                    re.search(r"node_modules/\.(?!bin)", path)
                ):
                    continue
                found[path] = ("directory", mode, None)
                walk(entry.path, path + "/")
            elif entry.is_file(follow_symlinks=False):
                if in_modules and not re.search(r"node_modules/\.[^/]+/", path):
                    continue
                found[path] = ("file", mode, Path(entry.path).read_bytes())
            else:
                found[path] = ("special", mode, None)

    walk(root, "")
    return found


def put_back(root, wanted, paths=None):
    """Brings the tree to what `wanted` says, or these paths of it; what is equal is left alone."""
    now = snapshot(root, with_git=any(path.startswith(".git/") for path in wanted))
    mine = (lambda path: paths is None or path in paths)
    for path in sorted(now, reverse=True):
        if mine(path) and (path not in wanted or wanted[path][0] != now[path][0]):
            remove(root / path)
    for path, (kind, mode, content) in sorted(wanted.items()):
        if not mine(path) or now.get(path) == (kind, mode, content):
            continue
        place = root / path
        if kind == "directory":
            place.mkdir(exist_ok=True)
        elif kind == "link":
            remove(place)
            os.symlink(content, place)
        elif kind == "file":
            if place.is_symlink():
                place.unlink()
            if place.exists() and not os.access(place, os.W_OK):
                place.unlink()
            place.write_bytes(content)
        if kind in ("directory", "file"):
            place.chmod(mode)


def remove(path):
    """Removes a file, a link or a whole directory, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def changed_paths(before, after):
    """Paths that are not the same in both."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


NUMBER = re.compile(rb"\d+(?:[.,]\d+)*")
HEX = re.compile(rb"\b(?:0x)?[0-9a-f]{6,64}\b")
MONTH = re.compile(rb"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b")


def likeness(ours, theirs):
    """`=` for equal bytes, `~` if only numbers, digests and dates differ, `!` otherwise."""
    if ours == theirs:
        return "="
    mixed = [sorted(MONTH.sub(b"", NUMBER.sub(b"0", HEX.sub(b"0", text))).split()) for text in (ours, theirs)]
    return "~" if mixed[0] == mixed[1] else "!"


def tree_likeness(ours, theirs, ours_root, theirs_root):
    """The same for two trees; their roots count as one. Binary files that differ in few places count as `~`."""
    worst = "="
    for path in ours.keys() | theirs.keys():
        left, right = ours.get(path), theirs.get(path)
        if left == right:
            continue
        if left is None or right is None or left[0] != right[0]:
            if re.search(r"[0-9a-f]{8,}|\d{4,}", path):
                worst = "~" if worst == "=" else worst
                continue
            return "!"
        if left[0] == "file":
            found = likeness(left[2].replace(os.fsencode(ours_root), b"ROOT"), right[2].replace(os.fsencode(theirs_root), b"ROOT"))
            if found == "!" and b"\0" in left[2] and abs(len(left[2]) - len(right[2])) <= max(64, len(left[2]) // 50):
                found = "~"
        elif left[0] == "link":
            found = likeness(os.fsencode(left[2]), os.fsencode(right[2]))
        else:
            found = "="
        worst = max(worst, found, key="=~!".index)
    return worst
