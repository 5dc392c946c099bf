#!/usr/bin/env python3
"""What a shared cache costs: hits from servers on loopback, a large output, a dead server, publishing, a full cache.

Each figure is the median of paired calls, with an empty store each time. The servers are those of the tests
(tests/servers/install). `--peers` measures ccache and sccache on the same servers, in the same run.
"""

import argparse
import concurrent.futures
import datetime
import hashlib
import hmac
import http.client
import json
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n"


def median(times):
    return statistics.median(times) * 1000


def free_port():
    while True:
        first = random.randrange(20000, 32000)
        try:
            for port in [*range(first, first + 4), *range(first + 10000, first + 10004)]:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue


class Servers:
    """Servers on loopback, ended with this process."""

    def __init__(self, work):
        self.work, self.processes = work, []

    def start(self, kind):
        """The port, or None where it is not installed."""
        port, place = free_port(), self.work / f"server-{kind}"
        place.mkdir()
        process = subprocess.Popen(
            [HERE.parent / "tests/servers/start", kind, place, str(port)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(1500):
            if process.poll() is not None:
                print(f"SKIPPED {kind}: it is not installed")
                return None
            try:
                for number in range({"http": 3, "s3": 4}.get(kind, 1)):
                    socket.create_connection(("127.0.0.1", port + number), 1).close()
                self.processes.append(process)
                return port
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{kind} does not start")

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()


class Machine:
    """A clone of the project, and the environment of its user."""

    def __init__(self, base, options, name, url, variables, settings=""):
        self.options, self.base = options, base / name
        self.project, self.store = self.base / "project", self.base / "store"
        (self.project / ".git").mkdir(parents=True)
        (self.base / "home").mkdir()
        # Without the directory nothing is remembered for a user.
        (base / "cache").mkdir(exist_ok=True)
        (self.project / "main.c").write_text(SOURCE)
        (self.project / "data.txt").write_text("data\n")
        (self.project / "run.sh").write_text("#!/bin/sh\ncat data.txt\n")
        (self.project / "run.sh").chmod(0o755)
        remote = f'[remote]\nurl = "{url}"\ntrust = "any"\n{settings}' if url else ""
        (self.project / "cashet.toml").write_text(remote)
        # The digests of a user's files are known: it is no first call of the day.
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.base / "home"), "LANG": "C.UTF-8",
                            "XDG_CACHE_HOME": str(base / "cache"), "CASHET_DIR": str(self.store), **variables}  # fmt: skip

    def empty(self):
        """Forgets what it has recorded."""
        shutil.rmtree(self.store, ignore_errors=True)
        (self.project / "main.o").unlink(missing_ok=True)
        (self.project / "large").unlink(missing_ok=True)

    def call(self, words, outcome=None, **variables):
        """Seconds that a call takes."""
        report = self.base / "report"
        report.unlink(missing_ok=True)
        words = [self.options.cashet, "exec", "--report", report, "--", *words]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run(words, cwd=self.project, env={**self.environment, **variables}, capture_output=True)
        took = time.perf_counter() - began
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        found = json.loads(report.read_bytes())
        self.remote = found.get("remote")
        if done.returncode or outcome and found["outcome"] != outcome:
            raise SystemExit(f"{words}: {found['outcome']} {found.get('reasons')} {done.stderr.decode()}")
        return took

    def waited(self):
        """Seconds that calls waited for the cache."""
        words = [self.options.cashet, "stats", "--json"]
        found = json.loads(subprocess.run(words, cwd=self.project, env=self.environment, capture_output=True).stdout)
        return sum(remote["waited_ns"] for remote in found["remotes"]) / 1e9


