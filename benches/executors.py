#!/usr/bin/env python3
"""What a job on another machine costs beyond what the engine itself takes, in alternating rounds of one run.

    target/servers/reapi/bin/python benches/executors.py --cashet target/executors/cashet [reapi] [slurm]

REAPI: `cashet exec --on` of a command that does nothing, beside a bare Execute of the same command by the protocol (its
action, command and directory are uploaded, as cashet has to). Slurm: the same, beside `srun`. The servers are those of
tests/servers, on this machine (tests/servers/install reapi, tests/servers/install-executors). Each command has a word that no
other one has, so each is a miss.
"""

import argparse
import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sharing import free_port

HERE = Path(__file__).resolve().parent


class Server:
    """A server of tests/servers; None as `port` where it is not installed."""

    def __init__(self, kind, directory):
        self.directory, self.port = directory, free_port()
        directory.mkdir()
        self.process = subprocess.Popen([HERE.parent / "tests/servers" / kind, directory, str(self.port)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip

    def wait(self, is_ready):
        for _ in range(1200):
            if self.process.poll() is not None:
                return False
            if is_ready():
                return True
            time.sleep(0.05)
        raise SystemExit(f"{self.directory} does not start")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Project:
    def __init__(self, base, options, settings, variables):
        self.options, self.base = options, base
        self.project = base / "project"
        (self.project / ".git").mkdir(parents=True)
        (base / "home/.cache").mkdir(parents=True)
        (base / "run").mkdir(mode=0o700)
        (self.project / "cashet.toml").write_text(settings)
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(base / "home"), "LANG": "C.UTF-8",
                            "XDG_RUNTIME_DIR": str(options.runtime), "CASHET_REMOTE_IDLE": "20", **variables}  # fmt: skip

    def call(self, options, words):
        """Seconds that a miss takes, and its report."""
        report = self.base / "report"
        report.unlink(missing_ok=True)
        words = [self.options.cashet, "exec", "--report", report, *options, "--", *words]
        began = time.perf_counter()
        done = subprocess.run(words, cwd=self.project, env=self.environment, capture_output=True, stdin=subprocess.DEVNULL)
        took = time.perf_counter() - began
        found = json.loads(report.read_bytes())
        if done.returncode or found["outcome"] != "miss" or not found["kept"] or found.get("warnings"):
            raise SystemExit(f"{words}: {found} {done.stderr.decode()}")
        return took, found


class Execute:
    """Execute by the protocol, without cashet."""

    def __init__(self, port):
        import grpc
        from buildstream._protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as messages
        from buildstream._protos.build.bazel.remote.execution.v2 import remote_execution_pb2_grpc as services

        self.messages, channel = messages, grpc.insecure_channel(f"127.0.0.1:{port}")
        self.storage, self.execution = services.ContentAddressableStorageStub(channel), services.ExecutionStub(channel)

    def digest(self, data):
        return self.messages.Digest(hash=hashlib.sha256(data).hexdigest(), size_bytes=len(data))

    def call(self, words):
        began, of = time.perf_counter(), self.messages
        root = of.Directory().SerializeToString()
        command = of.Command(arguments=words).SerializeToString()
        action = of.Action(command_digest=self.digest(command), input_root_digest=self.digest(root), do_not_cache=True).SerializeToString()
        blobs = [of.BatchUpdateBlobsRequest.Request(digest=self.digest(data), data=data) for data in (root, command, action)]
        self.storage.BatchUpdateBlobs(of.BatchUpdateBlobsRequest(requests=blobs))
        *_, last = self.execution.Execute(of.ExecuteRequest(action_digest=self.digest(action), skip_cache_lookup=True))
        answer = of.ExecuteResponse()
        last.response.Unpack(answer)
        if answer.status.code or answer.result.exit_code:
            raise SystemExit(f"Execute: {answer}")
        return time.perf_counter() - began


def compare(name, rounds, first, ours, theirs, engine):
    """Alternating rounds; a round begins with the other one each time."""
    both = {"ours": [], "theirs": []}
    opening = ours(first), theirs(first)
    for number in range(rounds):
        for kind, call in sorted([("ours", ours), ("theirs", theirs)], reverse=number % 2 == 1):
            both[kind].append(call(first + 1 + number))
    more = [(our - their) * 1000 for our, their in zip(both["ours"], both["theirs"])]
    median = {kind: statistics.median(times) * 1000 for kind, times in both.items()}
    quarters = statistics.quantiles(more, n=4)
    print(f"{name}: {median['ours']:.0f} ms, {engine} {median['theirs']:.0f} ms; {statistics.median(more):+.0f} ms"
          f" (quartiles {quarters[0]:+.0f} to {quarters[2]:+.0f}, {rounds} rounds); the first call of all {opening[0] * 1000:.0f} ms"
          f" and {opening[1] * 1000:.0f} ms", flush=True)  # fmt: skip


def reapi(base, options):
    server = Server("reapi", base / "server-reapi")
    try:
        def is_ready():
            try:
                socket.create_connection(("127.0.0.1", server.port), 1).close()
                return True
            except OSError:
                return False

        if not server.wait(is_ready):
            return print("SKIPPED reapi: it is not installed")
        settings = f'[executors.farm]\nkind = "reapi"\naddress = "grpc://127.0.0.1:{server.port}"\ntoolchain = "image"\n'
        project, execute = Project(base / "reapi", options, settings, {}), Execute(server.port)
        compare("Execute of a command that does nothing", options.rounds, 1, lambda number: project.call(["--on", "farm"], ["true", str(number)])[0],
                lambda number: execute.call(["/bin/true", str(number)]), "bare")  # fmt: skip
    finally:
        server.stop()


def slurm(base, options):
    server = Server("slurm", base / "server-slurm")
    variables = {"SLURM_CONF": str(server.directory / "slurm.conf")}
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", **variables}
    try:
        def is_ready():
            try:
                done = subprocess.run(["sinfo", "-h", "-p", "main", "-o", "%t"], env=environment, capture_output=True, timeout=5)
                return done.stdout.startswith(b"idle")
            except (OSError, subprocess.TimeoutExpired):
                return False

        if not server.wait(is_ready):
            return print("SKIPPED slurm: it is not installed")
        project = Project(base / "slurm", options, "", variables)

        def settled():
            # The node is free again: what the last job leaves to be done is not this one's.
            while subprocess.run(["squeue", "-h", "-t", "R,CG,PD"], env=environment, capture_output=True).stdout:
                time.sleep(0.02)
            time.sleep(0.1)

        begins, others = [], []

        def ours(number):
            settled()
            took = project.call(["--on", "slurm"], ["true", str(number)])[0]
            job = max((project.project / ".cashet/jobs").glob("*/attempt.0"), key=lambda path: path.stat().st_mtime).parent
            begins.append((job / "attempt.0").stat().st_mtime - (job / "id").stat().st_mtime)
            others.append(took - begins[-1])
            return took

        def theirs(number):
            settled()
            began = time.perf_counter()
            subprocess.run(["srun", "true", str(number)], cwd=project.project, env={**project.environment}, check=True, capture_output=True)
            return time.perf_counter() - began

        compare("Slurm job of a command that does nothing", options.rounds, 1, ours, theirs, "srun")
        # Without the first call of all.
        begin, other = (statistics.median(times[1:]) * 1000 for times in (begins, others))
        print(f"the same: {begin:.0f} ms until Slurm begins the job, {other:.0f} ms besides (medians of {options.rounds} rounds)")
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cashet", required=True, type=lambda path: str(Path(path).resolve()), help="the program; cashet-remote lies beside it")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--keep", action="store_true", help="leave the directory of the measurement")
    parser.add_argument("kinds", nargs="*", metavar="reapi|slurm", help="both, where none is named")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="executors-", dir=HERE.parent / "target"))
    # Sockets have short paths.
    options.runtime = Path(tempfile.mkdtemp(prefix="run-", dir="/tmp"))
    try:
        for kind in options.kinds or ["reapi", "slurm"]:
            {"reapi": reapi, "slurm": slurm}[kind](base, options)
            print(f"load {os.getloadavg()[0]:.0f}")
    finally:
        if options.keep:
            print(base)
        else:
            shutil.rmtree(base, ignore_errors=True)
        shutil.rmtree(options.runtime, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
