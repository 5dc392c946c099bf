//! Finds code that composes names of variables, or reads the environment as a whole, in text of any language.
//!
//! A search for spellings in any language. Shell, Python and JavaScript are also parsed, as the function's own sources are.

use crate::hash::language::{JavaScript, Language, Python, Shell};
use memchr::memmem;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

/// The spellings of one language.
#[derive(Debug)]
pub(crate) struct Composing {
    /// Names of programs that run the language, without a version.
    runners: &'static [&'static str],
    /// Extensions of its files, or their names.
    ends: &'static [&'static str],
    /// Spellings that read the whole environment, or any variable.
    whole: &'static [&'static str],
    /// Spellings that read a variable, unless a literal follows.
    computed: &'static [&'static str],
}

const LANGUAGES: &[Composing] = &[
    Composing {
        runners: &["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"],
        ends: &["sh", "bash", "ksh", "zsh", "bats"],
        whole: &[
            "${!",
            "compgen -",
            "export -p",
            "envsubst",
            "declare -n",
            "local -n",
            "typeset -n",
            "-v $",
            "-v \"$",
            "source <(",
            ". <(",
            "source /dev/stdin",
            ". /dev/stdin",
            "source /dev/fd/",
            ". /dev/fd/",
        ],
        computed: &[],
    },
    Composing {
        runners: &["python", "pypy"],
        ends: &["py", "pyw"],
        whole: &[],
        computed: &[
            "environ[",
            "environb[",
            "environ.get(",
            "environ.pop(",
            "environ.setdefault(",
            "getenv(",
            "getenvb(",
            "expandvars(",
        ],
    },
    Composing {
        runners: &["node", "nodejs", "bun", "deno", "tsx"],
        ends: &["js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx"],
        whole: &["...process.env", "(process.env)", "in process.env)"],
        computed: &["process.env[", "import.meta.env[", "Deno.env.get("],
    },
    Composing {
        runners: &["perl"],
        ends: &["pl", "pm", "PL", "t"],
        whole: &["%ENV", "@ENV{"],
        computed: &["$ENV{", "$ENV {"],
    },
    Composing {
        runners: &["make", "gmake", "bmake", "remake"],
        ends: &["Makefile", "makefile", "GNUmakefile", "mk", "make"],
        whole: &[
            "$(.VARIABLES",
            "${.VARIABLES",
            "$($",
            "${$",
            "$(value $",
            "$(origin $",
            "$(flavor $",
            "ifdef $",
            "ifndef $",
        ],
        computed: &[],
    },
    Composing {
        runners: &["cmake", "ctest", "cpack", "ccmake"],
        ends: &["cmake", "CMakeLists.txt"],
        whole: &[],
        computed: &["$ENV{", "DEFINED ENV{"],
    },
    Composing {
        runners: &["awk", "gawk", "mawk", "nawk"],
        ends: &["awk"],
        whole: &["in ENVIRON"],
        computed: &["ENVIRON["],
    },
    Composing {
        runners: &["ruby", "irb", "rake"],
        ends: &["rb", "rake", "Rakefile", "gemspec"],
        whole: &["ENV.to_h", "ENV.each", "ENV.map", "ENV.select", "ENV.keys"],
        computed: &["ENV[", "ENV.fetch(", "ENV.key?("],
    },
    Composing {
        runners: &["php"],
        ends: &["php"],
        whole: &["foreach ($_ENV", "foreach($_ENV"],
        computed: &["getenv(", "$_ENV[", "$_SERVER["],
    },
    Composing { runners: &["lua", "luajit"], ends: &["lua"], whole: &[], computed: &["os.getenv("] },
    Composing { runners: &["R", "Rscript"], ends: &["R", "r"], whole: &[], computed: &["Sys.getenv("] },
    Composing { runners: &["julia"], ends: &["jl"], whole: &[], computed: &["ENV["] },
    Composing {
        runners: &["tclsh", "wish", "expect"],
        ends: &["tcl", "exp"],
        whole: &["env($", "array get env", "array names env"],
        computed: &[],
    },
];

/// The language of a file, by its name or first line.
pub(crate) fn of_file(path: &Path, head: &[u8]) -> Option<&'static Composing> {
    let (end, name) = (path.extension(), path.file_name());
    let is_named = |known: &str| {
        let known = Some(OsStr::new(known));
        end == known || (name == known && name.is_some_and(is_whole_name))
    };
    let by_name = LANGUAGES.iter().find(|language| language.ends.iter().any(|known| is_named(known)));
    by_name.or_else(|| {
        let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let last = |word: &[u8]| word.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
        words.find_map(|word| of_program(&last(word)))
    })
}

/// Whether this is a whole name that stands for a language, and no extension.
fn is_whole_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.ends_with(b"akefile") || name.ends_with(b".txt")
}

