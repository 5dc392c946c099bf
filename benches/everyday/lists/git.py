"""git."""

from project import Project

repository = Project(
    "repository", "git",
    {"a.txt": "one\ntwo\nthree\n", "src/b.py": "def b():\n    return 1\n", "README.md": "# It\n", ".gitignore": "*.o\nbuild/\n", "junk.tmp": "x\n"},
    needs="git",
    prepare="git rm -q --cached junk.tmp; git commit -qm 'Without it'; git tag -a v1.0 -m v1.0; echo four >> a.txt; git commit -qam 'Four'; git branch topic; git tag v1.1",
    edit="echo five >> a.txt && git -c user.name=x -c user.email=x@x commit -qam Five",
)  # fmt: skip
CHANGE = ("a.txt", "two", "TWO")
repository("git status", CHANGE)
repository("git status --short", "touch new.txt")
repository("git status --porcelain=v2 --branch", "git add -A && echo z > z && git add z")
repository("git diff", CHANGE, before="echo more >> README.md")
repository("git diff --stat HEAD~1")
repository("git diff --name-only v1.0", CHANGE)
repository("git diff --cached", "git add README.md", before="echo more >> README.md")
repository("git log")
repository("git log --oneline -n 5")
repository("git log -p -- a.txt")
repository("git log --format=%h --since=2020-01-01", uncounted="counts from the time of day")
repository("git show")
repository("git show HEAD:a.txt")
repository("git describe --tags --always")
repository("git describe --dirty", CHANGE)
repository("git blame a.txt")
repository("git grep -n return", ("src/b.py", "return 1", "return 2"))
repository("git ls-files", "touch new && git add new")
repository("git ls-tree -r HEAD")
repository("git rev-parse HEAD")
repository("git rev-parse --show-toplevel", edit=None, shows="the path of its own tree")
repository("git rev-parse --abbrev-ref HEAD", "git checkout -q -b other")
repository("git branch -a", "git branch other")
repository("git tag -l", "git tag v2")
repository("git shortlog -sn HEAD")
repository("git rev-list --count HEAD")
repository("git cat-file -p HEAD")
repository("git stash list", "echo x >> a.txt && git -c user.name=x -c user.email=x@x stash -q")
repository("git archive --format=tar -o it.tar HEAD")
repository("git format-patch -1 -o patches")
repository("git check-ignore -v x.o", (".gitignore", "*.o", "?.o"))
repository("git config --get user.name", "git config user.name Ada", before="git config user.name Bob")
repository("git remote -v", "git remote add other /nowhere")
repository("git fsck --no-dangling", shows="logs of its own clone")
repository("git commit -qam again", uncounted="makes a commit of the moment", before="echo x >> a.txt", env={"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"})
repository("git fetch -q", uncounted="network")
