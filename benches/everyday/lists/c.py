"""C, C++, make, and what works on their products."""

from project import Project

MAKEFILE = """CFLAGS = -O1 -Wall
app: main.o util.o
\t$(CC) -o $@ $^
%.o: %.c util.h
\t$(CC) $(CFLAGS) -c -o $@ $<
test: app
\t./app > got.txt && cat got.txt
install: app
\tinstall -D app $(DESTDIR)/bin/app
clean:
\trm -f app *.o got.txt
"""
FILES = {
    "main.c": '#include <stdio.h>\n#include "util.h"\nint main(int argc, char **argv)\n{\n    printf("%d\\n", twice(argc + 20));\n    FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;\n    int c, n = 0;\n    while (f && (c = getc(f)) != EOF) n += c == \'\\n\';\n    printf("%d lines\\n", n);\n    return 0;\n}\n',
    "util.c": '#include "util.h"\nint twice(int n) { return 2 * n; }\n',
    "util.h": "int twice(int n);\n",
    "Makefile": MAKEFILE,
    "data.txt": "1\n2\n3\n",
    "words.cc": '#include <iostream>\n#include <map>\n#include <string>\nint main() { std::map<std::string, int> m; m["a"] = 7; for (auto &[k, v] : m) std::cout << k << v << "\\n"; }\n',
    ".gitignore": "*.o\napp\n",
    "foo.pc": "prefix=/usr\nName: foo\nDescription: foo\nVersion: 1.2\nLibs: -L${prefix}/lib -lfoo\nCflags: -I${prefix}/include/foo\n",
    "calc.y": "%{\n#include <stdio.h>\nint yylex(void);\nvoid yyerror(const char *s);\n%}\n%token NUM\n%%\nlist: | list NUM { printf(\"n\\n\"); };\n%%\n",
    "scan.l": "%option noyywrap\n%%\n[0-9]+ { return 1; }\n.|\\n ;\n%%\n",
    "defs.m4": "define(`N', `7')dnl\nvalue N\n",
}
UTIL = ("util.c", "2 * n", "3 * n")
BUILT = "gcc -O1 -o app main.c util.c && gcc -c util.c -o util.o"

c = Project("c", "C and C++", FILES, edit=UTIL, needs="gcc")
c("gcc -c util.c")
c("gcc -O2 -Wall -g -c main.c -o main.o", ("main.c", "argc + 20", "argc + 30"), shows="the path of its own tree")
c("gcc main.c util.c -o app")
c("gcc -E main.c", ("util.h", "int n", "int number"))
c("gcc -S -O2 util.c")
c("gcc -M main.c > deps.mk", ("main.c", "#include <stdio.h>", "#include <stdio.h>\n#include <stdlib.h>"))
c("gcc -fsyntax-only -Wextra main.c", ("main.c", "int c, n = 0", "int c, unused, n = 0"))
c("gcc -MMD -c util.c -o util.o")
c("gcc -shared -fPIC -o libutil.so util.c")
c("cc -o app main.c util.c && ./app data.txt", ("data.txt", "3\n", "3\n4\n"))
c("g++ -std=c++17 -o words words.cc", ("words.cc", "= 7", "= 8"), needs="g++")
c("ar rcs libutil.a util.o", needs="ar", shows="file times", before="gcc -c util.c", edit="sed -i s/2/3/ util.c && gcc -c util.c")
c("nm app", needs="nm", before=BUILT, edit="sed -i s/twice/thrice/ main.c util.c util.h && gcc -O1 -o app main.c util.c")
c("objdump -d util.o", needs="objdump", before=BUILT, edit="sed -i s/2/3/ util.c && gcc -c util.c")
c("strip -o app.small app", needs="strip", before=BUILT, edit="sed -i s/2/3/ util.c && gcc -O1 -o app main.c util.c")
c("strip app", needs="strip", before=BUILT, changes_input="rewrites its input in place", shows="the mode of its input", edit="sed -i s/2/3/ util.c && gcc -O1 -o app main.c util.c")
c("readelf -h app", needs="readelf", before=BUILT, edit="gcc -c util.c -o app")
c("size app", needs="size", before=BUILT, edit="sed -i s/2/300/ util.c && gcc -O0 -g -o app main.c util.c words.cc || gcc -c util.c -o app")
c("strings -n 8 app", needs="strings", before=BUILT, edit="sed -i 's/lines/many more lines/' main.c && gcc -o app main.c util.c")
c("ld -r -o both.o main.o util.o", needs="ld", before="gcc -c main.c util.c", edit="sed -i s/2/3/ util.c && gcc -c util.c")
c("./app data.txt", ("data.txt", "3\n", "3\n4\n"), before=BUILT)
c("valgrind -q ./app data.txt", ("data.txt", "3\n", "3\n4\n"), before=BUILT, needs="valgrind", slow=True)
c("gcc --coverage -o cov main.c util.c", shows="the path of its own tree")
c("pkg-config --cflags --libs foo", ("foo.pc", "1.2\nLibs: ", "1.2\nLibs: -lbar "), needs="pkg-config", env={"PKG_CONFIG_PATH": "ROOT"})
c("bison -d calc.y", ("calc.y", "printf(\"n", "printf(\"m"), needs="bison")
c("flex -o scan.c scan.l", ("scan.l", "return 1", "return 2"), needs="flex")
c("m4 defs.m4 > defs.txt", ("defs.m4", "`7'", "`8'"), needs="m4")
c("gcc --version", needs="gcc", edit=None)

