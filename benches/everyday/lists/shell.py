"""The shell and what comes with it: text, files, small scripts."""

from project import Project

WORDS = "".join(f"{word}\n" for word in "pear apple fig cherry banana apple quince fig date lemon mango kiwi pear plum".split())
ROWS = "id,city,amount\n" + "".join(
    f"{n},{['Oslo', 'Bergen', 'Narvik', 'Bodø'][n % 4]},{n * 37 % 101}\n" for n in range(1, 81)
)
LOG = "".join(
    f"2024-03-01T12:{n // 60:02}:{n % 60:02}Z {['INFO', 'WARN', 'ERROR'][n % 7 % 3]} worker-{n % 5} took {n * 13 % 97} ms\n"
    for n in range(400)
)

text = Project(
    "text", "text tools",
    {"words.txt": WORDS, "other.txt": WORDS.replace("fig", "grape"), "t.csv": ROWS, "app.log": LOG,
     "codes.txt": "1 north\n2 south\n3 east\n", "names.txt": "1 ada\n2 bob\n3 cyd\n", "sums.md5": "",
     "fix.patch": "--- a/words.txt\n+++ b/words.txt\n@@ -1,3 +1,3 @@\n pear\n-apple\n+apricot\n fig\n",
     "total.awk": 'BEGIN { FS = "," }\nNR > 1 { sum[$2] += $3 }\nEND { for (city in sum) print city, sum[city] }\n',
     "tidy.sed": "s/INFO/info/\n/ERROR/d\n"},
    edit=("words.txt", "cherry", "cranberry"),
)  # fmt: skip
CSV = ("t.csv", "7,Bodø", "7,Tromsø")
LINES = ("app.log", "worker-3 took 39", "worker-3 took 4000")
text("sort words.txt", needs="sort")
text("sort -u words.txt -o sorted.txt", needs="sort")
text("sort -t, -k3,3n t.csv > by-amount.csv", CSV, needs="sort")
text("sort words.txt | uniq -c | sort -rn", needs="sort uniq")
text("cut -d, -f2 t.csv | sort | uniq -c > counts.txt", CSV, needs="sort uniq cut")
text("awk -F, 'NR > 1 { s += $3 } END { print s }' t.csv", ("t.csv", "7,Bodø,57", "7,Bodø,58"), needs="awk")
text("awk -f total.awk t.csv > totals.txt", ("total.awk", "$3", "2 * $3"), needs="awk")
text("sed -n '10,20p' app.log", ("app.log", "12:00:12Z", "13:00:12Z"), needs="sed")
text("sed 's/fig/FIG/' words.txt > upper.txt", needs="sed")
text("sed -f tidy.sed app.log > tidy.log", LINES, needs="sed")
text("sed -i 's/fig/prune/' words.txt", needs="sed", changes_input="rewrites its input in place")
text("sed -i.bak 's/apple/APPLE/' words.txt", needs="sed", changes_input="rewrites its input in place")
text("grep -n ERROR app.log", ("app.log", "WARN worker-1", "ERROR worker-1"), needs="grep")
text("grep -rn pear .", ("words.txt", "plum", "pear tree"), needs="grep")
text("grep -c apple words.txt other.txt", ("words.txt", "plum", "apple pie"), needs="grep")
text("grep -v '^#' words.txt > plain.txt", needs="grep")
text("wc -l words.txt t.csv app.log", ("words.txt", "plum\n", "plum\nnut\n"), needs="wc")
text("wc words.txt", needs="wc")
text("head -n 5 words.txt", needs="head")
text("tail -n 20 app.log", ("app.log", "12:06:39Z", "13:06:39Z"), needs="tail")
text("tr a-z A-Z < words.txt > loud.txt", needs="tr")
text("paste -d, words.txt other.txt > pairs.csv", needs="paste")
text("join codes.txt names.txt", ("names.txt", "ada", "eve"), needs="join")
text("bash -c 'comm -12 <(sort -u words.txt) <(sort -u other.txt)'", needs="comm sort bash")
text("split -l 100 app.log part.", LINES, needs="split")
text("csplit -s t.csv 20 40", CSV, needs="csplit")
text("cat words.txt other.txt > all.txt", needs="cat")
text("cat words.txt | tee copy.txt | wc -l", needs="cat tee wc")
text("diff -u words.txt other.txt", uncounted="ends with status 1: kept only with --cache-exit", status=1, needs="diff")
text("diff -u words.txt other.txt > changes.diff || true", needs="diff", shows="file times")
text("cmp words.txt words.txt", needs="cmp")
text("patch -o patched.txt words.txt fix.patch", needs="patch", edit=("fix.patch", "apricot", "almond"))
text("patch -p1 < fix.patch", needs="patch", edit=("fix.patch", "apricot", "almond"), changes_input="rewrites its input in place; fails the second time",
     options=["--cache-exit", "0,1"])  # fmt: skip
