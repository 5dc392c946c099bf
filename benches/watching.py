"""The scenario S10: what watching costs the command that is watched."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench import Case, Scenario


def s10(bench):
    """What watching costs, by CPU time; beside a watcher that does nothing with what it sees, which is the least that
    the mechanism costs."""
    here = bench.project("s10")
    unseeing = bench.work / "unseeing"
    subprocess.run(["gcc", "-O2", "-static", "-o", str(unseeing), str(Path(__file__).parent / "unseeing.c")], check=True)
    bench.environment["CFLAGS"] = "-O2"
    before, rounds = {}, {}
    imports = ["-c", "import asyncio, json, unittest, http.client, sqlite3, xml.dom.minidom"]
    # The interpreter itself: what is on PATH may be the script of a version manager, which is a job of its own.
    python = os.path.realpath(sys.executable)
    jobs = {"python imports": [python, *imports]}
    if os.path.realpath(shutil.which("python3") or python) != python:
        jobs["python imports, found by a version manager's script"] = ["python3", *imports]
    for number in range(250):
        (here / f"h{number}.h").write_text(f"#pragma once\nstatic inline int f{number}(int x) {{ return x + {number}; }}\n")
    (here / "unit.c").write_text("".join(f'#include "h{n}.h"\n' for n in range(250)) + "int main(void) { return f3(4); }\n")
    jobs["gcc, 250 headers"] = ["gcc", "-c", "unit.c", "-o", "unit.o"]
    sources = lua_sources()
    if sources:
        shutil.copytree(sources, here / "lua")
        for program in ("lua.c", "luac.c"):
            (here / "lua" / program).unlink(missing_ok=True)
        (here / "lua" / "Makefile").write_text(LUA_MAKEFILE)
        jobs["make -j2 of Lua"] = ["make", "-s", "-j2", "-C", "lua"]
        before["make -j2 of Lua"], rounds["make -j2 of Lua"] = "rm -f lua/*.o lua/liblua.a", 3
    else:
        bench.lines.append("SKIPPED S10, make -j2 of Lua: its sources are not there; `cargo fetch` of a crate with lua-src brings them, or BENCH_LUA names them")
    # What a program without a C library does that walks documents and reads them, as large as such files are.
    sizes = (1200, 600, 3300, 2000, 12000, 3300, 1200, 8000, 5000, 40000)
    text = "".join(f"{number}: what the manual says of it\n" for number in range(2000)).encode()
    for number in range(4000):
        below = Path(f"{number % 20}", f"{number % 200}", f"{number}")
        for tree, content in (("tree", b""), ("documents", text[: sizes[number % len(sizes)]])):
            (here / tree / below).parent.mkdir(parents=True, exist_ok=True)
            (here / tree / below).write_bytes(content)
    (bench.work / "walk.c").write_text(WALK)
    subprocess.run(["gcc", "-O2", "-static", "-o", str(here / "walk"), str(bench.work / "walk.c")], check=True)
    jobs[READING], jobs["a static walk that looks at 4,000 files"] = ["./walk", "documents", "read"], ["./walk", "tree"]
    must = {"python imports": "1.15", "gcc, 250 headers": "1.8", "make -j2 of Lua": "1.2", READING: "1.6"}
    for name, words in jobs.items():
        first = before.get(name, "-")
        cases = [
            Case("bare", words, before=first, hit=False),
            Case("a watcher that does nothing", [str(unseeing), *words], before=first, hit=False),
            Case("cashet, watched", bench.cashet("--salt=@", "--trace", "require", "--", *words), before=first, hit=False),
        ]
        if all(bench.call(case.words, case.before) == 0 for case in cases[1:]):
            bound = f"CPU ≤ {must[name]} × bare" if name in must else "no bound"
            yield Scenario(f"S10 watching, {name}", bound, cases, base="bare", rounds=rounds.get(name, 15))


READING = "a static walk that reads 4,000 files"

LUA_MAKEFILE = """\
OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))
liblua.a: $(OBJECTS)
\tar rcs $@ $(OBJECTS)
$(OBJECTS): $(wildcard *.h) Makefile
%.o: %.c
\t$(CC) $(CFLAGS) -c -o $@ $<
"""

WALK = """\
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static long files, bytes;
static int reads;
static void take(const char *path, long size) {
    static char buffer[1 << 15];
    int file = reads ? open(path, O_RDONLY) : -1;
    long got;
    while (file >= 0 && (got = read(file, buffer, sizeof buffer)) > 0)
        bytes += got;
    if (file >= 0)
        close(file);
    bytes += reads ? 0 : size;
    files++;
}
static void walk(const char *path) {
    char below[4096];
    struct dirent *entry;
    struct stat status;
    DIR *directory = opendir(path);
    while (directory && (entry = readdir(directory))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (reads ? entry->d_type == DT_DIR : lstat(below, &status) == 0 && S_ISDIR(status.st_mode))
            walk(below);
        else
            take(below, reads ? 0 : status.st_size);
    }
    if (directory)
        closedir(directory);
}
int main(int count, char **words) {
    reads = count > 2;
    walk(count > 1 ? words[1] : ".");
    return printf("%ld files, %ld bytes\\n", files, bytes) < 0;
}
"""


def lua_sources():
    """The C sources of Lua, where a crate or BENCH_LUA has brought them."""
    given = os.environ.get("BENCH_LUA")
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    found = [Path(given)] if given else sorted(cargo.glob("registry/src/*/lua-src-*/lua-5.4*"))
    return found[-1] if found else None
