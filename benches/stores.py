"""The scenario S8: stores with up to a million commits, what is asked of them, and what it costs to empty them.

What deletes is measured last, on a store that nobody needs any more.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import Case, Scenario

# The limits of the machine grow as the number of commits does; for more of them the copy would take longer than all the rest.
LIMITS_AT = 100_000


def filled(bench, count):
    """A store with so many commits, in a place of its own. BENCH_STORES names a directory where such stores are kept
    from one comparison to the next: filling the largest takes minutes. Tells also whether it is to be kept."""
    kept = os.environ.get("BENCH_STORES")
    store = Path(kept or bench.work).resolve() / f"store-{count}"
    whole = store.with_name(f"{store.name}.whole")
    if not whole.exists():
        shutil.rmtree(store, ignore_errors=True)
        begun = time.monotonic()
        subprocess.run([bench.options.fill, str(store), str(count)], check=True, stdout=subprocess.DEVNULL)
        bench.lines.append(f"a store with {count:,} commits was filled in {time.monotonic() - begun:.1f} s")
        whole.write_text("")
    return store, bool(kept)


def s8(bench):
    """Stores that are full."""
    counts = (1_000, 100_000, 1_000_000) if bench.options.full else (1_000, 100_000)
    stores = {count: filled(bench, count) for count in counts}
    here = bench.project("s8")
    (here / "answer").write_text("answer\n")
    bench.job("job", "cat answer")
    call, cashet = {}, bench.options.cashet
    for count, (store, _) in stores.items():
        call[count] = bench.cashet("--store", str(store), "-i", "answer", "--trace", "off", "--", "./job")
    cases = [Case(f"hit, {count:,} commits", call[count], point=("hit", count)) for count in counts]
    yield Scenario("S8 hit in a full store", "≤ 1.1 × hit at 1,000", cases, base=cases[0].name)

    def miss(count):
        return bench.cashet("--store", str(stores[count][0]), "--salt=@", "--pure", "--trace", "off", "--", "true")

    cases = [Case(f"miss, {count:,} commits", miss(count), hit=False, point=("miss, unwatched", count)) for count in counts]
    yield Scenario("S8 miss in a full store, `true`", "as at 1,000", cases, base=cases[0].name)
    for count, (store, _) in stores.items():
        def reading(name, *words, point=True):
            return Case(name, [cashet, "--store", str(store), *words], hit=False, point=(name, count) if point else None)

        # By their hashes: `measure` takes an `@` for something else.
        newest = subprocess.run([cashet, "--store", str(store), "log", "-n", "2", "--oneline"], capture_output=True, text=True, check=True)
        last, before = (line.split()[0] for line in newest.stdout.splitlines())
        cases = [
            bench.floor(here / "answer"),
            reading("log -n 20", "log", "-n", "20"),
            reading("log --json -n 20", "log", "--json", "-n", "20", point=False),
            reading("stats", "stats"),
            reading("show HASH", "show", last),
            reading("diff HASH HASH", "diff", before, last, point=False),
        ]
        yield Scenario(f"S8 reading a store with {count:,} commits", "log and stats ≤ 8 × floor", cases, rounds=20)
    for count, (store, kept) in stores.items():
        yield from collections(bench, count, store, kept, miss(count))


def collections(bench, count, store, kept, miss):
    """What it costs to look for something to drop, and to drop everything; beside both what the file system and SQLite
    take for as many files and rows, which nothing that deletes them one by one can go below."""
    cashet = bench.options.cashet
    nothing = Case("gc, nothing to drop", [cashet, "--store", str(store), "gc", "--older-than", "10000d"], hit=False, point=("gc, nothing to drop", count))
    yield Scenario(f"S8 gc with nothing to drop, {count:,} commits", "no figure is set", [nothing], base=nothing.name, rounds=3)
    limits = machine_limits(bench, store) if count == LIMITS_AT else {}
    doomed = store
    if kept:
        doomed = bench.work / store.name
        subprocess.run(["cp", "-a", f"{store}/.", str(doomed)], check=True)
    waits = []

    def meanwhile():
        # Others go on working: what is deleted goes in steps.
        begun = time.monotonic()
        bench.call([word.replace(str(store), str(doomed)) for word in miss])
        waits.append((time.monotonic() - begun) * 1000)
        time.sleep(0.05)

    wall, cpu = timed([cashet, "--store", str(doomed), "gc", "--older-than", "0s"], meanwhile if count > 1_000 else None)
    bench.points.append(("gc of all", count, cpu * 1000))
    shutil.rmtree(doomed, ignore_errors=True)
    if not kept:
        store.with_name(f"{store.name}.whole").unlink(missing_ok=True)
    bench.lines.append(f"gc of all {count:,} commits: {wall:.2f} s, {cpu:.2f} s CPU (must: ≤ 5 s at 1,000,000)")
    bench.lines += [f"the machine's own limit at {count:,}: {what} {wall:.2f} s, {cpu:.2f} s CPU" for what, (wall, cpu) in limits.items()]
    if waits:
        bench.lines.append(f"{len(waits)} misses while that went on: median {statistics.median(waits):.1f} ms, longest {max(waits):.1f} ms")


def machine_limits(bench, store):
    """What it takes to delete as many files and rows by other means, on a copy: seconds, and those of the processor."""
    limit = bench.work / "limit"
    subprocess.run(["cp", "-a", f"{store}/.", str(limit)], check=True)
    deletion = [sys.executable, "-c", DELETION, str(limit / "meta.db")]
    limits = {
        "rm -rf of the files": timed(["rm", "-rf", str(limit / "hot"), str(limit / "objects")]),
        "SQLite's DELETE FROM by row": timed([*deletion, "rows"]),
        "SQLite's DELETE FROM by table and VACUUM": timed([*deletion, "tables"]),
    }
    shutil.rmtree(limit, ignore_errors=True)
    return limits


def timed(words, meanwhile=None):
    """Seconds that a command takes, and those of the processor, with what is to be done again and again until it ends."""
    begun = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ended = 0
    while not ended:
        if meanwhile:
            meanwhile()
        ended, status, used = os.wait4(process.pid, os.WNOHANG if meanwhile else 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    return time.monotonic() - begun, used.ru_utime + used.ru_stime


DELETION = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
run = lambda words: database.execute(words).fetchall()
run("PRAGMA synchronous = OFF"), run("PRAGMA cache_size = -65536"), run("BEGIN IMMEDIATE")
for table in ("commits", "bodies", "products"):
    # Without a condition SQLite drops the pages of a table unread.
    run(f"DELETE FROM {table}" + (" WHERE sequence > 0" if sys.argv[2] == "rows" else ""))
if sys.argv[2] == "rows":
    run("ROLLBACK")
else:
    run("COMMIT"), run("VACUUM"), run("PRAGMA wal_checkpoint(TRUNCATE)")
"""