def hits(base, options, name, url, variables, words=("./run.sh",), rounds=None, each=lambda number: {}):
    """Of hits from a cache: the whole call, the part of it that asks the cache and answers its questions, a local hit, CPU."""
    base = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base))
    key = {"CASHET_SIGNING_KEY": options.signing_key}
    writer = Machine(base, options, "writer", url, {**variables, **key}, 'write = true\nupload = "wait"\n')
    reader = Machine(base, options, "reader", url, variables)
    for machine in (writer, reader):
        # No other call has this key's answers.
        (machine.project / "data.txt").write_text(f"{base}\n")
        (machine.project / "main.c").write_text(f"// {base}\n{SOURCE}")
    writer.call(words, "miss")
    reader.call(words, "hit")
    whole, waits, local, cpu = [], [], [], []
    for number in range(rounds or options.rounds):
        reader.empty()
        whole.append(reader.call(words, "hit", **each(number)))
        cpu.append(reader.cpu)
        if not reader.remote:
            raise SystemExit(f"{name}: not from the cache")
        waits.append(reader.waited())
        local.append(reader.call(words, "hit"))
    return whole, waits, local, cpu


def say(name, times):
    whole, waits, local, cpu = times
    print(
        f"{name}: hit from the cache {median(whole):.1f} ms (CPU {median(cpu):.1f} ms), of these {median(waits):.2f} ms for the cache"
        f" and what it answers; local hit {median(local):.1f} ms",
        flush=True,
    )


def caches(options, servers, base):
    """Name, address and variables of each cache that is there."""
    def start(name):
        return servers.start(name) if not options.only or name in options.only.split(",") else None

    shared = base / "shared"
    shared.mkdir()
    if not options.only or "dir" in options.only.split(","):
        yield "dir", f"dir:{shared}", {}
    if port := start("redis"):
        yield "redis", f"redis://rw:rwpass@127.0.0.1:{port}", {}
    if port := start("reapi"):
        yield "grpc", f"grpc://127.0.0.1:{port}", {}
    if port := start("http"):
        yield "http", f"http://127.0.0.1:{port}", {"CASHET_REMOTE_TOKEN": "rw"}
        options.http = port
        os.environ["BENCH_CA"] = str(base / "server-http/ca.pem")
        yield "https", f"https://localhost:{port + 1}", {"CASHET_REMOTE_TOKEN": "rw"}
    if port := start("s3"):
        options.s3 = port
        make_bucket(port)
        yield "s3", "s3://cashet/bench", S3(port)


