"""One command: called bare and through cashet, step by step, in clones of one repository."""

import datetime
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from trees import changed_paths, likeness, put_back, remove, snapshot, tree_likeness

NOBODY = 65534
PATH = "the path of its own tree"
MOMENT = "2024-03-01T12:00:00Z"
GIT = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
       (("NAME", who.lower()), ("EMAIL", f"{who.lower()}@example.org"), ("DATE", MOMENT))}


class Skipped(Exception):
    """A command that cannot be tried here, and why."""


@dataclass
class Given:
    """What a call gave."""

    status: int
    stdout: bytes
    stderr: bytes
    cpu: float
    report: dict = field(default_factory=dict)

    @property
    def is_hit(self):
        return self.report.get("outcome") == "hit"

    @property
    def outcome(self):
        """How cashet answered, in a few words."""
        if self.report.get("outcome") != "miss":
            return self.report.get("outcome", "no report")
        if self.report.get("not_kept"):
            return "not kept: {reason}: {detail}".format(**{"detail": "", **self.report["not_kept"]})
        return "miss: " + "; ".join(self.report.get("reasons") or [])


class Place:
    """A clone with a HOME and a TMPDIR of its own, and who calls there."""

    def __init__(self, base, path, umask=0o022, user=None):
        self.path = path
        self.root, self.home, self.tmp = base / "project", base / "home", base / "tmp"
        self.umask, self.user = umask, user
        self.changed = 0
        self.home.mkdir(parents=True)
        self.tmp.mkdir()
        # As /tmp is: jupyter sets the bit where it is missing.
        self.tmp.chmod(0o1777)
        # Once a day npm asks the network for a newer npm; a HOME that is in use was asked for already.
        (self.home / ".npm").mkdir()
        (self.home / ".npm/_update-notifier-last-checked").touch()
        self.pip_asked(path)

    def pip_asked(self, path):
        """Notes for pip, as it does itself once a week, that it asked the network for a newer pip."""
        program = shutil.which("pip", path=path)
        if program is None:
            return
        prefix = str(Path(program).parent.parent)
        note = self.home / ".cache/pip/selfcheck" / hashlib.sha224(prefix.encode()).hexdigest()
        note.parent.mkdir(parents=True)
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        note.write_text(json.dumps({"key": prefix, "last_check": now, "pypi_version": "0"}))

    def call(self, settings, words, env=None):
        """Makes a call and waits for its end."""
        known = {"PATH": self.path, "HOME": str(self.home), "TMPDIR": str(self.tmp), "LANG": "C.UTF-8"}
        who = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(
                words, cwd=self.root, env={**known, **settings.variables, **(env or {})}, umask=self.umask,
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, **who,
            )  # fmt: skip
            timer = threading.Timer(settings.timeout, process.kill)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            timer.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            streams = []
            for stream in (stdout, stderr):
                stream.seek(0)
                streams.append(stream.read())
        lines = streams[1].splitlines(keepends=True)
        own = b"".join(line for line in lines if not line.startswith(b"cashet: "))
        return Given(process.returncode, streams[0], own, usage.ru_utime + usage.ru_stime)

    def text(self, given):
        """Both streams without the names of this place."""
        def plain(text):
            for path, name in ((self.root, b"ROOT"), (self.home, b"HOME"), (self.tmp, b"TMP")):
                text = text.replace(os.fsencode(path), name)
            return text

        return plain(given.stdout), plain(given.stderr)


