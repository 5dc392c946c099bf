"""Databases, Perl and smaller languages, documents and pictures, tools of administrators."""

from project import Project

sql = Project(
    "sql", "databases",
    {"make.sql": "create table t (n int, c text);\ninsert into t values (1, 'a'), (2, 'b');\n", "ask.sql": "select sum(n), count(*) from t;\n", "rows.csv": "n,c\n1,a\n2,b\n"},
    needs="sqlite3", edit=("make.sql", "(2, 'b')", "(2, 'b'), (3, 'c')"),
)  # fmt: skip
DB = "sqlite3 t.db < make.sql"
MORE = "sqlite3 t.db \"insert into t values (9, 'z')\""
sql("cat make.sql ask.sql | sqlite3", needs="cat")
sql("sqlite3 t.db 'select * from t'", MORE, before=DB)
sql("sqlite3 -header -csv t.db 'select * from t' > out.csv", MORE, before=DB)
sql("sqlite3 t.db < ask.sql", MORE, before=DB)
sql("sqlite3 t.db .dump", MORE, before=DB)
sql("sqlite3 t.db .schema", "sqlite3 t.db 'create table u (x)'", before=DB)
sql("rm -f new.db && sqlite3 new.db < make.sql")
sql("sqlite3 new.db '.mode csv' '.import rows.csv r' 'select count(*) from r'", ("rows.csv", "2,b", "2,b\n3,c"), changes_input="adds to the database that is there")
sql("sqlite3 t.db \"insert into t values (7, 'x')\"", MORE, before=DB, changes_input="adds to the database that is there")
sql("sqlite3 t.db 'pragma integrity_check'", before=DB, edit=None)
sql("sqlite3 t.db \".backup copy.db\"", MORE, before=DB)
sql("sqlite3 t.db vacuum", MORE, before=DB, changes_input="rewrites the database that is there")

perl = Project(
    "perl", "Perl, Lua, Tcl",
    {"lib/My.pm": "package My;\nsub twice { 2 * $_[0] }\n1;\n", "main.pl": "use strict;\nuse lib 'lib';\nuse My;\nopen my $f, '<', 'data.txt' or die;\nmy @l = <$f>;\nprint My::twice(scalar @l), \"\\n\";\n",
     "t/a.t": "use Test::More tests => 1;\nuse lib 'lib';\nuse My;\nis(My::twice(2), 4);\n", "data.txt": "1\n2\n",
     "write.pl": "mkdir 'out';\nopen my $o, '>', 'out/x';\nopen my $f, '<', 'data.txt';\nprint $o reverse <$f>;\n",
     "main.lua": "local f = io.open('data.txt')\nlocal s = f:read('a')\nprint(#s)\nlocal o = io.open('len.txt', 'w')\no:write(#s)\no:close()\n",
     "main.tcl": "set f [open data.txt]\nputs [string length [read $f]]\nset o [open len.txt w]\nputs $o x\nclose $o\n"},
    edit=("data.txt", "2\n", "2\n3\n"),
)  # fmt: skip
perl("perl main.pl", needs="perl")
perl("perl -Ilib -MMy -e 'print My::twice(21)'", ("lib/My.pm", "2 *", "3 *"), needs="perl")
perl("perl write.pl", needs="perl")
perl("perl -c main.pl", ("main.pl", "use strict;", "use strict; use warnings; my $x; my $x;"), needs="perl")
perl("prove -Ilib t", ("lib/My.pm", "2 *", "1 + 1 *"), needs="prove")
perl("prove -v t", ("t/a.t", "2), 4)", "3), 6)"), needs="prove")
perl("lua5.4 main.lua", needs="lua5.4")
perl("tclsh main.tcl", needs="tclsh")
perl("pod2text main.pl", ("main.pl", "use strict;", "use strict;\n\n=pod\n\nText.\n\n=cut\n"), needs="pod2text")

documents = Project(
    "documents", "documents and pictures",
    {"data.json": '{"a": [1, 2, 3], "b": {"c": "x"}}\n', "doc.xml": "<r><a n='1'>x</a><a n='2'>y</a></r>\n", "page.1": ".TH PAGE 1\n.SH NAME\npage \\- text\n",
     "a.ppm": "P3 2 2 255\n255 0 0 0 255 0 0 0 255 9 9 9\n", "messages.po": 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "a"\nmsgstr "b"\n', "prog.c": 'int main(void) { puts(gettext("hello")); }\n',
     "words.txt": "one\ntwo\n"},
    edit=("data.json", "3]", "3, 4]"),
)  # fmt: skip
documents("jq .b.c data.json", ("data.json", '"x"', '"y"'), needs="jq")
documents("jq -c '.a[]' data.json > a.jsonl", needs="jq")
documents("jq --sort-keys . data.json > sorted.json", needs="jq")
documents("xmllint --format doc.xml", ("doc.xml", ">x<", ">z<"), needs="xmllint")
documents("xmllint --xpath 'string(//a[1])' doc.xml", ("doc.xml", ">x<", ">z<"), needs="xmllint")
documents("groff -man -Tascii page.1 > page.txt", ("page.1", "text", "other"), needs="groff")
documents("convert a.ppm -resize 8x8 a.bmp", ("a.ppm", "9 9 9", "8 8 8"), needs="convert")
documents("convert a.ppm a.jpg", ("a.ppm", "9 9 9", "8 8 8"), needs="convert")
documents("identify a.ppm", ("a.ppm", "2 2 255\n", "1 2 255\n"), needs="identify")
documents("mogrify -negate a.ppm", ("a.ppm", "9 9 9", "8 8 8"), needs="mogrify", changes_input="rewrites its input in place")
documents("msgfmt messages.po -o messages.mo", ("messages.po", '"b"', '"c"'), needs="msgfmt")
documents("xgettext -o - --omit-header -k prog.c -kgettext", ("prog.c", "hello", "bye"), needs="xgettext")
documents("file a.ppm words.txt", ("words.txt", "one", "\x1b\x00one"), needs="file")
documents("iconv -f utf-8 -t utf-16 words.txt > wide.txt", ("words.txt", "one", "uno"), needs="iconv")
documents("docker --version", needs="docker", edit=None)
documents("terraform fmt -check", "printf 'a   = 1\\n' > a.tf", needs="terraform")
