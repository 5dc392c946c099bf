"""The scenario S10: what watching costs the command that is watched."""

import os
import shutil
import subprocess
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
    jobs = {"python imports": ["python3", "-c", "import asyncio, json, unittest, http.client, sqlite3, xml.dom.minidom"]}
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
    for number in range(4000):
        path = here / "tree" / f"{number % 20}" / f"{number % 200}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (bench.work / "walk.c").write_text(WALK)
    subprocess.run(["gcc", "-O2", "-static", "-o", str(here / "walk"), str(bench.work / "walk.c")], check=True)
    jobs["a static walk of 4,000 files"] = ["./walk", "tree"]
    must = {"python": "1.15", "gcc,": "1.8", "make": "1.2", "a": "1.6"}
    for name, words in jobs.items():
        first = before.get(name, "-")
        cases = [
            Case("bare", words, before=first, hit=False),
            Case("a watcher that does nothing", [str(unseeing), *words], before=first, hit=False),
            Case("cashet, watched", bench.cashet("--salt=@", "--trace", "require", "--", *words), before=first, hit=False),
        ]
        if all(bench.call(case.words, case.before) == 0 for case in cases[1:]):
            bound = f"CPU ≤ {must[name.split(' ')[0]]} × bare"
            yield Scenario(f"S10 watching, {name}", bound, cases, base="bare", rounds=rounds.get(name, 15))


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
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
static long files, bytes;
static void walk(const char *path) {
    char below[4096];
    struct dirent *entry;
    struct stat status;
    DIR *directory = opendir(path);
    while (directory && (entry = readdir(directory))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (lstat(below, &status) == 0 && S_ISDIR(status.st_mode))
            walk(below);
        else
            files++, bytes += status.st_size;
    }
    if (directory)
        closedir(directory);
}
int main(int count, char **words) {
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