text("nl -ba words.txt", needs="nl")
text("fold -w 40 app.log > narrow.log", LINES, needs="fold")
text("fmt -w 60 words.txt", needs="fmt")
text("tac words.txt", needs="tac")
text("od -c words.txt", needs="od")
text("base64 words.txt > words.b64", needs="base64")
text("sha256sum words.txt t.csv > sums.txt", needs="sha256sum")
text("md5sum words.txt > w.md5 && md5sum -c w.md5", needs="md5sum")
text("column -t -s, t.csv", CSV, needs="column")
text("seq 1 100 | factor | tail -n 3", needs="seq factor tail", edit=None)
text("gawk 'BEGINFILE { print FILENAME } { n++ } END { print n }' words.txt other.txt", ("words.txt", "plum\n", "plum\nnut\n"), needs="gawk")
text("rg -n ERROR", ("app.log", "WARN worker-1", "ERROR worker-1"), needs="rg")
text("rg --files", "touch brand-new.txt", needs="rg")
text("jq -R -s 'split(\"\\n\") | length' words.txt", ("words.txt", "plum\n", "plum\nnut\n"), needs="jq")
text("printf '1 + 2 * 7\\n' | bc", needs="bc", edit=None)
text("shuf --random-source=t.csv words.txt", needs="shuf")
text("perl -ne 'print if /an/' words.txt", ("words.txt", "mango", "manga an"), needs="perl")
text("perl -pe 's/a/o/g' words.txt > oo.txt", needs="perl")
text("perl -i -pe 's/fig/prune/' words.txt", needs="perl", changes_input="rewrites its input in place")
text("vim -es -u NONE -c '%s/fig/FIG/e' -c wq words.txt", needs="vim", changes_input="rewrites its input in place")
text("m4 -DOslo=Bodo t.csv", CSV, needs="m4")

