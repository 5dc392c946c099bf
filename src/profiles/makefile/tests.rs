//! Targets in makefiles and files of ninja.

use super::*;

fn of(text: &str) -> Targets {
    let mut targets = Targets::default();
    targets.add_makefile(text.as_bytes());
    targets.finished()
}

fn makes(text: &str, name: &str) -> bool {
    of(text).may_make(Path::new(name), |_| false)
}

#[test]
fn names_before_a_colon_are_targets() {
    for (text, name, expected) in [
        ("app: main.o\n\tcc -o app main.o", "app", true),
        ("app: main.o\n\tcc -o app main.o", "main.o", false),
        ("a b: c", "b", true),
        ("a b &: c", "b", true),
        ("out/gen.c: gen.y", "src/out/gen.c", true),
        ("a: \\\n b", "b", false),
        ("a \\\n b: c", "b", true),
        ("A := b:c", "b", false),
        ("A = b", "A", false),
        ("A ::= b: c", "b", false),
        ("app: CFLAGS = -g", "app", true),
        ("# gen.c: x", "gen.c", false),
        ("\tgen.c: x", "gen.c", false),
        (".PHONY: all", "all", false),
        ("%.o: %.c\n\tcc $<", "util.o", true),
        ("%.o: %.c\n\n# so\n\tcc $<", "util.o", true),
        ("%.o: %.c ; cc $<", "util.o", true),
        ("%.o: %.c\nifdef X\n\tcc $<\nendif", "util.o", true),
        ("%.o: %.c\n\tcc $<", "util.c", false),
        ("% : %,v\nall: a", "util.c", false),
        ("%.o: X = 1\nall: a", "util.o", true),
        (".c.o:\n\tcc -c $<", "x.o", true),
        (".y.c:\n\tbison $<", "x.c", true),
        ("all:: gen.h", "all", true),
    ] {
        assert_eq!(makes(text, name), expected, "{text}: {name}");
    }
}

#[test]
fn variables_are_looked_through() {
    for (text, name, expected) in [
        ("OBJS = a.o b.o\n$(OBJS): %.o: %.c", "b.o", true),
        ("OBJS = a.o b.o\n$(OBJS): %.o: %.c", "b.c", false),
        ("SRC = a.c\nOBJS = $(SRC:.c=.o)\n$(OBJS): x", "a.o", true),
        ("SRC = a.c\nOBJS = $(patsubst %.c,out/%.o,$(SRC))\n$(OBJS): x", "z.o", true),
        ("B = out\n$(B)/%.o: %.c", "a.o", true),
        ("B = out\n$(B)/%.o: %.c", "a.c", false),
        ("lib$(NAME).a: x", "libz.a", true),
        ("lib$(NAME).a: x", "z.c", false),
        ("$(UNKNOWN): x", "z.c", true),
        ("X != ls\n$(X): y", "z.c", true),
        ("X = $(wildcard *.c)\n$(X): y", "z.c", true),
        ("P := $(addprefix out/,a b)\n$(P): y", "b", true),
        ("P := $(addprefix out/,a b)\n$(P): y", "c.h", false),
        ("X += a.c\nX += b.c\n$X: y", "b.c", true),
    ] {
        assert_eq!(makes(text, name), expected, "{text}: {name}");
    }
}

#[test]
fn what_is_not_understood_may_make_anything() {
    for text in [
        "define RULE\n$(1): x\nendef",
        "$(foreach x,$(L),$(eval $(call RULE,$(x))))",
        "include $(CONFIG)",
        "include rules.inc",
        "$(call all,x)",
        ".RECIPEPREFIX = >",
        "lib.a(x.o): x.c",
    ] {
        assert!(makes(text, "z.c"), "{text}");
    }
    assert!(!makes("include a.mk $(OBJS:.o=.d)\n-include deps.d", "z.c"));
}

#[test]
fn make_knows_some_rules_by_itself() {
    let targets = of("app: x.o");
    let beside =
        |names: &'static [&'static str]| move |name: &OsStr| names.iter().any(|known| name == *known);
    for (name, others, expected) in [
        ("x.c", &["x.h"][..], false),
        ("x.c", &["x.y"], true),
        ("x.o", &["x.c"], true),
        ("x.h", &["x.c"], false),
        ("run", &["run.sh"], true),
        ("Makefile", &["x.c"], false),
        ("data.txt", &["data.c"], false),
    ] {
        assert_eq!(targets.may_make(Path::new(name), beside(others)), expected, "{name}");
    }
}

