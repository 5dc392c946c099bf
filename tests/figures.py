"""Figures that are times, which no test looks at: how soon a waiter takes over a dead leader, and how soon a call returns
whose command left a process behind that holds the pipes. Prints the longest of some rounds, and fails where it is too long.

Usage: tests/figures.py PROGRAM [ROUNDS]
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The goals, in seconds.
TAKEN_OVER, RETURNED = 1.0, 2.0


def main():
    program = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    with tempfile.TemporaryDirectory(dir=os.environ.get("FIGURES_DIR")) as place:
        root = Path(place)
        (root / ".git").mkdir()
        taken_over = max(take_over(program, root, number) for number in range(rounds))
        returned = max(left_behind(program, root, watched) for _ in range(rounds // 2) for watched in (True, False))
    print(f"a waiter runs {taken_over:.3f} s after its leader died, at most, in {rounds} rounds (goal {TAKEN_OVER} s)")
    print(f"a call returns {returned:.3f} s after its command ended, at most, in {rounds} rounds (goal {RETURNED} s)")
    return 0 if taken_over <= TAKEN_OVER and returned <= RETURNED else 1


def take_over(program, root, number):
    """Seconds from the death of the leader until the waiter's command has begun."""
    ran = root / f"ran{number}"
    script = f'echo x >> {ran}; [ "$(wc -l < {ran})" -gt 1 ] || sleep 60'
    words = [program, "exec", "--trace", "off", "--pure", "--", "sh", "-c", script]
    options = {"cwd": root, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "start_new_session": True}
    leader = subprocess.Popen(words, **options)
    lines(ran, 1)
    waiter = subprocess.Popen(words, **options)
    time.sleep(0.3)
    assert len(ran.read_text().splitlines()) == 1, "the second call does not wait"
    leader.kill()
    died = time.monotonic()
    lines(ran, 2)
    took = time.monotonic() - died
    assert waiter.wait() == 0
    leader.wait()
    os.killpg(leader.pid, signal.SIGKILL)
    return took


def lines(path, count):
    """Waits until the file has so many lines."""
    while not path.exists() or len(path.read_text().splitlines()) < count:
        time.sleep(0.001)


def left_behind(program, root, watched):
    """Seconds that the call takes whose command ends at once and leaves `sleep` behind."""
    trace = ["--trace", "auto" if watched else "off"]
    words = [program, "exec", *trace, "--pure", "--", "sh", "-c", "sleep 20 & echo $!"]
    begun = time.monotonic()
    call = subprocess.Popen(words, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    sleeping = int(call.stdout.readline())
    call.wait()
    took = time.monotonic() - begun
    os.kill(sleeping, signal.SIGKILL)
    call.stdout.read()
    return took


if __name__ == "__main__":
    sys.exit(main())