files = Project(
    "files", "files and scripts",
    {**{f"tree/d{n}/f{m}.txt": f"{n}.{m}\n" * (m + 1) for n in range(4) for m in range(5)}, "tree/top.md": "# top\n",
     "job.sh": "#!/bin/sh\nset -e\nmkdir -p out\nfor f in tree/d*/f1.txt; do\n    wc -c < $f >> out/sizes.new\ndone\nmv out/sizes.new out/sizes\ncat out/sizes\n",
     "work.sh": "#!/bin/bash\ntrap 'rm -f \"$T\"' EXIT\nT=$(mktemp)\n(cat tree/top.md > \"$T\") &\nwait\ncat \"$T\" - <<END\nof $(ls tree | wc -l)\nEND\n",
     "pipe.sh": "#!/bin/bash\nP=$(mktemp -u)\nmkfifo $P\ncat tree/d1/f2.txt > $P &\ncat $P\nwait\nrm $P\n",
     "lib.sh": "greet() { echo \"hello $1\"; }\n", "main.sh": ". ./lib.sh\ngreet world > greeting\n",
     "list.txt": "tree/d0/f0.txt\ntree/d1/f1.txt\n"},
    edit=("tree/d1/f1.txt", "1.1", "one.one"),
)  # fmt: skip
NEW = "printf x > tree/d2/new.txt"
files("find . -name '*.md' -not -path './.git/*'", "mkdir tree/more && touch tree/more/a.md", needs="find")
files("find tree -type f -size -2 | sort", NEW, needs="find sort")
files("find tree -name 'f*.txt' | sort | xargs cat > all.txt", needs="find xargs sort cat")
files("find tree -name '*.txt' -print0 | xargs -0 -P2 -n4 wc -c | awk '{ s += $1 } END { print s }'", ("tree/d1/f1.txt", "1.1\n", "1.1\nmore\n"), needs="find xargs wc awk")
files("find tree -name '*.txt' -exec sed -n 1p {} +", needs="find sed")
files("find tree -name f3.txt -delete", needs="find", changes_input="removes what it finds", edit="printf x > tree/top3 && mkdir tree/d9 && printf x > tree/d9/f3.txt")
files("ls tree", "touch tree/z", needs="ls")
files("ls -lR tree", NEW, needs="ls", shows="file times")
files("du -sb tree", ("tree/d1/f1.txt", "1.1\n", "1.1\nmore\n"), needs="du", shows="file times")
files("du -a --apparent-size tree | sort -k2", "head -c 9000 /dev/zero > tree/d1/f1.txt", needs="du sort", shows="file times")
files("stat -c '%s %n' tree/d1/f1.txt", ("tree/d1/f1.txt", "1.1\n", "1.1\nmore\n"), needs="stat")
files("tree tree", NEW, needs="tree")
files("cp -r tree copy", needs="cp", changes_input="the second time it copies into the first copy")
files("cp -a tree copy", needs="cp", shows="file times", changes_input="the second time it copies into the first copy")
files("cp tree/d1/f1.txt tree/d1/f2.txt dest/", needs="cp", before="mkdir -p dest")
files("rsync -a tree/ copy/", needs="rsync", shows="file times")
files("rsync -r --delete tree/ copy/", needs="rsync", shows="the mode of its input")
files("install -D -m 755 job.sh bin/job", ("job.sh", "set -e", "set -eu"), needs="install")
files("mv tree/d1/f1.txt moved.txt", needs="mv", changes_input="moves its input away; fails the second time", options=["--cache-exit", "0,1"])
files("mkdir -p a/b/c && touch a/b/c/x", needs="mkdir touch", edit=None)
files("ln -sf tree/d1/f1.txt link", needs="ln", edit=None)
files("rm -rf build && mkdir build && cp tree/top.md build/", ("tree/top.md", "top", "bottom"), needs="rm mkdir cp")
files("chmod +x list.txt", needs="chmod", changes_input="changes its input's mode", shows="the mode of its input", edit=None)
files("./job.sh", ("tree/d2/f1.txt", "2.1\n", "2.1\nmore\n"), needs="sh wc mv cat")
files("bash work.sh", ("tree/top.md", "top", "bottom"), needs="bash ls wc cat")
files("bash pipe.sh", ("tree/d1/f2.txt", "1.2", "one.two"), needs="bash cat")
files("sh main.sh", ("lib.sh", "hello", "good day"), needs="sh")
files("sh -c 'for d in tree/*/; do echo $d; cat $d/f0.txt; done > out.txt'", ("tree/d3/f0.txt", "3.0", "three"), needs="sh cat")
files("env FOO=1 sh -c 'echo $FOO; cat list.txt'", ("list.txt", "f0", "f3"), needs="env sh cat")
files("timeout 10 sort list.txt", ("list.txt", "f0", "f3"), needs="timeout sort")
files("nice -n 5 sort list.txt > sorted.txt", ("list.txt", "f0", "f3"), needs="nice sort")
files("flock lock.file sort list.txt", ("list.txt", "f0", "f3"), needs="flock sort")
files("xargs -a list.txt -n1 md5sum", needs="xargs md5sum")
files("while read f; do wc -c $f; done < list.txt", ("list.txt", "f0", "f3"), needs="wc sh")
files("[ -d out ] || mkdir out; cat tree/d1/*.txt > out/all; wc -l < out/all", ("tree/d1/f1.txt", "1.1\n", "1.1\nmore\n"), needs="mkdir cat wc")
files("test -f list.txt && echo yes", needs="sh", edit=None)
files("echo started >> run.log; cat list.txt", ("list.txt", "f0", "f3"), needs="cat")
files("date > stamp", needs="sh", uncounted="shows the time")
files("mktemp -u", needs="mktemp", uncounted="draws a name at random")
files("curl -s http://127.0.0.1:9/", needs="curl", uncounted="network", status=7)