#[test]
fn outputs_of_ninja_are_targets() {
    let mut targets = Targets::default();
    targets.add_ninja(b"rule cc\n  command = cc\nbuild out/a.o | a.d: cc a.c $\n  b.h\nbuild $dir/x$:y z: cc q.c\nbuild all: phony a\n");
    let targets = targets.finished();
    for (name, expected) in
        [("a.o", true), ("a.d", true), ("a.c", false), ("b.h", false), ("z", true), ("q.c", false)]
    {
        assert_eq!(targets.may_make(Path::new(name), |_| false), expected, "{name}");
    }
}

#[test]
fn make_finds_names_by_its_patterns() {
    for (text, name, expected) in [
        ("all:\n\tcat *.txt > got.txt", "got.txt", false),
        ("all:\n\tcat $(wildcard *.txt) > got.txt", "got.txt", true),
        ("all:\n\tcat $(wildcard *.c) > got.txt", "got.txt", false),
        ("SRC := $(wildcard src/*.c)\napp: $(SRC:.c=.o)", "a.o", false),
        ("SRC := $(wildcard src/*.c)\napp: $(SRC:.c=.o)", "a.c", true),
        ("X = $(wildcard $(E))", "a.c", true),
        ("X = $(wildcard got.txt)", "got.txt", true),
        ("X = $(wildcard */got.txt)", "got.txt", true),
        ("X = $(wildcard gen[12]/*.c)", "gen1", true),
        ("X = $(patsubst %.c,%.o,$(wildcard *.c))", "a.o", false),
        ("all: *.txt", "got.txt", true),
        ("P = *.t\nall: $(P)xt", "got.txt", true),
        ("X ?= 1\nall: a", "b", false),
        ("# what *.c has", "a.c", false),
        ("X = a # what *.c has", "a.c", false),
        ("%.o: %.c\n\tcc -c $<", "a.c", false),
        ("define X\nendef", "a.c", true),
        ("app: main.o\n\t$(CC) -o $@ $^", "app", false),
    ] {
        assert_eq!(of(text).may_find(OsStr::new(name)), expected, "{text}: {name}");
    }
    let mut given = Targets::default();
    given.add_value(b"E", b"*.c");
    given.add_value(b"F", b"*.h");
    given.add_makefile(b"X = $(wildcard src $(E))");
    assert!(given.may_find(OsStr::new("a")));
    let mut unused = Targets::default();
    unused.add_value(b"LS_COLORS", b"*.tar=1");
    unused.add_makefile(b"app: main.o");
    assert!(!unused.may_find(OsStr::new("app")));
}

#[test]
fn ninja_compares_an_output_with_its_inputs() {
    let compares = |text: &str, name: &str, other: &str| {
        let mut targets = Targets::default();
        targets.add_ninja(text.as_bytes());
        targets.finished().may_compare(Path::new(name), Path::new(other), |_| false)
    };
    let made = "build out: CC a.c | /x/b.h || c.stamp |@ d\n";
    for (text, name, other, expected) in [
        (made, "out", "sub/a.c", true),
        (made, "out", "b.h", true),
        (made, "out", "c.stamp", false),
        (made, "out", "d", false),
        (made, "out", "other.c", false),
        (made, "other", "a.c", false),
        ("rule CC\n  depfile = x.d\nbuild out: CC a.c\n", "out", "other.c", true),
        ("build out: CC a.c\nrule CC\n  deps = gcc\n", "out", "other.c", true),
        ("build out: CC a.c\n  dyndep = dd\n", "out", "other.c", true),
        ("build out: CC a.c\n  flags = -g\n", "out", "other.c", false),
        ("build out: CC $src/a.c\n", "out", "other.c", false),
        ("build out: CC $src\n", "out", "other.c", true),
        ("build out | out2: CC $\n  a.c\n", "out2", "a.c", true),
        ("build a.c: phony\n", "a.c", "other.c", false),
        ("build all: phony a.c\nbuild out: CC all\n", "out", "a.c", true),
    ] {
        assert_eq!(compares(text, name, other), expected, "{text}: {name}, {other}");
    }
}
