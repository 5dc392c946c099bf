use super::*;

#[test]
fn patterns_stand_for_names() {
    for (pattern, name, is_it) in [
        ("in*.txt", "in_a.txt", true),
        ("in*.txt", "out.txt", false),
        ("*", "", true),
        ("?.c", "a.c", true),
        ("?.c", "ab.c", false),
        ("[ab]*.c", "x1.c", true),
        ("a{b,c}d", "abd", true),
        ("a{b,c}d", "xbd", false),
        ("*a*b", "xaxxb", true),
        ("*a*b", "xaxx", false),
        ("[]a]x", "ax", true),
        ("[a", "q", true),
    ] {
        assert_eq!(is_like(pattern.as_bytes(), name.as_bytes()), is_it, "{pattern} {name}");
    }
}

#[test]
fn shells_find_what_a_pattern_in_their_text_stands_for() {
    for (script, name, found) in [
        ("cat in*.txt > out.txt", "out.txt", false),
        ("cat in*.txt > out.txt", "in.txt", true),
        ("cat d/*.txt > out.txt", "out.txt", true),
        ("set -- ck.*; echo x > ck.$#", "ck.1", true),
        ("for f in *.csv; do sort \"$f\" > \"$f.sorted\"; done", "a.csv.sorted", false),
        ("for f in $(cat names); do cat $f; done > out", "out", true),
        ("p='ck*'; cat $p.txt > out", "out", false),
        ("p='ck*'; cat $p.txt > a.txt", "a.txt", true),
        ("p='*.cs'; cat ${p}v > x.csv", "x.csv", true),
        ("cat in$1*.txt > out.txt", "out.txt", false),
        ("n=$(wc -l < x); cat in*.txt > out.txt; echo \"$n\"", "out.txt", false),
        ("n=$(cat x); cat in*.txt $n > out.txt", "out.txt", true),
        ("[ -f a ] && cat in?.txt > out.txt", "out.txt", false),
        ("echo $((1 + 2)) > o; cat in*.txt", "o", false),
        ("compgen -G in* > out.txt", "out.txt", true),
        ("echo none > out.txt", "out.txt", true),
    ] {
        let mut globs = Globs::default();
        globs.script(script.as_bytes());
        assert_eq!(globs.may_find(name.as_bytes()), found, "{script}: {name}");
    }
    let mut globs = Globs::default();
    globs.script(b"cat */part.txt > all; mv all a/part.txt");
    assert!(globs.may_test(b"part.txt") && !globs.may_test(b"all"));
    globs.script(b"cat $1");
    globs.value(b"ck.*");
    assert!(globs.may_find(b"ck.1"));
}

#[test]
fn python_lets_through_what_its_literal_filters_say() {
    for (code, name, found) in [
        ("glob.glob('ck/*.pt')", "1.pt", true),
        ("glob.glob('ck/*.pt')", "1.txt", false),
        ("from glob import glob\nglob(f'ck/{x}*.pt')", "1.pt", true),
        ("[f for f in os.listdir('ck') if f.endswith('.pt')]", "a.txt", false),
        ("[f for f in sorted(os.listdir('ck')) if f.endswith(('.pt', '.bin'))]", "a.bin", true),
        ("[f for f in os.listdir('ck') if not f.endswith('.pt')]", "a.txt", true),
        ("len(os.listdir('ck'))", "a", true),
        ("'ck.json' in os.listdir('.')", "ck.json", true),
        ("'ck.json' in os.listdir('.')", "o", false),
        (
            "for f in os.listdir('.'):\n    if not f.endswith('.csv'):\n        continue\n    use(f)\n",
            "a.txt",
            false,
        ),
        (
            "for f in os.listdir('.'):\n    n += 1\n    if f.endswith('.csv'):\n        use(f)\n",
            "a.txt",
            true,
        ),
        ("for p in Path('d').iterdir():\n    if p.suffix == '.csv':\n        use(p)\n", "a.txt", false),
        (
            "for p in Path('d').iterdir():\n    if p.suffix == '.csv':\n        use(p)\n    else:\n        n += 1\n",
            "a.txt",
            true,
        ),
        ("fnmatch.filter(os.listdir('d'), '*.csv')", "a.txt", false),
        ("ls = os.listdir\nls('.')", "a", true),
        ("from os import listdir as ls\nls('.')", "a", true),
        ("getattr(os, 'listdir')('.')", "a", true),
        ("glob.glob(pattern)", "a", true),
        ("Path('.').rglob('*.csv')", "a.txt", false),
        ("os.walk('.')", "a", true),
    ] {
        let listed = listed(Some(LanguageKind::Python), Path::new("a.py"), code.as_bytes());
        let through = |filter: &Filter| filter.is_last && is_like(&filter.pattern, name.as_bytes());
        assert_eq!(listed.anything || listed.filters.iter().any(through), found, "{code}: {name}");
    }
}

#[test]
fn javascript_lets_through_what_a_literal_filter_says() {
    for (code, name, found) in [
        ("fs.readdirSync('d').filter(f => f.endsWith('.md'))", "a.txt", false),
        ("fs.readdirSync('d').filter((f) => f.endsWith('.md'))", "a.md", true),
        ("fs.readdirSync('d').filter(f => f.endsWith('.md') || f)", "a.txt", true),
        ("fs.readdirSync('d').length", "a.txt", true),
        ("const { readdir } = require('fs')", "a.txt", true),
    ] {
        let listed = listed(Some(LanguageKind::JavaScript), Path::new("a.js"), code.as_bytes());
        let through = |filter: &Filter| is_like(&filter.pattern, name.as_bytes());
        assert_eq!(listed.anything || listed.filters.iter().any(through), found, "{code}: {name}");
    }
}
