"""What a list of commands is made of: small projects, and the commands that are called in them."""

import shlex
from dataclasses import dataclass, field

# Characters that make a line one for the shell.
SHELL = set("|&;<>()$`*?[#~\n") | {"\\"}

PROJECTS = []
DEFAULT = object()


@dataclass
class Command:
    """One ordinary command.

    `edit` is the change that has to be noticed: a file, a text in it, and what takes its place; or a line of shell.
    `before` is a line of shell that is run bare in every fresh tree. `changes_input` says that the run itself changes
    what it reads, so that the second call is another one. `shows` names what its result shows that differs in every
    clone. `no_way_back` says why the state of the first call cannot be had again by taking the change back.
    `uncounted` says why it is not one of the deterministic commands that work offline.
    """

    project: "Project"
    line: str
    edit: object = None
    needs: list = field(default_factory=list)
    modules: list = field(default_factory=list)
    packages: list = field(default_factory=list)
    before: str = ""
    env: dict = field(default_factory=dict)
    options: list = field(default_factory=list)
    changes_input: str = ""
    shows: str = ""
    no_way_back: str = ""
    uncounted: str = ""
    name: str = ""
    status: int = 0
    slow: bool = False

    @property
    def words(self):
        """What is executed."""
        if SHELL & set(self.line) or "=" in self.line.split()[0]:
            return ["sh", "-c", self.line]
        return shlex.split(self.line)


class Project:
    """Files, and what every command in them needs: programs, Python modules, npm packages."""

    def __init__(self, name, ecosystem, files, **defaults):
        self.name, self.ecosystem, self.files, self.defaults = name, ecosystem, files, defaults
        self.prepare = defaults.pop("prepare", "")
        self.commands = []
        PROJECTS.append(self)

    def __call__(self, line, edit=DEFAULT, **others):
        """Adds a command."""
        for option in ("needs", "modules", "packages"):
            both = f"{self.defaults.get(option, '')} {others.pop(option, '')}"
            others[option] = both.split()
        rest = {name: value for name, value in self.defaults.items() if name not in others}
        # No change at all is asked for by `edit=None`.
        default = rest.pop("edit", None)
        edit = default if edit is DEFAULT else edit
        command = Command(self, line, edit, **{**rest, **others})
        command.name = command.name or (line if len(line) <= 60 else line[:57] + "…")
        self.commands.append(command)