class Trial:
    """The steps of one command. `row` is what came of them."""

    def __init__(self, command, settings, base):
        self.command, self.settings, self.base = command, settings, base
        self.row = {"name": command.name, "ecosystem": command.project.ecosystem, "uncounted": command.uncounted,
                    "changes_input": command.changes_input, "shows": command.shows,
                    "no_way_back": command.no_way_back, "wrong": []}  # fmt: skip
        self.calls = 0
        # No user has directories on PATH that this user may not enter.
        self.user = NOBODY if settings.may_change_user(command) else None
        self.path = settings.path if self.user is None else settings.path_of_both()

    # The trees.

    def upstream(self):
        """The repository that all trees are clones of."""
        # Whoever calls in the other clone has to come there.
        self.base.chmod(0o755)
        for name in ("store", "reports", "shared"):
            (self.base / name).mkdir()
        source = self.base / "source"
        source.mkdir(parents=True)
        for path, text in self.command.project.files.items():
            place = source / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text if isinstance(text, bytes) else text.encode())
            if place.suffix in (".sh", "") and place.read_bytes().startswith(b"#!"):
                place.chmod(0o755)
        home = self.base / "home"
        home.mkdir()
        environment = {**os.environ, **GIT, "HOME": str(home), "PATH": self.settings.path, "GIT_CONFIG_NOSYSTEM": "1"}
        environment.pop("GIT_DIR", None)
        script = "git init -q -b main . && git add -A -f && git commit -q -m 'The first one'"
        script += f"\n{self.command.project.prepare}"
        done = subprocess.run(["sh", "-e", "-c", script], cwd=source, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise Skipped(f"its project cannot be made: {done.stderr.strip()[-200:]}")
        self.environment = environment
        return source

    def place(self, name, apart=False, **who):
        """A clone of it, with the packages that it needs; and what has to be done there before. Where it is to stand apart, its
        files came in another order."""
        place = Place(self.base / name, self.path, **who)
        place.root.parent.parent.chmod(0o755)
        clone = ["git", "clone", "-q", f"file://{self.base / 'source'}", str(place.root)]
        done = subprocess.run(clone, env=self.environment, umask=place.umask, capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"it cannot be cloned: {done.stderr}")
        place.changed = time.time()
        if self.command.packages:
            self.settings.install_packages(self.command.packages, place.root / "node_modules")
        if place.user is not None:
            subprocess.run(["chown", "-R", f"{place.user}:{place.user}", str(place.root.parent)], check=True)
        if apart:
            spread_times(place.root)
        if self.command.before:
            done = place.call(self.settings, ["sh", "-e", "-c", self.command.before], self.env(place))
            if done.status:
                raise Skipped(f"what comes before it fails: {done.stderr.decode(errors='replace').strip()[-200:]}")
        return place

    # The calls.

    def env(self, place):
        return {name: value.replace("ROOT", str(place.root)) for name, value in self.command.env.items()}

    def bare(self, place):
        return place.call(self.settings, self.command.words, self.env(place))

    def sharing(self, **others):
        """The variables of those who share a cache, and trust each other."""
        return {"CASHET_REMOTE": f"dir:{self.base / 'shared'}", "CASHET_SIGNING_KEY": self.settings.signing_key, **others}

    def cashet(self, place, **variables):
        """The command through cashet."""
        # As long as it takes until the time of a file that changes again is another one.
        time.sleep(0.03)
        self.calls += 1
        report = self.base / "reports" / str(self.calls)
        report.parent.chmod(0o777)
        words = [self.settings.cashet, "exec", "--report", str(report), *self.command.options, "--", *self.command.words]
        given = place.call(self.settings, words, {**self.env(place), "CASHET_DIR": str(self.base / "store"), **variables})
        if report.exists():
            given.report = json.loads(report.read_bytes())
        return given

    def await_second(self, place):
        """Waits until a change has another time in seconds: Python takes bytecode of a source of the same size and second."""
        if "python3" in self.command.needs or self.command.modules:
            time.sleep(max(0, place.changed + 1.1 - time.time()))
        place.changed = time.time()

    def edit(self, place):
        """Makes the change; paths that it changed, and what they were."""
        self.await_second(place)
        before = snapshot(place.root, with_git=True)
        edit = self.command.edit
        if isinstance(edit, str):
            # Bytecode would stay where the change is taken back.
            quiet = {**GIT, "PYTHONDONTWRITEBYTECODE": "1"}
            done = place.call(self.settings, ["sh", "-e", "-c", edit], {**quiet, **self.env(place)})
            if done.status:
                raise Skipped(f"its change fails: {done.stderr.decode(errors='replace').strip()[-200:]}")
        else:
            path, old, new = edit
            text = (place.root / path).read_text()
            if old not in text:
                raise Skipped(f"its change finds no {old!r} in {path}")
            (place.root / path).write_text(text.replace(old, new))
        return before, changed_paths(before, snapshot(place.root, with_git=True))

    # What came of it.

    def compare(self, ours, our_place, theirs, their_place):
        """How like two calls are: status, stdout, stderr, tree."""
        left, right = our_place.text(ours), their_place.text(theirs)
        trees = [snapshot(place.root) for place in (our_place, their_place)]
        return (
            ("=" if ours.status == theirs.status else "!")
            + likeness(left[0], right[0])
            + likeness(left[1], right[1])
            + tree_likeness(*trees, our_place.root, their_place.root)
        )

    def judge(self, step, given, like):
        """Notes what a call came to, and whether a hit gave what it should not."""
        self.row[step] = given.is_hit
        self.row[f"{step} outcome"] = given.outcome
        self.row[f"{step} like"] = like
        if given.is_hit and self.is_other(like):
            self.row["wrong"].append(step)

    def is_other(self, like):
        """Whether a result is another one than it should be, in something in which two bare calls are alike."""
        return any(ours == "!" and theirs != "!" for ours, theirs in zip(like, self.row["bare"]))

    def run(self):
        """All steps."""
        self.upstream()
        here, bare, other = self.place("here"), self.place("bare"), self.place("other")
        original = snapshot(here.root)
        plain = self.bare(bare)
        if plain.status != self.command.status:
            raise Skipped(f"it ends with {plain.status} bare: {(plain.stderr or plain.stdout).decode(errors='replace').strip()[-300:]}")
        again = self.bare(other)
        if not self.row["shows"] and shows_place(bare, plain, original):
            self.row["shows"] = PATH
        # Two clones, called bare: what differs here is nothing that cashet could help.
        self.row["bare"] = self.compare(plain, bare, again, other)

        first = self.cashet(here)
        self.row["first"] = first.outcome
        self.row["like"] = self.compare(first, here, plain, bare)
        self.row["cpu"] = [plain.cpu, first.cpu]
        made = snapshot(here.root)
        recorded = last = first
        for step in ("second", "third") if self.asks("second", "third") else ():
            given = self.cashet(here)
            self.judge(step, given, "=" + likeness(given.stdout, last.stdout) if given.is_hit else "")
            if recorded.report.get("not_kept") and not given.is_hit:
                # The runs before this one were not recorded.
                recorded, made = given, snapshot(here.root)
            if not given.is_hit or self.command.changes_input:
                last = given
        if "second" in self.row:
            self.row["third"] = self.row["second"] or self.row["third"]
        push = [self.settings.cashet, "remote", "push"]
        writer = self.sharing(CASHET_DIR=str(self.base / "store"), CASHET_REMOTE_WRITE="1")
        self.row["pushed"] = here.call(self.settings, push, writer).stdout.decode()

        if self.asks("deleted"):
            self.restore(here, original, made, recorded)
        if self.command.edit and self.asks("noticed", "back"):
            self.change_and_take_back(here, bare, original, recorded)
        self.elsewhere(again, other)
        return self.row

    def asks(self, *figures):
        """Whether one of these figures is wanted."""
        return not self.settings.figures.isdisjoint(figures)

    def restore(self, here, original, made, first):
        """Its outputs are deleted."""
        put_back(here.root, original)
        given = self.cashet(here)
        same = "=" if given.status == first.status else "!"
        now = snapshot(here.root)
        tree = "=" if now == made else "!"
        if tree == "!":
            self.row["not restored"] = sorted(changed_paths(made, now))[:5]
        self.judge("deleted", given, same + likeness(given.stdout, first.stdout) + likeness(given.stderr, first.stderr) + tree)

    def change_and_take_back(self, here, bare, original, first):
        """An input becomes another one, and then what it was."""
        olds = []
        for place in (here, bare):
            if self.command.changes_input:
                put_back(place.root, original)
            olds.append(self.edit(place))
        theirs = self.bare(bare)
        ours = self.cashet(here)
        like = self.compare(ours, here, theirs, bare)
        self.judge("noticed", ours, like)
        self.row["noticed"] = not ours.is_hit and not self.is_other(like)
        self.row["later cpu"] = [theirs.cpu, ours.cpu]
        before, paths = olds[0]
        if self.command.changes_input:
            put_back(here.root, original)
        self.await_second(here)
        put_back(here.root, before, paths)
        given = self.cashet(here)
        same = "=" if given.status == first.status else "!"
        self.judge("back", given, same + likeness(given.stdout, first.stdout))

    def elsewhere(self, theirs, their_place):
        """Another clone, whose files came later and in another order."""
        self.row["user"] = self.user is not None
        if self.asks("clone"):
            self.in_clone(theirs, their_place, self.user)
        if self.asks("shared"):
            self.with_shared_cache(theirs, their_place, self.user)

    def differs(self, theirs, their_place, user, **variables):
        """In what a bare call gives something else there: then no cache can help."""
        name = f"bares/{len(variables)}"
        place = self.place(name, umask=0o077 if user is None else 0o027, user=user, apart=True)
        given = place.call(self.settings, self.command.words, {**self.env(place), **variables})
        like = self.compare(given, place, theirs, their_place)
        remove(place.root.parent)
        return like if self.is_other(like) else ""

    def in_clone(self, theirs, their_place, user):
        """It has the same store."""
        self.row["clone differs"] = self.differs(theirs, their_place, user)
        place = self.place("elsewhere/deeper", umask=0o077 if user is None else 0o027, user=user, apart=True)
        if user is not None:
            open_to_all(self.base)
        given = self.cashet(place)
        self.judge("clone", given, self.compare(given, place, theirs, their_place))

    def with_shared_cache(self, theirs, their_place, user):
        """It has an empty store, and the same shared cache."""
        self.row["shared differs"] = self.differs(theirs, their_place, user, CI="true")
        place = self.place("shares/deeper", umask=0o077 if user is None else 0o027, user=user, apart=True)
        store = self.base / "own-store"
        store.mkdir()
        store.chmod(0o700)
        if user is not None:
            (self.base / "shares").chmod(0o755)
            os.chown(store, user, user)
        given = self.cashet(place, CI="true", **self.sharing(CASHET_DIR=str(store)))
        self.judge("shared", given, self.compare(given, place, theirs, their_place))
        if not given.is_hit:
            refused = [line for line in self.row["pushed"].splitlines() if "not shared" in line]
            told = refused[:1] or self.why(place)
            self.row["shared outcome"] = "; ".join([given.outcome, *told])

    def why(self, place):
        """What of the first run does not hold there."""
        if place.user is not None:
            open_to_all(self.base)
        words = [self.settings.cashet, "why", *self.command.options, "--", *self.command.words]
        given = place.call(self.settings, words, {**self.env(place), "CASHET_DIR": str(self.base / "store"), "CI": "true"})
        return [line.strip() for line in given.stdout.decode(errors="replace").splitlines()[:8]]

    def clean(self):
        remove(self.base)


def shows_place(place, given, original):
    """Whether what a bare call printed or wrote contains the path of its tree."""
    path = os.fsencode(place.root)
    texts = [given.stdout, given.stderr]
    for name, (kind, _, content) in snapshot(place.root).items():
        if kind in ("file", "link") and original.get(name, (None, None, None))[2] != content:
            texts.append(os.fsencode(content))
    return any(path in text for text in texts)


def spread_times(root):
    """Gives the project's files times in another order than the one in which they were written."""
    then = time.time() - 3600
    paths = []
    for above, directories, names in os.walk(root):
        directories[:] = [name for name in directories if name not in (".git", "node_modules")]
        paths.extend(os.path.join(above, name) for name in names)
    for number, path in enumerate(sorted(paths, key=lambda path: path[::-1])):
        if not os.path.islink(path):
            os.utime(path, (then + number, then + number))


def open_to_all(base):
    """Lets another user use the store and the clone."""
    for name in ("elsewhere", "shares"):
        if (base / name).exists():
            (base / name).chmod(0o755)
    for above, _, names in os.walk(base / "store"):
        os.chmod(above, 0o777)
        for name in names:
            path = os.path.join(above, name)
            os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode) | 0o666)


def copy_tree(source, target):
    """Copies a directory with what is in it, links as links."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
