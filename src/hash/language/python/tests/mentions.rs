//! What a Python program uses: its own source, environment variables, imports, and words that affect its normal form.

use super::*;

#[test]
fn programs_that_read_themselves_are_exact() {
    for source in [
        "import inspect",
        "from inspect import stack",
        "import linecache as l",
        "sys._getframe(1).f_lineno",
        "getattr(sys, '_getframe')",
        "f.__code__.co_firstlineno",
        "e.__traceback__.tb_lineno",
        "import icecream",
        "open(__file__)",
        "open(sys.argv[0])",
        "Path(__file__).resolve().read_text()",
        "path = os.path.abspath(__file__)",
        "importlib.import_module('inspect')",
        "torch.jit.script(f)",
        "traceback.extract_stack()",
        "module.__file__.upper()",
        "traceback.extract_tb(t)[0][1]",
        "f.__code__ == g.__code__",
        "hash(f.__code__)",
        "SourceLoader.source_to_code = f",
        "sys.meta_path.insert(0, f)",
        "sys.path_hooks.append(f)",
        "sys.addaudithook(f)",
        "import importlib.machinery",
        "from importlib.abc import Loader",
        "builtins.compile = f",
        "import builtins as b",
        "setattr(builtins, 'compile', f)",
        "__builtins__['compile'] = f",
        "mock.patch('builtins.compile')",
        "import beartype.claw",
        "import cloudpickle",
        "import tracemalloc",
    ] {
        assert!(parsed(source).exact, "{source}");
        assert_eq!(normal(source), None, "{source}");
    }
    for source in [
        "os.path.dirname(__file__)",
        "os.path.dirname(os.path.abspath(__file__))",
        "Path(__file__).resolve().parent / 'x'",
        "np.stack(a)",
        "stack = []\nstack.append(1)",
        "from numpy import stack",
        "# inspect\nx = 1",
        "open(sys.argv[1])",
        "f.__code__.co_name",
        "f.__code__.co_varnames[:f.__code__.co_argcount]",
        "import builtins\nbuiltins.open(a)",
        "importlib.import_module('a')",
        "traceback.print_exc()",
        "data = get_data()",
    ] {
        assert!(!parsed(source).exact, "{source}");
        assert!(normal(source).is_some(), "{source}");
    }
}

#[test]
fn names_of_the_environment_are_found() {
    let asked = |source: &str| {
        let parsed = parsed(source);
        let names: Vec<String> =
            parsed.variables.iter().map(|name| String::from_utf8(name.clone()).unwrap()).collect();
        (names.join(" "), parsed.whole_environment)
    };
    for (source, names) in [
        ("os.environ['A']", "A"),
        ("os.environ.get('A', os.environ.get('B'))", "A B"),
        ("os.getenv('A')", "A"),
        ("os.getenv(key='A')", "A"),
        ("o.environ.pop('A')", "A"),
        ("from os import environ\nenviron['A']", "A"),
        ("'A' in os.environ", "A"),
        ("os.environ['A'] += 'x'", "A"),
        ("os.environb[b'A']", "A"),
        ("del os.environ['A']", "A"),
        ("os.path.expandvars('$A/${B}/c')", "A B"),
        ("os.environ['A'] = 'x'", ""),
        ("os.environ.update(A='1')", ""),
    ] {
        assert_eq!(asked(source), (names.to_owned(), false), "{source}");
    }
    for source in [
        "dict(os.environ)",
        "os.environ.items()",
        "subprocess.run(a, env=os.environ)",
        "os.environ[name]",
        "os.getenv(name)",
        "env = os.environ",
        "os.environ.copy()",
        "name in os.environ",
        "from os import environ as e",
        "getattr(os, 'environ')",
        "g = os.getenv",
        "os.path.expandvars(x)",
        "{**os.environ}",
    ] {
        assert!(asked(source).1, "{source}");
    }
}

#[test]
fn imports_are_found_wherever_they_stand() {
    let source = "import a.b, c as d\ndef f():\n    from e import g, h\n    if x:\n        from .. import i\n\
                  try:\n    from .j.k import *\nexcept ImportError: import_module('l.m')\n__import__('n')";
    let module = |name: &str, names: &[&str]| Import::Module {
        name: name.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let relative = |level, name: &str, names: &[&str]| Import::Relative {
        level,
        name: name.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let parsed = parsed(source);
    let expected = [
        module("a.b", &[]),
        module("c", &[]),
        module("e", &["g", "h"]),
        relative(2, "", &["i"]),
        relative(1, "j.k", &["*"]),
        module("l.m", &[]),
        module("n", &[]),
    ];
    assert_eq!(parsed.imports, expected);
    assert!(!parsed.computed_imports);
    for source in
        ["import_module(x)", "sys.path.insert(0, x)", "sys.path = []", "exec(x)", "sys.path[0:0] = [x]"]
    {
        assert!(self::parsed(source).computed_imports, "{source}");
    }
}

#[test]
fn words_that_decide_are_found() {
    assert!(parsed("print(__doc__)").reads_docstrings);
    assert!(parsed("from docopt import docopt").reads_docstrings);
    for source in [
        "getattr(f, name)",
        "map(getattr, fs, names)",
        "attrgetter(name)(f)",
        "methodcaller(name)(f)",
        "f.__getattribute__(name)",
        "'{0.__doc__}'.format(f)",
        "f'{a}.__doc__'",
        "('{0.' + name + '}').format(f)",
        "f.__code__.co_consts",
        "eval(text)",
        "exec(compile(text, '', 'exec'))",
        "import_module(name)",
        "match f:\n    case object(__doc__=d): print(d)",
        "import gc\ngc.get_objects()",
        "ast.get_docstring(t)",
    ] {
        assert!(parsed(source).reads_docstrings, "{source}");
    }
    for source in [
        "getattr(f, 'name', None)",
        "from operator import attrgetter\nsorted(a, key=attrgetter('name', 'size'))",
        "'{} {}'.format(a, b)",
        "TEXT.format(a)",
        "re.compile(a)",
        "model.eval()",
        "__name__ == '__main__'",
    ] {
        assert!(!parsed(source).reads_docstrings, "{source}");
    }
    assert!(!parsed("'''__doc__ in a docstring'''").reads_docstrings);
    assert!(parsed("os.listdir(x)").lists_directories);
    assert!(parsed("from glob import iglob").lists_directories);
    assert!(parsed("Path(x).rglob('*')").lists_directories);
    assert!(!parsed("open(x)").lists_directories);
}