archives = Project(
    "archives", "archives and compression",
    {**{f"tree/d{n}/f{m}.txt": f"line {n}.{m}\n" * 40 for n in range(3) for m in range(4)}, "t.csv": ROWS, "n.txt": "one\n"},
    edit=("tree/d1/f1.txt", "line 1.1", "row 1.1"),
)  # fmt: skip
archives("tar cf tree.tar tree", needs="tar", shows="file times")
archives("tar czf tree.tgz tree", needs="tar gzip", shows="file times")
archives("tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw --mtime=2024-01-01 -cf same.tar tree", needs="tar", name="tar c, reproducible", shows="file times")
archives("tar xzf tree.tgz -C out", needs="tar gzip", before="mkdir out && tar czf tree.tgz --mtime=2024-01-01 tree", edit="tar czf tree.tgz --mtime=2024-01-01 tree/d1",
         shows="its archive is made anew in every clone")  # fmt: skip
archives("tar tf tree.tar", needs="tar", before="tar cf tree.tar --mtime=2024-01-01 tree", edit="tar cf tree.tar --mtime=2024-01-01 tree/d1", shows="its archive is made anew in every clone")
archives("gzip -k t.csv", CSV, needs="gzip", shows="file times", options=["--cache-exit", "0,2"])
archives("gzip -kf t.csv", CSV, needs="gzip", shows="file times")
archives("gzip -nc t.csv > t.gz", CSV, needs="gzip")
archives("gzip -dc data.gz", needs="gzip", before="gzip -nc t.csv > data.gz", edit="gzip -nc n.txt > data.gz")
archives("xz -kf t.csv", CSV, needs="xz", shows="the mode of its input")
archives("zstd -qf t.csv -o t.zst", CSV, needs="zstd", shows="the mode of its input")
archives("bzip2 -kf t.csv", CSV, needs="bzip2", shows="the mode of its input")
archives("zip -r tree.zip tree", needs="zip", shows="file times", changes_input="updates the archive that is there")
archives("zip -X -q - t.csv > t.zip", CSV, needs="zip", shows="file times")
archives("unzip -o -q data.zip -d out", needs="unzip zip", before="touch -d 2024-01-01 t.csv n.txt && zip -qX data.zip t.csv n.txt", edit="touch -d 2024-01-01 t.csv && zip -qX data.zip t.csv && zip -qd data.zip n.txt", shows="its archive is made anew in every clone")
archives("unzip -l data.zip", needs="unzip zip", before="touch -d 2024-01-01 t.csv n.txt && zip -qX data.zip t.csv n.txt", edit="zip -qd data.zip n.txt", shows="its archive is made anew in every clone")
archives("find tree -type f | sort | cpio -o --quiet > tree.cpio", needs="cpio find sort", shows="file times")
archives("openssl dgst -sha256 t.csv", CSV, needs="openssl")
archives("openssl enc -aes-256-cbc -pbkdf2 -nosalt -k pw -in t.csv -out t.enc", CSV, needs="openssl")
archives("openssl genrsa -out key.pem 2048", needs="openssl", uncounted="draws a key at random")
archives("sha256sum tree/*/*.txt > SHA256SUMS", needs="sha256sum")
archives("split -b 1k t.csv piece. && cat piece.* > joined", CSV, needs="split cat")