/// The language that the program of this name runs.
pub(crate) fn of_program(name: &[u8]) -> Option<&'static Composing> {
    let end = name.iter().rposition(|byte| !(byte.is_ascii_digit() || matches!(byte, b'.' | b'-')));
    let base = name.get(..end? + 1)?;
    LANGUAGES.iter().find(|language| language.runners.iter().any(|runner| runner.as_bytes() == base))
}

impl Composing {
    /// Whether one of the programs `names` runs the language.
    pub(crate) fn is_run_by(&self, names: &BTreeSet<&[u8]>) -> bool {
        names.iter().any(|name| of_program(name).is_some_and(|language| std::ptr::eq(language, self)))
    }

    /// Whether the code reads a variable whose name it does not contain, or all variables.
    pub(crate) fn takes_any(&self, code: &[u8]) -> bool {
        let is_shell = self.runners.first() == Some(&"sh");
        self.whole.iter().any(|part| memmem::find(code, part.as_bytes()).is_some())
            || self.computed.iter().any(|part| {
                memmem::find_iter(code, part.as_bytes())
                    .any(|at| !is_literal(code.get(at + part.len()..).unwrap_or_default()))
            })
            || (is_shell && evaluates(code))
            || (self.runners.first() == Some(&"make") && puts_names_together(code))
            || self.parsed_takes_all(code)
    }

    /// Whether code in a language that cashet parses reads the whole environment.
    fn parsed_takes_all(&self, code: &[u8]) -> bool {
        let has = |text: &[u8]| memmem::find(code, text).is_some();
        let parsed = match self.runners.first() {
            Some(&"sh") => Shell.parse(code),
            Some(&"python") if has(b"environ") || has(b"getenv") => Python::newest().parse(code),
            Some(&"node") if has(b"env") => JavaScript::for_extension("tsx").parse(code),
            _ => return false,
        };
        parsed.whole_environment
    }
}

/// Whether a makefile composes the name of a variable: `$(LIB_$(KIND))`. What automake writes does so with its own names alone.
fn puts_names_together(code: &[u8]) -> bool {
    memchr::memchr_iter(b'$', code).any(|at| {
        let name = code.get(at + 2..).unwrap_or_default();
        let length =
            name.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte)).count();
        let (name, after) = name.split_at_checked(length).unwrap_or((name, &[]));
        let begins = |text: &[u8]| matches!(text, [b'$', b'(' | b'{', ..]);
        begins(code.get(at..).unwrap_or_default())
            && !name.is_empty()
            && begins(after)
            && !(name.starts_with(b"am__") || name.starts_with(b"AM_"))
    })
}

/// Whether the code begins with a string literal, or with a word that stands for itself (`$ENV{NAME}`).
fn is_literal(code: &[u8]) -> bool {
    let code = code.trim_ascii_start();
    let word = code.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'));
    if word.is_some_and(|length| length > 0 && code.get(length) == Some(&b'}')) {
        return true;
    }
    let code =
        code.strip_prefix(b"b").or(code.strip_prefix(b"r")).or(code.strip_prefix(b"u")).unwrap_or(code);
    let (Some(quote @ (b'"' | b'\'' | b'`')), rest) = (code.first(), code.get(1..).unwrap_or_default())
    else {
        return false;
    };
    let text = rest.split(|byte| byte == quote).next().unwrap_or_default();
    // `"A" + b`, `"#{a}_B"`, `` `${a}_B` ``.
    let after = rest.get(text.len() + 1..).unwrap_or_default().trim_ascii_start();
    let is_whole =
        matches!(after.first(), Some(b']' | b')' | b',' | b'}') | None) || after.starts_with(b"=>");
    is_whole
        && memmem::find(text, b"#{").is_none()
        && memmem::find(text, b"${").is_none()
        && !text.contains(&b'$')
}

/// Whether a shell evaluates a composed text.
fn evaluates(code: &[u8]) -> bool {
    memmem::find_iter(code, b"eval").any(|at| {
        let is_part = |byte: Option<&u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(byte))
        };
        let before = at.checked_sub(1).and_then(|before| code.get(before));
        let rest = code.get(at + 4..).unwrap_or_default();
        if is_part(before) || is_part(rest.first()) {
            return false;
        }
        let command = rest.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_start();
        // getopt prints quoted text.
        let is_getopt = command.starts_with(b"set -- ") || command.starts_with(b"\"set -- ");
        !is_getopt && command.iter().any(|byte| matches!(byte, b'$' | b'`'))
    })
}

