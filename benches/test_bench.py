"""Whether what claims to be a hit has to be one: `python3 -B benches/test_bench.py`."""

import tempfile
import unittest
from types import SimpleNamespace

from bench import Bench, Case, Scenario

# Stands in for measure.c: as many lines as it would write, of cases that take no time.
MEASURE = """\
#!/bin/sh
cut -f 1 | while read -r name; do
    for round in $(seq "$1"); do echo "$name,$round,1,1,1,0"; done
done
"""

REMEMBERS = 'if [ -e memory ]; then cat memory; else ./job | tee memory; fi'


class Proof(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.bench = Bench(SimpleNamespace(work=folder.name, rounds=2, measure="./measure"))
        self.here = self.bench.project("proof")
        (self.here / "answer").write_text("answer\n")
        self.bench.job("job", "cat answer")
        (self.here / "measure").write_text(MEASURE)
        (self.here / "measure").chmod(0o755)

    def judge(self, line, **others):
        """What is noted of such a case, and what is left to be measured."""
        case = Case("it", ["sh", "-c", line], **others)
        scenario = Scenario("proof", "", [case], answer=self.here / "answer")
        self.bench.measure(scenario)
        return scenario.notes, scenario.cases

    def test_what_remembers_is_measured(self):
        notes, cases = self.judge(REMEMBERS)
        self.assertEqual((notes, len(cases)), ([], 1))

    def test_what_runs_again_is_left_out(self):
        self.assertEqual(self.judge("./job"), (["it: does not answer this from memory; left out"], []))

    def test_what_never_ran_the_job_is_left_out(self):
        self.assertEqual(self.judge("cat answer"), (["it: never runs the job; left out"], []))

    def test_what_prints_something_else_is_left_out(self):
        line = REMEMBERS.replace("cat memory", "echo other")
        self.assertEqual(self.judge(line), (["it: answers, but not with what the job printed; left out"], []))
        (self.here / "memory").unlink()
        notes, cases = self.judge(REMEMBERS.replace("cat memory", "true"), mute=True)
        self.assertEqual((notes, len(cases)), ([], 1))

    def test_what_fails_is_left_out(self):
        self.assertEqual(self.judge("./job; exit 3"), (["it: fails; left out"], []))

    def test_a_peer_that_records_must_hand_on_what_is_printed(self):
        notes, cases = self.judge("./job > memory", hit=False, peer=True)
        self.assertEqual((notes, cases), (["it: does not hand on what the job prints; left out"], []))

    def test_the_best_peer_is_the_quickest_that_prints(self):
        samples = {"ours": [(1, 1, 1)], "slow": [(9, 1, 1)], "quick": [(2, 5, 1)], "mute": [(1, 1, 1)]}
        peers = [Case(name, [], peer=name != "ours", mute=name == "mute") for name in samples]
        self.assertEqual(Scenario("", "", peers).best_peer(samples), "quick")
        self.assertIsNone(Scenario("", "", peers[:1]).best_peer(samples))


if __name__ == "__main__":
    unittest.main()