make = Project("make", "make", FILES, edit=UTIL, needs="gcc make")
make("make")
make("make -j2")
make("make -s")
make("make app", before="make", name="make app (up to date)", no_way_back="what it was built from before is built anew")
make("make -n", ("Makefile", "-O1", "-O2"))
make("make test")
make("make test", before="make", name="make test (built before)", no_way_back="what it was built from before is built anew")
make("make clean", before="make", changes_input="removes what it finds", edit="touch z.o")
make("make clean app", before="make")
make("make install DESTDIR=stage")
make("make CFLAGS='-O2 -g'", shows="the path of its own tree")
make("make -B", before="make")

CMAKE = "cmake_minimum_required(VERSION 3.10)\nproject(app C)\nadd_executable(app main.c util.c)\nenable_testing()\nadd_test(NAME runs COMMAND app)\ninstall(TARGETS app)\n"
cmake = Project("cmake", "cmake, ninja, meson",
                {**FILES, "CMakeLists.txt": CMAKE, "meson.build": "project('app', 'c')\nexecutable('app', 'main.c', 'util.c')\n", ".gitignore": "build/\n"},
                edit=UTIL, needs="cmake gcc make", slow=True, shows="the path of its own tree")  # fmt: skip
LISTS = ("CMakeLists.txt", "add_executable(app ", "add_compile_definitions(X=1)\nadd_executable(app ")
cmake("cmake -S . -B build", LISTS)
cmake("cmake -S . -B build -G Ninja", LISTS, needs="ninja")
cmake("cmake --build build", before="cmake -S . -B build")
cmake("cmake --build build", before="cmake -S . -B build -G Ninja", needs="ninja", name="cmake --build build (Ninja)")
cmake("ninja -C build", before="cmake -S . -B build -G Ninja", needs="ninja")
cmake("ninja -C build", before="cmake -S . -B build -G Ninja && ninja -C build", needs="ninja", name="ninja (up to date)", no_way_back="what it was built from before is built anew")
cmake("ctest --test-dir build", before="cmake -S . -B build && cmake --build build", edit="sed -i 's/return 0/return 1/' main.c && cmake --build build")
cmake("cmake -S . -B build && cmake --build build -j2", name="cmake, configure and build")
cmake("cmake --install build --prefix stage", before="cmake -S . -B build && cmake --build build", edit="sed -i 's/2/3/' util.c && cmake --build build")
cmake("meson setup build", ("meson.build", "'c')", "'c', version: '2')"), needs="meson ninja")
cmake("meson compile -C build", before="meson setup build", needs="meson ninja")