def S3(port):
    return {"AWS_ACCESS_KEY_ID": "rwkey", "AWS_SECRET_ACCESS_KEY": "rwsecret", "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}


def signed(port, method, path, body=b"", connection=None):
    """A request of S3, signed (version 4)."""
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    host = f"127.0.0.1:{port}"
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(headers))
    asked = "\n".join([method, path, "", *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, digest])
    scope = f"{day}/us-east-1/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = b"AWS4rwsecret"
    for part in (day, "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential=rwkey/{scope}, SignedHeaders={names}, Signature={signature}"
    connection = connection or http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def make_bucket(port):
    for _ in range(100):
        try:
            if signed(port, "PUT", "/cashet") in (200, 409):
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit("no bucket can be made")


def fill_directory(top, count):
    """Records of results under names that nobody asks for."""
    body, chance = os.urandom(400), random.Random(1)
    for fan in range(256):
        (top / "s" / f"{fan:02x}").mkdir(parents=True, exist_ok=True)
    for _ in range(count):
        name = f"{chance.getrandbits(256):064x}"
        with open(top / "s" / name[:2] / name[2:], "wb", buffering=0) as file:
            file.write(body)


def fill_bucket(port, seconds, most):
    """As many as the server takes in this time; how many. Through the filer below the gateway of S3, which asks for no signatures."""
    until = time.monotonic() + seconds
    batch = 64

    def work(seed):
        chance, body, count = random.Random(seed), os.urandom(400), 0
        with socket.create_connection(("127.0.0.1", port + 3)) as connection, connection.makefile("rb") as answers:
            while time.monotonic() < until and count < most // 8:
                names = [f"{chance.getrandbits(256):064x}" for _ in range(batch)]
                connection.sendall(b"".join(
                    b"PUT /buckets/cashet/bench/s/%s HTTP/1.1\r\nHost: f\r\nContent-Length: %d\r\n\r\n%s"
                    % (name.encode(), len(body), body) for name in names
                ))  # fmt: skip
                for _ in names:
                    status = answers.readline()
                    assert status.split()[1] in (b"200", b"201"), status
                    length = 0
                    while (line := answers.readline().strip().lower()):
                        if line.startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                    answers.read(length)
                count += batch
        return count

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return sum(pool.map(work, range(8)))


def dead(base, options):
    """What a server costs at which nobody answers."""
    port = free_port()
    times = {}
    for name, url in (("without", ""), ("dead", f"redis://127.0.0.1:{port}")):
        times[name] = []
        for number in range(5):
            machine = Machine(Path(tempfile.mkdtemp(dir=base)), options, name, url, {"XDG_RUNTIME_DIR": str(runtime(base))})
            times[name].append(machine.call(["./run.sh"], "miss"))
    print(f"dead server: the first call takes {median(times['dead']) - median(times['without']):.0f} ms more than without a cache")


def runtime(base):
    """A directory for sockets, without a helper."""
    place = Path(tempfile.mkdtemp(prefix="run-", dir="/tmp"))
    options_made.append(place)
    return place


options_made = []


def publishing(base, options, url):
    """What the call itself takes longer where its result is written in the background."""
    key = {"CASHET_SIGNING_KEY": options.signing_key}
    place = Path(tempfile.mkdtemp(dir=base))
    plain = Machine(place, options, "plain", url, key, "write = false\n")
    writes = Machine(place, options, "writes", url, key, "write = true\n")
    differences = []
    for number in range(options.rounds * 2):
        took = {}
        for machine in random.sample([plain, writes], 2):
            (machine.project / "data.txt").write_text(f"{number} {random.random()}\n")
            took[machine] = machine.call(["./run.sh"], "miss")
            time.sleep(0.15)
        differences.append(took[writes] - took[plain])
    print(f"publishing in the background: the call takes {median(differences):+.2f} ms")


def large(base, options):
    """A large output from a server, beside curl."""
    url, variables = f"http://127.0.0.1:{options.http}", {"CASHET_REMOTE_TOKEN": "rw"}
    place = Path(tempfile.mkdtemp(dir=base))
    words = ["sh", "-c", f"head -c {options.large} /dev/urandom > large"]
    key = {"CASHET_SIGNING_KEY": options.signing_key}
    writer = Machine(place, options, "writer", url, {**variables, **key}, 'write = true\nupload = "wait"\n')
    writer.call(words, "miss")
    writer.empty()
    blob = max((base / "server-http/data/cas").iterdir(), key=lambda path: path.stat().st_size)
    reader = Machine(place, options, "reader", url, variables)
    ours, theirs = [], []
    for _ in range(9):
        reader.empty()
        # What the last round left to be written is no part of this one.
        os.sync()
        ours.append(reader.call(words, "hit"))
        reader.empty()
        os.sync()
        began = time.perf_counter()
        subprocess.run(["curl", "-sS", "-o", place / "by-curl", f"{url}/cas/{blob.name}"], check=True)
        theirs.append(time.perf_counter() - began)
        (place / "by-curl").unlink()
    blob.unlink()
    print(f"{options.large} bytes: fetched, verified, stored and restored in {median(ours):.0f} ms, by curl in {median(theirs):.0f} ms")


def peers(base, options, found):
    """A compiler's result from redis and http: cashet, ccache, sccache."""
    root = HERE.parent / "target/peers/root/usr"
    gcc = ["gcc", "-c", "main.c"]
    for name, url, variables in found:
        if name not in ("redis", "http"):
            continue
        whole, *_ = hits(base, options, f"gcc-{name}", url, variables, words=gcc)
        line = [f"cashet {median(whole):.0f} ms"]
        place = Path(tempfile.mkdtemp(dir=base))
        (place / "main.c").write_text(SOURCE)
        plain = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(place), "LD_LIBRARY_PATH": str(root / "lib/x86_64-linux-gnu")}

        def timed(words, environment, each=lambda: None):
            times = []
            for number in range(options.rounds + 2):
                each()
                (place / "main.o").unlink(missing_ok=True)
                began = time.perf_counter()
                subprocess.run(words, cwd=place, env=environment, check=True, capture_output=True)
                times.append(time.perf_counter() - began)
            return times[2:]

        ccache = shutil.which("ccache") or str(root / "bin/ccache")
        if Path(ccache).exists():
            cache = place / "ccache"
            remote = url if name == "redis" else f"{url}/team/|layout=bazel|header=Authorization=Bearer rw"
            # Version 4.7 sends no headers of its own: the server would refuse to write.
            if name == "redis":
                environment = {**plain, "CCACHE_DIR": str(cache), "CCACHE_REMOTE_STORAGE": remote, "CCACHE_RESHARE": "1"}
                times = timed([ccache, *gcc], environment, lambda: shutil.rmtree(cache, ignore_errors=True))
                line.append(f"ccache {median(times):.0f} ms")
        sccache = shutil.which("sccache") or str(root / "bin/sccache")
        if Path(sccache).exists() and name == "redis":
            environment = {**plain, "SCCACHE_REDIS": url, "SCCACHE_SERVER_PORT": str(free_port())}
            try:
                times = timed([sccache, *gcc], environment)
                line.append(f"sccache {median(times):.0f} ms (its server runs)")
            except subprocess.CalledProcessError as failed:
                line.append(f"sccache: {failed.stderr.decode().strip().splitlines()[-1:]}")
            subprocess.run([sccache, "--stop-server"], env=environment, capture_output=True)
        times = timed(gcc, plain)
        line.append(f"gcc itself {median(times):.0f} ms")
        print(f"gcc -c of one file, {name}: {', '.join(line)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cashet", required=True, type=lambda path: str(Path(path).resolve()), help="the program; cashet-remote lies beside it")
    parser.add_argument("--work", default=HERE.parent / "target", type=lambda path: Path(path).resolve())
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--records", type=int, default=0, help="fill dir: with so many records, and S3 for --seconds")
    parser.add_argument("--seconds", type=float, default=60, help="of filling S3")
    parser.add_argument("--large", type=int, default=0, metavar="BYTES", help="of one output")
    parser.add_argument("--peers", action="store_true", help="ccache and sccache, installed or unpacked in target/peers/root")
    parser.add_argument("--only", default="", help="kinds of caches, separated by commas: dir, redis, reapi, http, s3")
    options = parser.parse_args()
    keys = subprocess.run([options.cashet, "remote", "keygen"], capture_output=True, text=True, check=True).stdout
    options.signing_key, options.http, options.s3 = keys.splitlines()[1], None, None
    base = Path(tempfile.mkdtemp(prefix="sharing-", dir=options.work))
    servers = Servers(base)
    # Sockets have short paths.
    shared_runtime = runtime(base)
    try:
        found = []
        for name, url, variables in caches(options, servers, base):
            variables = {**variables, "XDG_RUNTIME_DIR": str(shared_runtime)}
            settings = variables
            if name == "https":
                settings = {**variables, "SSL_CERT_FILE": os.environ["BENCH_CA"]}
            found.append((name, url, settings))
            say(name, hits(base, options, name, url, settings))
            if name == "https":
                fresh = lambda number: {"XDG_RUNTIME_DIR": str(runtime(base))}  # noqa: E731
                say("https, the helper is started", hits(base, options, "https-fresh", url, settings, each=fresh, rounds=7))
        by_name = {name: (url, variables) for name, url, variables in found}
        if "dir" in by_name:
            publishing(base, options, by_name["dir"][0])
        dead(base, options)
        if options.peers:
            peers(base, options, found)
        if options.large and options.http:
            large(base, options)
        if options.records and "dir" in by_name:
            began = time.monotonic()
            fill_directory(base / "shared", options.records)
            print(f"dir: {options.records} records written in {time.monotonic() - began:.0f} s")
            say("dir, full", hits(base, options, "dir-full", *by_name["dir"]))
        if options.records and options.s3:
            count = fill_bucket(options.s3, options.seconds, options.records)
            print(f"s3: {count} records written in {options.seconds:.0f} s")
            say("s3, full", hits(base, options, "s3-full", *by_name["s3"]))
    finally:
        servers.stop()
        shutil.rmtree(base, ignore_errors=True)
        for place in options_made:
            shutil.rmtree(place, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