/// Possible names of variables in code: words after `$` or a quote, and words in capitals. Sorted.
pub(crate) fn references(code: &[u8]) -> BTreeSet<&[u8]> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut found = BTreeSet::new();
    let mut at = 0;
    while let Some(start) =
        code.get(at..).and_then(|rest| rest.iter().position(is_part)).map(|start| at + start)
    {
        let rest = code.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        at = start + length;
        if name.first().is_some_and(u8::is_ascii_digit) || name == b"_" {
            continue;
        }
        let before = |back: usize| start.checked_sub(back).and_then(|before| code.get(before));
        let is_dollar = before(1) == Some(&b'$')
            || (matches!(before(1), Some(b'{' | b'(' | b'!' | b'#')) && before(2) == Some(&b'$'))
            || before(3) == Some(&b'$');
        let is_quoted = matches!(before(1), Some(b'"' | b'\'' | b'`'));
        let is_capital = name.len() > 1
            && !name.iter().any(u8::is_ascii_lowercase)
            && name.iter().any(u8::is_ascii_uppercase);
        if is_dollar || is_quoted || is_capital {
            found.insert(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_are_seen_by_language() {
        for (name, code, expected) in [
            ("a.sh", "n=MI; n=${n}NE; eval \"echo \\$$n\"", true),
            ("a.sh", "eval set -- \"$opts\"; evaluate $x; ./eval $x", false),
            ("a.sh", "echo ${!n}", true),
            ("a.sh", "echo $MINE ${#x}", false),
            ("a.sh", "let \"n=${p}_PORT+1\"", true),
            ("a.sh", "trap \"echo \\$${n}_PORT\" EXIT", true),
            ("a.sh", "[[ $n -gt 5 ]] && cp ${n}_PORT.txt out/${n}_A", false),
            ("a.sh", "cat ${n}_PORT", false),
            ("Makefile", "ifdef $(K)_FLAGS\nendif", true),
            ("a.sh", "source <(zcat s.gz)", true),
            ("a.sh", "while read x; do :; done < <(ls)", false),
            ("a.py", "os.environ[name]", true),
            ("a.py", "os.environ['X'] + os.environ.get(\"Y\", z) + os.getenv(b'Z')", false),
            ("a.py", "os.environ['A' + b]", true),
            ("a.py", "os.getenv(f'{a}_B')", true),
            ("a.js", "process.env[name]", true),
            ("a.js", "process.env['X']", false),
            ("a.js", "process.env[`${a}_B`]", true),
            ("a.pl", "print $ENV{$x}", true),
            ("a.pl", "print $ENV{X}, $ENV{'Y'}, $ENV{\"Z\"}", false),
            ("a.pl", "print $ENV{\"A\" . \"B\"}, $ENV{lc $x}", true),
            ("a.py", "import os\nprint(dict(os.environ))", true),
            ("a.py", "import os\nE = os.environ\nprint(list(E))", true),
            ("a.py", "import os\nprint(os.environ.get('A' + 'B'))", true),
            ("a.py", "import os\nprint(os.environ['A'], 'A' in os.environ)", false),
            ("a.js", "const {env} = process; console.log(Object.values(env))", true),
            ("a.ts", "const port: string = process.env.PORT ?? '1'", false),
            ("a.sh", "set | wc -l", true),
            ("a.sh", "export | wc -l", true),
            ("a.sh", "set -e; export A=1; echo $A", false),
            ("Makefile", "all:\n\techo $($(NAME))", true),
            ("Makefile", "all:\n\techo $(NAME)", false),
            ("Makefile", "all:\n\techo $(LIB$(KIND)DIR)", true),
            ("Makefile", "all:\n\techo $(call f,$(KIND)) $${A$${B}} $(am__v_CC_$(V))", false),
            ("a.cmake", "message($ENV{FLAGS${mode}})", true),
            ("CMakeLists.txt", "message($ENV{FLAGS_debug})", false),
            ("a.awk", "{ print ENVIRON[x] }", true),
            ("a.awk", "{ print ENVIRON[\"X\"] }", false),
            ("a.rb", "ENV[name]", true),
            ("a.rb", "ENV.fetch('X')", false),
            ("a.R", "Sys.getenv(paste0('A', 'B'))", true),
            ("a.lua", "os.getenv(x)", true),
            ("tool", "#!/usr/bin/env -S python3.11 -u\nos.environ[x]", true),
            ("tool", "#!/bin/bash\necho ${!x}", true),
            ("t", "#!/bin/bash\necho ${!x}", true),
            ("a.csv", "os.environ[x]", false),
        ] {
            let found = of_file(Path::new(name), code.as_bytes());
            assert_eq!(
                found.is_some_and(|language| language.takes_any(code.as_bytes())),
                expected,
                "{name}: {code}"
            );
        }
    }

    #[test]
    fn what_may_be_a_variable_is_named() {
        let found =
            references(b"echo $mine ${other} \"quoted\" $((NUMBER+1)) word os.environ['key'] A 2x $1");
        let found: Vec<_> =
            found.into_iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        assert_eq!(found, ["NUMBER", "key", "mine", "other", "quoted"]);
    }
}
