use super::super::{JavaScript, Python, Shell};

#[test]
fn python_that_resumes_is_distinguished_from_python_that_only_looks() {
    for (resumes, code) in [
        (true, "if os.path.exists(ck):\n    state = json.load(open(ck))\n"),
        (true, "if Path('a').exists():\n    torch.load(Path(\"a\"))\n"),
        (true, "if not os.path.exists(p):\n    return_(1)\nelse:\n    use(p)\n"),
        (true, "def f(p):\n    if not p.exists():\n        return None\n    return p.read_text(p)\n"),
        (true, "found = exists(p)\nif resume and found:\n    load(str(p))\n"),
        (true, "def done(p):\n    return exists(p)\nif done(out):\n    load(out)\n"),
        (true, "x = load(p) if os.path.isfile(p) else None\n"),
        (true, "x = os.path.isfile(p) and load(p)\n"),
        (true, "if os.path.exists(out):\n    os.rename(out, out + '.bak')\n"),
        (true, "try:\n    os.stat(p)\n    data = open(p).read()\nexcept OSError:\n    data = ''\n"),
        (true, "if exists(p):\n    p.read_text()\n"),
        (true, "n = 1\nwhile os.path.exists(f'run{n}'):\n    n += 1\nos.makedirs(f'run{n}')\n"),
        (true, "for n in count():\n    d = f'run{n}'\n    if not isdir(d):\n        break\nos.mkdir(d)\n"),
        (
            true,
            "def free():\n    for n in range(9):\n        if not exists(p(n)):\n            return p(n)\n",
        ),
        (true, "for n in range(9):\n    if exists(p):\n        continue\n    os.mkdir(p)\n    break\n"),
        (false, "for x in xs:\n    if exists(o(x)):\n        continue\n    save(o(x))\n"),
        (false, "for x in xs:\n    if not exists(x):\n        raise ValueError(x)\nsave(o)\n"),
        (false, "if os.path.exists(out):\n    os.remove(out)\nopen(out, 'w')\n"),
        (false, "if not os.path.exists(d):\n    os.makedirs(d)\nsave(d)\n"),
        (false, "if os.path.exists(out):\n    print('overwriting', out)\nsave(out)\n"),
        (false, "if os.path.exists(out):\n    sys.exit(0)\nsave(out)\n"),
        (false, "os.makedirs('out', exist_ok=True)\nplt.savefig('out/a.png')\n"),
        (true, "if exists(:\n"),
    ] {
        assert_eq!(Python::newest().state_use(code.as_bytes()).resumes, resumes, "{code}");
    }
}

#[test]
fn javascript_that_resumes_is_distinguished_from_javascript_that_only_looks() {
    for (resumes, code) in [
        (true, "if (fs.existsSync(p)) { s = JSON.parse(fs.readFileSync(p)) }"),
        (true, "const s = existsSync('a') ? read(\"a\") : {}"),
        (true, "const has = fs.existsSync(p); if (has) use(p)"),
        (true, "function f(p) { if (!fs.existsSync(p)) return null; return read(p) }"),
        (true, "fs.existsSync(p) && load(p)"),
        (true, "try { fs.accessSync(p); load(p) } catch {}"),
        (true, "const done = p => fs.existsSync(p); if (done(x)) load(x)"),
        (true, "if (statSync(p).isFile()) load(p)"),
        (true, "let i = 1; while (fs.existsSync('run' + i)) i++; fs.mkdirSync('run' + i)"),
        (
            true,
            "for (let i = 0;; i++) { if (!fs.existsSync(p(i))) return_(i) ; else continue }\nfunction f() { for (let i = 0;; i++) if (!existsSync('a' + i)) return i }",
        ),
        (false, "for (const x of xs) { if (fs.existsSync(x)) continue; write(x) }"),
        (false, "if (fs.existsSync(p)) fs.rmSync(p); fs.writeFileSync(p, 1)"),
        (false, "if (!fs.existsSync(d)) fs.mkdirSync(d); write(d)"),
        (false, "if (fs.existsSync(p)) process.exit(0); write(p)"),
    ] {
        assert_eq!(JavaScript::plain().state_use(code.as_bytes()).resumes, resumes, "{code}");
    }
}

#[test]
fn a_shell_script_that_resumes_is_distinguished_from_one_that_only_looks() {
    for (resumes, code) in [
        (true, "if [ -f \"$ck\" ]; then cat $ck; fi"),
        (true, "if [ ! -e a ]; then echo new; else sort a; fi"),
        (true, "[ -s log ] && tail log"),
        (true, "[ ! -f a ] || . ./a"),
        (true, "test -e x && cat x"),
        (true, "if [[ -e $x ]]; then mv $x $x.bak; fi"),
        (true, "if [ ! -e a ]; then exit 1; fi\ncat a"),
        (false, "[ -e out ] || gen > out"),
        (false, "if [ -e out ]; then rm -f out; fi; gen > out"),
        (false, "[ -d d ] || mkdir -p d"),
        (false, "if [ -e out ]; then echo there out; exit 0; fi; gen > out"),
        (true, "if ((("),
    ] {
        assert_eq!(Shell.state_use(code.as_bytes()).resumes, resumes, "{code}");
    }
    assert!(Shell.state_use(b"[ -d d ] || mkdir -p d").makes_directories);
    assert!(Python::newest().state_use(b"if not exists(d):\n    os.mkdir(d)\n").makes_directories);
}
